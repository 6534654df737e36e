"""What a way to find the posterior must offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from jaxtyping import Array

from skillscale.posterior.journal import FORGETFUL, Journal

if TYPE_CHECKING:  # inference takes a second to import, and a forecast needs none
    from skillscale.law.design import Observations
    from skillscale.posterior.chains import Chains
    from skillscale.posterior.gaussian import Gaussian
    from skillscale.posterior.potential import Potential


class Method(Protocol):
    """A way to find the posterior: a frozen dataclass of options that can be run.

    The options are checked when they are given; a fit stores them by name.
    """

    def prepare(self, potential: Potential, observations: Observations) -> None:
        """Compile what runs on such observations need, while something else is done."""
        ...

    def approximate(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        near: Gaussian | None = None,
    ) -> Gaussian:
        """A Gaussian near the posterior, which a run may start from.

        Args:
            potential: the posterior.
            observations: what it is conditioned on.
            key: source of randomness.
            near: that of a similar posterior, from which a few steps lead here.

        Returns:
            The Gaussian, over flat parameters.
        """
        ...

    def run(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int, int], None],
        start: Gaussian | None = None,
        journal: Journal = FORGETFUL,
    ) -> Chains:
        """Draw from the posterior.

        Args:
            potential: the posterior.
            observations: what it is conditioned on.
            key: source of randomness.
            on_progress: told the steps done and all steps.
            start: approximation of this posterior, if there is one, as `approximate` gives it.
            journal: keeps the steps; those that it has are not taken again.

        Returns:
            Draws of flat parameters by chain, and the sampler's statistics.
        """
        ...


def name_and_options(method: Method) -> tuple[str, dict[str, Any]]:
    """Name and options of a method, as plain values to keep with its results."""
    return type(method).__name__.lower(), dataclasses.asdict(cast("Any", method))
