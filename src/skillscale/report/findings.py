"""Everything that a report of a fit says, computed: nothing of it is written yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from skillscale.checks.fit import check
from skillscale.checks.verdict import Check
from skillscale.data.plan import NEW_FAMILY
from skillscale.errors import SpecError, TableError
from skillscale.forecasts.examination import Examined, examine, silent
from skillscale.forecasts.forecast import forecast_examined
from skillscale.forecasts.influence import influences
from skillscale.forecasts.neighbours import neighbours
from skillscale.forecasts.next_evaluations import next_evaluations
from skillscale.optima.deployment import Deployment
from skillscale.optima.goal import Goal
from skillscale.optima.mixture import plain
from skillscale.optima.optimum import optimum
from skillscale.optima.regret import regret
from skillscale.posterior.method import Method
from skillscale.posterior.one_family import Production
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack

SMALLER = (0.1, 0.3)
"""Where nothing is observed: sizes to train next, over the smallest active one that is planned."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a report is asked to say.

    Attributes:
        plan: models to forecast, as in `forecast`; None for a report of the fit alone.
        observed: models with scores, likewise.
        flops: budgets whose best sizes matter; none for no optima.
        skills: skills to maximise, as in `Goal`.
        benchmarks: benchmarks to maximise.
        target: weights of benchmarks whose mean to maximise.
        deployment: tokens to serve, and limits.
        sizes: parameter counts of models that could be trained next.
        n_draws: draws of the law for the forecast.
        seed: source of randomness.
        keep_doubted: let doubted scores count.
        refit: whether, or how, to fit again where observed scores surprise it, as in `forecast`.

    Raises:
        SpecError: models are observed, and none is planned.
    """

    plan: pd.DataFrame | None = None
    observed: pd.DataFrame | None = None
    flops: Sequence[float] = ()
    skills: Sequence[str] | None = None
    benchmarks: Sequence[str] | None = None
    target: Mapping[str, float] | None = None
    deployment: Deployment = field(default_factory=Deployment)
    sizes: Sequence[float] = ()
    n_draws: int = 1000
    seed: int = 0
    keep_doubted: bool = False
    refit: Method | bool = True

    def __post_init__(self) -> None:
        if self.observed is not None and self.plan is None:
            raise SpecError(
                "observed models say nothing without a plan: name the models to forecast."
            )
        for size in self.sizes:
            if not 0 < size < math.inf:
                raise SpecError(f"sizes must be positive, found {size}.")


class Family(NamedTuple):
    """The family that a report is about: that of the planned model of most compute.

    Attributes:
        name: of the family.
        is_fitted: whether it is in the fit.
        observed: its observed models; None where there are none.
        others: other families among those planned or observed.
    """

    name: str
    is_fitted: bool
    observed: pd.DataFrame | None
    others: tuple[str, ...]

    @property
    def label(self) -> str:
        """What it is called in sentences."""
        return "the new family" if self.name == NEW_FAMILY else self.name


@dataclass(frozen=True, eq=False)
class PlanFindings:
    """What was found of a plan.

    Attributes:
        planned: planned models as they are described, indexed by name.
        forecast: result of `forecast`.
        doubted: model and benchmark of observed scores that contradict the rest.
        influence: result of `influences`.
        family: the family that the report is about.
        goal: what is maximised, of this family.
        own: its law; None where nothing is known of it.
        neighbours: result of `neighbours`, likewise.
        evaluations: result of `next_evaluations`; None where nothing is left to evaluate.
    """

    planned: pd.DataFrame
    forecast: xr.Dataset
    doubted: frozenset[tuple[str, str]]
    influence: pd.DataFrame
    family: Family
    goal: Goal
    own: Production | None
    neighbours: pd.DataFrame | None
    evaluations: pd.DataFrame | None

    @property
    def headline(self) -> str:
        """The planned model of most compute."""
        compute = self.planned["n_active_params"] * self.planned["n_tokens"].fillna(0)
        return str(compute.groupby(level=0).max().idxmax())


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found.

    Attributes:
        fit: the fit that was asked, or a stack.
        asked: what it was asked.
        checks: whether it is to be trusted.
        of_plan: what was found of the plan, if there is one.
        optimum: result of `optimum`; None where no budget is asked about.
        regret: result of `regret`, likewise.
        examined: the plan and what was observed, examined; None without a plan.
    """

    fit: Fit | Stack
    asked: Asked
    checks: Sequence[Check]
    of_plan: PlanFindings | None
    optimum: xr.Dataset | None
    regret: xr.Dataset | None
    examined: Examined | None = None

    @property
    def plain(self) -> Fit:
        """The fit, or the plain one of a stack."""
        return plain(self.fit)


@dataclass(frozen=True)
class OneFamily(Goal):
    """A goal whose family is learned once from its observed models, for all that ask.

    Attributes:
        learned: its law, by the identity of the fit.
    """

    learned: dict[int, Production] = field(default_factory=dict, compare=False)

    def production(self, fit: Fit) -> Production:
        """The law of the family, as of a `Goal`."""
        if id(fit) not in self.learned:
            self.learned[id(fit)] = super().production(fit)
        return self.learned[id(fit)]


