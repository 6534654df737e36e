"""How commands print: a table for people, csv and json for programs, progress on a terminal."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from skillscale.files import whole_or_absent
from skillscale.formatting import MISSING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, str | float | int | None]

messages = Console(stderr=True)
UNLIMITED = 1000
"""Characters in a line that is not for a terminal."""
KEPT_COLUMNS = 2
"""Columns that are printed however narrow the terminal is."""
GAP = 2
"""Characters between columns."""
STAGES = 4
"""Lines about long work where there is no terminal, after the first."""
MOST_PIXELS = 60_000
"""Along one side of a picture: Matplotlib draws no more than 65,536."""
SHORT = 24
"""Characters in a cell that is never broken over lines."""


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_rows(
    rows: Sequence[Row],
    style: Format,
    *,
    shown: Mapping[str, Callable[[Row], str]],
    beside: Mapping[str, object] | None = None,
) -> None:
    """Print rows.

    Args:
        rows: results, all with the same keys.
        style: csv and json print every key in full precision.
        shown: for a table, its columns: heading, and how a row is shown under it.
        beside: for json, plain values that every row has as well.
    """
    if style is Format.JSON:
        clean = [plain_row(row) | dict(beside or {}) for row in rows]
        json.dump(clean, sys.stdout, indent=1)
        sys.stdout.write("\n")
    elif style is Format.CSV:
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: or_none(value) for key, value in row.items()} for row in rows)
    else:
        cells = [{name: show(row) for name, show in shown.items()} for row in rows]
        print_table(cells, results())


def print_json(parts: Mapping[str, object]) -> None:
    """Print parts of an answer as one JSON object: tables as lists of their rows."""
    plain = {
        name: [*map(plain_row, frame_rows(part))] if isinstance(part, pd.DataFrame) else part
        for name, part in parts.items()
    }
    json.dump(plain, sys.stdout, indent=1)
    sys.stdout.write("\n")


def results() -> Console:
    """Standard output: as wide as a terminal, or as wide as need be."""
    return Console(width=None if sys.stdout.isatty() else UNLIMITED)


def print_table(rows: Sequence[Mapping[str, object]], console: Console) -> None:
    """Print a table whole, or say which columns a narrow terminal has no place for.

    Args:
        rows: as in `rich_table`.
        console: where to.
    """
    names = list(rows[0]) if rows else []
    needed = np.cumsum([_least_width([name, *(row[name] for row in rows)]) for name in names])
    kept = max(int((needed <= console.width + GAP).sum()), min(KEPT_COLUMNS, len(names)))
    console.print(rich_table([{name: row[name] for name in names[:kept]} for row in rows]))
    if kept < len(names):
        note(
            f"This terminal is too narrow for: {', '.join(names[kept:])}. A wider one, a pipe, or "
            "--format csv has them."
        )


def note(sentence: str) -> None:
    """Say something beside a result."""
    messages.print(sentence, markup=False, highlight=False, soft_wrap=True)


def or_none(value: str | float | None) -> str | float | None:
    """The value, or None for a number that JSON and CSV can't hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain_row(row: Row) -> dict[str, object]:
    """A row as JSON can hold it."""
    return {key: or_none(value) for key, value in row.items()}


def number(row: Row, key: str) -> float:
    """A number of a row, NaN where there is none."""
    value = row[key]
    return float("nan") if value is None else float(value)


def as_text(key: str, row: Row) -> str:
    """What is under a key of a row, as it is."""
    value = or_none(row[key])
    return MISSING if value is None else str(value)


def frame_rows(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


@contextmanager
def progress(task: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on stderr from the first step on: a bar on a terminal, else a few lines."""
    if not messages.is_terminal:
        yield _in_lines(task)
        return
    columns = (TextColumn(task), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages) as bar:
        handle = bar.add_task(task, total=None, visible=False)
        yield lambda done, total: bar.update(handle, completed=done, total=total, visible=True)


def _in_lines(task: str) -> Callable[[int, int], None]:
    """Print how far a task is whenever another of its `STAGES` is done."""
    begun, stage = time.monotonic(), -1

    def on_progress(done: int, total: int) -> None:
        nonlocal stage
        if STAGES * done >= total * (stage + 1):
            stage = STAGES * done // max(total, 1)
            seconds = time.monotonic() - begun
            line = f"{task}: {stage / STAGES:.0%} after {seconds:.0f} s"
            note(line)

    return on_progress


def save_figures(out: Path, figures: Mapping[str, Figure]) -> None:
    """Write figures into a directory, as PNG and SVG files named by their keys, and say so.

    Text of an SVG file is text, and the same figure gives the same file.

    Raises:
        FitFileError: a file can't be written.
    """
    import matplotlib as mpl
    from matplotlib.text import Text

    for name, figure in figures.items():
        for text in figure.findobj(Text):
            text.set_parse_math(False)  # dollars are part of names
        dpi = min(figure.dpi, MOST_PIXELS / max(figure.get_size_inches()))
        with whole_or_absent(out / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=dpi)
        with (
            whole_or_absent(out / f"{name}.svg") as temporary,
            mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}),
        ):
            figure.savefig(temporary, format="svg", metadata={"Date": None})
    if figures:
        note(f"Figures written to {out} as PNG and SVG: {', '.join(figures)}.")


STYLES = {"PASS": "green", "REVIEW": "yellow", "FAIL": "bold red"}
"""Styles of whole cells; the words alone say the same where there is no colour."""


_NUMBER = re.compile(r"[<>~+-]? ?\d|\[-?\d|-$")


def rich_table(rows: Sequence[Mapping[str, object]]) -> Table:
    """Lay out rows as a table for the terminal, numbers to the right.

    Args:
        rows: one mapping of column name to cell per row, all with the keys of the first. A cell
            is shown by ``str``; ``rich`` texts keep their style, and PASS, REVIEW and FAIL have
            one of their own.

    Example:
        >>> from rich.console import Console
        >>> Console(width=40).print(rich_table([{"model": "a", "mmlu": "45.3"}]))
        model  mmlu
        ───────────
        a      45.3
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for name in rows[0] if rows else ():
        cells = [str(row[name]) for row in rows]
        is_number = all(_NUMBER.match(cell) for cell in cells if cell)
        is_short = is_number or not table.columns or _is_short(cells)
        table.add_column(str(name), justify="right" if is_number else "left", no_wrap=is_short)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _is_short(cells: Sequence[object]) -> bool:
    return max((len(str(cell)) for cell in cells), default=0) <= SHORT


def _least_width(cells: Sequence[object]) -> int:
    """Characters that a column takes with its gap, broken between words where it may be."""
    parts = [str(cell) for cell in cells]
    words = parts if _is_short(parts) else [word for part in parts for word in part.split()]
    return max(map(len, words), default=0) + GAP


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    # Not markup: a name in brackets must print as it is.
    return Text(str(value), style=STYLES.get(str(value), ""))
