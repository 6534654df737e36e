"""The spread of difficulty: moments against simulation, and items against the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from skillscale.forecasts.difficulty import (
    PRIORS,
    Difficulty,
    failure,
    location,
    pass_draws,
    spread_posterior,
    spread_quantiles,
)

SPREAD = {Difficulty.BETA: 0.5, Difficulty.LOGISTIC_NORMAL: 3.0}
MEANS = np.array([1e-12, 0.001, 0.05, 0.5, 0.95, 0.999, 1 - 1e-12])
K = np.array([1, 2, 10, 1000])


def items_solved(rng, mean: float, spread: float, difficulty: Difficulty, n: int):
    """Probabilities that items are solved."""
    if difficulty is Difficulty.BETA:
        return rng.beta(mean * spread, (1 - mean) * spread, n)
    c = location(np.array(mean), np.array(spread))
    return expit(c + spread * rng.standard_normal(n))


def sample(rng, p, n_attempts: int, model: str = "a") -> pd.DataFrame:
    return pd.DataFrame({"model": model, "n": n_attempts, "correct": rng.binomial(n_attempts, p)})


@pytest.fixture(params=list(Difficulty))
def difficulty(request):
    return request.param


@pytest.mark.parametrize("mean", [0.001, 0.05, 0.5, 0.95])
def test_failure_agrees_with_simulated_items(difficulty, mean):
    p = items_solved(np.random.default_rng(0), mean, SPREAD[difficulty], difficulty, 400_000)
    simulated = (1 - p[:, None]) ** K
    error = simulated.std(axis=0) / np.sqrt(len(p))
    exact = failure(np.array(mean), np.array(SPREAD[difficulty]), K, difficulty)
    assert (abs(simulated.mean(axis=0) - exact) < 4 * error + 1e-9).all()


def test_one_attempt_fails_with_what_is_left_of_the_mean(difficulty):
    found = failure(MEANS, np.full(len(MEANS), SPREAD[difficulty]), K, difficulty)
    np.testing.assert_array_equal(found[:, 0], 1 - MEANS)


def test_more_attempts_fail_less_whatever_the_mean(difficulty):
    many = np.array([1, 2, 5, 10, 100, 10_000, 1_000_000])
    for spread in np.quantile(stats.lognorm.rvs(1, size=200, random_state=0), [0, 0.5, 1]):
        found = failure(MEANS, np.full(len(MEANS), spread * SPREAD[difficulty]), many, difficulty)
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=1) <= 1e-9).all()
        assert found.min() >= 0


def test_impossible_stays_impossible_and_certain_certain(difficulty):
    found = failure(np.array([0.0, 1.0]), np.full(2, SPREAD[difficulty]), K, difficulty)
    np.testing.assert_allclose(found, [[1] * len(K), [0] * len(K)], atol=1e-12)


@pytest.mark.parametrize("spread", [0.01, 1.0, 14.0, 40.0])
def test_the_mean_of_logistic_normal_items_is_exact(spread):
    c = location(MEANS[1:-1], np.full(5, spread))
    z = np.linspace(-9, 9, 200_001)  # another rule, far finer
    mean = expit(c[:, None] + spread * z) @ stats.norm.pdf(z) * (z[1] - z[0])
    np.testing.assert_allclose(mean, MEANS[1:-1], rtol=1e-5)


def test_items_give_the_spread_back(difficulty):
    # 80 % intervals over 40 replicates: 32 expected, 25 to 38 with probability 0.99.
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(40):
        p = items_solved(rng, 0.2, SPREAD[difficulty], difficulty, 100)
        grid = spread_posterior(sample(rng, p, 20), difficulty)
        lower, upper = spread_quantiles(*grid, np.array([0.1, 0.9]))
        inside += lower < SPREAD[difficulty] < upper
    assert 25 <= inside <= 38


def test_a_second_model_narrows_the_spread_and_single_attempts_say_nothing(difficulty):
    rng = np.random.default_rng(2)
    one, two = (
        sample(rng, items_solved(rng, mean, SPREAD[difficulty], difficulty, 200), 20, name)
        for mean, name in ((0.1, "a"), (0.4, "b"))
    )

    def width(items):
        lower, upper = spread_quantiles(*spread_posterior(items, difficulty), np.array([0.1, 0.9]))
        return np.log(upper / lower)

    assert width(pd.concat([one, two])) < width(one) < 0.5 * width(None)
    once = pd.DataFrame({"model": "a", "n": 1, "correct": [0, 0, 1, 0] * 50})
    np.testing.assert_allclose(
        spread_posterior(once, difficulty)[1], spread_posterior(None, difficulty)[1], atol=2e-3
    )


def test_without_items_the_spread_is_its_prior(difficulty):
    grid = spread_posterior(None, difficulty)
    level = np.array([0.1, 0.5, 0.9])
    prior = PRIORS[difficulty]
    expected = prior.median * np.exp(prior.log_sd * stats.norm.ppf(level))
    np.testing.assert_allclose(spread_quantiles(*grid, level), expected, rtol=0.03)


def test_one_attempt_is_the_score_itself_and_more_never_solve_less(difficulty):
    rng = np.random.default_rng(3)
    mean = np.clip(rng.normal(0.2, 0.2, (500, 2)), 0, 1)
    spread = rng.lognormal(np.log(SPREAD[difficulty]), 0.3, 500)
    found = pass_draws(mean, spread, np.array([1, 5, 100]), difficulty, 50, rng)
    np.testing.assert_array_equal(found[..., 0], mean)
    assert (np.diff(found, axis=2) >= 0).all()
    assert found.max() <= 1


@pytest.mark.slow
def test_intervals_hold_the_pass_at_k_of_benchmarks_to_come(difficulty):
    # The spread is drawn from its prior and estimated from a small model; the larger one's score
    # is known. Of 100 intervals of 80 %, 80 are expected; sd 4.
    rng = np.random.default_rng(4)
    prior = PRIORS[difficulty]
    k, n_items = np.array([1, 10, 100]), 164
    inside = np.zeros(3)
    for _ in range(100):
        spread = prior.median * np.exp(prior.log_sd * rng.standard_normal())
        small = sample(rng, items_solved(rng, 0.05, spread, difficulty, n_items), 50)
        p = items_solved(rng, 0.3, spread, difficulty, n_items)
        truth = 1 - ((1 - p[:, None]) ** k).mean(axis=0)
        grid = spread_posterior(small, difficulty)
        score = np.full((400, 1), p.mean())
        drawn = spread_quantiles(*grid, rng.random(400))
        draws = pass_draws(score, drawn, k, difficulty, n_items, rng)[:, 0]
        lower, upper = np.quantile(draws, [0.1, 0.9], axis=0)
        inside += (lower <= truth + 1e-9) & (truth <= upper + 1e-9)
    assert inside[0] == 100  # the score itself
    assert ((inside[1:] > 68) & (inside[1:] < 92)).all(), inside
