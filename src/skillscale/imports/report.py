"""What an import took for what, what it assumed, and what it doubts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from skillscale.formatting import and_more

Row = dict[str, str | float | int | None]


@dataclass
class Report:
    """What an import has to say.

    Attributes:
        rows: one row per column or task: what it is called, what it was taken for.
        said: assumptions, as sentences.
        doubts: what can't be right, or is not comparable, as sentences.

    Example:
        >>> report = Report()
        >>> report.doubt("mmlu of {} is below guessing: left out.", ["a = 0.02", "b = 0.01"])
        >>> report.doubts
        ['mmlu of a = 0.02, b = 0.01 is below guessing: left out.']
    """

    rows: list[Row] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def say(self, sentence: str, items: Iterable[str] | None = None) -> None:
        """Add an assumption, once.

        Args:
            sentence: what is assumed; with items, it has a place for them, ``{}``.
            items: what it holds of; nothing is said where there are none.
        """
        _add(self.said, sentence, items)

    def doubt(self, sentence: str, items: Iterable[str] | None = None) -> None:
        """Add a doubt, once.

        Args:
            sentence: what is doubted; with items, it has a place for them, ``{}``.
            items: what it holds of; nothing is said where there are none.
        """
        _add(self.doubts, sentence, items)


def _add(sentences: list[str], sentence: str, items: Iterable[str] | None) -> None:
    if items is not None:
        items = list(items)
        if not items:
            return
        sentence = sentence.replace("{}", and_more(items), 1)  # names may hold braces
    if sentence not in sentences:
        sentences.append(sentence)
