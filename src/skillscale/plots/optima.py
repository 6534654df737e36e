"""Best size and tokens against budget."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.formatting import format_count, format_flops
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.plots.axes import log_axis, name_values
from skillscale.plots.canvas import OBSERVED, legend, panels, title
from skillscale.plots.verdicts import EDGES, draw_optimum, objective_title, verdict_key

CHINCHILLA = 20
"""Tokens per parameter of arXiv:2203.15556: a line to compare optima with."""
LABELS = {"n_params": "best size (parameters)", "n_tokens": "its tokens"}
MARGIN = 10**0.4
"""Room beside the first and the last budget, as a factor."""


def plot_optimum(optimum: xr.Dataset) -> Figure:
    """Best size and tokens against budget, one row of panels per objective.

    Args:
        optimum: result of `skillscale.optimum`.

    Returns:
        Per budget, what was searched as a grey track and the interval on it: a full bar where the
        optimum is identified, a hollow one where it is weakly, dotted where it is not. The median
        is a point where nine draws in ten have an optimum within reach. An arrow stands where the
        interval runs into an edge of the search, which is never drawn as an optimum.

    Example:
        See `skillscale.plots`.
    """
    objectives = [str(name) for name in optimum["objective"].to_numpy()]
    flops = np.sort(optimum["flops"].to_numpy())
    figure, axes = panels(2 * len(objectives), 2.4, columns=2, sharey="col")
    edges = np.array([flops[0] / MARGIN, flops[-1] * MARGIN])
    drawn: set[str] = set()
    for i, ax in enumerate(axes):
        objective, quantity = objectives[i // 2], list(LABELS)[i % 2]
        log_axis(ax, "x", format_flops)
        log_axis(ax, "y", format_count)
        ratio = CHINCHILLA ** (0.5 if quantity == "n_tokens" else -0.5)
        rule = ratio * np.sqrt(edges / TRAINING_FLOPS)
        (line,) = ax.plot(edges, rule, ":", color=OBSERVED, zorder=1)
        for budget in flops:
            best = optimum.sel(objective=objective, flops=budget)
            drawn |= draw_optimum(ax, budget, best, quantity)
        title(ax, objective_title(optimum, objective))
        ax.set_xlabel("budget (FLOP)")
        ax.set_ylabel(LABELS[quantity])
        ax.set_xlim(*edges)
        ax.set_ylim(
            float(optimum[f"{EDGES[quantity]}_lower"].min()) / 5,
            float(optimum[f"{EDGES[quantity]}_upper"].max()) * 5,
        )
        name_values(ax, flops, format_flops)
    served = " trained, none served" if optimum.attrs.get("serve_tokens") else ""
    rule_name = f"{CHINCHILLA} tokens per parameter{served}"
    key = verdict_key(drawn, optimum.attrs["interval"])
    legend(figure, key | {rule_name: Line2D([], [], color=line.get_color(), linestyle=":")})
    return figure
