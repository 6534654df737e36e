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

AS_GOOD = 3.0
"""Noises by which the loss of a run may exceed the least: the best of many was lucky as well."""
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


def near_best_runs(
    n_params: Float[np.ndarray, " run"], loss: Float[np.ndarray, " run"], noise: float
) -> tuple[float, float]:
    """The sizes next to those of the runs of least loss: the best size is between them.

    Args:
        n_params: sizes of the runs of a budget, counts.
        loss: their losses.
        noise: of a loss, as a part of it: runs within three of the least are as good.

    Returns:
        The next smaller and the next larger size; zero and infinity at the ends.

    Example:
        >>> sizes, loss = np.array([1e8, 2e8, 4e8, 8e8]), np.array([3.1, 3.0, 3.01, 3.2])
        >>> near_best_runs(sizes, loss, noise=0.0)
        (100000000.0, 400000000.0)
        >>> near_best_runs(sizes, loss, noise=0.002)
        (100000000.0, 800000000.0)
    """
    good = n_params[loss <= np.min(loss) * np.exp(AS_GOOD * noise)]
    smaller, larger = n_params[n_params < good.min()], n_params[n_params > good.max()]
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
