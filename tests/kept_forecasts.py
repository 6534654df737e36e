"""Forecasts of the ledger made by hand, of known distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from skillscale.backtest.sealed import sealed
from skillscale.ledger.entry import LEVELS, Entry

BENCHMARKS = {"mmlu": 0.25, "gsm8k": 0.0, "bbh": 0.29}
SHARES = np.array(LEVELS) / 100


def kept(
    name: str = "nova",
    models: Sequence[str] = ("nova-8b", "nova-70b"),
    *,
    mean: float | Mapping[str, float] = 0.6,
    sd: float = 0.05,
    lineage: str = "nova",
    date: str = "2026-12-01",
    known: Sequence[tuple[str, str]] = (),
    benchmarks: Sequence[str] = tuple(BENCHMARKS),
    **more: object,
) -> Entry:
    """A forecast whose scores are normal, by benchmark, with one baseline five points lower."""

    def record(model: str, benchmark: str) -> dict[str, object]:
        middle = mean if isinstance(mean, float) else mean[benchmark]
        return {
            "fold": "forecast",
            "model": model,
            "family": lineage,
            "lineage": lineage,
            "tuning": "base",
            "benchmark": benchmark,
            "is_known": (model, benchmark) in known,
            "n_known": len(known),
            "n_draws": 4000,
            "mean": middle,
            "sd": sd,
            "quantiles": stats.norm.ppf(SHARES, middle, sd).clip(0, 1).round(6).tolist(),
            "baselines": {"flops": {"mean": middle - 0.05, "sd": 0.05}},
        }

    document = {
        "schema": 1,
        "protocol": "forecast",
        "options": {"n_draws": 1000, "seed": 0, "keep_doubted": 0, "is_refit": 0, "pareto_k": 0.1},
        "provenance": {"date": date, "data_hash": "0" * 64, "spec": {"skills": ["knowledge"]}},
        "observed": [],
        "plan": [{"model": model, "n_params": 8e9, "n_tokens": 1.5e13} for model in models],
        "benchmarks": [
            {"benchmark": benchmark, "n_items": 1000, "chance": BENCHMARKS[benchmark]}
            for benchmark in benchmarks
        ],
        "said": {},
        "levels": LEVELS,
        "forecasts": [record(model, benchmark) for model in models for benchmark in benchmarks],
    }
    return Entry(name, sealed(document | more))


def truth(entry: Entry, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """Scores drawn from a forecast, all shifted alike; one row per model."""
    rng = np.random.default_rng(seed)
    rows = entry.forecasts
    scores = rng.normal(rows["mean"] + shift, rows["sd"]).clip(0, 1)
    return rows.assign(score=scores).pivot_table("score", "model", "benchmark")
