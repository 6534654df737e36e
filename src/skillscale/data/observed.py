"""What a user knows of a new family: the models observed so far, and those planned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from skillscale.data.cells import require_cells
from skillscale.data.frames import model_frame
from skillscale.data.guessing import raw_scores
from skillscale.data.problems import find_problems
from skillscale.data.rules import numbers
from skillscale.errors import TableError

if TYPE_CHECKING:
    import pandera.pandas as pa


def read_observed(
    path: str | Path, benchmarks: pd.DataFrame, *, is_normalised: bool = False
) -> pd.DataFrame:
    r"""Read the observed models of a new family from a wide CSV file.

    Args:
        path: CSV file with columns ``model``, ``n_params``, ``n_tokens`` (cells may be empty) and
            any of the benchmarks (empty where not evaluated); optionally ``family``, ``lineage``,
            ``tuning``, ``release``, ``n_active_params``.
        benchmarks: the benchmarks that may be named, as in `Table.benchmarks`.
        is_normalised: whether scores are as the leaderboard v2 shows them, chance subtracted; they
            are turned back into raw ones (see `guessing`).

    Returns:
        One row per model: the columns above, ``release_year``, ``source``, then every benchmark.
        What the file does not give is missing, except ``n_active_params`` (then ``n_params``) and
        ``lineage`` (then ``family``). Attribute ``said``: sentences about columns that were taken
        for others.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> from skillscale.data.table import load_table
        >>> path = Path(tempfile.mkdtemp()) / "obs.csv"
        >>> _ = path.write_text("model,n_params,n_tokens,mmlu,gsm8k\nnew-1b,1.2e9,2e12,0.41,\n")
        >>> observed = read_observed(path, load_table("classic").benchmarks)
        >>> observed[["model", "n_active_params", "mmlu", "gsm8k"]]
            model  n_active_params  mmlu  gsm8k
        0  new-1b     1.200000e+09  0.41    NaN
    """
    from skillscale.data.schema import observed_schema

    names = benchmarks.index.to_list()
    schema = observed_schema(benchmarks, is_normalised=is_normalised)
    cells, said = _in_lower_case(require_cells(Path(path)), schema)
    cells, left_out = _without_errors(cells)
    said += left_out
    problems = find_problems(Path(path).name, cells, schema, ["model"], allow_extra=False)
    if problems:
        raise TableError(problems)
    scores = cells.reindex(columns=names).reset_index(drop=True).apply(numbers)
    if is_normalised:
        scores = raw_scores(scores, benchmarks["chance"])
    frame = pd.concat([model_frame(cells), scores], axis=1)
    frame.attrs["said"] = said
    return frame


def _without_errors(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The cells without columns of standard errors, as harnesses write them, and a sentence."""
    errors = [name for name in cells.columns if re.search(r"_stderr(,|$)", name)]
    said = f"columns of standard errors are no scores and left out: {', '.join(errors)}."
    return cells.drop(columns=errors), [said] if errors else []


def _in_lower_case(
    cells: pd.DataFrame, schema: pa.DataFrameSchema
) -> tuple[pd.DataFrame, list[str]]:
    """Columns that differ from those known by their case alone, renamed, and a word about it."""
    renamed = {
        name: name.lower()
        for name in cells.columns
        if name not in schema.columns
        and name.lower() in schema.columns
        and name.lower() not in cells.columns
    }
    said = [f"column {name!r} is taken for {known!r}." for name, known in renamed.items()]
    return cells.rename(columns=renamed), said
