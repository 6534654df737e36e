r"""Power laws through optima that are each uncertain.

$$\log N^*_b = k + a\,(\log C_b - \overline{\log C}) + s\,z_b, \qquad
x_b \sim \mathcal N(\log N^*_b, v_b)$$

with budgets $b$, the optimum of each known as $x_b$ with variance $v_b$, and a scatter $s$ that
the power law leaves. Given the scatter all else is normal; the scatter itself is drawn from a grid.
With the slope held at zero it is a mean over things that differ, such as corpora.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SCATTERS = np.concatenate([[0.0], np.geomspace(0.002, 1.0, 40)])
SCATTER_SCALE = 0.02
"""Scale of the half-Cauchy prior of the scatter of one recipe's budgets, in e-folds."""
GROUP_SCATTER_SCALE = 0.2
"""The same of groups, which are recipes of their own."""
COEFFICIENT_SD = 10.0


class PowerLaw(NamedTuple):
    """Draws of a power law."""

    level: Float[np.ndarray, " draw"]
    """Log of the optimum at the mean log budget."""
    exponent: Float[np.ndarray, " draw"]
    scatter: Float[np.ndarray, " draw"]
    mean_log_budget: float

    def at(
        self, budgets: Float[np.ndarray, " budget"], rng: np.random.Generator
    ) -> Float[np.ndarray, "draw budget"]:
        """Draws of the optimum at some budgets, scatter included.

        Args:
            budgets: training budgets in FLOP.
            rng: source of the scatter.

        Returns:
            Optima, in the unit of those that the law was fitted to.
        """
        line = self.level[:, None] + self.exponent[:, None] * (
            np.log(budgets) - self.mean_log_budget
        )
        return np.exp(line + self.scatter[:, None] * rng.standard_normal(line.shape))


def fit_power_law(
    budgets: Float[np.ndarray, " budget"],
    log_optimum: Float[np.ndarray, " budget"],
    variance: Float[np.ndarray, " budget"],
    n_draws: int,
    rng: np.random.Generator,
    *,
    has_slope: bool = True,
    scatter_scale: float = SCATTER_SCALE,
) -> PowerLaw:
    """Draw the power laws that uncertain optima allow.

    Args:
        budgets: training budgets in FLOP.
        log_optimum: log of the optimum at each.
        variance: its variance, in squared e-folds.
        n_draws: how many draws.
        rng: source of randomness.
        has_slope: False holds the exponent at zero.
        scatter_scale: scale of the half-Cauchy prior of the scatter, in e-folds.

    Returns:
        Draws of level, exponent and scatter.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> budgets = np.array([1e18, 1e19, 1e20])
        >>> law = fit_power_law(budgets, 0.5 * np.log(budgets), np.full(3, 1e-6), 500, rng)
        >>> round(float(np.median(law.exponent)), 2)
        0.5
    """
    centre = float(np.log(budgets).mean())
    x = np.column_stack([np.ones(len(budgets)), np.log(budgets) - centre])
    prior_sd = np.array([COEFFICIENT_SD, COEFFICIENT_SD if has_slope else 1e-9])
    # Relative to the first optimum, so that the wide prior of the level is about it.
    y = log_optimum - log_optimum[0]
    means, roots, weights = [], [], []
    for scatter in SCATTERS:
        total = variance + scatter**2
        precision = (x.T / total) @ x + np.diag(prior_sd**-2)
        covariance = np.linalg.inv(precision)
        mean = covariance @ (x.T @ (y / total))
        fit = -0.5 * (np.log(total).sum() + (y**2 / total).sum() - mean @ precision @ mean)
        fit -= 0.5 * np.linalg.slogdet(precision)[1]
        weights.append(fit - np.log1p((scatter / scatter_scale) ** 2))
        means.append(mean)
        roots.append(np.linalg.cholesky(covariance))
    # The grid is even in the log but for zero, which stands for all below its first step.
    step = np.concatenate([[SCATTERS[1]], SCATTERS[1:] * np.log(SCATTERS[2] / SCATTERS[1])])
    share = np.exp(np.array(weights) - max(weights)) * step
    chosen = rng.choice(len(SCATTERS), size=n_draws, p=share / share.sum())
    noise = rng.standard_normal((n_draws, 2))
    drawn = np.array(means)[chosen] + np.einsum("dij,dj->di", np.array(roots)[chosen], noise)
    return PowerLaw(drawn[:, 0] + log_optimum[0], drawn[:, 1], SCATTERS[chosen], centre)


def fit_mean(log_draws: Float[np.ndarray, "group draw"], rng: np.random.Generator) -> PowerLaw:
    """Draw the mean of groups that are each uncertain, and their scatter about it.

    Args:
        log_draws: draws of the log of every group's value.
        rng: source of randomness.

    Returns:
        As many draws: the log of the mean as ``level``, and the scatter; exponents are zero.
    """
    return fit_power_law(
        np.ones(len(log_draws)),
        np.median(log_draws, axis=1),
        log_draws.var(axis=1),
        log_draws.shape[1],
        rng,
        has_slope=False,
        scatter_scale=GROUP_SCATTER_SCALE,
    )
