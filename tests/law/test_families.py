"""Skills in families and lineages, against a dense multivariate normal."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skillscale.law.families import EfficiencyNormal, SkillNormal, Tree
from skillscale.law.membership import OneHot
from skillscale.law.sites import Scales

FAMILY = np.array([0, 0, 1, 1, 1, 2, 3])
BRANCH = np.array([0, 1, 0, 2])
OF_BRANCH = np.array([0, 1, 1])
LINEAGE = OF_BRANCH[BRANCH]
LOG_PARAMS = np.array([-2.0, 0.5, 1.5, 1.0, 0.0, 2.0, -0.5], np.float32)
LOC = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
OF_FAMILY = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
SCALES = Scales(
    *np.array([[0.7, 0.2], [0.6, 0.4], [0.3, 1.1], [0.2, 0.4], [0.5, 0.1]], np.float32)  # by skill
)


def same(groups: np.ndarray) -> np.ndarray:
    return groups[:, None] == groups


def covariance(skill: int) -> np.ndarray:
    lineage, branch, family, slope, model = (scale[skill] ** 2 for scale in SCALES)
    sizes = np.outer(LOG_PARAMS, LOG_PARAMS)
    return (
        lineage * same(LINEAGE[FAMILY])
        + branch * same(BRANCH[FAMILY])
        + (family + slope * sizes) * same(FAMILY)
        + model * np.eye(len(FAMILY))
    )


@pytest.fixture
def skills() -> SkillNormal:
    def of(groups: np.ndarray) -> OneHot:
        return OneHot.of(groups.tolist(), sorted(set(groups.tolist())))

    seen = np.ones(len(FAMILY), bool)
    tree = Tree(of(FAMILY), of(BRANCH), of(OF_BRANCH), LOG_PARAMS, seen)
    return SkillNormal(LOC, SCALES, tree)


@pytest.mark.parametrize("seed", range(5))
def test_log_density_is_that_of_the_dense_normal(skills, seed):
    value = LOC + np.random.default_rng(seed).normal(size=LOC.shape).astype(np.float32)
    dense = sum(
        stats.multivariate_normal(LOC[:, k], covariance(k)).logpdf(value[:, k]) for k in range(2)
    )
    assert_allclose(skills.log_prob(value), dense, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_models_without_scores_say_nothing(skills, seed):
    rng = np.random.default_rng(seed)
    value = LOC + rng.normal(size=LOC.shape).astype(np.float32)
    is_seen = rng.random(len(FAMILY)) < 0.6
    partly = SkillNormal(LOC, SCALES, skills.tree._replace(is_seen=is_seen))
    seen = np.flatnonzero(is_seen)
    dense = sum(
        stats.multivariate_normal(LOC[seen, k], covariance(k)[np.ix_(seen, seen)]).logpdf(
            value[seen, k]
        )
        for k in range(2)
    )
    unseen = stats.norm.logpdf(value[~is_seen]).sum()
    assert_allclose(partly.log_prob(value), dense + unseen, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_model_given_all_others_is_the_conditional_of_the_dense_normal(skills, seed):
    value = LOC + np.random.default_rng(seed).normal(size=LOC.shape).astype(np.float32)
    mean, variance = skills.given_others(value)
    for k in range(2):
        precision = np.linalg.inv(covariance(k))
        pull = precision @ (value - LOC)[:, k]
        assert_allclose(variance[:, k], 1 / np.diag(precision), rtol=1e-5)
        assert_allclose(mean[:, k], value[:, k] - pull / np.diag(precision), rtol=1e-3, atol=1e-4)


def assert_moments(draws: np.ndarray, mean: np.ndarray, dense: np.ndarray) -> None:
    n, spread = len(draws), np.sqrt(np.diag(dense))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * spread / np.sqrt(n)).all()
    error = np.sqrt((dense**2 + np.outer(spread, spread) ** 2) / n)
    assert (np.abs(np.cov(draws.T) - dense) < 5 * error).all()


def test_draws_have_the_moments_of_the_dense_normal(skills):
    n = 40_000
    draws = np.asarray(skills.sample(jax.random.key(1), (n,)))
    assert draws.shape == (n, 7, 2)
    for k in range(2):
        assert_moments(draws[..., k], LOC[:, k], covariance(k))
    across = np.corrcoef(draws[..., 0].T, draws[..., 1].T)[:7, 7:]
    assert np.abs(across).max() < 5 / np.sqrt(n)


def test_efficiencies_given_skills_have_the_moments_of_the_conditional_normal(skills):
    n = 40_000
    skill = LOC + np.random.default_rng(3).normal(size=LOC.shape).astype(np.float32)
    given = EfficiencyNormal(OF_FAMILY, skills, skill)
    draws = jax.vmap(given.sample)(jax.random.split(jax.random.key(2), n))
    for k in range(2):
        lineage, branch, family = (scale[k] ** 2 for scale in SCALES[:3])
        prior = lineage * same(LINEAGE) + branch * same(BRANCH) + family * np.eye(4)
        weight = np.linalg.solve(covariance(k), prior[FAMILY]).T
        mean = OF_FAMILY[:, k] + weight @ (skill - LOC)[:, k]
        assert_moments(np.asarray(draws)[..., k], mean, prior - weight @ prior[FAMILY])


def test_a_draw_needs_a_key(skills):
    with pytest.raises(ValueError, match="needs a key"):
        skills.sample()
    with pytest.raises(ValueError, match="needs a key"):
        EfficiencyNormal(OF_FAMILY, skills, LOC).sample()
