"""The equation, against a twin in plain numpy, and what must hold for any parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.special import expit, logit

import twin
from skillscale.law import equation
from skillscale.law.production import gain

M, B, K = 5, 4, 2


def numbers(shape, low, high):
    # Multiples of 2**-10 are exact in single precision, so both twins see the same input.
    return arrays(np.int64, shape, elements=st.integers(int(low * 1024), int(high * 1024))).map(
        lambda n: (n / 1024).astype(np.float32)
    )


@st.composite
def links(draw):
    chance = draw(numbers((B,), 0, 0.5))
    gap = draw(numbers((B,), 0, 0.5))
    return equation.Link(
        loading=draw(numbers((B, K), 0, 2)),
        intercept=draw(numbers((B,), -4, 4)),
        asymmetry=draw(numbers((B,), 0.25, 4)),
        chance=chance,
        ceiling=1 - gap * (1 - chance),
    )


skills = numbers((M, K), -5, 5)
quickly = settings(max_examples=60, deadline=None)


@quickly
@given(skills, links())
def test_expected_score_equals_its_numpy_twin(skill, link):
    by_hand = np.empty((B, M))
    for j in range(B):
        for i in range(M):
            z = sum(link.loading[j, k] * skill[i, k] for k in range(K)) + link.intercept[j]
            share, _ = twin.link(float(z), float(link.asymmetry[j]))
            by_hand[j, i] = link.chance[j] + (link.ceiling[j] - link.chance[j]) * share
    assert_allclose(
        equation.expected_score(jnp.asarray(skill), link), by_hand, rtol=1e-4, atol=1e-5
    )


@quickly
@given(skills, links())
def test_scores_stay_between_chance_and_ceiling(skill, link):
    score = np.asarray(equation.expected_score(1000 * jnp.asarray(skill), link))
    assert np.isfinite(score).all()
    assert (score >= link.chance[:, None] - 1e-6).all()
    assert (score <= link.ceiling[:, None] + 1e-6).all()


@quickly
@given(
    numbers((M,), -3, 3),
    numbers((M,), 0, 3),
    numbers((M, K), -2, 2),
    numbers((2, K), 0.125, 1),
    st.floats(0.125, 2),
    links(),
)
def test_scores_rise_with_size_when_slopes_and_loadings_are_positive(
    log_params, log_tokens, efficiency, slope, growth, link
):
    slope = jnp.concatenate([slope, jnp.zeros((1, K))])

    def predictor_and_score(log_params):
        gained = gain("translog", slope, jnp.asarray(log_params), jnp.asarray(log_tokens))
        skill = jnp.asarray(efficiency) + gained
        return link.loading @ skill.T, equation.expected_score(skill, link)

    before, score_before = predictor_and_score(log_params)
    after, score_after = predictor_and_score(log_params + np.float32(growth))
    assert (np.asarray(score_after - score_before) >= -1e-6).all()
    has_room = (np.asarray(score_before) < link.ceiling[:, None] - 0.02) & (
        np.asarray(score_before) > link.chance[:, None] + 0.02
    )
    moved = np.asarray(after - before) > 0.05
    assert (np.asarray(score_after - score_before)[has_room & moved] > 0).all()


@quickly
@given(skills, links())
def test_slope_of_the_score_is_its_derivative_in_the_linear_predictor(skill, link):
    def score(intercept):
        return equation.expected_score(jnp.asarray(skill), link._replace(intercept=intercept))

    # A benchmark's score depends on its own intercept only, which shifts the linear predictor.
    derivative = jax.jvp(score, (jnp.asarray(link.intercept),), (jnp.ones(B),))[1]
    _, slope = equation.expected_score_and_slope(jnp.asarray(skill), link)
    assert_allclose(slope, derivative, rtol=1e-3, atol=1e-5)


def test_item_variance_is_that_of_a_mean_of_coin_flips():
    mean = np.array([[0.5, 0.9], [0.2, 1.0]])
    n_items = np.array([100.0, 10.0])
    assert_allclose(
        equation.item_variance(mean, n_items),
        np.add([[0.0025, 0.0009], [0.016, 0.0]], [[1 / 120_000], [1 / 1_200]]),
        rtol=1e-6,
        atol=1e-9,
    )
    flips = np.random.default_rng(0).binomial(100, 0.9, size=200_000) / 100
    assert_allclose(flips.var(), equation.item_variance(mean, n_items)[0, 1], rtol=0.02)


def test_discrepancy_variance_is_its_formula():
    mean, slope = np.array([[0.4]]), np.array([[0.15]])
    overdispersion, spread = np.array([0.03]), np.array([0.5])
    by_hand = 0.03**2 * (0.4 * 0.6 + 0.01) + (0.5 * 0.15) ** 2
    found = equation.discrepancy_variance(mean, slope, overdispersion, spread)
    assert_allclose(found, [[by_hand]], rtol=1e-6)


def test_discrepancy_never_vanishes_even_at_a_score_of_zero():
    nothing = np.zeros((1, 1))
    assert (
        equation.discrepancy_variance(nothing, nothing, np.array([0.02]), np.array([0.2]))[0, 0] > 0
    )


def test_a_symmetric_link_is_the_logistic_through_the_pivot():
    link = equation.Link(np.ones((1, 1)), *(np.array([v]) for v in (0.3, 1.0, 0.2, 0.9)))
    skill = np.linspace(-4, 4, 9)
    logistic = 0.2 + 0.7 * expit(skill + 0.3 + logit(twin.LEVEL))
    assert_allclose(
        equation.expected_score(jnp.asarray(skill)[:, None], link)[0], logistic, rtol=1e-5
    )


@pytest.mark.parametrize("k", [0.03, 0.25, 1.0, 3.0])
def test_asymmetry_bends_a_link_about_the_pivot(k):
    """There its level and slope are the same; away from it the ends are left at other rates."""
    link = equation.Link(np.ones((1, 1)), *(np.array([v]) for v in (0.0, k, 0.0, 1.0)))
    at = jnp.array([[0.0], [-10.0], [-9.5], [12.0], [12.5]])
    score, slope = (np.asarray(v[0], float) for v in equation.expected_score_and_slope(at, link))
    assert_allclose(score[0], twin.LEVEL, rtol=1e-4)
    assert_allclose(slope[0], twin.LEVEL * (1 - twin.LEVEL), rtol=1e-4)
    assert_allclose(np.log(score[2] / score[1]) / 0.5, twin.stretch(k), rtol=0.01)
    if k < 1:  # else nothing is left to measure in single precision
        assert_allclose(
            np.log((1 - score[3]) / (1 - score[4])) / 0.5, k * twin.stretch(k), rtol=0.01
        )
