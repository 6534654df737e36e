"""The posterior as a function of one flat vector: what every inference method works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.stages import Wrapped
from jaxtyping import Array, Float
from numpyro.distributions import biject_to
from numpyro.handlers import block, seed, substitute, trace
from numpyro.infer import init_to_mean
from numpyro.infer.util import constrain_fn, potential_energy

from skillscale.law.design import Design, Observations
from skillscale.law.exploratory import units
from skillscale.law.model import loading_matrix, make_model, per_skill
from skillscale.law.production import gain
from skillscale.law.sites import Growth, build
from skillscale.law.spec import Spec
from skillscale.posterior.sparsity import Sparsity

Flat = Float[Array, " parameter"]
Energy = Callable[[Flat, Observations], Float[Array, ""]]

COMPILER = {"xla_backend_optimization_level": 1}
"""Of three levels: programs compile a tenth sooner, and run as fast."""
GIVEN_SKILLS = ("efficiency",)
"""Sites that are not sampled but drawn afterwards, given the others."""


@dataclass(frozen=True, eq=False)
class Potential:
    """Minus the log posterior density on unconstrained parameters, up to a constant.

    Attributes:
        start: the mean of the prior.
        energy: from a flat vector and observations to the potential energy.
        constrain: from a flat vector, observations and a source of randomness (of what is drawn
            given the others) to the sites of the model.
        sparsity: which parameters depend on each other.
        programs: what was compiled, by function and options.

    Example:
        >>> import jax.numpy as jnp
        >>> none = Sparsity(np.full(3, Sparsity.SHARED))
        >>> square = Potential(jnp.zeros(3), lambda z, _: z @ z / 2, lambda z, *_: {"z": z}, none)
        >>> gradient = square.program(lambda energy, z: jax.grad(energy)(z, None))
        >>> gradient(jnp.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    start: Flat
    energy: Energy
    constrain: Callable[[Flat, Observations, Array], dict[str, Array]]
    sparsity: Sparsity
    programs: dict[tuple, Wrapped] = field(default_factory=dict, repr=False)

    def program(self, function: Callable, **options: Any) -> Wrapped:
        """A function of the posterior, compiled once and kept as long as this posterior is.

        JAX keeps what it compiles for a static argument for good, in memory maps of which a process
        may have 65,530 on Linux: a dozen fits would crash it.

        Args:
            function: of the energy, of arrays, and of options.
            **options: what the program is compiled for, hashable.

        Returns:
            The program, of arrays alone.
        """
        key = (function, *sorted(options.items()))
        if key not in self.programs:
            self.programs[key] = jax.jit(
                partial(function, self.energy, **options), compiler_options=COMPILER
            )
        return self.programs[key]


def make_potential(design: Design, spec: Spec) -> Potential:
    r"""Flatten the model of a design; observations stay an argument, so folds share programs.

    The density is that of `make_model`, on parameters mapped to the real line (logs of what is
    positive, logits of shares), with the Jacobian of this map. Skills are measured from what the
    law expects of the average model, $m$, and intercepts are those of benchmarks there,

    $$\theta' = \theta - m, \qquad b_j' = b_j + \lambda_j^\top m,$$

    so that scores say nothing of $m$: else a common shift of intercepts and all skills, which
    scores can't tell, would be a ridge across all parameters, the narrower the more models.

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
        >>> sites = potential.constrain(potential.start, design.observations, jax.random.key(0))
        >>> sites["skill"].shape
        (7, 1)
    """
    law = _made(_Asked(design, spec, _structure(design)))
    start = law.start(design.observations)
    return Potential(start, law.energy, law.constrain, law.sparsity, law.programs)


class _Made(NamedTuple):
    """What posteriors of the same structure share."""

    start: Callable[[Observations], Flat]
    energy: Energy
    constrain: Callable[[Flat, Observations, Array], dict[str, Array]]
    sparsity: Sparsity
    programs: dict[tuple, Wrapped]


@dataclass(frozen=True)
class _Asked:
    """A design, told from others by its structure alone."""

    design: Design = field(compare=False)
    spec: Spec
    structure: tuple


def _structure(design: Design) -> tuple:
    """All of a design but observations, of which only the shapes count."""
    arrays = (design.unpublished, design.is_anchor, design.is_free, design.lineage_of_models)
    shapes = tuple(part.shape for part in jax.tree.leaves(design.observations))
    return (shapes, len(design.coords["period"]), *(array.tobytes() for array in arrays))


@lru_cache(maxsize=2)
def _made(asked: _Asked) -> _Made:
    """The functions of a posterior; a second fit of the same structure compiles nothing."""
    design, spec = asked.design, asked.spec
    model = make_model(design, spec)
    sampled = block(seed(model, jax.random.key(0)), hide=list(GIVEN_SKILLS))
    from_real_line = {}

    def prior_mean(observations: Observations) -> dict[str, Array]:
        at_mean = trace(substitute(sampled, substitute_fn=init_to_mean)).get_trace(observations)
        for name, site in at_mean.items():
            if site["type"] == "sample" and not site["is_observed"]:
                from_real_line[name] = biject_to(site["fn"].support)
        return {name: map_.inv(at_mean[name]["value"]) for name, map_ in from_real_line.items()}

    def shifted(
        sites: Mapping[str, Array], observations: Observations, sign: int
    ) -> dict[str, Array]:
        """Skills and intercepts measured from the law's average (-1), or as they are (1)."""
        values = {name: from_real_line[name](value) for name, value in sites.items()}
        level, read = _level(values, observations, design, spec)
        return {
            **sites,
            "skill": sites["skill"] + sign * level * observations.is_seen[:, None],
            "intercept": sites["intercept"] - sign * read,
        }

    @jax.jit
    def start(observations: Observations) -> Flat:
        flat: Flat = ravel_pytree(shifted(prior_mean(observations), observations, -1))[0]
        return flat

    shapes = jax.eval_shape(prior_mean, design.observations)
    zeros = jax.tree.map(lambda part: np.zeros(part.shape, part.dtype), shapes)
    unravel = ravel_pytree(zeros)[1]

    def energy(flat: Flat, observations: Observations) -> Float[Array, ""]:
        sites = shifted(unravel(flat), observations, 1)
        return potential_energy(sampled, (observations,), {}, sites)

    def constrain(flat: Flat, observations: Observations, key: Array) -> dict[str, Array]:
        at = shifted(unravel(flat), observations, 1)
        known = constrain_fn(sampled, (observations,), {}, at, return_deterministic=True)
        drawn = trace(substitute(seed(model, key), data=known)).get_trace(observations)
        sites = known | {name: drawn[name]["value"] for name in GIVEN_SKILLS}
        sites.pop("free_loading", None)  # its entries are in loading
        if spec.exploratory:
            sites["unit"] = units(sites.pop("squared_unit")).unit
            sites |= per_skill(sites, sites["unit"])
        return sites

    return _Made(start, energy, constrain, _sparsity(shapes, design), {})


def _level(
    values: Mapping[str, Array], observations: Observations, design: Design, spec: Spec
) -> tuple[Float[Array, " skill"], Float[Array, " benchmark"]]:
    """Skills that the law expects of the average model with scores, and what benchmarks read."""
    unit = own_loading = jnp.ones(len(spec.skills))
    if spec.exploratory:
        unit, own_loading = units(values["squared_unit"])
    growth = build(Growth, {**values, **per_skill(values, unit)})
    effects = growth.effects
    gains = gain(spec.form, growth.slope, observations.log_params, observations.log_tokens)
    is_seen = observations.is_seen
    share = is_seen / jnp.maximum(is_seen.sum(), 1)
    level = share @ observations.covariates @ effects + share @ gains
    free = values.get("free_loading", jnp.zeros(0))
    return level, loading_matrix(free, own_loading, design) @ level


def _sparsity(sites: Mapping[str, jax.ShapeDtypeStruct], design: Design) -> Sparsity:
    """Parameters of models by lineage; the others are shared by all."""
    of_model = design.lineage_of_models
    of_rows = {"skill": of_model, "unpublished_log_tokens": of_model[design.unpublished]}
    labels = {
        name: np.repeat(of_rows[name], value.size // max(len(of_rows[name]), 1))
        if name in of_rows
        else np.full(value.size, Sparsity.SHARED)
        for name, value in sites.items()
    }
    return Sparsity(np.asarray(ravel_pytree(labels)[0], int))
