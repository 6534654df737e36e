"""The three sentences: their numbers are those of the results, and what is unknown has none."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from invented_findings import BENCHMARKS, CHECKS, invented_optimum, invented_plan
from skillscale.checks.verdict import Check, Verdict
from skillscale.formatting import format_points
from skillscale.intervals import central
from skillscale.optima.identification import Identification
from skillscale.report.sections.answer import (
    describe_forecast,
    describe_optimum,
    describe_trust,
    describe_variance,
)

FORM = "if the translog form of the law holds"
NUMBER = re.compile(r"(?<![\w.-])\d[\d.]*(?:e\d+)?(?![\w-])")


def numbers(sentence: str) -> list[str]:
    """Numbers that are no part of a name, or of a count with its unit."""
    return [found.rstrip(".") for found in NUMBER.findall(sentence)]


def found_of(plan, checks=CHECKS):
    asked = SimpleNamespace(observed=None if plan is None else plan.family.observed)
    return SimpleNamespace(of_plan=plan, checks=checks, asked=asked)


def test_every_number_of_the_forecast_is_one_of_the_results():
    plan = invented_plan()
    own = plan.forecast.sel(model="nova-70b")
    means = own["draws"].mean("benchmark").to_numpy()
    cell = own.sel(benchmark="mmlu")
    expected = [format_points(float(np.median(means))), str(len(BENCHMARKS)), "80"]
    expected += [format_points(float(end)) for end in central(means, 0.8)]
    expected += [format_points(float(cell[name])) for name in ("median", "lower_80", "upper_80")]
    expected += ["38.1"]
    sentence = describe_forecast(plan)
    assert numbers(sentence) == expected
    assert "nova-70b (70B parameters, 15T tokens)" in sentence
    assert sentence.startswith("Going by the scores of nova-1b, ")


def test_a_doubted_score_is_not_what_the_forecast_is_told_beside():
    plan = replace(invented_plan(), doubted=frozenset({("nova-1b", "mmlu")}))
    sentence = describe_forecast(plan)
    assert "on bbh" in sentence
    assert "where nova-1b has 33.3" in sentence


def test_where_nothing_was_observed_it_says_so():
    plan = invented_plan()
    plan = replace(plan, family=plan.family._replace(observed=None))
    assert describe_forecast(plan).startswith("With no model of its family observed, nova-70b")


def test_an_identified_optimum_has_its_size_and_interval():
    sentence = describe_optimum(invented_optimum({"knowledge": Identification.IDENTIFIED}), FORM)
    assert "is identified for knowledge at 31.4B (15.9B to 62.8B)" in sentence
    assert sentence.startswith(f"At 1e24 FLOP, {FORM}, ")


@pytest.mark.parametrize("other", [None, Identification.IDENTIFIED, Identification.WEAK])
def test_an_optimum_that_is_not_identified_has_no_size(other):
    verdicts = {} if other is None else {"reasoning": other}
    best = invented_optimum({**verdicts, "commonsense": Identification.NOT})
    sentence = describe_optimum(best, FORM)
    told = sentence.split("the data do not identify ")[1]
    assert "commonsense" in told
    assert not re.search(r"\d", told)
    if other is Identification.WEAK:
        assert "only weakly for reasoning (15.9B to > 1T)" in sentence


def test_the_variance_is_that_of_the_largest_sources():
    sentence = describe_variance(invented_plan().forecast)
    assert numbers(sentence) == ["40", "30"]
    assert sentence.index("about this family") < sentence.index("about the law itself")


def test_trust_is_told_by_checks_doubts_and_what_to_evaluate():
    sentence = describe_trust(found_of(invented_plan()))
    assert sentence == (
        "The fit passes 1 of 2 checks (to review: PSIS-LOO), nothing observed contradicts the rest "
        "and evaluating gsm8k of nova-1b next would narrow the 80 % intervals most, from 13.5 to "
        "12.9 points on average."
    )


def test_doubts_and_failures_are_told():
    failed = Check("R-hat, worst", Verdict.FAIL, 1.3, "<= 1.01", "Sample longer.")
    plan = invented_plan(doubts=["nova-1b: bbh contradicts the rest."])
    sentence = describe_trust(found_of(plan, [failed]))
    assert "passes 0 of 1 check (FAIL: R-hat, worst)" in sentence
    assert "1 observation contradicts the rest" in sentence
