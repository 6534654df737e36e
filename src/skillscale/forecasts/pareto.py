"""Pareto smoothed importance sampling: the largest weights, made those that their tail would have.

The largest of $n$ weights follow nearly a generalised Pareto distribution of some shape $k$: the
larger, the fewer draws the weights rest on. They are replaced by its quantiles (Vehtari et al.
2024, arXiv:1507.02646), whose shape and scale are estimated as by Zhang and Stephens (2009). ArviZ
has the same, but takes as long to import as a forecast to compute.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

LEAST_TAIL = 5
FEWEST = 5 * LEAST_TAIL
"""Weights that have such a tail."""
PRIOR_SHAPE = 0.5
PRIOR_WEIGHT = 10
"""Shapes are drawn towards this one as if it were the mean of so many more weights of the tail."""


def smoothed(log_weight: Float[np.ndarray, " draw"]) -> tuple[Float[np.ndarray, " draw"], float]:
    """Smooth the largest importance weights.

    Args:
        log_weight: logs of the weights, which are not all the same.

    Returns:
        Logs of the smoothed weights, relative to the largest one before, and the shape.

    Raises:
        ValueError: there are fewer than 25 weights, whose tail is too short.

    Example:
        >>> normal = np.random.default_rng(0).normal(size=1000)
        >>> [round(smoothed(scale * normal)[1], 1) for scale in (0.1, 1, 4)]
        [0.0, 0.4, 1.6]
    """
    n = len(log_weight)
    n_tail = int(3 * np.sqrt(n) if n > 225 else n / 5)
    if n_tail < LEAST_TAIL:
        raise ValueError(f"{n} draws have no tail to smooth: {FEWEST} are needed.")
    found = log_weight - log_weight.max()
    order = np.argsort(found)
    tail = order[-n_tail:]
    cutoff = np.exp(found[order[-n_tail - 1]])
    shape, scale = _shape_and_scale(np.exp(found[tail]) - cutoff)
    if np.isfinite(shape):
        below = -np.log1p(-np.arange(0.5, n_tail) / n_tail)
        excess = np.expm1(shape * below) / shape if shape else below
        found[tail] = np.minimum(np.log(cutoff + scale * excess), 0)
    return found, float(shape)


def _shape_and_scale(excess: Float[np.ndarray, " tail"]) -> tuple[float, float]:
    """Of a generalised Pareto distribution, from a sorted sample: means over a grid of ratios."""
    n = len(excess)
    n_grid = 30 + int(np.sqrt(n))
    grid = 1 - np.sqrt(n_grid / (np.arange(1, n_grid + 1) - 0.5))
    ratio = 1 / excess[-1] + grid / (3 * excess[int(n / 4 + 0.5) - 1])
    shape = np.log1p(-ratio[:, None] * excess).mean(axis=1)
    log_likelihood = n * (np.log(-ratio / shape) - shape - 1)
    mean = float(ratio @ np.exp(log_likelihood - logsumexp(log_likelihood)))
    found = float(np.log1p(-mean * excess).mean())
    return (n * found + PRIOR_WEIGHT * PRIOR_SHAPE) / (n + PRIOR_WEIGHT), -found / mean
