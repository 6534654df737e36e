r"""Doubts about what was observed: scores that contradict the rest, rows that contradict the law.

Every score is compared with what everything else leads to expect (`surprise`): first with few
draws of the law, then, where it is unlikely, with all of them. What is less likely than `LEVEL`
over the number of the model's scores is doubted, the worst first; it is left out, and the rest is
looked at again. Rows are doubted where one of the `hypotheses` of what is wrong with them makes
their scores much more likely.

A doubted score does not count in a forecast. Heavy tails bound what one wrong score of many can do,
but not what one of two does; a mixture with a component of bad scores would give the same answer
where the doubt is strong, at the price of an answer that nobody can trace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from skillscale.data.guessing import NORMALISED
from skillscale.forecasts.doubt import NEARLY_NONE, Doubt, doubt_of
from skillscale.forecasts.hypotheses import Hypothesis, hypotheses
from skillscale.forecasts.question import Question
from skillscale.forecasts.surprise import (
    ROWS,
    Mixture,
    Seen,
    conditioned,
    hidden,
    near_its_mode,
    see,
    thinned,
)
from skillscale.law.sites import Draws
from skillscale.posterior.result import Fit

LEVEL = 0.04
"""Probability that any score of a model is doubted by chance; 6 % of shipped models have one."""
ZERO_LEVEL = 0.04
"""Probability below which a score of nothing is doubted: parsers do lose all answers, one in fifty
times or so, and then this is what is found."""
SCREEN = 0.05
SCREEN_DRAWS = 125
"""Draws of the law for a first look, and the probability below which a second has all of them."""
ROW_DRAWS = 125
ROW_GAIN = 4.0
"""Log evidence that a fault of a row must gain over the row as it is given."""
ROW_ERROR = 1.5
"""Of the evidence found with few draws; what may be likelier is looked at with more."""
FEWEST = 2
"""Scores that are needed for one of them to contradict the rest."""


@dataclass(frozen=True)
class Doubts:
    """All that is doubted of what a question has observed.

    Attributes:
        scores: of single scores, the least likely first.
        rows: of whole rows.
        is_left_out: the doubted scores, in the arrays of the question.
        supposed: for every doubted row the question it would have been.
    """

    scores: tuple[Doubt, ...]
    rows: tuple[Doubt, ...]
    is_left_out: Bool[np.ndarray, "benchmark observed"]
    supposed: tuple[Question, ...]


def doubt(fit: Fit, question: Question, *, level: float = LEVEL, seed: int = 0) -> Doubts:
    """Compare every observed score with what everything else leads to expect.

    Args:
        fit: the fit that was asked.
        question: result of `ask`, with observed models.
        level: probability that any score of a model is doubted by chance.
        seed: source of randomness.

    Returns:
        Doubted scores and rows.
    """
    assert question.scores is not None
    is_left_out = np.zeros(question.scores.value.shape, bool)
    scores: list[Doubt] = []
    rows: list[Doubt] = []
    supposed: list[Question] = []
    draws = fit.draws(ROWS)
    while True:
        seen = hidden(see(fit, question, draws, seed=seed), is_left_out)
        seen = near_its_mode(seen, question.scores)
        worst = _least_likely(question, seen, level, seed)
        row = _best_hypothesis(fit, question, seen, draws, seed, {d.model for d in rows})
        if row is not None and (worst is None or row.gain > worst.gain):
            rows.append(_of_row(question, row))
            question = row.hypothesis.question
            supposed.append(question)
            if len(row.hypothesis.models) > 1:  # whose score is whose is not known then
                break
        elif worst is not None and worst.p_value < worst.level:
            is_left_out[worst.cell] = True
            scores.append(_of_score(question, worst, fit))
        else:
            break
    return Doubts(tuple(scores), tuple(rows), is_left_out, tuple(supposed))


def doubt_cells(
    fit: Fit,
    question: Question,
    cells: Bool[np.ndarray, "benchmark observed"],
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> list[Doubt]:
    """Compare some observed scores, one by one, with what all others lead to expect.

    Args:
        fit: the fit that was asked.
        question: result of `ask`, with observed models.
        cells: the scores, in the arrays of the question; none of them counts for another.
        level: probability that any score of a model is doubted by chance.
        seed: source of randomness.

    Returns:
        Those that are doubted, in the order of benchmarks, then models.
    """
    assert question.scores is not None
    seen = hidden(see(fit, question, fit.draws(ROWS), seed=seed), cells)
    seen = near_its_mode(seen, question.scores)
    each = [(int(cell[0]), int(cell[1])) for cell in np.argwhere(cells)]
    worst: dict[tuple[int, int], Suspect] = {}
    for suspect in _suspects(question, seen, each, level, len(seen.value), seed):
        known = worst.setdefault(suspect.cell, suspect)
        worst[suspect.cell] = min(known, suspect, key=lambda s: s.p_value / s.level)
    return [_of_score(question, s, fit) for s in worst.values() if s.p_value < s.level]


@dataclass(frozen=True)
class Suspect:
    """The least likely score: where it is, how likely, and what was expected."""

    cell: tuple[int, int]
    p_value: float
    level: float
    """What it would have to be below to be doubted."""
    gain: float
    """Log evidence gained were the score anything between zero and one."""
    expected: Mixture


@dataclass(frozen=True)
class Alternative:
    """The likeliest fault of a row, and the log evidence that it gains."""

    hypothesis: Hypothesis
    gain: float


def _least_likely(question: Question, seen: Seen, level: float, seed: int) -> Suspect | None:
    """The score that contradicts the others most, if it is unlikely at all."""
    cells = [(int(cell[0]), int(cell[1])) for cell in np.argwhere(seen.is_observed[0])]
    if len(cells) < FEWEST:
        return None
    first = _suspects(question, seen, cells, level, SCREEN_DRAWS, seed)
    likely = list(dict.fromkeys(s.cell for s in first if s.p_value < SCREEN))
    found = _suspects(question, seen, likely, level, len(seen.value), seed)
    return min(found, key=lambda s: s.p_value / s.level, default=None)


def _suspects(
    question: Question,
    seen: Seen,
    cells: list[tuple[int, int]],
    level: float,
    n_draws: int,
    seed: int,
) -> list[Suspect]:
    """Leave each of some scores out, and find it among what others lead to expect."""
    assert question.scores is not None
    value, is_observed = seen.value[0], seen.is_observed[0]
    views = {cell: _views(cell, is_observed) for cell in cells}
    cases = [hidden(seen, left_out) for several in views.values() for left_out in several]
    n_scores = is_observed.sum(axis=0)
    found = []
    rows = len(seen.value)
    answers = conditioned(cases, question.scores, n_draws=min(n_draws, rows), rows=rows, seed=seed)
    looked_at = [cell for cell, several in views.items() for _ in several]
    for cell, (expected, _) in zip(looked_at, answers, strict=True):
        own = expected.of(int(np.ravel_multi_index(cell, value.shape)))
        y = value[cell][None].astype(float)
        doubtful = ZERO_LEVEL if y[0] < NEARLY_NONE else level / n_scores[cell[1]]
        doubtful /= len(views[cell])
        p_value, gain = float(own.p_value(y)[0]), -float(own.log_density(y)[0])
        found.append(Suspect(cell, p_value, float(doubtful), gain, own))
    return found


def _views(
    cell: tuple[int, int], is_observed: Bool[np.ndarray, "benchmark observed"]
) -> list[Bool[np.ndarray, "benchmark observed"]]:
    """What is left out to look at a score: it alone, and all scores of its benchmark.

    Where a family was evaluated wrongly, its other scores are as wrong and would vouch for it.
    """
    only, column = np.zeros((2, *is_observed.shape), bool)
    only[cell] = True
    column[cell[0]] = is_observed[cell[0]]
    column[cell] = True
    return [only] if column.sum() == 1 else [only, column]


def _best_hypothesis(
    fit: Fit, question: Question, seen: Seen, draws: Draws, seed: int, known: set[str]
) -> Alternative | None:
    """The likeliest fault of a row that is not doubted yet, if it is likely at all."""
    subtracted = subtracted_chance(fit.table.benchmarks.loc[question.benchmarks])
    thought_of = [h for h in hypotheses(question, subtracted) if names(question, h) not in known]
    rows = len(seen.value)
    for most, least in ((ROW_DRAWS, ROW_GAIN - ROW_ERROR), (ROWS // 2, ROW_GAIN)):
        n_draws = min(most, rows)
        few = thinned(seen, n_draws)
        cases = [few, *(_supposing(h, few, fit, thinned(draws, n_draws), seed) for h in thought_of)]
        assert question.scores is not None
        answers = conditioned(cases, question.scores, n_draws=n_draws, rows=rows, seed=seed)
        (_, as_given), *others = answers
        found = [
            Alternative(h, float(evidence - as_given) + h.log_jacobian)
            for h, (_, evidence) in zip(thought_of, others, strict=True)
        ]
        best = max(found, key=lambda a: a.gain, default=None)
        if best is None or best.gain < least:
            return None
        thought_of = [best.hypothesis]
    return best


def _of_score(question: Question, suspect: Suspect, fit: Fit) -> Doubt:
    benchmark, model = suspect.cell
    assert question.scores is not None
    name, found = question.benchmarks[benchmark], float(question.scores.value[suspect.cell])
    described = fit.table.benchmarks.T[name]
    return doubt_of(
        str(question.observed.index[model]), described, found, suspect.expected, suspect.p_value
    )


def _of_row(question: Question, row: Alternative) -> Doubt:
    nan = float("nan")
    p_value = math.exp(-row.gain)
    cause = row.hypothesis.cause
    return Doubt(names(question, row.hypothesis), None, nan, nan, nan, p_value, (cause,))


def _supposing(hypothesis: Hypothesis, given: Seen, fit: Fit, draws: Draws, seed: int) -> Seen:
    """What would be seen had the row been right that way, without scores that are left out."""
    supposed = see(fit, hypothesis.question, draws, seed=seed)
    if len(hypothesis.models) == 1:
        supposed = supposed._replace(is_observed=given.is_observed)
    return supposed._replace(start=given.start)


def names(question: Question, hypothesis: Hypothesis) -> str:
    """Names of the models that a hypothesis is about."""
    return ", ".join(question.observed.index[i] for i in hypothesis.models)


def subtracted_chance(benchmarks: pd.DataFrame) -> Float[np.ndarray, " benchmark"]:
    """Score of guessing of the benchmarks from which the leaderboard subtracts it, else zero."""
    return benchmarks["chance"].where(benchmarks.index.isin(NORMALISED), 0.0).to_numpy(dtype=float)
