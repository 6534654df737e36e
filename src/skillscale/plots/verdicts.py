"""How optima are drawn: bars by how well one is known, points only where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from skillscale.optima.identification import Identification
from skillscale.plots.canvas import ACTUAL, INK, INTERVAL_STYLES, heading

BAR = INTERVAL_STYLES[1][1]
"""Of 80 % intervals, as everywhere."""
STROKES: Mapping[Identification, tuple[dict[str, Any], ...]] = {
    Identification.IDENTIFIED: ({"color": BAR, "linewidth": 6, "solid_capstyle": "round"},),
    Identification.WEAK: (
        {"color": BAR, "linewidth": 6, "solid_capstyle": "round"},
        {"color": "white", "linewidth": 3, "solid_capstyle": "round"},
    ),
    Identification.NOT: (
        {"color": "white", "linewidth": 2.5, "solid_capstyle": "butt"},
        {"color": BAR, "linewidth": 2.5, "linestyle": (0, (1, 0.8))},
    ),
}
"""Full, hollow and dotted. Round caps show an interval of no length."""
MEDIAN: dict[str, Any] = {
    "marker": "o",
    "color": "white",
    "markeredgecolor": INK,
    "markersize": 4.5,
    "linestyle": "none",
}
SEARCHED: dict[str, Any] = {"color": "#c4c4c4", "linewidth": 1.2, "solid_capstyle": "butt"}
BEYOND: dict[str, Any] = {"color": ACTUAL, "linestyle": "none", "markersize": 6}
EDGES = {"n_params": "searched", "n_tokens": "searched_tokens"}
"""Names of the ends of what was searched."""

Key = dict[str, Artist | tuple[Artist, ...]]


def draw_optimum(ax: Axes, at: float, best: xr.Dataset, quantity: str) -> set[str]:
    """Draw an optimum: what was searched, the interval, and its median where there is one.

    Args:
        ax: the panel.
        at: where, along the horizontal axis.
        best: one objective at one budget or goal.
        quantity: ``n_params`` or ``n_tokens``.

    Returns:
        What was drawn, as `verdict_key` names it.
    """
    lower, upper, median = (float(best[f"{quantity}{end}"]) for end in ("_lower", "_upper", ""))
    drawn = set()
    verdict = Identification(str(best["verdict"].item()))
    if np.isfinite([lower, upper]).all():
        for stroke in STROKES[verdict]:
            ax.plot([at, at], [lower, upper], **stroke)
        drawn.add(verdict.value)
    if np.isfinite(median) and verdict is not Identification.NOT:
        ax.plot(at, median, **MEDIAN)
        drawn.add("median")
    if f"{EDGES[quantity]}_lower" not in best:
        return drawn
    track = [float(best[f"{EDGES[quantity]}_{end}"]) for end in ("lower", "upper")]
    ax.plot([at, at], track, zorder=1, **SEARCHED)
    is_open = [float(best[f"prob_{side}_bound"]) > 0 for side in ("lower", "upper")]
    if quantity == "n_tokens":  # the smallest size has the most tokens
        is_open.reverse()
    for end, edge, factor, marker, is_beyond in (
        (lower, track[0], 0.6, "v", is_open[0]),
        (upper, track[1], 1.6, "^", is_open[1]),
    ):
        if is_beyond and np.isclose(end, edge, rtol=1e-3):
            ax.plot(at, edge * factor, marker, zorder=3, **BEYOND)
            drawn.add("beyond")
    return drawn | {"searched"}


def verdict_key(drawn: set[str], interval: float) -> Key:
    """What a legend says of optima.

    Args:
        drawn: what was drawn, by `draw_optimum`.
        interval: the probability inside intervals.

    Returns:
        Marks by label.

    Example:
        >>> list(verdict_key({"identified", "median"}, 0.8))
        ['median', 'identified, 80 % interval']
    """
    marks: Key = {"median": Line2D([], [], **MEDIAN)}
    marks |= {
        verdict.value: tuple(Line2D([], [], **stroke) for stroke in strokes)
        for verdict, strokes in STROKES.items()
    }
    marks["beyond"] = Line2D([], [], marker="^", **BEYOND)
    marks["searched"] = Line2D([], [], **SEARCHED)
    words = {verdict.value: f"{verdict}, {100 * interval:.0f} % interval" for verdict in STROKES}
    words |= {"beyond": "goes on beyond the search", "searched": "searched"}
    return {words.get(name, name): mark for name, mark in marks.items() if name in drawn}


def objective_title(result: xr.Dataset, objective: str) -> str:
    """Name of an objective, with the benchmarks of a target.

    Args:
        result: of `optimum`, `cheapest` or `regret`.
        objective: one of its objectives.

    Returns:
        Words for a title.

    Example:
        >>> objective_title(xr.Dataset(attrs={"target": "mmlu 25 %, gsm8k 75 %"}), "target")
        'target: mmlu 25 %, gsm8k 75 %'
        >>> objective_title(xr.Dataset(attrs={"skills": ["common_sense"]}), "common_sense")
        'common sense'
    """
    if objective == "target" and result.attrs.get("target"):
        return f"target: {result.attrs['target']}"
    return heading(objective) if objective in result.attrs.get("skills", [objective]) else objective
