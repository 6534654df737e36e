"""What every inference method returns: draws of flat parameters, by chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Float, Shaped

from skillscale.law.design import Observations
from skillscale.posterior.potential import Potential


class Chains(NamedTuple):
    """Draws of all chains, and the sampler's statistics under ArviZ's names (none for SVI)."""

    flat: Float[np.ndarray, "chain draw parameter"]
    stats: Mapping[str, Shaped[np.ndarray, "chain draw"]]


class Method(Protocol):
    """A way to find the posterior: a frozen set of options that can be run."""

    def run(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int, int], None],
    ) -> Chains:
        """Draw from the posterior; ``on_progress`` is told the steps done and all steps."""
        ...
