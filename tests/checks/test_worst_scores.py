"""Scores of a fit that contradict the rest of it."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from skillscale.checks.worst_scores import worst_scores


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
