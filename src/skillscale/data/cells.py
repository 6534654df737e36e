"""Files of cells, read as text: each row under the line number that an editor shows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd

from skillscale.errors import TableError
from skillscale.formatting import and_more, quoted

EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""What files of Excel begin with: zip archives, and documents older than these."""
JSON_BEGINS = ("{", "[")
MOST_COLUMNS = 1000


def text_of(path: Path) -> str:
    """Read a file of text.

    Args:
        path: the file.

    Returns:
        What it holds.

    Raises:
        TableError: it can't be read, or is no text in UTF-8.
    """
    try:
        content = path.read_bytes()
        if content.startswith(EXCEL):
            raise TableError(
                [f"{path.name}: this is an Excel file. Save the sheet as CSV in UTF-8."]
            )
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise TableError([f"{path.name}: the file is missing from {path.parent}."]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise TableError(
            [
                f"{path.name}: line {line} holds the byte 0x{byte:02x}, which is not UTF-8 text. "
                "Save the file as CSV in UTF-8."
            ]
        ) from error
    except OSError as error:
        raise TableError(
            [f"{path.name}: the file can't be read ({error.strerror}). Check {path}."]
        ) from error


def read_cells(
    path: Path, *, separator: str = ",", first: str | None = None
) -> tuple[pd.DataFrame | None, list[str]]:
    """Read a CSV file as text, indexed by line number.

    Args:
        path: the file.
        separator: what stands between cells.
        first: as of `frame_of_rows`.

    Returns:
        The cells, stripped, with None where empty (None instead of a frame when the file can't be
        read as a table), and the problems met on the way.
    """
    try:
        text = text_of(path)
    except TableError as error:
        return None, list(error.problems)
    if text.lstrip()[:1] in JSON_BEGINS:
        return None, [
            f"{path.name}: line 1 begins as JSON. Write a CSV file, a row per line; results of "
            f"lm-evaluation-harness become one by: skillscale import lm-eval {path} -o obs.csv"
        ]
    if "\0" in text:
        return None, [
            f"{path.name}: the file is binary or UTF-16, not text. Save it as CSV in UTF-8."
        ]

    lines: list[int] = []
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    start = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                lines.append(start)
                rows.append(cells)
            start = reader.line_num + 1
    except csv.Error as error:
        return None, [
            f"{path.name}: the row at line {start} is not CSV ({error}). "
            "Close its quotation marks, or double those inside a cell."
        ]
    if not rows:
        return None, [f"{path.name}: the file is empty. Its first line must name the columns."]
    return frame_of_rows(path.name, lines, rows, first=first)


def frame_of_rows(
    file: str, lines: list[int], rows: list[list[str]], *, first: str | None = None
) -> tuple[pd.DataFrame | None, list[str]]:
    """Rows of text as a frame, the first of them naming the columns.

    Args:
        file: name of the file, for sentences.
        lines: the number of every row.
        rows: cells, stripped.
        first: what to call a first column of names that has no header; it is left out by default,
            as row numbers always are.

    Returns:
        The cells, as `read_cells` gives them, and the problems met on the way.
    """
    header, *body = rows
    if first is not None and not header[0] and not all(row[0].isdigit() for row in body):
        header = [first, *header[1:]]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            return None, [f"{file}: cells are separated by {name}. Separate them by commas."]
    if not body:
        return None, [f"{file}: there are no rows under the header."]
    if len(header) > MOST_COLUMNS:
        return None, [
            f"{file}: the header names {len(header)} columns, and no table here has more than "
            f"{MOST_COLUMNS}. Check what separates cells and rows, or remove columns."
        ]

    problems = []
    width = len(header)
    ragged = [(n, len(row)) for n, row in zip(lines[1:], body, strict=True) if len(row) != width]
    if ragged:
        found = and_more([f"line {n} = {cells} cells" for n, cells in ragged])
        problems.append(
            f"{file}: the header names {width} columns, which does not match {found}. "
            "Add the missing commas, or quote cells that hold one."
        )
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        problems.append(f"{file}: the header repeats {quoted(repeated)}. Keep one column of each.")

    padded = [[cell or None for cell in row + [""] * width][:width] for row in body]
    frame = pd.DataFrame(padded, columns=header, index=lines[1:], dtype=object)
    named_once = ~frame.columns.duplicated() & (frame.columns != "")
    return frame.loc[:, named_once], problems


def require_cells(path: Path, *, separator: str = ",", first: str | None = None) -> pd.DataFrame:
    """Read a CSV file as text, as `read_cells` does.

    Args:
        path: the file.
        separator: what stands between cells.
        first: as of `frame_of_rows`.

    Returns:
        The cells, as `read_cells` gives them.

    Raises:
        TableError: the file is no table; the error lists all problems.
    """
    cells, problems = read_cells(path, separator=separator, first=first)
    if cells is None or problems:
        raise TableError(problems)
    return cells
