"""How commands print: a table for people, csv and json for programs, progress on a terminal."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from skillscale.errors import SkillscaleError
from skillscale.formatting import rich_table
from skillscale.posterior.storage import whole_or_absent

Row = Mapping[str, str | float | int | None]

messages = Console(stderr=True)


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_rows(
    rows: Sequence[Row], style: Format, *, shown: Mapping[str, Callable[[Row], str]]
) -> None:
    """Print rows.

    Args:
        rows: results, all with the same keys.
        style: csv and json print every key in full precision.
        shown: for a table, its columns: heading, and how a row is shown under it.
    """
    if style is Format.JSON:
        clean = [{key: or_none(value) for key, value in row.items()} for row in rows]
        json.dump(clean, sys.stdout, indent=1)
        sys.stdout.write("\n")
    elif style is Format.CSV:
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: or_none(value) for key, value in row.items()} for row in rows)
    else:
        cells = [{name: show(row) for name, show in shown.items()} for row in rows]
        Console(width=None if sys.stdout.isatty() else 120).print(rich_table(cells))


def or_none(value: str | float | None) -> str | float | None:
    """The value, or None for a number that JSON and CSV can't hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(row: Row, key: str) -> float:
    """A number of a row, NaN where there is none."""
    value = row[key]
    return float("nan") if value is None else float(value)


@contextmanager
def progress(task: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr from the first step on, where that is a terminal."""
    columns = (TextColumn(task), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, disable=not messages.is_terminal) as bar:
        handle = bar.add_task(task, total=None, visible=False)
        yield lambda done, total: bar.update(handle, completed=done, total=total, visible=True)


def save_figures(out: Path, figures: Mapping[str, Figure]) -> None:
    """Write figures into a directory, made if need be, as PNG files named by their keys.

    Raises:
        SkillscaleError: the directory can't be made, or a file not be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SkillscaleError(f"{out} can't be a directory: {error.strerror}.") from error
    for name, figure in figures.items():
        with whole_or_absent(out / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png")
