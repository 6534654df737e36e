"""What scores are expected to be where they are left out: PSIS-LOO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from skillscale.checks.left_out import left_out_densities
from skillscale.forecasts.pareto import FEWEST, smoothed
from skillscale.forecasts.weights import RELIABLE_PARETO_K
from skillscale.posterior.result import Fit

N_DRAWS = 240
"""Of the law, to leave scores out by; five times as many change the sum by a nat."""


@dataclass(frozen=True)
class LeaveOneOut:
    """Leave-one-out cross-validation, estimated from one fit.

    Attributes:
        elpd_i: expected log predictive density of every score, in nats, in the order of
            `Fit.observed_index`.
        pareto_k: how heavy the tail of its importance weights is.
        good_k: shape above which that estimate is not to be trusted.
    """

    elpd_i: Float[np.ndarray, " score"]
    pareto_k: Float[np.ndarray, " score"]
    good_k: float

    @property
    def elpd(self) -> float:
        """Sum over scores, in nats."""
        return float(self.elpd_i.sum())

    @property
    def se(self) -> float:
        """Standard error of the sum."""
        return float(np.sqrt(self.elpd_i.size * self.elpd_i.var()))

    @property
    def high_k(self) -> float:
        """Share of scores whose estimate is not to be trusted."""
        return float(np.mean(self.pareto_k > self.good_k))


def loo(fit: Fit) -> LeaveOneOut:
    """PSIS-LOO, one point per observed score, with the skills of its model integrated out.

    Leave-one-out by Pareto smoothed importance sampling (Vehtari, Gelman and Gabry 2017,
    arXiv:1507.04544). A score is left out given the others of its family, by the densities of
    `skillscale.checks.left_out`: with those given the skills, which have seen the score, 14 % of
    the scores of the classic table had too high a Pareto shape, and they flattered the fit by 48
    nats.

    Args:
        fit: a fitted law.

    Returns:
        The estimate, by 240 draws of the law.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> loo(fit).elpd_i.shape
        (46,)
    """
    return from_densities(left_out_densities(fit, N_DRAWS))


def from_densities(density: Float[np.ndarray, "draw score"]) -> LeaveOneOut:
    """PSIS-LOO from the log density of every score, per draw far apart in its chain.

    >>> constant = from_densities(np.full((100, 2), -1.0))
    >>> constant.elpd, constant.high_k
    (-2.0, 0.0)
    """
    density = density.astype(np.float64)
    weights, shapes = zip(*map(_smoothed, -density.T), strict=True)
    weight = np.stack(weights, axis=1)
    elpd = logsumexp(density + weight, axis=0) - logsumexp(weight, axis=0)
    of_draws = 1 - 1 / np.log10(max(len(density), 2))
    return LeaveOneOut(elpd, np.array(shapes), min(of_draws, RELIABLE_PARETO_K))


def _smoothed(log_weight: Float[np.ndarray, " draw"]) -> tuple[Float[np.ndarray, " draw"], float]:
    """Smoothed weights and their shape; of too few draws it is not known."""
    if len(log_weight) < FEWEST:
        return log_weight, np.inf
    return smoothed(log_weight) if np.ptp(log_weight) else (log_weight, -np.inf)
