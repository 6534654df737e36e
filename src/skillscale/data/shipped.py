"""The data that come with the package: where they are, and the tables to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from skillscale.errors import UnknownNameError

ALL = "all"
CLASSIC = "classic"
"""Rows of models and benchmarks marked so in their column ``table``, and scores between them."""
NAMES = (ALL, CLASSIC)


def shipped_directory() -> Path:
    """Directory of the data that comes with the package."""
    packaged = Path(__file__).parents[1] / "benchmarks_data"
    # An editable install reads the repository's copy.
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "benchmarks_data"


def fit_file() -> Path:
    """File of the fits that come with the package."""
    return shipped_directory() / "fit.nc"


def directory_of(table: str | Path) -> Path:
    """Directory of a table, given by itself or by the name of a shipped one.

    Args:
        table: directory or name.

    Returns:
        The directory, which may be missing where it is given as a path.

    Raises:
        UnknownNameError: this is neither a shipped table nor, by its looks, a path.

    Example:
        >>> directory_of("classic") == directory_of("all")
        True
        >>> directory_of("my/data")
        PosixPath('my/data')
    """
    if str(table) in NAMES:
        return shipped_directory()
    path = Path(table)
    if str(table) == path.name and not path.exists():
        raise UnknownNameError("directory or name", str(table), NAMES, where="the shipped tables")
    return path


def chosen(table: str | Path, cells: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Cells of the shipped files that belong to a table.

    Args:
        table: directory or name.
        cells: cells of valid files, by file.

    Returns:
        The cells kept, by file; all of them except of the classic table.
    """
    if str(table) != CLASSIC:
        return dict(cells)
    models, scores, benchmarks = (
        cells[f"{name}.csv"] for name in ("models", "scores", "benchmarks")
    )
    models = models[models["table"] == CLASSIC]
    benchmarks = benchmarks[benchmarks["table"] == CLASSIC]
    is_between = scores["model"].isin(models["model"]) & scores["benchmark"].isin(
        benchmarks["benchmark"]
    )
    return {"models.csv": models, "scores.csv": scores[is_between], "benchmarks.csv": benchmarks}
