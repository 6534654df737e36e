"""The rules that cells of a table obey, each with the words for what breaks it.

Rules judge cells as written in the file, so that a sentence can quote them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pandas as pd

from skillscale.data.problems import near, rule

if TYPE_CHECKING:
    import pandera.pandas as pa

RELEASE_YEARS = (2015, 2040)
LOSS_LIMIT = 50.0
"""No loss reaches this, in nats per token or bits per byte; perplexities and counts do."""
SUFFIXES = {"k": 3, "m": 6, "b": 9, "t": 12}


def number(cell: str | None) -> float:
    """Read a cell as a float: NaN when it is empty or no number.

    Args:
        cell: text of the cell, None where empty.

    Returns:
        The number.

    Example:
        >>> number("7e9"), number("7B")
        (7000000000.0, nan)
    """
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan


def numbers(cells: pd.Series) -> pd.Series:
    """Read a column of cells as floats, NaN where empty."""
    return cells.map(number, na_action="ignore").astype(float)


def decimal_year(release: str) -> float:
    """Turn a month into the decimal year of its middle.

    Args:
        release: the month, ``YYYY-MM``.

    Returns:
        The year.

    Raises:
        ValueError: this is no month.

    Example:
        >>> decimal_year("2024-07")
        2024.5416666666667
    """
    year, month = release.split("-")
    return int(year) + (int(month) - 0.5) / 12


def numeric(name: str, advice: str) -> pa.Check:
    """A cell is a finite number, written plainly."""

    def plainly(rows: pd.DataFrame) -> str:
        written = re.fullmatch(r"(\d+\.?\d*)\s*([kmbt%])", rows[name].iloc[0].lower())
        if written is None:
            return advice
        value, suffix = written.groups()
        plain = f"{float(value) / 100:g}" if suffix == "%" else f"{value}e{SUFFIXES[suffix]}"
        return f"{advice} For {rows[name].iloc[0]!r} write {plain}."

    def is_finite(cells: pd.Series) -> pd.Series:
        return numbers(cells).map(math.isfinite)

    return rule(f"{name} is not a finite number", is_finite, plainly)


def unless(is_wrong: Callable[[pd.Series], pd.Series]) -> Callable[[pd.Series], pd.Series]:
    """Judge a column as floats. Cells that are no finite number pass: `numeric` reports them."""

    def holds(cells: pd.Series) -> pd.Series:
        values = numbers(cells)
        return ~(is_wrong(values) & values.map(math.isfinite))

    return holds


def positive(name: str) -> pa.Check:
    """A count is above zero."""
    return rule(
        f"{name} is not positive",
        unless(lambda values: values <= 0),
        f"{name} is a count.",
    )


def fraction(name: str) -> pa.Check:
    """A score lies in [0, 1]."""

    def advice(rows: pd.DataFrame) -> str:
        values = numbers(rows[name])
        if values.between(0, 100).all() and values.max() > 2:
            return (
                "Scores are fractions and these look like percentages: divide by 100 "
                "(the whole column, if all of it is in percent). Columns of a leaderboard may have "
                "chance subtracted as well: use raw scores, or --normalised for those of v2."
            )
        return "Scores are fractions: rescale or remove them."

    return rule(
        f"{name} is outside [0, 1]",
        unless(lambda values: (values < 0) | (values > 1)),
        advice,
    )


def counted_singly(name: str, limits: tuple[float, float], units: dict[float, str]) -> pa.Check:
    """A count is in units, not in thousands, millions, billions or trillions.

    Args:
        name: the column.
        limits: smallest and largest believable count.
        units: for a count below a bound, the unit it was probably written in, smallest bound first.

    Returns:
        The check of the column.
    """
    low, high = limits

    def advice(rows: pd.DataFrame) -> str:
        value = number(rows[name].iloc[0])
        for bound, unit in units.items():
            if value < bound:
                plain = f"{value:g}e{SUFFIXES[unit[0]]}"
                return f"{value:g} looks like {unit}: write {plain}."
        return f"{name} is a plain count between {low:g} and {high:g}."

    return rule(
        f"{name} is in the wrong unit",
        unless(lambda values: (values > high) | ((values > 0) & (values < low))),
        advice,
    )


def known_name(
    name: str, known: Iterable[str], file: str, advice: str = "Add it there or correct the name"
) -> pa.Check:
    """A name is a row of another file."""
    known = list(known)
    return rule(
        f"{name} is not in {file}",
        lambda cells: cells.isin(known),
        lambda rows: f"{advice}{near(list(rows[name]), known)}.",
    )


def unique_name(name: str) -> pa.Check:
    """A name has one row."""
    return rule(
        f"{name} repeats an earlier row", lambda cells: ~cells.duplicated(), "Keep one row of each."
    )


def unique_score() -> pa.Check:
    """A model has one score per benchmark."""
    pair = ["model", "benchmark"]
    return rule(
        "model and benchmark repeat an earlier row",
        lambda frame: ~frame.duplicated(pair) | frame[pair].isna().any(axis=1),
        "Keep one row of each.",
        needs=pair,
    )


def loss(name: str) -> list[pa.Check]:
    """A loss is a positive number of nats per token or bits per byte."""
    unit = "Losses are in nats per token or bits per byte"
    choose = f"if {name} is no loss, choose the columns that are"
    return [
        numeric(name, f"{unit}; leave the cell empty where it was not measured."),
        rule(
            f"{name} is not positive",
            unless(lambda values: values <= 0),
            f"{unit}, and above zero: leave the cell empty where it was not measured; {choose}.",
        ),
        rule(
            f"{name} is {LOSS_LIMIT:g} or more",
            unless(lambda values: values >= LOSS_LIMIT),
            f"{unit}: take the logarithm of perplexities; {choose}.",
        ),
    ]


def unique_run() -> pa.Check:
    """A size and number of tokens is trained once per group, unless the runs have names."""
    cell = ["n_params", "n_tokens"]

    def holds(frame: pd.DataFrame) -> pd.Series:
        if "run" in frame.columns:
            return pd.Series(True, index=frame.index)
        keys = frame.reindex(columns=["group", "n_active_params"]).join(frame[cell].apply(numbers))
        return ~keys.duplicated() | keys[cell].isna().any(axis=1)

    return rule(
        "n_params and n_tokens repeat an earlier run of the group",
        holds,
        "Keep one row of each; if they are reruns, name every run in a column 'run'.",
        needs=cell,
    )


def chance() -> list[pa.Check]:
    """A chance level leaves room above it."""
    advice = "chance is the score of guessing, a fraction: 0.25 for four choices, 0 if free-form."
    return [
        numeric("chance", advice),
        rule(
            "chance is outside [0, 1)",
            unless(lambda values: (values < 0) | (values >= 1)),
            f"{advice} Divide percentages by 100.",
        ),
    ]


def n_items() -> list[pa.Check]:
    """A number of questions, which sets the noise of a score."""
    advice = "n_items is how many questions the score averages over, such as 1319."
    return [
        numeric("n_items", advice),
        rule(
            "n_items is not a positive whole number",
            unless(lambda values: (values <= 0) | (values % 1 != 0)),
            advice,
        ),
    ]


def release() -> list[pa.Check]:
    """A month in which a language model can have been released."""
    first, last = RELEASE_YEARS
    advice = "Write year and month, such as 2024-07."
    months = r"\d{4}-(0[1-9]|1[0-2])"

    def is_absurd(cells: pd.Series) -> pd.Series:
        years = cells.where(cells.str.fullmatch(months)).str[:4].astype(float)
        return (years < first) | (years > last)

    return [
        rule("release is not YYYY-MM", lambda cells: cells.str.fullmatch(months), advice),
        rule(f"release is before {first} or after {last}", lambda cells: ~is_absurd(cells), advice),
    ]


def one_lineage() -> pa.Check:
    """Fine-tunes may be families of their own, but one family has one ancestor."""

    def lineages(rows: pd.DataFrame) -> pd.Series:
        return rows["lineage"].fillna(rows["family"]).groupby(rows["family"]).unique()

    def holds(frame: pd.DataFrame) -> pd.Series:
        is_one = lineages(frame).map(len) == 1
        return frame["family"].isna() | frame["family"].map(is_one).eq(True)

    def advice(rows: pd.DataFrame) -> str:
        found = [
            f"family {family!r} has " + " and ".join(repr(name) for name in names)
            for family, names in lineages(rows).items()
        ]
        return f"Give a family one lineage: {'; '.join(found[:5])}."

    return rule("a family has two lineages", holds, advice, needs=("lineage", "family"))


def active_fit_in_total() -> pa.Check:
    """A mixture of experts uses some of its parameters per token, never more."""
    return rule(
        "n_active_params exceeds n_params",
        lambda f: ~(numbers(f["n_active_params"]) > numbers(f["n_params"])),
        "n_params counts all parameters, n_active_params those used per token.",
        needs=("n_active_params", "n_params"),
    )


def attempts(name: str, advice: str, smallest: int) -> list[pa.Check]:
    """A number of attempts at an item."""
    return [
        numeric(name, advice),
        rule(
            f"{name} is not a whole number from {smallest}",
            unless(lambda values: (values < smallest) | (values % 1 != 0)),
            advice,
        ),
    ]


def solved_at_most_attempted() -> pa.Check:
    """An item is solved as often as it was attempted at most."""
    return rule(
        "correct exceeds n",
        lambda f: ~(numbers(f["correct"]) > numbers(f["n"])),
        "correct counts those of the n attempts that solved the item.",
        needs=("correct", "n"),
    )


def unique_item() -> pa.Check:
    """An item has one row per model."""
    return rule(
        "item repeats an earlier row of its model",
        lambda frame: ~frame.reindex(columns=["model", "item"]).duplicated() | frame["item"].isna(),
        "Keep one row of each.",
        needs=["item"],
    )
