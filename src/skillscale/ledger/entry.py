"""A forecast that is kept: all that is needed to judge it later, and a hash that tells of changes.

It is a document as `skillscale.backtest.frozen` describes it, of the protocol `forecast`, and has
these keys beside:

| key | what it holds |
|---|---|
| `options` | `n_draws, seed, keep_doubted`; `is_refit, pareto_k`: what came of surprising scores |
| `provenance` | `date, versions, fit_hash, data_hash, spec`, and as `fit` that of the fit |
| `observed`, `plan` | models as they were given, one record each |
| `benchmarks` | chance and number of items of every benchmark |
| `said` | sentences: `assumed, outside, doubts, changes` |

Its forecasts have `baselines` as well: mean and standard deviation by name, fitted to the scores
that were known at the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from skillscale.backtest.frozen import DIGITS, SCHEMA
from skillscale.backtest.sealed import HASH, sealed, write_sealed
from skillscale.forecasts.question import Question, ask
from skillscale.ledger.baselines import baseline_forecasts, scores_of
from skillscale.ledger.provenance import options, provenance
from skillscale.posterior.result import Fit

PROTOCOL = "forecast"
LEVELS = (0.5, 1, 2, 2.5, *range(3, 98), 97.5, 98, 99, 99.5)
"""Percent below the quantiles that are kept."""
SAID = ("assumed", "outside", "doubts", "changes")
DESCRIBED = (
    *("model", "family", "lineage", "tuning", "recipe"),
    *("n_params", "n_active_params", "n_tokens", "release"),
)
"""What is kept of observed and planned models, beside scores."""
OF_BENCHMARKS = ("benchmark", "n_items", "chance")


@dataclass(frozen=True, eq=False, repr=False)
class Entry:
    """A forecast of the ledger; also forecasts that `skillscale.backtest.frozen` froze.

    Attributes:
        name: what it is called; that of its file by default.
        document: all that it holds, as plain values.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> fit = shipped_fit()
        >>> entry = make_entry(fit, sk.forecast(fit, plan, n_draws=200), plan, name="a")
        >>> entry
        Entry(a: 12 forecasts of 1 models, ...)
        >>> entry.said["assumed"][0]
        'a-70b: no tuning is given, base models are assumed.'
    """

    name: str
    document: Mapping[str, Any]

    def __repr__(self) -> str:
        n_models = self.forecasts["model"].nunique()
        return (
            f"Entry({self.name}: {len(self.forecasts)} forecasts of {n_models} models, {self.date})"
        )

    @property
    def sha256(self) -> str:
        """Hash of all else: publish it, and nobody can change the forecast unseen."""
        return str(self.document[HASH])

    @property
    def date(self) -> str:
        """When it was made, ``YYYY-MM-DD``; empty where that is not known."""
        return str(self.document["provenance"].get("date", ""))

    @property
    def said(self) -> Mapping[str, list[str]]:
        """What was assumed and doubted, sentences."""
        return self.document.get("said", {})

    @property
    def levels(self) -> list[float]:
        """Percent below the quantiles."""
        return self.document["levels"]

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """One row per model and benchmark (of a back-test, of every fold), without quantiles.

        Columns are ``fold, model, family, lineage, tuning, benchmark, is_known, n_known, n_draws,
        mean, sd``, fractions.
        """
        left_out = ("quantiles", "baselines")
        rows = [
            {key: value for key, value in record.items() if key not in left_out}
            for record in self.document["forecasts"]
        ]
        return pd.DataFrame(rows)

    @cached_property
    def quantiles(self) -> Float[np.ndarray, "forecast level"]:
        """Quantiles of every row of ``forecasts``, fractions."""
        return np.array([record["quantiles"] for record in self.document["forecasts"]])

    def baselines(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Forecasts of simpler laws.

        Returns:
            Means and standard deviations by name, of every row of ``forecasts``; none where a
            back-test was frozen.
        """
        records = self.document["forecasts"]
        names = records[0].get("baselines", {}) if records else {}
        return {
            name: (
                np.array([record["baselines"][name]["mean"] for record in records]),
                np.array([record["baselines"][name]["sd"] for record in records]),
            )
            for name in names
        }

    def frame(self, name: str) -> pd.DataFrame:
        """A table of the document.

        Args:
            name: ``observed``, ``plan`` or ``benchmarks``.

        Returns:
            Its rows; none where it has no such table.
        """
        return pd.DataFrame(self.document.get(name, []))

    def save(self, path: str | Path) -> None:
        """Write the forecast, whole or not at all.

        Args:
            path: the JSON file, in a folder that exists; one that is there is replaced.

        Raises:
            FitFileError: the file can't be written.
        """
        write_sealed(Path(path), self.document)


