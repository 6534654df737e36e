"""Central intervals of draws: where they end, and the columns they are reported in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

INTERVALS = (50, 80, 95)
"""Percent inside the intervals of a forecast."""


def tails(interval: float) -> tuple[float, float]:
    """Probabilities below the ends of a central interval.

    Args:
        interval: the probability inside.

    Returns:
        That below the lower end, and that below the upper.

    Example:
        >>> tails(0.5)
        (0.25, 0.75)
    """
    return (1 - interval) / 2, (1 + interval) / 2


def central(draws: Float[np.ndarray, "draw ..."], interval: float) -> Float[np.ndarray, "end ..."]:
    """Lower and upper end of the central interval of draws, over the first axis.

    Args:
        draws: along the first axis.
        interval: the probability inside.

    Returns:
        The two ends along the first axis, in the unit of the draws.

    Example:
        >>> central(np.arange(101.0), 0.5)
        array([25., 75.])
    """
    return np.quantile(draws, tails(interval), axis=0)


def summarise(
    draws: Float[np.ndarray, "draw ..."], percentages: Sequence[int] = INTERVALS
) -> dict[str, np.ndarray]:
    """Mean, median and the ends of several intervals over the first axis, as forecasts name them.

    Args:
        draws: along the first axis.
        percentages: percent inside the intervals.

    Returns:
        ``mean, median, lower_50, upper_50`` and so on.

    Example:
        >>> {name: float(value) for name, value in summarise(np.arange(101.0), [50]).items()}
        {'mean': 50.0, 'median': 50.0, 'lower_50': 25.0, 'upper_50': 75.0}
    """
    found = {"mean": draws.mean(axis=0), "median": np.median(draws, axis=0)}
    for percent in percentages:
        lower, upper = central(draws, percent / 100)
        found |= {f"lower_{percent}": lower, f"upper_{percent}": upper}
    return found


def median_and_ends(
    name: str, draws: Float[np.ndarray, " draw"], interval: float
) -> dict[str, float]:
    """Median and ends of one interval of some draws, as columns.

    Each is one of the draws: between infinite ones interpolation would give NaN.

    Args:
        name: of the column of the median.
        draws: some may be infinite.
        interval: the probability inside.

    Returns:
        The median under the name, the ends under it with ``_lower`` and ``_upper``.

    Example:
        >>> median_and_ends("x", np.arange(101.0), 0.9)
        {'x': 50.0, 'x_lower': 5.0, 'x_upper': 95.0}
    """
    return {key: float(value) for key, value in medians_and_ends(name, draws, interval).items()}


def medians_and_ends(
    name: str, draws: Float[np.ndarray, "draw ..."], interval: float
) -> dict[str, np.ndarray]:
    """Medians and ends of one interval over the first axis, as `median_and_ends` has them.

    Args:
        name: of the column of the medians.
        draws: along the first axis; some may be infinite.
        interval: the probability inside.

    Returns:
        The medians under the name, the ends under it with ``_lower`` and ``_upper``.

    Example:
        >>> medians_and_ends("x", np.arange(101.0)[:, None], 0.9)["x_upper"]
        array([95.])
    """
    lower, upper = tails(interval)
    ends = np.quantile(draws, [0.5, lower, upper], axis=0, method="nearest")
    return dict(zip((name, f"{name}_lower", f"{name}_upper"), ends, strict=True))
