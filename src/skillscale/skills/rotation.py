r"""Rotations to simple structure: skills mixed so that benchmarks read few of them.

For any invertible $T$, skills $\theta \to T^\top\theta$ and loadings
$\lambda \to T^{-1}\lambda$ give every score as before. Of skills that are uncorrelated with unit
variance, an orthogonal rotation keeps both, and an oblique one, of unit columns, the variances. A
rotation minimises a criterion of the loadings $\Lambda T^{-\top}$ by projected gradients with step
halving (Jennrich 2002; Bernaards and Jennrich 2005). Here because every draw of a posterior needs
one of its own: arrays have draws as their first axis, and all draws are rotated at once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

GEOMIN = 0.01
"""Added to squared loadings, so that one of zero does not decide its benchmark's mean."""
PROMAX = 4
"""Power of loadings that makes small ones vanish."""
STEPS = 300
HALVINGS = 12
CONVERGED = 1e-4
"""Norm of the projected gradient."""

Loadings = Float[np.ndarray, "draw benchmark skill"]
Matrices = Float[np.ndarray, "draw skill new"]
Criterion = Callable[[Loadings], tuple[Float[np.ndarray, " draw"], Loadings]]
"""Value and gradient in the loadings."""


class Rotation(StrEnum):
    """How exploratory skills are turned to be read."""

    GEOMIN = "geomin"
    VARIMAX = "varimax"
    PROMAX = "promax"


def geomin(loading: Loadings) -> tuple[Float[np.ndarray, " draw"], Loadings]:
    r"""Geometric means of benchmarks' squared loadings, summed, and the gradient (Yates 1987).

    $$\sum_j \Bigl(\prod_k (\lambda_{jk}^2 + 0.01)\Bigr)^{1/K}$$

    Args:
        loading: loadings of uncorrelated skills of unit variance.

    Returns:
        The criterion of every draw, the less the simpler, and its gradient in the loadings.

    Example:
        >>> value, _ = geomin(np.array([[[1.0, 0.0], [0.6, 0.6]]]))
        >>> value.round(3).tolist()
        [0.47]
    """
    squared = loading**2 + GEOMIN
    mean = np.exp(np.log(squared).mean(axis=2))
    return mean.sum(axis=1), 2 / loading.shape[2] * loading / squared * mean[..., None]


def varimax(loading: Loadings) -> tuple[Float[np.ndarray, " draw"], Loadings]:
    """Minus a quarter of the spread of every skill's squared loadings (Kaiser 1958).

    Args:
        loading: loadings of uncorrelated skills of unit variance.

    Returns:
        The criterion of every draw, the less the simpler, and its gradient in the loadings.

    Example:
        >>> value, _ = varimax(np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.7, 0.7], [0.7, -0.7]]]))
        >>> bool(value[0] < value[1])
        True
    """
    squared = loading**2
    spread = squared - squared.mean(axis=1, keepdims=True)
    return -(squared * spread).sum(axis=(1, 2)) / 4, -loading * spread


def rotate(loading: Loadings, rotation: Rotation, start: Matrices) -> tuple[Matrices, np.ndarray]:
    """The mixes of skills that a rotation finds from these starts, and their criterion.

    Criteria are minimised by projected gradients (Jennrich 2002; Bernaards and Jennrich 2005). They
    have several minima: the start decides. Promax has no criterion of its own: that of the varimax
    rotation before it is returned.

    Args:
        loading: loadings (draw, benchmark, skill) of uncorrelated skills of unit variance.
        rotation: which rotation.
        start: orthogonal matrices (draw, skill, new).

    Returns:
        Matrices (draw, skill, new) of unit columns, for `mixed_loading`, and the criterion of every
        draw.

    Example:
        >>> angle = 0.5
        >>> turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        >>> simple = np.array([[1.0, 0.0], [0.8, 0.0], [0.0, 0.9], [0.0, 0.7]])
        >>> turned = (simple @ turn)[None]
        >>> matrix, _ = rotate(turned, Rotation.VARIMAX, np.eye(2)[None])
        >>> np.abs(mixed_loading(turned, matrix)[0]).round(3).tolist()
        [[1.0, 0.0], [0.8, 0.0], [0.0, 0.9], [0.0, 0.7]]
    """
    # These matrices are so small that threads of BLAS only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        if rotation is Rotation.GEOMIN:
            return _descend(loading, geomin, start, oblique=True)
        matrix, value = _descend(loading, varimax, start, oblique=False)
        return (promax(loading, matrix) if rotation is Rotation.PROMAX else matrix), value