def make_entry(
    fit: Fit,
    result: xr.Dataset,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    name: str = "forecast",
) -> Entry:
    """Keep a forecast, with all that is needed to judge it later.

    Args:
        fit: the fit that was asked.
        result: what `skillscale.forecast` answered.
        plan: what it was asked, the models to forecast.
        observed: and the observed models.
        name: what the forecast is called.

    Returns:
        The forecast, dated today and hashed, with those of simpler laws fitted to the same scores.

    Raises:
        TableError: an observed model is in the fit already.

    Example:
        See `Entry`.
    """
    question = ask(fit, plan, observed)
    benchmarks = question.benchmarks
    document = {
        "schema": SCHEMA,
        "protocol": PROTOCOL,
        "options": options(result),
        "provenance": {
            **provenance(fit),
            "spec": fit.spec.to_dict(),
            "fit": {key: value for key, value in fit.provenance.items() if key != "data_hash"},
        },
        "observed": _records(observed, [*DESCRIBED, *fit.table.benchmarks.index]),
        "plan": _records(plan, DESCRIBED),
        "benchmarks": _records(fit.table.benchmarks.loc[benchmarks].reset_index(), OF_BENCHMARKS),
        "said": {key: result.attrs[key] for key in SAID},
        "levels": LEVELS,
        "forecasts": _forecasts(fit, result, question, observed),
    }
    return Entry(name, sealed(document))


def _forecasts(
    fit: Fit, result: xr.Dataset, question: Question, observed: pd.DataFrame | None
) -> list[dict[str, Any]]:
    """A record of every planned model and benchmark."""
    draws = result["draws"].transpose("draw", "model", "benchmark").to_numpy()
    mean, sd = (part.round(DIGITS) for part in (draws.mean(axis=0), draws.std(axis=0)))
    quantiles = np.quantile(draws, np.array(LEVELS) / 100, axis=0).round(DIGITS)
    seen = scores_of(observed, question.benchmarks)
    known = {*zip(fit.table.scores["model"], fit.table.scores["benchmark"], strict=True)}
    known |= {(model, name) for name in seen for model in seen.index[seen[name].notna()]}
    baselines = baseline_forecasts(fit, question, observed)
    return [
        {
            "fold": PROTOCOL,
            "model": model,
            **question.planned.loc[model, ["family", "lineage", "tuning"]].to_dict(),
            "benchmark": benchmark,
            "is_known": (model, benchmark) in known,
            "n_known": int(seen.notna().to_numpy().sum()),
            "n_draws": len(draws),
            "mean": float(mean[i, j]),
            "sd": float(sd[i, j]),
            "quantiles": quantiles[:, i, j].tolist(),
            "baselines": baselines[model, benchmark],
        }
        for i, model in enumerate(result["model"].to_numpy().tolist())
        for j, benchmark in enumerate(result["benchmark"].to_numpy().tolist())
    ]


def _records(frame: pd.DataFrame | None, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a frame as plain values, without columns that are empty."""
    if frame is None:
        return []
    kept = frame[[name for name in columns if name in frame]].dropna(axis="columns", how="all")
    cells = kept.astype(object).where(kept.notna(), None)
    return [
        {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row}
        for row in (record.items() for record in cells.to_dict("records"))
    ]
