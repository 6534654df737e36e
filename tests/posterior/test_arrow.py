"""Roots of arrow covariances: exact, and the posterior has the form they rely on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skillscale.posterior.arrow import SMALLEST_PRECISION, Arrow, Root, inverse_root

GROUPS = [np.array([6, 1]), np.array([4, 0, 2])]
SHARED = [3, 5]
N = 7


def arrow_precision(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros((N, N), bool)
    for group in GROUPS:
        mask[np.ix_(group, group)] = True
    mask[SHARED], mask[:, SHARED] = True, True
    noise = rng.normal(size=(N, N))
    return np.where(mask, noise + noise.T, 0) + 10 * np.eye(N)


def arrow(matrix: np.ndarray) -> Arrow:
    return Arrow(
        tuple(matrix[np.ix_(group, group)] for group in GROUPS),
        tuple(matrix[np.ix_(group, SHARED)] for group in GROUPS),
        matrix[np.ix_(SHARED, SHARED)],
    )


def dense(root: Root) -> np.ndarray:
    """The root as one matrix."""
    return np.asarray(jax.vmap(root.__matmul__, out_axes=1)(jnp.eye(len(root.order))), np.float64)


def root_of(matrix: np.ndarray) -> np.ndarray:
    return dense(inverse_root(arrow(matrix), GROUPS))


def test_a_root_squares_to_the_covariance():
    precision = arrow_precision(np.random.default_rng(0))
    root = root_of(precision)
    assert_allclose(root @ root.T, np.linalg.inv(precision), atol=1e-6)


def test_without_groups_the_root_is_that_of_any_matrix():
    precision = arrow_precision(np.random.default_rng(1)) + 1.0
    root = dense(inverse_root(Arrow((), (), precision), ()))
    assert_allclose(root @ root.T, np.linalg.inv(precision), atol=1e-6)


def test_whitening_and_the_precision_undo_a_root():
    rng = np.random.default_rng(5)
    precision = arrow_precision(rng)
    scale = rng.uniform(0.5, 2, N)
    root = inverse_root(arrow(precision), GROUPS).scaled(scale)
    points = rng.normal(size=(4, N))
    assert_allclose(root.whiten(points) @ dense(root).T, points, atol=1e-5)
    expected = arrow(np.linalg.inv(dense(root) @ dense(root).T))
    for found, wanted in zip(
        jax.tree.leaves(root.precision()), jax.tree.leaves(expected), strict=True
    ):
        assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_last_digits_of_a_precision_do_not_turn_its_root():
    """Threads add in other orders. Eigenvectors of equal values turn freely; draws must not."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(N, N)) * 1e-13
    precision = 10 * np.eye(N)
    assert_allclose(root_of(precision), root_of(precision + noise + noise.T), atol=1e-6)


@pytest.mark.parametrize(
    "pair", [[6, 3], [6, 1], [3, 5]], ids=["across the border", "in a group", "shared"]
)
def test_noise_that_leaves_a_hessian_indefinite_gives_no_wild_direction(pair):
    precision = arrow_precision(np.random.default_rng(3))
    precision[np.ix_(pair, pair)] = [[0.0, 5.0], [5.0, -1.0]]
    assert np.linalg.eigvalsh(precision).min() < 0
    root = root_of(precision)
    variances = np.linalg.eigvalsh(root @ root.T)
    assert variances.min() > 0
    assert variances.max() < 1.5 / SMALLEST_PRECISION


def test_gradients_pass_through_it_as_through_a_matrix():
    rng = np.random.default_rng(2)
    root = inverse_root(arrow(arrow_precision(rng)), GROUPS)
    at, weight = jnp.asarray(rng.normal(size=(2, N)), jnp.float32)
    gradient = jax.grad(lambda z: jnp.sin(root @ z) @ weight)(at)
    expected = dense(root).T @ (np.cos(dense(root) @ at) * weight)
    assert_allclose(gradient, expected, rtol=1e-5)
