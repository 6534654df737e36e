"""Run the folds of back-tests: those that hold the same models out share a posterior."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, cast

import pandas as pd

from skillscale.backtest import published
from skillscale.backtest.baselines import BASELINES
from skillscale.backtest.folds import Fold
from skillscale.backtest.frozen import planned_forecasts
from skillscale.backtest.joint import independent, joint_scores
from skillscale.backtest.problem import make_problem
from skillscale.backtest.refits import Refits
from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS, cells, positions, score_draws, score_normal
from skillscale.backtest.workers import spread
from skillscale.data.table import Table
from skillscale.forecasts.prediction import Prediction, predict
from skillscale.forecasts.question import ask
from skillscale.posterior.fit import provenance_of
from skillscale.posterior.method import name_and_options
from skillscale.posterior.result import Fit


class Protocol(StrEnum):
    """Which folds."""

    SLOTH = "sloth"
    TIME_ORDERED = "time-ordered"
    LEAVE_BENCHMARKS = "leave-benchmarks"
    NEW_BENCHMARK = "new-benchmark"
    TUNED_HELD_OUT = "tuned-held-out"
    NEW_DEVELOPER = "new-developer"


CHUNK = 6
"""Folds of one task at most, so that processes finish together."""


class Study(NamedTuple):
    """Folds that are reported together."""

    protocol: str
    options: dict[str, object]
    folds: list[Fold]
    benchmarks: list[str]
    """What baselines are fitted to."""


def run_studies(
    studies: Sequence[Study],
    refits: Refits,
    *,
    baselines: Sequence[str] = tuple(BASELINES),
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Report]:
    """Run the folds of several studies: those that hold the same models out share a posterior.

    Args:
        studies: folds that are reported together.
        refits: fits of the table that the folds are of.
        baselines: names of baselines to run.
        jobs: processes to use. Within ``joblib.parallel_config("dask")`` folds run on a cluster.
        on_progress: called with the folds done and all folds.

    Returns:
        A frozen `Report` per study, in the same order.

    Raises:
        SpecError: the specification does not fit the table, or an anchor is left without scores.
        UnknownNameError: a benchmark of the specification is not in the table.
    """
    begun = time.perf_counter()
    total = sum(len(study.folds) for study in studies)
    on_progress(0, total)
    groups: dict[frozenset[str], list[tuple[int, Fold]]] = {}
    for position, study in enumerate(studies):
        for fold in study.folds:
            groups.setdefault(fold.held_out, []).append((position, fold))
    benchmarks = [study.benchmarks for study in studies]
    tasks = (
        (refits, group[i : i + CHUNK], benchmarks, tuple(baselines))
        for group in groups.values()
        for i in range(0, len(group), CHUNK)
    )
    parts: list[Judged] = []
    done = 0
    for part, n_folds in spread(_run_group, tasks, jobs):
        parts.append(part)
        done += n_folds
        on_progress(done, total)
    found = pd.concat([part.cells for part in parts])
    found = found.sort_values(["study", "fold", "model", "benchmark", "method"])
    joint = pd.concat([part.joint for part in parts])
    joint = joint.sort_values(["study", "fold", "model", "other", "method"])
    planned = pd.concat([part.planned for part in parts])
    planned = planned.sort_values(["study", "fold", "model", "benchmark"])
    seconds = time.perf_counter() - begun
    provenance = provenance_of(refits.method, refits.seed, refits.table)
    provenance = {"spec": refits.spec.to_dict(), **provenance}
    name, method_options = name_and_options(refits.method)
    return [
        Report(
            protocol=study.protocol,
            options={**study.options, "method": name, **method_options},
            cells=_of_study(found, position),
            published=_published_errors(study),
            seconds=seconds,
            joint=_of_study(joint, position),
            planned=_of_study(planned, position),
            provenance=provenance,
        )
        for position, study in enumerate(studies)
    ]


class Judged(NamedTuple):
    """Forecasts of folds, one by one and together, and those of all that was planned."""

    cells: pd.DataFrame
    joint: pd.DataFrame
    planned: pd.DataFrame


def _of_study(rows: pd.DataFrame, position: int) -> pd.DataFrame:
    return rows[rows["study"] == position].drop(columns="study").reset_index(drop=True)


def _published_errors(study: Study) -> pd.DataFrame | None:
    if study.protocol != Protocol.SLOTH:
        return None
    return published.errors(cast("int", study.options["n_seen"]), str(study.options["benchmarks"]))


def _run_group(
    refits: Refits,
    folds: Sequence[tuple[int, Fold]],
    benchmarks: Sequence[list[str]],
    baselines: Sequence[str],
) -> tuple[Judged, int]:
    """All forecasts of folds that share a posterior."""
    table = refits.table
    fit = refits.without_again(folds[0][1].held_out)
    parts, joint, planned = [], [], []
    for study, fold in folds:
        rows = cells(fold, table).assign(study=study)
        prediction = forecast_fold(fit, fold, refits)
        parts.append(score_draws(rows, prediction))
        draws = prediction.score[:, *positions(rows, prediction)]
        joint.append(joint_scores(rows, draws, OURS).assign(study=study))
        planned.append(planned_forecasts(fold, prediction).assign(study=study))
        names = benchmarks[study]
        problem = make_problem(fold, table, names)
        at = (
            problem.models.index.get_indexer(pd.Index(rows["model"])),
            pd.Index(names).get_indexer(pd.Index(rows["benchmark"])),
        )
        for name in baselines:
            law = BASELINES[name](problem)
            mean, sd = law.mean[at], law.sd[at[1]]
            parts.append(score_normal(rows, name, mean, sd))
            draws = independent(mean, sd, refits.seed)
            joint.append(joint_scores(rows, draws, name).assign(study=study))
    return Judged(*map(pd.concat, (parts, joint, planned))), len(folds)


def forecast_fold(fit: Fit, fold: Fold, refits: Refits) -> Prediction:
    """Forecast the models of a fold from what is seen of them, as `forecast` does.

    Args:
        fit: a fit without the models that the fold holds out.
        fold: what is seen and what is to be forecast.
        refits: fits of the table that the fold is of, for where the draws of the law don't stretch
            to what is seen.

    Returns:
        Draws of the scores of the models to forecast, fractions.

    Raises:
        TableError: the fold has no model to forecast, or one of those seen is in the fit.
    """
    plan, seen = plan_and_seen(fold, refits.table)
    return predict(
        fit,
        ask(fit, plan, seen if len(seen) else None),
        seed=refits.seed,
        refit=lambda _: refits.without(fold.held_out, fold.seen),
    )


def plan_and_seen(fold: Fold, table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The models to forecast and the observed ones, as a forecast takes them.

    Args:
        fold: what is seen and what is to be forecast.
        table: all models.

    Returns:
        A plan, and the models seen with a column of scores per benchmark, fractions.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.folds import sloth_folds
        >>> table = load_table("classic")
        >>> plan, seen = plan_and_seen(sloth_folds(table, 1, "v1")[0], table)
        >>> plan["model"].tolist(), seen[["model", "mmlu"]].to_numpy().tolist()
        (['bloom-1b1', 'bloom-3b', 'bloom-7b1', 'bloom'], [['bloom-560m', 0.2422]])
    """
    models = table.models.drop(columns="source", errors="ignore")
    plan = models.loc[fold.test.index].reset_index(names="model")
    return plan, models.loc[fold.seen.index].join(fold.seen).reset_index(names="model")
