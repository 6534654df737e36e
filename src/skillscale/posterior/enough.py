"""When a sampler has drawn enough."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from skillscale.posterior.convergence import convergence

LARGEST_RHAT = 1.01
"""Of any parameter, for there to be enough draws."""


class Enough:
    """Whether every parameter has so many effective draws, and chains agree.

    Those that failed at one look are the first to be looked at in the next.

    Args:
        ess: effective draws that every parameter needs.

    Example:
        >>> normal = np.random.default_rng(0).normal(size=(4, 1000, 2))
        >>> is_enough = Enough(ess=400)
        >>> is_enough(normal[:, :100]), is_enough(normal)
        (False, True)
    """

    def __init__(self, ess: int) -> None:
        self.ess = ess
        self._slow: Bool[np.ndarray, " parameter"] | None = None

    def __call__(self, draws: Float[np.ndarray, "chain draw parameter"]) -> bool:
        """Look at all draws until now."""
        if self._slow is not None and self._are_slow(draws[..., self._slow]).any():
            return False
        self._slow = self._are_slow(draws)
        return not self._slow.any()

    def _are_slow(
        self, draws: Float[np.ndarray, "chain draw parameter"]
    ) -> Bool[np.ndarray, " parameter"]:
        found = convergence(np.moveaxis(draws, 2, 0))
        return (found.ess_bulk < self.ess) | (found.rhat > LARGEST_RHAT)
