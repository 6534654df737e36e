"""Files of cells, whatever holds them: commas, semicolons, tabs, Markdown, XLSX, parquet."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from skillscale.data.cells import EXCEL, frame_of_rows, require_cells, text_of
from skillscale.errors import SkillscaleError, TableError
from skillscale.imports.report import Report

PARQUET = b"PAR1"
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
FIRST = "model"
"""What a first column without a header is called."""
MARKS = (
    (r"<(su[bp])>[^<]*</\1>", ""),
    (r"\[([^\]]*)\]\([^)]*\)", r"\1"),
    (r"<br\s*/?>", " "),
    (r"\*\*|`|<[^>]*>", ""),
    (r"^[*_](.+)[*_]$", r"\1"),
)
"""What Markdown adds to the text of a cell: footnotes, links, line breaks, emphasis."""
EXTRA = "pip install 'skillscale[import]'"


def read_sheet(path: Path, report: Report) -> pd.DataFrame:
    r"""Read a file of cells as text.

    Args:
        path: CSV with any of the usual separators, a table in Markdown, XLSX (its first sheet with
            cells), or parquet.
        report: hears what was assumed.

    Returns:
        Cells by line, or by row where there are no lines; None where empty.

    Raises:
        TableError: the file is missing or no table.
        SkillscaleError: a library is missing to read it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
        >>> _ = path.write_text("model;mmlu\nant-1b;45,3\n")
        >>> report = Report()
        >>> read_sheet(path, report)
            model  mmlu
        2  ant-1b  45,3
        >>> report.said
        ['scores.csv: cells are separated by semicolons.']
    """
    try:
        with path.open("rb") as file:
            begins = file.read(65536)
    except OSError as error:
        why = "there is no such file" if not path.exists() else error.strerror
        raise TableError([f"{path}: {why}. Name a table."]) from error
    if begins.startswith(PARQUET):
        return _parquet(path)
    if begins.startswith(EXCEL[0]):
        return _xlsx(path, report)
    if _rules(begins.decode("utf-8-sig", errors="replace").splitlines()):
        return _markdown(path, report)
    separator = _separator(begins)
    if separator != ",":
        report.say(f"{path.name}: cells are separated by {SEPARATORS[separator]}.")
    return require_cells(path, separator=separator, first=FIRST)


def _separator(begins: bytes) -> str:
    """What separates the cells of the first line."""
    lines = begins.decode("utf-8-sig", errors="replace").strip().splitlines()
    header = lines[0] if lines else ""
    return max(SEPARATORS, key=header.count) if any(s in header for s in SEPARATORS) else ","


def _rules(lines: list[str]) -> list[int]:
    """Lines under the headers of tables in Markdown."""
    is_row = ["|" in line for line in lines]
    return [
        n
        for n, line in enumerate(lines)
        if n and is_row[n - 1] and not (n > 1 and is_row[n - 2])
        if is_row[n] and "-" in line and not set(line) - set("|:- \t")
    ]


def _markdown(path: Path, report: Report) -> pd.DataFrame:
    """The first table of a text in Markdown."""
    lines = text_of(path).splitlines()
    rules = _rules(lines)
    header = rules[0] - 1
    end = next((n for n in range(rules[0] + 1, len(lines)) if "|" not in lines[n]), len(lines))
    report.say(f"{path.name}: the table in Markdown is read, from line {header + 1}.")
    if len(rules) > 1:
        report.doubt(f"{path.name}: only the first of its {len(rules)} tables is read.")
    kept = [header, *range(rules[0] + 1, end)]
    rows = [[_unmarked(cell) for cell in _bars(lines[n])] for n in kept]
    cells, problems = frame_of_rows(path.name, [n + 1 for n in kept], rows, first=FIRST)
    if cells is None or problems:
        raise TableError(problems)
    return cells


def _bars(line: str) -> list[str]:
    """Cells of a line in Markdown."""
    return re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))


def _unmarked(cell: str) -> str:
    """The text of a cell in Markdown."""
    for mark, text in MARKS:
        cell = re.sub(mark, text, cell.strip())
    return cell.replace("\\", "").strip()


def _parquet(path: Path) -> pd.DataFrame:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise SkillscaleError(f"{path.name}: parquet is read with pyarrow. {EXTRA}") from error
    try:
        frame = pd.read_parquet(path)
    except Exception as error:
        raise TableError([f"{path.name}: this is no whole parquet file ({error})."]) from error
    frame.columns = [str(name) for name in frame.columns]
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame.astype(object).map(_text)


def _xlsx(path: Path, report: Report) -> pd.DataFrame:
    try:
        import openpyxl
    except ImportError as error:
        raise SkillscaleError(f"{path.name}: XLSX is read with openpyxl. {EXTRA}") from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets = {
            sheet.title: [[_text(cell) or "" for cell in row] for row in sheet.values]
            for sheet in book.worksheets
        }
        book.close()
    except Exception as error:
        raise TableError([f"{path.name}: this is no whole XLSX file ({error})."]) from error
    filled = {title: rows for title, rows in sheets.items() if any(map(any, rows))}
    if not filled:
        raise TableError([f"{path.name}: the sheets are empty. Name a table."])
    title, rows = next(iter(filled.items()))
    if len(filled) > 1:
        report.say(f"{path.name}: of {len(filled)} sheets the first is read, {title!r}.")
    lines = [line for line, row in enumerate(rows, 1) if any(row)]
    kept = [rows[line - 1] for line in lines]
    cells, problems = frame_of_rows(path.name, lines, kept, first=FIRST)
    if cells is None or problems:
        raise TableError(problems)
    return cells


def _text(value: Any) -> str | None:
    """A value as a CSV file would have it."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip() or None
