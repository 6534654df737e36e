"""Run a back-test: every fold, by the law and by the baselines."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache

import joblib
import pandas as pd

from skillscale.backtest import published
from skillscale.backtest.baselines import BASELINES, make_problem
from skillscale.backtest.folds import (
    CUTS,
    KNOWN,
    Fold,
    held_out_sets,
    leave_benchmarks_folds,
    setting_benchmarks,
    sloth_folds,
    time_ordered_folds,
)
from skillscale.backtest.refits import METHOD, Refits
from skillscale.backtest.report import Report
from skillscale.backtest.scores import cells, score_draws, score_normal
from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.fitting import Fit
from skillscale.forecasting import Prediction, predict
from skillscale.inference.gaussian import Gaussian, Svi
from skillscale.inference.nuts import Nuts
from skillscale.spec import Spec


class Protocol(StrEnum):
    """Which folds."""

    SLOTH = "sloth"
    TIME_ORDERED = "time-ordered"
    LEAVE_BENCHMARKS = "leave-benchmarks"


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
            known ones.
        n_seen: models seen of every new family (not for ``leave-benchmarks``).
        setting: benchmarks of the published comparison: ``v1``, ``v2`` or ``v1+v2``.
        covariates: sizes and token counts as ``published`` with the comparison (the default for
            ``sloth``) or ``corrected`` (the default otherwise).
        cuts: first months of the test period of ``time-ordered``.
        known: numbers of known scores of ``leave-benchmarks``.
        table: models and scores; the shipped table by default.
        spec: the configuration; the declared one by default.
        method: how every posterior is found.
        baselines: names of baselines to run.
        seed: the only source of randomness.
        jobs: processes to use. Within ``joblib.parallel_config("dask")`` folds run on a cluster.
        on_progress: called with the folds done and all folds.

    Returns:
        A frozen `Report`.

    Raises:
        SkillscaleError: there is no such protocol, setting or baseline, or a cut leaves no fold.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table().select(benchmarks=["mmlu", "gsm8k"])
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> quick = sk.Svi(draws=100, newton_steps=4)
        >>> report = backtest(
        ...     "time-ordered", cuts=["2024-05"], table=table, spec=spec, method=quick
        ... )
        >>> sorted(report.summary()["baselines"])[:2]
        ['flops', 'flops_family']
    """
    begun = time.perf_counter()
    try:
        protocol = Protocol(protocol)
    except ValueError as error:
        raise SkillscaleError(
            f"there is no protocol {protocol!r}: choose among {', '.join(Protocol)}."
        ) from error
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown:
        raise SkillscaleError(
            f"there is no baseline {', '.join(unknown)}: choose among {', '.join(BASELINES)}."
        )
    default = Covariates.PUBLISHED if protocol is Protocol.SLOTH else Covariates.CORRECTED
    covariates = Covariates(covariates or default)
    table = load_table() if table is None else table
    if covariates is Covariates.PUBLISHED:
        table = published.with_published_covariates(table)
    spec = Spec() if spec is None else spec
    options: dict[str, object] = {"covariates": str(covariates), "seed": seed}
    benchmarks = setting_benchmarks(table, "v1+v2")
    if protocol is Protocol.SLOTH:
        folds = sloth_folds(table, n_seen, setting)
        options |= {"n_seen": n_seen, "benchmarks": setting}
        benchmarks = setting_benchmarks(table, setting)
    elif protocol is Protocol.TIME_ORDERED:
        folds = time_ordered_folds(table, n_seen, cuts)
        options |= {"n_seen": n_seen, "cuts": list(cuts)}
    else:
        folds = [fold for n in known for fold in leave_benchmarks_folds(table, n, seed)]
        options |= {"known": list(known)}

    refits = Refits(table, spec, method, seed)
    on_progress(0, len(folds))
    groups = list(held_out_sets(folds).values())
    tasks = (
        joblib.delayed(_run_group)(
            table, spec, method, seed, refits.near, group, benchmarks, tuple(baselines)
        )
        for group in groups
    )
    parts, done = [], 0
    for part, n_folds in joblib.Parallel(jobs, return_as="generator_unordered")(tasks):
        parts.append(part)
        done += n_folds
        on_progress(done, len(folds))
    found = pd.concat(parts).sort_values(["fold", "model", "benchmark", "method"])
    errors = published.errors(n_seen, setting) if protocol is Protocol.SLOTH else None
    return Report(
        protocol=str(protocol),
        options=options | {"method": type(method).__name__.lower()} | dataclasses.asdict(method),
        cells=found.reset_index(drop=True),
        published=errors,
        seconds=time.perf_counter() - begun,
    )


def _run_group(
    table: Table,
    spec: Spec,
    method: Nuts | Svi,
    seed: int,
    near: Gaussian,
    folds: Sequence[Fold],
    benchmarks: list[str],
    baselines: Sequence[str],
) -> tuple[pd.DataFrame, int]:
    """All forecasts of folds that share a posterior."""
    refits = _refits(_Key((table, spec, method, seed), (table.hash, spec, method, seed)))
    refits.__dict__["near"] = near
    fit = refits.without(folds[0].held_out)
    parts = []
    for fold in folds:
        rows = cells(fold, table)
        parts.append(score_draws(rows, forecast_fold(fit, fold, table, seed)))
        problem = make_problem(fold, table, benchmarks)
        at = (
            problem.models.index.get_indexer(pd.Index(rows["model"])),
            pd.Index(benchmarks).get_indexer(pd.Index(rows["benchmark"])),
        )
        for name in baselines:
            mean, sd = BASELINES[name](problem)
            parts.append(score_normal(rows, name, mean[at], sd[at[1]]))
    return pd.concat(parts), len(folds)


def forecast_fold(fit: Fit, fold: Fold, table: Table, seed: int) -> Prediction:
    """Forecast the models of a fold from what is seen of them."""
    models = table.models.drop(columns="source", errors="ignore")
    seen = models.loc[fold.seen.index].join(fold.seen).reset_index(names="model")
    plan = models.loc[fold.test.index].reset_index(names="model")
    return predict(fit, plan, seen if len(seen) else None, seed=seed)


class _Key:
    """Arguments of a cached call, told apart by something that hashes."""

    def __init__(self, arguments: tuple, identity: tuple):
        self.arguments = arguments
        self.identity = identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.identity == other.identity


@lru_cache(maxsize=1)
def _refits(key: _Key) -> Refits:
    """One per process, so that its programs are compiled once."""
    return Refits(*key.arguments)
