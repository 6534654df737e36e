"""No-U-Turn sampling in the coordinates that a Gaussian approximation makes nearly round.

Chains are vectorised. The program is compiled once per potential and shared by all observations
of the same shape. Draws come in blocks, so that progress can be shown and a run interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.hmc_util import dual_averaging

from skillscale.errors import require_at_least, require_probability
from skillscale.law.design import Observations
from skillscale.posterior.chains import Chains
from skillscale.posterior.gaussian import Gaussian, fit_gaussian, gaussian_around
from skillscale.posterior.journal import FORGETFUL, Journal
from skillscale.posterior.potential import Energy, Flat, Potential

BLOCK = 25
"""Steps between reports of progress."""

FIRST_STEP_SIZE = 0.2

Tuning = tuple[Array, ...]
"""State of dual averaging: the logarithm of a step size, that of its average, and more."""

Carry = tuple[HMCState, Tuning]


@dataclass(frozen=True)
class Nuts:
    """Sample the posterior by NUTS, in coordinates taken from where the chains have been.

    A Gaussian approximation places the chains and is their first coordinate system; the draws of
    every stage of the warm-up give the next one. The last stage only finds the step size.

    Attributes:
        chains: number of chains, vectorised.
        stages: stages of the warm-up, one at least.
        warmup: steps per chain of every stage, eight at least.
        draws: draws kept per chain.
        target_accept: acceptance rate that the step size adapts to.
        max_tree_depth: longest trajectory, ``2 ** max_tree_depth`` gradients.

    Raises:
        SpecError: an option is smaller than it may be, or the acceptance rate is none.

    Example:
        >>> Nuts(draws=500).chains
        4
        >>> Nuts(warmup=4)
        Traceback (most recent call last):
        skillscale.errors.SpecError: Nuts: warmup must be at least 8, found 4.
    """

    chains: int = 4
    stages: int = 3
    warmup: int = 100
    draws: int = 1500
    target_accept: float = 0.8
    max_tree_depth: int = 7

    def __post_init__(self) -> None:
        require_at_least(self, chains=1, stages=1, warmup=8, draws=1, max_tree_depth=1)
        require_probability(self, "target_accept")

    def approximate(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int], None] = lambda done: None,
        journal: Journal = FORGETFUL,
    ) -> Gaussian:
        """The Gaussian in whose coordinates to sample, found in all stages but the last."""
        key_gaussian, *keys = jax.random.split(key, self.stages)
        gaussian = fit_gaussian(
            potential,
            observations,
            key_gaussian,
            gradient_steps=1500,
            newton_steps=6,
            on_progress=lambda _: on_progress(0),
            journal=journal,
        )

        def warmed_up(stage: int, near: Gaussian, parts: Journal) -> Gaussian:
            before = stage * self.warmup
            warmup, _ = self._stage(
                potential,
                observations,
                near,
                keys[stage],
                0,
                lambda done: on_progress(before + done),
                parts,
            )
            late = warmup.flat[:, self.warmup // 2 :]
            return gaussian_around(potential, observations, late)

        for stage in range(len(keys)):
            warm_up = partial(warmed_up, stage, gaussian)
            gaussian = journal.once(f"warmup-{stage + 1}", warm_up, like=gaussian)
        return gaussian

    def run(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        on_progress: Callable[[int, int], None],
        near: Gaussian | None = None,
        journal: Journal = FORGETFUL,
    ) -> Chains:
        """Draw from the posterior.

        Args:
            potential: the posterior.
            observations: what it is conditioned on.
            key: source of randomness.
            on_progress: told the steps done and all steps.
            near: approximation of a similar posterior, which spares all stages but the last.
            journal: keeps the steps; those that it has are not taken again.

        Returns:
            Draws of flat parameters by chain, and the sampler's statistics, warm-up left out.
        """
        key_near, key_main = jax.random.split(key)
        before = 0 if near else (self.stages - 1) * self.warmup
        total = before + self.warmup + self.draws
        gaussian = near or self.approximate(
            potential, observations, key_near, lambda done: on_progress(done, total), journal
        )
        _, chains = self._stage(
            potential,
            observations,
            gaussian,
            key_main,
            self.draws,
            lambda done: on_progress(before + done, total),
            journal,
        )
        return chains

    def _stage(
        self,
        potential: Potential,
        observations: Observations,
        gaussian: Gaussian,
        key: Array,
        draws: int,
        on_progress: Callable[[int], None],
        journal: Journal,
    ) -> tuple[Chains, Chains]:
        """Steps of a warm-up from fresh points, and draws with the step size it finds."""
        key_start, key_chains = jax.random.split(key)
        start = jax.random.normal(key_start, (self.chains, gaussian.mean.size))
        begin = potential.program(_begin, max_tree_depth=self.max_tree_depth)
        first = begin(observations, gaussian, start, key_chains), _first_tuning()
        lengths = [*_blocks(self.warmup), *_blocks(draws)]

        def block(i: int, carry: Carry) -> tuple[Carry, dict[str, Array]]:
            done = sum(lengths[:i])
            on_progress(done)
            advance = potential.program(
                _advance,
                target_accept=self.target_accept,
                max_tree_depth=self.max_tree_depth,
                length=lengths[i],
            )
            return advance(observations, gaussian, *carry, done < self.warmup)

        _, blocks = journal.series("steps", block, first, len(lengths))
        on_progress(sum(lengths))
        stats = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *blocks)
        steps = Chains(stats.pop("flat"), stats)
        return (
            jax.tree.map(lambda values: values[:, : self.warmup], steps),
            jax.tree.map(lambda values: values[:, self.warmup :], steps),
        )


_start_tuning, _tune = dual_averaging()


def _first_tuning() -> Tuning:
    center = jnp.log(jnp.float32(FIRST_STEP_SIZE))  # of the type it keeps: one compiled program
    _, *rest = _start_tuning(center)
    return center, *rest


def _blocks(steps: int) -> list[int]:
    return [min(BLOCK, steps - done) for done in range(0, steps, BLOCK)]


def _kernel(
    energy: Energy, observations: Observations, gaussian: Gaussian, max_tree_depth: int
) -> tuple[Callable[[Flat, Array], HMCState], Callable[[HMCState], HMCState]]:
    """NumPyro's NUTS on whitened coordinates: how a chain begins, and how it steps."""

    def whitened_energy(whitened: Flat) -> Float[Array, ""]:
        return energy(gaussian.at(whitened), observations)

    init, step = hmc(whitened_energy, algo="NUTS")

    def begin(start: Flat, key: Array) -> HMCState:
        return init(
            start,
            num_warmup=0,
            step_size=FIRST_STEP_SIZE,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            max_tree_depth=max_tree_depth,
            rng_key=key,
        )

    return begin, step


