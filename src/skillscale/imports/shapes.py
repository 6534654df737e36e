"""Tables that do not have a model per row: benchmarks in rows, or a score per row."""

from __future__ import annotations

import re
from functools import partial

import pandas as pd

from skillscale.errors import TableError
from skillscale.formatting import and_more
from skillscale.imports.aliases import column_of, key
from skillscale.imports.quantities import is_absent
from skillscale.imports.report import Report
from skillscale.imports.score_columns import is_benchmark

MODEL = ("model", "modelname", "name", "fullname", "hfid", "modelid", "llm", "models")
"""Keys of the column that names models, the one that wins first."""
VALUE = ("score", "value", "result", "accuracy", "acc", "metricvalue", "percent", "points")
"""Keys of the column that holds the scores in a table with one per row, likewise."""
ASIDE = {
    "shots": ("shots", "nshots", "nshot", "fewshot", "nfewshot", "numfewshot", "numshots", "kshot"),
    "metric": ("metric", "metrics", "measure", "filter"),
}
"""Keys of columns that say how the benchmark of a row was measured."""
NO_MODELS = {"category", "capability", "domain", "type", "language", "version", "area", "group",
             "nparams", "size"}  # fmt: skip
"""Keys of columns that may stand beside models in a table with benchmarks in rows."""
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
        if is_aside(column):
            continue
        names = cells[column].dropna()
        n_known = sum(map(is_benchmark, names.unique()))
        if not n_known or (n_known < names.nunique() / 2 and n_known < FEWEST):
            continue
        if (long := _long(file, cells, column, report)) is not None:
            return long
        before = list(cells.columns[: cells.columns.get_loc(column)])
        if all(map(is_aside, before)):
            named = _measured(cells[cells[column].notna()], column)
            asides = list(filter(is_aside, named.columns))
            return _turned(file, named.drop(columns=asides), report)
    return cells


def is_aside(name: str) -> bool:
    """Whether a column beside benchmarks says something of them, and is of no model."""
    return key(name) in NO_MODELS.union(*ASIDE.values())


def _measured(cells: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Rows of benchmarks with shots and metric in their names, as headers have them."""
    cells = cells.copy()
    for what, keys in ASIDE.items():
        column = column_of(cells.columns.drop(benchmark), keys)
        if column is not None:
            said = cells.pop(column).map(partial(_in_brackets, what))
            cells[benchmark] = cells[benchmark] + said
    return cells


def _in_brackets(what: str, cell: str | None) -> str:
    """What a cell says of how a benchmark was measured."""
    if is_absent(cell):
        return ""
    text = str(cell)
    if what == "shots":
        digits = re.sub(r"\D", "", text)
        text = f"{digits}-shot" if digits else ""
    return f" ({text})" if text else ""


def require_once(file: str, what: str, names: pd.Series) -> None:
    """Require that no row names what another does.

    Args:
        file: its name, for the sentence.
        what: what rows name.
        names: by line.

    Raises:
        TableError: a row repeats an earlier one.
    """
    if (twice := names.duplicated()).any():
        lines = [f"line {line} ({name})" for line, name in names[twice].items()]
        raise TableError(
            [f"{file}: {what} repeat earlier rows at {and_more(lines)}. Keep one row of each."]
        )


def _long(file: str, cells: pd.DataFrame, benchmark: str, report: Report) -> pd.DataFrame | None:
    """A table with a score per row, which names model and benchmark."""
    others = cells.columns.drop(benchmark)
    model, value = (column_of(others, keys) for keys in (MODEL, VALUE))
    if model is None or value is None:
        return None
    given = cells[cells[model].notna() & cells[benchmark].notna()]
    given = _measured(given, benchmark)
    require_once(file, "scores", given[model] + ", " + given[benchmark])
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
    require_once(file, "benchmarks", cells[first])
    report.say(
        f"{file}: benchmarks stand in rows and models in columns, and the table is turned; a line "
        "below is a column of the file."
    )
    turned = cells.set_index(first).T
    turned.columns.name = None
    turned.insert(0, "model", turned.index)
    turned.index = pd.RangeIndex(2, len(turned) + 2)
    return turned
