"""Forecasts that are frozen: written with a hash before anyone scores them, and verified when read.

A frozen file is JSON with these keys:

| key | what it holds |
|---|---|
| `schema` | 1, the format described here |
| `protocol`, `options` | the protocol, and what it was run with |
| `provenance` | `spec`, `data_hash`, `method` and its `options`, `seed`, `versions`, `date` |
| `levels` | probabilities of the quantiles, in percent, ascending |
| `forecasts` | one record per fold, model and benchmark, in this order |
| `sha256` | SHA-256 of all else, as canonical JSON: sorted keys, no spaces, UTF-8 |

A forecast has `fold, model, family, lineage, tuning, benchmark`, whether this score was known
`is_known`, the number of scores known in all `n_known`, the number of draws `n_draws` with their
`mean` and `sd`, and `quantiles`, one per level; all of them fractions. It is there for every
benchmark of the fit, scored or not, and no actual score is in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skillscale.backtest.folds import Fold
from skillscale.backtest.report import Report
from skillscale.backtest.sealed import HASH, read_sealed, sealed, write_sealed
from skillscale.errors import SkillscaleError
from skillscale.forecasts.prediction import Prediction

SCHEMA = 1
LEVELS = (2.5, 5, 10, 25, 50, 75, 90, 95, 97.5)
"""Percent below the quantiles of a forecast."""
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Frozen:
    """What a frozen file holds.

    Attributes:
        protocol: name of the protocol.
        options: what it was run with.
        provenance: specification, hash of the data, seed, method, versions and date.
        forecasts: one row per fold, model and benchmark: the columns of records, and the quantiles
            as ``q2.5, q5`` and so on (fractions).
        sha256: hash of the file.
    """

    protocol: str
    options: Mapping[str, Any]
    provenance: Mapping[str, Any]
    forecasts: pd.DataFrame
    sha256: str


def planned_forecasts(fold: Fold, prediction: Prediction) -> pd.DataFrame:
    """Forecasts of everything that a fold plans, with no look at what was scored.

    Args:
        fold: what is seen and what is to be forecast.
        prediction: draws of the scores of its models.

    Returns:
        One row per model and benchmark: ``fold, model, family, lineage, tuning, benchmark,
        is_known`` (whether this score was seen), ``n_known, n_draws, mean, sd`` and the quantiles
        ``q2.5, q5`` and so on, fractions.

    Example:
        >>> frame = pd.DataFrame({"mmlu": [None]}, ["a-7b"])
        >>> described = {"family": "a", "lineage": "a", "tuning": "base"}
        >>> draws = np.linspace(0.4, 0.6, 5)[:, None, None]
        >>> prediction = Prediction(
        ...     pd.DataFrame(described, ["a-7b"]), ["mmlu"], draws, draws, draws, draws, {}, 0.0, 0
        ... )
        >>> found = planned_forecasts(Fold("a", frozenset(), frame[:0], frame), prediction)
        >>> found[["model", "benchmark", "n_draws", "q25", "q50"]].to_numpy().tolist()
        [['a-7b', 'mmlu', 5, 0.45, 0.5]]
    """
    score = prediction.score
    numbers = {"mean": score.mean(axis=0), "sd": score.std(axis=0)}
    quantiles = np.quantile(score, np.array(LEVELS) / 100, axis=0)
    numbers |= dict(zip(map(_column, LEVELS), quantiles, strict=True))
    described = prediction.models[["family", "lineage", "tuning"]]
    seen = fold.seen.reindex(index=described.index, columns=prediction.benchmarks).notna()
    parts = [
        described.assign(
            fold=fold.name,
            benchmark=name,
            is_known=seen[name],
            n_known=int(fold.seen.notna().to_numpy().sum()),
            n_draws=len(score),
            **{key: value[row].round(DIGITS) for key, value in numbers.items()},
        )
        for row, name in enumerate(prediction.benchmarks)
    ]
    found = pd.concat(parts).rename_axis("model").reset_index()
    columns = ["fold", "model", *described, "benchmark", "is_known", "n_known", "n_draws", *numbers]
    return found[columns].sort_values(["model", "benchmark"], ignore_index=True)


def freeze(report: Report, path: Path) -> str:
    """Write the forecasts of a back-test with a hash, whole or not at all.

    Args:
        report: a back-test with ``planned`` forecasts.
        path: the file, in a folder that exists; one that is there is replaced.

    Returns:
        The hash, 64 hex digits: publish it, and nobody can change the forecasts unseen.

    Raises:
        SkillscaleError: the back-test planned no models.
        FitFileError: the file can't be written.

    Example:
        >>> import tempfile
        >>> row = {"fold": "a", "model": "a-7b", "benchmark": "mmlu", "mean": 0.5}
        >>> planned = pd.DataFrame([row | {_column(level): 0.5 for level in LEVELS}])
        >>> report = Report("time-ordered", {}, pd.DataFrame(), None, 0.0, planned=planned)
        >>> path = Path(tempfile.mkdtemp()) / "forecasts.json"
        >>> freeze(report, path) == read_frozen(path).sha256
        True
    """
    if report.planned.empty:
        raise SkillscaleError(
            f"{report.protocol} plans no models, so it has no forecasts to freeze. "
            "Choose another protocol."
        )
    document = {
        "schema": SCHEMA,
        "protocol": report.protocol,
        "options": dict(report.options),
        "provenance": dict(report.provenance),
        "levels": list(LEVELS),
        "forecasts": [_record(row) for row in report.planned.to_dict("records")],
    }
    document = sealed(document)
    write_sealed(path, document)
    return str(document[HASH])


def read_frozen(path: Path) -> Frozen:
    """Read frozen forecasts, and verify that they are those that were frozen.

    Args:
        path: a file that `freeze` wrote.

    Returns:
        What it holds.

    Raises:
        SkillscaleError: the file is missing, no such file or of another schema, or was changed.

    Example:
        >>> read_frozen(Path("/no/such/forecasts.json"))
        Traceback (most recent call last):
        skillscale.errors.SkillscaleError: /no/such/forecasts.json can't be read as frozen ...
    """
    document = read_sealed(path, SCHEMA)
    records = document["forecasts"]
    columns = [_column(level) for level in document["levels"]]
    quantiles = pd.DataFrame([record["quantiles"] for record in records], columns=columns)
    frame = pd.DataFrame(records).drop(columns="quantiles")
    return Frozen(
        protocol=document["protocol"],
        options=document["options"],
        provenance=document["provenance"],
        forecasts=frame.join(quantiles),
        sha256=document[HASH],
    )


def _column(level: float) -> str:
    return f"q{level:g}"


def _record(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A forecast as the file has it: its quantiles in a list."""
    columns = [_column(level) for level in LEVELS]
    described = {str(key): value for key, value in row.items() if key not in columns}
    return described | {"quantiles": [row[name] for name in columns]}
