"""Scores of a family, against dense multivariate Student-t distributions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skillscale.law.likelihood import FamilyStudentT
from skillscale.law.scores import Scatter, given_siblings

FAMILY = np.array([0, 0, 1, 0, 1])
IN_FAMILY = np.eye(2, dtype=np.float32)[FAMILY]
TAIL = 6.0
RNG = np.random.default_rng(0)
EXPECTED = Scatter(
    mean=RNG.uniform(0.2, 0.8, (3, 5)).astype(np.float32),
    item=RNG.uniform(1e-4, 1e-3, (3, 5)).astype(np.float32),
    discrepancy=RNG.uniform(1e-3, 4e-3, (3, 5)).astype(np.float32),
    affinity=RNG.uniform(0.02, 0.1, (3, 5)).astype(np.float32),
)
OBSERVED = np.array([[1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [0, 0, 1, 0, 0]], bool)


@pytest.fixture
def scores() -> FamilyStudentT:
    return FamilyStudentT(
        jnp.array(TAIL), jax.tree.map(jnp.asarray, EXPECTED), jnp.asarray(OBSERVED), IN_FAMILY
    )


def dense(benchmark: int, members: np.ndarray):
    """Joint distribution of some models of one family on one benchmark."""
    affinity = EXPECTED.affinity[benchmark, members]
    shape = np.diag(EXPECTED.own[benchmark, members]) + np.outer(affinity, affinity)
    return stats.multivariate_t(EXPECTED.mean[benchmark, members], shape, TAIL)


def members(benchmark: int, family: int) -> np.ndarray:
    return np.flatnonzero(OBSERVED[benchmark] & (family == FAMILY))


@pytest.mark.parametrize("seed", range(5))
def test_log_density_is_that_of_dense_student_ts(scores, seed):
    value = RNG.uniform(0, 1, (3, 5)) if seed else EXPECTED.mean
    expected = sum(
        dense(j, which).logpdf(value[j, which])
        for j in range(3)
        for f in range(2)
        if len(which := members(j, f))
    )
    assert_allclose(scores.log_prob(jnp.asarray(value, jnp.float32)), expected, rtol=1e-4)


def test_a_score_given_its_siblings_has_the_ratio_of_joint_densities():
    value = RNG.uniform(0, 1, (3, 5))
    location, scale, degrees = given_siblings(
        EXPECTED, jnp.asarray(value, jnp.float32), OBSERVED, IN_FAMILY, jnp.array(TAIL)
    )
    for j in range(3):
        for i in range(5):
            others = members(j, FAMILY[i])
            others = others[others != i]
            both = np.append(others, i)
            expected = dense(j, both).logpdf(value[j, both])
            if len(others):
                expected -= dense(j, others).logpdf(value[j, others])
            found = stats.t.logpdf(value[j, i], degrees[j, i], location[j, i], scale[j, i])
            assert found == pytest.approx(float(expected), rel=1e-3, abs=1e-3), (j, i)


@pytest.mark.long
def test_draws_share_affinity_within_a_family_only(scores):
    n = 100_000
    draws = np.asarray(scores.sample(jax.random.key(0), (n,)))
    assert draws.shape == (n, 3, 5)
    for j in range(3):
        a = EXPECTED.affinity[j]
        shape = np.diag(EXPECTED.own[j]) + np.outer(a, a) * (FAMILY[:, None] == FAMILY)
        spread = np.sqrt(np.diag(shape))
        found = np.cov(draws[:, j].T) * (TAIL - 2) / TAIL
        assert_allclose(found, shape, atol=0.06 * spread.max() ** 2)
        assert_allclose(draws[:, j].mean(axis=0), EXPECTED.mean[j], atol=0.02 * spread.max())
        within = (draws[:, j] - EXPECTED.mean[j]) / spread
        assert stats.kstest(within[:, 0], stats.t(TAIL).cdf).pvalue > 1e-3
    across = np.corrcoef(draws[:, 0, 0], draws[:, 1, 0])[0, 1]
    assert abs(across) < 5 / np.sqrt(n)


def test_a_draw_needs_a_key(scores):
    with pytest.raises(ValueError, match="needs a key"):
        scores.sample()
