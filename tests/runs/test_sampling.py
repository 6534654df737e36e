"""Many small posteriors at once, against densities whose moments are known."""

from __future__ import annotations

import arviz_stats as azs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy import special

from skillscale.runs.sampling import BATCH, ManyNuts, find_modes, sample_each

N_PROBLEMS = BATCH + 3
METHOD = ManyNuts(chains=2, warmup=200, draws=500)
SURPRISING = 4.5
"""Standard errors that none of two hundred estimates is off."""


def energy(x, data):
    """Two correlated normal parameters, and the log of a gamma variable: a skewed third."""
    mean, precision, shape = data
    from_mean = x[:2] - mean
    return 0.5 * from_mean @ precision @ from_mean + jnp.exp(x[2]) - shape * x[2]


@pytest.fixture(scope="module")
def problems():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((N_PROBLEMS, 2, 2)) * 0.5 + 0.6 * np.eye(2)
    covariance = root @ root.transpose(0, 2, 1) + 0.02 * np.eye(2)
    mean = rng.normal(0, 3, (N_PROBLEMS, 2))
    shape = rng.uniform(1.0, 6.0, N_PROBLEMS)
    return mean, covariance, shape


@pytest.fixture(scope="module")
def data(problems):
    mean, covariance, shape = problems
    return mean, np.linalg.inv(covariance), shape


@pytest.fixture(scope="module")
def modes(data):
    return find_modes(energy, data, np.full((N_PROBLEMS, 3), 2.0))


@pytest.fixture(scope="module")
def calls():
    return []


@pytest.fixture(scope="module")
def draws(data, modes, calls):
    def note(done, total):
        calls.append((done, total))

    return sample_each(energy, data, modes, jax.random.key(1), METHOD, note)


def surprise(flat: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance of means of draws from true ones, in Monte Carlo standard errors.

    Of single means, and of a parameter's means over all problems.
    """
    dataset = xr.Dataset({"x": (("problem", "chain", "draw", "parameter"), flat)})
    error = flat.std(axis=(1, 2)) / np.sqrt(azs.ess(dataset, method="mean")["x"].to_numpy())
    off = (flat.mean(axis=(1, 2)) - truth) / error
    return max(np.abs(off).max(), np.abs(off.sum(axis=0)).max() / np.sqrt(len(off)))


def test_modes_and_curvatures_are_those_of_the_densities(problems, modes):
    mean, covariance, shape = problems
    # In units of spreads: steps end where they gain less than a thousandth.
    spread = np.sqrt(np.column_stack([*covariance.diagonal(0, 1, 2).T, 1 / shape]))
    truth = np.column_stack([mean, np.log(shape)])
    assert np.abs((modes.mode - truth) / spread).max() < 0.05
    # Nothing is taken for wider than the prior is: curvatures have a least value.
    largest = np.linalg.eigvalsh(covariance)[:, -1] < 1.9
    assert largest.sum() > 5
    np.testing.assert_allclose(modes.covariance[largest, :2, :2], covariance[largest], rtol=1e-3)
    np.testing.assert_allclose(modes.covariance[:, 2, 2], 1 / shape, rtol=3e-2)


def test_modes_are_found_from_far_away(data, modes):
    far = find_modes(energy, data, np.full((N_PROBLEMS, 3), -12.0))
    np.testing.assert_allclose(far.mode, modes.mode, atol=3e-2)


def test_means_of_draws_are_those_of_the_densities(problems, draws):
    mean, _, shape = problems
    truth = np.column_stack([mean, special.digamma(shape)])
    assert surprise(draws.flat, truth) < SURPRISING


def test_second_and_third_moments_of_draws_are_those_of_the_densities(problems, draws):
    mean, covariance, shape = problems
    centre = np.column_stack([mean, special.digamma(shape)])[:, None, None]
    about = draws.flat - centre
    variance = np.column_stack(
        [covariance[:, 0, 0], covariance[:, 1, 1], special.polygamma(1, shape)]
    )
    assert surprise(about**2, variance) < SURPRISING
    together = (about[..., 0] * about[..., 1])[..., None]
    assert surprise(together, covariance[:, [0], [1]][:, :1]) < SURPRISING
    third = special.polygamma(2, shape)[:, None]
    assert surprise(about[..., 2:] ** 3, third) < SURPRISING


def test_the_last_batch_is_complete_though_it_is_not_full(draws, calls):
    assert draws.flat.shape == (N_PROBLEMS, 2, 500, 3)
    assert draws.is_diverging.shape == (N_PROBLEMS, 2, 500)
    assert draws.is_diverging.mean() < 0.01
    assert calls == [(0, N_PROBLEMS), (BATCH, N_PROBLEMS), (N_PROBLEMS, N_PROBLEMS)]


def test_chains_and_problems_have_randomness_of_their_own(data, draws):
    about = (draws.flat[..., 2] - draws.flat[..., 2].mean(axis=(1, 2), keepdims=True)).reshape(
        N_PROBLEMS * 2, -1
    )
    correlation = np.corrcoef(about) - np.eye(N_PROBLEMS * 2)
    assert np.abs(correlation).max() < 0.5


def test_one_key_gives_the_same_draws_and_another_gives_others(data, modes, draws):
    again = sample_each(energy, data, modes, jax.random.key(1), METHOD)
    other = sample_each(energy, data, modes, jax.random.key(2), METHOD)
    np.testing.assert_array_equal(again.flat, draws.flat)
    assert (other.flat != draws.flat).mean() > 0.99
