"""How far forecasts reach: bins of size and of date."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

NONE_SEEN = "none seen"
DISTANCES = {"up to 3x": 3.0, "3x to 10x": 10.0, "more than 10x": np.inf}
"""How much larger than the largest model seen of the family."""
SIZES = {"within": 1.0, "up to 2x": 2.0, "more than 2x": np.inf}
"""How far outside the sizes of the training."""
MONTHS = {"before": 0.0, "up to 3": 3.0, "3 to 6": 6.0, "6 to 12": 12.0, "more than 12": np.inf}
"""How long after the last model of the training."""


def with_bins(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the bins of forecasts.

    Args:
        rows: some ``cells`` of a `Report`.

    Returns:
        The rows with ``distance`` in size from the largest model seen of the family, ``outside``
        the sizes of the training, and ``months`` after it; categories in this order.

    Example:
        >>> rows = {"log_ratio": [np.log(12), np.nan], "log_outside": 0.0, "months_after": [2, 7]}
        >>> with_bins(pd.DataFrame(rows))[["distance", "outside", "months"]].to_numpy().tolist()
        [['more than 10x', 'within', 'up to 3'], ['none seen', 'within', '6 to 12']]
    """
    distance = _binned(np.exp(rows["log_ratio"]), DISTANCES)
    return rows.assign(
        distance=distance.cat.add_categories(NONE_SEEN).fillna(NONE_SEEN),
        outside=_binned(np.exp(rows["log_outside"]), SIZES),
        months=_binned(rows["months_after"], MONTHS),
    )


def _binned(values: pd.Series, bins: Mapping[str, float]) -> pd.Series:
    """Name of the bin of every value, by the upper ends of bins."""
    return pd.Series(pd.cut(values, [-np.inf, *bins.values()], labels=list(bins)))
