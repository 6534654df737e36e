"""What the draws of an optimum say together: an interval, and whether the data know it at all.

An optimum is *identified* where at least nine draws in ten have one within reach and the interval
ends within a factor of four of the median: the difference between the sizes of a family, beyond
which advice is of little use. It is *weakly identified* where nine in ten have one, in a wider
interval, or where half have one and the data at least halved the interval that slopes from the
prior would give. Otherwise it is *not identified*.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from skillscale.intervals import tails
from skillscale.optima.deployment import Limit

SURE = 0.9
"""Share of draws with an optimum within reach, from which their median is shown."""
LIKELY = 0.5
"""Share of draws at a limit from which it is named."""
FACTOR = 4.0
"""How far from its median an interval may end on either side."""
NARROWED = 0.5
"""How much narrower than under the prior the interval of a weakly identified optimum is."""
EDGES = (Limit.LOWER, Limit.UPPER, Limit.HARM, Limit.UNREACHED)
"""Where an optimum is not known; a cap is a fact."""
CAPS = (Limit.SIZE, Limit.TOKENS, Limit.BOTH)


class Identification(StrEnum):
    """How well an optimum is known."""

    IDENTIFIED = "identified"
    WEAK = "weakly identified"
    NOT = "not identified"


class Choice(NamedTuple):
    """The optimum of every draw, NaN where there is none, and what ends the sizes there."""

    n_params: Float[np.ndarray, " draw"]
    n_tokens: Float[np.ndarray, " draw"]
    limit: np.ndarray
    """A `Limit` per draw."""


def describe_choice(choice: Choice, prior: Choice, interval: float) -> dict[str, Any]:
    """Medians, intervals, probabilities, narrowing and verdict of an optimum.

    Medians are over the draws with an optimum within reach, and NaN where these are fewer than
    nine in ten; interval ends are over all draws that have a size.

    Args:
        choice: the optimum of every draw.
        prior: the same with slopes from the prior.
        interval: probability inside the intervals.

    Returns:
        By name: ``n_params, n_tokens`` (counts) and ``tokens_per_param``, each with ``_lower`` and
        ``_upper``; ``prob_interior, prob_lower_bound, prob_upper_bound, prob_cap, prob_harm``
        (shares of draws); ``narrowing`` (see `narrowing`); in words the ``limit`` at which most
        draws are and the ``verdict``.

    Example:
        >>> sizes, wide = np.geomspace(6e9, 8e9, 101), np.geomspace(1e8, 1e12, 101)
        >>> limit = np.full(101, Limit.NONE, dtype=object)
        >>> choice, prior = (Choice(n, 1e21 / n, limit) for n in (sizes, wide))
        >>> known = describe_choice(choice, prior, 0.8)
        >>> known["verdict"], known["prob_interior"], round(known["narrowing"], 2)
        ('identified', 1.0, 0.97)
    """
    is_known = ~np.isin(choice.limit, EDGES)
    shares = {limit: float((choice.limit == limit).mean()) for limit in Limit}
    within = float(is_known.mean())
    params, lower, upper = _quantiles(choice.n_params, is_known, within, interval, "lower")
    # On a budget tokens fall where size rises: rounded the other way, both are those of one draw.
    tokens, fewest, most = _quantiles(choice.n_tokens, is_known, within, interval, "higher")
    per_param = choice.n_tokens / choice.n_params
    ratio, least, largest = _quantiles(per_param, is_known, within, interval, "higher")
    narrowed = narrowing(choice.n_params, prior.n_params, interval)
    is_narrow = upper <= FACTOR * params and params <= FACTOR * lower
    return {
        "n_params": params,
        "n_params_lower": lower,
        "n_params_upper": upper,
        "n_tokens": tokens,
        "n_tokens_lower": fewest,
        "n_tokens_upper": most,
        "tokens_per_param": ratio,
        "tokens_per_param_lower": least,
        "tokens_per_param_upper": largest,
        "prob_interior": shares[Limit.NONE],
        "prob_lower_bound": shares[Limit.LOWER],
        "prob_upper_bound": shares[Limit.UPPER],
        "prob_cap": sum(shares[limit] for limit in CAPS),
        "prob_harm": shares[Limit.HARM],
        "narrowing": narrowed,
        "limit": _limit(shares),
        "verdict": verdict(within, is_narrow, narrowed).value,
    }


def narrowing(
    posterior: Float[np.ndarray, " draw"], prior: Float[np.ndarray, " draw"], interval: float
) -> float:
    """How much narrower an interval of log sizes is than under the prior: 0 not at all, 1 wholly.

    Args:
        posterior: sizes, NaN where a draw has no optimum.
        prior: the same with slopes from the prior.
        interval: probability inside the interval.

    Returns:
        One minus the ratio of widths, negative where the interval is wider; NaN where there is
        none.

    Example:
        >>> sizes = np.geomspace(1e8, 1e12, 1001)
        >>> round(narrowing(sizes**0.25, sizes, 0.8), 3)
        0.75
    """
    widths = []
    for sizes in (posterior, prior):
        known = sizes[np.isfinite(sizes)]
        if not known.size:
            return float("nan")
        lower, upper = np.quantile(np.log(known), tails(interval))
        widths.append(upper - lower)
    return float(1 - widths[0] / widths[1]) if widths[1] > 0 else float("nan")


def verdict(within: float, is_narrow: bool, narrowed: float) -> Identification:
    """How well an optimum is known.

    Args:
        within: share of draws with an optimum within reach.
        is_narrow: whether the interval ends within a factor of four of the median.
        narrowed: how much narrower the interval is than under the prior.

    Returns:
        Identified, weakly identified or not identified.

    Example:
        >>> cases = (0.95, True, 0.8), (0.95, False, 0.8), (0.6, True, 0.0)
        >>> [verdict(*case).value for case in cases]
        ['identified', 'weakly identified', 'not identified']
    """
    if within >= SURE:
        return Identification.IDENTIFIED if is_narrow else Identification.WEAK
    return Identification.WEAK if within >= LIKELY and narrowed >= NARROWED else Identification.NOT


def _limit(shares: dict[Limit, float]) -> str:
    """The limit at which most draws are, with doubt where it is fewer than nine in ten."""
    limit = max((limit for limit in Limit if limit is not Limit.NONE), key=lambda at: shares[at])
    if shares[limit] < LIKELY:
        return Limit.NONE.value
    return limit.value if shares[limit] >= SURE else f"probably {limit.value}"


def _quantiles(
    values: Float[np.ndarray, " draw"],
    is_known: np.ndarray,
    within: float,
    interval: float,
    rounding: Literal["lower", "higher"],
) -> tuple[float, float, float]:
    """Median of what is known, and interval ends of all: values of draws, never between two."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return (float("nan"),) * 3
    lower, upper = np.quantile(finite, tails(interval), method=rounding)
    if within < SURE:
        return float("nan"), float(lower), float(upper)
    return float(np.quantile(values[is_known], 0.5, method=rounding)), float(lower), float(upper)
