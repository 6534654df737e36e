"""Findings made by hand: numbers that a test knows, and nothing to compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.checks.verdict import Check, Verdict
from skillscale.forecasts.forecast import SOURCES
from skillscale.forecasts.influence import COLUMNS
from skillscale.intervals import summarise
from skillscale.optima.goal import Goal
from skillscale.optima.identification import Identification
from skillscale.report.findings import Family, PlanFindings

BENCHMARKS = ("mmlu", "gsm8k", "bbh")
CHECKS = [
    Check("R-hat, worst", Verdict.PASS, 1.003, "<= 1.01", "Sample longer."),
    Check("PSIS-LOO", Verdict.REVIEW, 120.5, "Pareto k > 0.7", "Leave families out."),
]


def invented_forecast(models: Sequence[str], **attrs: Any) -> xr.Dataset:
    """A forecast of scores that rise from model to model."""
    rng = np.random.default_rng(0)
    shape = (400, len(models), len(BENCHMARKS))
    steps = 0.1 * np.arange(len(models))[:, None] + 0.05 * np.arange(len(BENCHMARKS))
    draws = np.clip(0.4 + steps + 0.03 * rng.standard_normal(shape), 0, 1)
    cell = ("model", "benchmark")
    data: dict[str, Any] = {name: (cell, found) for name, found in summarise(draws).items()}
    data["draws"] = (("draw", *cell), draws)
    shares = np.array([0.1, 0.2, 0.4, 0.3])[:, None, None]
    data["variance_share"] = (("source", *cell), np.broadcast_to(shares, (4, *shape[1:])))
    said = {"assumed": [], "outside": [], "doubts": [], "changes": []}
    return xr.Dataset(
        data,
        coords={
            "model": list(models),
            "benchmark": list(BENCHMARKS),
            "family": ("model", ["nova"] * len(models)),
            "source": list(SOURCES),
        },
        attrs={"pareto_k": 0.1, "is_refit": 0, "n_observed": 1, **said, **attrs},
    )


def invented_plan(
    models: Sequence[str] = ("nova-8b", "nova-70b"), seen: str = "nova-1b", **attrs: Any
) -> PlanFindings:
    """What may have been found of a plan of a new family with one model observed."""
    planned = pd.DataFrame(
        {
            "n_params": np.geomspace(8e9, 70e9, len(models)),
            "n_active_params": np.geomspace(8e9, 70e9, len(models)),
            "n_tokens": 15e12,
            "family": "nova",
            "lineage": "nova",
            "tuning": "base",
            "release": "2024-07",
        },
        index=pd.Index(models, name="model"),
    )
    scores = {"mmlu": [0.381], "gsm8k": [np.nan], "bbh": [0.333]}
    observed = pd.DataFrame({"model": [seen], "n_params": [1e9], "n_tokens": [3e12], **scores})
    moved = {"name": f"bbh of {seen}", "change": -0.0123, "size": 0.02, "model": models[0]}
    moved |= {"kind": "score", "benchmark": "mmlu", "median_with": 0.4, "median_without": 0.44}
    next_one = {"step": 1, "rank": 1, "kind": "benchmark", "model": seen, "benchmark": "gsm8k"}
    next_one |= {"width_now": 0.135, "width_next": 0.129, "narrowed": 0.045, "narrowed_se": 0.005}
    return PlanFindings(
        planned=planned,
        forecast=invented_forecast(models, **attrs),
        doubted=frozenset(),
        influence=pd.DataFrame([moved], columns=COLUMNS),
        family=Family("nova", is_fitted=False, observed=observed, others=()),
        goal=Goal(),
        own=None,
        neighbours=None,
        evaluations=pd.DataFrame([next_one]),
    )


def invented_optimum(verdicts: dict[str, Identification], flops: float = 1e24) -> xr.Dataset:
    """Best sizes with a median only where they are identified."""
    is_known = np.array([v is Identification.IDENTIFIED for v in verdicts.values()])[:, None]

    def filled(value: float) -> np.ndarray:
        return np.full((len(verdicts), 1), value)

    values = {
        "n_params": np.where(is_known, 31.4e9, np.nan),
        "n_params_lower": filled(15.9e9),
        "n_params_upper": np.where(is_known, 62.8e9, 1e12),
        "n_tokens": np.where(is_known, 5.3e12, np.nan),
        "tokens_per_param": np.where(is_known, 169.0, np.nan),
        "prob_interior": np.where(is_known, 0.97, 0.41),
        "prob_lower_bound": filled(0.0),
        "prob_upper_bound": np.where(is_known, 0.0, 0.59),
        "narrowing": filled(0.6),
        "searched_lower": filled(1e8),
        "searched_upper": filled(1e12),
        "verdict": np.array([[str(verdict)] for verdict in verdicts.values()], dtype=object),
        "limit": np.full((len(verdicts), 1), "", dtype=object),
    }
    return xr.Dataset(
        {name: (("objective", "flops"), value) for name, value in values.items()},
        coords={"objective": list(verdicts), "flops": [flops]},
        attrs={"interval": 0.8, "serve_tokens": 0.0, "stands_on": "Verdicts hold if it does."},
    )
