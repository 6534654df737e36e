"""Optima of several forms: whose draws they are, and what is identified in all of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skillscale import Goal, Stack, cheapest, optimum, regret
from skillscale.law.production import FORMS

BUDGET = 1e23
SHARP = {
    "translog": (0.5, 0.4, 0.15),
    "quadratic": (0.5, 0.4, 0.05, -0.05, -0.05),
    "additive": (0.5, 0.4, -0.07, -0.08),
    "two-term": (0.5, 0.4, 0.35, 0.35),
}
ENDLESS = {"additive": (0.9, 0.4, 0.02, 0.0)}


def of_form(fit, form, law):
    """The fit, as if it were of another form, with one law in all draws."""
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    posterior = groups["posterior"]
    shape = *posterior["slope"].shape[:2], len(law), posterior.sizes["skill"]
    slope = np.broadcast_to(np.array(law)[:, None], shape)
    changed = posterior.drop_dims("input").assign_coords(input=list(FORMS[form].inputs))
    changed["slope"] = (("chain", "draw", "input", "skill"), slope)
    changed["slope_scale"] = posterior["slope_scale"] * 0 + 1e-6
    tree = type(fit.tree).from_dict(groups | {"posterior": changed})
    return dataclasses.replace(fit, tree=tree, spec=dataclasses.replace(fit.spec, form=form))


def stack_of(fit, laws, weights, is_open=None):
    fits = {form: of_form(fit, form, law) for form, law in laws.items()}
    n = len(fits)
    comparison = pd.DataFrame(
        {
            "elpd": 0.0,
            "difference": 0.0,
            "error": 0.0,
            "weight": weights,
            "is_open": [True] * n if is_open is None else is_open,
            "high_k": 0.0,
        },
        index=list(fits),
    )
    return Stack(fits, comparison)


def test_an_optimum_that_all_forms_have_is_identified(approximate):
    best = optimum(stack_of(approximate, SHARP, [0.25] * 4), [BUDGET])
    assert (best["verdict"] == "identified").all()
    for form in SHARP:
        assert (best[f"prob_interior_{form.replace('-', '_')}"] == 1).all()
    each = [
        optimum(of_form(approximate, form, law), [BUDGET])["n_params"].to_numpy().ravel()
        for form, law in SHARP.items()
    ]
    ratio = np.max(each, axis=0) / np.min(each, axis=0)
    np.testing.assert_allclose(best["disagreement"].to_numpy().ravel(), ratio)
    assert (best["n_params_lower"].to_numpy().ravel() == np.min(each, axis=0)).all()
    assert (best["n_params_upper"].to_numpy().ravel() == np.max(each, axis=0)).all()


@pytest.mark.parametrize(("is_open", "verdict"), [(True, "not identified"), (False, "identified")])
def test_one_form_that_has_none_is_enough_unless_it_is_rejected(approximate, is_open, verdict):
    laws = {"translog": SHARP["translog"], "additive": ENDLESS["additive"]}
    found = stack_of(approximate, laws, [0.95, 0.05], [True, is_open])
    best = optimum(found, [BUDGET])
    assert (best["verdict"] == verdict).all()
    assert (best["prob_interior_additive"] == 0).all()
    np.testing.assert_allclose(best["prob_interior"], 0.95, atol=0.01)


def test_a_form_that_is_open_counts_without_weight(approximate):
    laws = {"translog": SHARP["translog"], "additive": ENDLESS["additive"]}
    best = optimum(stack_of(approximate, laws, [1.0, 0.0]), [BUDGET])
    assert (best["prob_interior"] == 1).all()
    assert (best["verdict"] == "not identified").all()


def test_all_weight_on_one_form_is_that_form(approximate):
    found = stack_of(approximate, SHARP, [0.0, 0.0, 0.0, 1.0], [False, False, False, True])
    alone = of_form(approximate, "two-term", SHARP["two-term"])
    goal = Goal(benchmarks=["mmlu"])
    for ask, at in ((optimum, [BUDGET]), (cheapest, [0.6]), (regret, [BUDGET])):
        mixed, plain = ask(found, at, goal), ask(alone, at, goal)
        for name in plain:
            np.testing.assert_array_equal(mixed[name], plain[name], err_msg=name)


def test_draws_are_pooled_by_weight(approximate):
    laws = {"translog": SHARP["translog"], "two-term": (0.9, 0.3, 0.35, 0.35)}
    goal = Goal(benchmarks=["mmlu"])
    sizes = [
        cheapest(of_form(approximate, form, law), [0.6], goal)["n_params"].item()
        for form, law in laws.items()
    ]
    for weight in (0.2, 0.8):
        least = cheapest(stack_of(approximate, laws, [weight, 1 - weight]), [0.6], goal)
        nearer = sizes[0] if weight > 0.5 else sizes[1]
        assert abs(np.log(least["n_params"].item() / nearer)) < 0.5
    halves = [
        regret(of_form(approximate, form, law), [BUDGET], goal)["score_lost"].to_numpy()
        for form, law in laws.items()
    ]
    both = regret(stack_of(approximate, laws, [0.5, 0.5]), [BUDGET], goal)["score_lost"]
    np.testing.assert_allclose(both, np.mean(halves, axis=0), atol=2e-3)


def test_what_a_verdict_stands_on_is_said(approximate):
    alone = optimum(approximate, [BUDGET]).attrs["stands_on"]
    assert "if the translog does" in alone
    told = optimum(
        stack_of(approximate, SHARP, [0.5, 0.5, 0.0, 0.0], [True, True, True, False]), [BUDGET]
    ).attrs["stands_on"]
    assert "translog 50 %, quadratic 50 %" in told
    assert "the data reject two-term" in told
