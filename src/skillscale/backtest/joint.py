r"""Joint forecasts: whether scores of one model, and of two, go together as they were forecast to.

The scores of a model on $d$ benchmarks are judged together, by the energy score (Gneiting and
Raftery 2007) over $\sqrt d$, a distance per benchmark, and by the variogram score with $p = 1/2$
(Scheuerer and Hamill 2015) as a mean over pairs of benchmarks. The first is the CRPS where there is
one benchmark; the second sees what goes together. Central intervals are asked of two numbers that
correlated errors spoil: the mean of a model over its benchmarks, and how much higher the mean of
one model is than that of another of the same fold, over the benchmarks that both have.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import scoringrules
from jaxtyping import Float

from skillscale.backtest.accuracy import by_tuning
from skillscale.backtest.clustered import clustered_means
from skillscale.intervals import central

N_INDEPENDENT = 4000
"""Draws of a forecast that is none of draws: as many as of ours."""
ENERGY = "akr_circperm"
"""Estimator of the energy score: each draw beside the one half of all draws further on. With 4,000
draws it takes a thirtieth of the time of all pairs of 500, with three quarters of their noise."""
INTERVAL = 80
SCORES = ["energy", "variogram"]
JUDGED = [*SCORES, "mae_points", f"coverage_{INTERVAL}"]
COLUMNS = ["fold", "model", "other", "lineage", "tuning", "method", "n_benchmarks", *SCORES,
           "actual", "median", f"lower_{INTERVAL}", f"upper_{INTERVAL}"]  # fmt: skip


def joint_scores(
    rows: pd.DataFrame, draws: Float[np.ndarray, "draw row"], method: str
) -> pd.DataFrame:
    """Judge the forecasts of a fold together, model by model and pair by pair.

    Args:
        rows: result of `skillscale.backtest.scores.cells`, of one fold.
        draws: of all of them together, fractions.
        method: name of what made the forecast.

    Returns:
        One row per model, then one per pair of models with a benchmark in common: ``fold, model,
        other`` (empty for a model alone), ``lineage, tuning`` (``mixed`` for a pair of both),
        ``method, n_benchmarks``; ``energy, variogram`` (fractions, the less the better; NaN for
        pairs, and the second with one benchmark); and of the mean over benchmarks, or of its
        difference, ``actual, median, lower_80, upper_80`` (fractions).

    Example:
        >>> rows = pd.DataFrame({"fold": "a", "model": ["a-7b", "a-70b"], "benchmark": "mmlu"})
        >>> rows = rows.assign(lineage="a", tuning="base", actual=[0.5, 0.7])
        >>> draws = np.random.default_rng(0).normal([0.5, 0.6], 0.1, (500, 2))
        >>> joint_scores(rows, draws, "skillscale")[["model", "other", "actual"]].round(1)
           model  other  actual
        0  a-70b            0.7
        1   a-7b            0.5
        2  a-70b   a-7b     0.2
    """
    rows = rows.reset_index(drop=True)
    models = {str(name): part for name, part in rows.groupby("model")}
    found = [
        {**_who(part), "model": name, "other": "", **_together(part, draws), **_mean(part, draws)}
        for name, part in models.items()
    ]
    for (name, one), (other, two) in combinations(models.items(), 2):
        both = set(one["benchmark"]) & set(two["benchmark"])
        if both:
            one, two = (part[part["benchmark"].isin(both)] for part in (one, two))
            found.append(
                {**_who(one, two), "model": name, "other": other, **_mean(one, draws, two)}
            )
    return pd.DataFrame(found).reindex(columns=COLUMNS).assign(method=method)


def independent(
    mean: Float[np.ndarray, " row"], sd: Float[np.ndarray, " row"], seed: int = 0
) -> Float[np.ndarray, "draw row"]:
    """Draws of forecasts that say nothing of what goes together.

    Args:
        mean: expected score of every row, a fraction.
        sd: standard deviation of its residual.
        seed: source of randomness.

    Returns:
        Draws, between 0 and 1.

    Example:
        >>> independent(np.array([0.5]), np.array([0.1])).shape
        (4000, 1)
    """
    noise = np.random.default_rng(seed).standard_normal((N_INDEPENDENT, len(mean)))
    return np.clip(mean + sd * noise, 0, 1)


def joint_accuracy(rows: pd.DataFrame, *, seed: int = 0) -> dict[str, dict[str, dict[str, Any]]]:
    """How good joint forecasts of one method are, with errors clustered by lineage.

    A model, or a pair, that is forecast in several folds counts once, by their average.

    Args:
        rows: some rows of `joint_scores`, of one method.
        seed: source of randomness of the bootstrap.

    Returns:
        Of ``models`` and ``pairs``, for ``all``, ``base`` and ``tuned`` ones as far as there are
        any: numbers ``n, n_lineages``; means ``energy, variogram`` (points; models only), the error
        ``mae_points`` of the mean over benchmarks or of its difference, and its ``coverage_80`` (a
        fraction), each with ``value, lower_95, upper_95``.

    Example:
        >>> row = {"fold": "a", "model": "a-7b", "other": "", "lineage": "a", "tuning": "base"}
        >>> row |= {"energy": 0.02, "variogram": 0.01, "actual": 0.5, "median": 0.52}
        >>> found = joint_accuracy(pd.DataFrame([row | {"lower_80": 0.4, "upper_80": 0.6}]))
        >>> found["models"]["base"]["coverage_80"]["value"], found["pairs"]
        (1.0, {})
    """
    return _summaries(_once(rows), seed)


def joint_paired(
    ours: pd.DataFrame, theirs: pd.DataFrame, *, seed: int = 0
) -> dict[str, dict[str, dict[str, Any]]]:
    """What is ours minus what is others', of the same joint forecasts.

    Args:
        ours: some rows of `joint_scores`, of one method.
        theirs: likewise, of the same folds by another method.
        seed: source of randomness of the bootstrap.

    Returns:
        As `joint_accuracy`, of differences; scores and errors are negative where ours is better.

    Example:
        >>> row = {"fold": "a", "model": "a-7b", "other": "", "lineage": "a", "tuning": "base"}
        >>> row |= {"actual": 0.5, "median": 0.5, "lower_80": 0.4, "upper_80": 0.6}
        >>> ours, theirs = (
        ...     pd.DataFrame([row | {"energy": x, "variogram": x}]) for x in (0.02, 0.03)
        ... )
        >>> round(joint_paired(ours, theirs)["models"]["all"]["energy"]["value"], 2)
        -1.0
    """
    one, other = _once(ours), _once(theirs)
    difference = (one[JUDGED] - other[JUDGED]).dropna(how="all")
    return _summaries(difference.join(one[["lineage", "tuning"]]), seed)


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Forecasts averaged over folds, by model and other model."""
    ends = rows[f"lower_{INTERVAL}"], rows[f"upper_{INTERVAL}"]
    judged = rows[["model", "other", "lineage", "tuning"]].assign(
        **{name: 100 * rows[name].astype(float) for name in SCORES},
        mae_points=100 * (rows["median"] - rows["actual"]).abs(),
        **{f"coverage_{INTERVAL}": rows["actual"].between(*ends).astype(float)},
    )
    cells = judged.groupby(["model", "other"])
    return cells[["lineage", "tuning"]].first().join(cells[JUDGED].mean())


