"""Checks of a fit: they must fail for fits that are wrong."""

from __future__ import annotations

import arviz_stats as azs
import numpy as np
import pytest

from skillscale import check
from skillscale.checks.fit import _prediction, diagnostics, predictive_coverage
from skillscale.checks.verdict import Verdict, grade
from small import HMC
from tampered import with_group, with_posterior

N_DRAWS = HMC.chains * HMC.draws


def by_name(fit) -> dict:
    return {c.name: c for c in check(fit)}


@pytest.fixture(scope="module")
def checked(sampled):
    return by_name(sampled)


def test_an_honest_fit_fails_nothing(checked):
    assert not [c for c in checked.values() if c.verdict is Verdict.FAIL]
    assert checked["divergences, share of draws"].verdict is Verdict.PASS
    assert set(checked) == {
        "R-hat, worst",
        "bulk ESS, smallest",
        "divergences, share of draws",
        "energy (BFMI), smallest",
        "posterior predictive coverage",
        "worst benchmark coverage",
        "PSIS-LOO",
    }
    assert all(c.threshold and c.advice for c in checked.values())


def test_a_chain_stuck_elsewhere_fails(sampled):
    def stuck(values):
        values[0] = values[0].mean(axis=0) + 10 * values.std(axis=(0, 1))
        return values

    result = by_name(with_posterior(sampled, slope=stuck))
    assert result["R-hat, worst"].verdict is Verdict.FAIL
    assert result["R-hat, worst"].value > 1.5
    assert "slope" in result["R-hat, worst"].advice


def test_draws_that_hardly_move_fail(sampled):
    def sticky(values):
        return np.repeat(values[:, ::250], 250, axis=1)

    result = by_name(with_posterior(sampled, model_skill=sticky))
    assert result["bulk ESS, smallest"].verdict is Verdict.FAIL
    assert result["bulk ESS, smallest"].value < 100


@pytest.mark.parametrize(("n", "verdict"), [(2, "PASS"), (60, "REVIEW"), (600, "FAIL")])
def test_divergences_are_graded_by_their_share(sampled, n, verdict):
    def diverging(values):
        values[:] = False
        values.ravel()[:n] = True
        return values

    result = by_name(with_group(sampled, "sample_stats", diverging=diverging))
    divergences = result["divergences, share of draws"]
    assert divergences.verdict == verdict
    assert divergences.value == pytest.approx(n / N_DRAWS)


def test_energy_that_wanders_slowly_fails(sampled):
    def slow(values):
        return np.cumsum(np.random.default_rng(0).normal(size=values.shape), axis=1)

    result = by_name(with_group(sampled, "sample_stats", energy=slow))
    assert result["energy (BFMI), smallest"].verdict is Verdict.FAIL


def test_bfmi_of_independent_energies_is_two(sampled):
    def independent(values):
        return np.random.default_rng(0).normal(size=values.shape)

    result = by_name(with_group(sampled, "sample_stats", energy=independent))
    assert result["energy (BFMI), smallest"].value == pytest.approx(2, abs=0.2)


def scaled(factor):
    return lambda values: values * factor


def noise_times(factor):
    names = (
        "overdispersion",
        "discrepancy_spread",
        "affinity_overdispersion",
        "affinity_spread",
    )
    return dict.fromkeys(names, lambda values: values * factor)


def frozen(values):
    return np.broadcast_to(values[:1, :1], values.shape).copy()


def test_noise_that_is_far_too_narrow_fails_coverage(sampled):
    # Draws that differ would cover what the noise does not.
    names = dict.fromkeys(map(str, sampled.tree.posterior.data_vars), frozen)
    wrong = with_posterior(with_posterior(sampled, **names), **noise_times(1e-3))
    overall, _ = _prediction(wrong)
    assert overall.name == "posterior predictive coverage"
    assert overall.verdict is Verdict.FAIL
    assert overall.value < 0.75


def test_noise_that_is_far_too_wide_does_not_pass_coverage(sampled):
    result = by_name(with_posterior(sampled, **noise_times(20.0)))
    assert result["posterior predictive coverage"].verdict is not Verdict.PASS
    assert result["posterior predictive coverage"].value > 0.99


def test_one_benchmark_read_wrongly_is_named(sampled):
    def shifted(values):
        values[..., 2] += 2
        return values

    result = by_name(with_posterior(sampled, intercept=shifted))
    worst = result["worst benchmark coverage"]
    assert worst.verdict is Verdict.FAIL
    assert "bbh" in worst.advice


def test_coverage_is_counted_from_simulated_scores(sampled):
    mean, scale, tail = (np.asarray(x) for x in sampled.likelihood(2000))
    rng = np.random.default_rng(0)
    simulated = mean + scale * rng.standard_t(tail[:, None, None], size=mean.shape)
    low, high = np.quantile(simulated, [0.05, 0.95], axis=0)
    score = np.asarray(sampled.design.observations.score)
    is_observed = np.asarray(sampled.design.observations.is_observed)
    inside = (score > low) & (score < high)
    expected = [inside[j][is_observed[j]].mean() for j in range(len(score))]
    np.testing.assert_allclose(predictive_coverage(sampled), expected, atol=0.04)


def test_a_fit_by_svi_has_its_sampler_reviewed(approximate):
    result = by_name(approximate)
    assert result["sampler"].verdict is Verdict.REVIEW
    assert "hmc" in result["sampler"].advice
    assert "R-hat, worst" not in result


def test_diagnostics_cover_every_reported_quantity_but_constants(sampled):
    table = diagnostics(sampled)
    assert list(table.index) == [
        "loading",
        "slope",
        "effect",
        "efficiency",
        "model_skill",
        "expected_score",
    ]
    assert np.isfinite(table[["rhat", "ess_bulk", "ess_tail"]].to_numpy(dtype=float)).all()
    assert table.loc["loading", "worst"].startswith("bbh"), "anchors are constants"
    slopes = sampled.tree.posterior["slope"]
    assert table.loc["slope", "rhat"] == pytest.approx(float(azs.rhat(slopes).max()), rel=1e-4)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(1.0, "PASS"), (0.9, "PASS"), (0.6, "REVIEW"), (0.5, "REVIEW"), (0.4, "FAIL")],
)
def test_grades_turn_at_their_thresholds(value, verdict):
    assert grade(value, 0.9, 0.5) == verdict


def test_nothing_measured_is_no_pass():
    assert grade(float("nan"), 0.9, 0.5) is Verdict.FAIL
