r"""Hamiltonian Monte Carlo in the coordinates that a Gaussian approximation makes nearly round.

In such coordinates a trajectory of length $\pi/2$ ends where nothing is left of its beginning, and
slower directions ask for a few times that. NUTS would find as much by itself: it took 31 steps in
every draw of this posterior, for half of the effective draws per gradient, and its tree cost as
much as the gradients.

Chains are vectorised in pairs, and every pair has a thread: on two cores four chains take .05 ms a
gradient each, where in one program they took .09, and one by one .07. One program serves all pairs,
warm-up and draws, whatever their numbers, and all observations of the same shape. Draws come in
blocks, so that progress can be shown, and a run interrupted and taken up again.

Enough draws come when R-hat is small, which the squares of coordinates decide: they mix more slowly
than these. Tried on the classic table, and not sooner there: loadings and spreads by softplus where
a logarithm maps them (the slowest parameter has a third more effective draws, R-hat is the same);
the covariance of shared parameters in the warm-up, shrunk, in place of their scales; McLachlan's
two-stage integrator, whose steps a few stiff regions bound; acceptance of 0.7 and 0.6; trajectories
of 1 to 3; a third stage of warm-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Wrapped
from jaxtyping import Array, Bool

from skillscale.errors import require_at_least, require_probability
from skillscale.law.design import Observations
from skillscale.posterior.chains import Chains
from skillscale.posterior.enough import Enough
from skillscale.posterior.gaussian import (
    Gaussian,
    fit_gaussian,
    gaussian_around,
    independent,
    prepare,
)
from skillscale.posterior.journal import FORGETFUL, Journal, Output
from skillscale.posterior.potential import Energy, Potential
from skillscale.posterior.programs import at_once, compile_ahead
from skillscale.posterior.step_size import Tuning, as_careful, first_tuning, tuned
from skillscale.posterior.trajectory import EnergyAndGradient, State, anywhere, move

BLOCK = 25
"""Trajectories between reports of progress."""

LENGTHS = (1.5, 4.0)
"""Between these the length of a trajectory is drawn, in standard deviations of the Gaussian. On the
classic table the worst effective size per gradient is a third smaller from 2 to 5, and half as
large from 1 to 2.5."""

LARGEST_STEP = 0.4
"""With few parameters larger ones would be accepted, and few steps end where they began."""

ENOUGH = 450
"""Effective draws of every parameter that a fit asks for, unless it is told how many draws to take.
Those of what it reports are as few or a few less, and 400 are needed."""
FIRST_LOOK, NEXT_LOOK = 500, 125
"""Draws of every chain before the first look at whether there are enough, and between looks."""

MOST_STEPS = 128
"""Of a trajectory, however small they are."""

GRADIENT_STEPS, NEWTON_STEPS = 800, 6
"""To the first Gaussian, from the prior: the warm-up mends what is left."""

NEWTON_STEPS_NEARBY = 4
"""From the Gaussian of a similar posterior. A trajectory of a given length never leaves a region
that is much too narrow: from the Gaussian itself, with half of the models hidden, R-hat was 1.6."""

Carry = tuple[State, Tuning]
"""Of a pair of chains."""


@dataclass(frozen=True)
class Hmc:
    """Sample the posterior by HMC, in coordinates taken from where the chains have been.

    A Gaussian approximation places the chains and is their first coordinate system; the draws of
    every stage of the warm-up give the next one. The last stage only finds the step size.

    Attributes:
        chains: number of chains, vectorised in pairs; one by one if their number is odd.
        stages: stages of the warm-up, one at least.
        warmup: trajectories per chain of every stage, eight at least.
        draws: draws of every chain.
        ess: effective draws of every parameter that are enough to stop before, of chains that
            agree; zero to take all draws.
        target_accept: acceptance rate that the step size adapts to.

    Raises:
        SpecError: an option is smaller than it may be, or the acceptance rate is none.

    Example:
        >>> Hmc(draws=500).chains
        4
        >>> Hmc(warmup=4)
        Traceback (most recent call last):
        skillscale.errors.SpecError: Hmc: warmup must be at least 8, found 4.
    """

    chains: int = 4
    stages: int = 2
    warmup: int = 100
    draws: int = 1500
    ess: int = 0
    target_accept: float = 0.8

    def __post_init__(self) -> None:
        require_at_least(self, chains=1, stages=1, warmup=8, draws=1, ess=0)
        require_probability(self, "target_accept")

    def prepare(self, potential: Potential, observations: Observations) -> None:
        """Compile what fits the Gaussian, then trajectories, while something else is done."""
        prepare(potential, observations)
        size = potential.start.size
        gaussian = independent(potential, potential.start, np.ones(size))
        begin = partial(self._begin, size=size, n_blocks=1)
        (carry, *_), keys = jax.eval_shape(begin, jax.random.key(0))
        key = jax.ShapeDtypeStruct((), keys.dtype)
        is_warmup = np.ones(BLOCK, bool)
        compile_ahead(self._program(potential), observations, gaussian, *carry, is_warmup, key)

    def approximate(
        self,
        potential: Potential,
        observations: Observations,
        key: Array,
        near: Gaussian | None = None,
        on_progress: Callable[[int], None] = lambda done: None,
        journal: Journal = FORGETFUL,
    ) -> Gaussian:
        """The Gaussian in whose coordinates to sample, found in all stages but the last.

        From that of a similar posterior a few steps lead to it, which spares these stages.
        """
        if near is not None:
            return fit_gaussian(
                potential,
                observations,
                key,
                gradient_steps=0,
                newton_steps=NEWTON_STEPS_NEARBY,
                near=near,
                journal=journal,
            )
        key_gaussian, *keys = jax.random.split(key, self.stages)
        gaussian = fit_gaussian(
            potential,
            observations,
            key_gaussian,
            gradient_steps=GRADIENT_STEPS,
            newton_steps=NEWTON_STEPS,
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
        start: Gaussian | None = None,
        journal: Journal = FORGETFUL,
    ) -> Chains:
        """Draw from the posterior.

        Args:
            potential: the posterior.
            observations: what it is conditioned on.
            key: source of randomness.
            on_progress: told the trajectories done and all of them.
            start: the Gaussian in whose coordinates to sample, if it is known, as `approximate`
                gives it: it spares all stages but the last.
            journal: keeps the steps; those that it has are not taken again.

        Returns:
            Draws of flat parameters by chain, and the sampler's statistics, warm-up left out.
        """
        key_start, key_main = jax.random.split(key)
        before = 0 if start else (self.stages - 1) * self.warmup
        total = before + self.warmup + self.draws
        gaussian = start or self.approximate(
            potential,
            observations,
            key_start,
            on_progress=lambda done: on_progress(done, total),
            journal=journal,
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

    def _program(self, potential: Potential) -> Wrapped:
        return potential.program(_advance, target_accept=self.target_accept)

    def _begin(self, key: Array, size: int, n_blocks: int) -> tuple[list[Carry], Array]:
        """Pairs of chains at fresh points, and a key for every block and pair."""
        key_start, key_blocks = jax.random.split(key)
        start = jax.random.normal(key_start, (self.chains, size))
        n_pairs = self.chains // 2 if self.chains % 2 == 0 else self.chains
        carries = [(anywhere(pair), first_tuning()) for pair in jnp.split(start, n_pairs)]
        return carries, jax.random.split(key_blocks, (n_blocks, n_pairs))

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
        """A warm-up from fresh points, and draws with the step size it finds."""
        advance = self._program(potential)
        total = self.warmup + draws
        n_blocks = -(-total // BLOCK)
        first, keys = self._begin(key, gaussian.mean.size, n_blocks)

        def block(i: int, carries: list[Carry]) -> tuple[list[Carry], dict[str, Array]]:
            on_progress(i * BLOCK)
            is_warmup = np.arange(i * BLOCK, (i + 1) * BLOCK) < self.warmup
            calls = [
                (observations, gaussian, *carry, is_warmup, key)
                for carry, key in zip(carries, keys[i], strict=True)
            ]
            moved, of_pairs = zip(*at_once(advance, calls), strict=True)
            states, tunings = zip(*moved, strict=True)
            carries = list(zip(states, as_careful(tunings), strict=True))
            return carries, jax.tree.map(lambda *each: np.concatenate(each), *of_pairs)

        enough = Enough(self.ess)

        def is_enough(blocks: list[Output]) -> bool:
            drawn = len(blocks) * BLOCK - self.warmup
            if drawn < FIRST_LOOK or (drawn - FIRST_LOOK) % NEXT_LOOK >= BLOCK:
                return False
            flat = np.concatenate([block["flat"] for block in blocks], axis=1)
            return enough(flat[:, self.warmup :])

        looks = [is_enough] if draws and self.ess and self.chains > 1 else []
        _, blocks = journal.series("steps", block, first, n_blocks, *looks)
        on_progress(total)
        stats = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1)[:, :total], *blocks)
        steps = Chains(stats.pop("flat"), stats)
        return (
            jax.tree.map(lambda values: values[:, : self.warmup], steps),
            jax.tree.map(lambda values: values[:, self.warmup :], steps),
        )


DEFAULT = Hmc(ess=ENOUGH)
"""How a posterior is sampled where nothing else is asked for."""


def _whitened(energy: Energy, observations: Observations, gaussian: Gaussian) -> EnergyAndGradient:
    """Energies and gradients of all chains, in the Gaussian's coordinates."""
    return jax.vmap(jax.value_and_grad(lambda z: energy(gaussian.at(z), observations)))


