"""Level curves of skills over size and tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.errors import known_names
from skillscale.formatting import format_count, format_flops
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.law.production import gain
from skillscale.optima.objectives import expected_score, make_objectives
from skillscale.plots.axes import log_axis, name_rows
from skillscale.plots.canvas import FAMILY_COLOURS, OBSERVED, heading, legend, panels, title
from skillscale.posterior.one_family import production
from skillscale.posterior.result import Fit
from skillscale.skills.reading import NAMED, Reading

STEPS = 40
CURVE = FAMILY_COLOURS[0]
LEVELS = ((1.0, 9.0), (5.0, 45.0), (10.0, np.inf))
"""Points between curves, and up to which span of a panel they are."""
SD_LEVELS = ((0.1, 0.9), (0.5, 4.0), (1.0, np.inf))
"""The same, in standard deviations."""


def plot_level_curves(
    fit: Fit,
    skills: Sequence[str] | None = None,
    *,
    family: str | None = None,
    reading: Reading | None = None,
) -> Figure:
    """Level curves of every skill over size and tokens, with the models of the table.

    Args:
        fit: a fitted law.
        skills: names of skills, one panel each; all by default.
        family: a family of the fit; by default a typical base family of its last month.
        reading: the coordinates of the skills; by default those that anchors name. Skills that no
            benchmark anchors have no points: their levels are standard deviations of the skill over
            models, above a model of the reference size and token count, whatever the family.

    Returns:
        Posterior medians, in points of the benchmark that anchors the skill. Where curves run
        along a diagonal of equal compute, size and tokens are worth the same; the best size at a
        budget is where its diagonal touches the highest curve.

    Raises:
        SpecError: a skill is named twice, or the fit is exploratory and no reading is given.
        UnknownNameError: a skill or family is not in the fit.

    Example:
        See `skillscale.plots`.
    """
    models = fit.table.models.dropna(subset=["n_tokens"])
    log_sizes, log_counts = (
        np.linspace(np.log10(seen.min()) - 0.3, np.log10(seen.max()) + 0.7, STEPS)
        for seen in (models["n_active_params"], models["n_tokens"])
    )
    n_params, n_tokens = np.meshgrid(10**log_sizes, 10**log_counts)
    if reading is None or reading.rotation == NAMED:
        surfaces = _points(fit, skills, family, n_params, n_tokens)
        levels, what = LEVELS, "expected score, posterior median"
    else:
        surfaces = _growth(fit, reading, skills, n_params, n_tokens)
        levels, what = SD_LEVELS, "skill, posterior median"
    figure, axes = panels(len(surfaces), 3.4, columns=2)
    for ax, (name, median) in zip(axes, surfaces.items(), strict=True):
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
            n_params, n_tokens, median, levels=_levels(median, levels), colors=CURVE, linewidths=1.2
        )
        ax.clabel(curves, fmt="%g", fontsize=8)
        _equal_compute(ax, n_params, n_tokens)
        title(ax, name)
        ax.set_xlabel("size (parameters)")
        name_rows(ax, "training tokens")
    legend(
        figure,
        {
            what: Line2D([], [], color=CURVE),
            "equal training compute": Line2D([], [], color=OBSERVED, linestyle=":"),
            "models of the table": Line2D(
                [], [], color=OBSERVED, marker="o", markersize=3, linestyle="none"
            ),
        },
    )
    return figure


def _levels(
    values: Float[np.ndarray, "a b"], steps: Sequence[tuple[float, float]]
) -> Float[np.ndarray, " level"]:
    """Round levels of a surface, as dense as it is flat."""
    low, high = float(values.min()), float(values.max())
    step = next(step for step, span in steps if high - low <= span)
    return np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step


def _points(
    fit: Fit,
    skills: Sequence[str] | None,
    family: str | None,
    n_params: Float[np.ndarray, "a b"],
    n_tokens: Float[np.ndarray, "a b"],
) -> dict[str, Float[np.ndarray, "a b"]]:
    """Median expected score of the anchor of every skill, in points, by title."""
    objectives = make_objectives(fit, fit.spec.skills if skills is None else skills)
    of_family = production(fit, family)
    found = {}
    for objective in objectives:
        scores = expected_score(of_family, objective, n_params.ravel(), n_tokens.ravel())
        anchor = fit.spec.anchors[fit.spec.skill_index(objective.name)]
        title = f"{heading(objective.name)} (points of {anchor})"
        found[title] = 100 * np.median(scores, axis=0).reshape(n_params.shape)
    return found


def _growth(
    fit: Fit,
    reading: Reading,
    skills: Sequence[str] | None,
    n_params: Float[np.ndarray, "a b"],
    n_tokens: Float[np.ndarray, "a b"],
) -> dict[str, Float[np.ndarray, "a b"]]:
    """Median skill over the reference, in standard deviations over models, by title."""
    known = reading.draws["skill"].to_numpy().tolist()
    log_params = np.log(n_params / fit.spec.reference_params)
    log_tokens = np.log(n_tokens / fit.spec.reference_tokens)
    found = {}
    for name in known_names("skill", skills, known, "this reading"):
        own = reading.draws[["slope", "model_skill"]].sel(skill=name)
        per_sd = own["slope"] / own["model_skill"].std("model")
        each = per_sd.transpose("chain", "draw", "input").to_numpy()
        slope = each.reshape(-1, each.shape[-1], 1)
        gains = gain(fit.spec.form, slope, log_params.ravel(), log_tokens.ravel())
        median = np.median(gains, axis=0).reshape(n_params.shape)
        found[f"{heading(name)} (sd over models)"] = median
    return found


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
            fontsize=7.5,
            color=OBSERVED,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
        )
    ax.set_xlim(sizes[0], sizes[-1])
    ax.set_ylim(fewest, most)
