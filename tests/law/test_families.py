"""Families in lineages, against a dense multivariate normal."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skillscale.law.families import FamilySlopeNormal, LineageNormal

LINEAGE = np.array([0, 0, 0, 1, 2, 2])
MEMBERSHIP = np.eye(3, dtype=np.float32)[LINEAGE]
LOC = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
LINEAGE_SCALE = np.array([0.7, 0.2], np.float32)
FAMILY_SCALE = np.array([0.3, 1.1], np.float32)


def covariance(skill: int) -> np.ndarray:
    shared = LINEAGE[:, None] == LINEAGE
    return LINEAGE_SCALE[skill] ** 2 * shared + FAMILY_SCALE[skill] ** 2 * np.eye(6)


@pytest.fixture
def families() -> LineageNormal:
    return LineageNormal(LOC, LINEAGE_SCALE, FAMILY_SCALE, MEMBERSHIP)


@pytest.mark.parametrize("seed", range(5))
def test_log_density_is_that_of_the_dense_normal(families, seed):
    value = LOC + np.random.default_rng(seed).normal(size=LOC.shape).astype(np.float32)
    dense = sum(
        stats.multivariate_normal(LOC[:, k], covariance(k)).logpdf(value[:, k]) for k in range(2)
    )
    assert_allclose(families.log_prob(value), dense, rtol=1e-5)


def test_draws_have_the_moments_of_the_dense_normal(families):
    n = 40_000
    draws = np.asarray(families.sample(jax.random.key(1), (n,)))
    assert draws.shape == (n, 6, 2)
    for k in range(2):
        dense = covariance(k)
        spread = np.sqrt(np.diag(dense))
        assert (np.abs(draws[..., k].mean(axis=0) - LOC[:, k]) < 5 * spread / np.sqrt(n)).all()
        error = np.sqrt((dense**2 + np.outer(spread, spread) ** 2) / n)
        assert (np.abs(np.cov(draws[..., k].T) - dense) < 5 * error).all()
    across = np.corrcoef(draws[..., 0].T, draws[..., 1].T)[:6, 6:]
    assert np.abs(across).max() < 5 / np.sqrt(n)


def test_a_draw_needs_a_key(families):
    with pytest.raises(ValueError, match="needs a key"):
        families.sample()


LOG_PARAMS = np.array([-2.0, 0.5, 1.5, 1.0, 0.0, 2.0], np.float32)


@pytest.fixture
def models() -> FamilySlopeNormal:
    return FamilySlopeNormal(LOC, FAMILY_SCALE, LINEAGE_SCALE, LOG_PARAMS, MEMBERSHIP)


def slope_covariance(skill: int) -> np.ndarray:
    shared = np.outer(LOG_PARAMS, LOG_PARAMS) * (LINEAGE[:, None] == LINEAGE)
    return LINEAGE_SCALE[skill] ** 2 * shared + FAMILY_SCALE[skill] ** 2 * np.eye(6)


@pytest.mark.parametrize("seed", range(5))
def test_log_density_with_slopes_is_that_of_the_dense_normal(models, seed):
    value = LOC + np.random.default_rng(seed).normal(size=LOC.shape).astype(np.float32)
    dense = sum(
        stats.multivariate_normal(LOC[:, k], slope_covariance(k)).logpdf(value[:, k])
        for k in range(2)
    )
    assert_allclose(models.log_prob(value), dense, rtol=1e-5)


def test_draws_with_slopes_have_the_moments_of_the_dense_normal(models):
    n = 40_000
    draws = np.asarray(models.sample(jax.random.key(2), (n,)))
    for k in range(2):
        dense = slope_covariance(k)
        spread = np.sqrt(np.diag(dense))
        assert (np.abs(draws[..., k].mean(axis=0) - LOC[:, k]) < 5 * spread / np.sqrt(n)).all()
        error = np.sqrt((dense**2 + np.outer(spread, spread) ** 2) / n)
        assert (np.abs(np.cov(draws[..., k].T) - dense) < 5 * error).all()


def test_a_draw_with_slopes_needs_a_key(models):
    with pytest.raises(ValueError, match="needs a key"):
        models.sample()
