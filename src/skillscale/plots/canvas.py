"""What all figures share: panels, legends, colours, and how intervals are drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

INTERVAL_STYLES = ((95, "#c6dbef", 0.62), (80, "#6baed6", 0.42), (50, "#2171b5", 0.24))
"""Percent, colour and height of nested bars, the widest first."""
ACTUAL = "#d55e00"
OBSERVED = "#737373"
INK = "#222222"
FAMILY_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MEDIAN: dict[str, Any] = {
    "linestyle": "none",
    "marker": "|",
    "color": INK,
    "markersize": 9,
    "markeredgewidth": 1.3,
}
"""A stroke across an interval."""
DARK = 0.5
"""Luminance below which text on a colour is white."""
WIDTH, SINGLE = 9.4, 6.4
"""Inches of a figure, and of one with a single panel."""
TITLE = 11
"""Points of a title."""
LETTER = 0.58
"""Width of a letter, relative to its height."""
LEGEND_SIZE = 9
"""Points of text in a legend."""
LEGEND_ROW = 0.21
"""Inches of a row of a legend."""
HANDLE = 0.75
"""Inches of the mark in a legend, with the gaps around it."""


def panels(
    n: int,
    height: float,
    *,
    columns: int | None = None,
    sharex: bool = True,
    sharey: bool | Literal["col"] = True,
) -> tuple[Figure, list[Axes]]:
    """A figure of ``n`` panels with axes shared, as wide as a page.

    Scores share one axis; two quantities side by side share one per column; losses have levels of
    their own and share none.

    Args:
        n: how many panels.
        height: of a panel, in inches.
        columns: panels a row; by default three, or what leaves no gap.
        sharex: whether panels share the horizontal axis.
        sharey: whether they share the vertical one, or those of a column do.

    Returns:
        The figure and its panels, row by row.

    Example:
        >>> figure, axes = panels(5, 2.4)
        >>> len(axes), len(figure.axes)
        (5, 5)
    """
    columns = min(n, columns or (2 if n == 4 else 3))
    rows = -(-n // columns)
    width = SINGLE if columns == 1 else WIDTH
    figure = Figure(figsize=(width, rows * height + 0.3), dpi=150, layout="constrained")
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


def title(ax: Axes, text: object) -> None:
    """Write a title above a panel, over several lines where it is longer than the panel is wide.

    Args:
        ax: the panel.
        text: names in it may have underscores; they are kept.
    """
    place = ax.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    inches = ax.get_figure(root=True).get_figwidth() / columns - 0.6  # type: ignore[union-attr]
    most = int(inches * 72 / (TITLE * LETTER))
    ax.set_title(textwrap.fill(str(text), most), fontsize=TITLE, color=INK)


def legend(figure: Figure, key: Mapping[str, Artist | tuple[Artist, ...]]) -> None:
    """Explain the marks below the panels, to be read row by row, and make room for it.

    Args:
        figure: result of `panels`.
        key: a mark, or several over each other, for every label, in the order to read them.
    """
    if not key:
        return
    inches = figure.get_figwidth() - 0.3
    most = int((inches - HANDLE) * 72 / (LEGEND_SIZE * LETTER))
    labels = {label: textwrap.fill(label, most) for label in key}
    columns = _columns(list(labels.values()), inches)
    # Matplotlib fills columns first; people read rows.
    order = [label for column in range(columns) for label in list(key)[column::columns]]
    lines = sum(max(labels[label].count("\n") + 1 for label in row) for row in _rows(key, columns))
    figure.set_figheight(figure.get_figheight() + 0.15 + LEGEND_ROW * lines)
    marks: list[Any] = [key[label] for label in order]
    figure.legend(
        marks,
        [labels[label] for label in order],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=LEGEND_SIZE,
    )


def _rows(labels: Mapping[str, object] | Sequence[str], columns: int) -> list[list[str]]:
    names = list(labels)
    return [names[start : start + columns] for start in range(0, len(names), columns)]


def _columns(labels: Sequence[str], inches: float) -> int:
    """The most columns that fit, or as many as their rows need."""
    for columns in range(len(labels), 1, -1):
        widest = [
            max(len(line) for label in column for line in label.split("\n"))
            for column in zip_longest(*_rows(labels, columns), fillvalue="")
        ]
        if sum(HANDLE + letters * LEGEND_SIZE * LETTER / 72 for letters in widest) <= inches:
            rows = -(-len(labels) // columns)
            return -(-len(labels) // rows)
    return 1


def draw_intervals(
    ax: Axes,
    rows: ArrayLike,
    given: pd.DataFrame | xr.Dataset,
    unit: float = 1.0,
    shrink: float = 1.0,
    styles: Sequence[tuple[int, str, float]] = INTERVAL_STYLES,
) -> None:
    """Draw nested intervals lying in rows, a stroke at each median.

    Args:
        ax: the panel.
        rows: where, a row each.
        given: ``median``, ``lower_50`` and so on, a value per row.
        unit: what values are multiplied by.
        shrink: height of bars, relative to those of a forecast.
        styles: those of `INTERVAL_STYLES` that there are.
    """
    at = np.asarray(rows)
    lower: Float[np.ndarray, " row"]
    for percent, colour, height in styles:
        lower, upper = (unit * np.asarray(given[f"{end}_{percent}"]) for end in ("lower", "upper"))
        ax.barh(at, upper - lower, left=lower, height=shrink * height, color=colour, zorder=2)
    ax.plot(unit * np.asarray(given["median"]), at, zorder=3, **MEDIAN)


def interval_key(
    styles: Sequence[tuple[int, str, float]] = INTERVAL_STYLES,
) -> dict[str, Artist | tuple[Artist, ...]]:
    """What a legend says of `draw_intervals`.

    Args:
        styles: those drawn.

    Returns:
        The median and every interval, the narrowest first.

    Example:
        >>> list(interval_key())
        ['median', '50 % interval', '80 % interval', '95 % interval']
    """
    return {
        "median": Line2D([], [], **MEDIAN),
        **{f"{percent} % interval": Patch(color=colour) for percent, colour, _ in reversed(styles)},
    }


def widths_key(widths: Sequence[tuple[int, float]]) -> dict[str, Artist]:
    """What a legend says of intervals that are lines, told apart by their widths.

    Args:
        widths: percent and line width.

    Returns:
        The median and every interval.

    Example:
        >>> list(widths_key([(95, 0.9), (80, 2.4)]))
        ['median', '80 % interval', '95 % interval']
    """
    point: dict[str, Any] = {"marker": "o", "markersize": 4.5, "linestyle": "none"}
    return {
        "median": Line2D([], [], color=OBSERVED, **point),
        **{
            f"{percent} % interval": Line2D([], [], color=OBSERVED, linewidth=width)
            for percent, width in sorted(widths)
        },
    }


def heading(name: object) -> str:
    """A name of a skill, as text."""
    return str(name).replace("_", " ")


def cycle(n: int) -> list[str]:
    """Colours of so many lines: named ones, or where these are too few an even scale.

    Args:
        n: how many.

    Returns:
        Different colours.

    Example:
        >>> len(set(cycle(3))), len(set(cycle(27)))
        (3, 27)
    """
    if n <= len(FAMILY_COLOURS):
        return list(FAMILY_COLOURS[:n])
    return [to_hex(colour) for colour in mpl.colormaps["viridis"](np.linspace(0.0, 0.9, n))]


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
