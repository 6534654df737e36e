"""The figures of a report of controlled runs, each of one panel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from skillscale.formatting import format_count, format_flops
from skillscale.intervals import central
from skillscale.plots.axes import log_axis
from skillscale.report.panels import panel, shortened, sizes_axis
from skillscale.report.vector import SERIES, Paint
from skillscale.runs.estimators import INTERVAL, Estimator, IsoFlop

STEPS = 30
BEYOND = 30.0
"""How far beyond the largest budget optima are drawn, as a factor."""
PALEST = 0.25
"""Opacity of the smallest budget; the largest is opaque."""


def budget_curves(found: IsoFlop, row: int) -> Figure:
    """Loss against size at every budget, with the best size of each.

    Args:
        found: result of `isoflop`.
        row: position of a group's loss.

    Returns:
        Runs as points, median curves where a budget has any, and intervals of the best size.
    """
    group, loss = found.keys[row]
    figure, ax = panel(f"{shortened(loss)}, {shortened(group, 20)}")
    measured = found.runs.is_measured(group, loss)
    of_run = found.runs.budgets()[measured]
    sizes = found.runs.runs.loc[measured, "n_params"].astype(float)
    losses = found.runs.losses.loc[measured, loss]
    budgets = np.sort(of_run.unique())
    for budget, strength in zip(budgets, np.linspace(PALEST, 1, len(budgets)), strict=True):
        at = of_run == budget
        tried = sizes[at]
        ax.plot(tried, losses[at], "o", color=Paint.ACCENT, markersize=2.6, alpha=strength)
        along = np.geomspace(tried.min() / 1.15, tried.max() * 1.15, STEPS)
        curve = np.median(found.losses(row, float(budget), along), axis=0)
        if np.isnan(curve).all():
            continue
        ax.plot(along, curve, color=Paint.ACCENT, linewidth=1, alpha=strength)
        best = _best(found, row, float(budget))
        if np.isfinite(best).all():
            ends = np.clip(central(best, INTERVAL), along[0], along[-1])
            low = float(np.nanmin(curve))
            ax.plot(ends, [low, low], color=Paint.ACCENT_2, linewidth=2, alpha=max(strength, 0.5))
    sizes_axis(ax, float(sizes.min()) / 1.3, float(sizes.max()) * 1.3)
    log_axis(ax, "y", lambda value: f"{value:.3g}")
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("parameters")
    ax.set_ylabel("loss")
    return figure


def best_sizes(found: IsoFlop, group: str, losses: Sequence[str]) -> Figure:
    """Best size against budget in one group, a line per loss.

    Args:
        found: result of `isoflop`, with surfaces.
        group: name of the group.
        losses: the losses to show, at most as many as there are colours.

    Returns:
        Medians with intervals, dashed beyond the budgets that were run.
    """
    surfaces = found.require_surfaces()
    figure, ax = panel(shortened(group))
    flops = found.runs.runs.loc[found.runs.runs["group"] == group, "flops"]
    first, last = float(flops.min()), float(flops.max())
    inside, beyond = (np.geomspace(*ends, STEPS) for ends in ((first, last), (last, BEYOND * last)))
    for loss, paint in zip(losses, SERIES, strict=False):
        if (group, loss) not in surfaces.keys:
            continue
        row = surfaces.keys.index((group, loss))
        for budgets, style in ((inside, "-"), (beyond, "--")):
            draws = np.stack([surfaces.optimum(b, only=[row])[0] for b in budgets], axis=-1)
            ax.fill_between(
                budgets, *central(draws, INTERVAL), color=paint, alpha=0.15, linewidth=0
            )
            ax.plot(budgets, np.median(draws, axis=0), style, color=paint, linewidth=1.5)
    ax.axvline(last, color=Paint.MUTED, linestyle=":", linewidth=1)
    log_axis(ax, "x", format_flops)
    log_axis(ax, "y", format_count)
    ax.set_xlim(first, BEYOND * last)
    ax.set_xlabel("FLOP")
    ax.set_ylabel("best size")
    return figure


def _best(found: IsoFlop, row: int, budget: float) -> Float[np.ndarray, " draw"]:
    has_surface = found.surfaces_of(row) is not None
    return found.optimum(row, budget, Estimator.SURFACE if has_surface else Estimator.PARABOLA)
