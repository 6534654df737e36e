"""Item curves: scores against what a benchmark reads of a model."""

from __future__ import annotations

import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from skillscale.plots.axes import name_rows
from skillscale.plots.canvas import (
    ACTUAL,
    INK,
    INTERVAL_STYLES,
    OBSERVED,
    legend,
    panels,
    title,
)

MARKS = {"base": ("o", OBSERVED), "instruct": ("^", ACTUAL)}


def plot_item_curves(curves: xr.Dataset) -> Figure:
    """Scores of models against the linear predictor of every benchmark, with the fitted curve.

    Args:
        curves: result of `skillscale.skills.item_curves.item_curves`.

    Returns:
        One panel per benchmark: the curve with its 80 % band, chance and ceiling as lines, and
        every model scored, with an 80 % interval of its predictor.

    Example:
        See `skillscale.plots`.
    """
    benchmarks = list(curves["benchmark"].to_numpy())
    figure, axes = panels(len(benchmarks), 2.4, sharex=False)
    band = INTERVAL_STYLES[1][1]
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        own = curves.sel(benchmark=benchmark)
        lower, upper = 100 * own["lower_80"], 100 * own["upper_80"]
        ax.fill_between(own["grid"], lower, upper, color=band, linewidth=0)
        ax.plot(own["grid"], 100 * own["median"], color=INK, zorder=3)
        ax.axhline(100 * float(own["chance"]), color=INK, linewidth=0.9, linestyle=":")
        ax.axhline(100 * float(own["ceiling"]), color=INK, linewidth=0.9, linestyle="--")
        for tuning, (marker, colour) in MARKS.items():
            models = own.sel(model=own["tuning"] == tuning)
            score = 100 * models["score"]
            ends = models["predictor_lower"], models["predictor_upper"]
            ax.hlines(score, *ends, colour, linewidth=0.5, alpha=0.5, zorder=1)
            ax.plot(models["predictor"], score, marker, color=colour, markersize=3, alpha=0.8)
        title(ax, benchmark)
        ax.set_xlabel("linear predictor")
        name_rows(ax, "score (points)")
        ax.set_ylim(-3, 103)
    key: dict[str, Artist] = {
        "expected score, median": Line2D([], [], color=INK),
        "80 % interval": Patch(color=band),
        **{
            f"{tuning} models": Line2D(
                [], [], linestyle="none", marker=marker, color=colour, markersize=4
            )
            for tuning, (marker, colour) in MARKS.items()
        },
        "chance": Line2D([], [], color=INK, linewidth=0.9, linestyle=":"),
        "ceiling": Line2D([], [], color=INK, linewidth=0.9, linestyle="--"),
    }
    legend(figure, key)
    return figure
