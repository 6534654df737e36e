"""Whether forecasts held: what counts, how often, and with what error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kept_forecasts import BENCHMARKS, kept, truth
from skillscale.backtest.folds import Fold
from skillscale.backtest.frozen import freeze, planned_forecasts
from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS
from skillscale.errors import SkillscaleError
from skillscale.forecasts.prediction import Prediction
from skillscale.ledger.entry import Entry
from skillscale.ledger.judgement import binomial_interval, score
from skillscale.ledger.reading import read_entries
from skillscale.plots.calibration import plot_calibration

ACTUAL = pd.DataFrame({"mmlu": [0.62, 0.7], "gsm8k": [0.6, np.nan]}, ["nova-8b", "nova-70b"])


def pooled(found, method=OURS) -> pd.Series:
    summary = found.summary()
    (row,) = summary[summary["is_pooled"] & (summary["method"] == method)].to_dict("records")
    return pd.Series(row)


def test_errors_are_those_of_the_scores_that_are_known():
    found = score([kept()], ACTUAL)
    assert found.n_scores == 3
    ours, flops = (pooled(found, method) for method in (OURS, "flops"))
    assert ours["mae_points"] == pytest.approx((2 + 10 + 0) / 3, abs=1e-3)
    assert ours["bias_points"] == pytest.approx(-12 / 3, abs=1e-3)
    assert flops["bias_points"] == pytest.approx(-12 / 3 - 5, abs=1e-3)
    assert ours["coverage_50"] == pytest.approx(2 / 3)
    assert ours["coverage_95"] == pytest.approx(2 / 3)
    assert found.said == [
        "nova: 3 of 6 forecasts have no actual score yet (nova-8b, nova-70b: bbh, gsm8k)."
    ]


def test_long_tables_and_wide_ones_say_the_same():
    long = ACTUAL.rename_axis("model").reset_index().melt("model", var_name="benchmark")
    long = long.dropna().rename(columns={"value": "score"})
    summaries = [score([kept()], actual).summary() for actual in (ACTUAL, long)]
    pd.testing.assert_frame_equal(*summaries)


def test_a_score_that_was_known_never_counts():
    found = score([kept(known=[("nova-70b", "mmlu")])], ACTUAL)
    assert found.n_scores == 2
    assert ("nova-70b", "mmlu") not in zip(
        found.cells["model"], found.cells["benchmark"], strict=True
    )
    assert "nova: 1 scores were known when it was made, and don't count." in found.said


def test_observed_models_among_the_actual_ones_are_told_from_unknown_ones():
    entry = kept(observed=[{"model": "nova-1b", "n_params": 1e9, "mmlu": 0.4}])
    more = pd.DataFrame({"mmlu": [0.4, 0.5], "aime": 0.3}, ["nova-1b", "nova-8B"])
    said = score([entry], pd.concat([ACTUAL, more])).said
    assert said[:3] == [
        "no benchmark of these forecasts is in columns aime, which are left out.",
        "no forecast is of model nova-8B ('nova-8B': nearest 'nova-8b').",
        "nova-1b were observed: what was known then does not count.",
    ]


def test_the_same_forecast_in_two_files_counts_once_and_a_later_one_is_averaged():
    first, copy = kept("a"), kept("b")
    later = kept("c", mean=0.7, date="2027-01-01")
    once = score([first], ACTUAL)
    twice = score([copy, first], ACTUAL)
    assert "b is the same forecast as a, and counts once." in twice.said
    assert pooled(twice)["mae_points"] == pooled(once)["mae_points"]
    both = score([later, first], ACTUAL)
    assert list(both.summary()["forecast"].unique()) == ["a", "c", "all"]
    assert pooled(both)["n_scores"] == 3
    assert pooled(both)["bias_points"] == pytest.approx(-4 + 10 / 2, abs=1e-3)
    assert any(
        sentence.startswith("3 scores were forecast more than once") for sentence in both.said
    )


def test_families_without_a_name_are_different_ones_unless_they_share_a_model():
    def entries(*models: str) -> list[Entry]:
        return [
            kept(f"forecast-{i}", [model], lineage="new", sd=0.05 + 0.01 * i)
            for i, model in enumerate(models)
        ]

    actual = pd.DataFrame({"mmlu": 0.6}, ["nova-8b", "ant-8b"])
    assert score(entries("nova-8b", "ant-8b"), actual).n_lineages == 2
    assert score(entries("nova-8b", "nova-8b"), actual).n_lineages == 1


def test_forecasts_that_are_true_are_calibrated():
    entries = [kept(f"f{i}", [f"m{i}-{j}" for j in range(3)], lineage=f"l{i}") for i in range(30)]
    actual = pd.concat([truth(entry, seed) for seed, entry in enumerate(entries)])
    found = score(entries, actual)
    ours = pooled(found)
    n = 30 * 3 * len(BENCHMARKS)
    assert found.n_scores == n
    for percent in (50, 80, 95):
        p = percent / 100
        assert abs(ours[f"coverage_{percent}"] - p) < 3 * np.sqrt(p * (1 - p) / n)
        assert ours[f"coverage_{percent}_lower"] < p < ours[f"coverage_{percent}_upper"]
    expected = stats.norm(0.6, 0.05).expect(stats.norm(0.6, 0.05).logpdf)
    assert ours["log_score"] == pytest.approx(expected, abs=0.1)
    assert ours["crps"] == pytest.approx(100 * 0.05 / np.sqrt(np.pi), rel=0.15)
    assert ours["mae_points"] == pytest.approx(100 * 0.05 * np.sqrt(2 / np.pi), rel=0.15)
    assert pooled(found, "flops")["bias_points"] == pytest.approx(ours["bias_points"] - 5)


def test_pooled_errors_know_that_scores_of_a_lineage_err_together():
    shifts = np.random.default_rng(1).normal(0, 0.1, 20)
    entries = [kept(f"f{i}", [f"m{i}-{j}" for j in range(4)], lineage=f"l{i}") for i in range(20)]
    actual = pd.concat([truth(e, i, shifts[i]) for i, e in enumerate(entries)])
    ours = pooled(score(entries, actual))
    n = 20 * 4 * len(BENCHMARKS)
    lower, upper = binomial_interval(ours["coverage_80"] * n, n)
    assert ours["coverage_80_upper"] - ours["coverage_80_lower"] > 1.5 * (upper - lower)


@pytest.mark.parametrize("n", [1, 5, 12, 24])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95])
def test_binomial_intervals_hold_the_true_share_as_often_as_they_say(n, share):
    inside = [
        k for k in range(n + 1) for ends in [binomial_interval(k, n)] if ends[0] <= share <= ends[1]
    ]
    assert stats.binom.pmf(inside, n, share).sum() >= 0.95


def test_back_tests_that_were_frozen_are_scored_without_baselines(tmp_path):
    models = pd.DataFrame({"family": "a", "lineage": "a", "tuning": "base"}, ["a-7b"])
    draws = np.random.default_rng(0).normal(0.6, 0.05, (4000, 2, 1))
    prediction = Prediction(models, ["mmlu", "gsm8k"], draws, draws, draws, draws, {}, 0.0, 0)
    seen = pd.DataFrame({"mmlu": [0.7], "gsm8k": [np.nan]}, ["a-7b"])
    planned = planned_forecasts(Fold("a", frozenset(["a-7b"]), seen, seen[:0]), prediction)
    made = {"planned": planned, "provenance": {"date": "2024-05-01"}}
    freeze(Report("leave-benchmarks", {}, pd.DataFrame(), None, 0.0, **made), tmp_path / "a.json")
    found = score(
        read_entries([tmp_path]), pd.DataFrame({"mmlu": [0.7], "gsm8k": [0.65]}, ["a-7b"])
    )
    assert found.methods == [OURS]
    (row,) = found.cells.to_dict("records")
    assert row["benchmark"] == "gsm8k"
    expected = stats.norm(0.6, 0.05)
    assert row["log_score"] == pytest.approx(expected.logpdf(0.65), abs=0.1)
    assert row["pit"] == pytest.approx(expected.cdf(0.65), abs=0.02)


def test_what_was_known_must_be_kept_where_a_model_is_known_in_part():
    entry = kept(protocol="leave-benchmarks")
    for record in entry.document["forecasts"]:
        del record["is_known"]
    with pytest.raises(SkillscaleError, match="did not keep which scores were known"):
        score([entry], ACTUAL)


def test_nothing_to_judge_is_an_error_that_says_what_there_is():
    others = pd.DataFrame({"mmlu": [0.6]}, ["nova-8B"])
    with pytest.raises(
        SkillscaleError, match=r"are of nova-8b, nova-70b; scores are of nova-8B \("
    ):
        score([kept()], others)
    with pytest.raises(SkillscaleError, match="there are no forecasts"):
        score([], others)


def test_the_calibration_figure_has_every_method():
    found = score([kept()], ACTUAL)
    figure = plot_calibration(found.report, found.methods)
    assert {OURS, "flops"} <= {text.get_text() for text in figure.legends[0].get_texts()}
