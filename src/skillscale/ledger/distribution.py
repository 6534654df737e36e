r"""How forecasts that are kept as quantiles are judged.

Quantiles $q_i$ at levels $\tau_i$ become a distribution by a monotone curve $z(y)$ through the
points $(q_i, T^{-1}(\tau_i))$, with $T$ the distribution function of Student's t:

$$F(y) = T(z(y)), \qquad f(y) = t(z(y))\, z'(y).$$

Beyond the outermost quantiles the curve is a line, so tails are those of Student's t, with as many
degrees of freedom as the law's prior expects of scores. Levels are taken a third of a unit of $z$
apart: nearer ones would show how few draws lie between them. Draws of scores end at 0 and 1;
quantiles that lie there tell only how much is beyond, and the line goes on, as if nothing were cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats
from scipy.interpolate import PchipInterpolator

from skillscale.backtest.problem import SMALLEST_SD
from skillscale.backtest.scores import OURS
from skillscale.intervals import INTERVALS, tails
from skillscale.law.spec import Priors

REFERENCE = stats.t(Priors().tail.median)
SPACING = 0.3
"""Least distance of levels that are used, in $z$."""
BEYOND = 10.0
"""How far the lines reach: scores lie between 0 and 1."""
STEPS = 1001
"""Points of the integral on either side of a score."""


def score_quantiles(
    rows: pd.DataFrame, levels: Sequence[float], quantiles: Float[np.ndarray, "row level"]
) -> pd.DataFrame:
    """Judge forecasts by the actual scores: as `skillscale.backtest.scores.score_draws`.

    Args:
        rows: with the ``actual`` scores, fractions.
        levels: percent below every quantile, ascending.
        quantiles: those of every row, fractions.

    Returns:
        The rows with ``method, median, crps, log_score, pit`` and the ends of intervals.

    Example:
        >>> levels = [2.5, 10, 25, 50, 75, 90, 97.5]
        >>> normal = stats.norm.ppf(np.array(levels) / 100, 0.5, 0.1)
        >>> rows = pd.DataFrame({"actual": [0.6]})
        >>> found = score_quantiles(rows, levels, normal[None])
        >>> found[["median", "crps", "log_score", "pit"]].round(2).to_numpy().tolist()
        [[0.5, 0.06, 0.88, 0.84]]
        >>> round(stats.norm.logpdf(0.6, 0.5, 0.1), 2), round(stats.norm.cdf(1), 2)
        (np.float64(0.88), np.float64(0.84))
    """
    share = np.array(levels) / 100
    judged = [
        _judged(actual, curve(share, own))
        for actual, own in zip(rows["actual"].to_numpy(float), quantiles, strict=True)
    ]

    def at(level: float) -> np.ndarray:
        return np.array([np.interp(level, share, own) for own in quantiles])

    ends = {
        f"{end}_{percent}": at(level)
        for percent in INTERVALS
        for end, level in zip(("lower", "upper"), tails(percent / 100), strict=True)
    }
    columns = dict(
        zip(("crps", "log_score", "pit"), np.array(judged).reshape(-1, 3).T, strict=True)
    )
    return rows.assign(method=OURS, median=at(0.5), **columns, **ends)


def curve(
    levels: Float[np.ndarray, " level"], quantiles: Float[np.ndarray, " level"]
) -> PchipInterpolator:
    """The curve from scores to quantiles of Student's t.

    Args:
        levels: probabilities below the quantiles, ascending.
        quantiles: fractions.

    Returns:
        A monotone function of scores.

    Example:
        >>> levels = np.array([0.05, 0.5, 0.95])
        >>> found = curve(levels, np.array([0.4, 0.5, 0.6]))
        >>> REFERENCE.cdf(found([0.4, 0.5, 0.6])).round(2).tolist()
        [0.05, 0.5, 0.95]
    """
    z = REFERENCE.ppf(levels)
    inside = (quantiles > 0) & (quantiles < 1)
    # Of quantiles where draws are cut, the innermost is the last that was not moved.
    inside |= np.append((quantiles <= 0)[:-1] & (quantiles > 0)[1:], False)
    inside |= np.append(False, (quantiles >= 1)[1:] & (quantiles < 1)[:-1])
    if not inside.any():
        inside[len(z) // 2] = True
    z, y = _spaced(z[inside], quantiles[inside])
    slopes = np.maximum(np.diff(y) / np.diff(z), SMALLEST_SD)  # nothing is known better
    below, above = slopes[[0, -1]] if len(slopes) else (SMALLEST_SD, SMALLEST_SD)
    grown = np.append(0.0, np.cumsum(slopes * np.diff(z)))
    middle = int(np.argmin(np.abs(z)))
    y = y[middle] + grown - grown[middle]
    y = np.array([y[0] - BEYOND, *y, y[-1] + BEYOND])
    z = np.array([z[0] - BEYOND / below, *z, z[-1] + BEYOND / above])
    return PchipInterpolator(y, z)


def _spaced(
    z: Float[np.ndarray, " level"], y: Float[np.ndarray, " level"]
) -> tuple[Float[np.ndarray, " kept"], Float[np.ndarray, " kept"]]:
    """Some of the points, not too near to each other: the outermost ones, and from the middle."""
    wanted = np.linspace(z[0], z[-1], max(int((z[-1] - z[0]) / SPACING), 1) + 1)
    kept = np.unique([np.abs(z - place).argmin() for place in wanted])
    return z[kept], y[kept]


def _judged(actual: float, z: PchipInterpolator) -> tuple[float, float, float]:
    """CRPS, log score, and the probability of scoring lower."""
    lower, upper = np.linspace(0, actual, STEPS), np.linspace(actual, 1, STEPS)
    crps = np.trapezoid(REFERENCE.cdf(z(lower)) ** 2, lower)
    crps += np.trapezoid(REFERENCE.sf(z(upper)) ** 2, upper)
    place = float(z(actual))
    density = REFERENCE.logpdf(place) + np.log(float(z.derivative()(actual)))
    return float(crps), float(density), float(REFERENCE.cdf(place))
