"""The posterior as a function of one flat vector: what every inference method works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro.distributions import biject_to
from numpyro.handlers import seed, trace
from numpyro.infer.util import constrain_fn, potential_energy

from skillscale.design import Design, Observations
from skillscale.model import make_model
from skillscale.spec import Spec

Flat = Float[Array, " parameter"]


@dataclass(frozen=True, eq=False)
class Potential:
    """Minus the log posterior density on unconstrained parameters, up to a constant.

    Attributes:
        start: the middle of the prior.
        energy: from a flat vector and observations to the potential energy.
        constrain: from a flat vector and observations to the sites of the model.
    """

    start: Flat
    energy: Callable[[Flat, Observations], Float[Array, ""]]
    constrain: Callable[[Flat, Observations], dict[str, Array]]


def make_potential(design: Design, spec: Spec) -> Potential:
    """Flatten the model of a design; observations stay an argument, so folds share programs."""
    model = make_model(design, spec)

    def latent_sites(key: Array, observations: Observations) -> dict[str, dict]:
        sites = trace(seed(model, key)).get_trace(observations)
        return {
            name: site
            for name, site in sites.items()
            if site["type"] == "sample" and not site["is_observed"]
        }

    @jax.jit
    def prior_draw(key: Array) -> dict[str, Array]:
        sites = latent_sites(key, design.observations)
        return {name: biject_to(s["fn"].support).inv(s["value"]) for name, s in sites.items()}

    draws = jax.vmap(prior_draw)(jax.random.split(jax.random.key(0), 21))
    start, unravel = ravel_pytree(jax.tree.map(lambda v: jnp.median(v, axis=0), draws))

    def energy(flat: Flat, observations: Observations) -> Float[Array, ""]:
        return potential_energy(model, (observations,), {}, unravel(flat))

    def constrain(flat: Flat, observations: Observations) -> dict[str, Array]:
        sites = constrain_fn(model, (observations,), {}, unravel(flat), return_deterministic=True)
        sites.pop("free_loading", None)  # its entries are in loading
        return sites

    return Potential(start, energy, constrain)
