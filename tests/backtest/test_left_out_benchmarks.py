"""Back-tests of benchmarks that the fit has not seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skillscale import Svi, fit, forecast, load_table
from skillscale.backtest.baselines import standardised_mean
from skillscale.backtest.left_out_benchmarks import (
    backtest_new_benchmarks,
    by_n_models,
    new_benchmark_folds,
    run_folds,
)
from skillscale.backtest.refits import Refits
from skillscale.backtest.report import Report
from skillscale.backtest.scores import score_normal
from skillscale.cli.backtest_tables import print_new_benchmarks
from skillscale.errors import SkillscaleError
from skillscale.posterior.add_benchmark import add_benchmark
from small import BACKTEST_BENCHMARKS, BACKTEST_FAMILIES, QUICK, SPEC


@pytest.fixture(scope="module")
def small():
    return load_table("classic").select(benchmarks=BACKTEST_BENCHMARKS, families=BACKTEST_FAMILIES)


def test_folds_show_some_scores_and_hide_the_others(small):
    scores = small.wide()["winogrande"]
    folds = new_benchmark_folds(scores, 10, replicates=3)
    for fold in folds:
        assert len(fold.seen) == 10
        assert not set(fold.seen.index) & set(fold.test.index)
        assert set(fold.seen.index) | set(fold.test.index) == set(scores.dropna().index)
    assert len({tuple(fold.seen.index) for fold in folds}) == 3
    again = new_benchmark_folds(scores, 10, replicates=3)
    assert [list(f.seen.index) for f in again] == [list(f.seen.index) for f in folds]
    with pytest.raises(SkillscaleError, match="not 900"):
        new_benchmark_folds(scores, 900)


@pytest.mark.slow
def test_hidden_scores_are_never_read(small):
    """Turned upside down, they change no forecast, of the law or of a baseline."""
    folds = new_benchmark_folds(small.wide()["winogrande"], 6, replicates=1)
    scores = small.scores.copy()
    is_hidden = (scores["benchmark"] == "winogrande") & ~scores["model"].isin(folds[0].seen.index)
    scores.loc[is_hidden, "score"] = 1 - scores.loc[is_hidden, "score"]
    tampered = dataclasses.replace(small, scores=scores)
    refits = Refits(small, SPEC, QUICK)
    other = Refits(tampered, SPEC, QUICK)
    medians = []
    for each in (refits, other):
        rest = each.without_benchmark("winogrande")
        assert "winogrande" not in rest.design.coords["benchmark"]
        assert "winogrande" not in set(rest.table.scores["benchmark"])
        found = run_folds(rest, each.table, folds, seed=0)
        medians.append(found.set_index(["method", "model"])["median"])
    pd.testing.assert_series_equal(*medians, atol=1e-6)


@pytest.mark.slow
def test_a_report_holds_every_benchmark_that_is_no_anchor(small, capsys):
    spec = dataclasses.replace(SPEC, benchmarks=tuple(small.benchmarks.index))
    report = backtest_new_benchmarks(small, spec, n_models=[6], replicates=2, method=QUICK)
    assert set(report.cells["benchmark"]) == {"arc_challenge", "winogrande"}
    found = by_n_models(report)["6"]
    assert set(found["methods"]) == {"skillscale", "flops", "mean_score"}
    print_new_benchmarks(report)
    assert f"{found['ratio']:.2f}" in capsys.readouterr().out
    with pytest.raises(SkillscaleError, match="gsm8k cannot be left out"):
        backtest_new_benchmarks(small, spec, benchmarks=["gsm8k"], n_models=[6], method=QUICK)


def test_the_ratio_is_to_the_better_baseline_of_each_benchmark():
    errors = {"skillscale": (2, 3), "flops": (4, 9), "mean_score": (8, 3)}
    rows = []
    for method, of_method in errors.items():
        for benchmark, error in zip(("a", "b"), of_method, strict=True):
            cell = {
                "fold": f"{benchmark} from 5, 1",
                "model": "m",
                "benchmark": benchmark,
                "n_known": 5,
                "actual": 0.5,
            }
            mean, sd = np.array([0.5 + error / 100]), np.array([0.02])
            rows.append(score_normal(pd.DataFrame([cell]), method, mean, sd))
    found = by_n_models(Report("new-benchmark", {}, pd.concat(rows), None, 0.0))["5"]
    assert found["ratio_by_benchmark"] == pytest.approx({"a": 2 / 4, "b": 3 / 3})
    assert found["ratio"] == pytest.approx(0.75)
    assert found["methods"]["flops"]["mae_points"] == pytest.approx(6.5)


def test_models_with_some_scores_are_placed_among_those_with_all():
    level = np.arange(6.0)
    scores = pd.DataFrame({"a": level, "b": 10 + 2 * level})
    scores.loc[0, "b"] = np.nan
    scores.loc[5, "a"] = np.nan
    found = standardised_mean(scores)
    assert_allclose(np.diff(found), np.diff(found).mean())


@pytest.mark.slow
def test_humaneval_and_eq_bench_of_the_largest_models_are_inside_their_intervals():
    """Fitted without the 70B models of Llama 3, as the seed paper holds them out."""
    table = load_table("classic")
    large = ["meta-llama-3-70b", "meta-llama-3-70b-instruct"]
    rest = fit(table.without_models(large), method=Svi(draws=400, newton_steps=20), seed=0)
    plan = table.models.loc[large].drop(columns="source").reset_index(names="model")
    actual = table.wide().loc[large]
    for name in ("humaneval", "eq_bench_v2"):
        shown = rest.table.wide()[name].dropna().rename_axis("model").reset_index()
        result = forecast(add_benchmark(rest, shown), plan).sel(benchmark=name)
        for model in actual.index[actual[name].notna()]:
            of_model = result.sel(model=model)
            assert of_model["lower_95"] <= actual.loc[model, name] <= of_model["upper_95"]
            assert of_model["upper_95"] - of_model["lower_95"] < 0.5