def promax(loading: Loadings, matrix: Matrices) -> Matrices:
    """Let rotated skills correlate: least squares towards their loadings' fourth powers.

    The rotation of Hendrickson and White (1964).

    Args:
        loading: loadings of uncorrelated skills of unit variance.
        matrix: orthogonal matrices that are the varimax.

    Returns:
        Matrices of unit columns.
    """
    rotated = mixed_loading(loading, matrix)
    target = rotated * np.abs(rotated) ** (PROMAX - 1)
    transposed = rotated.swapaxes(1, 2)
    mix = np.linalg.solve(transposed @ rotated, transposed @ target)
    oblique = matrix @ np.linalg.inv(mix).swapaxes(1, 2)
    return oblique / np.linalg.norm(oblique, axis=1, keepdims=True)


def mixed_loading(loading: Loadings, matrix: Matrices) -> Loadings:
    r"""Loadings on mixed skills, $\Lambda T^{-\top}$: skills times ``matrix`` go with them.

    Args:
        loading: loadings before.
        matrix: $T$, invertible.

    Returns:
        Loadings after, one per mixed skill.

    Example:
        >>> mixed_loading(np.array([[[1.0, 2.0]]]), np.diag([2.0, 1.0])[None]).tolist()
        [[[0.5, 2.0]]]
    """
    return loading @ np.linalg.inv(matrix).swapaxes(1, 2)


def random_rotations(n: int, n_skills: int, rng: np.random.Generator) -> Matrices:
    """Orthogonal matrices, uniformly distributed (Stewart 1980).

    Args:
        n: how many.
        n_skills: their size.
        rng: source of randomness.

    Returns:
        Matrices along the first axis.

    Example:
        >>> one = random_rotations(1, 3, np.random.default_rng(0))[0]
        >>> np.allclose(one @ one.T, np.eye(3))
        True
    """
    orthogonal, triangle = np.linalg.qr(rng.standard_normal((n, n_skills, n_skills)))
    return orthogonal * np.sign(np.diagonal(triangle, axis1=1, axis2=2))[:, None, :]


def _descend(
    loading: Loadings, criterion: Criterion, start: Matrices, *, oblique: bool
) -> tuple[Matrices, Float[np.ndarray, " draw"]]:
    """Minimise a criterion by projected gradients, every draw with steps of its own."""
    matrix = np.array(start, np.float64)
    value = criterion(mixed_loading(loading, matrix))[0]
    step = np.ones(len(matrix))
    open_draws = np.arange(len(matrix))
    for _ in range(STEPS):
        at, data = matrix[open_draws], loading[open_draws]
        inverse = np.linalg.inv(at)
        rotated = data @ inverse.swapaxes(1, 2)
        by_loading = criterion(rotated)[1]
        gradient = -(rotated.swapaxes(1, 2) @ by_loading @ inverse).swapaxes(1, 2)
        gradient = _tangent(at, gradient, oblique)
        square = (gradient**2).sum(axis=(1, 2))
        going = square > CONVERGED**2
        open_draws, at, data = open_draws[going], at[going], data[going]
        gradient, square = gradient[going], square[going]
        if not open_draws.size:
            break
        step[open_draws] *= 2
        untried = np.arange(len(open_draws))
        for _ in range(HALVINGS):
            draws = open_draws[untried]
            ahead = at[untried] - step[draws, None, None] * gradient[untried]
            moved = _retract(ahead, oblique)
            reached = criterion(mixed_loading(data[untried], moved))[0]
            better = value[draws] - reached > step[draws] * square[untried] / 2
            matrix[draws[better]], value[draws[better]] = moved[better], reached[better]
            untried = untried[~better]
            if not untried.size:
                break
            step[open_draws[untried]] /= 2
        else:  # as low as floating point tells
            open_draws = np.delete(open_draws, untried)
    return matrix, value


def _tangent(matrix: Matrices, gradient: Matrices, oblique: bool) -> Matrices:
    """The part of a gradient along matrices of unit columns, or orthogonal ones."""
    if oblique:
        return gradient - matrix * (matrix * gradient).sum(axis=1, keepdims=True)
    turn = matrix.swapaxes(1, 2) @ gradient
    return gradient - matrix @ (turn + turn.swapaxes(1, 2)) / 2


def _retract(matrix: Matrices, oblique: bool) -> Matrices:
    """The nearest matrix of unit columns, or the nearest orthogonal one."""
    if oblique:
        return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    left, _, right = np.linalg.svd(matrix)
    return left @ right
