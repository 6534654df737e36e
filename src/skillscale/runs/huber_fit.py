r"""The loss surface as others fit it: one point, by a robust loss, without discrepancy.

$$\min_{E, A, B, \alpha, \beta} \sum_i \mathrm{Huber}_\delta
\left[\log y_i - \log\left(E + A N_i^{-\alpha} + B D_i^{-\beta}\right)\right]$$

The third approach of Hoffmann et al. 2022 (arXiv:2203.15556), with $\delta = 0.001$ and the best of
several starts. It is here to compare with: it has no interval, and its valley moves as its sides
are steep.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.table import Runs

DELTA = 1e-3
"""Residuals of the log of the loss beyond which a run counts as an outlier."""
STARTS = ((0.4, 0.3), (0.7, 0.3), (0.7, 0.6))
"""Floors as a part of the least loss, and both exponents, at first."""


class HuberFit(NamedTuple):
    """Coefficients of a loss surface, for one parameter and one token."""

    floor: float
    size_coefficient: float
    tokens_coefficient: float
    size_exponent: float
    tokens_exponent: float

    @property
    def params_exponent(self) -> float:
        """Exponent $a$ of the best size."""
        return self.tokens_exponent / (self.size_exponent + self.tokens_exponent)

    def loss(
        self, n_params: Float[np.ndarray, "*p"], n_tokens: Float[np.ndarray, "*p"]
    ) -> Float[np.ndarray, "*p"]:
        """Losses at sizes and token counts.

        Args:
            n_params: sizes, counts.
            n_tokens: training tokens, counts.

        Returns:
            Losses in the unit of the runs.
        """
        by_size = self.size_coefficient * n_params**-self.size_exponent
        return self.floor + by_size + self.tokens_coefficient * n_tokens**-self.tokens_exponent

    def optimum(self, flops: float) -> float:
        """Size of least loss at a budget, compute being 6 n_params n_tokens.

        Args:
            flops: the budget in FLOP.

        Returns:
            A count of parameters.
        """
        alpha, beta = self.size_exponent, self.tokens_exponent
        ratio = alpha * self.size_coefficient / (beta * self.tokens_coefficient)
        pairs = flops / TRAINING_FLOPS
        return float(ratio ** (1 / (alpha + beta)) * pairs**self.params_exponent)


def huber_fit_of(runs: Runs, group: str, loss: str) -> HuberFit:
    """Fit the surface of one loss in one group of some runs.

    Args:
        runs: controlled runs.
        group: name of the group.
        loss: name of the loss.

    Returns:
        As of `huber_fit`.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> round(huber_fit_of(load_runs("llama3"), "llama-3", "loss").params_exponent, 3)
        0.527
    """
    at = runs.is_measured(group, loss)
    n_params, n_tokens = runs.runs.loc[at, ["n_params", "n_tokens"]].to_numpy(dtype=float).T
    return huber_fit(n_params, n_tokens, runs.losses.loc[at, loss].to_numpy())


def huber_fit(
    n_params: Float[np.ndarray, " run"],
    n_tokens: Float[np.ndarray, " run"],
    loss: Float[np.ndarray, " run"],
) -> HuberFit:
    """Fit the surface of one loss in one group.

    Args:
        n_params: sizes, counts.
        n_tokens: training tokens, counts.
        loss: losses, positive.

    Returns:
        The best of several starts.

    Example:
        >>> size, tokens = np.geomspace(1e8, 1e10, 5), np.geomspace(1e9, 1e11, 7)
        >>> n, d = (grid.ravel() for grid in np.meshgrid(size, tokens))
        >>> found = huber_fit(n, d, 1.8 + 400 * n**-0.34 + 410 * d**-0.28)
        >>> [round(value, 2) for value in (found.floor, found.size_exponent)]
        [1.8, 0.34]
    """
    logs = np.log(np.stack([n_params, n_tokens]))
    centre, log_loss = logs.mean(axis=1), np.log(loss)
    x, z = logs - centre[:, None]

    def parts(p: Float[np.ndarray, " five"]) -> Float[np.ndarray, "part run"]:
        alpha, beta = np.exp(p[3:])
        return np.stack([np.full_like(x, np.exp(p[0])), np.exp(p[1] - alpha * x),
                         np.exp(p[2] - beta * z)])  # fmt: skip

    def residual(p: Float[np.ndarray, " five"]) -> Float[np.ndarray, " run"]:
        return np.log(parts(p).sum(axis=0)) - log_loss

    def slopes(p: Float[np.ndarray, " five"]) -> Float[np.ndarray, "run five"]:
        shares = parts(p)
        shares /= shares.sum(axis=0)
        alpha, beta = np.exp(p[3:])
        return np.stack([*shares, -alpha * x * shares[1], -beta * z * shares[2]], axis=1)

    def from_start(share: float, exponent: float) -> tuple[float, Float[np.ndarray, " five"]]:
        term = (1 - share) / 2
        start = np.log(np.array([share, term, term]) * loss.min())
        start = np.concatenate([start, np.log([exponent, exponent])])
        # Log coordinates are bounded, so that a term that the runs don't show ends.
        found = least_squares(
            residual, start, slopes, (start - 8, start + 8), loss="huber", f_scale=DELTA
        )
        return float(found.cost), found.x

    _, best = min((from_start(*start) for start in STARTS), key=lambda found: found[0])
    floor, size_term, tokens_term, alpha, beta = np.exp(best)
    return HuberFit(
        float(floor),
        float(size_term * np.exp(alpha * centre[0])),
        float(tokens_term * np.exp(beta * centre[1])),
        float(alpha),
        float(beta),
    )
