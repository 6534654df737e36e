"""What other sizes than the best lose."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from skillscale.formatting import format_count, format_flops
from skillscale.plots.canvas import OBSERVED, cycle, heading, legend, log_axis, panels

MOST_POINTS = 20
COMPUTE_TICKS = (1, 2, 5, 10, 20)
"""The axes end where no one would choose a size."""


def plot_regret(regret: xr.Dataset) -> Figure:
    """Points lost against size, and the compute that makes up for them, by objective and budget.

    Args:
        regret: result of `skillscale.optima.regret`.

    Returns:
        One row of panels per objective, one colour per budget: the expected loss and the median
        compute, with intervals over draws, and the loss below which a size is called safe.

    Example:
        See `skillscale.plots`.
    """
    objectives, flops = regret["objective"].to_numpy(), regret["flops"].to_numpy()
    figure, axes = panels(2 * len(objectives), 2.4, 0.6, sharey="col")
    for i, ax in enumerate(axes):
        for budget, colour in zip(flops, cycle(len(flops)), strict=True):
            curve = regret.sel(objective=objectives[i // 2], flops=budget)
            _band(ax, curve, "extra_compute" if i % 2 else "score_lost", colour)
        log_axis(ax, "x", format_count)
        ax.set_title(heading(objectives[i // 2]), fontsize=11)
        ax.set_xlabel("size (parameters)")
        ax.grid(color="#e6e6e6", linewidth=0.8)
        if i % 2:
            log_axis(ax, "y", lambda value: f"{value:g}x")
            ax.set_yticks(COMPUTE_TICKS)
            ax.set_ylim(0.9, COMPUTE_TICKS[-1])
            ax.set_ylabel("compute to make up")
        else:
            ax.axhline(100 * regret.attrs["safe_loss"], color=OBSERVED, linestyle=":", zorder=1)
            ax.set_ylim(0, MOST_POINTS)
            ax.set_ylabel("expected loss (points)")
    key: dict[str, Artist] = {
        f"{format_flops(budget)} FLOP": Line2D([], [], color=colour)
        for budget, colour in zip(flops, cycle(len(flops)), strict=True)
    }
    percent = f"{100 * regret.attrs['interval']:.0f} % interval"
    safe = f"{100 * regret.attrs['safe_loss']:g} point"
    key |= {
        percent: Patch(color=OBSERVED, alpha=0.3),
        safe: Line2D([], [], color=OBSERVED, linestyle=":"),
    }
    legend(figure, key)
    return figure


def _band(ax: Axes, curve: xr.Dataset, name: str, colour: str) -> None:
    possible = curve.dropna("n_params", subset=["score_lost"])
    unit = 100 if name == "score_lost" else 1
    # Never made up for: above the axis, whatever its end.
    middle, lower, upper = (
        unit * np.minimum(possible[f"{name}{end}"], 1e9) for end in ("", "_lower", "_upper")
    )
    size = possible["n_params"]
    ax.fill_between(size, lower, upper, color=colour, alpha=0.15, linewidth=0)
    ax.plot(size, middle, color=colour)
