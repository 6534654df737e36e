r"""What may be wrong with the row of an observed model, each as the question it would have been.

A hypothesis is as likely as its evidence says: the probability of all observed scores had the row
been right that way, over that of the row as it is given. Sizes may have been counted otherwise,
tuning mistaken, the scores of two models exchanged, chance subtracted from scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from skillscale.data.guessing import raw_score
from skillscale.forecasts.question import Question
from skillscale.formatting import format_count
from skillscale.law.design import with_other_tuning

SIZE_FACTORS = (0.25, 0.5, 2.0, 4.0)
"""Of the size that was given: a count of packed weights is an eighth to a half of the true one."""
FAR = 4.0
"""Ratio of the sizes of two models whose scores may be thought exchanged."""


class Hypothesis(NamedTuple):
    """What a row might have been.

    Attributes:
        models: positions of the observed models it is about.
        cause: what would have been wrong.
        question: the same question, had it been right that way.
        log_jacobian: by how much log densities of the scores differ because these are transformed.
    """

    models: tuple[int, ...]
    cause: str
    question: Question
    log_jacobian: float = 0.0


def hypotheses(
    question: Question, subtracted: Float[np.ndarray, " benchmark"]
) -> Iterator[Hypothesis]:
    """What may be wrong with the rows of a question.

    Args:
        question: result of `ask`, with observed models.
        subtracted: score of guessing of the benchmarks from which leaderboards subtract it, zero
            for others.

    Yields:
        One question for every fault of a row that is thought of.
    """
    models = question.observed
    sizes = models["n_active_params"].to_numpy()
    for i, tuning in enumerate(models["tuning"]):
        for factor in SIZE_FACTORS:
            true = format_count(sizes[i] * factor)
            cause = f"the number of parameters, if it is {true} (packed weights? active for total?)"
            yield Hypothesis((i,), cause, resized(question, i, factor))
        other = "instruct" if tuning == "base" else "base"
        yield Hypothesis(
            (i,), f"tuning, if this is a model of {other} tuning", retuned(question, i)
        )
        yield from raised(question, i, subtracted)
        for j in range(i):
            if abs(np.log(sizes[i] / sizes[j])) >= np.log(FAR) - 1e-9:
                cause = "scores of two models, if they were exchanged"
                yield Hypothesis((j, i), cause, exchanged(question, j, i))


def resized(question: Question, model: int, factor: float) -> Question:
    """The same question, an observed model being larger by a factor."""
    log_params = np.array(question.inputs.log_params, float)
    log_params[model] += np.log(factor)
    of_fitted = np.asarray(question.relatives_inputs.log_params, float)
    among, known = question.among_new, question.with_fitted
    return dataclasses.replace(
        question,
        inputs=question.inputs._replace(log_params=jax.device_put(log_params.astype(np.float32))),
        among_new=among._replace(same_slope=among.same_family * np.outer(log_params, log_params)),
        with_fitted=known._replace(same_slope=known.same_family * np.outer(log_params, of_fitted)),
    )


def retuned(question: Question, model: int) -> Question:
    """The same question, an observed model being of the other tuning."""
    covariates = np.array(question.inputs.covariates)
    covariates[model] = with_other_tuning(covariates[model])
    among, known = question.among_new, question.with_fitted
    branch, with_known = among.same_branch.copy(), known.same_branch.copy()
    branch[model] = among.same_lineage[model] - branch[model]
    branch[model, model] = 1
    branch[:, model] = branch[model]
    with_known[model] = known.same_lineage[model] - with_known[model]
    return dataclasses.replace(
        question,
        inputs=question.inputs._replace(covariates=jax.device_put(covariates)),
        among_new=among._replace(same_branch=branch),
        with_fitted=known._replace(same_branch=with_known),
    )


def exchanged(question: Question, one: int, other: int) -> Question:
    """The same question, two observed models having each other's scores."""
    scores = question.scores
    assert scores is not None
    order = np.arange(scores.value.shape[1])
    order[[one, other]] = other, one
    value, is_observed = (jax.device_put(np.asarray(part)[:, order]) for part in scores[:2])
    swapped = scores._replace(value=value, is_observed=is_observed)
    return dataclasses.replace(question, scores=swapped)


def raised(
    question: Question, model: int, subtracted: Float[np.ndarray, " benchmark"]
) -> Iterator[Hypothesis]:
    """The same question, scores of an observed model being shares of what is above guessing."""
    scores = question.scores
    assert scores is not None
    value = np.array(scores.value)
    is_changed = np.asarray(scores.is_observed)[:, model] & (subtracted > 0)
    if is_changed.any():
        chance = subtracted[is_changed]
        value[is_changed, model] = raw_score(value[is_changed, model], chance)
        raw = dataclasses.replace(question, scores=scores._replace(value=jax.device_put(value)))
        cause = "the scale of its scores, if chance was subtracted from them (use --normalised)"
        yield Hypothesis((model,), cause, raw, float(np.log(1 - chance).sum()))
