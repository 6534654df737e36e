"""Power laws through uncertain optima: exact, calibrated, and with the scatter there is."""

from __future__ import annotations

import numpy as np

from skillscale.runs.power_law import SCATTER_SCALE, SCATTERS, fit_power_law

BUDGETS = np.geomspace(1e18, 1e20, 6)
X = np.log(BUDGETS) - np.log(BUDGETS).mean()
SURPRISING = 4.0


def is_covered(truth, draws):
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    return (truth >= low) & (truth <= high)


def test_exact_optima_give_the_exact_exponent():
    law = fit_power_law(BUDGETS, 18 + 0.47 * X, np.full(6, 1e-10), 2000, np.random.default_rng(0))
    assert abs(np.median(law.exponent) - 0.47) < 1e-3
    assert abs(np.median(law.level) - 18) < 1e-3
    assert np.quantile(law.scatter, 0.9) < 0.01
    beyond = law.at(np.array([1e22]), np.random.default_rng(0))
    truth = np.exp(18 + 0.47 * (np.log(1e22) - law.mean_log_budget))
    assert abs(np.median(beyond) / truth - 1) < 0.01


def test_intervals_hold_truths_from_the_prior_as_often_as_they_say():
    rng = np.random.default_rng(1)
    n, budgets = 600, np.append(BUDGETS, 1e21)
    x = np.log(budgets) - np.log(BUDGETS).mean()
    covered = []
    while len(covered) < n:
        scatter = SCATTER_SCALE * abs(rng.standard_cauchy())
        if scatter > SCATTERS[-1]:
            continue
        exponent = rng.uniform(0.3, 0.7)
        truth = 18 + exponent * x + scatter * rng.standard_normal(7)
        variance = np.exp(rng.normal(np.log(0.05**2), 0.7, 6))
        seen = truth[:6] + np.sqrt(variance) * rng.standard_normal(6)
        law = fit_power_law(BUDGETS, seen, variance, 400, rng)
        at = np.log(law.at(budgets[6:], rng))[:, 0]
        covered.append(
            [
                is_covered(exponent, law.exponent),
                is_covered(18, law.level),
                is_covered(truth[6], at),
            ]
        )
    rates = np.mean(covered, axis=0)
    # Ends of intervals of 400 draws are off by a part of a percent themselves.
    error = np.sqrt(0.9 * 0.1 / n)
    assert (np.abs(rates - 0.9) < SURPRISING * error).all(), rates


def test_precise_optima_count_for_more():
    # The middle optimum is off by a unit, and said to be uncertain by as much.
    seen = 0.5 * X + np.array([0, 0, 1, 0, 0, 0])
    variance = np.array([1e-4, 1e-4, 1, 1e-4, 1e-4, 1e-4])
    trusted = fit_power_law(BUDGETS, seen, np.full(6, 1e-4), 2000, np.random.default_rng(2))
    doubted = fit_power_law(BUDGETS, seen, variance, 2000, np.random.default_rng(2))
    assert abs(np.median(doubted.level)) < 0.02
    assert abs(np.median(trusted.level)) > 0.1


def test_scatter_is_found_where_there_is_some():
    rng = np.random.default_rng(3)
    budgets = np.geomspace(1e17, 1e21, 25)
    line = 0.5 * np.log(budgets)
    for scatter in (0.0, 0.1, 0.3):
        seen = line + rng.normal(0, np.hypot(scatter, 0.01), 25)
        law = fit_power_law(budgets, seen, np.full(25, 1e-4), 2000, rng)
        low, high = np.quantile(law.scatter, [0.005, 0.995])
        assert low <= scatter <= high
        assert high - low < 0.02 + scatter
        # An optimum at a new budget scatters as well.
        spread = np.log(law.at(budgets[12:13], rng)).std()
        assert abs(spread / np.sqrt((law.scatter**2).mean() + law.level.var()) - 1) < 0.1


def test_without_a_slope_it_is_a_mean():
    rng = np.random.default_rng(4)
    seen, variance = np.array([1.0, 1.3, 0.8, 1.1]), np.full(4, 0.01)
    law = fit_power_law(np.ones(4), seen, variance, 20_000, rng, has_slope=False)
    error = law.level.std() / np.sqrt(20_000)
    assert np.abs(law.exponent).max() < 1e-6
    assert abs(law.level.mean() - seen.mean()) < SURPRISING * error
    # Total variance: that of the optima and their scatter, over their number.
    expected = (0.01 + (law.scatter**2).mean()) / 4
    assert abs(law.level.var() / expected - 1) < 0.05


def test_without_a_slope_budgets_do_not_matter():
    seen, variance = 0.5 * X, np.full(6, 0.01)
    law, flat = (
        fit_power_law(b, seen, variance, 500, np.random.default_rng(5), has_slope=False)
        for b in (BUDGETS, np.ones(6))
    )
    np.testing.assert_allclose(law.level, flat.level, atol=1e-6)


def test_the_level_moves_with_the_optima():
    rngs = (np.random.default_rng(6), np.random.default_rng(6))
    law, moved = (
        fit_power_law(BUDGETS, shift + 0.5 * X, np.full(6, 0.01), 100, rng)
        for shift, rng in zip((0.0, 18.0), rngs, strict=True)
    )
    np.testing.assert_allclose(moved.level, law.level + 18)
    np.testing.assert_allclose(moved.exponent, law.exponent)
