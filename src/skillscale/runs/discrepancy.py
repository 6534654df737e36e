r"""What the loss surface leaves unexplained, smooth in compute and in tokens per parameter.

No formula of five numbers follows a loss over two orders of magnitude of compute to a part in a
thousand: residuals of neighbouring runs agree. Taken for independent noise they would make every
interval too narrow, and forecasts of larger runs too sure. So the log of a loss is the log of its
surface plus a Gaussian process

$$\delta \sim \mathcal{GP}\left(0,\ \tau^2
e^{-\frac12 (\Delta\log C/\ell_C)^2}
\left[\omega + (1-\omega)\, e^{-\frac12 (\Delta\log(D/N)/\ell_D)^2}\right]\right).$$

It is written in a few functions that the process is a standard normal mixture of, the leading
eigenvectors of its covariance over the runs. What they leave is drawn apart, where one looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

COMPUTE_LENGTH = 1.5
"""Length in e-folds of compute. This and the next two were chosen on the budgets up to 1e19 FLOP of
the six corpora, the last of them forecast from smaller ones: lengths of 1, 1.2, 2, 3 and 4, and
Matern 1/2 and 3/2 processes, had larger errors, worse coverage or both."""
RATIO_LENGTH = 3.0
"""Length in e-folds of tokens per parameter; 1, 1.5, 2 and 6 were tried."""
COMMON = 0.7
"""Share of the variance that all sizes at a budget have in common; 0, 0.5 and 1 were tried."""
BEYOND = 3.0
"""How much larger the discrepancy is away from the runs, where the surface was not fitted to it.
Chosen on the same budgets, so that 90 % intervals of budgets one and two steps ahead hold 90 % of
their losses (1, 1.5, 2 and 3 held 83, 85, 87 and 90 %)."""
EXPLAINED = 0.999
MAX_FUNCTIONS = 20

Place = Float[np.ndarray, "run 2"]


def places(log_params: Float[np.ndarray, " run"], log_tokens: Float[np.ndarray, " run"]) -> Place:
    """Where runs are: log compute and log tokens per parameter, in units of their lengths.

    Args:
        log_params: logs of sizes over the reference.
        log_tokens: logs of token counts over the reference.

    Returns:
        Both coordinates of every run.
    """
    compute = (log_params + log_tokens) / COMPUTE_LENGTH
    return np.stack([compute, (log_tokens - log_params) / RATIO_LENGTH], axis=-1)


def covariance(one: Place, other: Place) -> Float[np.ndarray, "one other"]:
    """Covariance of the discrepancies at two sets of places, at scale one.

    Args:
        one: some places.
        other: some places.

    Returns:
        Covariances, one at the same place.

    Example:
        >>> at = places(np.zeros(1), np.zeros(1))
        >>> covariance(at, at).tolist()
        [[1.0]]
    """
    by_compute, by_ratio = np.exp(-0.5 * (one[:, None] - other[None]) ** 2).transpose(2, 0, 1)
    return by_compute * (COMMON + (1 - COMMON) * by_ratio)


@dataclass(frozen=True, eq=False)
class Basis:
    """Functions that the discrepancy at scale one is a standard normal mixture of.

    Attributes:
        at: the places of the runs they are made from.
        weights: from covariances with those runs to the functions.
    """

    at: Place
    weights: Float[np.ndarray, "run function"]

    @property
    def n_functions(self) -> int:
        """How many functions there are."""
        return self.weights.shape[1]

    def functions(self, where: Place) -> Float[np.ndarray, "place function"]:
        """Values of the functions.

        Args:
            where: places to look.

        Returns:
            Values of every function there.
        """
        return covariance(where, self.at) @ self.weights

    def rest(self, where: Place) -> Float[np.ndarray, "place place"]:
        """A root of the covariance that the functions leave: zero where runs are near.

        Args:
            where: places to look.

        Returns:
            A matrix whose product with its transpose is that covariance, times `BEYOND` squared.
        """
        functions = self.functions(where)
        values, vectors = np.linalg.eigh(covariance(where, where) - functions @ functions.T)
        return np.asarray(BEYOND * vectors * np.sqrt(np.maximum(values, 0.0)))


def make_basis(runs: Place) -> Basis:
    """The leading eigenvectors of the covariance over some runs.

    Args:
        runs: places of runs.

    Returns:
        Functions that explain 99.9 % of the variance, twenty at most.

    Example:
        >>> basis = make_basis(places(np.zeros(5), np.linspace(0, 1, 5)))
        >>> basis.n_functions
        3
    """
    at = np.unique(np.round(runs, 9), axis=0)
    values, vectors = np.linalg.eigh(covariance(at, at))
    values, vectors = values[::-1], vectors[:, ::-1]
    share = np.cumsum(values) / values.sum()
    n = min(int(np.searchsorted(share, EXPLAINED)) + 1, MAX_FUNCTIONS)
    return Basis(at, vectors[:, :n] / np.sqrt(values[:n]))