def _advance(
    energy: Energy,
    observations: Observations,
    gaussian: Gaussian,
    state: State,
    tuning: Tuning,
    is_warmup: Bool[Array, " trajectory"],
    key: Array,
    *,
    target_accept: float,
) -> tuple[Carry, dict[str, Array]]:
    """Run a pair of chains some trajectories further, from draws and statistics to those after.

    Chains advance together, so they share a step size: one with an unluckily small step would hold
    up the other. In the warm-up it follows their acceptance rates; then it is its average.
    """
    energies = _whitened(energy, observations, gaussian)

    def one(carry: Carry, given: tuple[Array, Array]) -> tuple[Carry, dict[str, Array]]:
        (state, tuning), (is_warmup, key) = carry, given
        key_length, key_move = jax.random.split(key)
        tuned_size = jnp.exp(jnp.where(is_warmup, tuning[0], tuning[1]))
        step_size = jnp.minimum(tuned_size, LARGEST_STEP)
        length = jax.random.uniform(key_length, (), minval=LENGTHS[0], maxval=LENGTHS[1])
        n_steps = jnp.minimum(jnp.ceil(length / step_size), MOST_STEPS).astype(int)
        state, ended = move(energies, state, step_size, n_steps, key_move)
        after = tuned(tuning, ended.acceptance, target_accept)
        tuning = jax.tree.map(partial(jnp.where, is_warmup), after, tuning)
        of_chains = jnp.ones_like(ended.energy)
        block = {
            "flat": jax.vmap(gaussian.at)(state.at),
            "lp": -state.energy,
            "energy": ended.energy,
            "diverging": ended.diverging,
            "n_steps": n_steps * of_chains.astype(int),
            "acceptance_rate": ended.acceptance,
            "step_size": step_size * of_chains,
        }
        return (state, tuning), block

    keys = jax.random.split(key, len(is_warmup))
    carry, block = jax.lax.scan(one, (state, tuning), (is_warmup, keys))
    return carry, jax.tree.map(lambda values: jnp.swapaxes(values, 0, 1), block)
