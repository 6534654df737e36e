"""Compute, size and tokens of the cheapest model that reaches a goal."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.formatting import format_count, format_flops
from skillscale.optima.identification import Identification
from skillscale.plots.axes import log_axis
from skillscale.plots.canvas import ACTUAL, legend, panels, title
from skillscale.plots.verdicts import (
    BEYOND,
    MEDIAN,
    STROKES,
    draw_optimum,
    objective_title,
    verdict_key,
)

LABELS = {
    "flops": "least compute (FLOP)",
    "n_params": "its size (parameters)",
    "n_tokens": "its tokens",
}
NEVER = {**BEYOND, "marker": "^", "markerfacecolor": "white"}


def plot_cheapest(cheapest: xr.Dataset) -> Figure:
    """Least compute against what is to be reached, with its size and tokens, a row per objective.

    Args:
        cheapest: result of `skillscale.optima.cheapest.cheapest`.

    Returns:
        Medians and intervals; an arrow where the interval has no upper end because some draws never
        reach the goal. Sizes and tokens as in `skillscale.plots.plot_optimum`.

    Example:
        See `skillscale.plots`.
    """
    objectives = [str(name) for name in cheapest["objective"].to_numpy()]
    goals = cheapest["reach"].to_numpy()
    figure, axes = panels(3 * len(objectives), 2.6, columns=3, sharex=False, sharey="col")
    drawn: set[str] = set()
    for i, ax in enumerate(axes):
        objective, quantity = objectives[i // 3], list(LABELS)[i % 3]
        is_skill = objective in cheapest.attrs["skills"]
        unit, label = (1, "skill to reach") if is_skill else (100, "score to reach (points)")
        log_axis(ax, "y", format_flops if quantity == "flops" else format_count)
        for goal in goals:
            best = cheapest.sel(objective=objective, reach=goal)
            if not np.isfinite(best[f"{quantity}_lower"]):
                _say_unreached(ax, unit * goal)
            elif quantity == "flops":
                drawn |= _draw_compute(ax, unit * goal, best, _top(cheapest))
            else:
                drawn |= draw_optimum(ax, unit * goal, best, quantity)
        if not np.isfinite(cheapest[f"{quantity}_lower"]).any():
            ax.set_yticks([])
        title(ax, objective_title(cheapest, objective))
        ax.set_xlabel(label)
        ax.set_ylabel(LABELS[quantity])
        margin = max(0.15 * np.ptp(goals), 0.02)
        most = goals.max() + margin if is_skill else min(goals.max() + margin, 1.0)
        ax.set_xlim(unit * (goals.min() - margin), unit * most)
    interval = cheapest.attrs["interval"]
    key = verdict_key(drawn, interval)
    if "compute" in drawn:
        bars = verdict_key({Identification.IDENTIFIED.value}, interval)
        key = {f"compute, {100 * interval:.0f} % interval": next(iter(bars.values()))} | key
    if "never" in drawn:
        key["some draws never reach it"] = Line2D([], [], **NEVER)
    legend(figure, key)
    return figure


def _top(cheapest: xr.Dataset) -> float:
    """Where bars of compute end that have no upper end."""
    known = cheapest[["flops", "flops_lower", "flops_upper"]].to_array().to_numpy()
    return 3 * float(known[np.isfinite(known)].max())


def _draw_compute(ax: Axes, at: float, best: xr.Dataset, top: float) -> set[str]:
    """Least compute of one goal."""
    lower, median, upper = (float(best[f"flops{end}"]) for end in ("_lower", "", "_upper"))
    (stroke,) = STROKES[Identification.IDENTIFIED]
    ax.plot([at, at], [lower, min(upper, top)], **stroke)
    drawn = {"compute"}
    if np.isfinite(median):
        ax.plot(at, median, **MEDIAN)
        drawn.add("median")
    if not np.isfinite(upper):
        ax.plot(at, 1.3 * top, zorder=3, **NEVER)
        drawn.add("never")
    return drawn


def _say_unreached(ax: Axes, at: float) -> None:
    """Write that nearly no draw reaches a goal."""
    where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "center"}
    ax.annotate("out of reach", (at, 0.5), rotation=90, color=ACTUAL, fontsize=8, **where)
