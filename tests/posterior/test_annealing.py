"""Many small posteriors: every chain ends in its own."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from skillscale.posterior.annealing import IndependentNormals, draw_each

N = 2000
PRIOR = IndependentNormals(np.array([1.0, -2.0, 0.0]), np.array([2.0, 1.0, 0.5]))
DESIGN = np.array([[1.0, 0.9, 0.0], [1.0, -0.2, 1.0]])
NOISE = 0.2


def log_likelihood(z, seen, design):
    return -0.5 * jnp.sum((seen - design @ z) ** 2) / NOISE**2


def test_draws_have_the_mean_and_covariance_of_each_normal_posterior():
    """Two precise sums of three parameters: a narrow and strongly correlated posterior."""
    rng = np.random.default_rng(0)
    seen = rng.normal(1, 0.2, (N, 2))
    draws = draw_each(
        log_likelihood,
        jnp.asarray(seen, jnp.float32),
        jnp.asarray(DESIGN, jnp.float32),
        PRIOR,
        np.random.default_rng(1),
    )
    precision = np.diag(PRIOR.sd**-2) + DESIGN.T @ DESIGN / NOISE**2
    covariance = np.linalg.inv(precision)
    shift = PRIOR.mean / PRIOR.sd**2 + seen @ DESIGN / NOISE**2
    standard = (draws - shift @ covariance) @ np.linalg.cholesky(precision)
    assert_allclose(standard.mean(axis=0), 0, atol=4 / np.sqrt(N))
    assert_allclose(np.cov(standard.T), np.eye(3), atol=6 / np.sqrt(N))


def test_draws_depend_on_the_seed_alone():
    seen, design = jnp.zeros((100, 2)), jnp.asarray(DESIGN)
    one, same, other = (
        draw_each(log_likelihood, seen, design, PRIOR, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert_allclose(one, same)
    assert np.abs(one - other).max() > 0.1
