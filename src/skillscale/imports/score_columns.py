"""Columns of scores in a table of any shape: of which benchmarks, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from skillscale.errors import TableError
from skillscale.formatting import and_more
from skillscale.imports.aliases import Aliases, load_aliases
from skillscale.imports.benchmark_rows import described, why_impossible
from skillscale.imports.quantities import NO_SCORE, is_absent, score
from skillscale.imports.report import Report
from skillscale.imports.score_cells import in_one_unit, read_scores

SHOTS = re.compile(r"\(?\b(\d+)[- ]?shots?\b\)?", re.IGNORECASE)
METRIC = re.compile(
    r"[\s_/,:|.(\[-]+(acc(?:uracy)?[\s_-]norm|acc(?:uracy)?|exact[\s_-]match|em|mc[12]|score)\.?[)\]]?$",
    re.IGNORECASE,
)
BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
HARMLESS = re.compile(
    r"[\s,;%↑↓]*|\d+|acc(uracy)?([\s_-]norm)?\.?|em|exact[\s_-]match|mc2|score|pass@1|strict|test|en(glish)?",
    re.IGNORECASE,
)
"""What brackets after the name of a benchmark may say, and it is the same."""
LOOSELY = {"accuracy": "acc", "em": "exact_match", "accuracy_norm": "acc_norm"}
"""What headers call metrics."""
ANY_SCORE = ("acc", "exact_match", "score")
"""Words that are said of any metric."""


@dataclass(frozen=True)
class Column:
    """A column of scores.

    Attributes:
        name: its header.
        benchmark: what it is taken for.
        title: the benchmark's name to print.
        shots: examples in the prompt, where the header says so.
        expected: likewise, of the leaderboard's scores.
        other_metric: what the header says that the score is, where the leaderboard's may be
            another.
        aside: what the header says in brackets that may make another benchmark of it.
    """

    name: str
    benchmark: str
    title: str
    shots: int | None
    expected: int | None
    other_metric: str | None = None
    aside: str | None = None


def score_columns(
    file: str, cells: pd.DataFrame, taken: Sequence[str], report: Report
) -> list[Column]:
    """Find the columns that hold scores.

    Args:
        file: its name, for sentences.
        cells: its text.
        taken: columns that hold something else.
        report: hears what was left out.

    Returns:
        One column per benchmark, those of benchmarks that nobody described among them.

    Raises:
        TableError: there is none.

    Example:
        >>> cells = pd.DataFrame({"model": ["a"], "GSM-8K": ["0.5"], "rank": ["1"]})
        >>> [column.benchmark for column in score_columns("a.csv", cells, ["model"], Report())]
        ['gsm8k']
    """
    names = load_aliases()
    columns: dict[str, Column] = {}
    unread, repeated = [], []
    for name in cells.columns:
        if name in taken:
            continue
        column = _column(name, names)
        is_known = column.benchmark in described().index
        if NO_SCORE.search(name) or not (is_known or _are_scores(cells[name])):
            unread.append(name)
        elif column.benchmark in columns:
            kept, other = columns[column.benchmark], column
            if (kept.other_metric or kept.aside) and not (column.other_metric or column.aside):
                kept, other = column, kept
            columns[column.benchmark] = kept
            repeated.append(f"{other.name} (beside {kept.name})")
        else:
            columns[column.benchmark] = column
    if not columns:
        raise TableError(
            [f"{file}: no column holds scores. Found: {and_more([str(name) for name in cells])}."]
        )
    report.say(f"{file}: columns that are not taken for scores: {{}}.", unread)
    report.doubt(f"{file}: left out, for they are of one benchmark with another: {{}}.", repeated)
    report.doubt(
        f"{file}: shots differ from the leaderboard's, and scores may differ by points: {{}}.",
        [
            f"{column.name} {column.shots} rather than {column.expected}"
            for column in columns.values()
            if None not in (column.shots, column.expected) and column.shots != column.expected
        ],
    )
    report.doubt(
        f"{file}: scores may be by another metric than the leaderboard's, and differ by many "
        "points: {}.",
        [
            f"{column.name} rather than {' or '.join(sorted(names.metrics(column.benchmark)))}"
            for column in columns.values()
            if column.other_metric
        ],
    )
    report.doubt(
        f"{file}: what brackets say may make it another benchmark or protocol: {{}}.",
        [
            f"{column.name} is taken for {column.benchmark}"
            for column in columns.values()
            if column.aside
        ],
    )
    return list(columns.values())


def is_benchmark(name: str) -> bool:
    """Whether a header is that of a known benchmark.

    Args:
        name: the header.

    Returns:
        Whether its scores are taken for those of a benchmark that is described.

    Example:
        >>> is_benchmark("MMLU (5-shot)"), is_benchmark("params")
        (True, False)
    """
    return _column(name, load_aliases()).benchmark in described().index


def _column(name: str, names: Aliases) -> Column:
    found = SHOTS.search(name)
    shots = int(found[1]) if found else None
    whole = SHOTS.sub("", name.removesuffix(",none")).strip(" _-,:")
    metric = METRIC.search(whole)
    stem, bare = (
        re.sub(r"%", "", BRACKETS.sub("", text)).strip(" _-,:/|.") or name
        for text in (whole, METRIC.sub("", whole))
    )
    alias = next(filter(None, map(names.find, (name, stem, bare))), None)
    if alias is not None:
        measured = names.metrics(alias.benchmark)
        other = None if names.find(name) else _other_metric(metric, measured)
        if other is None or other in ANY_SCORE:  # else it is another score of the same task
            doubtful = other if "acc_norm" in measured else None
            aside = None if names.find(name) else _aside(whole)
            measured_as = alias.benchmark, alias.benchmark, shots, alias.shots
            return Column(name, *measured_as, doubtful, aside)
    title = stem if alias is None else whole  # whose metric makes it another benchmark
    short = re.sub(r"[^a-z0-9+]+", "_", title.lower()).strip("_") or name
    return Column(name, short, title, shots, None)


def _aside(header: str) -> str | None:
    """What brackets of a header say, unless it is harmless."""
    parts = [part.strip() for said in BRACKETS.findall(header) for part in re.split("[,;]", said)]
    return ", ".join(part for part in parts if not HARMLESS.fullmatch(part)) or None


def _other_metric(found: re.Match[str] | None, measured: set[str]) -> str | None:
    """The metric that a header names, if the leaderboard's score is known to be by others."""
    if found is None or not measured:
        return None
    said = re.sub(r"[\s-]", "_", found[1].lower())
    said = LOOSELY.get(said, said)
    return None if said in measured else said


