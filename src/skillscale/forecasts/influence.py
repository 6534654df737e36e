"""Why a forecast is what it is: how it changes as each observed score or relative is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from jaxtyping import Bool

from skillscale.errors import SpecError
from skillscale.forecasts.changes import Medians, medians
from skillscale.forecasts.examination import Examined, examine, without
from skillscale.forecasts.question import DESCRIBED, Question, ask
from skillscale.posterior.result import Fit
from skillscale.posterior.subset import without_models

N_DRAWS = 1000
"""Draws of the law for every answer: the same ones each time, so that differences are of what was
left out."""
MOST_SCORES = 16
"""Observed scores that are left out one by one; of more, all those of a benchmark or of a model."""
MOST_RELATIVES = 8
"""Relatives that are left out one by one; of more, all those of a family."""


class Kind(StrEnum):
    """What is left out."""

    SCORES = "all observed scores"
    SCORE = "score"
    BENCHMARK = "benchmark"
    MODEL = "observed model"
    RELATIVES = "all relatives"
    RELATIVE = "relative"
    FAMILY = "family of relatives"


@dataclass(frozen=True)
class Part:
    """Something that a forecast rests on.

    Attributes:
        kind: what it is.
        name: of the score's benchmark and model, the model, or the family.
        hidden: which observed scores are left out with it.
        models: which fitted models are.
    """

    kind: Kind
    name: str
    hidden: Bool[np.ndarray, "benchmark observed"] | None = None
    models: tuple[str, ...] = ()


def influences(
    fit: Fit,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    keep_doubted: bool = False,
    examined: Examined | None = None,
) -> pd.DataFrame:
    """Leave out every observed score and every relative, and forecast again.

    The law stays as it was fitted: what is left out is what it is told of the family and of its
    lineage. Many scores or relatives are left out together (see `MOST_SCORES`).

    Args:
        fit: a fitted law.
        plan: models to forecast, as in `forecast`.
        observed: models with scores, likewise.
        n_draws: draws of the law to use.
        seed: source of randomness.
        keep_doubted: let doubted scores count, as in `forecast`; else they are no part of it.
        examined: all of this, where it was examined before.

    Returns:
        One row per part, of each kind those that move the forecast most first: ``kind`` (see
        `Kind`) and ``name``; ``change``, by how much it raises the medians on average over what is
        planned (a fraction), ``size``, the same without signs; and the planned score that it moves
        most, ``model`` and ``benchmark``, with the median ``median_with`` and ``median_without``.
        No rows where there are neither scores nor relatives, and none for relatives without
        which a skill's anchor would have no scores.

    Raises:
        TableError: as in `forecast`.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> model = {"n_params": [1e9], "n_tokens": [2e12], "release": ["2024-07"]}
        >>> observed = pd.DataFrame({"model": ["a-1b"], **model, "mmlu": [0.4], "gsm8k": [0.1]})
        >>> plan = pd.DataFrame({"model": ["a-8b"], "n_params": [8e9], "n_tokens": [2e12]})
        >>> list(influences(shipped_fit(), plan, observed, n_draws=100)["kind"])
        ['all observed scores', 'score', 'score']
    """
    if examined is None:
        examined = examine(fit, plan, observed, keep_doubted=keep_doubted, seed=seed)
    question, seen = examined.question, examined.observed
    before = medians(fit, question, n_draws, seed)
    planned, known = question.planned.reset_index(names="model"), None
    if seen is not None:  # as they are described by the whole fit, relatives or not
        known = seen.assign(**question.observed[DESCRIBED].reset_index(drop=True))
    rows = []
    for part in _parts(fit, question):
        asked, of = question, fit
        if part.models:
            try:
                of = without_models(fit, part.models)
            except SpecError:
                continue
            asked = ask(of, planned, known)
        elif part.hidden is not None:
            asked = without(question, part.hidden)
        rows.append(_row(part, question, before, medians(of, asked, n_draws, seed)))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    place = {kind: i for i, kind in enumerate(Kind)}
    order = frame.assign(place=frame["kind"].map(place), least=-frame["size"])
    return frame.loc[order.sort_values(["place", "least"], kind="stable").index].reset_index(
        drop=True
    )


COLUMNS = ["kind", "name", "change", "size", "model", "benchmark", "median_with", "median_without"]


def _parts(fit: Fit, question: Question) -> Iterator[Part]:
    yield from _observed_parts(question)
    relatives = fit.models.iloc[question.relatives]
    if len(relatives) > 1:
        yield Part(Kind.RELATIVES, "", models=tuple(relatives.index))
    if len(relatives) <= MOST_RELATIVES:
        for name in relatives.index:
            yield Part(Kind.RELATIVE, str(name), models=(str(name),))
    else:
        for family, own in relatives.groupby("family", sort=False):
            yield Part(Kind.FAMILY, str(family), models=tuple(own.index))


def _observed_parts(question: Question) -> Iterator[Part]:
    if question.scores is None:
        return
    is_observed = np.asarray(question.scores.is_observed)
    cells = np.argwhere(is_observed)
    models = question.observed.index
    if len(cells) > 1:
        yield Part(Kind.SCORES, "", is_observed)
    if len(cells) <= MOST_SCORES:
        for row, column in cells:
            name = f"{question.benchmarks[row]} of {models[column]}"
            yield Part(Kind.SCORE, name, _only(is_observed, row, column))
        return
    for row in np.unique(cells[:, 0]):
        yield Part(Kind.BENCHMARK, question.benchmarks[row], _only(is_observed, row, slice(None)))
    for column in np.unique(cells[:, 1]) if len(models) > 1 else ():
        yield Part(Kind.MODEL, str(models[column]), _only(is_observed, slice(None), column))


def _only(
    is_observed: Bool[np.ndarray, "benchmark observed"], row: int | slice, column: int | slice
) -> Bool[np.ndarray, "benchmark observed"]:
    chosen = np.zeros_like(is_observed)
    chosen[row, column] = is_observed[row, column]
    return chosen


def _row(part: Part, question: Question, before: Medians, after: Medians) -> dict[str, object]:
    moved = before - after
    benchmark, model = np.unravel_index(np.abs(moved).argmax(), moved.shape)
    return {
        "kind": str(part.kind),
        "name": part.name,
        "change": float(moved.mean()),
        "size": float(np.abs(moved).mean()),
        "model": str(question.planned.index[model]),
        "benchmark": question.benchmarks[benchmark],
        "median_with": float(before[benchmark, model]),
        "median_without": float(after[benchmark, model]),
    }
