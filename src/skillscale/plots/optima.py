"""Best size and tokens against budget."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from skillscale.formatting import format_count, format_flops
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.optima.identification import Identification
from skillscale.plots.canvas import (
    ACTUAL,
    INTERVAL_STYLES,
    OBSERVED,
    heading,
    legend,
    log_axis,
    panels,
)

CHINCHILLA = 20
"""Tokens per parameter of arXiv:2203.15556: a line to compare optima with."""
COLOURS = {
    Identification.IDENTIFIED: INTERVAL_STYLES[2][1],
    Identification.WEAK: INTERVAL_STYLES[1][1],
    Identification.NOT: INTERVAL_STYLES[0][1],
}
QUANTITIES = {
    "n_params": ("searched", "best size (parameters)"),
    "n_tokens": ("searched_tokens", "its tokens"),
}
"""Names of the edges of the search, and labels."""


def plot_optimum(optimum: xr.Dataset) -> Figure:
    """Best size and tokens against budget, one row of panels per objective.

    Args:
        optimum: result of `skillscale.optimum`.

    Returns:
        Per budget, what was searched as a grey track and the interval on it, the paler the less
        the data know. The median is a point where nine draws in ten have an optimum within reach.
        An arrow stands where the interval runs into an edge of the search, which is never drawn
        as an optimum.

    Example:
        See `skillscale.plots`.
    """
    objectives = list(optimum["objective"].to_numpy())
    flops = optimum["flops"].to_numpy()
    figure, axes = panels(2 * len(objectives), 2.4, 0.6, sharey="col")
    margin = 10**0.4
    edges = np.array([flops.min() / margin, flops.max() * margin])
    trained_alone = np.sqrt(edges / TRAINING_FLOPS)
    for i, ax in enumerate(axes):
        objective, quantity = objectives[i // 2], list(QUANTITIES)[i % 2]
        searched, label = QUANTITIES[quantity]
        log_axis(ax, "x", format_flops)
        log_axis(ax, "y", format_count)
        ratio = CHINCHILLA ** (0.5 if quantity == "n_tokens" else -0.5)
        ax.plot(edges, ratio * trained_alone, ":", color=OBSERVED, zorder=1)
        for budget in flops:
            _mark(ax, optimum.sel(objective=objective, flops=budget), quantity, searched)
        ax.set_title(heading(objective), fontsize=11)
        ax.set_xlabel("budget (FLOP)")
        ax.set_ylabel(label)
        ax.set_xlim(*edges)
        ax.set_ylim(
            float(optimum[f"{searched}_lower"].min()) / 5,
            float(optimum[f"{searched}_upper"].max()) * 5,
        )
        if len(flops) <= 6:
            ax.set_xticks(flops, [format_flops(budget) for budget in flops])
            ax.xaxis.set_minor_locator(NullLocator())
    percent = f"{100 * optimum.attrs['interval']:.0f} %"
    key = {
        f"{verdict} ({percent} interval)": Line2D([], [], color=colour, linewidth=4)
        for verdict, colour in COLOURS.items()
        if (optimum["verdict"] == verdict.value).any()
    }
    point = Line2D(
        [], [], color="white", marker="o", markeredgecolor=COLOURS[Identification.IDENTIFIED]
    )
    legend(
        figure,
        {
            **key,
            "median": point,
            "runs beyond the search": Line2D([], [], color=ACTUAL, marker="^", linestyle="none"),
            f"{CHINCHILLA} tokens per parameter": Line2D([], [], color=OBSERVED, linestyle=":"),
        },
    )
    return figure


def _mark(ax: Axes, best: xr.Dataset, quantity: str, searched: str) -> None:
    """One budget of one objective."""
    at = float(best["flops"])
    track = float(best[f"{searched}_lower"]), float(best[f"{searched}_upper"])
    lower, upper = float(best[f"{quantity}_lower"]), float(best[f"{quantity}_upper"])
    ax.plot([at, at], track, color="#dddddd", linewidth=2, solid_capstyle="butt", zorder=1)
    colour = COLOURS[Identification(str(best["verdict"].item()))]
    # Butt caps would hide an interval of no length.
    ax.plot([at, at], [lower, upper], color=colour, linewidth=4, solid_capstyle="round")
    ax.plot(at, float(best[quantity]), "o", color="white", markeredgecolor=colour, markersize=4)
    is_open = [float(best[f"prob_{side}_bound"]) > 0 for side in ("lower", "upper")]
    if quantity == "n_tokens":  # the smallest size has the most tokens
        is_open.reverse()
    for end, edge, factor, marker, beyond in (
        (lower, track[0], 0.6, "v", is_open[0]),
        (upper, track[1], 1.6, "^", is_open[1]),
    ):
        if beyond and np.isclose(end, edge, rtol=1e-3):
            ax.plot(at, edge * factor, marker, color=ACTUAL, markersize=6, zorder=3)
