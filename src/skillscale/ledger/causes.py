"""In what two fits or two forecasts differ: settings, key by key, and tables, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from skillscale.ledger.entry import Entry
from skillscale.posterior.fingerprint import fingerprint
from skillscale.posterior.result import Fit

COLUMNS = ["what", "key", "a", "b"]
NAMED = {
    "data_hash": "data",
    "fit_hash": "fit",
    "spec": "specification",
    "versions": "versions",
    "seed": "seed",
    "date": "date",
}
"""What settings are called, by the first or last part of their path; others are settings."""
OUTCOMES = ("pareto_k", "is_refit")
"""What comes of a forecast, rather than before it."""


class Made(NamedTuple):
    """What a fit or a forecast was made of."""

    settings: Mapping[str, Any]
    """Nested plain values."""
    tables: Mapping[str, tuple[pd.DataFrame, list[str]]]
    """Tables, and the columns that name their rows."""


def causes_of_entries(a: Entry, b: Entry) -> pd.DataFrame:
    """In what two forecasts differ, beside what they say.

    Args:
        a: the one.
        b: the other.

    Returns:
        One row per difference: ``what`` (``data, fit, specification, seed, settings, versions,
        date``, or the table ``observed, plan, benchmarks``), its ``key``, and how it is in ``a``
        and in ``b``; None where it is absent.

    Example:
        >>> made = {"protocol": "forecast", "options": {"seed": 0}, "provenance": {}}
        >>> a, b = (
        ...     Entry(n, made | {"observed": [{"model": "a-1b", "n_params": 1e9, "mmlu": score}]})
        ...     for n, score in (("a", 0.38), ("b", 0.40))
        ... )
        >>> causes_of_entries(a, b).to_numpy().tolist()
        [['observed', 'a-1b, mmlu', 0.38, 0.4]]
    """
    return _causes(_made_entry(a), _made_entry(b))


def causes_of_fits(a: Fit, b: Fit) -> pd.DataFrame:
    """In what two fits differ, beside what they say.

    Args:
        a: the one.
        b: the other.

    Returns:
        As `causes_of_entries`, of the tables ``models, scores, benchmarks``.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> causes_of_fits(fit, fit).empty
        True
    """
    return _causes(_made_fit(a), _made_fit(b))


def _made_entry(entry: Entry) -> Made:
    keys = {"observed": "model", "plan": "model", "benchmarks": "benchmark"}
    document = entry.document
    return Made(
        {**document["provenance"], **{name: document[name] for name in ("protocol", "options")}},
        {name: (entry.frame(name), [key]) for name, key in keys.items()},
    )


def _made_fit(fit: Fit) -> Made:
    sizes = fit.tree["posterior"].sizes
    made = {
        "spec": fit.spec.to_dict(),
        "fit_hash": fingerprint(fit),
        "n_draws": sizes["chain"] * sizes["draw"],
    }
    table = fit.table
    return Made(
        {**fit.provenance, **made},
        {
            "models": (table.models.drop(columns="source").reset_index(), ["model"]),
            "scores": (table.scores[["model", "benchmark", "score"]], ["model", "benchmark"]),
            "benchmarks": (table.benchmarks[["n_items", "chance"]].reset_index(), ["benchmark"]),
        },
    )


def _causes(a: Made, b: Made) -> pd.DataFrame:
    one, other = (dict(_flat(made.settings)) for made in (a, b))
    rows = [
        (_what(path), ".".join(_told(path)), one.get(path), other.get(path))
        for path in dict.fromkeys([*one, *other])
        if one.get(path) != other.get(path) and path[-1] not in OUTCOMES
    ]
    for name in a.tables:
        cells = (_cells(*made.tables[name]) for made in (a, b))
        rows += [(name, *row) for row in _of_tables(*cells)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Settings by their path; lists are settings as a whole."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, (*path, str(key)))
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _what(path: Sequence[str]) -> str:
    return NAMED.get(path[0]) or NAMED.get(path[-1], "settings")


def _told(path: Sequence[str]) -> Sequence[str]:
    return path[1:] if path[0] in ("spec", "versions", "options") else path


def _cells(frame: pd.DataFrame, key: list[str]) -> dict[str, dict[str, Any]]:
    """Values of a table by the first key, and by the rest of it and their column."""
    found: dict[str, dict[str, Any]] = {}
    for row in frame.to_dict("records"):
        rest = [str(row[name]) for name in key[1:]]
        for name, value in row.items():
            if name not in key and not pd.isna(value):
                of_row = found.setdefault(str(row[key[0]]), {})
                of_row[", ".join(rest or [str(name)])] = value
    return found


def _of_tables(
    a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Any, Any]]:
    """Cells that differ; of a row that one of them lacks, how many values the other has."""
    for row in dict.fromkeys([*a, *b]):
        if row not in a or row not in b:
            there, absent = (f"{len(of[row])} values" if row in of else None for of in (a, b))
            yield row, there, absent
            continue
        for cell in dict.fromkeys([*a[row], *b[row]]):
            one, other = a[row].get(cell), b[row].get(cell)
            if one != other:
                yield f"{row}, {cell}", one, other
