"""Production functions, against their equations, and what must hold of them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from skillscale import Spec
from skillscale.errors import SpecError
from skillscale.law.design import make_design
from skillscale.law.evidence import SlopeEvidence
from skillscale.law.priors import describe_priors, slope_prior
from skillscale.law.production import FORMS, Form, gain

M, K = 5, 2
BY_HAND = {
    Form.TRANSLOG: lambda s, n, d: s[0] * n + s[1] * d + s[2] * n * d,
    Form.QUADRATIC: lambda s, n, d: (
        s[0] * n + s[1] * d + s[2] * n * d + s[3] * n * n + s[4] * d * d
    ),
    Form.ADDITIVE: lambda s, n, d: s[0] * n + s[1] * d + s[2] * n * n + s[3] * d * d,
    Form.TWO_TERM: lambda s, n, d: (
        -(s[0] / s[2] + s[1] / s[3])
        * np.log(
            (s[0] / s[2] * np.exp(-s[2] * n) + s[1] / s[3] * np.exp(-s[3] * d))
            / (s[0] / s[2] + s[1] / s[3])
        )
    ),
}
logs = arrays(float, (M,), elements=st.floats(-6, 6))
positive = arrays(float, (5, K), elements=st.floats(0.05, 1.5))


@pytest.mark.parametrize("form", Form)
@settings(max_examples=40, deadline=None)
@given(log_params=logs, log_tokens=logs, slope=positive)
def test_gains_are_those_of_the_equation(form, log_params, log_tokens, slope):
    slope = slope[: len(FORMS[form].inputs)]
    by_hand = np.array(
        [
            [BY_HAND[form](slope[:, k], log_params[i], log_tokens[i]) for k in range(K)]
            for i in range(M)
        ]
    )
    found = gain(form, slope, log_params, log_tokens)
    assert_allclose(found, by_hand, rtol=1e-9, atol=1e-9)
    arrays_of_jax = map(jnp.asarray, (slope, log_params, log_tokens))
    in_jax = jax.jit(gain, static_argnums=0)(form, *arrays_of_jax)
    assert_allclose(in_jax, by_hand, rtol=2e-4, atol=2e-3)
    per_draw = gain(form, np.stack([slope, 2 * slope]), log_params, np.stack([log_tokens] * 2))
    assert_allclose(per_draw[0], found)
    assert per_draw.shape == (2, M, K)


@pytest.mark.parametrize("form", Form)
def test_slopes_are_growth_at_the_references(form):
    slope = np.random.default_rng(0).uniform(0.1, 0.9, (len(FORMS[form].inputs), K))
    none, little = np.zeros(1), np.full(1, 1e-6)
    assert_allclose(gain(form, slope, none, none), 0, atol=1e-12)
    assert_allclose(gain(form, slope, little, none)[0] / 1e-6, slope[0], rtol=1e-4)
    assert_allclose(gain(form, slope, none, little)[0] / 1e-6, slope[1], rtol=1e-4)


@settings(max_examples=50, deadline=None)
@given(slope=arrays(float, (4,), elements=st.floats(0.05, 1.0)), budget=st.floats(-8, 8))
def test_the_two_term_law_is_best_where_both_terms_fall_alike(slope, budget):
    p, q, a, b = slope
    n = (np.log(p / q) + b * budget) / (a + b)
    around = n + np.linspace(-2, 2, 401)
    found = gain("two-term", slope[:, None], around, budget - around)[:, 0]
    assert np.abs(around[found.argmax()] - n) < 0.011 or np.ptp(found) < 1e-6
    # Sharpness: curvature across, over growth of the optimum per e-fold of compute.
    h = 1e-3
    at = np.array([n - h, n, n + h])
    below, best, above = gain("two-term", slope[:, None], at, budget - at)[:, 0]
    more = gain("two-term", slope[:, None], np.array([n]), np.array([budget + h - n]))[0, 0]
    sharpness = -(below + above - 2 * best) / h / (more - best)
    assert sharpness == pytest.approx(a + b, rel=0.02)


@pytest.mark.parametrize("form", Form)
def test_parameters_have_the_priors_of_the_form(form, table):
    spec = Spec(skills=("knowledge",), anchors=("mmlu",), form=form)
    declared = FORMS[form]
    described = describe_priors(make_design(table, spec), spec).set_index("site")
    rows = described.loc[[f"slope[{name}]" for name in declared.inputs]]
    means = [getattr(spec.priors, name).mean for name in declared.priors]
    if declared.is_positive:
        draws = slope_prior(spec, jnp.ones(1)).sample(jax.random.key(0), (500,))
        assert (np.asarray(draws) > 0).all()
        assert (rows["lower_90"] > 0).all()
    else:
        assert_allclose(rows["median"], means, atol=0.06)


def test_a_form_is_chosen_in_a_file(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text('form = "two-term"\n')
    assert Spec.read(path).form == "two-term"
    assert Spec().form == "translog"
    assert Spec.from_dict(dataclasses.replace(Spec(), form="additive").to_dict()).form == "additive"


@pytest.mark.parametrize("form", ["cubic", 3, ["translog"], True])
def test_an_unknown_form_is_named(form):
    with pytest.raises(SpecError, match="form is one of translog, quadratic, additive, two-term"):
        Spec.from_dict({"form": form})


def test_evidence_and_exploratory_skills_are_of_the_translog():
    evidence = (SlopeEvidence("knowledge", 1.0, 0.5, 0.9, 0.2),)
    with pytest.raises(SpecError, match="evidence is of the translog only"):
        Spec(evidence=evidence, form="quadratic")
    with pytest.raises(SpecError, match="exploratory skills are of the translog only"):
        Spec(form="two-term").explore(2, ["mmlu", "gsm8k"])
