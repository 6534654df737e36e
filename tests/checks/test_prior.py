"""What the priors predict before any score is seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from skillscale.checks.prior import _grade, check_prior, prior_predictive
from skillscale.checks.verdict import Verdict
from skillscale.data.table import Table, load_table
from skillscale.law.spec import LogNormalPrior, NormalPrior, Priors, Spec

SPEC = Spec(
    skills=("knowledge", "reasoning"),
    anchors=("mmlu", "gsm8k"),
    benchmarks=("mmlu", "gsm8k", "bbh"),
)


@pytest.fixture(scope="module")
def table() -> Table:
    table = load_table("classic")
    return table.select(models=table.models.index[::4])


@pytest.fixture(scope="module")
def drawn(table):
    return prior_predictive(table, SPEC, draws=400, seed=1)


def with_priors(**priors) -> Spec:
    return dataclasses.replace(SPEC, priors=Priors(**priors))


def test_scores_lie_between_chance_and_one(drawn, table):
    expected = drawn["expected_score"]
    chance = table.benchmarks.loc[drawn["benchmark"].to_numpy(), "chance"].to_numpy()
    assert (expected.min(("draw", "model")).to_numpy() >= chance - 1e-6).all()
    assert float(expected.max()) < 1
    assert float(drawn["score"].min()) >= 0
    assert float(drawn["score"].max()) <= 1
    assert float(drawn["position"].min()) >= 0
    assert float(drawn["position"].max()) <= 1


def test_every_model_and_benchmark_is_simulated_whether_scored_or_not(drawn, table):
    assert drawn["score"].dims == ("draw", "benchmark", "model")
    assert table.wide().loc[drawn["model"].to_numpy(), "bbh"].isna().any()
    assert np.isfinite(drawn["score"]).all()


def test_the_prior_does_not_look_at_the_scores(drawn, table):
    changed = Table(table.models, table.scores.assign(score=0.5), table.benchmarks)
    again = prior_predictive(changed, SPEC, draws=400, seed=1)
    assert again.equals(drawn)


def test_simulated_scores_scatter_around_the_expected_ones(drawn):
    deviation = (drawn["score"] - drawn["expected_score"]).sel(benchmark="mmlu")
    assert abs(float(deviation.mean())) < 0.01
    assert 0.005 < float(deviation.std()) < 0.1


@pytest.mark.long
def test_the_default_priors_rule_out_nothing_seen_and_pile_up_nowhere():
    result = check_prior()
    assert not (result["verdict"] == "FAIL").any(), result["reason"]
    assert result["n_ruled_out"].sum() <= 0.002 * result["n_scores"].sum()
    for size in ("smallest", "middle", "largest"):
        assert (result[f"{size}_5"] < result[f"{size}_50"]).all()
        assert (result[f"{size}_50"] < result[f"{size}_95"]).all()


@pytest.mark.long
def test_a_prior_without_strong_models_fails_the_check(table):
    narrow = with_priors(
        intercept=NormalPrior(-2.0, 0.1),
        asymmetry=LogNormalPrior(1.0, 0.1),
        slope=NormalPrior(0.0, 0.05),
        date=NormalPrior(0.0, 0.05),
        trend_scale=LogNormalPrior(0.01, 0.1),
        instruct=NormalPrior(0.0, 0.05),
        lineage_scale=LogNormalPrior(0.05, 0.1),
    )
    result = check_prior(table, narrow, draws=400)
    assert result.loc["mmlu", "verdict"] == "FAIL"
    assert "rules out scores" in result.loc["mmlu", "reason"]
    assert result.loc["mmlu", "n_ruled_out"] > 10


@pytest.mark.long
def test_a_prior_piled_at_the_ceiling_fails_the_check(table):
    result = check_prior(table, with_priors(intercept=NormalPrior(9.0, 1.0)), draws=200)
    assert (result["verdict"] == "FAIL").all()
    assert (result["at_ceiling"] > 0.5).all()
    assert result["reason"].str.contains("are at the ceiling").all()


def test_piling_up_is_graded_before_outliers_and_names_its_end():
    assert _grade(0.0, 0.1, 0.1)[0] is Verdict.PASS
    assert _grade(0.005, 0.1, 0.1)[0] is Verdict.REVIEW
    assert _grade(0.05, 0.1, 0.1)[0] is Verdict.FAIL
    verdict, reason = _grade(0.05, 0.6, 0.1)
    assert verdict is Verdict.FAIL
    assert "are at chance" in reason
