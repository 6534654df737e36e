"""What a user knows of a new family: the models observed so far, and those planned."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from skillscale.data.problems import find_problems, read_cells
from skillscale.data.rules import numbers
from skillscale.data.schema import observed_schema, plan_schema
from skillscale.data.table import model_frame
from skillscale.errors import TableError


def read_observed(path: str | Path, benchmarks: pd.DataFrame) -> pd.DataFrame:
    r"""Read the observed models of a new family from a wide CSV file.

    Args:
        path: CSV file with columns ``model``, ``n_params``, ``n_tokens`` (cells may be empty) and
            any of the benchmarks (empty where not evaluated); optionally ``family``, ``lineage``,
            ``tuning``, ``release``, ``n_active_params``.
        benchmarks: the benchmarks that may be named, as in `Table.benchmarks`.

    Returns:
        One row per model: the columns above, ``release_year``, ``source``, then every benchmark.
        What the file does not give is missing, except ``n_active_params`` (then ``n_params``) and
        ``lineage`` (then ``family``).

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> from skillscale.data.table import load_table
        >>> path = Path(tempfile.mkdtemp()) / "obs.csv"
        >>> _ = path.write_text("model,n_params,n_tokens,mmlu,gsm8k\nnew-1b,1.2e9,2e12,0.41,\n")
        >>> observed = read_observed(path, load_table().benchmarks)
        >>> observed[["model", "n_active_params", "mmlu", "gsm8k"]]
            model  n_active_params  mmlu  gsm8k
        0  new-1b     1.200000e+09  0.41    NaN
    """
    path = Path(path)
    cells, problems = read_cells(path)
    if cells is None:
        raise TableError(problems)
    names = benchmarks.index.to_list()
    schema = observed_schema(names)
    problems += find_problems(path.name, cells, schema, ["model"], allow_extra=False)
    if problems:
        raise TableError(problems)
    scores = cells.reindex(columns=names).reset_index(drop=True).apply(numbers)
    return pd.concat([model_frame(cells), scores], axis=1)


def read_plan(path: str | Path) -> pd.DataFrame:
    r"""Read the models to forecast from a CSV file.

    Args:
        path: CSV file with columns ``model``, ``n_params``, ``n_tokens``; optionally ``family``,
            ``lineage``, ``tuning``, ``release``, ``n_active_params``. Other columns are ignored.

    Returns:
        One row per model: the columns above, ``release_year``, ``source``. What the file does not
        give is missing, except ``n_active_params`` (then ``n_params``) and ``lineage`` (then
        ``family``).

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "plan.csv"
        >>> _ = path.write_text("model,n_params,n_tokens\nnew-8b,8e9,1.5e13\n")
        >>> read_plan(path)[["model", "n_params", "n_tokens", "release_year"]]
            model      n_params      n_tokens  release_year
        0  new-8b  8.000000e+09  1.500000e+13           NaN
    """
    path = Path(path)
    cells, problems = read_cells(path)
    if cells is None:
        raise TableError(problems)
    problems += find_problems(path.name, cells, plan_schema(), ["model"])
    if problems:
        raise TableError(problems)
    return model_frame(cells)
