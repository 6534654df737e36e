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
from skillscale.imports.quantities import NO_SCORE, has_decimal_commas, is_absent, score
from skillscale.imports.report import Report

PERCENT = 1.5
"""A column with larger values holds percentages."""
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
    read, units = {}, {}
    with_commas: list[str] = []
    mixed: list[str] = []
    for column in columns:
        given = {n: cell for n, cell in cells[column.name].items() if not is_absent(cell)}
        decimal_comma = has_decimal_commas(given.values())
        with_commas += [column.name] if decimal_comma else []
        pairs = {n: score(cell, decimal_comma=decimal_comma) for n, cell in given.items()}
        values = pd.Series({n: pair[0] for n, pair in pairs.items()}, dtype=float)
        read[column.benchmark] = values.reindex(cells.index)
        is_marked = pd.Series({n: pair[1] for n, pair in pairs.items()}, dtype=bool)
        plain = values[~is_marked]
        if is_marked.any() and len(plain) and plain.max() <= 1:
            read[column.benchmark] = values.where(is_marked, 100 * values).reindex(cells.index)
            mixed.append(column.name)
        units[column.benchmark] = bool(is_marked.any()) or values.max() > PERCENT
        wrong = [f"line {n} = {given[n]!r}" for n in values.index[values.isna()]]
        report.doubt(f"{file}: {column.name} is no number, and left out, at {{}}.", wrong)
    report.say(f"{file}: commas stand before decimals in {{}}.", with_commas)
    report.doubt(
        f"{file}: some cells have a percent sign and others are taken for fractions in {{}}.", mixed
    )
    shares = [is_percent for name, is_percent in units.items() if read[name].notna().any()]
    if any(shares) and not all(shares):
        low = [column.name for column in columns if not units[column.benchmark]]
        is_file_percent = sum(shares) > len(shares) / 2
        report.doubt(
            f"{file}: {{}} have no value above 1 where other columns are percentages; they are "
            f"taken to be {'percentages as well' if is_file_percent else 'fractions'}.",
            low,
        )
        units = {name: is_percent or is_file_percent for name, is_percent in units.items()}
    for column in columns:
        name, unit = column.benchmark, "percent" if units[column.benchmark] else "fraction"
        report.rows.append({"column": column.name, "taken_for": name, "unit": unit})
        read[name] = read[name] / 100 if units[name] else read[name]
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
