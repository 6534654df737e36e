"""Errors clustered by lineage: their intervals hold what they should, and cells count once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skillscale.backtest.accuracy import accuracy, each_cell_once, paired
from skillscale.backtest.bins import with_bins
from skillscale.backtest.clustered import clustered_means
from skillscale.backtest.report import Report
from skillscale.backtest.scores import score_normal
from skillscale.errors import SkillscaleError

N_SIMULATED = 300
N_LINEAGES = 24


def forecasts(seed: int, share: float = 0.8, spread: float = 1.2) -> tuple[pd.DataFrame, pd.Series]:
    """Whether scores are inside: lineages of 10 to 60 scores, each calibrated in its own way."""
    rng = np.random.default_rng(seed)
    lineage = np.repeat(np.arange(N_LINEAGES), rng.integers(10, 61, N_LINEAGES))
    of_lineage = rng.beta(share * spread, (1 - share) * spread, N_LINEAGES)
    inside = rng.random(len(lineage)) < of_lineage[lineage]
    return pd.DataFrame({"inside": inside}), pd.Series(lineage)


def test_clustered_intervals_cover_the_true_coverage_where_binomial_ones_do_not():
    clustered = binomial = 0
    for seed in range(N_SIMULATED):
        inside, lineage = forecasts(seed)
        found = clustered_means(inside, lineage, seed=seed)["inside"]
        clustered += found["lower_95"] <= 0.8 <= found["upper_95"]
        value, n = found["value"], len(inside)
        binomial += abs(value - 0.8) <= 1.96 * np.sqrt(value * (1 - value) / n)
    assert stats.binom(N_SIMULATED, 0.93).cdf(clustered) > 0.005, clustered
    assert stats.binom(N_SIMULATED, 0.97).sf(clustered) > 0.005, clustered
    assert binomial < 0.5 * N_SIMULATED, binomial


def test_independent_scores_have_binomial_errors():
    rng = np.random.default_rng(0)
    inside = pd.DataFrame({"inside": rng.random(3000) < 0.8})
    found = clustered_means(inside, pd.Series(np.arange(3000)))["inside"]
    error = (found["upper_95"] - found["lower_95"]) / (2 * 1.96)
    assert error == pytest.approx(np.sqrt(0.8 * 0.2 / 3000), rel=0.06)


def test_the_interval_is_that_of_resampled_lineages():
    """By hand: a lineage is drawn whole, and large ones count by their scores."""
    inside, lineage = forecasts(1)
    found = clustered_means(inside, lineage, seed=5)["inside"]
    groups = [part["inside"].to_numpy() for _, part in inside.groupby(lineage)]
    rng = np.random.default_rng(6)
    draws = [
        np.concatenate([groups[i] for i in rng.integers(0, N_LINEAGES, N_LINEAGES)]).mean()
        for _ in range(4000)
    ]
    # Quantiles further out than 2.5 and 97.5 %, as t with 23 degrees of freedom asks for.
    lower, upper = np.quantile(draws, stats.norm.cdf(np.sqrt(24 / 23) * np.array([-2.069, 2.069])))
    assert found["value"] == pytest.approx(inside["inside"].mean())
    assert (found["lower_95"], found["upper_95"]) == pytest.approx((lower, upper), abs=0.015)
    assert found == clustered_means(inside, lineage, seed=5)["inside"]


def test_a_mean_leaves_out_what_is_missing():
    values = pd.DataFrame({"some": [1.0, np.nan, 3.0, np.nan], "none": np.nan})
    found = clustered_means(values, pd.Series(list("abcc")))
    assert found["some"]["value"] == 2.0
    assert np.isfinite(found["some"]["lower_95"])
    assert all(np.isnan(value) for value in found["none"].values())
    alone = clustered_means(values, pd.Series(list("aaaa")))["some"]
    assert np.isnan(alone["lower_95"]), "one lineage has no error"


def rows(errors: dict[tuple[str, str, str], float], method: str = "skillscale") -> pd.DataFrame:
    """Forecasts by (fold, model, tuning), their error in points."""
    frame = pd.DataFrame(list(errors), columns=["fold", "model", "tuning"])
    frame = frame.assign(lineage=frame["model"].str[0], benchmark="mmlu", actual=0.5)
    mean = 0.5 + np.array(list(errors.values())) / 100
    return score_normal(frame, method, mean, np.full(len(mean), 0.02))


def test_a_score_that_was_asked_in_several_folds_counts_once():
    several = rows({("1", "a-7b", "base"): 2, ("2", "a-7b", "base"): 4, ("1", "b", "instruct"): 9})
    found = accuracy(several)
    assert {name: of["n_cells"] for name, of in found.items()} == {"all": 2, "base": 1, "tuned": 1}
    assert found["all"]["mae_points"]["value"] == pytest.approx((3 + 9) / 2)
    assert found["base"]["coverage"]["80"]["value"] == 0.5, "2 points are inside, 4 aren't"
    assert len(each_cell_once(several)) == 2


def test_differences_are_of_the_same_forecasts():
    ours = rows({("1", "a-7b", "base"): 2, ("2", "a-7b", "base"): 4, ("1", "b", "base"): 1})
    theirs = rows({("1", "a-7b", "base"): 3, ("1", "b", "base"): 5, ("1", "c", "base"): 9}, "flops")
    found = paired(ours, theirs)["all"]
    assert (found["n_cells"], found["n_lineages"]) == (2, 2)
    assert found["mae_points"]["value"] == pytest.approx(((2 - 3) + (1 - 5)) / 2)
    assert found["coverage"]["80"]["value"] == 1, "2 points and 1 are inside, 3 and 5 are not"
    one, other = (
        Report("x", {}, part.assign(method="skillscale"), None, 0.0) for part in (ours, theirs)
    )
    assert one.against(other)["all"] == found
    with pytest.raises(SkillscaleError, match="no fold, model and benchmark in common"):
        paired(ours, rows({("1", "d", "base"): 2}))


def test_paired_intervals_cover_the_true_difference_of_clustered_errors():
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        names = [("1", f"{lineage}-{i}", "base") for lineage in "abcdefghijklmno" for i in range(4)]
        ours = 20 + rng.normal(0, 1, len(names))
        shift = np.repeat(rng.normal(0.5, 1, 15), 4)
        both = [rows(dict(zip(names, error, strict=True))) for error in (ours, ours + shift)]
        found = paired(*both, seed=seed)["all"]["mae_points"]
        covered += found["lower_95"] < -0.5 < found["upper_95"]
    assert stats.binom(100, 0.93).cdf(covered) > 0.005
    assert stats.binom(100, 0.97).sf(covered - 1) > 0.005


def test_bins_of_distance_are_in_order():
    far = pd.DataFrame(
        {
            "log_ratio": np.log([2, 5, 11, np.nan]),
            "log_outside": np.log([1, 1.5, 3, 1]),
            "months_after": [-2, 3, 6, 18],
        }
    )
    found = with_bins(far)
    assert found["distance"].tolist() == ["up to 3x", "3x to 10x", "more than 10x", "none seen"]
    assert found["outside"].tolist() == ["within", "up to 2x", "more than 2x", "within"]
    assert found["months"].tolist() == ["before", "up to 3", "3 to 6", "more than 12"]
    assert list(found.groupby("months", observed=True).groups) == found["months"].tolist()
