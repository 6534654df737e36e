"""How good forecasts are: every cell once, base and tuned models apart, errors by lineage.

A cell is a score of a model on a benchmark. Where it is forecast in several folds (of several cuts
or settings), its error, its score and whether it was inside are averages over them, so that a cell
that was asked often says no more than another.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from skillscale.backtest.clustered import clustered_means
from skillscale.errors import SkillscaleError
from skillscale.intervals import INTERVALS

CELL = ["model", "benchmark"]
DESCRIBED = ["lineage", "tuning"]
INSIDE = {level: f"inside_{level}" for level in INTERVALS}


def accuracy(rows: pd.DataFrame, *, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Errors and coverage of forecasts of one method, with errors clustered by lineage.

    Args:
        rows: some ``cells`` of a `Report`, of one method.
        seed: source of randomness of the bootstrap.

    Returns:
        For ``all``, and ``base`` and ``tuned`` as far as there are such models: the numbers of
        distinct cells and lineages ``n_cells, n_lineages``, the means ``mae_points, crps``
        (points), ``log_score`` (nats) and, by interval, ``coverage`` (fractions), each with
        ``value, lower_95, upper_95``.

    Example:
        >>> ends = {f"{end}_{level}": x for end, x in (("lower", 0.4), ("upper", 0.6))
        ...         for level in INTERVALS}
        >>> row = {"model": "a-7b", "benchmark": "mmlu", "lineage": "a", "tuning": "base"}
        >>> row |= ends | {"crps": 0.01, "log_score": 1.0, "actual": 0.5}
        >>> twice = pd.DataFrame([row | {"median": 0.52}, row | {"median": 0.54}])
        >>> found = accuracy(twice)["base"]
        >>> found["n_cells"], round(found["mae_points"]["value"], 1), found["coverage"]["80"]
        (1, 3.0, {'value': 1.0, 'lower_95': nan, 'upper_95': nan})
    """
    return {name: _summary(part, seed) for name, part in by_tuning(each_cell_once(rows)).items()}


def paired(ours: pd.DataFrame, theirs: pd.DataFrame, *, seed: int = 0) -> dict[str, dict[str, Any]]:
    """What is ours minus what is others', of the same forecasts, with errors clustered by lineage.

    Args:
        ours: some ``cells`` of a `Report`, of one method.
        theirs: likewise, of another method or of another report.
        seed: source of randomness of the bootstrap.

    Returns:
        As `accuracy`, of differences over the cells that both forecast in the same folds: those of
        ``mae_points`` and ``crps`` are negative where ours is better.

    Raises:
        SkillscaleError: they have no forecast in common.

    Example:
        >>> import numpy as np
        >>> from skillscale.backtest.scores import score_normal
        >>> cell = {"fold": "a", "model": "a-7b", "benchmark": "mmlu", "lineage": "a"}
        >>> rows = pd.DataFrame([cell | {"tuning": "base", "actual": 0.5}])
        >>> ours, theirs = (
        ...     score_normal(rows, "x", np.array([mean]), np.array([0.1])) for mean in (0.52, 0.57)
        ... )
        >>> round(paired(ours, theirs)["all"]["mae_points"]["value"], 1)
        -5.0
    """
    forecast = ["fold", *CELL]
    common = pd.MultiIndex.from_frame(ours[forecast]).intersection(
        pd.MultiIndex.from_frame(theirs[forecast])
    )
    if common.empty:
        raise SkillscaleError(
            "there is no forecast to compare: the two have no fold, model and benchmark in common. "
            "Compare back-tests of the same protocol and table."
        )
    one, other = (
        each_cell_once(rows[pd.MultiIndex.from_frame(rows[forecast]).isin(common)])
        for rows in (ours, theirs)
    )
    difference = one.drop(columns=DESCRIBED) - other.drop(columns=DESCRIBED)
    differences = by_tuning(one[DESCRIBED].join(difference))
    return {name: _summary(part, seed) for name, part in differences.items()}


def each_cell_once(rows: pd.DataFrame) -> pd.DataFrame:
    """Forecasts averaged over the folds that share a cell.

    Args:
        rows: some ``cells`` of a `Report`, of one method.

    Returns:
        By model and benchmark: ``lineage, tuning``, and ``mae_points, crps`` (points),
        ``log_score`` (nats), ``inside_50`` and so on (fractions).

    Example:
        See `accuracy`.
    """
    inside = {
        name: rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"]).astype(float)
        for level, name in INSIDE.items()
    }
    judged = rows[CELL + DESCRIBED].assign(
        mae_points=100 * (rows["median"] - rows["actual"]).abs(),
        crps=100 * rows["crps"],
        log_score=rows["log_score"],
        **inside,
    )
    cells = judged.groupby(CELL)
    return cells[DESCRIBED].first().join(cells.mean(numeric_only=True))


def by_tuning(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All rows, and those of base and of tuned models as far as there are any.

    Args:
        rows: with a column ``tuning``.

    Returns:
        Rows under ``all, base, tuned``; rows of neither are among all.

    Example:
        >>> rows = pd.DataFrame({"tuning": ["base", "instruct"]})
        >>> {name: len(part) for name, part in by_tuning(rows).items()}
        {'all': 2, 'base': 1, 'tuned': 1}
    """
    kinds = {"base": ["base"], "tuned": ["instruct"]}
    parts = {name: rows[rows["tuning"].isin(of_kind)] for name, of_kind in kinds.items()}
    return {"all": rows} | {name: part for name, part in parts.items() if len(part)}


def _summary(cells: pd.DataFrame, seed: int) -> dict[str, Any]:
    found = clustered_means(cells.drop(columns=DESCRIBED), cells["lineage"], seed=seed)
    coverage = {str(level): found.pop(name) for level, name in INSIDE.items()}
    return {
        "n_cells": len(cells),
        "n_lineages": int(cells["lineage"].nunique()),
        **found,
        "coverage": coverage,
    }
