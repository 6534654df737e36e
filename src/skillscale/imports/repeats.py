"""Which run of a model counts, where a leaderboard has several."""

from __future__ import annotations

import pandas as pd

from skillscale.formatting import and_more, counted
from skillscale.imports.report import Report

FULL = ("bfloat16", "float16")
"""Precisions of weights that were not rounded for the run, the better one first."""
RULE = (
    "weights that were not rounded, then for chat models the chat template, then the first "
    "submitted, then bfloat16"
)


def without_repeats(runs: pd.DataFrame, report: Report) -> pd.DataFrame:
    """Keep one run per model.

    Args:
        runs: as `read_dump` gives them, and ``model``.
        report: hears how many there were.

    Returns:
        One row per model, in the order of the dump.

    Example:
        >>> runs = pd.DataFrame({"model": "a", "precision": ["4bit", "float16"], "kind": "chat"})
        >>> runs["chat_template"] = runs["submitted"] = None
        >>> report = Report()
        >>> without_repeats(runs, report)["precision"].tolist()
        ['float16']
        >>> report.said
        ['1 row of 1 model that has several is left out: a. The one kept has weights that ...']
    """
    repeated = runs[runs["model"].duplicated(keep=False)]
    if repeated.empty:
        return runs
    precision = repeated["precision"].str.lower()
    is_chat = repeated["kind"].eq("chat").groupby(repeated["model"]).transform("any")
    templated = repeated["chat_template"].map(
        lambda cell: str(cell).lower() in ("true", "1", "1.0")
    )
    order = pd.DataFrame(
        {
            "model": repeated["model"],
            "is_rounded": ~precision.isin(FULL) & precision.notna(),
            "is_plain": is_chat & ~templated,
            # Runs without a date are of the leaderboard's own list, which came first.
            "submitted": repeated["submitted"].fillna("").astype(str).str[:10],
            "precision": precision.map({name: rank for rank, name in enumerate(FULL)}).fillna(9),
        }
    ).sort_values(["model", "is_rounded", "is_plain", "submitted", "precision"], kind="stable")
    dropped = order.index[order.duplicated("model")]
    models = repeated["model"].unique()
    rows = counted(len(dropped), "row")
    several = "1 model that has" if len(models) == 1 else f"{len(models)} models that have"
    verb = "is" if len(dropped) == 1 else "are"
    report.say(
        f"{rows} of {several} several {verb} left out: {and_more(list(models))}. The one kept has "
        f"{RULE}."
    )
    return runs.drop(index=dropped)
