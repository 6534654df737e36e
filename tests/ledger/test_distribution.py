"""Scores of forecasts kept as quantiles, against those of the distributions they are of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scoringrules
from scipy import stats

from skillscale.backtest.frozen import LEVELS as FROZEN
from skillscale.backtest.scores import score_normal
from skillscale.ledger.distribution import score_quantiles
from skillscale.ledger.entry import LEVELS

N = 150
DISTRIBUTIONS = {
    "narrow": stats.norm(0.6, 0.01),
    "wide": stats.norm(0.5, 0.1),
    "skewed": stats.beta(2, 8),
}


def judged(actual: np.ndarray, levels: tuple[float, ...], quantiles: np.ndarray) -> pd.DataFrame:
    rows = pd.DataFrame({"actual": actual})
    return score_quantiles(rows, levels, np.tile(quantiles, (len(rows), 1)))


@pytest.mark.parametrize("levels", [LEVELS, FROZEN], ids=["ledger", "frozen"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_exact_quantiles_are_judged_as_their_distribution_is(name, levels):
    true = DISTRIBUTIONS[name]
    actual = true.ppf((np.arange(N) + 0.5) / N)
    found = judged(actual, levels, true.ppf(np.array(levels) / 100))
    draws = true.ppf((np.arange(4000) + 0.5) / 4000)
    crps = scoringrules.crps_ensemble(actual, np.tile(draws, (N, 1)))
    assert found["crps"].mean() == pytest.approx(crps.mean(), rel=0.01)
    inside = np.abs(true.cdf(actual) - 0.5) < 0.475
    error = found["log_score"] - true.logpdf(actual)
    assert np.abs(error[inside]).max() < (0.02 if levels == LEVELS else 0.1)
    assert abs(error.mean()) < 0.02
    assert found["pit"].to_numpy() == pytest.approx(true.cdf(actual), abs=0.01)


def test_quantiles_of_draws_cost_little_accuracy():
    true, actual = DISTRIBUTIONS["skewed"], DISTRIBUTIONS["skewed"].rvs(N, random_state=1)
    errors = []
    for seed in range(4):
        draws = true.rvs(4000, random_state=10 + seed)
        found = judged(actual, LEVELS, np.quantile(draws, np.array(LEVELS) / 100))
        errors.append(found["log_score"] - true.logpdf(actual))
    assert np.abs(np.mean(errors)) < 0.03
    assert np.sqrt(np.mean(np.square(errors))) < 0.15


def test_a_normal_forecast_is_judged_as_a_normal_baseline_is():
    rows = pd.DataFrame({"actual": np.linspace(0.4, 0.8, 41)})
    mean, sd = np.full(41, 0.6), np.full(41, 0.1)
    theirs = score_normal(rows, "flops", mean, sd)
    ours = judged(rows["actual"], LEVELS, stats.norm.ppf(np.array(LEVELS) / 100, 0.6, 0.1))
    for column in ("median", "crps", "pit", "lower_50", "upper_80", "lower_95"):
        assert ours[column].to_numpy() == pytest.approx(theirs[column].to_numpy(), abs=2e-3)
    assert ours["log_score"].to_numpy() == pytest.approx(theirs["log_score"].to_numpy(), abs=0.02)


def test_a_score_far_out_costs_less_than_a_normal_tail_and_more_than_any_inside():
    true = stats.norm(0.5, 0.02)
    found = judged(np.array([0.9, 0.55]), LEVELS, true.ppf(np.array(LEVELS) / 100))["log_score"]
    assert true.logpdf(0.9) < found[0] < found[1]


def test_draws_that_are_cut_at_zero_are_judged_as_if_they_went_on():
    true = stats.norm(0.02, 0.04)
    levels = np.array(LEVELS) / 100
    found = judged(np.array([0.0, 0.05]), LEVELS, true.ppf(levels).clip(0, 1))
    assert found["log_score"].to_numpy() == pytest.approx(true.logpdf([0, 0.05]), abs=0.08)
    draws = true.ppf((np.arange(4000) + 0.5) / 4000).clip(0, 1)
    crps = scoringrules.crps_ensemble(np.array([0.0, 0.05]), np.tile(draws, (2, 1)))
    assert found["crps"].to_numpy() == pytest.approx(crps, rel=0.02)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_forecast_that_is_a_point_is_judged_as_half_a_point_wide(value):
    found = judged(np.array([value, 0.5]), LEVELS, np.full(len(LEVELS), value))
    assert np.isfinite(found[["crps", "log_score", "pit"]].to_numpy()).all()
    best = stats.norm.logpdf(0, 0, 0.005)
    assert found["log_score"][0] == pytest.approx(best, abs=0.1)
    assert found["crps"][1] == pytest.approx(abs(value - 0.5), abs=0.01)
