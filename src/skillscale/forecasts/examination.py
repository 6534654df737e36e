"""What users bring, examined before it is answered: checked, completed aloud, and doubted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skillscale.data.problems import frame_problems
from skillscale.data.schema import observed_schema, plan_schema
from skillscale.errors import TableError
from skillscale.forecasts.assumptions import assumptions
from skillscale.forecasts.distance import outside
from skillscale.forecasts.doubts import Doubts, doubt
from skillscale.forecasts.question import Question, ask
from skillscale.posterior.result import Fit

SAID = ("assumed", "outside", "doubts")
"""Attributes of results that hold what there is to say."""


def silent(sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, eq=False)
class Examined:
    """A question, and what there is to say of it before it is answered.

    Attributes:
        asked: the question as it was asked.
        question: what is answered, without doubted scores.
        observed: the observed models, likewise; None where there are none.
        assumed: sentences about what was not said.
        outside: by observed or planned model, in which respects it lies outside those of the fit.
        doubts: what is doubted of the observed models.
    """

    asked: Question
    question: Question
    observed: pd.DataFrame | None
    assumed: tuple[str, ...]
    outside: dict[str, str]
    doubts: Doubts | None

    @property
    def attrs(self) -> dict[str, list[str]]:
        """All that is to be said, for the attributes of a result."""
        doubts = [] if self.doubts is None else [*self.doubts.rows, *self.doubts.scores]
        return {
            "assumed": list(self.assumed),
            "outside": [f"{model}: {how}" for model, how in self.outside.items()],
            "doubts": [str(found) for found in doubts],
        }


def examine(
    fit: Fit,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    keep_doubted: bool = False,
    seed: int = 0,
    on_note: Callable[[str], None] = silent,
) -> Examined:
    """Check what is asked, say what is assumed, and leave out scores that are doubted.

    Args:
        fit: the fit that is asked.
        plan: models to forecast, as in `forecast`.
        observed: models with scores, likewise.
        keep_doubted: let doubted scores count all the same.
        seed: source of randomness.
        on_note: told every sentence as soon as it is known.

    Returns:
        The question with all there is to say of it.

    Raises:
        TableError: the frames hold problems; the error lists all of them. Or a model is so far
            outside the fit that a forecast has no meaning.
    """
    require_frames(fit, plan, observed)
    assumed = assumptions(fit, plan, observed)
    for sentence in assumed:
        on_note(f"Assumed: {sentence}")
    question = ask(fit, plan, observed)
    far = outside(fit, question.observed, is_plan=False) | outside(fit, question.planned)
    for model, how in far.items():
        on_note(f"Beyond the data: {model} has {how}.")
    if question.scores is None or observed is None:
        return Examined(question, question, observed, tuple(assumed), far, None)
    doubts = doubt(fit, question, seed=seed)
    for found in (*doubts.rows, *doubts.scores):
        on_note(f"Doubt: {found}")
    if doubts.is_left_out.any() and not keep_doubted:
        on_note("Doubted scores are left out of the forecast (--keep-doubted keeps them).")
        kept = without(question, doubts.is_left_out)
        observed = blanked(observed, doubts)
        return Examined(question, kept, observed, tuple(assumed), far, doubts)
    return Examined(question, question, observed, tuple(assumed), far, doubts)


def require_frames(fit: Fit, plan: pd.DataFrame | None, observed: pd.DataFrame | None) -> None:
    """Check frames of models as files of them are checked.

    Args:
        fit: the fit that is asked.
        plan: models to forecast, if there are any.
        observed: models with scores, likewise.

    Raises:
        TableError: the frames hold problems; the error lists all of them.
    """
    problems = []
    if plan is not None:
        problems += frame_problems("plan", plan, plan_schema(needs_tokens=False))
        if plan.empty:
            problems = ["plan: there are no rows. Name at least one model to forecast."]
    if observed is not None:
        schema = observed_schema(fit.table.benchmarks, needs_scores=False)
        problems += frame_problems("observed", observed, schema)
    if problems:
        raise TableError(problems)


def without(question: Question, cells: np.ndarray) -> Question:
    """The same question, some of its scores not being observed."""
    scores = question.scores
    assert scores is not None
    kept = scores._replace(is_observed=scores.is_observed & ~cells)
    return dataclasses.replace(question, scores=kept)


def blanked(observed: pd.DataFrame, doubts: Doubts) -> pd.DataFrame:
    """Observed models without their doubted scores."""
    rest = observed.copy()
    for found in doubts.scores:
        rest.loc[rest["model"] == found.model, found.benchmark] = np.nan
    return rest
