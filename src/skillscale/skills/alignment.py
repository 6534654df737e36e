r"""Draws of skills brought into one orientation: turned, permuted and given signs alike.

Draws of an exploratory posterior may each be turned, mirrored or permuted; means over them, and
R-hat, are of use only once all have the orientation of one reference. Turning is by orthogonal
Procrustes, which minimises $\lVert \Lambda_s Q_s - \bar\Lambda \rVert$ to the mean of all aligned
draws (generalised Procrustes, Gower 1975); signs and order by linear assignment.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from skillscale.skills.rotation import Loadings, Matrices

ROUNDS = 20
CONVERGED = 1e-6
"""Largest change of the reference that no longer counts."""


def turn_alike(loading: Loadings) -> tuple[Matrices, Float[np.ndarray, "benchmark skill"]]:
    """Orthogonal matrices that turn all draws alike, and the mean of the loadings so turned.

    Generalised Procrustes (Gower 1975).

    Args:
        loading: loadings of every draw, turned anyhow.

    Returns:
        Matrices to multiply loadings with, and the mean.

    Example:
        >>> loading = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
        >>> scrambled = np.stack([loading, loading[:, ::-1], -loading])
        >>> turn, mean = turn_alike(scrambled)
        >>> np.allclose(scrambled @ turn, mean)
        True
    """
    reference = loading[0]
    with threadpool_limits(1, user_api="blas"):
        for _ in range(ROUNDS):
            turn = np.stack([orthogonal_procrustes(one, reference)[0] for one in loading])
            mean = (loading @ turn).mean(axis=0)
            change, reference = np.abs(mean - reference).max(), mean
            if change < CONVERGED:
                break
    return turn, reference


def match(loading: Loadings, reference: Float[np.ndarray, "benchmark skill"]) -> Matrices:
    """Signed permutations that bring every draw's skills nearest to those of a reference.

    Args:
        loading: loadings of every draw.
        reference: loadings to resemble.

    Returns:
        Matrices to multiply loadings with.

    Example:
        >>> reference = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> match(np.array([[[0.0, 1.0], [-0.9, 0.0]]]), reference).tolist()
        [[[0.0, -1.0], [1.0, 0.0]]]
    """
    agreement = loading.swapaxes(1, 2) @ reference
    matrix = np.zeros_like(agreement)
    for draw, agrees in enumerate(agreement):
        own, place = linear_sum_assignment(np.abs(agrees), maximize=True)
        matrix[draw, own, place] = np.where(agrees[own, place] < 0, -1.0, 1.0)
    return matrix


def by_importance(loading: Float[np.ndarray, "benchmark skill"]) -> Float[np.ndarray, "skill new"]:
    """Signed permutation to skills that are read the most first, and positively on the whole.

    Args:
        loading: loadings of skills of equal variance.

    Returns:
        A matrix to multiply loadings with.

    Example:
        >>> by_importance(np.array([[0.1, -0.9], [0.3, -0.8]])).tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
    """
    order = np.argsort(-(loading**2).sum(axis=0), kind="stable")
    sign = np.where(loading.sum(axis=0) < 0, -1.0, 1.0)
    return np.diag(sign)[:, order]
