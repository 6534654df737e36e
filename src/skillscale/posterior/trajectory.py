r"""Trajectories of Hamiltonian Monte Carlo, of one random length for all chains.

A momentum $p \sim \mathcal N(0, I)$ carries a chain along level curves of the energy
$U(z) + p^\top p / 2$, by leapfrog steps of size $\epsilon$,

$$p \leftarrow p - \tfrac\epsilon2 \nabla U(z), \qquad z \leftarrow z + \epsilon p, \qquad
p \leftarrow p - \tfrac\epsilon2 \nabla U(z),$$

and where it ends is accepted with probability $\min(1, e^{-\Delta})$, $\Delta$ the error that the
steps have made in the energy (Duane et al. 1987; Neal 2011). The number of steps is drawn anew for
every trajectory, so that none returns to where it began time and again (Mackenzie 1989).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MOST_ENERGY_ERROR = 1000.0
"""A trajectory whose energy errs by more has diverged."""

Point = Float[Array, "chain parameter"]
EnergyAndGradient = Callable[[Point], tuple[Float[Array, " chain"], Point]]


class State(NamedTuple):
    """Where all chains are."""

    at: Point
    energy: Float[Array, " chain"]
    gradient: Point


class Ended(NamedTuple):
    """How the trajectories of all chains ended."""

    energy: Float[Array, " chain"]
    """That of the state and its momentum, at the beginning."""
    acceptance: Float[Array, " chain"]
    """Probability of accepting where it ended."""
    diverging: Bool[Array, " chain"]


def anywhere(at: Point) -> State:
    """Chains at points of which nothing is known: their first move is to stay and look."""
    return State(at, jnp.full(len(at), jnp.inf, at.dtype), jnp.zeros_like(at))


def move(
    energy: EnergyAndGradient,
    state: State,
    step_size: Float[Array, ""],
    n_steps: Int[Array, ""],
    key: Array,
) -> tuple[State, Ended]:
    """One trajectory of every chain, accepted or not.

    Args:
        energy: potential energies and their gradients at points, chain by chain.
        state: where the chains are.
        step_size: of the leapfrog.
        n_steps: of it.
        key: source of randomness.

    Returns:
        Where the chains are now, and how their trajectories ended.

    Example:
        >>> def normal(z):
        ...     return jnp.sum(z**2, axis=1) / 2, z
        >>> first, second = jax.random.split(jax.random.key(0))
        >>> step = jnp.array(0.1), jnp.array(10)
        >>> state, _ = move(normal, anywhere(jnp.ones((4, 2))), *step, first)
        >>> _, ended = move(normal, state, *step, second)
        >>> bool((ended.acceptance > 0.99).all())
        True
    """
    is_unknown = jnp.isinf(state.energy).all()
    step_size = jnp.where(is_unknown, 0.0, step_size)
    n_steps = jnp.where(is_unknown, 1, n_steps)
    key_momentum, key_accept = jax.random.split(key)
    momentum = jax.random.normal(key_momentum, state.at.shape)

    def leap(_: int, carry: tuple[State, Point]) -> tuple[State, Point]:
        state, momentum = carry
        half = momentum - step_size / 2 * state.gradient
        at = state.at + step_size * half
        state = State(at, *energy(at))
        return state, half - step_size / 2 * state.gradient

    end, last = jax.lax.fori_loop(0, n_steps, leap, (state, momentum))
    before = state.energy + jnp.sum(momentum**2, axis=1) / 2
    error = end.energy + jnp.sum(last**2, axis=1) / 2 - before
    error = jnp.where(jnp.isnan(error), jnp.inf, error)
    acceptance = jnp.exp(-jnp.maximum(error, 0))
    is_accepted = jax.random.uniform(key_accept, acceptance.shape) < acceptance
    chosen = State(*(_where(is_accepted, new, old) for new, old in zip(end, state, strict=True)))
    return chosen, Ended(before, acceptance, error > MOST_ENERGY_ERROR)


def _where(condition: Bool[Array, " chain"], new: Array, old: Array) -> Array:
    return jnp.where(condition.reshape(-1, *[1] * (new.ndim - 1)), new, old)
