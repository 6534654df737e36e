"""Tables that do not have a model per row: benchmarks in rows, or a score per row."""

from __future__ import annotations

import pandas as pd

from skillscale.errors import TableError
from skillscale.formatting import and_more
from skillscale.imports.aliases import key
from skillscale.imports.report import Report
from skillscale.imports.score_columns import is_benchmark

MODEL = ("model", "modelname", "name", "modelid", "hfid", "llm")
"""Keys of the column that names models in a table with a score per row."""
VALUE = ("score", "value", "result", "accuracy", "acc", "metricvalue", "percent", "points")
"""Keys of the column that holds the scores there, the one that wins first."""
FEWEST = 3
"""Known benchmarks in a column that show what it is, where they are less than half of it."""


def with_model_per_row(file: str, cells: pd.DataFrame, report: Report) -> pd.DataFrame:
    """Turn a table so that models are in rows and benchmarks in columns.

    Args:
        file: its name, for sentences.
        cells: its text.
        report: hears how it was turned.

    Returns:
        The same cells, if they are so already or not to be recognised.

    Raises:
        TableError: a benchmark stands twice, or a model has two scores on one.

    Example:
        >>> card = pd.DataFrame({"Benchmark": ["MMLU", "GSM8K"], "ant-7b": ["45", "20"]})
        >>> with_model_per_row("card.csv", card, Report())
            model MMLU GSM8K
        2  ant-7b   45    20
    """
    if any(map(is_benchmark, cells.columns[1:])):
        return cells
    for column in cells.columns:
        names = cells[column].dropna()
        n_known = sum(map(is_benchmark, names.unique()))
        if not n_known or (n_known < names.nunique() / 2 and n_known < FEWEST):
            continue
        if (long := _long(file, cells, column, report)) is not None:
            return long
        if column == cells.columns[0]:
            return _turned(file, cells[cells[column].notna()], report)
    return cells


def _long(file: str, cells: pd.DataFrame, benchmark: str, report: Report) -> pd.DataFrame | None:
    """A table with a score per row, which names model and benchmark."""
    by_key = {key(name): name for name in reversed(cells.columns) if name != benchmark}
    model, value = (next((by_key[k] for k in keys if k in by_key), None) for keys in (MODEL, VALUE))
    if model is None or value is None:
        return None
    given = cells[cells[model].notna() & cells[benchmark].notna()]
    if (twice := given.duplicated([model, benchmark])).any():
        lines = [
            f"line {line} ({name}, {of})"
            for line, name, of in given.loc[twice, [model, benchmark]].itertuples()
        ]
        raise TableError([f"{file}: scores repeat earlier rows at {and_more(lines)}. Keep one."])
    report.say(
        f"{file}: a score stands in every row, {value!r} on {benchmark!r} of {model!r}; a line "
        "below is a model, in the order of the file."
    )
    facts = (
        given.drop(columns=[benchmark, value]).groupby(model, sort=False, as_index=False).first()
    )
    scores = given.pivot_table(value, model, benchmark, aggfunc="first", dropna=False)
    columns = list(dict.fromkeys(given[benchmark]))
    wide = facts.join(scores[columns], on=model).astype(object)
    wide = wide.where(wide.notna(), None)
    wide.index = pd.RangeIndex(2, len(wide) + 2)
    return wide


def _turned(file: str, cells: pd.DataFrame, report: Report) -> pd.DataFrame:
    """A table with benchmarks in rows and models in columns, as in model cards."""
    first = cells.columns[0]
    if (twice := cells[first].duplicated()).any():
        lines = [f"line {line} ({name})" for line, name in cells[first][twice].items()]
        raise TableError(
            [f"{file}: benchmarks repeat earlier rows at {and_more(lines)}. Keep one row of each."]
        )
    report.say(
        f"{file}: benchmarks stand in rows and models in columns, and the table is turned; a line "
        "below is a column of the file."
    )
    turned = cells.set_index(first).T
    turned.columns.name = None
    turned.insert(0, "model", turned.index)
    turned.index = pd.RangeIndex(2, len(turned) + 2)
    return turned
