"""A quick look at the posterior: draws of a Gaussian approximation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array

from skillscale.errors import require_at_least
from skillscale.law.design import Observations
from skillscale.posterior.chains import Chains
from skillscale.posterior.gaussian import Gaussian, fit_gaussian, prepare
from skillscale.posterior.journal import FORGETFUL, Journal
from skillscale.posterior.potential import Potential


@dataclass(frozen=True)
class Svi:
    """Approximate the posterior by a Gaussian: seconds, with intervals a little too narrow.

    Attributes:
        draws: independent draws kept.
        gradient_steps: mean-field steps.
        newton_steps: full-covariance steps.

    Raises:
        SpecError: an option is smaller than one.

    Example:
        >>> Svi(draws=200).newton_steps
        10
        >>> Svi(draws=0)
        Traceback (most recent call last):
        skillscale.errors.SpecError: Svi: draws must be at least 1, found 0.
    """

    draws: int = 2000
    gradient_steps: int = 1500
    newton_steps: int = 10

    def __post_init__(self) -> None:
        require_at_least(self, draws=1, gradient_steps=1, newton_steps=1)

    def prepare(self, potential: Potential, observations: Observations) -> None:
        """Compile what fits the Gaussian, while something else is done."""
        prepare(potential, observations)

    def approximate(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        near: Gaussian | None = None,
        on_progress: Callable[[int], None] = lambda done: None,
        journal: Journal = FORGETFUL,
    ) -> Gaussian:
        """Fit the Gaussian, from that of a similar posterior if there is one."""
        return fit_gaussian(
            potential,
            observations,
            key,
            gradient_steps=self.gradient_steps,
            newton_steps=self.newton_steps,
            near=near,
            on_progress=on_progress,
            journal=journal,
        )

    def run(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int, int], None],
        start: Gaussian | None = None,
        journal: Journal = FORGETFUL,
    ) -> Chains:
        """Fit the Gaussian, unless it is known, and draw from it."""
        total = 1 + self.newton_steps
        key_fit, key_draw = jax.random.split(key)
        gaussian = start or self.approximate(
            potential,
            observations,
            key_fit,
            on_progress=lambda done: on_progress(done, total),
            journal=journal,
        )
        on_progress(total, total)
        return Chains(np.asarray(gaussian.draw(key_draw, self.draws))[None], {})
