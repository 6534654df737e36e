"""Cells of scores in tables of any shape: their numbers, and the unit of a column."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from skillscale.imports.quantities import has_decimal_commas, is_absent, score
from skillscale.imports.report import Report

PERCENT = 1.5
"""A column with larger values holds percentages."""


def read_scores(
    file: str, cells: pd.DataFrame, report: Report
) -> tuple[dict[str, pd.Series], dict[str, bool]]:
    """Read columns of scores.

    Args:
        file: its name, for sentences.
        cells: text of the columns, by line.
        report: hears what was assumed, and which cells are left out.

    Returns:
        Numbers by line, NaN where there are none, and whether they are percentages; by column.

    Example:
        >>> cells = pd.DataFrame({"MMLU": ["45.3 %", "n/a"]}, index=[2, 3])
        >>> values, is_percent = read_scores("a.csv", cells, Report())
        >>> values["MMLU"].tolist(), is_percent
        ([45.3, nan], {'MMLU': True})
    """
    read: dict[str, pd.Series] = {}
    is_percent: dict[str, bool] = {}
    with_commas, mixed = [], []
    for name in map(str, cells):
        given = {line: cell for line, cell in cells[name].items() if not is_absent(cell)}
        decimal_comma = has_decimal_commas(given.values())
        with_commas += [name] if decimal_comma else []
        pairs = {line: score(cell, decimal_comma=decimal_comma) for line, cell in given.items()}
        values = pd.Series({line: pair[0] for line, pair in pairs.items()}, dtype=float)
        is_marked = pd.Series({line: pair[1] for line, pair in pairs.items()}, dtype=bool)
        plain = values[~is_marked]
        if is_marked.any() and len(plain) and plain.max() <= 1:
            values = values.where(is_marked, 100 * values)
            mixed.append(name)
        read[name] = values.reindex(cells.index)
        is_percent[name] = bool(is_marked.any()) or values.max() > PERCENT
        wrong = [f"line {line} = {given[line]!r}" for line in values.index[values.isna()]]
        report.doubt(f"{file}: {name} is no number, and left out, at {{}}.", wrong)
    report.say(f"{file}: commas stand before decimals in {{}}.", with_commas)
    report.doubt(
        f"{file}: some cells have a percent sign and others are taken for fractions in {{}}.", mixed
    )
    return read, is_percent


def in_one_unit(
    file: str,
    read: dict[str, pd.Series],
    is_percent: dict[str, bool],
    names: Sequence[str],
    report: Report,
) -> dict[str, bool]:
    """Units of columns that are written alike: what most are, low ones are as well.

    Args:
        file: its name, for sentences.
        read: numbers, as `read_scores` gives them.
        is_percent: likewise.
        names: the columns that are written alike.
        report: hears the doubt, where columns differ.

    Returns:
        Whether they are percentages, by column.

    Example:
        >>> report, high = Report(), pd.Series([45.0])
        >>> read = {"a": high, "b": high, "c": high / 100}
        >>> in_one_unit("a.csv", read, {"a": True, "b": True, "c": False}, "abc", report)
        {'a': True, 'b': True, 'c': True}
        >>> len(report.doubts)
        1
    """
    shares = [is_percent[name] for name in names if read[name].notna().any()]
    if all(shares) or not any(shares):
        return {name: is_percent[name] for name in names}
    are_percent = sum(shares) > len(shares) / 2
    report.doubt(
        f"{file}: {{}} have no value above 1 where other columns are percentages; they are "
        f"taken to be {'percentages as well' if are_percent else 'fractions'}.",
        [name for name in names if not is_percent[name]],
    )
    return {name: is_percent[name] or are_percent for name in names}
