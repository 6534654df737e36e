"""Figures of arXiv:2412.06540 as published: folds, inputs and errors, and its table of optima."""

from __future__ import annotations

import dataclasses

import pandas as pd

from skillscale.data.table import Table, shipped_directory
from skillscale.errors import SkillscaleError

SETTINGS = ("v1", "v2", "v1+v2")
BEST_SLOTH = tuple(f"sloth_trained_link_{d}" for d in (1, 2, 3, 4))
"""Sloth by its number of skills; the paper reports the best of them for each setting."""


def folds(n_seen: int, setting: str) -> pd.DataFrame:
    """Test families of a setting: ``fold, family``.

    Raises:
        SkillscaleError: there is no such published setting.
    """
    return _of_setting(_read("folds"), n_seen, setting)


def errors(n_seen: int, setting: str) -> pd.DataFrame:
    """Mean absolute errors (fractions) of every published method by fold and benchmark.

    Raises:
        SkillscaleError: there is no such published setting.
    """
    rows = _of_setting(_read("published_errors"), n_seen, setting)
    return rows.set_index(["fold", "benchmark"]).drop(columns="n_test_models")


def covariates() -> pd.DataFrame:
    """Sizes and token counts that the published experiment used, by model."""
    return _read("published_covariates").set_index("model").drop(columns="source")


def optima() -> pd.DataFrame:
    """Published optima (version 5, Table 2): ``skill, flops, n_params, n_tokens``."""
    return _read("published_optima").drop(columns="source")


def with_published_covariates(table: Table) -> Table:
    """The same scores, with the sizes and token counts of the published experiment."""
    models = table.models.copy()
    values = covariates().reindex(models.index)
    known = values["n_params"].notna()
    models.loc[known, "n_params"] = values.loc[known, "n_params"]
    models.loc[known, "n_active_params"] = values.loc[known, "n_params"]
    models.loc[known, "n_tokens"] = values.loc[known, "n_tokens"]
    return dataclasses.replace(table, models=models)


def _of_setting(rows: pd.DataFrame, n_seen: int, setting: str) -> pd.DataFrame:
    chosen = rows[(rows["n_seen"] == n_seen) & (rows["benchmarks"] == setting)]
    if chosen.empty:
        raise SkillscaleError(
            f"there is no published setting with {n_seen} models seen on {setting}: "
            f"1 or 2 models were seen, on {', '.join(SETTINGS)}."
        )
    return chosen.drop(columns=["n_seen", "benchmarks", "source"]).reset_index(drop=True)


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(shipped_directory() / "backtest" / f"{name}.csv")
