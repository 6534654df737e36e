"""What all figures share: panels, legends, colours and axes of counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import ArrayLike

INTERVAL_STYLES = ((95, "#c6dbef", 0.62), (80, "#6baed6", 0.42), (50, "#2171b5", 0.24))
"""Percent, colour and height of nested bars, the widest first."""
ACTUAL = "#d55e00"
OBSERVED = "#8c8c8c"
INK = "#222222"
FAMILY_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DARK = 0.5
"""Luminance below which text on a colour is white."""
COLUMNS = 2
PANEL_WIDTH = 4.4


def panels(
    n: int,
    height: float,
    legend: float,
    *,
    sharex: bool = True,
    sharey: bool | Literal["col"] = True,
) -> tuple[Figure, list[Axes]]:
    """A figure of ``n`` panels, at most two a row, with axes shared and room for a legend.

    Scores share one axis; two quantities side by side share one per column; losses have levels of
    their own and share none.

    Args:
        n: how many panels.
        height: of a panel, in inches.
        legend: room below the panels, in inches.
        sharex: whether panels share the horizontal axis.
        sharey: whether they share the vertical one, or those of a column do.

    Returns:
        The figure and its panels, row by row.

    Example:
        >>> figure, axes = panels(3, 2.4, 0.6)
        >>> len(axes), len(figure.axes)
        (3, 3)
    """
    columns = min(n, COLUMNS)
    rows = -(-n // columns)
    width = 6.4 if columns == 1 else PANEL_WIDTH * columns + 0.6  # a legend needs six inches
    figure = Figure(figsize=(width, rows * height + legend + 0.3), dpi=150, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    axes = list(grid.ravel())
    for ax in axes[n:]:
        ax.remove()
    for ax in axes[:n]:
        ax.tick_params(length=3, color="#888888", labelsize=9, labelbottom=True)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            ax.spines[side].set_color("#888888")
    return figure, axes[:n]


def legend(figure: Figure, key: dict[str, Artist]) -> None:
    """Explain the marks below the panels, in rows of three, or of two under a single panel.

    Args:
        figure: result of `panels`.
        key: a mark for every label, in the order to read them.
    """
    columns = 2 if len(figure.axes) == 1 else 3
    # Matplotlib fills columns first; people read rows.
    order = [label for column in range(columns) for label in list(key)[column::columns]]
    figure.legend(
        [key[label] for label in order],
        order,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )


def log_axis(ax: Axes, which: Literal["x", "y"], write: Callable[[float], str]) -> None:
    """Make an axis logarithmic, its decades written as people read them.

    Args:
        ax: the panel.
        which: its horizontal or vertical axis.
        write: how a value is written.
    """
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_locator(NullLocator())


def heading(name: object) -> str:
    """A name above a panel."""
    return str(name).replace("_", " ")


def cycle(n: int) -> list[str]:
    """Colours of so many lines."""
    return [FAMILY_COLOURS[i % len(FAMILY_COLOURS)] for i in range(n)]


def ink_on(colour: ArrayLike) -> str:
    """Colour of text that can be read on another.

    Args:
        colour: red, green and blue between 0 and 1, and perhaps opacity.

    Returns:
        A name of Matplotlib's.

    Example:
        >>> ink_on((0.0, 0.0, 0.2, 1.0)), ink_on((1.0, 1.0, 0.8, 1.0))
        ('white', '#222222')
    """
    luminance = np.asarray(colour)[:3] @ (0.2126, 0.7152, 0.0722)
    return "white" if luminance < DARK else INK
