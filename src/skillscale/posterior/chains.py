"""What every inference method returns: draws of flat parameters, by chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped


class Chains(NamedTuple):
    """Draws of all chains, and the sampler's statistics under ArviZ's names (none for SVI)."""

    flat: Float[np.ndarray, "chain draw parameter"]
    stats: Mapping[str, Shaped[np.ndarray, "chain draw"]]
