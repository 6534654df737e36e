"""What a baseline is given: the scores and inputs of a fold, and what it answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.backtest.folds import Fold
from skillscale.data.table import Table
from skillscale.law.spec import Spec

HUBER = 0.01
"""Residuals above one point count linearly."""


SMALLEST_SD = 0.005


class Problem(NamedTuple):
    """What a baseline may see, and what it is asked."""

    models: pd.DataFrame
    """All models, so that every fold has the same shapes: ``family``, counts ``n_active_params``
    and ``n_tokens``, and their centred logs ``log_params, log_tokens, log_flops``."""
    scores: Float[np.ndarray, "model benchmark"]
    """Known scores, NaN elsewhere."""
    chance: Float[np.ndarray, " benchmark"]


class Forecast(NamedTuple):
    """Expected scores of all models, and the spread of residuals."""

    mean: Float[np.ndarray, "model benchmark"]
    sd: Float[np.ndarray, " benchmark"]


def make_problem(fold: Fold, table: Table, benchmarks: list[str]) -> Problem:
    """Scores that a fold may see, by model: those of other models, and those seen of new ones.

    Args:
        fold: what is held out and what is seen.
        table: all models and scores.
        benchmarks: names of benchmarks.

    Returns:
        Inputs of all models of the table (logs in e-folds over the reference size and token count),
        the scores that may be seen as fractions, and chance. A token count that is not published is
        that of the trend in date.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.folds import sloth_folds
        >>> table = load_table("classic")
        >>> problem = make_problem(sloth_folds(table, 1, "v1")[0], table, ["mmlu", "gsm8k"])
        >>> problem.scores.shape, problem.chance.tolist()
        ((188, 2), [0.25, 0.0])
    """
    known = table.wide()[benchmarks].copy()
    known.loc[known.index.isin(fold.held_out)] = np.nan
    known.update(fold.seen)
    models = table.models
    log_params = np.log(models["n_active_params"])
    # A token count that is not published is taken from the training trend in date.
    log_tokens = np.log(models["n_tokens"])
    is_known = log_tokens.notna()
    trend = np.polyfit(models.loc[is_known, "release_year"], log_tokens[is_known], 1)
    expected = pd.Series(np.polyval(trend, models["release_year"]), models.index)
    log_tokens = log_tokens.fillna(expected)
    log_params -= np.log(Spec.reference_params)
    log_tokens -= np.log(Spec.reference_tokens)
    described = pd.DataFrame(
        {
            "family": models["family"],
            "n_active_params": models["n_active_params"],
            "n_tokens": Spec.reference_tokens * np.exp(log_tokens),
            "log_params": log_params,
            "log_tokens": log_tokens,
            "log_flops": log_params + log_tokens,
        }
    )
    chance = table.benchmarks.loc[benchmarks, "chance"].to_numpy(dtype=float)
    return Problem(described, known.to_numpy(dtype=float), chance)


def spread(residual: Float[np.ndarray, "model benchmark"], n_weights: int) -> np.ndarray:
    """Scatter of every benchmark about a fit, at least `SMALLEST_SD`.

    Args:
        residual: fractions, NaN where no score is known.
        n_weights: weights fitted per benchmark, which its degrees of freedom lack.

    Returns:
        Standard deviations by benchmark, fractions.

    Example:
        >>> spread(np.array([[0.1, 0.0], [-0.1, 0.0], [np.nan, 0.0]]), 0).round(3).tolist()
        [0.1, 0.005]
    """
    n = np.isfinite(residual).sum(axis=0)
    total = np.nansum(residual**2, axis=0)
    return np.maximum(np.sqrt(total / np.maximum(n - n_weights, 1)), SMALLEST_SD)
