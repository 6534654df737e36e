"""Forms of the law on simulated leaderboards: a truth comes out, the right form is preferred."""

from __future__ import annotations

import dataclasses
from functools import cache

import jax
import numpy as np
import pytest

from simulated_scores import invented, leaderboard
from skillscale import Goal, Hmc, Spec, Stack, Table, fit, optimum, stack
from skillscale.law.production import Form
from small import by_name

SPEC = Spec(("knowledge", "reasoning"), ("know", "reason"))
METHOD = Hmc(draws=400)
TRUTHS = {
    "translog": [[0.55, 0.6], [0.45, 0.5], [0.2, 0.15]],
    "additive": [[0.7, 0.6], [0.5, 0.5], [-0.12, -0.1], [-0.12, -0.1]],
    "two-term": [[0.7, 0.5], [0.5, 0.6], [0.45, 0.5], [0.45, 0.4]],
}


@cache
def simulated(form: str) -> Table:
    """Scores of sixty families, drawn by a form."""
    spec = dataclasses.replace(SPEC, form=form)
    slope = np.array(TRUTHS[form], np.float32)
    table, _ = leaderboard(invented(60, seed=5), spec, jax.random.key(6), slope=slope)
    return table


@cache
def stacked(form: str) -> Stack:
    """All forms fitted to it."""
    table = simulated(form)
    specs = [dataclasses.replace(SPEC, form=of.value) for of in Form]
    return stack([fit(table, spec, method=METHOD, seed=2) for spec in specs])


@pytest.mark.slow
def test_a_two_term_truth_is_recovered():
    spec = dataclasses.replace(SPEC, form="two-term")
    found = by_name(fit(simulated("two-term"), spec, method=METHOD, seed=2))["slope"]
    sd = found.std(axis=0)
    error = (found.mean(axis=0) - TRUTHS["two-term"]) / sd
    assert (np.abs(error) < 3).all(), error
    assert (sd[:2] < 0.1).all(), sd
    assert (sd[2:] < 0.11).all(), "scores should tell exponents better than their prior"


@pytest.mark.slow
@pytest.mark.parametrize("form", TRUTHS)
def test_the_true_form_is_never_rejected_and_others_weigh_less(form):
    found = stacked(form)
    assert form in found.open_forms, found.comparison
    rivals = {
        "translog": ("additive", "two-term"),
        "additive": ("translog",),
        "two-term": ("translog", "additive"),
    }
    for rival in rivals[form]:
        assert found.weights[rival] < 0.35, found.comparison
        assert found.comparison["difference"][rival] < found.comparison["difference"][form]


@pytest.mark.slow
@pytest.mark.parametrize("form", TRUTHS)
def test_a_stack_calls_nothing_identified_that_an_open_form_does_not(form):
    found = stacked(form)
    best = optimum(found, [1e24], Goal(SPEC.skills))
    for name in found.open_forms:
        alone = optimum(found.fits[name], [1e24], Goal(SPEC.skills))
        is_known = best["verdict"] == "identified"
        assert (alone["verdict"] == "identified").where(is_known, True).all()
