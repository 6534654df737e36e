"""Trajectories keep the distribution they are for, and err in energy as leapfrogs do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skillscale.posterior.trajectory import anywhere, move

SCALE = jnp.array([1.0, 0.5, 2.0])


def skewed(at):
    """The log of independent gamma variables of shape 3, in other scales: far from normal."""
    energy = jax.vmap(lambda z: jnp.sum(jnp.exp(z / SCALE) - 3 * z / SCALE))
    return energy(at), jax.vmap(jax.grad(lambda z: energy(z[None])[0]))(at)


@jax.jit
def walk(key, n_steps):
    def one(state, key):
        state, ended = move(skewed, state, jnp.array(0.35), n_steps, key)
        return state, (state.at, ended)

    keys = jax.random.split(key, 4000)
    return jax.lax.scan(one, anywhere(jnp.ones((8, 3))), keys)[1]


@pytest.mark.parametrize("n_steps", [3, 8])
def test_draws_have_the_moments_of_the_distribution(n_steps):
    at, ended = walk(jax.random.key(n_steps), n_steps)
    values = np.exp(np.asarray(at)[500:] / np.asarray(SCALE))
    mean = values.mean(axis=0)  # by chain
    error = mean.std(axis=0, ddof=1) / np.sqrt(8)
    assert (np.abs(mean.mean(axis=0) - 3) < 5 * error).all()
    assert (error < 0.2).all(), "too slow to tell"
    assert_allclose(values.var(axis=(0, 1)), 3, rtol=0.15)
    assert 0.5 < float(ended.acceptance[500:].mean()) < 1


def test_smaller_steps_err_less_by_the_square():
    state, _ = move(skewed, anywhere(jnp.ones((64, 3))), jnp.array(0.2), 20, jax.random.key(0))
    missed = []
    for step, n_steps in ((0.1, 10), (0.05, 20)):
        _, ended = move(skewed, state, jnp.array(step), n_steps, jax.random.key(1))
        missed.append(float(1 - ended.acceptance.mean()))
    assert 3 < missed[0] / missed[1] < 5


def test_a_trajectory_out_of_the_support_is_refused_and_told():
    def wall(at):
        return jnp.where(at[:, 0] > 1.5, jnp.nan, 0.0), jnp.zeros_like(at)

    state, _ = move(wall, anywhere(jnp.ones((64, 1))), jnp.array(0.1), 1, jax.random.key(0))
    after, ended = move(wall, state, jnp.array(1.0), 3, jax.random.key(1))
    assert bool((after.at <= 1.5).all())
    assert ended.diverging.any()
    assert not ended.diverging.all()


def test_the_first_move_is_to_stay_and_look():
    """Else a trajectory too wild to end anywhere would be accepted."""
    start = jax.random.normal(jax.random.key(3), (4, 3))
    state, ended = move(skewed, anywhere(start), jnp.array(100.0), 3, jax.random.key(2))
    assert_allclose(state.at, start)
    assert (ended.acceptance == 1).all()
    assert_allclose(state.energy, skewed(start)[0], rtol=1e-5)
