"""What controlled runs say of slopes: the formulae, the density, and what it does to a fit."""

from __future__ import annotations

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpyro.handlers import seed, trace
from scipy import optimize, stats

from skillscale import Fit, Spec, Svi, fit
from skillscale.checks.fit import check
from skillscale.checks.verdict import Verdict
from skillscale.errors import SpecError, UnknownNameError
from skillscale.law.model import make_model
from skillscale.law.priors import describe_priors
from skillscale.law.slope_evidence import SlopeEvidence, at_reference_budget, log_likelihood
from skillscale.posterior.potential import make_potential

KNOWLEDGE = SlopeEvidence("knowledge", 1.6, 0.6, 0.95, 0.25)
TABLES = """
[[evidence]]
skill = "knowledge"
log_params = 1.6
log_params_sd = 0.6
sharpness = 0.95
sharpness_sd = 0.25

[[evidence]]
skill = "reasoning"
log_params = -1
log_params_sd = 0.5
sharpness = 1
sharpness_sd = 0.5
"""


def optimum_by_differences(skill, budget: float) -> tuple[float, float]:
    """Best log size on a budget n + d = c and its sharpness, from values of the skill alone."""

    def best(c: float) -> tuple[float, float]:
        found = optimize.minimize_scalar(
            lambda n: -skill(n, c - n), bounds=(-12, 12), method="bounded", options={"xatol": 1e-10}
        )
        return float(found.x), -float(found.fun)

    n, value = best(budget)
    step = 1e-2
    beside = skill(n + step, budget - n - step) + skill(n - step, budget - n + step)
    curvature = (beside - 2 * value) / step**2
    growth = (best(budget + step)[1] - best(budget - step)[1]) / (2 * step)
    return n, -curvature / growth


@pytest.mark.parametrize("slope", [(1.1, 0.6, 0.2), (0.7, 0.62, 0.14), (0.3, 0.9, 0.4)])
def test_optimum_and_sharpness_of_a_translog_are_those_of_its_values(slope):
    def skill(n, d):
        return slope[0] * n + slope[1] * d + slope[2] * n * d

    expected = optimum_by_differences(skill, 0.0)
    # Float32, and what holds the ratios finite: 0.02 and 0.05.
    assert_allclose(at_reference_budget(jnp.array(slope)), expected, rtol=0.02)
    # The sharpness at another budget, as the module's text has it.
    away = optimum_by_differences(skill, 1.5)[1]
    assert away == pytest.approx(4 * slope[2] / (slope[0] + slope[1] + 1.5 * slope[2]), rel=1e-3)


@pytest.mark.parametrize(
    "increasing",
    [lambda x: x, lambda x: -np.log(-x), lambda x: 1 / (1 + np.exp(-4 * (x + 2.5)))],
    ids=["loss", "log loss", "score"],
)
@pytest.mark.parametrize("budget", [-3.0, 0.0, 2.0])
def test_sharpness_of_a_loss_is_the_sum_of_its_exponents_whatever_reads_it(increasing, budget):
    size_term, tokens_term, alpha, beta = 0.4, 0.3, 0.35, 0.5

    def skill(n, d):
        return increasing(-(1.5 + size_term * np.exp(-alpha * n) + tokens_term * np.exp(-beta * d)))

    n, sharpness = optimum_by_differences(skill, budget)
    ratio = np.log(alpha * size_term / (beta * tokens_term))
    assert n == pytest.approx((ratio + beta * budget) / (alpha + beta), abs=1e-4)
    assert sharpness == pytest.approx(alpha + beta, rel=1e-3)


