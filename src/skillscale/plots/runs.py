"""Controlled runs: IsoFLOP curves, and best sizes and tokens against budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from skillscale.errors import known_names
from skillscale.formatting import format_count, format_flops
from skillscale.intervals import central, median_and_ends
from skillscale.plots.axes import grid, log_axis, name_rows
from skillscale.plots.canvas import ACTUAL, INK, OBSERVED, cycle, heading, legend, panels, title
from skillscale.runs.along_size import budget_tokens
from skillscale.runs.estimators import INTERVAL, Estimator, IsoFlop
from skillscale.runs.grid import require_sizes

STEPS = 40
MOST_NAMED = 9
"""Budgets in a legend: the smallest, the largest, and some between."""
MARGIN = 1.25
"""How far curves go beyond the sizes tried, as a factor."""
EXTRAPOLATED = 30.0
"""How far beyond the largest budget optima are drawn, as a factor."""
ESTIMATORS = {
    Estimator.SURFACE: (INK, "o", 0.0),
    Estimator.PARABOLA: (ACTUAL, "D", -7.0),
}
"""Colour and marker of optima, and how far off the curve they stand, in points."""
NOT_RUN = "#f7f0dc"
"""Behind budgets that were not run: no grey, which is an interval's."""
PERCENT = f"{100 * INTERVAL:.0f} %"


def plot_isoflop(found: IsoFlop, group: str, losses: Sequence[str] | None = None) -> Figure:
    """Loss against size at every budget, with the size of least loss by both estimators.

    Args:
        found: result of `skillscale.runs.estimators.isoflop`.
        group: the group (corpus) whose runs to show.
        losses: names of losses, one panel each; all those fitted in the group by default.

    Returns:
        Runs as points, and bands of the loss that surfaces expect (or parabolas, where there are no
        surfaces), 90 % wide, at the budgets with three sizes and more. Bars are 90 % intervals of
        the best size: of the surface on the curve, of the parabola below it. An arrow stands where
        an interval goes on outside the panel, and a median out there is not drawn.

    Raises:
        RunsError: no budget of the group has three sizes.
        UnknownNameError: the runs have no such group or loss.

    Example:
        See `skillscale.plots`.
    """
    losses = _losses(found, group) if losses is None else list(losses)
    rows = [found.index(group, loss) for loss in losses]
    runs = require_sizes(found.runs.select(groups=[group], losses=losses))
    of_run = runs.budgets()
    budgets = np.sort(of_run.unique())
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, len(budgets)))
    figure, axes = panels(len(rows), 3.2, sharey=False)
    for ax in axes:
        log_axis(ax, "x", format_count)
        log_axis(ax, "y", lambda value: f"{value:.3g}")
        ax.yaxis.set_major_locator(MaxNLocator(5))
    for budget, shade in zip(budgets, shades, strict=True):
        at = (of_run == budget).to_numpy()
        tried = runs.runs.loc[at, "n_params"].to_numpy(dtype=float)
        sizes = np.geomspace(tried.min() / MARGIN, tried.max() * MARGIN, STEPS)
        for ax, loss, row in zip(axes, losses, rows, strict=True):
            curves = found.losses(row, budget, sizes)
            lower, upper = central(curves, INTERVAL)
            median = np.median(curves, axis=0)
            ax.fill_between(sizes, lower, upper, color=shade, alpha=0.25, linewidth=0)
            ax.plot(sizes, median, color=shade, linewidth=1)
            ax.plot(tried, runs.losses.loc[at, loss], "o", color=shade, markersize=3)
            for estimator in Estimator:
                draws = found.optimum(row, budget, estimator)
                _mark_optimum(ax, draws, float(median.min()), (sizes[0], sizes[-1]), estimator)
    for ax, loss in zip(axes, losses, strict=True):
        title(ax, heading(loss))
        ax.set_xlabel("size (parameters)")
        name_rows(ax, "loss")
        grid(ax)
    named = np.unique(np.linspace(0, len(budgets) - 1, MOST_NAMED).round().astype(int))
    key: dict[str, Artist | tuple[Artist, ...]] = {
        f"{format_flops(budgets[i])} FLOP": Line2D(
            [], [], color=shades[i], marker="o", markersize=3
        )
        for i in named
    }
    for estimator in found.estimators:
        colour, marker, _ = ESTIMATORS[estimator]
        key[f"best size by {estimator}"] = Line2D(
            [], [], color=colour, marker=marker, linewidth=2, markersize=5, markeredgecolor="white"
        )
    key[f"{PERCENT} intervals"] = (
        Patch(color=OBSERVED, alpha=0.3),
        Line2D([], [], color=INK, linewidth=2),
    )
    legend(figure, key)
    return figure


