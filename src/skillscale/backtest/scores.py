"""Forecasts of single scores beside the actual ones, and how forecasts are judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scoringrules
from jaxtyping import Float, Int
from scipy import stats
from scipy.special import logsumexp

from skillscale.backtest.folds import Fold
from skillscale.data.table import Table
from skillscale.forecasts.prediction import Prediction
from skillscale.intervals import INTERVALS, tails

OURS = "skillscale"


def cells(fold: Fold, table: Table) -> pd.DataFrame:
    """The scores of a fold to forecast, one row each.

    Args:
        fold: what is seen and what is to be forecast.
        table: all models.

    Returns:
        ``fold, model, family, lineage, tuning, developer, benchmark, log_ratio, log_outside,
        months_after, n_known, actual``, ordered by model and benchmark; ``developer`` is ``known``
        where a model of the training has the same one, else ``new`` (None where it is not told);
        ``log_ratio`` is how many e-folds larger the model is than the largest seen of its family
        (NaN where none is seen), ``log_outside`` how many larger than all models of the training,
        or smaller (zero in between), ``months_after`` how much later than all of them it was
        released (negative if not), ``n_known`` how many scores are seen in all.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.folds import sloth_folds
        >>> table = load_table("classic")
        >>> rows = cells(sloth_folds(table, 1, "v1")[0], table)
        >>> rows[["fold", "model", "benchmark", "n_known", "actual"]].head(2)
            fold  model      benchmark  n_known  actual
        0  bloom  bloom  arc_challenge        6  0.5043
        1  bloom  bloom          gsm8k        6  0.0690
    """
    models = table.models
    long = fold.test.rename_axis("model").reset_index()
    rows = long.melt("model", var_name="benchmark", value_name="actual").dropna()
    rows = rows.sort_values(["model", "benchmark"], ignore_index=True)
    described = models.loc[rows["model"]]
    seen = models.loc[fold.seen.index]
    largest = seen.groupby("family")["n_params"].max()
    ratio = described["n_params"].to_numpy() / described["family"].map(largest).to_numpy(float)
    rows.insert(0, "fold", fold.name)
    for position, name in enumerate(("family", "lineage", "tuning"), start=2):
        rows.insert(position, name, described[name].to_numpy())
    trained = models.drop(fold.held_out)
    is_known = described["developer"].isin(trained["developer"])
    developer = pd.Series(np.where(is_known, "known", "new"), dtype=object)
    rows.insert(5, "developer", developer.where(described["developer"].notna().to_numpy(), None))
    rows.insert(7, "log_ratio", np.log(ratio))
    size = described["n_params"].to_numpy()
    low, high = trained["n_params"].min(), trained["n_params"].max()
    outside = np.log(np.maximum(size / high, low / size))
    years = described["release_year"].to_numpy() - trained["release_year"].max()
    rows.insert(8, "log_outside", np.maximum(outside, 0.0))
    rows.insert(9, "months_after", np.round(12 * years))
    rows.insert(10, "n_known", int(fold.seen.notna().to_numpy().sum()))
    return rows


def score_draws(rows: pd.DataFrame, prediction: Prediction) -> pd.DataFrame:
    """Judge a prediction of the law by the actual scores.

    By the continuous ranked probability score and the log score (Gneiting and Raftery 2007).

    Args:
        rows: result of `cells`.
        prediction: draws of these scores, and perhaps of others.

    Returns:
        The rows with ``method, median, crps`` (a fraction, the less the better), ``log_score``
        (nats, the more the better), the forecast probability ``pit`` of scoring lower than the
        actual score, and the ends of the intervals ``lower_50, upper_50`` and so on.

    Example:
        >>> rows = pd.DataFrame({"model": ["a-7b"], "benchmark": ["mmlu"], "actual": [0.5]})
        >>> location, scale, degrees = (np.full((4, 1, 1), x) for x in (0.5, 0.1, 5.0))
        >>> draws = location + np.linspace(-0.1, 0.1, 4)[:, None, None]
        >>> models = pd.DataFrame(index=["a-7b"])
        >>> prediction = Prediction(
        ...     models, ["mmlu"], draws, location, scale, degrees, {}, np.nan, 0
        ... )
        >>> score_draws(rows, prediction)[["method", "median", "pit"]]
               method  median  pit
        0  skillscale     0.5  0.5
    """
    benchmark, model = positions(rows, prediction)
    draws, location, scale, degrees = (
        part[:, benchmark, model]
        for part in (
            prediction.score,
            prediction.location,
            prediction.scale,
            prediction.degrees,
        )
    )
    actual = rows["actual"].to_numpy()
    density = stats.t.logpdf(actual, degrees, location, scale)
    return rows.assign(
        method=OURS,
        median=np.median(draws, axis=0),
        crps=scoringrules.crps_ensemble(actual, draws.T),
        log_score=logsumexp(density, axis=0) - np.log(len(draws)),
        pit=np.mean(stats.t.cdf(actual, degrees, location, scale), axis=0),
        **_interval_ends(lambda level: np.quantile(draws, level, axis=0)),
    )


def positions(
    rows: pd.DataFrame, prediction: Prediction
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"]]:
    """Where the scores of rows are in a prediction.

    Args:
        rows: result of `cells`.
        prediction: draws of these scores, and perhaps of others.

    Returns:
        Positions of their benchmarks and of their models.

    Example:
        >>> rows = pd.DataFrame({"model": ["a-7b"], "benchmark": ["mmlu"]})
        >>> models = pd.DataFrame(index=["a-1b", "a-7b"])
        >>> none = np.empty((0, 1, 2))
        >>> prediction = Prediction(models, ["mmlu"], none, none, none, none, {}, np.nan, 0)
        >>> positions(rows, prediction)
        (array([0]), array([1]))
    """
    benchmarks = pd.Index(prediction.benchmarks)
    return (
        benchmarks.get_indexer(pd.Index(rows["benchmark"])),
        prediction.models.index.get_indexer(pd.Index(rows["model"])),
    )


def score_normal(
    rows: pd.DataFrame, method: str, mean: Float[np.ndarray, " row"], sd: Float[np.ndarray, " row"]
) -> pd.DataFrame:
    """Judge a point forecast with Gaussian residuals by the actual scores: as `score_draws`.

    Args:
        rows: result of `cells`.
        method: name of what made the forecast.
        mean: expected score of every row, a fraction.
        sd: standard deviation of its residual, a fraction.

    Returns:
        The rows with the columns that `score_draws` adds.

    Example:
        >>> rows = pd.DataFrame({"model": ["a-7b"], "benchmark": ["mmlu"], "actual": [0.5]})
        >>> score_normal(rows, "flops", np.array([0.5]), np.array([0.1]))[["method", "pit"]]
          method  pit
        0  flops  0.5
    """
    actual = rows["actual"].to_numpy()
    return rows.assign(
        method=method,
        median=mean,
        crps=scoringrules.crps_normal(actual, mean, sd),
        log_score=stats.norm.logpdf(actual, mean, sd),
        pit=stats.norm.cdf(actual, mean, sd),
        **_interval_ends(lambda level: np.clip(stats.norm.ppf(level, mean, sd), 0, 1)),
    )


def _interval_ends(quantile: Callable[[float], np.ndarray]) -> dict[str, np.ndarray]:
    ends = {}
    for interval in INTERVALS:
        lower, upper = tails(interval / 100)
        ends[f"lower_{interval}"] = quantile(lower)
        ends[f"upper_{interval}"] = quantile(upper)
    return ends
