"""Whether a surface, parabolas and the best runs themselves say the same of the best size.

A surface has few numbers for all budgets, a parabola three for each, the best run none. Where a
surface is too rigid, or its runs were not trained alike, they part, and no interval shows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from skillscale.intervals import tails
from skillscale.runs.parabola import Parabolas
from skillscale.runs.surfaces import Surfaces

MOST_APART = 0.25
"""Share of the budgets of a surface at which it may part from the parabolas."""


def overlap(one: Float[np.ndarray, " draw"], other: Float[np.ndarray, " draw"], at: float) -> bool:
    """Whether two intervals of the best size have a size in common.

    Args:
        one: draws of one estimator.
        other: draws of another.
        at: probability inside the intervals.

    Returns:
        False where they part.

    Example:
        >>> overlap(np.array([1.0, 2.0, 3.0]), np.array([2.5, 4.0, 5.0]), 0.9)
        True
    """
    # Draws may be infinite, so none is interpolated.
    (low, high), (other_low, other_high) = (
        np.quantile(draws, tails(at), method="nearest") for draws in (one, other)
    )
    return bool(low <= other_high and other_low <= high)


def near_best_run(
    n_params: Float[np.ndarray, " run"], loss: Float[np.ndarray, " run"]
) -> tuple[float, float]:
    """The sizes next to that of the run of least loss: the best size is between them.

    Args:
        n_params: sizes of the runs of a budget, counts.
        loss: their losses.

    Returns:
        The next smaller and the next larger size; zero and infinity at the ends.

    Example:
        >>> near_best_run(np.array([1e8, 2e8, 4e8]), np.array([3.1, 3.0, 3.2]))
        (100000000.0, 400000000.0)
        >>> near_best_run(np.array([1e8, 2e8, 4e8]), np.array([3.0, 3.1, 3.2]))
        (0.0, 200000000.0)
    """
    best = n_params[np.argmin(loss)]
    smaller, larger = n_params[n_params < best], n_params[n_params > best]
    return float(smaller.max(initial=0.0)), float(larger.min(initial=np.inf))


def disputed(
    surfaces: Surfaces, parabolas: Sequence[Parabolas | None], at: float
) -> tuple[tuple[str, str], ...]:
    """Surfaces whose power law parts from the parabolas at many budgets.

    Args:
        surfaces: of the runs.
        parabolas: of the same groups and losses.
        at: probability inside the intervals that are compared.

    Returns:
        Group and loss of every such surface.
    """
    budgets = sorted({float(b) for found in parabolas if found is not None for b in found.budgets})
    laws = {budget: surfaces.optimum(budget) for budget in budgets}
    found = []
    for row, (key, own) in enumerate(zip(surfaces.keys, parabolas, strict=True)):
        if own is None:
            continue
        is_apart = [
            not overlap(laws[float(budget)][row], own.optimum[:, position], at)
            for position, budget in enumerate(own.budgets)
        ]
        if np.mean(is_apart) > MOST_APART:
            found.append(key)
    return tuple(found)
