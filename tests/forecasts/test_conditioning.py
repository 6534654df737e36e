"""Conditioning on relatives and on scores, against dense linear algebra and brute force."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import twin
from skillscale.forecasts.conditioning import (
    Inputs,
    Lineup,
    Normal,
    Relatives,
    Scores,
    _log_likelihood,
    _score_and_information,
    condition,
    observe,
    pool_of_families,
    skills_given_relatives,
)
from skillscale.forecasts.planned import INNER, _deviations
from skillscale.forecasts.weights import resample
from skillscale.law.likelihood import FamilyStudentT
from skillscale.law.scores import Pooled, scatter
from skillscale.law.sites import Benchmarks, Growth, Law, Noise, build

K = 2


def random_covariance(rng, n: int) -> np.ndarray:
    root = rng.normal(size=(n, n))
    return root @ root.T + 0.5 * np.eye(n)


def test_conditioning_is_that_of_a_dense_normal():
    rng = np.random.default_rng(0)
    whole = np.stack([random_covariance(rng, 5) for _ in range(K)])
    mean, value = rng.normal(size=(K, 5)), rng.normal(size=(K, 2))
    unknown, known = slice(0, 3), slice(3, 5)
    found = condition(
        Normal(mean[:, unknown], whole[:, unknown, unknown]),
        whole[:, unknown, known],
        Normal(mean[:, known], whole[:, known, known]),
        value,
    )
    for k in range(K):
        # Blocks of the precision matrix give the conditional without inverting the known block.
        precision = np.linalg.inv(whole[k])
        covariance = np.linalg.inv(precision[unknown, unknown])
        shift = -covariance @ precision[unknown, known] @ (value[k] - mean[k, known])
        assert_allclose(found.covariance[k], covariance, rtol=1e-3, atol=1e-4)
        assert_allclose(found.mean[k], mean[k, unknown] + shift, rtol=1e-3, atol=1e-4)


def test_conditioning_on_nothing_changes_nothing():
    prior = Normal(np.ones((K, 3)), np.broadcast_to(np.eye(3), (K, 3, 3)))
    nothing = Normal(np.zeros((K, 0)), np.zeros((K, 0, 0)))
    found = condition(prior, np.zeros((K, 3, 0)), nothing, np.zeros((K, 0)))
    assert_allclose(found.mean, prior.mean)
    assert_allclose(found.covariance, prior.covariance)


# Three fitted models, and two new ones: one of a fitted family, and a stranger.
LINEAGE = np.array(["l", "l", "m", "l", "n"])
FAMILY = np.array(["a", "b", "c", "a", "d"])
FITTED, NEW = slice(0, 3), slice(3, 5)
DRAW = {
    "slope": jnp.array([[0.5, 0.4], [0.3, 0.6], [0.02, -0.05]]),
    "effect": jnp.array([[0.2, -0.1], [0.3, 0.4], [-0.2, 0.1]]),
    "trend_scale": jnp.array([0.5, 0.2]),
    "innovation": jnp.array([[1.0, -2.0]]),
    "tuning_trend_scale": jnp.array([0.1, 0.3]),
    "tuning_innovation": jnp.array([[-1.0, 0.5]]),
    "lineage_scale": jnp.array([0.6, 0.3]),
    "branch_scale": jnp.array([0.3, 0.2]),
    "family_scale": jnp.array([0.4, 0.5]),
    "slope_scale": jnp.array([0.15, 0.1]),
    "model_scale": jnp.array([0.2, 0.1]),
}
SCALES = ("lineage_scale", "branch_scale", "family_scale", "slope_scale", "model_scale")
PARAMS = np.array([0.0, 0.5, -1.0, 2.0, 1.0])
TOKENS = np.array([0.3, -0.2, 0.0, 1.0, 0.7])
IS_TUNED = np.array([[0], [1], [0], [0], [1]])
BRANCH = np.char.add(LINEAGE, IS_TUNED[:, 0].astype(str))
DATES = np.array([[0.1, 0], [0.5, 0.2], [-1, -1], [0.6, 0.4], [1, 1]])  # years, periods passed
COVARIATES = np.column_stack(
    [IS_TUNED, DATES[:, 0], IS_TUNED * DATES[:, :1], DATES[:, 1], IS_TUNED * DATES[:, 1:]]
)
EFFECTS = np.array(
    [[0.2, -0.1], [0.3, 0.4], [-0.2, 0.1], [0.5 * 1.0, 0.2 * -2.0], [0.1 * -1.0, 0.3 * 0.5]]
)
SKILL = np.array([[0.4, 1.0], [-0.3, 0.2], [0.9, -0.5]])


GROWTH = build(Growth, {name: value[None] for name, value in DRAW.items()})


def relatives(rows: slice, columns: slice) -> Relatives:
    def same(names):
        return (names[rows, None] == names[None, columns]).astype(float)

    sizes = np.outer(PARAMS[rows], PARAMS[columns])
    of_family = same(FAMILY)
    own = np.eye(5)[rows, columns]
    return Relatives(same(LINEAGE), same(BRANCH), of_family, sizes * of_family, own)


def inputs(rows: slice) -> Inputs:
    return Inputs(*(jnp.asarray(a) for a in (PARAMS[rows], TOKENS[None, rows], COVARIATES[rows])))


@pytest.fixture(scope="module")
def skills() -> Normal:
    """Skills of the new models, given the fitted ones and a single draw of the law."""
    lineup = Lineup(
        new=inputs(NEW),
        fitted=inputs(FITTED),
        fitted_skill=jnp.asarray(SKILL[None]),
        form="translog",
        among_new=relatives(NEW, NEW),
        with_fitted=relatives(NEW, FITTED),
        among_fitted=relatives(FITTED, FITTED),
    )
    found = skills_given_relatives(GROWTH, lineup)
    return Normal(found.mean[0], found.covariance[0])


def law_mean() -> np.ndarray:
    x = np.column_stack([PARAMS, TOKENS, PARAMS * TOKENS])
    return x @ np.asarray(DRAW["slope"]) + COVARIATES @ EFFECTS


def test_skills_of_a_known_family_are_conditioned_on_its_relatives(skills):
    found = skills
    mean = law_mean()
    for k in range(K):
        # Brute force: every effect as a column of a design, then regress new on fitted.
        lineage, branch, family, slope, model = (float(DRAW[name][k]) for name in SCALES)
        effects = np.hstack(
            [
                lineage * (LINEAGE[:, None] == np.unique(LINEAGE)),
                branch * (BRANCH[:, None] == np.unique(BRANCH)),
                family * (FAMILY[:, None] == np.unique(FAMILY)),
                slope * PARAMS[:, None] * (FAMILY[:, None] == np.unique(FAMILY)),
                model * np.eye(5),
            ]
        )
        covariance = effects @ effects.T
        gain = covariance[NEW, FITTED] @ np.linalg.inv(covariance[FITTED, FITTED])
        expected = mean[NEW, k] + gain @ (SKILL[:, k] - mean[FITTED, k])
        left = covariance[NEW, NEW] - gain @ covariance[FITTED, NEW]
        assert_allclose(found.mean[k], expected, atol=1e-4)
        assert_allclose(found.covariance[k], left, atol=1e-4)
        assert found.covariance[k][0, 0] < found.covariance[k][1, 1], "relatives should inform"


def test_a_stranger_keeps_the_law_and_its_whole_spread(skills):
    found = skills
    size = {"slope_scale": PARAMS[4]}
    total = sum((size.get(name, 1) * np.asarray(DRAW[name])) ** 2 for name in SCALES)
    assert_allclose(found.mean[:, 1], law_mean()[4], atol=1e-5)
    assert_allclose(found.covariance[:, 1, 1], total, rtol=1e-5)


MEASURED = {
    "loading": jnp.array([[1.0], [0.7], [1.5]]),
    "intercept": jnp.array([0.2, -0.5, -1.0]),
    "asymmetry": jnp.array([1.0, 1.6, 0.8]),
    "ceiling_gap": jnp.array([0.05, 0.1, 0.02]),
    "overdispersion": jnp.array([0.03, 0.02, 0.05]),
    "discrepancy_spread": jnp.array([0.1, 0.2, 0.15]),
    "affinity_overdispersion": jnp.array([0.02, 0.01, 0.03]),
    "affinity_spread": jnp.array([0.15, 0.1, 0.3]),
    "tail": jnp.array(5.0),
}
CHANCE = np.array([0.25, 0.0, 0.1])
ITEMS = np.array([1000.0, 300.0, 150.0])
CASES = {
    "all observed": ([0.7, 0.35, 0.6], [True, True, True], 0.4, 0.9),
    "one observed": ([0.8, 0.0, 0.0], [True, False, False], 0.4, 0.9),
    "at chance, as expected": ([0.24, 0.0, 0.11], [True, True, True], -1.5, 0.6),
    "at chance, to our surprise": ([0.24, 0.0, 0.11], [True, True, True], 0.4, 0.9),
    "in conflict": ([0.9, 0.05, 0.6], [True, True, True], 0.4, 0.9),
    "none observed": ([0.0, 0.0, 0.0], [False, False, False], 0.4, 0.9),
}
"""Scores, which of them are observed, and the mean and standard deviation of the prior."""


def one_draw(values: dict) -> Law:
    """Draws of the law, a single one, without what makes skills grow."""
    stacked = {name: value[None] for name, value in values.items()}
    return Law(build(Benchmarks, stacked), None, build(Noise, stacked))


def log_likelihood(theta: np.ndarray, value, is_observed) -> np.ndarray:
    """Of one model of one skill, by hand."""
    m = {name: np.asarray(v, float) for name, v in MEASURED.items()}
    total = np.zeros_like(theta)
    for j in np.flatnonzero(is_observed):
        predictor = m["loading"][j, 0] * theta + m["intercept"][j]
        share, steepness = twin.link(predictor, m["asymmetry"][j])
        room = (1 - CHANCE[j]) * (1 - m["ceiling_gap"][j])
        mu = CHANCE[j] + room * share
        slope = room * steepness
        spread = np.hypot(m["discrepancy_spread"][j], m["affinity_spread"][j])
        variance = mu * (1 - mu) / ITEMS[j] + (spread * slope) ** 2
        overdispersion = np.hypot(m["overdispersion"][j], m["affinity_overdispersion"][j])
        variance += overdispersion**2 * (mu * (1 - mu) + 0.01)
        total += stats.t.logpdf(value[j], m["tail"], mu, np.sqrt(variance))
    return total


def observe_once(prior: Normal, scores: Scores, n: int, seed: int = 0):
    """Many skills given one draw of the law, with their log weights."""
    law = one_draw(MEASURED)
    batched = Normal(prior.mean[None], prior.covariance[None])
    nothing = Pooled(*(jnp.zeros((1, 3, scores.in_family.shape[1])) for _ in range(5)))
    rng = np.random.default_rng(seed)
    skill, log_weight = observe(law, batched, scores.for_draws(1), nothing, rng, n)
    return skill[0], log_weight[0]


@pytest.mark.parametrize("case", CASES)
def test_skills_given_scores_agree_with_a_grid(case):
    value, is_observed, mean, sd = CASES[case]
    prior = Normal(np.array([[mean]]), np.array([[[sd**2]]]))
    scores = Scores(
        jnp.array(value)[:, None],
        jnp.array(is_observed)[:, None],
        jnp.ones((1, 1)),
        jnp.asarray(CHANCE),
        jnp.asarray(ITEMS),
    )
    skill, log_weight = observe_once(prior, scores, 20_000)
    skill = skill.ravel()
    weight = np.exp(log_weight - log_weight.max())
    share = weight / weight.sum()

    theta = np.linspace(mean - 9 * sd, mean + 9 * sd, 40_001)
    joint = log_likelihood(theta, value, is_observed) + stats.norm.logpdf(theta, mean, sd)
    density = np.exp(joint - joint.max())
    evidence = np.log(density.sum() * (theta[1] - theta[0])) + joint.max()
    density /= density.sum()
    exact_mean = theta @ density
    exact_sd = np.sqrt((theta - exact_mean) ** 2 @ density)

    size = 1 / np.sum(share**2)
    assert size > 500, "the proposal should not be far off"
    # Scores in conflict have heavier tails than the proposal, so effective size flatters.
    assert abs(share @ skill - exact_mean) < 0.15 * exact_sd
    assert np.sqrt(share @ (skill - share @ skill) ** 2) == pytest.approx(exact_sd, rel=0.2)
    assert np.log(weight.mean()) + log_weight.max() == pytest.approx(evidence, abs=0.1)


def test_two_models_of_a_family_inform_each_other():
    prior = Normal(np.zeros((1, 2)), np.array([[[1.0, 0.9], [0.9, 1.0]]]))
    value = jnp.array([[0.9, 0.0], [0.8, 0.0], [0.9, 0.0]])
    scores = Scores(value, value > 0, jnp.ones((2, 1)), jnp.asarray(CHANCE), jnp.asarray(ITEMS))
    skill, log_weight = observe_once(prior, scores, 4000)
    weight = np.exp(log_weight - log_weight.max())
    means = (weight[:, None] * skill[:, 0]).sum(axis=0) / weight.sum()
    assert means[0] > 0.5
    assert means[1] == pytest.approx(0.9 * means[0], rel=0.1)


def test_scores_of_fitted_siblings_count_as_if_observed_together():
    """Observing two models at once, or the second given the first: the same weights and skills."""
    value = jnp.array([[0.7, 0.75], [0.3, 0.5], [0.9, 0.6]])
    seen = jnp.ones((3, 2), bool)
    both = Scores(value, seen, jnp.ones((2, 1)), jnp.asarray(CHANCE), jnp.asarray(ITEMS))
    first = Scores(*(part[..., :1] for part in both[:2]), jnp.ones((1, 1)), *both[3:])
    second = Scores(*(part[..., 1:] for part in both[:2]), jnp.ones((1, 1)), *both[3:])
    law = one_draw(MEASURED)
    skill = jnp.array([[[0.4, 0.8]]])
    siblings = pool_of_families(law, skill[..., :1], first.for_draws(1))
    nothing = jax.tree.map(jnp.zeros_like, siblings)
    together = _log_likelihood(law, skill[:, None], both.for_draws(1), nothing)
    before = _log_likelihood(law, skill[:, None, :, :1], first.for_draws(1), nothing)
    after = _log_likelihood(law, skill[:, None, :, 1:], second.for_draws(1), siblings)
    assert_allclose(together, before + after, rtol=1e-4)


@pytest.mark.long
def test_information_is_the_expected_curvature():
    """The Fisher information of two models of one family, against differences of the score."""
    scores = Scores(
        jnp.zeros((3, 2)),
        jnp.ones((3, 2), bool),
        jnp.ones((2, 1)),
        *map(jnp.asarray, (CHANCE, ITEMS)),
    )
    law = one_draw(MEASURED | {"tail": jnp.array(1e4)})
    skill = jnp.array([[[0.4, 0.8]]])
    nothing = Pooled(*(jnp.zeros((1, 3, 1)) for _ in range(5)))
    draw, theta = jax.tree.map(lambda part: part[0], law), skill[0]
    expected = scatter(draw.benchmarks, draw.noise, theta.T, scores.chance, scores.n_items)
    family = FamilyStudentT(draw.noise.tail, expected, scores.is_observed, scores.in_family)
    simulated = family.sample(jax.random.key(0), (20_000,))

    @jax.jit
    @jax.vmap
    def gradient(value):
        given = scores.for_draws(1)._replace(value=value[None])
        return _score_and_information(law, skill, given, nothing)[0][0]

    gradients = np.asarray(gradient(simulated), np.float64)
    information = np.asarray(_score_and_information(law, skill, scores.for_draws(1), nothing)[1][0])
    # The gradient also moves with the variances, which the information leaves out.
    assert_allclose(np.cov(gradients.T), information, rtol=0.25)


def test_draws_that_explain_the_scores_are_the_ones_kept():
    log_weight = np.full((200, INNER), -5.0) + np.random.default_rng(0).normal(size=(200, INNER))
    log_weight[50:60] += 6
    log_weight[:, 2] += 8
    chosen, inner, pareto_k = resample(log_weight, np.random.default_rng(1))
    weight = np.exp(log_weight).mean(axis=1)
    expected = weight[50:60].sum() / weight.sum()
    assert np.isin(chosen, np.arange(50, 60)).mean() == pytest.approx(expected, abs=0.1)
    assert (inner == 2).mean() > 0.95
    assert np.isfinite(pareto_k)


def test_nearly_equal_weights_keep_nearly_every_draw():
    log_weight = np.random.default_rng(0).normal(scale=1e-3, size=(100, INNER))
    chosen, inner, _ = resample(log_weight, np.random.default_rng(1))
    assert len(np.unique(chosen)) > 90
    assert_allclose(np.bincount(inner.ravel(), minlength=INNER) / inner.size, 1 / INNER, atol=0.1)


def test_deviations_have_the_covariance_even_when_it_is_singular():
    covariance = np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.5, 0.2], [0.2, 0.4]]])
    many = np.broadcast_to(covariance, (5000, 2, 2, 2))
    draws = _deviations(many, np.random.default_rng(0)).reshape(-1, 2, 2)
    for k in range(2):
        assert_allclose(np.cov(draws[:, k].T), covariance[k], atol=0.05)
