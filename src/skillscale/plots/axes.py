"""Axes of figures: logarithmic ones whose ticks people read, and names of what is on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

LADDERS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))
"""Ticks of a decade, the sparsest first."""
FEWEST, MOST = 3, 7
"""Ticks of an axis."""


class LogTicks(LogLocator):
    """Round values of a logarithmic axis: decades, or values between where decades are few.

    Example:
        >>> LogTicks().tick_values(5e8, 2e12)
        [1000000000.0, 10000000000.0, 100000000000.0, 1000000000000.0]
        >>> LogTicks().tick_values(2e9, 4e10)
        [3000000000.0, 10000000000.0, 30000000000.0]
        >>> [round(tick, 6) for tick in LogTicks().tick_values(0.9, 1.1)]
        [0.9, 0.95, 1.0, 1.05, 1.1]
    """

    def __init__(self, ladders: Sequence[Sequence[float]] = LADDERS) -> None:
        """Choose ticks.

        Args:
            ladders: ticks of a decade, the sparsest first; the first with enough is taken, or, if
                there is none, even steps.
        """
        super().__init__()
        self.ladders = ladders

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Ticks between two values.

        Args:
            vmin: one end of the axis.
            vmax: the other.

        Returns:
            None where an end is not positive.
        """
        low, high = sorted((vmin, vmax))
        if not 0 < low <= high < np.inf:
            return []
        decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        even = np.asarray(MaxNLocator(FEWEST + 2).tick_values(low, high))
        inside = even
        for ticks in (*(np.outer(decades, ladder).ravel() for ladder in self.ladders), even):
            inside = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
            if len(inside) >= FEWEST:
                break
        return [float(tick) for tick in inside[:: -(-len(inside) // MOST) or 1]]


def log_axis(
    ax: Axes,
    which: Literal["x", "y"],
    write: Callable[[float], str],
    ladders: Sequence[Sequence[float]] = LADDERS,
) -> None:
    """Make an axis logarithmic, with ticks written as people read them.

    Args:
        ax: the panel.
        which: its horizontal or vertical axis.
        write: how a value is written.
        ladders: as in `LogTicks`.
    """
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogTicks(ladders))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_locator(NullLocator())


def name_values(ax: Axes, values: Float[np.ndarray, " n"], write: Callable[[float], str]) -> None:
    """Put the ticks of a logarithmic horizontal axis at some values, if they are few and apart.

    Args:
        ax: the panel, with its limits.
        values: in ascending order; one alone says nothing about the scale of the axis.
        write: how a value is written.
    """
    if not 1 < len(values) <= MOST:
        return
    shown = np.ptp(np.log(ax.get_xlim()))
    if np.diff(np.log(values)).min() >= shown / (MOST + 1):
        ax.set_xticks(values, [write(value) for value in values])
        ax.xaxis.set_minor_locator(NullLocator())


def name_rows(ax: Axes, text: str) -> None:
    """Name the vertical axis that panels side by side share: left of the first of them.

    Args:
        ax: a panel.
        text: name and unit.
    """
    place = ax.get_subplotspec()
    if place is None or place.is_first_col():
        ax.set_ylabel(text)


def grid(ax: Axes, which: Literal["x", "y", "both"] = "both") -> None:
    """Draw pale lines at ticks."""
    ax.grid(axis=which, color="#e6e6e6", linewidth=0.8)
