"""From valid cells to typed columns, with defaults where a file leaves something open."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from skillscale.data.rules import decimal_year, numbers

MODEL_COLUMNS = (
    "family",
    "lineage",
    "tuning",
    "recipe",
    "n_params",
    "n_active_params",
    "n_tokens",
    "release",
    "release_year",
    "developer",
    "hub_name",
)
BENCHMARK_COLUMNS = ("title", "leaderboard", "n_items", "chance", "metric")
DEFAULT_RECIPE = "trained"


def model_frame(cells: pd.DataFrame) -> pd.DataFrame:
    """Turn the cells of a valid description of models into typed columns, defaults filled in."""
    frame = _with_columns(cells, ("model", *MODEL_COLUMNS, "source"))
    for name in ("n_params", "n_active_params", "n_tokens"):
        frame[name] = numbers(frame[name])
    frame["n_active_params"] = frame["n_active_params"].fillna(frame["n_params"])
    frame["lineage"] = frame["lineage"].fillna(frame["family"])
    frame["recipe"] = frame["recipe"].fillna(DEFAULT_RECIPE)
    frame["release_year"] = frame["release"].map(decimal_year, na_action="ignore").astype(float)
    return _inferred(frame)


def benchmark_frame(cells: pd.DataFrame) -> pd.DataFrame:
    """Turn the cells of a valid benchmarks.csv into typed columns, indexed by benchmark."""
    frame = _with_columns(cells, ("benchmark", *BENCHMARK_COLUMNS, "source"))
    frame["n_items"] = numbers(frame["n_items"]).astype(int)
    frame["chance"] = numbers(frame["chance"])
    frame["title"] = frame["title"].fillna(frame["benchmark"])
    return _inferred(frame).set_index("benchmark")


def score_frame(cells: pd.DataFrame) -> pd.DataFrame:
    """Turn the cells of a valid scores.csv into typed columns."""
    frame = _with_columns(cells, ("model", "benchmark", "score", "source"))
    return _inferred(frame.assign(score=numbers(frame["score"])))


def _with_columns(cells: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    absent = {name: None for name in names if name not in cells.columns}
    return cells.assign(**absent)[list(names)].reset_index(drop=True)


def _inferred(frame: pd.DataFrame) -> pd.DataFrame:
    """Give text columns the dtype that this version of pandas gives to text."""
    return pd.DataFrame({name: column.to_list() for name, column in frame.items()})
