"""New scores beside those that a file of observed models has already."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from skillscale.data.cells import require_cells
from skillscale.data.rules import number
from skillscale.data.table import FILES, load_table
from skillscale.errors import TableError
from skillscale.imports.benchmark_rows import benchmark_rows
from skillscale.imports.draft import Draft, long_scores
from skillscale.imports.known_models import short_key
from skillscale.imports.model_rows import model_rows
from skillscale.imports.report import Report

FACTS = ("model", "n_params", "n_tokens", "tuning")
"""Columns of observed models that hold no scores."""

ALIKE = {"n_params": 0.02, "n_tokens": 0.02}
"""Relative difference of counts that is rounding."""
SAME_SCORE = 5e-5


def as_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as the text of a file.

    Args:
        frame: text and numbers, NaN where there are none.

    Returns:
        Cells, with None where empty.

    Example:
        >>> as_cells(pd.DataFrame({"n_params": [7e9], "mmlu": [0.25]})).loc[0].tolist()
        ['7e+09', '0.25']
    """
    return frame.astype(object).map(
        lambda value: (
            None if pd.isna(value) else value if isinstance(value, str) else f"{value:.7g}"
        )
    )


def with_additions(path: Path, new: pd.DataFrame) -> pd.DataFrame:
    r"""Add models and scores to a file of observed models.

    Args:
        path: the file: ``model`` and other columns, a model per row.
        new: one row per model, with columns of the file or others.

    Returns:
        Cells of the file with what is new: rows of new models last, new columns last.

    Raises:
        TableError: the file is no such table, or contradicts what is new.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "obs.csv"
        >>> _ = path.write_text("model,n_params,n_tokens,mmlu\na,7e9,2e12,0.45\n")
        >>> with_additions(path, pd.DataFrame({"model": ["a", "b"], "gsm8k": [0.5, 0.25]}))
          model n_params n_tokens  mmlu gsm8k
        0     a      7e9     2e12  0.45   0.5
        1     b     None     None  None  0.25
        >>> with_additions(path, pd.DataFrame({"model": ["a"], "mmlu": [0.3]}))
        Traceback (most recent call last):
        skillscale.errors.TableError: 1 problem found:
        - obs.csv: mmlu at line 2 (a) = 0.45, but what is added has 0.3. Remove one of the two.
    """
    cells = require_cells(path)
    if "model" not in cells:
        raise TableError([f"{path.name}: column 'model' is missing. Name the models."])
    if (repeated := cells["model"].duplicated()).any():
        raise TableError([f"{path.name}: {cells['model'][repeated].iloc[0]} has several rows."])
    problems = []
    rows = {str(row["model"]): dict(row) for _, row in cells.iterrows()}
    lines = dict(zip(cells["model"], cells.index, strict=True))
    for _, added in as_cells(new).iterrows():
        model = str(added["model"])
        row = rows.setdefault(model, {"model": model})
        for name, value in added.dropna().items():
            there = row.get(str(name))
            if there is None:
                row[str(name)] = value
            elif not _agree(str(name), there, value):
                problems.append(
                    f"{path.name}: {name} at line {lines[model]} ({model}) = {there}, but what is "
                    f"added has {value}. Remove one of the two."
                )
    if problems:
        raise TableError(problems)
    columns = [*cells.columns, *(name for name in new.columns if name not in cells.columns)]
    joined = pd.DataFrame(list(rows.values()), columns=columns, dtype=object)
    return joined.where(joined.notna(), None)


def with_added_models(directory: Path, new: pd.DataFrame, source: str, report: Report) -> Draft:
    """Add models and scores to a table.

    Args:
        directory: of the table's three files.
        new: one row per model, as a file of observed models has them.
        source: where the scores are from.
        report: hears what is assumed of models that are new.

    Returns:
        The table with what is new: rows of new models, scores and benchmarks last.

    Raises:
        TableError: the table holds problems, or contradicts what is new.
    """
    load_table(directory)
    models, scores, benchmarks = (require_cells(directory / file) for file in FILES)
    by_key = {short_key(str(name)): str(name) for name in models["model"]}
    there = new["model"].map(lambda name: by_key.get(short_key(name)))
    report.say(
        "scores are added to models that the table has: {}.",
        [f"{name} ({known})" for name, known in zip(new["model"], there, strict=True) if known],
    )
    wide = new.drop(columns=[name for name in FACTS if name in new])
    wide.index = pd.Index(there.fillna(new["model"]))
    added = long_scores(wide, source)
    written = dict(
        zip(zip(scores["model"], scores["benchmark"], strict=True), scores["score"], strict=True)
    )
    pairs = list(zip(added["model"], added["benchmark"], added["score"], strict=True))
    problems = [
        f"scores.csv: {model} has {written[model, name]} on {name}, but what is added has {value}. "
        "Remove one of the two."
        for model, name, value in pairs
        if (model, name) in written and not _agree("score", written[model, name], value)
    ]
    if problems:
        raise TableError(problems)
    is_new = [(model, name) not in written for model, name, _ in pairs]
    facts = as_cells(new.reindex(columns=list(FACTS)))[there.isna().to_numpy()]
    rows = [models] if facts.empty else [models, model_rows(facts, source, report)]
    known = set(benchmarks["benchmark"])
    titles = {str(name): str(name) for name in wide.columns if name not in known}
    described = [benchmarks, benchmark_rows(titles, report)] if titles else [benchmarks]
    return Draft(
        pd.concat(rows, ignore_index=True),
        pd.concat([scores, added[is_new]], ignore_index=True),
        pd.concat(described, ignore_index=True),
    )


def _agree(name: str, there: str, value: str) -> bool:
    one, other = number(there), number(value)
    if math.isnan(one) or math.isnan(other):
        return there == value
    within = ALIKE[name] * abs(one) if name in ALIKE else SAME_SCORE
    return abs(one - other) <= within