def plot_runs_optimum(
    found: IsoFlop,
    groups: Sequence[str] | None = None,
    *,
    losses: Sequence[str] | None = None,
    beyond: float = EXTRAPOLATED,
) -> Figure:
    """Best size and tokens against budget by loss, one row of panels per group.

    Args:
        found: result of `skillscale.runs.estimators.isoflop`.
        groups: names of groups; all by default.
        losses: names of losses (skills), one line each; all by default.
        beyond: how far beyond the largest budget to go on, as a factor.

    Returns:
        Medians and 90 % intervals of the surfaces. Budgets beyond those run are shaded, and lines
        dashed there: the surfaces are extrapolated.

    Raises:
        UnknownNameError: the runs have no such group or loss.

    Example:
        See `skillscale.plots`.
    """
    fitted = [group for group, _ in found.require_surfaces().keys]
    groups = list(dict.fromkeys(fitted)) if groups is None else groups
    losses = known_names("loss", losses, found.runs.loss_names, "these runs")
    rows = [
        (group, loss, found.index(group, loss))
        for group in groups
        for loss in losses
        if loss in _losses(found, group)
    ]
    flops = found.runs.runs["flops"]
    first, last = float(flops.min()), float(flops.max())
    inside = np.geomspace(first, last, STEPS)
    outside = np.geomspace(last, last * max(beyond, 1.0), STEPS)
    at = np.concatenate([inside, outside])
    sizes = np.stack([found.require_surfaces().optimum(budget) for budget in at], axis=-1)
    figure, axes = panels(2 * len(groups), 2.6, columns=2, sharey="col")
    colours = dict(zip(losses, cycle(len(losses)), strict=True))
    for i, ax in enumerate(axes):
        log_axis(ax, "x", format_flops)
        log_axis(ax, "y", format_count)
        ax.axvspan(last, at[-1], color=NOT_RUN, linewidth=0, zorder=0)
        for group, loss, row in rows:
            if group == groups[i // 2]:
                compute = found.compute_ratio[group]
                best = budget_tokens(compute, sizes[row], at) if i % 2 else sizes[row]
                _band(ax, at, best, colours[loss])
        title(ax, heading(groups[i // 2]))
        ax.set_xlabel("budget (FLOP)")
        ax.set_ylabel("its tokens" if i % 2 else "best size (parameters)")
        ax.set_xlim(first, at[-1])
        grid(ax)
    key: dict[str, Artist | tuple[Artist, ...]] = {
        heading(loss): Line2D([], [], color=colour) for loss, colour in colours.items()
    }
    key["median"] = Line2D([], [], color=OBSERVED)
    key[f"{PERCENT} interval"] = Patch(color=OBSERVED, alpha=0.3)
    key["budgets not run"] = (
        Patch(color=NOT_RUN),
        Line2D([], [], color=OBSERVED, linestyle="--"),
    )
    legend(figure, key)
    return figure


def _losses(found: IsoFlop, group: str) -> list[str]:
    """Losses fitted in a group."""
    known_names("group", group, [name for name, _ in found.keys], "these surfaces")
    return [loss for name, loss in found.keys if name == group]


def _mark_optimum(
    ax: Axes,
    sizes: Float[np.ndarray, " draw"],
    loss: float,
    ends: tuple[float, float],
    estimator: Estimator,
) -> None:
    """Interval and median of the best size at one budget; NaN draws nothing."""
    if np.isnan(sizes).any():
        return
    colour, marker, points = ESTIMATORS[estimator]
    where = offset_copy(ax.transData, ax.get_figure(root=True), y=points, units="points")
    median, lower, upper = median_and_ends("", sizes, INTERVAL).values()
    shown = np.clip([lower, upper], *ends)
    style: dict[str, Any] = {"color": colour, "transform": where, "zorder": 4, "clip_on": False}
    ax.plot(shown, [loss, loss], linewidth=2, solid_capstyle="butt", **style)
    if ends[0] <= median <= ends[1]:
        ax.plot(median, loss, marker, markersize=5, markeredgecolor="white", **style)
    for is_beyond, end, arrow in (
        (lower < ends[0], ends[0], "<"),
        (upper > ends[1], ends[1], ">"),
    ):
        if is_beyond:
            ax.plot(end, loss, arrow, markersize=4, **style)


def _band(
    ax: Axes,
    budgets: Float[np.ndarray, " budget"],
    best: Float[np.ndarray, "draw budget"],
    colour: str,
) -> None:
    """Median and interval against budget, the second half of the budgets dashed."""
    lower, median, upper = np.quantile(best, [(1 - INTERVAL) / 2, 0.5, (1 + INTERVAL) / 2], axis=0)
    ax.fill_between(budgets, lower, upper, color=colour, alpha=0.15, linewidth=0)
    ax.plot(budgets[:STEPS], median[:STEPS], color=colour)
    ax.plot(budgets[STEPS:], median[STEPS:], color=colour, linestyle="--")
