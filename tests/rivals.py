"""Samplers of other packages on the density of the default fit, beside ours: a part of `perf`.

Each runs in a process of its own, from the same points near the mean of the prior, until its
slowest reported quantity has `ENOUGH` effective draws and R-hat is at most `RHAT`, or `LIMIT` has
passed. Seconds count from the start of the process, so imports and compiling are in them; looking
at the draws is not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil

import skillscale as sk
from skillscale.checks.fit import diagnostics
from skillscale.law.design import Design, make_design
from skillscale.posterior.chains import Chains
from skillscale.posterior.fit import name_draws
from skillscale.posterior.hmc import DEFAULT
from skillscale.posterior.potential import Potential, make_potential
from skillscale.posterior.result import Fit

ENOUGH = 400
RHAT = 1.01
LIMIT = 600
CHAINS = 4
WARMUP = 600
GROWTH = 1.2
"""Draws are looked at again when there are so many times as many."""
FIRST_LOOK = 100

Draws = Iterator[np.ndarray]
"""Blocks of new draws, of shape (chain, draw, parameter)."""


class Clock:
    """Seconds since this process started, but for those in which it was stopped."""

    def __init__(self) -> None:
        self.start = psutil.Process().create_time()

    @property
    def seconds(self) -> float:
        """What it shows."""
        return time.time() - self.start

    def set_back(self, to: float) -> None:
        """Let it show what it showed before."""
        self.start += self.seconds - to

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Don't count what is done inside."""
        before = self.seconds
        yield
        self.set_back(before)


CLOCK = Clock()


class Target(NamedTuple):
    """What is sampled, and from where."""

    table: sk.Table
    spec: sk.Spec
    design: Design
    potential: Potential
    start: jax.Array

    @classmethod
    def default(cls) -> Target:
        """The posterior of the default specification given the classic table."""
        table, spec = sk.load_table("classic"), sk.Spec()
        design = make_design(table, spec)
        potential = make_potential(design, spec)
        noise = jax.random.normal(jax.random.key(1), (CHAINS, potential.start.size))
        return cls(table, spec, design, potential, potential.start + 0.1 * noise)

    def energy(self, flat: jax.Array) -> jax.Array:
        """Minus the log density."""
        return self.potential.energy(flat, self.design.observations)

    def log_density(self, flat: jax.Array) -> jax.Array:
        """The log density."""
        return -self.energy(flat)

    def look(self, flat: np.ndarray) -> tuple[float, float, str]:
        """Smallest effective size of what a fit reports, worst R-hat, and the slowest of it."""
        tree = name_draws(Chains(flat, {}), self.potential, self.design)
        found = diagnostics(Fit(tree, self.table, self.spec, {}))
        slowest = str(found["ess_bulk"].idxmin())
        return float(found["ess_bulk"].min()), float(found["rhat"].max()), slowest


