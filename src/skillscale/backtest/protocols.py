"""Run a back-test: every fold, by the law and by the baselines."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeVar, cast

import joblib
import pandas as pd

from skillscale.backtest import published
from skillscale.backtest.baselines import BASELINES, make_problem
from skillscale.backtest.folds import (
    CUTS,
    KNOWN,
    Fold,
    leave_benchmarks_folds,
    setting_benchmarks,
    sloth_folds,
    time_ordered_folds,
)
from skillscale.backtest.left_out_benchmarks import N_MODELS, backtest_new_benchmarks
from skillscale.backtest.refits import METHOD, Refits, of_this_process
from skillscale.backtest.report import Report
from skillscale.backtest.scores import cells, score_draws, score_normal
from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.forecasts.prediction import Prediction, predict
from skillscale.law.spec import Spec
from skillscale.posterior.fit import Fit
from skillscale.posterior.gaussian import Svi
from skillscale.posterior.nuts import Nuts


class Protocol(StrEnum):
    """Which folds."""

    SLOTH = "sloth"
    TIME_ORDERED = "time-ordered"
    LEAVE_BENCHMARKS = "leave-benchmarks"
    NEW_BENCHMARK = "new-benchmark"


class Covariates(StrEnum):
    """Which sizes and token counts."""

    PUBLISHED = "published"
    CORRECTED = "corrected"


def backtest(
    protocol: Protocol | str,
    *,
    n_seen: int = 1,
    setting: str = "v1+v2",
    covariates: Covariates | str | None = None,
    cuts: Sequence[str] = CUTS,
    known: Sequence[int] = KNOWN,
    n_models: Sequence[int] = N_MODELS,
    table: Table | None = None,
    spec: Spec | None = None,
    method: Nuts | Svi = METHOD,
    baselines: Sequence[str] = tuple(BASELINES),
    seed: int = 0,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Forecast what is known already, from what would have been known before, and compare.

    Args:
        protocol: ``sloth``, the published comparison; ``time-ordered``, families released after a
            date by models released before it; ``leave-benchmarks``, hidden scores of a model by its
            known ones; ``new-benchmark``, a benchmark left out of the fit by a few models' scores.
        n_seen: models seen of every new family (``sloth`` and ``time-ordered``).
        setting: benchmarks of the published comparison: ``v1``, ``v2`` or ``v1+v2``.
        covariates: sizes and token counts as ``published`` with the comparison (the default for
            ``sloth``) or ``corrected`` (the default otherwise).
        cuts: first months of the test period of ``time-ordered``.
        known: numbers of known scores of ``leave-benchmarks``.
        n_models: numbers of models with a score of ``new-benchmark``.
        table: models and scores; the shipped table by default.
        spec: the configuration; the declared one by default.
        method: how every posterior is found.
        baselines: names of baselines to run (``new-benchmark`` has two of its own).
        seed: the only source of randomness.
        jobs: processes to use. Within ``joblib.parallel_config("dask")`` folds run on a cluster.
        on_progress: called with the folds done and all folds.

    Returns:
        A frozen `Report`.

    Raises:
        SkillscaleError: there is no such protocol, setting or baseline, or a cut leaves no fold.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> quick = sk.Svi(draws=200)
        >>> report = backtest(
        ...     "time-ordered",
        ...     cuts=["2024-01"],
        ...     table=table,
        ...     spec=spec,
        ...     method=quick,
        ...     baselines=["flops", "flops_family"],
        ... )
        >>> sorted(report.summary()["baselines"])
        ['flops', 'flops_family']
    """
    protocol = _member(Protocol, protocol)
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown:
        raise SkillscaleError(
            f"there is no baseline {', '.join(unknown)}: choose among {', '.join(BASELINES)}."
        )
    default = Covariates.PUBLISHED if protocol is Protocol.SLOTH else Covariates.CORRECTED
    table, covariates = _with_covariates(table, covariates or default)
    options: dict[str, object] = {"covariates": str(covariates), "seed": seed}
    if protocol is Protocol.NEW_BENCHMARK:
        report = backtest_new_benchmarks(
            table,
            spec or Spec(),
            n_models=n_models,
            method=method,
            seed=seed,
            jobs=jobs,
            on_progress=on_progress,
        )
        return dataclasses.replace(report, options=options | dict(report.options))
    benchmarks = setting_benchmarks(table, "v1+v2")
    if protocol is Protocol.SLOTH:
        study = _sloth_study(table, n_seen, setting, options)
    elif protocol is Protocol.TIME_ORDERED:
        folds = time_ordered_folds(table, n_seen, cuts)
        options |= {"n_seen": n_seen, "cuts": list(cuts)}
        study = Study(str(protocol), options, folds, benchmarks)
    else:
        folds = [fold for n in known for fold in leave_benchmarks_folds(table, n, seed)]
        options |= {"known": list(known)}
        study = Study(str(protocol), options, folds, benchmarks)
    return run_studies(
        [study],
        Refits(table, spec or Spec(), method, seed),
        baselines=baselines,
        jobs=jobs,
        on_progress=on_progress,
    )[0]


