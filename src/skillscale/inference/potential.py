"""The posterior as a function of one flat vector: what every inference method works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro.distributions import biject_to
from numpyro.handlers import seed, substitute, trace
from numpyro.infer import init_to_mean
from numpyro.infer.util import constrain_fn, potential_energy

from skillscale.design import Design, Observations
from skillscale.model import make_model
from skillscale.spec import Spec

Flat = Float[Array, " parameter"]


@dataclass(frozen=True, eq=False)
class Potential:
    """Minus the log posterior density on unconstrained parameters, up to a constant.

    Attributes:
        start: the mean of the prior.
        energy: from a flat vector and observations to the potential energy.
        constrain: from a flat vector and observations to the sites of the model.
    """

    start: Flat
    energy: Callable[[Flat, Observations], Float[Array, ""]]
    constrain: Callable[[Flat, Observations], dict[str, Array]]


def make_potential(design: Design, spec: Spec) -> Potential:
    """Flatten the model of a design; observations stay an argument, so folds share programs."""
    model = make_model(design, spec)

    @jax.jit
    def prior_mean(observations: Observations) -> dict[str, Array]:
        model_at_mean = substitute(seed(model, jax.random.key(0)), substitute_fn=init_to_mean)
        return {
            name: biject_to(site["fn"].support).inv(site["value"])
            for name, site in trace(model_at_mean).get_trace(observations).items()
            if site["type"] == "sample" and not site["is_observed"]
        }

    start, unravel = ravel_pytree(prior_mean(design.observations))

    def energy(flat: Flat, observations: Observations) -> Float[Array, ""]:
        return potential_energy(model, (observations,), {}, unravel(flat))

    def constrain(flat: Flat, observations: Observations) -> dict[str, Array]:
        sites = constrain_fn(model, (observations,), {}, unravel(flat), return_deterministic=True)
        sites.pop("free_loading", None)  # its entries are in loading
        return sites

    return Potential(start, energy, constrain)