def numpyro_nuts(target: Target, *, dense: bool) -> Draws:
    """NumPyro's NUTS as it comes."""
    from numpyro.infer import MCMC, NUTS

    kernel = NUTS(potential_fn=target.energy, dense_mass=dense)
    mcmc = MCMC(
        kernel,
        num_warmup=WARMUP,
        num_samples=50,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.warmup(jax.random.key(0), init_params=target.start)
    while True:
        mcmc.post_warmup_state = mcmc.last_state
        mcmc.run(mcmc.post_warmup_state.rng_key)
        yield np.asarray(mcmc.get_samples(group_by_chain=True))


def blackjax_nuts(target: Target) -> Draws:
    """BlackJAX's NUTS after its window adaptation."""
    import blackjax

    adaptation = blackjax.window_adaptation(
        blackjax.nuts,
        target.log_density,
        adaptation_info_fn=blackjax.adaptation.base.get_filter_adapt_info_fn(),
    )

    @jax.jit
    @jax.vmap
    def warmed_up(key: jax.Array, start: jax.Array) -> Any:
        (state, parameters), _ = adaptation.run(key, start, num_steps=WARMUP)
        return state, {k: parameters[k] for k in ("step_size", "inverse_mass_matrix")}

    def step(parameters: Any, state: Any, key: jax.Array) -> Any:
        return blackjax.nuts(target.log_density, **parameters).step(key, state)[0]

    states = warmed_up(jax.random.split(jax.random.key(0), CHAINS), target.start)
    yield from _blocks(step, *states, n=50)


def blackjax_mclmc(target: Target) -> Draws:
    """BlackJAX's Metropolis-adjusted MCLMC, after its own tuning."""
    import blackjax
    from blackjax.mcmc.adjusted_mclmc_dynamic import make_random_trajectory_length_fn

    kernel = blackjax.adjusted_mclmc_dynamic.build_kernel(
        integration_steps_fn=make_random_trajectory_length_fn(True)
    )

    @jax.jit
    @jax.vmap
    def tuned(key: jax.Array, start: jax.Array) -> Any:
        key_state, key_tune = jax.random.split(key)
        state = blackjax.adjusted_mclmc_dynamic.init(
            position=start, logdensity_fn=target.log_density, random_generator_arg=key_state
        )
        state, parameters, _ = blackjax.adjusted_mclmc_find_L_and_step_size(
            mclmc_kernel=kernel,
            logdensity_fn=target.log_density,
            num_steps=10_000,
            state=state,
            rng_key=key_tune,
            target=0.9,
        )
        return state, parameters

    def step(parameters: Any, state: Any, key: jax.Array) -> Any:
        def one(state: Any, key: jax.Array) -> Any:
            lengths = (parameters.L / parameters.step_size,)
            state, _ = kernel(
                rng_key=key,
                state=state,
                logdensity_fn=target.log_density,
                step_size=parameters.step_size,
                inverse_mass_matrix=parameters.inverse_mass_matrix,
                integration_steps_params=lengths,
            )
            return state, None

        return jax.lax.scan(one, state, jax.random.split(key, 20))[0]

    states = tuned(jax.random.split(jax.random.key(0), CHAINS), target.start)
    yield from _blocks(step, *states, n=20)


def _blocks(step: Callable, states: Any, parameters: Any, n: int) -> Draws:
    """Draws of all chains by a kernel of one, some at a time."""

    @jax.jit
    def block(states: Any, key: jax.Array) -> Any:
        def chain(parameters: Any, state: Any, key: jax.Array) -> Any:
            def one(state: Any, key: jax.Array) -> Any:
                state = step(parameters, state, key)
                return state, state.position

            return jax.lax.scan(one, state, jax.random.split(key, n))

        return jax.vmap(chain)(parameters, states, jax.random.split(key, CHAINS))

    key = jax.random.key(1)
    while True:
        key, own = jax.random.split(key)
        states, positions = block(states, own)
        yield np.asarray(positions)


def nutpie_low_rank(target: Target) -> Draws:
    """Nutpie's NUTS with its mass matrix of low rank."""
    import nutpie

    size = target.potential.start.size
    value_and_gradient = jax.jit(jax.value_and_grad(target.log_density))
    value_and_gradient(target.start[0])

    def log_density(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(jnp.asarray(flat, jnp.float32))
        return float(value), np.asarray(gradient, np.float64)

    model = nutpie.compiled_pyfunc.from_pyfunc(
        size,
        lambda: log_density,
        lambda *_: lambda flat: {"flat": np.asarray(flat)},
        [np.dtype(np.float64)],
        [(size,)],
        ["flat"],
        make_initial_point_fn=lambda seed: np.asarray(target.start[seed % CHAINS], np.float64),
    )
    sampler = nutpie.sample(
        model,
        chains=CHAINS,
        cores=CHAINS,
        tune=WARMUP,
        draws=5_000,
        seed=1,
        low_rank_modified_mass_matrix=True,
        save_warmup=False,
        progress_bar=False,
        blocking=False,
    )
    taken = 0
    while True:
        time.sleep(5)
        sampler.pause()
        drawn = np.asarray(sampler.inspect().posterior["flat"])
        drawn = drawn[:, : np.isfinite(drawn).all(axis=(0, 2)).sum()]
        if drawn.shape[1] > taken:
            yield drawn[:, taken:]
            taken = drawn.shape[1]
        sampler.resume()


def skillscale_hmc(target: Target) -> Draws:
    """Our own: of a whole run, the draws that there were when each block was done."""
    method = DEFAULT
    moments: list[tuple[int, float]] = []
    method.prepare(target.potential, target.design.observations)
    chains = method.run(
        target.potential,
        target.design.observations,
        jax.random.key(0),
        lambda done, total: moments.append((done - total + method.draws, CLOCK.seconds)),
    )
    before = 0
    for drawn, moment in moments:
        if drawn > 0:
            CLOCK.set_back(moment)
            yield chains.flat[:, before:drawn]
            before = drawn


RIVALS: dict[str, Callable[[Target], Draws]] = {
    "skillscale": skillscale_hmc,
    "NumPyro NUTS": partial(numpyro_nuts, dense=False),
    "NumPyro NUTS, dense": partial(numpyro_nuts, dense=True),
    "nutpie, low rank": nutpie_low_rank,
    "BlackJAX NUTS": blackjax_nuts,
    "BlackJAX adjusted MCLMC": blackjax_mclmc,
}


class Found(NamedTuple):
    """How far a sampler came."""

    seconds: float
    draws: int
    """Of each chain."""
    ess: float
    rhat: float
    slowest: str

    @property
    def is_enough(self) -> bool:
        """Whether the slowest quantity has enough effective draws, of chains that agree."""
        return self.ess >= ENOUGH and self.rhat <= RHAT


def race(name: str, path: Path) -> None:
    """Sample until it is enough, and keep what was found at every look."""
    target = Target.default()
    blocks: list[np.ndarray] = []
    next_look = FIRST_LOOK

    def look() -> Found:
        with CLOCK.stopped():
            flat = np.concatenate(blocks, axis=1)
            found = Found(CLOCK.seconds, flat.shape[1], *target.look(flat))
            path.write_text(json.dumps(found._asdict()))
        return found

    for block in RIVALS[name](target):
        blocks.append(block)
        if sum(part.shape[1] for part in blocks) >= next_look or CLOCK.seconds > LIMIT:
            found = look()
            if found.is_enough or found.seconds > LIMIT:
                return
            next_look = int(GROWTH * found.draws)
    look()  # it has ended by itself


def raced(name: str) -> Found | None:
    """What a sampler found in a process of its own; None where it had no draws in time."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        child = subprocess.Popen([sys.executable, __file__, name, str(path)])
        try:
            child.wait(1.5 * LIMIT)  # looking at draws takes seconds each time
        except subprocess.TimeoutExpired:
            child.kill()
        return Found(**json.loads(path.read_text())) if path.exists() else None


if __name__ == "__main__":
    race(sys.argv[1], Path(sys.argv[2]))
