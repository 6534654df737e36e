"""Figures of arXiv:2412.06540 as published: folds, inputs and errors, and its table of optima."""

from __future__ import annotations

import dataclasses

import pandas as pd

from skillscale.data.shipped import shipped_directory
from skillscale.data.table import Table
from skillscale.errors import SkillscaleError

SETTINGS = ("v1", "v2", "v1+v2")
BEST_SLOTH = tuple(f"sloth_trained_link_{d}" for d in (1, 2, 3, 4))
"""Sloth by its number of skills; the paper reports the best of them for each setting."""


def folds(n_seen: int, setting: str) -> pd.DataFrame:
    """Test families of a setting.

    Args:
        n_seen: models seen per family, 1 or 2.
        setting: ``v1``, ``v2`` or ``v1+v2``.

    Returns:
        Rows ``fold, family``.

    Raises:
        SkillscaleError: there is no such published setting.

    Example:
        >>> folds(1, "v1").head(2)
                 fold      family
        0       bloom       bloom
        1  codegen-nl  codegen-nl
    """
    return _of_setting(_read("folds"), n_seen, setting)


def errors(n_seen: int, setting: str) -> pd.DataFrame:
    """Mean absolute errors (fractions) of every published method by fold and benchmark.

    Args:
        n_seen: models seen per family, 1 or 2.
        setting: ``v1``, ``v2`` or ``v1+v2``.

    Returns:
        A frame (fold, benchmark) with a column per method.

    Raises:
        SkillscaleError: there is no such published setting.

    Example:
        >>> errors(1, "v1").loc[("bloom", "gsm8k"), ["flops", "size_tokens_family"]].to_dict()
        {'flops': 0.07424, 'size_tokens_family': 0.05003}
    """
    rows = _of_setting(_read("published_errors"), n_seen, setting)
    return rows.set_index(["fold", "benchmark"]).drop(columns="n_test_models")


def covariates() -> pd.DataFrame:
    """Sizes and token counts that the published experiment used, by model.

    Returns:
        Counts ``n_params`` and ``n_tokens``, NaN where it had none, indexed by model.

    Example:
        >>> f"{covariates().loc['bloom-1b1', 'n_params']:.2g}"
        '1e+09'
    """
    rows = _read("published_covariates").set_index("model")
    return rows[["n_params", "n_tokens"]]


def evaluated_on(setting: str) -> pd.Index:
    """Models that the published experiment had all scores of.

    The classic table has later scores of some others, which the comparison didn't know.

    Args:
        setting: leaderboards, joined by ``+``.

    Returns:
        Names of models.

    Example:
        >>> len(evaluated_on("v1")), len(evaluated_on("v2")), len(evaluated_on("v1+v2"))
        (160, 113, 85)
    """
    had = _read("published_covariates").set_index("model")["leaderboards"].str.split("+")
    asked = set(setting.split("+"))
    return had.index[had.map(asked.issubset)]


def optima() -> pd.DataFrame:
    """Published optima (arXiv:2412.06540, version 5, Table 2).

    Returns:
        Rows ``skill, flops`` (budget in FLOP), ``n_params, n_tokens`` (counts).

    Example:
        >>> list(optima()["skill"].unique())
        ['reasoning', 'knowledge', 'instruction_following']
    """
    return _read("published_optima").drop(columns="source")


def with_published_covariates(table: Table) -> Table:
    """The same scores, with the sizes and token counts of the published experiment.

    Args:
        table: models and scores.

    Returns:
        The table; models that were no part of the experiment stay as they are.

    Example:
        >>> from skillscale.data.table import load_table
        >>> table = with_published_covariates(load_table("classic"))
        >>> f"{table.models.loc['bloom-1b1', 'n_params']:.2g}"
        '1e+09'
    """
    models = table.models.copy()
    values = covariates().reindex(models.index)
    known = values["n_params"].notna()
    models.loc[known, "n_params"] = values.loc[known, "n_params"]
    models.loc[known, "n_active_params"] = values.loc[known, "n_params"]
    models.loc[known, "n_tokens"] = values.loc[known, "n_tokens"]
    return dataclasses.replace(table, models=models)


def with_published_scores(table: Table) -> Table:
    """The same models, with the leaderboard scores that the published experiment had of them.

    Args:
        table: models and scores.

    Returns:
        The table without scores on leaderboards that a model had none on, and with those that were
        corrected since as they were. Models that were no part of the experiment stay as they are.

    Example:
        >>> from skillscale.data.table import load_table
        >>> with_published_scores(load_table("classic"))
        Table(188 models of 68 families, 15 benchmarks, 1816 scores)
    """
    leaderboard = table.scores["benchmark"].map(table.benchmarks["leaderboard"])
    is_later = pd.Series(False, index=table.scores.index)
    for name in ("v1", "v2"):
        others = covariates().index.difference(evaluated_on(name))
        is_later |= (leaderboard == name) & table.scores["model"].isin(others)
    scores = table.scores[~is_later].reset_index(drop=True)
    cell = ["model", "benchmark"]
    before = scores[cell].merge(_read("published_scores"), on=cell, how="left")["score"]
    scores = scores.assign(score=before.fillna(scores["score"]))
    return dataclasses.replace(table, scores=scores)


def as_published(table: Table) -> Table:
    """The table as the published experiment had it: its sizes, token counts and scores.

    Args:
        table: models and scores.

    Returns:
        The table; models that were no part of the experiment stay as they are.

    Example:
        >>> from skillscale.data.table import load_table
        >>> as_published(load_table("classic")).wide().loc["bloom-1b1", "mmlu"]
        np.float64(0.267)
    """
    return with_published_covariates(with_published_scores(table))


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
