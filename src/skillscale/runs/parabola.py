r"""IsoFLOP parabolas: at one budget, the log of a loss against the log of size.

$$\log y_i = b_0 + b_1 x_i + b_2 x_i^2 + b_3 x_i^3 + \sigma z_i, \qquad x_i = \log N_i$$

A parabola as in Hoffmann et al. 2022 and Roberts et al. 2025 (arXiv:2503.10061), with a small cubic
term: a loss surface rises faster on the side whose exponent is larger, by
$b_3 \approx b_2 (\beta - \alpha)/3$, which moves the minimum where sizes lie to one side of it.
That term has a normal prior, the others are free, and the noise is shared by all budgets, so that
the coefficients are exactly Student-t.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LEAST_SIZES = 3
ASSUMED_NOISE = 0.003
ASSUMED_DEGREES = 3
"""Noise where three sizes a budget leave nothing to tell it from, as a part of the loss, and what
its knowledge is worth in runs: clear losses of the shipped grids have 0.001 to 0.005."""
FARTHEST = 30.0
"""How far beyond the sizes tried a minimum is still a number, as a factor."""
SKEW = 0.08
"""Standard deviation of $b_3 / b_2$: of $(\beta - \alpha)/3$ for exponents near 0.4, known to a
factor of 1.5."""


class Parabolas(NamedTuple):
    """Draws of the parabolas of one loss in one group."""

    budgets: Float[np.ndarray, " budget"]
    optimum: Float[np.ndarray, "draw budget"]
    """Size of least loss; zero or infinity where the loss falls on and on towards that end."""
    smallest: Float[np.ndarray, " budget"]
    """Smallest size tried."""
    largest: Float[np.ndarray, " budget"]
    coefficients: Float[np.ndarray, "draw budget power"]
    """Of powers of the log of size over ``centre``."""
    centre: Float[np.ndarray, " budget"]
    noise: Float[np.ndarray, " draw"]


def fit_parabolas(
    budget: Float[np.ndarray, " run"],
    n_params: Float[np.ndarray, " run"],
    loss: Float[np.ndarray, " run"],
    n_draws: int,
    rng: np.random.Generator,
) -> Parabolas | None:
    """Draw the parabolas that the runs of one loss in one group allow.

    The second approach of Hoffmann et al. 2022 (arXiv:2203.15556), with a small cubic term.

    Args:
        budget: training budget of every run in FLOP, the same number where it is shared.
        n_params: sizes, counts.
        loss: losses, positive.
        n_draws: how many draws.
        rng: source of randomness.

    Returns:
        A parabola per draw and budget with three sizes or more: sizes in parameters, coefficients
        and noise of the log of the loss. None where no budget has three sizes. Where none has more,
        noise can't be told from curvature, and is that of clear losses, known to a factor.

    Example:
        >>> sizes = np.geomspace(1e8, 1e10, 7)
        >>> loss = 3 + 0.1 * np.log(sizes / 1e9) ** 2
        >>> found = fit_parabolas(np.full(7, 1e20), sizes, loss, 200, np.random.default_rng(0))
        >>> found.optimum.shape, f"{np.median(found.optimum):.1e}"
        ((200, 1), '1.0e+09')
    """
    parts = []
    for value in np.unique(budget):
        at = budget == value
        if len(np.unique(n_params[at])) >= LEAST_SIZES:
            parts.append((value, np.log(n_params[at]), np.log(loss[at])))
    if not parts:
        return None
    degrees = sum(len(x) - LEAST_SIZES for _, x, _ in parts)
    plain = [np.polynomial.Polynomial.fit(x, y, 2, domain=[-1, 1]) for _, x, y in parts]
    rest = sum(((y - p(x)) ** 2).sum() for p, (_, x, y) in zip(plain, parts, strict=True))
    if degrees == 0:
        rest, degrees = ASSUMED_DEGREES * ASSUMED_NOISE**2, ASSUMED_DEGREES
    variance = max(rest / degrees, np.finfo(float).tiny)
    bend = np.median([p.coef[2] for p in plain])
    # The cubic term's prior as data: its precision relative to that of a run.
    skew = variance / max((SKEW * bend) ** 2, np.finfo(float).tiny)
    noise = np.sqrt(variance * degrees / rng.chisquare(degrees, n_draws))
    centre = np.array([_vertex(p, x) for p, (_, x, _) in zip(plain, parts, strict=True)])
    coefficients = np.empty((n_draws, len(parts), 4))
    for position, (_, x, y) in enumerate(parts):
        powers = np.vander(x - centre[position], 4, increasing=True)
        precision = powers.T @ powers + np.diag([0.0, 0.0, 0.0, skew])
        mean = np.linalg.solve(precision, powers.T @ y)
        root = np.linalg.inv(np.linalg.cholesky(precision)).T
        surprise = rng.standard_normal((n_draws, 4)) @ root.T
        coefficients[:, position] = mean + noise[:, None] * surprise
    lowest, highest = (np.array([end(x) for _, x, _ in parts]) for end in (np.min, np.max))
    minimum = _minimum(coefficients) + centre
    minimum[minimum < lowest - np.log(FARTHEST)] = -np.inf
    minimum[minimum > highest + np.log(FARTHEST)] = np.inf
    return Parabolas(
        np.array([value for value, _, _ in parts]),
        np.exp(minimum),
        np.exp(lowest),
        np.exp(highest),
        coefficients,
        np.exp(centre),
        noise,
    )


def parabola_losses(
    parabolas: Parabolas, position: int, n_params: Float[np.ndarray, " place"]
) -> Float[np.ndarray, "draw place"]:
    """Draws of the loss at one budget.

    Args:
        parabolas: result of `fit_parabolas`.
        position: of the budget.
        n_params: sizes, counts.

    Returns:
        Losses in the unit of the runs.

    Example:
        >>> sizes = np.geomspace(1e8, 1e10, 7)
        >>> loss = 3 + 0.1 * np.log(sizes / 1e9) ** 2
        >>> found = fit_parabolas(np.full(7, 1e20), sizes, loss, 200, np.random.default_rng(0))
        >>> round(float(np.median(parabola_losses(found, 0, np.array([1e9])))), 1)
        3.0
    """
    powers = np.vander(np.log(n_params / parabolas.centre[position]), 4, increasing=True)
    return np.asarray(np.exp(parabolas.coefficients[:, position] @ powers.T))


def _vertex(parabola: np.polynomial.Polynomial, x: Float[np.ndarray, " run"]) -> float:
    """Where a parabola is least among the sizes tried: the powers are taken about it."""
    _, slope, bend = map(float, parabola.coef)
    return float(np.clip(-slope / (2 * bend) if bend > 0 else x.mean(), x.min(), x.max()))


def _minimum(coefficients: Float[np.ndarray, "*b power"]) -> Float[np.ndarray, "*b"]:
    """Where cubics have their minimum; without one, infinitely far down their slope."""
    _, b1, b2, b3 = np.moveaxis(coefficients, -1, 0)
    under_root = b2**2 - 3 * b1 * b3
    has_minimum = (under_root > 0) & (b2 + np.sqrt(np.maximum(under_root, 0)) > 0)
    denominator = np.where(has_minimum, b2 + np.sqrt(np.maximum(under_root, 0)), 1.0)
    return np.where(has_minimum, -b1 / denominator, np.where(b1 > 0, -np.inf, np.inf))