def _are_scores(cells: pd.Series) -> bool:
    """Whether most cells of a column are numbers up to 100."""
    given = [cell for cell in cells if not is_absent(cell)]
    values = [score(cell)[0] for cell in given]
    values += [score(cell, decimal_comma=True)[0] for cell in given]
    read = [value for value in values if 0 <= value <= 100]
    return bool(given) and len(read) >= len(given) / 2


def score_values(
    file: str, cells: pd.DataFrame, columns: Sequence[Column], report: Report
) -> pd.DataFrame:
    """Read the columns of scores.

    Args:
        file: its name, for sentences.
        cells: its text, by line.
        columns: those that hold scores.
        report: hears which unit was assumed, and which cells are left out.

    Returns:
        Fractions by line and benchmark, NaN where there are none.

    Example:
        >>> cells = pd.DataFrame({"MMLU": ["45.3 %", "n/a"]}, index=[2, 3])
        >>> columns = [Column("MMLU", "mmlu", "MMLU", None, 5)]
        >>> score_values("a.csv", cells, columns, Report())["mmlu"].tolist()
        [0.453, nan]
    """
    names = [column.name for column in columns]
    written, is_percent = read_scores(file, cells[names], report)
    is_percent = in_one_unit(file, written, is_percent, names, report)
    read: dict[str, pd.Series] = {}
    for column in columns:
        name, unit = column.benchmark, "percent" if is_percent[column.name] else "fraction"
        report.rows.append({"column": column.name, "taken_for": name, "unit": unit})
        read[name] = written[column.name] / (100 if is_percent[column.name] else 1)
        reasons = read[name].dropna().map(lambda value, name=name: why_impossible(name, value))
        impossible = read[name][reasons.dropna().index]
        for line, value in impossible.items():
            why = why_impossible(name, float(value))
            written = cells[column.name].to_dict()[line]
            report.doubt(
                f"{file}: {column.name} at line {line} = {written} ({unit}) {why}. Left out."
            )
        read[name] = read[name].drop(impossible.index).reindex(cells.index)
    return pd.DataFrame(read, index=cells.index).round(6)
