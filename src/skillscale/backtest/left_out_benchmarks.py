"""Benchmarks that the fit has not seen: added from a few models, and forecast for the others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skillscale.backtest.baselines import OF_NEW_BENCHMARKS, standardised_mean
from skillscale.backtest.folds import Fold, setting_benchmarks
from skillscale.backtest.problem import make_problem
from skillscale.backtest.refits import METHOD, Refits
from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS, cells, score_draws, score_normal
from skillscale.backtest.workers import spread
from skillscale.data.table import Table
from skillscale.errors import SkillscaleError
from skillscale.forecasts.prediction import Prediction
from skillscale.law.spec import Spec
from skillscale.posterior.add_benchmark import add_benchmark
from skillscale.posterior.method import Method, name_and_options
from skillscale.posterior.result import Fit

N_MODELS = (5, 10, 20)
"""Numbers of models with a score on the new benchmark."""
REPLICATES = 5
N_DRAWS = 500
OTHER_ANCHORS = ("mmlu_pro", "math_lvl_5", "winogrande", "truthfulqa")
"""What anchors the skills of the declared configuration where one of its anchors is left out: the
benchmarks that read, in its fit to all, the same four skills most nearly alone."""


def new_benchmark_folds(
    scores: pd.Series, n_models: int, replicates: int = REPLICATES, seed: int = 0
) -> list[Fold]:
    """Folds that show a new benchmark's scores of some models, drawn at random, and hide the rest.

    Args:
        scores: on the benchmark, by model, under the benchmark's name; fractions, NaN where not
            evaluated.
        n_models: scores shown.
        replicates: folds.
        seed: the only source of randomness.

    Returns:
        As many folds, each with other models shown.

    Raises:
        SkillscaleError: the scores are too few.

    Example:
        >>> from skillscale import load_table
        >>> folds = new_benchmark_folds(load_table("classic").wide()["musr"], 10)
        >>> len(folds), folds[0].name, len(folds[0].seen), len(folds[0].test)
        (5, 'musr from 10, 1', 10, 120)
    """
    column = scores.dropna().to_frame()
    if not 0 < n_models < len(column):
        raise SkillscaleError(
            f"{scores.name} has {len(column)} scores: show between 1 and {len(column) - 1} of "
            f"them, not {n_models}."
        )
    folds = []
    for replicate in range(replicates):
        rng = np.random.default_rng([seed, n_models, replicate])
        shown = np.isin(np.arange(len(column)), rng.permutation(len(column))[:n_models])
        hidden = column[~shown]
        name = f"{scores.name} from {n_models}, {replicate + 1}"
        folds.append(Fold(name, frozenset(hidden.index), column[shown], hidden))
    return folds


def backtest_new_benchmarks(
    table: Table,
    spec: Spec,
    *,
    benchmarks: Sequence[str] = (),
    n_models: Sequence[int] = N_MODELS,
    replicates: int = REPLICATES,
    method: Method = METHOD,
    seed: int = 0,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Leave every benchmark out of the fit in turn, add it from a few models, forecast the others.

    Args:
        table: models and scores.
        spec: the configuration. Where the declared one loses an anchor, ``OTHER_ANCHORS`` take the
            place of all four.
        benchmarks: benchmarks to leave out: by default all that are fitted, but for anchors of
            another configuration.
        n_models: numbers of models to show.
        replicates: folds of each, with other models shown.
        method: how every posterior is found.
        seed: the only source of randomness.
        jobs: processes to use.
        on_progress: called with the benchmarks done and all of them.

    Returns:
        A frozen `Report`; `by_n_models` sums it up.

    Raises:
        SkillscaleError: too few scores, or an anchor to leave out that can't be replaced.
        SpecError: the specification does not fit the table.
        TableError: fewer than five models are to be shown, or the number of items of a benchmark is
            not known.
        UnknownNameError: a benchmark of the specification is not in the table.
    """
    begun = time.perf_counter()
    wide = table.wide()
    fitted = list(spec.benchmarks) or setting_benchmarks(table, "v1+v2")
    can_replace = spec.anchors == Spec().anchors and set(OTHER_ANCHORS) <= set(fitted)
    replaceable = spec.anchors if can_replace else ()
    benchmarks = list(benchmarks) or [
        name for name in fitted if name in replaceable or name not in spec.anchors
    ]
    folds = {
        name: [
            fold for n in n_models for fold in new_benchmark_folds(wide[name], n, replicates, seed)
        ]
        for name in benchmarks
    }
    fixed = [name for name in benchmarks if name in spec.anchors and name not in replaceable]
    if fixed:
        raise SkillscaleError(
            f"{', '.join(fixed)} cannot be left out: no other anchor for its skill is known. "
            "Leave out benchmarks that are no anchors."
        )
    refits = Refits(table, spec, method, seed)
    by_benchmark = dict.fromkeys(benchmarks, refits)
    if lost := [name for name in benchmarks if name in spec.anchors]:
        others = dataclasses.replace(spec, anchors=OTHER_ANCHORS)
        by_benchmark |= dict.fromkeys(lost, Refits(table, others, method, seed))
    tasks = ((by_benchmark[name], name, of_benchmark) for name, of_benchmark in folds.items())
    parts = []
    on_progress(0, len(benchmarks))
    for part in spread(_run, tasks, jobs):
        parts.append(part)
        on_progress(len(parts), len(benchmarks))
    found = pd.concat(parts).sort_values(["fold", "model", "method"], ignore_index=True)
    method_name, method_options = name_and_options(method)
    options = {
        "n_models": list(n_models),
        "replicates": replicates,
        "seed": seed,
        "method": method_name,
        **method_options,
    }
    return Report("new-benchmark", options, found, None, time.perf_counter() - begun)


