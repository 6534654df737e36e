"""Where a forecast is from."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import xarray as xr

from skillscale.files import versions
from skillscale.posterior.fingerprint import fingerprint
from skillscale.posterior.result import Fit

OPTIONS = ("n_draws", "seed", "keep_doubted", "is_refit", "pareto_k")
"""Attributes of a forecast: how it was asked for, and what came of surprising scores."""


def provenance(fit: Fit) -> dict[str, Any]:
    """What a forecast that is made now rests on.

    Args:
        fit: the fit that is asked.

    Returns:
        Plain values: today's ``date``, ``versions``, ``fit_hash`` (see `fingerprint`) and
        ``data_hash``.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> sorted(provenance(shipped_fit()))
        ['data_hash', 'date', 'fit_hash', 'versions']
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "fit_hash": fingerprint(fit),
        "data_hash": fit.table.hash,
    }


def options(result: xr.Dataset) -> dict[str, Any]:
    """How a forecast was asked for.

    Args:
        result: what `skillscale.forecast` answered.

    Returns:
        Plain values: ``n_draws, seed, keep_doubted, is_refit, pareto_k``; the last is None where no
        score was observed.

    Example:
        >>> asked = {"n_draws": 1000, "seed": 0, "keep_doubted": 0, "is_refit": 0}
        >>> options(xr.Dataset(attrs=asked | {"pareto_k": math.nan}))["pareto_k"]
    """
    values = {key: result.attrs[key] for key in OPTIONS}
    return {key: value if math.isfinite(value) else None for key, value in values.items()}
