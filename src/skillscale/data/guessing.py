r"""Guessing: the score it earns, what lies too far below it, and scores it was subtracted from.

The Open LLM Leaderboard v2 shows normalised scores, shares of what is above guessing,

$$z = \max\!\left(0, \frac{y - c}{1 - c}\right), \qquad y = c + (1 - c)\, z,$$

so a raw score $y$ comes back exactly where the benchmark has one level $c$ of guessing, and nearly,
to a point or two, where subtasks have levels of their own and $c$ is their mean. A zero does not
come back: it stands for everything below.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from skillscale.data.problems import rule
from skillscale.data.rules import number, numbers, unless

if TYPE_CHECKING:
    import pandera.pandas as pa

STANDARD_ERRORS = 4.0
POINTS = 0.05
"""How far below guessing a score must lie, in both respects, to be impossible: one letter always
answered gives MMLU 0.231."""
NORMALISED = ("gpqa", "mmlu_pro", "bbh", "musr")
"""Benchmarks that the leaderboard normalises; the first two come back exactly."""


def least_score(chance: float, n_items: float) -> float:
    """Least score that guessing can earn.

    Args:
        chance: what it earns on average, a fraction; zero for free-form answers.
        n_items: number of questions, NaN where that is not known.

    Returns:
        A fraction; minus infinity where there is no guessing.

    Example:
        >>> round(least_score(0.25, 14042), 3), least_score(0.0, 1319)
        (0.2, -inf)
    """
    if not 0 < chance < 1:
        return -math.inf
    error = math.sqrt(chance * (1 - chance) / n_items) if n_items > 0 else 0.0
    return chance - max(STANDARD_ERRORS * error, POINTS)


def not_below_guessing(benchmark: pd.Series) -> pa.Check:
    """A score of a wide table is not far below what guessing earns on its benchmark."""
    name, chance = str(benchmark.name), float(benchmark["chance"])
    n_items = benchmark["n_items"]
    least = least_score(chance, math.nan if pd.isna(n_items) else float(n_items))
    return rule(
        f"{name} is far below guessing, which scores {chance:g},",
        # Percentages and negative numbers are told of by another rule.
        unless(lambda values: values.between(0, least, inclusive="left")),
        lambda rows: _advice(name, numbers(rows[name]), chance),
    )


def none_below_guessing(benchmarks: pd.DataFrame) -> pa.Check:
    """No score of a long table is far below what guessing earns on its benchmark.

    Args:
        benchmarks: cells of benchmarks.csv, as text.

    Returns:
        The rule, which passes benchmarks that are not described.
    """
    columns = ["benchmark", "chance", "n_items"]
    known = benchmarks.reindex(columns=columns).dropna().drop_duplicates("benchmark")
    described = known.set_index("benchmark").map(number)
    valid = described[described["chance"].between(0, 1) & (described["n_items"] > 0)]
    least = {name: least_score(*row) for name, row in zip(valid.index, valid.values, strict=True)}

    def holds(frame: pd.DataFrame) -> pd.Series:
        values = numbers(frame["score"])
        return ~values.between(0, frame["benchmark"].map(least), inclusive="left")

    def advice(rows: pd.DataFrame) -> str:
        name = rows["benchmark"].iloc[0]
        return _advice(name, numbers(rows["score"]), valid.loc[name, "chance"])

    return rule("score is far below guessing", holds, advice, needs=("score", "benchmark"))


def _advice(name: str, values: pd.Series, chance: float) -> str:
    if (values == 0).all():
        return (
            "No answer was counted as right: the parser found none, or chance was subtracted. "
            "Evaluate again, or remove the score."
        )
    raw = raw_score(values.iloc[0], chance)
    remedy = ", or use --normalised for observed scores" if name in NORMALISED else ""
    return f"Was chance subtracted, as leaderboards do? If so, write {raw:.3g}{remedy}."


def raw_score(normalised: Any, chance: Any) -> Any:
    """The raw score of one that chance was subtracted from; or several, of numbers or arrays.

    Args:
        normalised: the share of what is above guessing.
        chance: what guessing earns.

    Returns:
        A fraction.

    Example:
        >>> raw_score(0.5, 0.25)
        0.625
    """
    return chance + (1 - chance) * normalised


def raw_scores(normalised: pd.DataFrame, chance: pd.Series) -> pd.DataFrame:
    """Turn scores as the leaderboard v2 shows them back into raw ones.

    Args:
        normalised: fractions, one column per benchmark, of which those of `NORMALISED` change.
        chance: score of guessing, by benchmark.

    Returns:
        Raw scores, as fractions.

    Example:
        >>> raw_scores(pd.DataFrame({"gpqa": [0.0638], "math": [0.1]}), pd.Series({"gpqa": 0.25}))
              gpqa  math
        0  0.29785   0.1
    """
    raw = normalised.copy()
    for name in raw.columns.intersection(list(NORMALISED)):
        raw[name] = raw_score(raw[name], chance[name])
    return raw


def no_zeros(name: str) -> pa.Check:
    """A normalised score is above zero, where the raw one could be anything below guessing."""
    return rule(
        f"{name} is zero, which stands for anything up to guessing,",
        unless(lambda values: values == 0),
        "Give the raw score, or leave the cell empty.",
    )
