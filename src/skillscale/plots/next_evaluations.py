"""What to evaluate next, by how much it narrows a forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.formatting import format_points
from skillscale.plots.axes import grid
from skillscale.plots.canvas import ACTUAL, FAMILY_COLOURS, INK, legend, panels, title

KINDS = {
    "benchmark": ("o", FAMILY_COLOURS[0], "a benchmark of an observed model"),
    "size": ("s", ACTUAL, "a size to train, on all benchmarks"),
}
INTERVAL = 80
"""Percent of the interval whose width is reported."""
LEAST_ROWS = 3
"""For which there is room: names of axes need it."""
TIES = 2
"""Standard errors to both sides: candidates closer than that are ties."""


def plot_next_evaluations(ranked: pd.DataFrame, *, n: int | None = 20) -> Figure:
    """What could be evaluated next, by how much it is expected to narrow the forecast.

    Args:
        ranked: result of `skillscale.forecasts.next_evaluations.next_evaluations`.
        n: the first so many; None for all.

    Returns:
        A row per candidate, the best first: by how much of its width the mean 80 % interval of the
        forecast is expected to narrow, with two standard errors to both sides, and how wide it is
        then. Of several steps a row each, with those before it: a width for all of them together.

    Example:
        See `skillscale.plots`.
    """
    is_plan = ranked["step"].nunique() > 1
    rows = ranked[ranked["rank"] == 1] if is_plan else ranked
    shown = rows if n is None else rows.head(n)
    at = np.arange(len(shown))
    figure, (ax,) = panels(1, 1.1 + 0.26 * max(len(shown), LEAST_ROWS))
    narrowed, error = (100 * shown[name].to_numpy() for name in ("narrowed", "narrowed_se"))
    ax.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
    key = {}
    for kind, (marker, colour, words) in KINDS.items():
        own = (shown["kind"] == kind).to_numpy()
        if not own.any():
            continue
        mark: dict[str, Any] = {"marker": marker, "color": colour, "markeredgecolor": "white"}
        ends = (narrowed - TIES * error)[own], (narrowed + TIES * error)[own]
        ax.hlines(at[own], *ends, color=colour, linewidth=1.8)
        ax.plot(narrowed[own], at[own], linestyle="none", markersize=6, **mark)
        key[words] = Line2D([], [], linewidth=1.8, markersize=6, **mark)
    names = [
        f"{row['step']}. {_name(row)}" if is_plan else _name(row)
        for row in shown.to_dict("records")
    ]
    ax.set_yticks(at, names)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    widths = ax.secondary_yaxis("right")
    widths.set_yticks(at, [format_points(width) for width in shown["width_next"]])
    widths.set_ylabel("points then")
    widths.tick_params(length=0, labelsize=9)
    widths.spines[:].set_visible(False)
    ax.set_xlabel(f"narrowed by (%), with {TIES} standard errors")
    now = format_points(float(rows["width_now"].iloc[0]))
    few = f"; first {len(shown)} of {len(rows)}" if len(shown) < len(rows) else ""
    together = "; steps add up" if is_plan else ""
    title(ax, f"{INTERVAL} % interval now {now} points wide{few}{together}")
    grid(ax, "x")
    legend(figure, key)
    return figure


def _name(row: dict[Any, Any]) -> str:
    """What is evaluated."""
    if row["kind"] == "size":
        return f"train {row['model']}"
    return f"{row['benchmark']} of {row['model']}"
