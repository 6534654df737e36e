"""Baselines find the law that made the scores, where it is theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from skillscale import load_table
from skillscale.backtest.baselines import (
    BASELINES,
    flops,
    flops_family,
    last_observed,
    size_tokens_family,
)
from skillscale.backtest.folds import sloth_folds
from skillscale.backtest.problem import Problem, make_problem
from skillscale.backtest.sloth import sloth

CHANCE = np.array([0.25, 0.0, 0.1])


@pytest.fixture
def models() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (f"f{f}", size, tokens + rng.normal(0, 0.3))
        for f in range(12)
        for tokens in [rng.normal(0, 1)]
        for size in (-2.0, -1.0, 0.0, 1.0, 2.0)
    ]
    frame = pd.DataFrame(rows, columns=["family", "log_params", "log_tokens"])
    frame.index = [f"m{i}" for i in range(len(frame))]
    return frame.assign(
        n_active_params=7e9 * np.exp(frame["log_params"]),
        n_tokens=1.3e12 * np.exp(frame["log_tokens"]),
        log_flops=frame["log_params"] + frame["log_tokens"],
    )


def with_hidden(models: pd.DataFrame, truth: np.ndarray) -> Problem:
    """Problem that shows only the smallest model of the last two families."""
    known = truth.copy()
    hidden = models["family"].isin(["f10", "f11"]) & (models["log_params"] > -2)
    known[hidden] = np.nan
    return Problem(models, known, CHANCE)


def curve(predictor: np.ndarray) -> np.ndarray:
    return CHANCE + (1 - CHANCE) * expit(predictor)


def test_a_shared_curve_in_compute_is_found(models):
    predictor = models["log_flops"].to_numpy()[:, None] * [0.5, 0.9, 0.2] + [-0.5, -1.0, 0.3]
    truth = curve(predictor)
    found = flops(with_hidden(models, truth))
    assert_allclose(found.mean, truth, atol=0.005)


@pytest.mark.parametrize(
    ("baseline", "weights"),
    [(flops_family, (0.6, 0.6)), (size_tokens_family, (0.8, 0.2))],
)
def test_slopes_and_family_intercepts_are_found_from_one_model(models, baseline, weights):
    rng = np.random.default_rng(1)
    intercept = dict(zip(models["family"].unique(), rng.normal(0, 0.5, (12, 3)), strict=True))
    effort = weights[0] * models["log_params"] + weights[1] * models["log_tokens"]
    predictor = effort.to_numpy()[:, None] + np.stack([intercept[f] for f in models["family"]])
    truth = curve(predictor)
    found = baseline(with_hidden(models, truth))
    assert_allclose(found.mean, truth, atol=0.02)
    assert (found.sd < 0.01).all()


def test_sloth_finds_its_own_law(models):
    rng = np.random.default_rng(2)
    n, d = models["log_params"].to_numpy(), models["log_tokens"].to_numpy()
    x = np.stack([n, d, n * d], axis=1)
    efficiency = rng.normal(0, 0.5, (12, 1))[pd.factorize(models["family"])[0]]
    skill = efficiency + x @ [[0.5], [0.3], [0.05]]
    truth = curve(skill @ [[1.0, 1.5, 0.7]] + [0.2, -0.8, 0.0])
    found = sloth(with_hidden(models, truth), n_skills=1)
    assert_allclose(found.mean, truth, atol=0.02)


def test_the_last_observed_score_is_repeated(models):
    truth = curve(models["log_flops"].to_numpy()[:, None] * [0.5, 0.9, 0.2])
    problem = with_hidden(models, truth)
    found = pd.DataFrame(last_observed(problem).mean, index=models.index)
    largest = models.index[(models["family"] == "f10") & (models["log_params"] == 2)][0]
    seen = models.index.get_indexer(
        models.index[(models["family"] == "f10") & (models["log_params"] == -2)]
    )[0]
    assert_allclose(found.loc[largest], truth[seen])


def test_gaussian_intervals_have_the_spread_of_the_residuals(models):
    rng = np.random.default_rng(3)
    predictor = models["log_flops"].to_numpy()[:, None] * [0.5, 0.9, 0.2]
    truth = curve(predictor) + rng.normal(0, [0.02, 0.04, 0.06], (len(models), 3))
    assert_allclose(flops(with_hidden(models, truth)).sd, [0.02, 0.04, 0.06], rtol=0.25)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_forecasts_every_score_of_a_real_fold(name, monkeypatch):
    monkeypatch.setattr("skillscale.backtest.sloth.STARTS", 1)
    table = load_table("classic")
    fold = next(f for f in sloth_folds(table, 1, "v1+v2") if f.name == "gemma")
    benchmarks = list(fold.test.columns)
    problem = make_problem(fold, table, benchmarks)
    hidden = problem.models.index.isin(fold.test.index)
    assert np.isnan(problem.scores[hidden]).all(), "scores to forecast must not be shown"
    mean, sd = BASELINES[name](problem)
    assert np.isfinite(mean[hidden]).all()
    assert ((mean[hidden] >= 0) & (mean[hidden] <= 1)).all()
    assert (sd > 0).all()