def _summaries(judged: pd.DataFrame, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    alone = judged.index.get_level_values("other") == ""
    parts = {
        "models": (judged[alone], JUDGED),
        "pairs": (judged[~alone], [name for name in JUDGED if name not in SCORES]),
    }
    return {
        what: {
            kind: {
                "n": len(of_kind),
                "n_lineages": int(of_kind["lineage"].nunique()),
                **clustered_means(of_kind[names], of_kind["lineage"], seed=seed),
            }
            for kind, of_kind in by_tuning(part).items()
            if len(of_kind)
        }
        for what, (part, names) in parts.items()
    }


def _who(*parts: pd.DataFrame) -> dict[str, object]:
    """Of which fold, lineage and tuning a model is, or two; of two lineages the first."""
    first = parts[0].iloc[0]
    tunings = {str(part["tuning"].iloc[0]) for part in parts}
    tuning = tunings.pop() if len(tunings) == 1 else "mixed"
    return {"fold": first["fold"], "lineage": first["lineage"], "tuning": tuning}


def _together(part: pd.DataFrame, draws: Float[np.ndarray, "draw row"]) -> Mapping[str, float]:
    """Scores of all benchmarks of a model together."""
    actual, d = part["actual"].to_numpy(), len(part)
    forecast = draws[:, part.index]
    energy = scoringrules.es_ensemble(actual, forecast, estimator=ENERGY) / np.sqrt(d)
    variogram = np.nan
    if d > 1:
        variogram = scoringrules.vs_ensemble(actual, forecast, p=0.5) / (d * (d - 1))
    return {"energy": float(energy), "variogram": float(variogram)}


def _mean(
    part: pd.DataFrame,
    draws: Float[np.ndarray, "draw row"],
    minus: pd.DataFrame | None = None,
) -> Mapping[str, float]:
    """The mean over benchmarks, less that of another model."""
    mean, actual = draws[:, part.index].mean(axis=1), part["actual"].mean()
    if minus is not None:
        mean, actual = mean - draws[:, minus.index].mean(axis=1), actual - minus["actual"].mean()
    lower, upper = central(mean, INTERVAL / 100)
    return {
        "n_benchmarks": len(part),
        "actual": float(actual),
        "median": float(np.median(mean)),
        f"lower_{INTERVAL}": float(lower),
        f"upper_{INTERVAL}": float(upper),
    }