def forecast_others(fit: Fit, fold: Fold, seed: int = 0) -> Prediction:
    """Add the benchmark of a fold from the models shown, and forecast all fitted models on it.

    Args:
        fit: a fit without the benchmark.
        fold: scores shown.
        seed: source of randomness.

    Returns:
        Draws of the scores of all models of the fit, fractions.

    Raises:
        TableError: a model shown is not in the fit, fewer than five are, or the number of items of
            the benchmark is not known.
    """
    name = str(fold.seen.columns[0])
    shown = fold.seen.rename_axis("model").reset_index()
    extended = add_benchmark(fit, shown, n_draws=N_DRAWS, seed=seed)
    row = extended.design.coords["benchmark"].index(name)
    location, scale, degrees = (
        np.asarray(part, np.float64)[:, [row]] for part in extended.given_siblings()
    )
    noise = np.random.default_rng(seed).standard_t(degrees)
    models = extended.models
    score = np.clip(location + scale * noise, 0, 1)
    return Prediction(models, [name], score, location, scale, degrees, {}, np.nan, len(shown))


def by_n_models(report: Report) -> dict[str, dict[str, Any]]:
    """Errors, coverage and the ratio of errors, by the number of models shown.

    The ratio is that of our error to the smaller one of the baselines, chosen in hindsight for
    each benchmark; its mean over benchmarks.

    Args:
        report: result of `backtest_new_benchmarks`.

    Returns:
        By number of models: ``ratio``, ``ratio_by_benchmark``, and ``methods``: for each
        ``mae_points``, ``crps`` (points), ``coverage`` (fractions) and
        ``mae_points_by_benchmark``.

    Example:
        >>> row = {"n_known": 5, "benchmark": "musr", "fold": "musr from 5, 1", "actual": 0.5}
        >>> row |= {f"{end}_{level}": 0.5 for end in ("lower", "upper") for level in (50, 80, 95)}
        >>> ours = row | {"method": "skillscale", "median": 0.51, "crps": 0.01}
        >>> flops = row | {"method": "flops", "median": 0.54, "crps": 0.02}
        >>> report = Report("new-benchmark", {}, pd.DataFrame([ours, flops]), None, 0.0)
        >>> round(by_n_models(report)["5"]["ratio"], 2)
        0.25
    """
    result = {}
    for n, rows in report.cells.groupby("n_known"):
        rows = rows.assign(error=100 * (rows["median"] - rows["actual"]).abs())
        of_fold = rows.groupby(["method", "benchmark", "fold"])[["error", "crps"]].mean()
        errors, crps = (
            of_fold.pivot_table(column, "benchmark", "method") for column in ("error", "crps")
        )
        ratio = errors[OURS] / errors.drop(columns=OURS).min(axis=1)
        result[str(n)] = {
            "ratio": float(ratio.mean()),
            "ratio_by_benchmark": ratio.to_dict(),
            "methods": {
                method: {
                    "mae_points": float(errors[method].mean()),
                    "crps": 100 * float(crps[method].mean()),
                    "coverage": report.coverage(rows[rows["method"] == method]),
                    "mae_points_by_benchmark": errors[method].to_dict(),
                }
                for method in errors
            },
        }
    return result


def _run(refits: Refits, benchmark: str, folds: Sequence[Fold]) -> pd.DataFrame:
    """All forecasts of a benchmark that is left out."""
    return run_folds(refits.without_benchmark(benchmark), refits.table, folds, refits.seed)


def run_folds(fit: Fit, table: Table, folds: Sequence[Fold], seed: int) -> pd.DataFrame:
    """Forecasts of the folds of a benchmark that a fit has not seen, and those of the baselines.

    Args:
        fit: a fit without the benchmark.
        table: all scores.
        folds: of one benchmark.
        seed: source of randomness.

    Returns:
        Cells of a `Report`.

    Raises:
        TableError: a model shown is not in the fit, fewer than five are, or the number of items of
            the benchmark is not known.
    """
    known = standardised_mean(table.wide()[fit.design.coords["benchmark"]])
    parts = []
    for fold in folds:
        name = str(fold.seen.columns[0])
        rows = cells(fold, table)
        parts.append(score_draws(rows, forecast_others(fit, fold, seed)))
        problem = make_problem(fold, table, [name])
        problem = problem._replace(models=problem.models.assign(mean_score=known))
        position = problem.models.index.get_indexer(pd.Index(rows["model"]))
        for method, baseline in OF_NEW_BENCHMARKS.items():
            mean, sd = baseline(problem)
            parts.append(score_normal(rows, method, mean[position, 0], sd[0]))
    return pd.concat(parts)
