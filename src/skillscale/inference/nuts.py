"""No-U-Turn sampling in the coordinates that a Gaussian approximation makes nearly round.

Chains are vectorised. The program is compiled once per potential and shared by all observations
of the same shape. Draws come in blocks, so that progress can be shown and a run interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.infer.hmc import HMCState, hmc

from skillscale.design import Observations
from skillscale.inference.chains import Chains
from skillscale.inference.gaussian import Gaussian, fit_gaussian, gaussian_around
from skillscale.inference.potential import Flat, Potential

BLOCK = 25
"""Steps between reports of progress."""

Block = tuple[Float[Array, "chain step parameter"], dict[str, Array]]


@dataclass(frozen=True)
class Nuts:
    """Sample the posterior by NUTS, preconditioned twice.

    A Gaussian approximation places the chains; a short pilot run then measures the average
    curvature where the posterior really is, and the main run samples in its coordinates.

    Attributes:
        chains: number of chains, vectorised.
        warmup: steps per chain to adapt the step size, in the pilot and in the main run.
        pilot: draws per chain of the pilot run.
        draws: draws kept per chain.
        target_accept: acceptance rate that the step size adapts to.
        max_tree_depth: longest trajectory, ``2 ** max_tree_depth`` gradients.
    """

    chains: int = 4
    warmup: int = 200
    pilot: int = 100
    draws: int = 2000
    target_accept: float = 0.8
    max_tree_depth: int = 7

    def run(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int, int], None],
        near: Gaussian | None = None,
    ) -> Chains:
        """Draw from the posterior.

        Args:
            potential: the posterior.
            observations: what it is conditioned on.
            key: source of randomness.
            on_progress: told the steps done and all steps.
            near: approximation of a similar posterior; it takes the place of the pilot run.
        """
        key_gaussian, key_pilot, key_main = jax.random.split(key, 3)
        before = 0 if near is not None else self.warmup + self.pilot
        total = before + self.warmup + self.draws
        on_progress(0, total)
        gaussian = fit_gaussian(
            potential, observations, key_gaussian, gradient_steps=1500, newton_steps=6, near=near
        )
        program = _Program(potential, self)
        if near is None:
            pilot = self._sample(
                program,
                observations,
                gaussian,
                key_pilot,
                self.pilot,
                lambda n: on_progress(n, total),
            )
            spread = pilot.flat[:, :: max(1, self.pilot // 4)][:, :4]
            gaussian = gaussian_around(potential, observations, jnp.asarray(spread))
        return self._sample(
            program,
            observations,
            gaussian,
            key_main,
            self.draws,
            lambda n: on_progress(before + n, total),
        )

    def _sample(
        self,
        program: _Program,
        observations: Observations,
        gaussian: Gaussian,
        key: Array,
        draws: int,
        on_progress: Callable[[int], None],
    ) -> Chains:
        key_start, key_chains = jax.random.split(key)
        start = jax.random.normal(key_start, (self.chains, gaussian.mean.size))
        states = _begin(program, observations, gaussian, start, key_chains)
        total = self.warmup + draws
        lengths = [*_blocks(self.warmup), *_blocks(draws)]
        blocks = []
        done = 0
        for length in lengths:
            on_progress(done)
            if done == self.warmup:
                states = _with_common_step_size(states)
            states, block = _advance(program, observations, gaussian, states, length)
            blocks.append(jax.tree.map(np.asarray, block))
            done += length
        on_progress(total)
        return Chains(
            *jax.tree.map(lambda *parts: np.concatenate(parts, axis=1)[:, self.warmup :], *blocks)
        )


def _blocks(steps: int) -> list[int]:
    return [min(BLOCK, steps - done) for done in range(0, steps, BLOCK)]


def _with_common_step_size(states: HMCState) -> HMCState:
    """Give all chains the geometric mean of the step sizes they found.

    Chains advance together, so one with an unluckily small step would hold up the others.
    """
    found = states.adapt_state.step_size
    common = jnp.full_like(found, jnp.exp(jnp.mean(jnp.log(found))))
    return states._replace(adapt_state=states.adapt_state._replace(step_size=common))


class _Program(NamedTuple):
    """What one compiled sampler depends on."""

    potential: Potential
    options: Nuts


def _kernel(
    program: _Program, observations: Observations, gaussian: Gaussian
) -> tuple[Callable[[Flat, Array], HMCState], Callable[[HMCState], HMCState]]:
    """NumPyro's NUTS on whitened coordinates: how a chain begins, and how it steps."""

    def energy(whitened: Flat) -> Float[Array, ""]:
        return program.potential.energy(gaussian.at(whitened), observations)

    init, step = hmc(energy, algo="NUTS")

    def begin(start: Flat, key: Array) -> HMCState:
        return init(
            start,
            program.options.warmup,
            step_size=0.1,
            target_accept_prob=program.options.target_accept,
            max_tree_depth=program.options.max_tree_depth,
            rng_key=key,
        )

    return begin, step


@partial(jax.jit, static_argnames="program")
def _begin(
    program: _Program,
    observations: Observations,
    gaussian: Gaussian,
    start: Float[Array, "chain parameter"],
    key: Array,
) -> HMCState:
    begin, _ = _kernel(program, observations, gaussian)
    return jax.vmap(begin)(start, jax.random.split(key, len(start)))


@partial(jax.jit, static_argnames=("program", "length"))
def _advance(
    program: _Program,
    observations: Observations,
    gaussian: Gaussian,
    states: HMCState,
    length: int,
) -> tuple[HMCState, Block]:
    """Run every chain ``length`` steps further."""
    begin, step = _kernel(program, observations, gaussian)
    begin(states.z[0], jax.random.key(0))  # NumPyro's step reads what its init has set up

    def one_step(state: HMCState, _: None) -> tuple[HMCState, Block]:
        state = step(state)
        stats = {
            "lp": -state.potential_energy,
            "energy": state.energy,
            "diverging": state.diverging,
            "n_steps": state.num_steps,
            "acceptance_rate": state.accept_prob,
            "step_size": state.adapt_state.step_size,
        }
        return state, (gaussian.at(state.z), stats)

    return jax.vmap(lambda state: jax.lax.scan(one_step, state, None, length=length))(states)
