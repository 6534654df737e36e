"""What controlled runs say of the slopes of a leaderboard's skills: from optima to evidence."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from skillscale.errors import RunsError
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.law.evidence import SlopeEvidence
from skillscale.law.spec import Spec
from skillscale.runs.estimators import Estimator, IsoFlop
from skillscale.runs.power_law import fit_mean

EXPONENT_DRIFT = 0.05
"""How far the exponent of the best size may be off, beyond the budgets run: published ones of
larger runs lie between 0.46 and 0.54 (arXiv:2203.15556, arXiv:2404.10102)."""
SHARPNESS_DRIFT = 0.2
"""The same of the sum of the exponents of a surface, published between 0.6 and 0.75 there and about
0.9 in the small runs shipped."""


def slope_evidence(found: IsoFlop, spec: Spec, *, seed: int = 0) -> tuple[SlopeEvidence, ...]:
    """Sum up controlled runs as evidence of the skills of a leaderboard fit that they measure too.

    Optima of all groups, by both estimators, are extrapolated to the specification's reference
    budget. A family to come is a recipe like these, so the scale of the evidence joins their
    spread, the uncertainty of each, and what extrapolation adds.

    Args:
        found: result of `isoflop` on runs with one loss per skill.
        spec: names of skills, and the reference size and token count.
        seed: source of randomness.

    Returns:
        One piece of evidence for every skill that both have: log of the best size over the
        reference size (e-folds) and sum of the exponents, each with its scale.

    Raises:
        RunsError: no skill of the specification is among the losses.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.skills import by_skill
        >>> from skillscale.runs.table import load_runs
        >>> from skillscale.runs.skills import load_skills
        >>> runs = load_runs("isoflop").select(groups=["starcoder"])
        >>> runs = by_skill(runs, load_skills()).select(losses=["reasoning"])
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> [known.skill for known in slope_evidence(found, Spec())]
        ['reasoning']
    """
    budget = TRAINING_FLOPS * spec.reference_params * spec.reference_tokens
    beyond = max(0.0, math.log(budget / found.runs.runs["flops"].max()))
    rng = np.random.default_rng(seed)
    surface = found.require_surfaces().surface
    sharpness = np.asarray(surface.size_exponent) + np.asarray(surface.tokens_exponent)
    evidence = []
    for skill in spec.skills:
        rows = [
            row for row, key in enumerate(found.keys) if key[1] == skill and key in found.trusted
        ]
        if not rows:
            continue
        optima = [found.optimum(row, budget, by) for row in rows for by in Estimator]
        known = [np.log(sizes / spec.reference_params) for sizes in optima if (sizes > 0).all()]
        log_params, spread = _of_a_recipe(np.array(known), rng)
        total, total_spread = _of_a_recipe(sharpness[rows], rng)
        evidence.append(
            SlopeEvidence(
                skill,
                log_params,
                math.hypot(spread, EXPONENT_DRIFT * beyond),
                total,
                math.hypot(total_spread, SHARPNESS_DRIFT),
            )
        )
    if not evidence:
        raise RunsError(
            f"the losses of these runs ({', '.join(found.runs.loss_names)}) are none of the skills "
            f"{', '.join(spec.skills)}. Name skills alike in the table of losses."
        )
    return tuple(evidence)


def _of_a_recipe(
    draws: Float[np.ndarray, "estimate draw"], rng: np.random.Generator
) -> tuple[float, float]:
    """Mean and standard deviation of what a recipe like those estimated has."""
    pooled = fit_mean(draws, rng)
    of_one = np.log(pooled.at(np.ones(1), rng)[:, 0])
    return float(of_one.mean()), float(of_one.std())
