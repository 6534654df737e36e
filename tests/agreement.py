"""Quick ways to a forecast against the long one, on the classic table: minutes a lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skillscale import Hmc, fit
from skillscale.backtest.folds import Fold, sloth_folds
from skillscale.backtest.refits import Refits
from skillscale.backtest.studies import forecast_fold, plan_and_seen
from skillscale.forecasts.prediction import Prediction, predict
from skillscale.forecasts.question import ask

LINEAGES = ("meta-llama-3", "opt", "qwen2")
FULL = Hmc(draws=750)
LEVELS = {"median": (0.5,), "ends": (0.25, 0.75, 0.1, 0.9, 0.025, 0.975)}
MOST_APART = {"median": 0.5, "ends": 1.5}
"""Points between quantiles, on average."""


def differences(refits: Refits, lineage: str) -> dict[str, dict[str, float]]:
    """How far quantiles are, on average, from those of a fit to everything observed, in points.

    Those of conditioning, with a posterior sampled without the lineage, and those of a back-test's
    folds, whose posterior is a Gaussian near that of all models.
    """
    table = refits.table
    fold = next(fold for fold in sloth_folds(table, 1, "v1+v2") if fold.name == lineage)
    plan, seen = plan_and_seen(fold, table)
    rest = table.without_models(list(fold.held_out))
    refitted = fit(rest.with_models(table.models.loc[fold.seen.index], fold.seen), method=FULL)
    exact = predict(refitted, ask(refitted, plan), n_draws=3000)
    without = fit(rest, method=FULL, seed=1)
    quick = {
        "conditioning": predict(without, ask(without, plan, seen), n_draws=3000),
        "folds": forecast_fold(refits.without(fold.held_out), fold, refits),
    }
    return {
        way: {
            name: float(
                np.abs(_quantiles(found, fold, at) - _quantiles(exact, fold, at))
                .mean(axis=(1, 2))
                .max()
            )
            for name, at in LEVELS.items()
        }
        for way, found in quick.items()
    }


def _quantiles(prediction: Prediction, fold: Fold, levels: Sequence[float]) -> np.ndarray:
    columns = [prediction.benchmarks.index(name) for name in fold.test.columns]
    return 100 * np.quantile(prediction.score, levels, axis=0)[:, columns]


def largest(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The largest differences over lineages."""
    return {
        way: {name: max(of[way][name] for of in results) for name in LEVELS}
        for way in ("conditioning", "folds")
    }


def holds(answer: Mapping[str, Mapping[str, float]]) -> None:
    """Medians within half a point and ends of intervals within one and a half."""
    for way, found in answer.items():
        for name, most in MOST_APART.items():
            assert found[name] < most, (way, name)
