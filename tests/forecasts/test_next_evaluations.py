"""Advice on what to evaluate next: does what it promises come true?"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from skillscale import Spec, Svi, forecast, load_table
from skillscale.backtest.advice import advice_cases, run_advice, summarise
from skillscale.backtest.refits import Refits
from skillscale.cli.app import app
from skillscale.errors import SkillscaleError, SpecError, TableError, UnknownNameError
from skillscale.forecasts.next_evaluations import next_evaluations, residuals
from small import PLAN, SEEN

ONE = SEEN.iloc[:1].drop(columns=["gsm8k", "bbh"])
TARGET = {"plan": PLAN.iloc[:2], "benchmarks": ["gsm8k", "bbh"]}


@pytest.fixture(scope="module")
def ranked(sampled):
    return next_evaluations(sampled, observed=ONE, sizes=[3e9, 8e9], refit=False, **TARGET)


def mean_width(result):
    cells = result.sel(model=list(TARGET["plan"]["model"]), benchmark=TARGET["benchmarks"])
    return float((cells["upper_80"] - cells["lower_80"]).mean())


def test_every_candidate_is_ranked_once(ranked):
    assert list(ranked["rank"]) == [1, 2, 3, 4]
    names = set(zip(ranked["kind"], ranked["model"], ranked["benchmark"], strict=True))
    assert names == {
        ("benchmark", "new-1b", "gsm8k"),
        ("benchmark", "new-1b", "bbh"),
        ("size", "new (3B)", "all"),
        ("size", "new (8B)", "all"),
    }
    assert ranked["narrowed"].is_monotonic_decreasing
    assert ranked["narrowed"].between(0, 1).all()
    np.testing.assert_allclose(ranked["width_next"], ranked["width_now"] * (1 - ranked["narrowed"]))


def test_a_size_near_the_target_says_more_than_one_far_from_it(ranked):
    by_size = ranked[ranked["kind"] == "size"].set_index("n_params")["narrowed"]
    assert by_size[8e9] > by_size[3e9]


def test_the_benchmark_that_matters_says_most_of_itself(sampled):
    found = next_evaluations(sampled, PLAN.iloc[:1], ONE, benchmarks=["gsm8k"], refit=False)
    assert found["benchmark"].iloc[0] == "gsm8k"
    first, second = found["narrowed"].iloc[:2]
    assert first - second > 2 * np.hypot(*found["narrowed_se"].iloc[:2])


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", ["gsm8k", "bbh"])
def test_the_narrowing_promised_is_that_of_scores_then_observed(sampled, ranked, benchmark):
    promised = ranked.set_index("benchmark").loc[benchmark]
    possible = forecast(sampled, ONE, ONE, n_draws=400)["draws"].sel(
        model="new-1b", benchmark=benchmark
    )
    chance = float(sampled.table.benchmarks.loc[benchmark, "chance"])
    drawn = np.random.default_rng(0).choice(possible.to_numpy(), 60).clip(min=chance)
    widths = []
    for score in drawn:
        seen = ONE.assign(**{benchmark: score})
        widths.append(mean_width(forecast(sampled, TARGET["plan"], seen, refit=False)))
    realised = 1 - np.mean(widths) / promised["width_now"]
    error = np.std(widths) / np.sqrt(len(widths)) / promised["width_now"]
    # Quantiles of resampled draws have noise of their own, of a point or so.
    assert (
        abs(realised - promised["narrowed"]) < 3 * np.hypot(error, promised["narrowed_se"]) + 0.01
    )


def test_steps_condition_on_those_before(sampled, ranked):
    found = next_evaluations(
        sampled, observed=ONE, sizes=[3e9, 8e9], steps=3, refit=False, **TARGET
    )
    assert list(found.groupby("step").size()) == [4, 3, 2]
    pd.testing.assert_frame_equal(found[found["step"] == 1], ranked)
    best = found[found["rank"] == 1]
    assert best["narrowed"].is_monotonic_increasing
    assert not best.duplicated(["model", "benchmark"]).any()
    # Two sizes of one family say much of the same.
    alone = ranked.set_index("model")["narrowed"]
    second = best["narrowed"].iloc[1] - best["narrowed"].iloc[0]
    assert second < alone[best["model"].iloc[1]].max()


def test_scores_that_say_nothing_are_not_believed():
    rng = np.random.default_rng(0)
    target, noise = rng.standard_normal((1000, 1)), rng.standard_normal((1000, 100))
    assert (residuals(target, noise) ** 2).mean() > (target**2).mean()


def test_observed_scores_of_a_planned_model_are_no_target(sampled):
    # The model's own score is the score to be known.
    plan = ONE[["model", "n_params", "n_tokens"]]
    found = next_evaluations(sampled, plan, ONE, benchmarks=["mmlu", "bbh"], refit=False)
    assert found.set_index("benchmark")["narrowed"]["bbh"] > 0.99


def test_without_observed_models_sizes_are_ranked(sampled):
    found = next_evaluations(sampled, PLAN.iloc[:1], sizes=[1e9], n_tokens=1e12)
    assert list(found["kind"]) == ["size"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"benchmarks": ["gsm9k"]}, UnknownNameError, "Nearest: 'gsm8k'"),
        ({"evaluate": ["gsm9k"]}, UnknownNameError, "Nearest: 'gsm8k'"),
        ({"steps": 3}, SpecError, "3 steps were asked for, and there are 2"),
        ({"sizes": [-1.0]}, SpecError, "sizes must be positive, found -1.0"),
        ({"sizes": [1e9], "n_tokens": 0.0}, SpecError, "n_tokens must be positive"),
        ({"plan": PLAN.iloc[:0]}, TableError, "no rows"),
        ({"plan": ONE, "benchmarks": ["mmlu"]}, TableError, "observed already"),
    ],
)
def test_bad_arguments_are_refused(sampled, change, error, words):
    arguments = {"plan": PLAN, "observed": ONE, "refit": None} | change
    with pytest.raises(error, match=words):
        next_evaluations(sampled, **arguments)


def test_the_command_prints_the_best_of_every_step(approximate, tmp_path):
    approximate.save(tmp_path / "fit.nc")
    PLAN.to_csv(tmp_path / "plan.csv", index=False)
    ONE.to_csv(tmp_path / "obs.csv", index=False)
    command = ["next", str(tmp_path / "fit.nc"), "--plan", str(tmp_path / "plan.csv")]
    command += ["--observed", str(tmp_path / "obs.csv"), "--sizes", "3e9", "--no-refit"]

    def run(*options: str) -> str:
        return CliRunner().invoke(app, [*command, *options], catch_exceptions=False).stdout

    rows = json.loads(run("--format", "json", "--steps", "2"))
    assert [(row["step"], row["rank"]) for row in rows] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    shown = run("--steps", "2").splitlines()
    assert len(shown) == 4
    assert "train and evaluate new (3B)" in run()


SPEC = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))


@pytest.fixture(scope="module")
def followed():
    table = load_table("classic").select(
        benchmarks=["mmlu", "gsm8k", "hellaswag", "arc_challenge", "bbh"],
        families=["llama", "llama-2", "pythia", "qwen1.5"],
    )
    # With 200 draws the noise of widths, a point, is as large as what advice gains.
    return run_advice(Refits(table, SPEC, Svi(draws=800)), n_known=1, steps=2)


@pytest.mark.slow
def test_advised_evaluations_narrow_more_than_random_ones(followed):
    summary = summarise(followed).set_index(["n_revealed", "order"])
    assert list(summary["n_lineages"].unique()) == [4]
    assert summary.loc[(0, "advised"), "width_80_difference"] == 0
    assert summary.loc[(1, "advised"), "width_80_difference"] < 0
    assert summary.loc[(2, "advised"), "width_80_difference"] < 0
    widths = summary["width_80"].xs("advised", level="order")
    assert widths.is_monotonic_decreasing


@pytest.mark.slow
def test_nothing_is_revealed_twice(followed):
    walks = followed[followed["revealed"] != ""].groupby(["lineage", "start", "order"])
    for _, walk in walks:
        assert walk.groupby("n_revealed")["revealed"].first().is_unique


def test_cases_have_two_sizes_and_most_scores():
    cases = advice_cases(load_table("classic"))
    assert len(cases) == len({case.lineage for case in cases}) == 17
    models = load_table("classic").models
    for case in cases:
        assert models.loc[case.smallest, "family"] == models.loc[case.largest, "family"]
        assert models.loc[case.smallest, "n_params"] < models.loc[case.largest, "n_params"]


def test_a_table_without_two_sizes_is_refused():
    table = load_table("classic").select(benchmarks=["mmlu", "gsm8k"], models=["yi-6b", "llama-7b"])
    with pytest.raises(SkillscaleError, match="no lineage"):
        run_advice(Refits(table, SPEC))


def test_an_unknown_lineage_is_refused():
    with pytest.raises(UnknownNameError, match="Nearest: 'llama"):
        run_advice(Refits(load_table("classic"), SPEC), lineages=["lama"])
