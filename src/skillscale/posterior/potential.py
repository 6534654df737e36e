"""The posterior as a function of one flat vector: what every inference method works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro.distributions import biject_to
from numpyro.handlers import seed, substitute, trace
from numpyro.infer import init_to_mean
from numpyro.infer.util import constrain_fn, potential_energy

from skillscale.law.design import Design, Observations
from skillscale.law.exploratory import units
from skillscale.law.model import make_model, per_skill
from skillscale.law.spec import Spec
from skillscale.posterior.arrow import Groups

Flat = Float[Array, " parameter"]
Energy = Callable[[Flat, Observations], Float[Array, ""]]

GROUP_SIZE = 128
"""Lineages share a group up to this many parameters: a few larger products are the fastest."""
SHARED = -1


@dataclass(frozen=True, eq=False)
class Potential:
    """Minus the log posterior density on unconstrained parameters, up to a constant.

    Attributes:
        start: the mean of the prior.
        energy: from a flat vector and observations to the potential energy.
        constrain: from a flat vector and observations to the sites of the model.
        groups: positions of the parameters of some lineages each; the others are shared by all.

    Example:
        >>> import jax.numpy as jnp
        >>> square = Potential(jnp.zeros(3), lambda z, _: z @ z / 2, lambda z, _: {"z": z})
        >>> gradient = square.program(lambda energy, z: jax.grad(energy)(z, None))
        >>> gradient(jnp.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    start: Flat
    energy: Energy
    constrain: Callable[[Flat, Observations], dict[str, Array]]
    groups: Groups = ()
    _programs: dict[tuple, Callable] = field(default_factory=dict, init=False, repr=False)

    def program(self, function: Callable, **options: Any) -> Callable:
        """A function of the energy, compiled once and kept as long as this posterior is.

        JAX keeps what it compiles for a static argument for good, in memory maps of which a process
        may have 65,530 on Linux: a dozen fits would crash it.

        Args:
            function: of the energy, of arrays, and of options.
            **options: what the program is compiled for, hashable.

        Returns:
            The program, of arrays alone.
        """
        key = (function, *sorted(options.items()))
        if key not in self._programs:
            self._programs[key] = jax.jit(partial(function, self.energy, **options))
        return self._programs[key]


def make_potential(design: Design, spec: Spec) -> Potential:
    """Flatten the model of a design; observations stay an argument, so folds share programs.

    The density is that of `make_model`, on parameters mapped to the real line (logs of what is
    positive, logits of shares), with the Jacobian of this map.

    Args:
        design: arrays and names of a table.
        spec: skills, priors and evidence.

    Returns:
        The potential, in nats. Its sites have names and shapes of one draw, as `Draws` declares.

    Example:
        >>> from skillscale.data.table import load_table
        >>> from skillscale.law.design import make_design
        >>> spec = Spec(("knowledge",), ("mmlu",), benchmarks=("mmlu",))
        >>> design = make_design(load_table("classic").select(families=["llama", "llama-2"]), spec)
        >>> potential = make_potential(design, spec)
        >>> potential.constrain(potential.start, design.observations)["skill"].shape
        (7, 1)
    """
    model = make_model(design, spec)

    @jax.jit
    def prior_mean(observations: Observations) -> dict[str, Array]:
        model_at_mean = substitute(seed(model, jax.random.key(0)), substitute_fn=init_to_mean)
        return {
            name: biject_to(site["fn"].support).inv(site["value"])
            for name, site in trace(model_at_mean).get_trace(observations).items()
            if site["type"] == "sample" and not site["is_observed"]
        }

    at_start = prior_mean(design.observations)
    start, unravel = ravel_pytree(at_start)

    def energy(flat: Flat, observations: Observations) -> Float[Array, ""]:
        return potential_energy(model, (observations,), {}, unravel(flat))

    def constrain(flat: Flat, observations: Observations) -> dict[str, Array]:
        sites = constrain_fn(model, (observations,), {}, unravel(flat), return_deterministic=True)
        sites.pop("free_loading", None)  # its entries are in loading
        if spec.exploratory:
            sites["unit"] = units(sites.pop("squared_unit")).unit
            sites |= per_skill(sites, sites["unit"])
        return sites

    return Potential(start, energy, constrain, _groups(at_start, design))


def _groups(sites: dict[str, Array], design: Design) -> Groups:
    """Parameters of models and families by lineage, small lineages together."""
    of_family = np.asarray(design.observations.in_lineage).argmax(axis=1)
    of_model = of_family[np.asarray(design.observations.in_family).argmax(axis=1)]
    of_rows = {
        "efficiency": of_family,
        "skill": of_model,
        "unpublished_log_tokens": of_model[design.unpublished],
    }
    labels = {
        name: np.repeat(of_rows[name], value.size // len(value))
        if name in of_rows
        else np.full(value.size, SHARED)
        for name, value in sites.items()
    }
    lineage = np.asarray(ravel_pytree(labels)[0])
    members = [np.flatnonzero(lineage == label) for label in np.unique(lineage[lineage != SHARED])]
    groups: list[list[np.ndarray]] = []
    for member in sorted(members, key=len, reverse=True):
        fits = (group for group in groups if sum(map(len, group)) + len(member) <= GROUP_SIZE)
        room = next(fits, None)
        if room is None:
            groups.append([member])
        else:
            room.append(member)
    return [np.concatenate(group) for group in groups]
