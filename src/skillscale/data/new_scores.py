"""Scores of fitted models on benchmarks that are not in the fit, and what these benchmarks are."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path

import pandas as pd

from skillscale.data.cells import require_cells
from skillscale.data.frames import BENCHMARK_COLUMNS, benchmark_frame
from skillscale.data.problems import checked_cells, find_problems, near
from skillscale.data.rules import numbers
from skillscale.data.schema import benchmarks_schema, new_scores_schema
from skillscale.errors import TableError

Row = dict[Hashable, object]

FEWEST = 5
"""Scores that a new benchmark needs."""


def read_new_scores(path: str | Path) -> pd.DataFrame:
    """Read a wide CSV file as text, by line: ``model`` and one column per benchmark.

    Args:
        path: CSV file with a header.

    Returns:
        The cells, stripped, one row per line, indexed by line number; None where empty. Attribute
        ``file``: its name, for sentences about it.

    Raises:
        TableError: the file is no table.
    """
    cells = require_cells(Path(path))
    cells.attrs["file"] = Path(path).name
    return cells


def read_benchmarks(path: str | Path) -> pd.DataFrame:
    r"""Read what benchmarks are.

    Args:
        path: CSV file with the columns of ``benchmarks.csv``.

    Returns:
        One row per benchmark, as in `Table.benchmarks`.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "benchmarks.csv"
        >>> _ = path.write_text("benchmark,n_items,chance\naime_2025,30,0\n")
        >>> read_benchmarks(path)["n_items"]
        benchmark
        aime_2025    30
        Name: n_items, dtype: int64
    """
    cells = checked_cells(Path(path), lambda _: benchmarks_schema(), ["benchmark"])
    return benchmark_frame(cells)


def check_new_scores(
    scores: pd.DataFrame,
    models: Collection[str],
    fitted: Collection[str],
    listed: pd.DataFrame,
    *,
    title: str | None,
    chance: float | None,
    n_items: int | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check the scores on new benchmarks, and look up what is known of these.

    Args:
        scores: ``model`` and one column per benchmark, as text or numbers.
        models: names of the fit.
        fitted: its benchmarks.
        listed: benchmarks of its table, in the fit or not.
        title: of a benchmark, for those listed an alternative to what is listed.
        chance: likewise, its score of guessing.
        n_items: likewise, its number of questions.

    Returns:
        Scores as a frame (model, benchmark), and one row per benchmark with ``title, leaderboard,
        n_items, chance, metric``.

    Raises:
        TableError: all that is wrong with the scores.
    """
    file = scores.attrs.get("file", "scores")
    listed = listed[~listed.index.duplicated()]
    cells = scores.astype(object).where(scores.notna(), None)
    cells = cells.map(lambda cell: None if cell is None else str(cell))
    names = [name for name in cells.columns if name != "model"]
    options = {"title": title, "chance": chance, "n_items": n_items}
    given = {key: value for key, value in options.items() if value is not None}
    described = pd.DataFrame(
        [_described(name, listed, given) for name in names],
        columns=["benchmark", *BENCHMARK_COLUMNS],
    ).set_index("benchmark")
    problems = find_problems(file, cells, new_scores_schema(models, described), ["model"])
    if not names:
        problems.append(f"{file}: no column holds scores. Name one for the benchmark.")
    if given and len(names) > 1:
        problems.append(
            f"{file}: {', '.join(given)} would be those of {len(names)} benchmarks. Describe them "
            "in a file (--benchmarks), or add them one at a time."
        )
    if chance is not None and not 0 <= chance < 1:
        problems.append(f"chance is outside [0, 1), found {chance:g}. Write 0.25 for four choices.")
    if n_items is not None and n_items < 1:
        problems.append(f"n_items is not positive, found {n_items}. Count the questions.")
    for name in names:
        if name in fitted:
            problems.append(f"{file}: {name!r} is a benchmark of the fit already. Remove it.")
            continue
        if (found := int(cells[name].notna().sum())) < FEWEST:
            problems.append(f"{file}: {name!r} has {found} scores, {FEWEST} are needed.")
        if pd.isna(described["n_items"][name]):
            problems.append(
                f"{file}: the number of items of {name!r} is not known. Give n_items (--n-items, "
                "--benchmarks), how many questions a score averages "
                f"over{near([name], listed.index)}."
            )
    if problems:
        raise TableError(problems)
    return cells.set_index("model")[names].apply(numbers), described


def _described(name: str, listed: pd.DataFrame, given: Mapping[str, object]) -> Row:
    """What is known of a benchmark: what is given, then what is listed."""
    row: Row = {"benchmark": name} | dict.fromkeys(BENCHMARK_COLUMNS)
    row.update(listed.loc[name].to_dict() if name in listed.index else {"title": name, "chance": 0})
    row.update(given)
    return row
