"""Draws of the law weighed by how well they explain observed scores."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from skillscale.forecasts.pareto import smoothed

RELIABLE_PARETO_K = 0.7
"""Above it the draws of the law don't stretch to the observed scores (Vehtari et al. 2024)."""


EVEN_WEIGHTS = 1e-3


def resample(
    log_weight: Float[np.ndarray, "draw inner"], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Choose draws of the law in proportion to how well they explain the observed scores.

    Args:
        log_weight: log importance weights of the draws, and of the inner draws of each.
        rng: source of randomness.

    Returns:
        Positions of draws, positions of inner draws for each, and the Pareto shape of the weights.
    """
    n_draw, n_inner = log_weight.shape
    evidence = logsumexp(log_weight, axis=1) - np.log(n_inner)
    pareto_k = 0.0
    if np.ptp(evidence) > EVEN_WEIGHTS:  # no tail to smooth otherwise
        evidence, pareto_k = smoothed(evidence)
    weight = np.exp(evidence - logsumexp(evidence))
    # Systematic resampling: the draws kept are as even as the weights allow.
    points = (np.arange(n_draw) + rng.random()) / n_draw
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), points), n_draw - 1)
    within = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))[chosen]
    uniform = rng.random((n_draw, n_inner, 1))
    inner = (uniform > np.cumsum(within, axis=1)[:, None, :]).sum(axis=2)
    return chosen, np.minimum(inner, n_inner - 1), pareto_k
