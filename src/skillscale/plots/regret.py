"""What other sizes than the best lose."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from skillscale.formatting import format_count, format_flops
from skillscale.plots.axes import grid, log_axis, name_values
from skillscale.plots.canvas import OBSERVED, cycle, legend, panels, title
from skillscale.plots.verdicts import objective_title

MOST_POINTS = 20
COMPUTE_TICKS = (1, 2, 5, 10, 20)
"""The axes end where no one would choose a size."""
FEW = 8
"""Sizes that are drawn one by one."""
APART = 5
"""Points between bars of budgets at one of few sizes."""
MARGIN = 1.4
"""Room beside the first and the last of few sizes, as a factor."""


def plot_regret(regret: xr.Dataset) -> Figure:
    """Points lost against size, and the compute that makes up for them, by objective and budget.

    Args:
        regret: result of `skillscale.optima.regret`.

    Returns:
        One row of panels per objective, one colour per budget: the expected loss and the median
        compute, with intervals over draws, and the loss below which a size is called safe. A few
        sizes are points with bars, more of them lines with bands.

    Example:
        See `skillscale.plots`.
    """
    objectives = [str(name) for name in regret["objective"].to_numpy()]
    flops = regret["flops"].to_numpy()
    colours = dict(zip(flops, cycle(len(flops)), strict=True))
    sizes = regret["n_params"].to_numpy()
    is_few = len(sizes) <= FEW
    most = float(np.clip(110 * np.nan_to_num(regret["score_lost_upper"]).max(), 2, MOST_POINTS))
    figure, axes = panels(2 * len(objectives), 2.4, columns=2, sharey="col")
    for i, ax in enumerate(axes):
        log_axis(ax, "x", format_count)
        for place, (budget, colour) in enumerate(colours.items()):
            curve = regret.sel(objective=objectives[i // 2], flops=budget)
            shift = APART * (place - (len(flops) - 1) / 2)
            _draw(ax, curve, "extra_compute" if i % 2 else "score_lost", colour, shift)
        if is_few:
            ax.set_xlim(sizes[0] / MARGIN, sizes[-1] * MARGIN)
            name_values(ax, sizes, format_count)
        title(ax, objective_title(regret, objectives[i // 2]))
        ax.set_xlabel("size (parameters)")
        grid(ax)
        if i % 2:
            log_axis(ax, "y", lambda value: f"{value:g}x")
            ax.set_yticks(COMPUTE_TICKS)
            ax.set_ylim(0.9, COMPUTE_TICKS[-1])
            ax.set_ylabel("compute to make up")
        else:
            ax.axhline(100 * regret.attrs["safe_loss"], color=OBSERVED, linestyle=":", zorder=1)
            ax.set_ylim(-0.02 * most, most)
            ax.yaxis.set_major_locator(MaxNLocator(5))
            ax.set_ylabel("expected loss (points)")
    key: dict[str, Artist] = {
        f"{format_flops(budget)} FLOP": Line2D(
            [], [], color=colour, marker="o" if is_few else "None", markersize=5
        )
        for budget, colour in colours.items()
        if regret["score_lost"].sel(flops=budget).notnull().any()
    }
    percent = f"{100 * regret.attrs['interval']:.0f} % interval"
    key[percent] = (
        Line2D([], [], color=OBSERVED, linewidth=2) if is_few else Patch(color=OBSERVED, alpha=0.3)
    )
    key[f"{100 * regret.attrs['safe_loss']:g} point: less is safe"] = Line2D(
        [], [], color=OBSERVED, linestyle=":"
    )
    legend(figure, key)
    return figure


def _draw(ax: Axes, curve: xr.Dataset, name: str, colour: str, shift: float) -> None:
    possible = curve.dropna("n_params", subset=["score_lost"])
    unit = 100 if name == "score_lost" else 1
    # Never made up for: above the axis, whatever its end.
    middle, lower, upper = (
        unit * np.minimum(possible[f"{name}{end}"], 1e9) for end in ("", "_lower", "_upper")
    )
    size = possible["n_params"].to_numpy()
    if curve.sizes["n_params"] > FEW:
        ax.fill_between(size, lower, upper, color=colour, alpha=0.15, linewidth=0)
        ax.plot(size, middle, color=colour)
        return
    beside = offset_copy(ax.transData, ax.get_figure(root=True), x=shift, units="points")
    ax.vlines(size, lower, upper, color=colour, linewidth=2, transform=beside)
    ax.plot(size, middle, "o", color=colour, markeredgecolor="white", transform=beside)
