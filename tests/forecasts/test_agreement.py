"""Quick ways to a forecast against the long one, on the shipped table: minutes a case."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_less

from skillscale import Nuts, fit, load_table
from skillscale.backtest.folds import Fold, sloth_folds
from skillscale.backtest.refits import Refits
from skillscale.backtest.studies import forecast_fold, plan_and_seen
from skillscale.forecasts.prediction import Prediction, predict
from skillscale.forecasts.question import ask

FULL = Nuts(draws=750)
LEVELS = [0.5, 0.25, 0.75, 0.1, 0.9, 0.025, 0.975]


@pytest.fixture(scope="module")
def refits() -> Refits:
    return Refits(load_table())


def quantiles(prediction: Prediction, fold: Fold) -> np.ndarray:
    """Medians and interval ends of a fold's benchmarks, in points."""
    columns = [prediction.benchmarks.index(name) for name in fold.test.columns]
    return 100 * np.quantile(prediction.score, LEVELS, axis=0)[:, columns]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta-llama-3", "opt"])
def test_folds_and_conditioning_agree_with_a_full_refit(refits, name):
    """Medians within half a point and interval ends within one and a half, on average."""
    table = refits.table
    fold = next(fold for fold in sloth_folds(table, 1, "v1+v2") if fold.name == name)
    plan, seen = plan_and_seen(fold, table)
    rest = table.without_models(list(fold.held_out))
    refitted = fit(rest.with_models(table.models.loc[fold.seen.index], fold.seen), method=FULL)
    exact = quantiles(predict(refitted, ask(refitted, plan), n_draws=3000), fold)
    without = fit(rest, method=FULL, seed=1)
    conditioned = predict(without, ask(without, plan, seen), n_draws=3000)
    of_fold = forecast_fold(refits.without(fold.held_out), fold, refits)
    for quick in (conditioned, of_fold):
        difference = np.abs(quantiles(quick, fold) - exact).mean(axis=(1, 2))
        assert difference[0] < 0.5
        assert_array_less(difference[1:], 1.5)
