"""Run a back-test: every fold, by the law and by the baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

from skillscale.backtest import published
from skillscale.backtest.baselines import BASELINES
from skillscale.backtest.folds import (
    CUTS,
    KNOWN,
    asked_until,
    leave_benchmarks_folds,
    setting_benchmarks,
    sloth_folds,
    time_ordered_folds,
)
from skillscale.backtest.held_out import new_developer_folds, tuned_held_out_folds
from skillscale.backtest.left_out_benchmarks import N_MODELS, backtest_new_benchmarks
from skillscale.backtest.refits import METHOD, Refits
from skillscale.backtest.report import Report
from skillscale.backtest.studies import Protocol, Study, run_studies
from skillscale.data.shipped import CLASSIC
from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.law.spec import Spec
from skillscale.posterior.method import Method


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
    until: str | None = None,
    known: Sequence[int] = KNOWN,
    n_models: Sequence[int] = N_MODELS,
    table: Table | None = None,
    spec: Spec | None = None,
    method: Method = METHOD,
    baselines: Sequence[str] = tuple(BASELINES),
    seed: int = 0,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Forecast what is known already, from what would have been known before, and compare.

    Args:
        protocol: ``sloth``, the published comparison; ``time-ordered``, families released after a
            date by models released before it; ``leave-benchmarks``, hidden scores of a model by its
            known ones; ``new-benchmark``, a benchmark left out of the fit by a few models' scores;
            ``tuned-held-out``, tuned families by the base models of their lineage;
            ``new-developer``, lineages with their developer known, and with it new.
        n_seen: smallest models seen of every family asked about (all protocols but those of
            benchmarks).
        setting: benchmarks of the published comparison: ``v1``, ``v2`` or ``v1+v2``.
        covariates: sizes, token counts and scores as ``published`` with the comparison (the default
            for ``sloth``) or ``corrected`` (the default otherwise).
        cuts: first months of the test period of ``time-ordered``.
        until: if given, only families released before this month are asked about, as ``2024-09``
            (all protocols but ``sloth`` and ``new-benchmark``).
        known: numbers of known scores of ``leave-benchmarks``.
        n_models: numbers of models with a score of ``new-benchmark``.
        table: models and scores; the classic table by default.
        spec: the configuration; the declared one by default.
        method: how every posterior is found.
        baselines: names of baselines to run (``new-benchmark`` has two of its own).
        seed: the only source of randomness.
        jobs: processes to use. Within ``joblib.parallel_config("dask")`` folds run on a cluster.
        on_progress: called with the folds done and all folds.

    Returns:
        A frozen `Report`.

    Raises:
        SkillscaleError: there is no such protocol, setting, baseline or kind of covariates; a month
            is none; or the table lacks what folds need: families, new ones after a cut, scores,
            developers, or anchors to replace those left out.
        SpecError: the specification does not fit the table, or an anchor is left without scores.
        TableError: ``new-benchmark`` is to show fewer than five models.
        UnknownNameError: a benchmark of the specification is not in the table.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
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
    if until is not None and protocol in (Protocol.SLOTH, Protocol.NEW_BENCHMARK):
        raise SkillscaleError(f"until can't be given with {protocol}: leave it out.")
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
    study = make_study(
        protocol,
        table,
        n_seen=n_seen,
        setting=setting,
        cuts=cuts,
        until=until,
        known=known,
        seed=seed,
    )
    return run_studies(
        [study._replace(options=options | study.options)],
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
    method: Method = METHOD,
    baselines: Sequence[str] = tuple(BASELINES),
    seed: int = 0,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Report]:
    """All six settings of the published comparison (arXiv:2412.06540); settings share posteriors.

    Args:
        covariates: sizes, token counts and scores as ``published`` with the comparison (the
            default) or ``corrected``.
        table: models and scores; the classic table by default.
        spec: the configuration; the declared one by default.
        method: how every posterior is found.
        baselines: names of baselines to run.
        seed: the only source of randomness.
        jobs: processes to use, as in `backtest`.
        on_progress: called with the folds done and all folds.

    Returns:
        A frozen `Report` per setting: ``v1``, ``v2`` and ``v1+v2`` with one model seen of a family,
        then with two. `skillscale.backtest.settings.pooled` sums them up.

    Raises:
        SkillscaleError: there is no such kind of covariates, or the table lacks families of the
            comparison.
        SpecError: the specification does not fit the table, or an anchor is left without scores.
        UnknownNameError: a benchmark of the specification is not in the table.
    """
    table, covariates = _with_covariates(table, covariates or Covariates.PUBLISHED)
    options = {"covariates": str(covariates), "seed": seed}
    each = (
        make_study(Protocol.SLOTH, table, n_seen=n, setting=setting)
        for n in (1, 2)
        for setting in published.SETTINGS
    )
    studies = [study._replace(options=options | study.options) for study in each]
    return run_studies(
        studies,
        Refits(table, spec or Spec(), method, seed),
        baselines=baselines,
        jobs=jobs,
        on_progress=on_progress,
    )


def make_study(
    protocol: Protocol | str,
    table: Table,
    *,
    n_seen: int = 1,
    setting: str = "v1+v2",
    cuts: Sequence[str] = CUTS,
    until: str | None = None,
    known: Sequence[int] = KNOWN,
    seed: int = 0,
) -> Study:
    """The folds of a protocol, but for ``new-benchmark``, which has none of this kind.

    Args:
        protocol: as in `backtest`.
        table: models and scores.
        n_seen: smallest models seen of every family asked about.
        setting: benchmarks of the published comparison.
        cuts: first months of the test period of ``time-ordered``.
        until: as in `backtest`.
        known: numbers of known scores of ``leave-benchmarks``.
        seed: source of randomness of what is known, and of what is held out together.

    Returns:
        Folds, with the options that they come from and the benchmarks of baselines.

    Raises:
        SkillscaleError: there is no such protocol or setting, or no fold.

    Example:
        >>> len(make_study("sloth", load_table("classic"), setting="v1").folds)
        19
    """
    protocol = _member(Protocol, protocol)
    options: dict[str, object] = {"n_seen": n_seen}
    if protocol is Protocol.SLOTH:
        folds = sloth_folds(table, n_seen, setting)
        options |= {"benchmarks": setting}
    elif protocol is Protocol.TIME_ORDERED:
        folds = time_ordered_folds(table, n_seen, cuts)
        options |= {"cuts": list(cuts)}
    elif protocol is Protocol.LEAVE_BENCHMARKS:
        folds = [fold for n in known for fold in leave_benchmarks_folds(table, n, seed)]
        options = {"known": list(known)}
    elif protocol is Protocol.TUNED_HELD_OUT:
        folds = tuned_held_out_folds(table, n_seen, seed)
    elif protocol is Protocol.NEW_DEVELOPER:
        folds = new_developer_folds(table, n_seen, seed)
    else:
        raise SkillscaleError(f"folds of {protocol} are made by `backtest_new_benchmarks`.")
    if until is not None:
        folds = asked_until(folds, table, until)
        options |= {"until": until}
    is_set = protocol is Protocol.SLOTH
    benchmarks = setting_benchmarks(table, setting if is_set else "v1+v2")
    return Study(str(protocol), options, folds, benchmarks)


Kind = TypeVar("Kind", bound=StrEnum)


def _member(kind: type[Kind], name: str) -> Kind:
    if name not in list(kind):
        raise SkillscaleError(
            f"there is no {kind.__name__.lower()} {name!r}: choose among {', '.join(kind)}."
        )
    return kind(name)


def _with_covariates(table: Table | None, covariates: Covariates | str) -> tuple[Table, Covariates]:
    """The table, the classic one if none is given, with the covariates asked for."""
    covariates = _member(Covariates, covariates)
    table = load_table(CLASSIC) if table is None else table
    if covariates is Covariates.PUBLISHED:
        table = published.as_published(table)
    return table, covariates
