"""What benchmarks are called elsewhere, and which of their numbers is the shipped score."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from skillscale.data.cells import require_cells
from skillscale.data.rules import number
from skillscale.data.shipped import shipped_directory


@dataclass(frozen=True)
class Alias:
    """A name of a benchmark.

    Attributes:
        name: as others write it.
        benchmark: the short name of the benchmark here.
        metrics: for tasks of a harness, alternatives in order of preference, each the metrics of
            which the score is the mean; empty where no task of that name measures the shipped one.
        shots: examples in the prompt of the leaderboard's runs; None where that is not known.
        note: a word of caution.
    """

    name: str
    benchmark: str
    metrics: tuple[tuple[str, ...], ...]
    shots: int | None
    note: str


@dataclass(frozen=True)
class Subtask:
    """A part of a benchmark that harnesses report.

    Attributes:
        alias: the name of the benchmark that the name of the part begins with.
        name: the part.
    """

    alias: Alias
    name: str


@dataclass(frozen=True)
class Aliases:
    """Names of benchmarks, by key.

    Attributes:
        by_key: aliases, by what `key` makes of their names.
        parts: questions of every part of a benchmark, by benchmark and part.

    Example:
        >>> names = load_aliases()
        >>> names.find("Arc-Challenge").benchmark, names.find("hendrycksTest").shots
        ('arc_challenge', 5)
        >>> names.part("leaderboard_gpqa_diamond").name
        'diamond'
    """

    by_key: dict[str, Alias]
    parts: dict[str, dict[str, float]]

    def find(self, name: str) -> Alias | None:
        """The benchmark of a name.

        Args:
            name: as someone writes it.

        Returns:
            Its alias; None for a name that is not known.
        """
        return self.by_key.get(key(name))

    def metrics(self, benchmark: str) -> set[str]:
        """Metrics of which the shipped score may be the mean.

        Args:
            benchmark: its short name.

        Returns:
            Names as the harness has them, without filters; none where they are not known.
        """
        of_benchmark = [a for a in self.by_key.values() if a.benchmark == benchmark]
        choices = [choice for alias in of_benchmark for choice in alias.metrics]
        return {metric.split(",")[0] for choice in choices for metric in choice}

    def part(self, name: str) -> Subtask | None:
        """The part of a benchmark that a name is of.

        Args:
            name: as a harness writes it.

        Returns:
            The part; None where the name begins with no benchmark, or ends with no part of it.
        """
        whole = key(name)
        for known, alias in self.by_key.items():
            if whole.startswith(known):
                for part in self.parts.get(alias.benchmark, {}):
                    if key(part) == whole[len(known) :]:
                        return Subtask(alias, part)
        return None


def key(name: str) -> str:
    """A name without case and punctuation; plus signs count.

    Args:
        name: as someone writes it.

    Returns:
        Lower-case letters, digits and plus signs.

    Example:
        >>> key("MMLU-Pro"), key("HumanEval+")
        ('mmlupro', 'humaneval+')
    """
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def column_of(names: Iterable[str], keys: Iterable[str]) -> str | None:
    """The column that a table has under one of several headers.

    Args:
        names: headers of the table.
        keys: what `key` makes of the headers looked for, the one that wins first.

    Returns:
        The header; None where there is none of them.

    Example:
        >>> column_of(["Task", "Model Name"], ["name", "modelname"])
        'Model Name'
    """
    by_key = {key(name): name for name in reversed(list(names))}
    return next((by_key[wanted] for wanted in keys if wanted in by_key), None)


@cache
def load_aliases(directory: Path | None = None) -> Aliases:
    """Read the names of benchmarks.

    Args:
        directory: holds ``aliases.csv`` and ``subtasks.csv``; the shipped data by default.

    Returns:
        The names. Short names and titles of the benchmarks themselves are among them.

    Raises:
        TableError: a file is no table.
    """
    directory = shipped_directory() if directory is None else directory
    by_key: dict[str, Alias] = {}
    for cells in _rows(directory / "aliases.csv"):
        shots = number(cells["shots"])
        metrics = (choice.split(" + ") for choice in (cells["metric"] or "").split(" | "))
        by_key.setdefault(
            key(cells["alias"]),
            Alias(
                cells["alias"],
                cells["benchmark"],
                tuple(tuple(choice) for choice in metrics if choice != [""]),
                None if shots != shots else int(shots),
                cells["note"] or "",
            ),
        )
    for file in ("benchmarks.csv", "other_benchmarks.csv"):
        for cells in _rows(directory / file):
            for name in (cells["benchmark"], cells["title"]):
                by_key.setdefault(key(name), Alias(name, cells["benchmark"], (), None, ""))
    parts: dict[str, dict[str, float]] = {}
    for cells in _rows(directory / "subtasks.csv"):
        parts.setdefault(cells["benchmark"], {})[cells["subtask"]] = number(cells["n_items"])
    return Aliases(by_key, parts)


def _rows(path: Path) -> list[dict[Any, Any]]:
    return require_cells(path).to_dict("records")
