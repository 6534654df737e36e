"""What the law's script reads in a page: draws of a family as text, and the constants of Python.

A draw is written in sixteen bits for each number, between the ends of its column.
"""

from __future__ import annotations

import base64
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from skillscale.law.compute import SERVING_FLOPS, TRAINING_FLOPS
from skillscale.law.design import PERIOD, periods
from skillscale.law.equation import PIVOT_LEVEL
from skillscale.optima.deployment import GRID, MOST_PARAMS, MOST_TOKENS, Deployment, Limit
from skillscale.optima.goal import Goal
from skillscale.optima.identification import FACTOR, LIKELY, NARROWED, SURE, Identification
from skillscale.optima.optimum import MORE_TOKENS
from skillscale.posterior.result import Fit
from skillscale.report.draws import ROWS, FamilyDraws

LEVELS = 2**16 - 1
"""Steps between the smallest and the largest number of a column."""
MOST_BYTES = 1_400_000
"""Of draws in a page: of a fit with many benchmarks fewer draws are kept."""


def packed_law(draws: FamilyDraws) -> dict[str, Any]:
    """Draws of a family and the constants that its law is computed with.

    Args:
        draws: of the family.

    Returns:
        ``about``, constants and names, and ``draws``, packed arrays by their names in the script.

    Example:
        >>> import pandas as pd
        >>> from skillscale.data.plan import describe
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> from skillscale.report.draws import family_draws
        >>> fit = shipped_fit()
        >>> model = {"model": ["b"], "family": "llama", "n_params": 7e9, "n_tokens": 1e12}
        >>> described = describe(pd.DataFrame(model), fit.models)
        >>> packed = packed_law(family_draws(fit, described, n_draws=50))
        >>> packed["about"]["form"], len(packed["draws"]["slope"]["lower"])
        ('translog', 12)
    """
    benchmarks, growth, noise = draws.law
    evidence = draws.evidence
    arrays = {
        "loading": benchmarks.loading,
        "intercept": benchmarks.intercept,
        "asymmetry": benchmarks.asymmetry,
        "ceilingGap": benchmarks.ceiling_gap,
        "slope": growth.slope,
        "effects": growth.effects,
        "modelScale": growth.model_scale,
        "overdispersion": noise.overdispersion,
        "discrepancySpread": noise.discrepancy_spread,
        "affinityOverdispersion": noise.affinity_overdispersion,
        "affinitySpread": noise.affinity_spread,
        "tail": noise.tail,
        "efficiency": draws.efficiency,
        "ownSlope": draws.own_slope,
        "scatter": draws.scatter,
        "information": evidence.information,
        "pull": evidence.pull,
        "mahalanobis": evidence.mahalanobis,
        "noise": draws.noise,
        "priorSlope": draws.prior_slope,
    }
    packed = {name: pack(np.asarray(values)) for name, values in arrays.items()}
    return {"about": _about(draws), "draws": packed}


def most_draws(fit: Fit) -> int:
    """How many draws of a fit are not too much to send.

    Args:
        fit: a fitted law.

    Returns:
        A number that keeps packed draws under 1.4 MB.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> most_draws(shipped_fit()) > 1000
        True
    """
    of_law = sum(np.size(part) for part in jax.tree.leaves(fit.draws(1).law))
    of_rows = ROWS * 3 * (len(fit.design.coords["benchmark"]) + len(fit.spec.skills))
    return MOST_BYTES * 3 // (4 * 2 * (of_law + of_rows))


def pack(values: Float[np.ndarray, "draw ..."]) -> dict[str, Any]:
    """Write draws as text that a page unpacks, right to 1 in 130,000 of a column's range.

    Args:
        values: finite numbers, draws along the first axis; a column is one number in all draws.

    Returns:
        ``lower, step`` of every column, and ``levels``: base64 of little-endian integers, draw by
        draw, empty where no column varies.

    Raises:
        ValueError: a number is not finite.

    Example:
        >>> pack(np.array([[0.0, 5.0], [1.0, 5.0]]))
        {'lower': [0.0, 5.0], 'step': [1.52590219e-05, 0.0], 'levels': 'AAAAAP//AAA='}
        >>> pack(np.ones((2, 1)))
        {'lower': [1.0], 'step': [0.0], 'levels': ''}
    """
    columns = np.asarray(values, np.float64).reshape(len(values), -1)
    if not np.isfinite(columns).all():
        raise ValueError("draws must be finite to be written as text.")
    lower = columns.min(axis=0)
    step = np.ptp(columns, axis=0) / LEVELS
    varies = step > 0
    levels = np.zeros(columns.shape, "<u2")
    levels[:, varies] = np.rint((columns - lower)[:, varies] / step[varies])
    return {
        "lower": _written(lower),
        "step": _written(step),
        "levels": base64.b64encode(levels.tobytes()).decode() if varies.any() else "",
    }


def _about(draws: FamilyDraws) -> dict[str, Any]:
    fit, n_others = draws.fit, draws.evidence.n[0, 0]
    spec, observations, search = fit.spec, fit.design.observations, Deployment()
    return {
        "nDraw": len(draws.efficiency),
        "nRow": ROWS,
        "nInput": draws.prior_slope.shape[1],
        "nKnown": len(draws.n_known),
        "skills": list(spec.skills),
        "benchmarks": fit.design.coords["benchmark"],
        "form": str(spec.form),
        "chance": np.asarray(observations.chance, float).tolist(),
        "nItems": np.asarray(observations.n_items, float).tolist(),
        "nOthers": n_others.tolist(),
        "known": np.searchsorted(draws.n_known, n_others).tolist(),
        "referenceParams": spec.reference_params,
        "referenceTokens": spec.reference_tokens,
        "referenceYear": spec.reference_year,
        "period": PERIOD,
        "periods": periods(spec),
        "pivotLevel": PIVOT_LEVEL,
        "trainingFlops": TRAINING_FLOPS,
        "servingFlops": SERVING_FLOPS,
        "minParams": search.min_params,
        "mostParams": MOST_PARAMS,
        "minTokens": search.min_tokens,
        "mostTokens": MOST_TOKENS,
        "grid": GRID,
        "moreTokens": MORE_TOKENS,
        "interval": Goal.interval,
        "sure": SURE,
        "likely": LIKELY,
        "factor": FACTOR,
        "narrowed": NARROWED,
        "verdicts": {of.name.lower(): of.value for of in Identification},
        "limits": {of.name.lower(): of.value for of in (Limit.LOWER, Limit.UPPER, Limit.HARM)},
    }


def _written(values: Float[np.ndarray, " column"]) -> list[float]:
    return [float(f"{value:.9g}") for value in values]
