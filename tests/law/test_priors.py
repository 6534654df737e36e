"""Priors as printed, and what they predict."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skillscale.checks.prior import check_prior, prior_predictive
from skillscale.law.design import make_design
from skillscale.law.priors import describe_priors, make_priors
from skillscale.law.spec import NormalPrior

SINGLE = {
    "free_loading": "loading",
    "intercept": "intercept",
    "asymmetry": "asymmetry",
    "slope[log_params]": "slope",
    "slope[log_tokens]": "slope",
    "slope[log_params:log_tokens]": "interaction",
    "effect[instruct]": "instruct",
    "effect[date]": "date",
    "effect[instruct:date]": "instruct_date",
    "trend_scale": "trend_scale",
    "tuning_trend_scale": "tuning_trend_scale",
    "lineage_scale": "lineage_scale",
    "branch_scale": "branch_scale",
    "family_scale": "family_scale",
    "slope_scale": "slope_scale",
    "model_scale": "model_scale",
    "overdispersion": "overdispersion",
    "discrepancy_spread": "discrepancy_spread",
    "affinity_overdispersion": "affinity_overdispersion",
    "affinity_spread": "affinity_spread",
    "tail": "tail",
}


@pytest.fixture(scope="module")
def described(design, spec):
    return describe_priors(design, spec).set_index("site")


@pytest.mark.parametrize(("site", "name"), SINGLE.items())
def test_printed_numbers_agree_with_the_specification(described, spec, site, name):
    prior = getattr(spec.priors, name)
    z = stats.norm.ppf(0.95)
    if isinstance(prior, NormalPrior):
        expected = [prior.mean - z * prior.sd, prior.mean, prior.mean + z * prior.sd]
        error = 0.1 * prior.sd
    else:
        expected = prior.median * np.exp(prior.sigma * np.array([-z, 0, z]))
        error = 0.2 * prior.sigma * expected
    found = described.loc[site, ["lower_90", "median", "upper_90"]].to_numpy(dtype=float)
    assert (np.abs(found - expected) < error).all(), (found, expected)


def test_the_ceiling_is_printed_as_a_share_of_the_range(described, spec):
    prior = spec.priors.ceiling_gap_logit
    logits = prior.mean + prior.sd * stats.norm.ppf([0.05, 0.5, 0.95])
    found = described.loc["ceiling_gap", ["lower_90", "median", "upper_90"]].to_numpy(dtype=float)
    assert_allclose(found, 1 / (1 + np.exp(-logits)), rtol=0.1)


def test_every_parameter_of_the_table_is_counted(described, design):
    n_benchmark, n_skill = design.is_anchor.shape
    assert described.loc["free_loading", "size"] == design.is_free.sum() == n_skill
    assert described.loc["intercept", "size"] == n_benchmark
    assert described.loc["slope[log_params]", "size"] == n_skill
    assert described.loc["tail", "size"] == 1
    assert described["meaning"].str.len().min() > 0
    for walk in ("innovation", "tuning_innovation"):
        assert described.loc[walk, "size"] == len(design.coords["period"]) * n_skill
    assert len(described) == len(SINGLE) + 3


def test_priors_are_described_where_nothing_is_free(table, spec):
    anchors = dataclasses.replace(spec, benchmarks=("mmlu", "gsm8k"))
    sites = set(describe_priors(make_design(table, anchors), anchors)["site"])
    assert "free_loading" not in sites
    assert {"intercept", "slope[log_params]"} <= sites


def test_two_priors_never_name_one_site(design, spec):
    sites = [prior.site.name for prior in make_priors(design, spec)]
    assert len(set(sites)) == len(sites)


@pytest.fixture(scope="module")
def drawn(table, spec):
    return prior_predictive(table, spec, draws=1000, seed=0)


def test_the_prior_covers_what_was_observed(drawn, table):
    seen = table.scores.set_index(["benchmark", "model"])["score"].to_xarray()
    below = (drawn["score"] < seen).mean("draw").where(seen.notnull()).to_numpy().ravel()
    below = below[~np.isnan(below)]
    assert len(below) == len(table.scores)
    assert ((below > 0.005) & (below < 0.995)).mean() >= 0.97
    for name in drawn["benchmark"].to_numpy():
        expected = drawn["expected_score"].sel(benchmark=name)
        low, high = np.quantile(expected, [0.01, 0.99])
        scores = table.wide()[name].dropna()
        assert low <= max(scores.min(), table.benchmarks.loc[name, "chance"] + 0.01)
        assert high >= scores.max()


def test_the_prior_expects_larger_models_to_score_higher(drawn):
    small, large = (drawn["expected_score"].sel(model=m) for m in ("pythia-70m", "llama-65b"))
    assert bool((large.mean("draw") > small.mean("draw") + 0.05).all())


def test_the_same_seed_draws_the_same_prior(drawn, table, spec):
    again = prior_predictive(table, spec, draws=1000, seed=0)
    assert again.equals(drawn)
    assert not prior_predictive(table, spec, draws=1000, seed=1).equals(drawn)


def test_a_prior_that_rules_out_the_scores_fails_its_check(table, spec):
    below_chance = dataclasses.replace(table, scores=table.scores.assign(score=0.0))
    checked = check_prior(below_chance, spec, draws=1000)
    assert checked.loc["mmlu", "verdict"] == "FAIL"
    assert checked.loc["mmlu", "n_ruled_out"] > 30
    assert checked.loc["mmlu", "reason"] == "the prior rules out scores that were seen: widen it"
    assert checked.loc["gsm8k", "n_ruled_out"] < 10, "gsm8k has no chance level"
