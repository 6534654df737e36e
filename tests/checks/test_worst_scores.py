"""Scores of a fit that contradict the rest of it."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import pytest

from skillscale import fit
from skillscale.checks.worst_scores import lost_answers, worst_scores
from small import SVI


def test_a_score_that_was_altered_is_the_worst(approximate):
    design = approximate.design
    row, column = (
        design.coords["benchmark"].index("bbh"),
        design.coords["model"].index("llama-2-70b"),
    )
    score = design.observations.score.at[row, column].set(0.9)
    altered = dataclasses.replace(approximate)
    observations = design.observations._replace(score=jnp.asarray(score))
    altered.__dict__["design"] = dataclasses.replace(design, observations=observations)
    worst = worst_scores(altered)[0]
    assert (worst.model, worst.benchmark) == ("llama-2-70b", "bbh")
    assert worst.lower < worst.upper < 0.9
    assert "contradicts the rest" in str(worst)


def test_few_scores_of_a_sound_table_are_doubted(approximate):
    assert len(worst_scores(approximate)) <= 0.01 * len(approximate.table.scores)


@pytest.mark.slow
def test_a_zero_that_its_skill_follows_is_found_by_the_other_scores(table, spec):
    """GSM8K anchors reasoning: fitted, the skill of the model contradicts no score of it."""
    scores = table.scores.copy()
    is_lost = (scores["model"] == "llama-2-70b") & (scores["benchmark"] == "gsm8k")
    scores.loc[is_lost, "score"] = 0.0
    fitted = fit(dataclasses.replace(table, scores=scores), spec, method=SVI, seed=3)
    (lost,) = lost_answers(fitted)
    assert (lost.model, lost.benchmark) == ("llama-2-70b", "gsm8k")
    assert lost.causes[0].startswith("the answer parser")
    assert lost.upper > 0.3
    assert lost in worst_scores(fitted)


def test_no_answer_of_a_weak_model_is_lost(approximate):
    assert (approximate.table.scores["score"] < 0.005).any()
    assert lost_answers(approximate) == []