def _begin(
    energy: Energy,
    observations: Observations,
    gaussian: Gaussian,
    start: Float[Array, "chain parameter"],
    key: Array,
    *,
    max_tree_depth: int,
) -> HMCState:
    begin, _ = _kernel(energy, observations, gaussian, max_tree_depth)
    return jax.vmap(begin)(start, jax.random.split(key, len(start)))


def _advance(
    energy: Energy,
    observations: Observations,
    gaussian: Gaussian,
    states: HMCState,
    tuning: Tuning,
    is_warmup: bool,
    *,
    target_accept: float,
    max_tree_depth: int,
    length: int,
) -> tuple[Carry, dict[str, Array]]:
    """Run every chain ``length`` steps further, from draws and statistics to those after.

    Chains advance together, so they share a step size: one with an unluckily small step would hold
    up the others. In the warm-up it follows their mean acceptance rate; then it is its average.
    """
    begin, step = _kernel(energy, observations, gaussian, max_tree_depth)
    begin(states.z[0], jax.random.key(0))  # NumPyro's step reads what its init has set up

    def one_step(carry: Carry, _: None) -> tuple[Carry, dict[str, Array]]:
        states, tuning = carry
        log_step_size, log_average = tuning[:2]
        step_size = jnp.exp(jnp.where(is_warmup, log_step_size, log_average))
        adapted = states.adapt_state._replace(
            step_size=jnp.full_like(states.adapt_state.step_size, step_size)
        )
        states = jax.vmap(step)(states._replace(adapt_state=adapted))
        tuned = _tune(target_accept - states.accept_prob.mean(), tuning)
        tuning = jax.tree.map(partial(jnp.where, is_warmup), tuned, tuning)
        block = {
            "flat": jax.vmap(gaussian.at)(states.z),
            "lp": -states.potential_energy,
            "energy": states.energy,
            "diverging": states.diverging,
            "n_steps": states.num_steps,
            "acceptance_rate": states.accept_prob,
            "step_size": states.adapt_state.step_size,
        }
        return (states, tuning), block

    carry, block = jax.lax.scan(one_step, (states, tuning), None, length=length)
    return carry, jax.tree.map(lambda values: jnp.swapaxes(values, 0, 1), block)
