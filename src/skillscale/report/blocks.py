"""What sections of a page are made of: words, lists, tables, figures. The template draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar

from skillscale.checks.verdict import Verdict


class Tone(StrEnum):
    """How a cell or sentence is to be taken; its words alone say the same."""

    PLAIN = ""
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


TONES = {Verdict.PASS: Tone.GOOD, Verdict.REVIEW: Tone.WARNING, Verdict.FAIL: Tone.BAD}


@dataclass(frozen=True)
class Words:
    """A paragraph.

    Attributes:
        text: its sentences.
        tone: how it is to be taken.
    """

    kind: ClassVar[str] = "words"
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Listed:
    """A list of sentences.

    Attributes:
        items: what is listed, one or more.
        label: what it is a list of.
    """

    kind: ClassVar[str] = "listed"
    items: Sequence[str]
    label: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        beneath: what stands below in small type, such as an interval.
        tone: how it is to be taken.
        shade: strength of its background, from -1 over nothing to 1.
    """

    text: str
    beneath: str = ""
    tone: Tone = Tone.PLAIN
    shade: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table, the first cell of every row naming it.

    Attributes:
        caption: what it shows, and in which unit.
        headings: of the columns.
        rows: cells, as many as there are headings.
        words: positions of the columns that hold words; all others are set as numbers.
        folded: whether it is shown only when asked for, and in print.
    """

    kind: ClassVar[str] = "table"
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Figures:
    """Figures side by side, as many as there is room for.

    Attributes:
        caption: what they show.
        drawings: SVG elements (see `vector`).
        key: what the marks mean: a class of the style, and words.
    """

    kind: ClassVar[str] = "figures"
    caption: str
    drawings: Sequence[str]
    key: Mapping[str, str]


@dataclass(frozen=True)
class Terms:
    """Terms with what each is.

    Attributes:
        entries: by term.
    """

    kind: ClassVar[str] = "terms"
    entries: Mapping[str, str]


@dataclass(frozen=True)
class Fragment:
    """Markup that is part of the page as it is.

    Attributes:
        markup: HTML that this package has written.
    """

    kind: ClassVar[str] = "fragment"
    markup: str


Block = Words | Listed | Table | Figures | Terms | Fragment


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        anchor: its id.
        title: its heading.
        blocks: what it is made of.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: its heading.
        subtitle: what it is of, in a line.
        answer: sentences that come before anything else.
        sections: in the order to be read.
    """

    title: str
    subtitle: str
    answer: Sequence[str]
    sections: Sequence[Section]


Row = Mapping[Any, Any]
"""What a table is made from: a value by key."""
Columns = dict[str, Callable[[Row], Cell | str]]
"""By heading, how a row is shown under it."""


def as_written(keys: Iterable[str]) -> Columns:
    """Columns that show what is under their headings as it is.

    Args:
        keys: the headings, keys of the rows.

    Returns:
        The columns.
    """
    return {key: partial(_written, key) for key in keys}


def _written(key: str, row: Row) -> str:
    return str(row[key])


def make_table(
    caption: str,
    rows: Iterable[Row],
    columns: Columns,
    *,
    words: Iterable[str] = (),
    folded: bool = False,
) -> Table:
    """A table from rows of any kind.

    Args:
        caption: what it shows.
        rows: what `columns` read.
        columns: by heading, how a row is shown under it; the first names the row.
        words: headings of columns that hold words.
        folded: whether it is shown only when asked for.

    Returns:
        The table.

    Example:
        >>> rows = [{"model": "a", "score": 0.4}]
        >>> shown = {"model": lambda r: r["model"], "score": lambda r: f"{100 * r['score']:.1f}"}
        >>> make_table("Scores", rows, shown).rows
        [[Cell(text='a', ...), Cell(text='40.0', ...)]]
    """
    headings = list(columns)
    cells = [
        [
            found if isinstance(found := show(row), Cell) else Cell(found)
            for show in columns.values()
        ]
        for row in rows
    ]
    of_words = frozenset({0, *(headings.index(name) for name in words)})
    return Table(caption, headings, cells, of_words, folded)
