"""What is known of benchmarks: those shipped, others that are usual, and those nobody described."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import pandas as pd

from skillscale.data.cells import require_cells
from skillscale.data.guessing import NORMALISED, least_score, raw_score
from skillscale.data.rules import number
from skillscale.data.shipped import shipped_directory
from skillscale.imports.report import Report

COLUMNS = ("benchmark", "title", "leaderboard", "n_items", "chance", "metric", "source")
ASSUMED_ITEMS = 100
"""Questions of a benchmark that nobody described: few, so that its scores count for little."""


@cache
def described() -> pd.DataFrame:
    """Cells that describe benchmarks, by short name: those shipped first, then others.

    Returns:
        Text, with the columns of ``benchmarks.csv`` and ``is_shipped``.

    Example:
        >>> described().loc[["mmlu", "gpqa_diamond"], ["n_items", "chance", "is_shipped"]]
                     n_items chance  is_shipped
        benchmark
        mmlu           14042   0.25        True
        gpqa_diamond     198   0.25       False
    """
    frames = []
    for file in ("benchmarks.csv", "other_benchmarks.csv"):
        cells = require_cells(shipped_directory() / file).reindex(columns=list(COLUMNS))
        frames.append(cells.assign(is_shipped=file == "benchmarks.csv"))
    joined = pd.concat(frames).drop_duplicates("benchmark")
    return joined.set_index("benchmark")


def benchmark_rows(titles: Mapping[str, str], report: Report) -> pd.DataFrame:
    """The rows of ``benchmarks.csv`` for some benchmarks.

    Args:
        titles: name to print of benchmarks that are not described anywhere, by short name.
        report: hears what is assumed.

    Returns:
        Text, one row per benchmark, in their order.

    Example:
        >>> report = Report()
        >>> benchmark_rows({"mmlu": "MMLU", "my_eval": "My Eval"}, report)[["benchmark", "n_items"]]
          benchmark n_items
        0      mmlu   14042
        1   my_eval     100
        >>> report.said
        ['my_eval: nothing is known of it. Its score of guessing is taken as 0 and its ...']
    """
    known = described()
    rows = []
    for name, title in titles.items():
        row = {"benchmark": name, "title": title, "chance": "0"}
        if name in known.index:
            told = known.loc[name].drop("is_shipped").dropna()
            row |= {str(column): str(cell) for column, cell in told.items()}
        else:
            report.say(
                f"{name}: nothing is known of it. Its score of guessing is taken as 0 and its "
                f"number of questions as {ASSUMED_ITEMS}: correct chance and n_items in "
                "benchmarks.csv."
            )
        if "n_items" not in row and name in known.index:
            report.say(
                f"{name}: its number of questions is not known, and taken as {ASSUMED_ITEMS}: "
                "correct n_items in benchmarks.csv."
            )
        rows.append({"n_items": str(ASSUMED_ITEMS)} | row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def is_shipped(name: str) -> bool:
    """Whether a benchmark is one of the shipped table.

    Args:
        name: its short name.

    Returns:
        Whether it is.

    Example:
        >>> is_shipped("mmlu"), is_shipped("aime")
        (True, False)
    """
    known = described()["is_shipped"]
    return bool(known.get(name, False))


def why_impossible(name: str, value: float) -> str | None:
    """What is wrong with a score that a benchmark can't have.

    Args:
        name: the benchmark.
        value: the score, which should be a fraction.

    Returns:
        Such as "is below what guessing scores"; None for a score that can be.

    Example:
        >>> why_impossible("mmlu", 45.3)
        'is above 1: scores are fractions'
        >>> why_impossible("gpqa", 0.0638)
        'is far below guessing, which scores 0.25; if chance was subtracted, the raw score is 0.298'
        >>> why_impossible("gsm8k", 0.0)
    """
    if not math.isfinite(value):
        return "is no number"
    if value > 1:
        return "is above 1: scores are fractions"
    if value < 0:
        return "is below 0: scores are fractions"
    known = described()
    if name not in known.index:
        return None
    chance, n_items = number(known["chance"][name]), number(known["n_items"][name])
    if value >= least_score(chance, n_items):
        return None
    raw = f"; if chance was subtracted, the raw score is {raw_score(value, chance):.3g}"
    return f"is far below guessing, which scores {chance:g}" + (raw if name in NORMALISED else "")