@pytest.mark.parametrize("sharpness", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("growth", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("log_params", [-2.0, 0.5, 3.0])
def test_what_holds_the_ratios_finite_is_small_where_controlled_runs_are(
    growth, sharpness, log_params
):
    interaction = sharpness * growth / 2
    gap = 2 * interaction * log_params
    slope = jnp.array([growth + gap / 2, growth - gap / 2, interaction])
    found = at_reference_budget(slope)
    assert_allclose(found, (log_params, sharpness), rtol=0.025)
    exact = stats.t(4, log_params, 0.6).logpdf(log_params) + stats.t(4, 0.7, 0.2).logpdf(sharpness)
    evidence = SlopeEvidence("knowledge", log_params, 0.6, 0.7, 0.2)
    assert float(log_likelihood(evidence, slope)) == pytest.approx(exact, abs=0.15)


FINITE = st.floats(-1e4, 1e4, width=32)


@settings(deadline=None)  # the first compiles
@given(st.lists(FINITE, min_size=3, max_size=3))
def test_density_and_gradient_are_finite_for_all_slopes(slope):
    assert_finite(slope)


@pytest.mark.parametrize(
    "slope",
    [(0, 0, 0), (0.6, 0.6, 0), (1, 0.2, -0.1), (0.5, -0.5, 0.1), (-1, -1, -0.5), (1, 0, -1e-30)],
)
def test_density_and_gradient_are_finite_where_there_is_no_optimum(slope):
    assert_finite(slope)


VALUE_AND_GRADIENT = jax.jit(jax.value_and_grad(lambda slope: log_likelihood(KNOWLEDGE, slope)))


def assert_finite(slope) -> None:
    value, gradient = VALUE_AND_GRADIENT(jnp.array(slope, jnp.float32))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all(), gradient


def test_slopes_without_an_optimum_are_less_likely_than_those_with_it():
    growth, interaction = 0.8, 0.95 * 0.8 / 2
    gap = 2 * 1.6 * interaction
    there = jnp.array([growth + gap / 2, growth - gap / 2, interaction])
    others = [
        there.at[2].set(0.0),
        there.at[2].multiply(-1),
        -there,
        there.at[:2].set(there[1::-1]),
    ]
    best = float(log_likelihood(KNOWLEDGE, there))
    assert all(float(log_likelihood(KNOWLEDGE, other)) < best - 3 for other in others)


@pytest.mark.slow
def test_a_model_without_evidence_has_no_factor(design, spec):
    keyed = seed(make_model(design, spec), jax.random.key(0))
    sites = trace(keyed).get_trace(design.observations)
    assert "evidence" not in sites


@pytest.mark.long
@pytest.mark.slow
def test_evidence_adds_its_density_to_the_posterior_of_its_skill(design, spec, potential):
    informed = make_potential(design, with_evidence(spec, 1.0, 0.4, 0.6, 0.2))
    assert_allclose(informed.start, potential.start)
    flat = potential.start + 0.1 * jax.random.normal(jax.random.key(1), potential.start.shape)
    plain, with_it = (p.energy(flat, design.observations) for p in (potential, informed))
    slope = potential.constrain(flat, design.observations, jax.random.key(0))["slope"][:, 1]
    evidence = SlopeEvidence("reasoning", 1.0, 0.4, 0.6, 0.2)
    expected = float(log_likelihood(evidence, slope))
    assert float(plain - with_it) == pytest.approx(expected, abs=0.01)


def with_evidence(spec: Spec, *numbers: float) -> Spec:
    return dataclasses.replace(spec, evidence=(SlopeEvidence("reasoning", *numbers),))


def at_optimum(fitted: Fit, skill: str) -> tuple[float, float]:
    """Medians of the log of the best size and of the sharpness."""
    slope = fitted.draws().law.growth.slope[..., fitted.spec.skill_index(skill)]
    return tuple(float(np.median(values)) for values in at_reference_budget(slope))


@pytest.mark.slow
def test_strong_evidence_moves_the_optimum_of_its_skill_alone(table, spec, approximate):
    log_params, sharpness = -1.5, 0.8
    before = at_optimum(approximate, "reasoning")
    assert abs(before[0] - log_params) > 0.5, "the leaderboard says something else"
    informed = fit(
        table,
        with_evidence(spec, log_params, 0.05, sharpness, 0.02),
        method=Svi(draws=400, newton_steps=60),
        seed=3,
    )
    after = at_optimum(informed, "reasoning")
    assert_allclose(after, (log_params, sharpness), atol=0.15)
    slope, informed_slope = (f.draws().law.growth.slope[..., 0] for f in (approximate, informed))
    assert_allclose(informed_slope.mean(axis=0), slope.mean(axis=0), atol=0.1)


def test_evidence_survives_its_plain_values():
    spec = Spec(evidence=(KNOWLEDGE, dataclasses.replace(KNOWLEDGE, skill="reasoning")))
    assert Spec.from_dict(spec.to_dict()) == spec
    without = {name: value for name, value in spec.to_dict().items() if name != "evidence"}
    assert Spec.from_dict(without).evidence == (), "as in a fit saved before there was evidence"


def test_evidence_is_read_from_tables_of_a_file(tmp_path):
    path = tmp_path / "evidence.toml"
    path.write_text(TABLES)
    spec = Spec.read(path)
    assert spec.evidence == (KNOWLEDGE, SlopeEvidence("reasoning", -1.0, 0.5, 1.0, 0.5))
    assert dataclasses.replace(spec, evidence=()) == Spec()


def test_evidence_survives_a_saved_fit(approximate, tmp_path):
    spec = dataclasses.replace(approximate.spec, evidence=(KNOWLEDGE,))
    dataclasses.replace(approximate, spec=spec).save(tmp_path / "fit.nc")
    assert Fit.load(tmp_path / "fit.nc").spec == spec


def test_a_fit_that_departs_from_controlled_runs_is_to_be_reviewed(approximate):
    log_params, _ = at_optimum(approximate, "reasoning")
    anything = (0.5, 10.0)  # of sharpness
    agreeing = with_evidence(approximate.spec, log_params + 0.9, 0.5, *anything)
    departing = with_evidence(approximate.spec, log_params - 1.1, 0.5, *anything)
    near, far = (check(dataclasses.replace(approximate, spec=s))[-1] for s in (agreeing, departing))
    assert near.name == far.name == "controlled runs on reasoning"
    assert (near.verdict, far.verdict) == (Verdict.PASS, Verdict.REVIEW)
    assert (near.value, far.value) == pytest.approx((1.8, 2.2), abs=1e-3)
    assert (
        len(check(approximate)) == len(check(dataclasses.replace(approximate, spec=agreeing))) - 1
    )


PLAIN = dataclasses.asdict(KNOWLEDGE)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([PLAIN | {"sharpness_sd": 0}], "evidence of knowledge: sharpness_sd must be positive"),
        ([PLAIN | {"sharpness": -0.9}], "evidence of knowledge: sharpness must be positive"),
        ([PLAIN | {"log_params": float("nan")}], "log_params must be finite, found nan."),
        ([PLAIN | {"log_params_sd": "wide"}], "evidence.log_params_sd is a number, found 'wide'."),
        ([PLAIN | {"skill": 1}], "evidence.skill is a name, found 1."),
        ([PLAIN | {"sharp": 1}], "key 'sharp' is not in evidence. Nearest: 'sharpness'"),
        ([{"skill": "knowledge"}], "evidence needs log_params, log_params_sd, sharpness,"),
        (PLAIN, "evidence is a list of tables, found {'skill': 'knowledge'"),
        (["knowledge"], "evidence is a list of tables, found ['knowledge']: begin each"),
    ],
)
def test_evidence_that_does_not_fit_is_named(tables, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        Spec.from_dict({"evidence": tables})


def test_evidence_of_an_unknown_skill_is_named():
    with pytest.raises(UnknownNameError, match="skill 'knowlege' is not in this specification"):
        Spec(evidence=(dataclasses.replace(KNOWLEDGE, skill="knowlege"),))


def test_evidence_is_printed_with_the_priors(design, spec):
    without = describe_priors(design, spec)
    rows = describe_priors(design, with_evidence(spec, 1.0, 0.5, 0.8, 0.1))
    assert rows.iloc[: len(without)].equals(without)
    found = rows.iloc[len(without) :].set_index("site")[["lower_90", "median", "upper_90"]]
    expected = [stats.t(4, *at).ppf([0.05, 0.5, 0.95]) for at in ((1.0, 0.5), (0.8, 0.1))]
    assert list(found.index) == ["optimum[reasoning]", "sharpness[reasoning]"]
    assert_allclose(found, expected, rtol=1e-4)
