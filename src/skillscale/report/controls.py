"""What the controls of an explorer stand on: values of every slider, models to start at, marks."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from skillscale.forecasts.distance import MONTHS, TOLERANCE
from skillscale.formatting import format_count
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.optima.deployment import MOST_PARAMS, MOST_TOKENS, Deployment
from skillscale.posterior.result import Fit

MANTISSAS = (
    1,
    1.12,
    1.25,
    1.4,
    1.6,
    1.8,
    2,
    2.24,
    2.5,
    2.8,
    3.15,
    3.55,
    4,
    4.5,
    5,
    5.6,
    6.3,
    7.1,
    8,
    9,
)
"""Steps of a slider in a decade: preferred numbers (R20)."""
BUDGETS = (1e20, 2e26)
"""Least and most compute, in FLOP."""
BUDGET = 1e24
"""Where it starts unless it is told."""
SERVED = (1e10, 1e15)
"""Fewest and most tokens served, if any."""
MONTHS_AHEAD = 36
"""How far after the last model of a fit a release may be moved."""
SEEN = 4
"""How many observed models are marked: the largest."""


def controls(
    fit: Fit,
    planned: pd.DataFrame,
    seen: pd.DataFrame,
    flops: float | None,
    serve_tokens: float | None,
) -> dict[str, Any]:
    """Values that the sliders move over, and what they start at.

    Args:
        fit: a fitted law.
        planned: models of one family, as `describe` describes them.
        seen: models of the family with scores, likewise, and a column for each benchmark.
        flops: budget to start at, in FLOP.
        serve_tokens: tokens served to start at.

    Returns:
        ``sizes, tokens, budgets, served`` (ascending), ``releases`` (months), ``planned`` and
        ``seen`` models, ``start`` (positions of the sliders), and how far the models of the fit
        reach.

    Example:
        >>> from skillscale.data.plan import describe
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> model = {"model": ["b"], "family": "llama", "n_params": 9.1e9, "n_tokens": 1e12}
        >>> none = fit.models.join(fit.table.wide()).iloc[:0]
        >>> found = controls(fit, describe(pd.DataFrame(model), fit.models), none, None, None)
        >>> found["sizes"][found["start"]["size"]], found["releases"][found["start"]["release"]]
        (9100000000.0, '2023-03')
    """
    models = [_described(fit, name, row) for name, row in planned.iterrows()]
    search, first = Deployment(), models[0]
    sizes = _ladder((search.min_params, MOST_PARAMS), [model["size"] for model in models])
    tokens = _ladder((search.min_tokens, MOST_TOKENS), [model["tokens"] for model in models])
    costs = [TRAINING_FLOPS * model["size"] * model["tokens"] for model in models]
    budgets = _ladder(BUDGETS, [flops or BUDGET, *costs])
    served = [0.0, *_ladder(SERVED, [serve_tokens] if serve_tokens else [])]
    releases = _months(fit, [model["release"] for model in models])
    return {
        "sizes": sizes,
        "tokens": tokens,
        "budgets": budgets,
        "served": served,
        "releases": releases,
        "planned": models,
        "seen": [_marked(fit, name, row) for name, row in seen.tail(SEEN).iterrows()],
        "start": {
            "size": sizes.index(first["size"]),
            "tokens": tokens.index(first["tokens"]),
            "release": releases.index(first["release"]),
            "tuning": first["tuning"],
            "budget": budgets.index(flops or BUDGET),
            "served": served.index(serve_tokens or 0.0),
        },
        "fitted": _reach(fit.models),
        "tolerance": TOLERANCE,
        "months": MONTHS,
    }


def _described(fit: Fit, name: object, model: pd.Series) -> dict[str, Any]:
    """A planned model, of the reference count where its tokens are not known."""
    tokens = float(model["n_tokens"])
    return {
        "name": str(name),
        "size": float(model["n_active_params"]),
        "tokens": fit.spec.reference_tokens if np.isnan(tokens) else tokens,
        "release": str(model["release"]),
        "tuning": str(model["tuning"]),
    }


def _ladder(ends: tuple[float, float], exact: list[float]) -> list[float]:
    """Preferred numbers between two ends, and some numbers as they are."""
    decades = range(int(np.floor(np.log10(ends[0]))), int(np.ceil(np.log10(ends[1]))) + 1)
    numbers = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in MANTISSAS]
    return sorted({number for number in numbers if ends[0] <= number <= ends[1]} | set(exact))


def _months(fit: Fit, exact: list[str]) -> list[str]:
    """Every month from the first model of a fit to some years after the last, planned ones too."""
    known = [_count(month) for month in (*fit.models["release"], *exact)]
    last = max(_count(fit.models["release"].max()) + MONTHS_AHEAD, *known)
    return [f"{count // 12}-{count % 12 + 1:02d}" for count in range(min(known), last + 1)]


def _count(month: str) -> int:
    day = date.fromisoformat(f"{month}-01")
    return 12 * day.year + day.month - 1


def _marked(fit: Fit, name: object, model: pd.Series) -> dict[str, Any]:
    """A model with scores, None where it has none."""
    scores = model[fit.design.coords["benchmark"]].to_numpy(dtype=float)
    return {
        "name": str(name),
        "size": format_count(float(model["n_active_params"])),
        "scores": [None if np.isnan(score) else float(score) for score in scores],
    }


def _reach(models: pd.DataFrame) -> dict[str, Any]:
    """Smallest and largest of the models of a fit, and the last release."""
    measured = {
        "parameters": models["n_active_params"],
        "tokens": models["n_tokens"],
        "tokens per parameter": models["n_tokens"] / models["n_active_params"],
    }
    ends = {what: [float(of.min()), float(of.max())] for what, of in measured.items()}
    return {**ends, "release": float(models["release_year"].max())}