def find(
    fit: Fit | Stack,
    asked: Asked,
    *,
    checks: Sequence[Check] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = silent,
) -> Findings:
    """Find out what a report will say.

    Args:
        fit: a fitted law, or a stack of several forms.
        asked: what to find out.
        checks: result of `check`, where it was checked before.
        on_progress: told the steps done and all steps of a fit that is repeated.
        on_note: told what is assumed, doubted, and beyond the data, a sentence each.

    Returns:
        All of it.

    Raises:
        TableError: a frame breaks its schema, or as in `forecast`.
        SpecError: a budget or goal is not to be, as in `optimum`.
        UnknownNameError: a skill or benchmark is not in the fit.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> found = find(shipped_fit(), Asked(flops=[1e24]))
        >>> found.of_plan is None, found.optimum["objective"].size
        (True, 4)
    """
    law = plain(fit)
    of_plan = best = lost = examined = None
    if asked.plan is not None:
        examined = examine(
            law,
            asked.plan,
            asked.observed,
            keep_doubted=asked.keep_doubted,
            seed=asked.seed,
            on_note=on_note,
        )
        of_plan = _of_plan(law, asked, asked.plan, examined, on_progress, on_note)
    if asked.flops:
        goal = _goal(law, asked, None) if of_plan is None else of_plan.goal
        best, lost = (verb(fit, asked.flops, goal) for verb in (optimum, regret))
    checks = check(law) if checks is None else checks
    return Findings(fit, asked, checks, of_plan, best, lost, examined)


def _of_plan(
    law: Fit,
    asked: Asked,
    plan: pd.DataFrame,
    examined: Examined,
    on_progress: Callable[[int, int], None],
    on_note: Callable[[str], None],
) -> PlanFindings:
    """Forecast a plan, and find what there is to say beside."""
    observed, seed = asked.observed, asked.seed
    given: dict[str, Any] = {
        "seed": seed,
        "keep_doubted": asked.keep_doubted,
        "n_draws": asked.n_draws,
        "examined": examined,
    }
    result = forecast_examined(
        law,
        plan,
        examined,
        n_draws=asked.n_draws,
        seed=seed,
        refit=asked.refit,
        on_progress=on_progress,
        on_note=on_note,
    )
    planned = examined.question.planned
    family = _family(law, planned, observed)
    goal = _goal(law, asked, family)
    is_known = family.is_fitted or family.observed is not None
    own = goal.production(law) if is_known else None
    sizes = list(asked.sizes)
    if observed is None and not sizes:
        sizes = [share * float(planned["n_active_params"].min()) for share in SMALLER]
    try:
        ranked = next_evaluations(law, plan, observed, sizes=sizes, refit=asked.refit, **given)
    except (SpecError, TableError):  # the plan was checked: nothing is left to evaluate
        ranked = None
    return PlanFindings(
        planned=planned,
        forecast=result,
        doubted=_doubted(examined),
        influence=influences(law, plan, observed, **given),
        family=family,
        goal=goal,
        own=own,
        neighbours=None if own is None else neighbours(law, own),
        evaluations=ranked,
    )


def _doubted(examined: Examined) -> frozenset[tuple[str, str]]:
    scores = () if examined.doubts is None else examined.doubts.scores
    return frozenset((doubt.model, str(doubt.benchmark)) for doubt in scores)


def _family(law: Fit, planned: pd.DataFrame, observed: pd.DataFrame | None) -> Family:
    """The family of the planned model of most compute, with those of its models that are known."""
    compute = planned["n_active_params"] * planned["n_tokens"].fillna(0)
    name = str(planned["family"].iloc[int(compute.argmax())])
    seen, others = None, set(planned["family"])
    if observed is not None and len(observed):
        of_row = observed.reindex(columns=["family"])["family"].astype(object).fillna(NEW_FAMILY)
        others |= set(of_row)
        own = observed[(of_row == name).to_numpy()]
        seen = own if len(own) else None
    is_fitted = name in set(law.models["family"])
    return Family(name, is_fitted, seen, tuple(sorted(others - {name})))


def _goal(law: Fit, asked: Asked, family: Family | None) -> Goal:
    """What is to be best: of exploratory skills nothing is named, so all benchmarks alike are."""
    target = asked.target
    if law.spec.exploratory and not (asked.skills or asked.benchmarks or target):
        target = dict.fromkeys(law.design.coords["benchmark"], 1.0)
    observed = None if family is None else family.observed
    is_known = family is not None and family.is_fitted and observed is None
    return OneFamily(
        skills=asked.skills,
        benchmarks=asked.benchmarks,
        target=target,
        family=family.name if family is not None and is_known else None,
        observed=observed,
        deployment=asked.deployment,
        keep_doubted=asked.keep_doubted,
    )
