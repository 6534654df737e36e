"""Level curves of skills over size and tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.costs import TRAINING_FLOPS
from skillscale.fitting import Fit
from skillscale.formatting import format_count, format_flops
from skillscale.objectives import expected_score, make_objectives
from skillscale.plots.canvas import INTERVAL_STYLES, OBSERVED, heading, legend, log_axis, panels
from skillscale.production import production

STEPS = 40
LEVELS = np.arange(5, 100, 5)


def plot_level_curves(
    fit: Fit, skills: Sequence[str] | None = None, *, family: str | None = None
) -> Figure:
    """Level curves of every skill over size and tokens, with the models of the table.

    Args:
        fit: a fitted law.
        skills: names of skills, one panel each; all by default.
        family: a family of the fit; by default a typical base family of its last month.

    Returns:
        Posterior medians, in points of the benchmark that anchors the skill. Where curves run
        along a diagonal of equal compute, size and tokens are worth the same; the best size at a
        budget is where its diagonal touches the highest curve.

    Raises:
        UnknownNameError: a skill or family is not in the fit.

    Example:
        See `skillscale.plots`.
    """
    objectives = make_objectives(fit, fit.spec.skills if skills is None else skills)
    of_family = production(fit, family)
    models = fit.table.models.dropna(subset=["n_tokens"])
    log_sizes, log_counts = (
        np.linspace(np.log10(seen.min()) - 0.3, np.log10(seen.max()) + 0.7, STEPS)
        for seen in (models["n_active_params"], models["n_tokens"])
    )
    n_params, n_tokens = np.meshgrid(10**log_sizes, 10**log_counts)
    figure, axes = panels(len(objectives), 3.4, 0.4)
    for ax, objective in zip(axes, objectives, strict=True):
        scores = expected_score(of_family, objective, n_params.ravel(), n_tokens.ravel())
        median = 100 * np.median(scores, axis=0).reshape(n_params.shape)
        log_axis(ax, "x", format_count)
        log_axis(ax, "y", format_count)
        ax.plot(
            models["n_active_params"],
            models["n_tokens"],
            "o",
            color=OBSERVED,
            markersize=3,
            alpha=0.5,
        )
        curves = ax.contour(
            n_params, n_tokens, median, levels=LEVELS, colors=INTERVAL_STYLES[2][1], linewidths=1.2
        )
        ax.clabel(curves, fmt="%g", fontsize=8)
        _equal_compute(ax, n_params, n_tokens)
        anchor = fit.spec.anchors[fit.spec.skill_index(objective.name)]
        ax.set_title(f"{heading(objective.name)} (points of {anchor})", fontsize=11)
        ax.set_xlabel("size (parameters)")
        ax.set_ylabel("training tokens")
    legend(
        figure,
        {
            "expected score, posterior median": Line2D([], [], color=INTERVAL_STYLES[2][1]),
            "equal training compute": Line2D([], [], color=OBSERVED, linestyle=":"),
            "models of the table": Line2D(
                [], [], color=OBSERVED, marker="o", markersize=3, linestyle="none"
            ),
        },
    )
    return figure


def _equal_compute(
    ax: Axes, n_params: Float[np.ndarray, "a b"], n_tokens: Float[np.ndarray, "a b"]
) -> None:
    """A diagonal per decade of training compute, named where it leaves the panel."""
    sizes, (fewest, most) = n_params[0], n_tokens[[0, -1], 0]
    flops = TRAINING_FLOPS * n_params * n_tokens
    for decade in np.arange(np.ceil(np.log10(flops.min())), np.log10(flops.max())):
        tokens = 10**decade / TRAINING_FLOPS / sizes
        ax.plot(sizes, tokens, ":", color=OBSERVED, linewidth=0.8, zorder=1)
        size = np.clip(10**decade / TRAINING_FLOPS / most, sizes[0], sizes[-1])
        at = size, np.clip(10**decade / TRAINING_FLOPS / size, fewest, most)
        ax.annotate(
            format_flops(10**decade),
            at,
            xytext=(2, -2),
            textcoords="offset points",
            verticalalignment="top",
            fontsize=7,
            color=OBSERVED,
        )
    ax.set_xlim(sizes[0], sizes[-1])
    ax.set_ylim(fewest, most)
