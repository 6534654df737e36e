"""From cells to a list of sentences: every problem of a table, found at once.

A pandera schema is checked lazily, and every kind of failure becomes one sentence naming file,
lines and cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from skillscale.data.cells import read_cells
from skillscale.errors import TableError
from skillscale.formatting import LISTED, and_more, quoted

if TYPE_CHECKING:
    import pandera.pandas as pa
    from pandera.errors import SchemaError


def rule(
    found: str,
    holds: Callable[..., pd.Series],
    advice: str | Callable[[pd.DataFrame], str],
    needs: Sequence[str] = (),
) -> pa.Check:
    """Make a pandera check that brings its own words.

    Args:
        found: what is wrong, as the sentence says it: ``"score is outside [0, 1]"``.
        holds: from the cells of a column (or from the frame) to a boolean per row.
        advice: what to do about it, or a function that words this for the failing rows.
        needs: for a rule between columns, those it reads, the first one being shown. The rule is
            skipped where one of them is absent.

    Returns:
        The check, of a column, or of a frame where it needs columns.
    """
    import pandera.pandas as pa  # a fifth of a second

    def holds_where_it_applies(data: pd.Series | pd.DataFrame) -> pd.Series:
        if isinstance(data, pd.DataFrame) and not set(needs) <= set(data.columns):
            return pd.Series(True, index=data.index)
        return holds(data)

    # With ignore_na a rule on the frame would pass every row that has an empty cell anywhere.
    return pa.Check(
        holds_where_it_applies,
        error=found,
        ignore_na=not needs,
        statistics={"advice": advice, "needs": tuple(needs)},
    )


def checked_cells(
    path: Path,
    schema: Callable[[pd.DataFrame], pa.DataFrameSchema],
    key: Sequence[str],
    *,
    allow_extra: bool = True,
    more: Callable[[pd.DataFrame], list[str]] = lambda cells: [],
) -> pd.DataFrame:
    """Read a CSV file as text and check it.

    Args:
        path: the file.
        schema: columns and rules, given the cells.
        key: columns that name a row.
        allow_extra: as of `find_problems`.
        more: problems that no schema finds, given the cells.

    Returns:
        The cells, as `read_cells` gives them.

    Raises:
        TableError: the file holds problems; the error lists all of them.
    """
    cells, problems = read_cells(path)
    if cells is None:
        raise TableError(problems)
    problems += find_problems(path.name, cells, schema(cells), key, allow_extra=allow_extra)
    problems += more(cells)
    if problems:
        raise TableError(problems)
    return cells


def frame_problems(name: str, frame: pd.DataFrame, schema: pa.DataFrameSchema) -> list[str]:
    """Check a frame of models as a file is checked.

    Args:
        name: what it is called in sentences.
        frame: one row per model; columns that the schema does not know are passed.
        schema: columns and rules.

    Returns:
        Sentences, which count rows from one; none when the frame obeys the schema.

    Example:
        >>> from skillscale.data.schema import plan_schema
        >>> plan = pd.DataFrame({"model": ["a"], "n_params": [-7e9], "n_tokens": [2e12]})
        >>> frame_problems("plan", plan, plan_schema())
        ['plan: n_params is not positive at line 1 (a) = -7000000000.0. n_params is a count.']
    """
    known = frame[[column for column in frame.columns if column in schema.columns]]
    cells = known.astype(object).where(known.notna(), None)
    cells = cells.map(lambda cell: cell if cell is None else str(cell))
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    return find_problems(name, cells, schema, ["model"])


def find_problems(
    file: str,
    frame: pd.DataFrame,
    schema: pa.DataFrameSchema,
    key: Sequence[str],
    *,
    allow_extra: bool = True,
) -> list[str]:
    """Check a frame of text against a schema: one sentence per kind of problem.

    Args:
        file: name of the file, for the sentences.
        frame: cells as text, indexed by line number.
        schema: columns and rules.
        key: columns that name a row, shown beside its line number.
        allow_extra: pass columns the schema does not know. One that looks like a misspelt optional
            column is a problem all the same: it would go unnoticed.

    Returns:
        Sentences; none when the frame obeys the schema.
    """
    from pandera.errors import SchemaErrors

    absent = [name for name in schema.columns if name not in frame.columns]
    problems = [
        f"{file}: column {name!r} is unknown. Rename or remove it{near([name], schema.columns)}."
        for name in frame.columns
        if name not in schema.columns
        and (not allow_extra or get_close_matches(name, absent, n=1, cutoff=0.8))
    ]
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        problems += [f"{file}: {_sentence(e, frame, schema, key)}" for e in errors.schema_errors]
    return problems


def _sentence(
    error: SchemaError, frame: pd.DataFrame, schema: pa.DataFrameSchema, key: Sequence[str]
) -> str:
    from pandera.errors import SchemaErrorReason

    reason = error.reason_code
    if reason is SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
        name = str(error.failure_cases)
        present = quoted(list(frame.columns))
        return f"column {name!r} is missing. {schema.columns[name].description} Found: {present}."
    if not isinstance(error.failure_cases, pd.DataFrame):
        raise error  # a rule broke down: a mistake here, not in the file

    failing = frame.loc[sorted(set(error.failure_cases["index"]))]
    if reason is SchemaErrorReason.SERIES_CONTAINS_NULLS:
        column = error.schema
        return f"{column.name} is missing at {_cells(failing, key)}. {column.description}"

    advice, needs = (error.check.statistics[name] for name in ("advice", "needs"))
    shown = needs[0] if needs else error.schema.name
    words = advice if isinstance(advice, str) else advice(failing)
    return f"{error.check.error} at {_cells(failing, key, shown)}. {words}"


def _cells(rows: pd.DataFrame, key: Sequence[str], shown: str | None = None) -> str:
    """Name rows by line and key, with the cell of column ``shown`` unless the key has it."""
    keys = [name for name in key if name in rows.columns]
    listed = []
    for line, row in rows.iterrows():
        names = ", ".join(row[keys].dropna())
        place = f"line {line} ({names})" if names else f"line {line}"
        cell = row[shown] if shown is not None and shown not in keys else None
        listed.append(f"{place} = {_short(cell)}" if isinstance(cell, str) else place)
    return and_more(listed)


def _short(cell: str) -> str:
    try:
        float(cell)
    except ValueError:
        return repr(cell if len(cell) <= 40 else cell[:37] + "...")
    return cell


def near(names: Iterable[str], known: Iterable[str]) -> str:
    """Point each unknown name to the nearest known one.

    Args:
        names: names that are not known; a few of them are looked up.
        known: those that are.

    Returns:
        A parenthesis to end a sentence with; empty where nothing is near.

    Example:
        >>> near(["mmul", "zzz"], ["mmlu", "gsm8k"])
        " ('mmul': nearest 'mmlu')"
    """
    by_lower = {name.lower(): name for name in known}
    found = []
    for name in list(dict.fromkeys(names))[:LISTED]:
        inside = [known for known in by_lower if known in name.lower()]
        for match in (get_close_matches(name.lower(), by_lower, n=1) or inside)[:1]:
            found.append(f"{name!r}: nearest {by_lower[match]!r}")
    return f" ({', '.join(found)})" if found else ""
