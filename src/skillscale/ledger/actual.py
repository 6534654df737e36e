"""What models really scored, checked as observed models are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from skillscale.data.cells import require_cells
from skillscale.data.problems import find_problems, frame_problems, near
from skillscale.data.rules import numbers
from skillscale.data.schema import observed_schema, scores_schema
from skillscale.data.shipped import ALL
from skillscale.data.table import load_table
from skillscale.errors import TableError
from skillscale.formatting import and_more
from skillscale.ledger.entry import Entry

if TYPE_CHECKING:
    import pandera.pandas as pa

LONG = ["model", "benchmark", "score"]
"""Columns of a table with a row for every score."""


def read_actual(path: str | Path, entries: Sequence[Entry]) -> pd.DataFrame:
    r"""Read what models really scored.

    Args:
        path: CSV file, either as that of observed models, ``model`` and one column per benchmark
            (empty where not evaluated), or as ``scores.csv``, ``model, benchmark, score``.
        entries: forecasts, which say what their benchmarks are.

    Returns:
        One row per score: ``model, benchmark, actual`` (a fraction). Attribute ``said``: sentences
        about columns that are no benchmarks of these forecasts.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        See `skillscale.ledger.judgement.score`.
    """
    cells = require_cells(Path(path))
    return _checked(
        cells, entries, lambda schema, key: find_problems(Path(path).name, cells, schema, key)
    )


def check_actual(scores: pd.DataFrame, entries: Sequence[Entry]) -> pd.DataFrame:
    """Check what models really scored, given as a frame.

    Args:
        scores: the columns of a file of `read_actual`; a wide one may have models as its index.
        entries: forecasts, which say what their benchmarks are.

    Returns:
        As `read_actual`.

    Raises:
        TableError: the frame holds problems; the error lists all of them.

    Example:
        See `skillscale.ledger.judgement.score`.
    """
    frame = scores if "model" in scores else scores.rename_axis("model").reset_index()
    return _checked(frame, entries, lambda schema, _: frame_problems("actual", frame, schema))


def _checked(
    frame: pd.DataFrame,
    entries: Sequence[Entry],
    problems_of: Callable[[pa.DataFrameSchema, list[str]], list[str]],
) -> pd.DataFrame:
    """One row per score, or an error with all problems of the table."""
    benchmarks = benchmarks_of(entries)
    is_long = set(LONG) <= set(frame.columns)
    if is_long:
        schema = scores_schema(None, None, benchmarks.astype(str).reset_index())
    else:
        schema = observed_schema(benchmarks, needs_scores=False)
        loose = {"required": False, "nullable": True}
        schema = schema.update_columns({"n_params": loose, "n_tokens": loose})
    if problems := problems_of(schema, LONG[:-1] if is_long else LONG[:1]):
        raise TableError(problems)
    unknown = [name for name in frame.columns if name not in schema.columns]
    if not is_long:
        wide = frame[["model", *(name for name in benchmarks.index if name in frame)]]
        frame = wide.melt("model", var_name="benchmark", value_name="score")
    rows = frame[LONG].dropna().rename(columns={"score": "actual"}).reset_index(drop=True)
    rows["actual"] = numbers(rows["actual"])
    rows.attrs["said"] = []
    if unknown:
        rows.attrs["said"] = [
            f"no benchmark of these forecasts is in columns {and_more(unknown)}, which are left out"
            f"{near(unknown, benchmarks.index)}."
        ]
    return rows


def benchmarks_of(entries: Sequence[Entry]) -> pd.DataFrame:
    """What is known of the benchmarks of forecasts.

    Args:
        entries: forecasts; a frozen back-test says nothing of its benchmarks, so they are looked up
            among the shipped ones.

    Returns:
        ``n_items`` (NaN where not known) and ``chance``, by benchmark.

    Example:
        >>> back_test = Entry("a", {"forecasts": [{"model": "a-7b", "benchmark": "mmlu"}]})
        >>> benchmarks_of([back_test]).loc["mmlu"].to_dict()
        {'n_items': 14042.0, 'chance': 0.25}
    """
    kept = ["n_items", "chance"]
    known = [frame.set_index("benchmark") for e in entries if len(frame := e.frame("benchmarks"))]
    if len(known) < len(entries):
        known.append(load_table(ALL).benchmarks)
    together = pd.concat([frame[kept] for frame in known]) if known else pd.DataFrame(columns=kept)
    names = pd.Index(pd.concat([e.forecasts["benchmark"] for e in entries]).unique())
    found = together[~together.index.duplicated()].reindex(names).rename_axis("benchmark")
    return found.astype(float).fillna({"chance": 0.0})
