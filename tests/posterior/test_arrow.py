"""Roots of arrow covariances: exact, and the posterior has the form they rely on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from skillscale.posterior import potential as potential_module
from skillscale.posterior.arrow import SMALLEST_PRECISION, inverse_root
from skillscale.posterior.potential import make_potential

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


def test_a_root_squares_to_the_covariance():
    precision = arrow_precision(np.random.default_rng(0))
    root = inverse_root(precision, GROUPS).dense()
    assert_allclose(root @ root.T, np.linalg.inv(precision), atol=1e-6)


def test_without_groups_the_root_is_that_of_any_matrix():
    precision = arrow_precision(np.random.default_rng(1)) + 1.0
    root = inverse_root(precision, ()).dense()
    assert_allclose(root @ root.T, np.linalg.inv(precision), atol=1e-6)


def test_last_digits_of_a_precision_do_not_turn_its_root():
    """Threads add in other orders. Eigenvectors of equal values turn freely; draws must not."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(N, N)) * 1e-13
    precision = 10 * np.eye(N)
    root, other = (inverse_root(p, GROUPS) for p in (precision, precision + noise + noise.T))
    assert_allclose(root.dense(), other.dense(), atol=1e-6)


def test_noise_that_leaves_a_hessian_indefinite_gives_no_wild_direction():
    precision = arrow_precision(np.random.default_rng(3))
    precision[np.ix_([6, 3], [6, 3])] = [[0.0, 5.0], [5.0, -1.0]]
    assert np.linalg.eigvalsh(precision).min() < 0
    root = inverse_root(precision, GROUPS).dense()
    variances = np.linalg.eigvalsh(root @ root.T)
    assert variances.min() > 0
    assert variances.max() < 1.5 / SMALLEST_PRECISION


def test_gradients_pass_through_it_as_through_a_matrix():
    rng = np.random.default_rng(2)
    root = inverse_root(arrow_precision(rng), GROUPS)
    at, weight = jnp.asarray(rng.normal(size=(2, N)), jnp.float32)
    gradient = jax.grad(lambda z: jnp.sin(root @ z) @ weight)(at)
    expected = root.dense().T @ (np.cos(root.dense() @ at) * weight)
    assert_allclose(gradient, expected, rtol=1e-5)


def test_lineages_meet_through_shared_parameters_only(monkeypatch, design, spec):
    """Else the root would leave out what links them, and NUTS would slow down unseen."""
    monkeypatch.setattr(potential_module, "GROUP_SIZE", 1)
    potential = make_potential(design, spec)
    groups = potential.groups
    assert len(groups) == len(design.coords["lineage"])
    assert sorted(np.concatenate(groups)) == sorted(set(np.concatenate(groups)))
    gradient = jax.jit(jax.grad(lambda flat: potential.energy(flat, design.observations)))
    at = gradient(potential.start)
    for i, moved in enumerate(groups):
        change = np.asarray(gradient(potential.start.at[moved].add(0.3)) - at)
        assert np.abs(change[moved]).max() > 0.1
        for other in groups[:i] + groups[i + 1 :]:
            assert_allclose(change[other], 0, atol=1e-3)