def backtest_published(
    *,
    covariates: Covariates | str | None = None,
    table: Table | None = None,
    spec: Spec | None = None,
    method: Nuts | Svi = METHOD,
    baselines: Sequence[str] = tuple(BASELINES),
    seed: int = 0,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Report]:
    """All six settings of the published comparison; settings share posteriors.

    Args and errors are those of `backtest`; reports are in the order of the published settings.
    """
    table, covariates = _with_covariates(table, covariates or Covariates.PUBLISHED)
    options = {"covariates": str(covariates), "seed": seed}
    studies = [
        _sloth_study(table, n, setting, options) for n in (1, 2) for setting in published.SETTINGS
    ]
    return run_studies(
        studies,
        Refits(table, spec or Spec(), method, seed),
        baselines=baselines,
        jobs=jobs,
        on_progress=on_progress,
    )


Kind = TypeVar("Kind", bound=StrEnum)


def _member(kind: type[Kind], name: str) -> Kind:
    if name not in list(kind):
        raise SkillscaleError(
            f"there is no {kind.__name__.lower()} {name!r}: choose among {', '.join(kind)}."
        )
    return kind(name)


def _with_covariates(table: Table | None, covariates: Covariates | str) -> tuple[Table, Covariates]:
    """The table, shipped if none is given, with the sizes and token counts asked for."""
    covariates = _member(Covariates, covariates)
    table = load_table() if table is None else table
    if covariates is Covariates.PUBLISHED:
        table = published.with_published_covariates(table)
    return table, covariates


CHUNK = 6
"""Folds of one task at most, so that processes finish together."""


class Study(NamedTuple):
    """Folds that are reported together."""

    protocol: str
    options: dict[str, object]
    folds: list[Fold]
    benchmarks: list[str]
    """What baselines are fitted to."""


def _sloth_study(table: Table, n_seen: int, setting: str, options: Mapping[str, object]) -> Study:
    return Study(
        str(Protocol.SLOTH),
        {**options, "n_seen": n_seen, "benchmarks": setting},
        sloth_folds(table, n_seen, setting),
        setting_benchmarks(table, setting),
    )


def run_studies(
    studies: Sequence[Study],
    refits: Refits,
    *,
    baselines: Sequence[str] = tuple(BASELINES),
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Report]:
    """Run the folds of several studies: those that hold the same models out share a posterior."""
    begun = time.perf_counter()
    total = sum(len(study.folds) for study in studies)
    on_progress(0, total)
    groups: dict[frozenset[str], list[tuple[int, Fold]]] = {}
    for position, study in enumerate(studies):
        for fold in study.folds:
            groups.setdefault(fold.held_out, []).append((position, fold))
    benchmarks = [study.benchmarks for study in studies]
    _ = refits.near  # found once, here, and sent along
    tasks = (
        joblib.delayed(_run_group)(refits, group[i : i + CHUNK], benchmarks, tuple(baselines))
        for group in groups.values()
        for i in range(0, len(group), CHUNK)
    )
    parts: list[pd.DataFrame] = []
    done = 0
    for part, n_folds in joblib.Parallel(jobs, return_as="generator_unordered")(tasks):
        parts.append(part)
        done += n_folds
        on_progress(done, total)
    found = pd.concat(parts).sort_values(["study", "fold", "model", "benchmark", "method"])
    seconds = time.perf_counter() - begun
    method = {"method": type(refits.method).__name__.lower(), **dataclasses.asdict(refits.method)}
    return [
        Report(
            protocol=study.protocol,
            options=study.options | method,
            cells=found[found["study"] == position].drop(columns="study").reset_index(drop=True),
            published=_published_errors(study),
            seconds=seconds,
        )
        for position, study in enumerate(studies)
    ]


def _published_errors(study: Study) -> pd.DataFrame | None:
    if study.protocol != Protocol.SLOTH:
        return None
    return published.errors(cast("int", study.options["n_seen"]), str(study.options["benchmarks"]))


@lru_cache(maxsize=1)
def _without(refits: Refits, held_out: frozenset[str]) -> Fit:
    """The posterior of the folds at hand: folds that share it follow each other."""
    return refits.without(held_out)


def _run_group(
    refits: Refits,
    folds: Sequence[tuple[int, Fold]],
    benchmarks: Sequence[list[str]],
    baselines: Sequence[str],
) -> tuple[pd.DataFrame, int]:
    """All forecasts of folds that share a posterior."""
    table = refits.table
    refits = of_this_process(refits)
    fit = _without(refits, folds[0][1].held_out)
    parts = []
    for study, fold in folds:
        rows = cells(fold, table).assign(study=study)
        parts.append(score_draws(rows, forecast_fold(fit, fold, refits)))
        names = benchmarks[study]
        problem = make_problem(fold, table, names)
        at = (
            problem.models.index.get_indexer(pd.Index(rows["model"])),
            pd.Index(names).get_indexer(pd.Index(rows["benchmark"])),
        )
        for name in baselines:
            mean, sd = BASELINES[name](problem)
            parts.append(score_normal(rows, name, mean[at], sd[at[1]]))
    return pd.concat(parts), len(folds)


def forecast_fold(fit: Fit, fold: Fold, refits: Refits) -> Prediction:
    """Forecast the models of a fold from what is seen of them, as `forecast` does."""
    plan, seen = plan_and_seen(fold, refits.table)
    return predict(
        fit,
        plan,
        seen if len(seen) else None,
        seed=refits.seed,
        refit=lambda _: refits.without(fold.held_out, fold.seen),
    )


def plan_and_seen(fold: Fold, table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The models to forecast and the observed ones, as a forecast takes them."""
    models = table.models.drop(columns="source", errors="ignore")
    plan = models.loc[fold.test.index].reset_index(names="model")
    return plan, models.loc[fold.seen.index].join(fold.seen).reset_index(names="model")
