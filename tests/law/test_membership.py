"""A one-hot matrix that is never written out multiplies as one that is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skillscale.law.membership import OneHot

GROUP = np.array([2, 0, 2, 1, 2])
DENSE = np.eye(4)[GROUP]  # the last group has no member
RNG = np.random.default_rng(0)


@pytest.fixture
def matrix() -> OneHot:
    return OneHot.of(GROUP.tolist(), [0, 1, 2, 3])


def test_shape_and_sizes_are_those_of_the_matrix(matrix):
    assert matrix.shape == DENSE.shape
    assert_allclose(matrix.size, DENSE.sum(axis=0))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_products_are_those_of_the_matrix(matrix, shape):
    *more, columns = shape or (None,)
    tail = () if columns is None else (columns,)
    of_groups, of_members = RNG.normal(size=(*more, 4, *tail)), RNG.normal(size=(*more, 5, *tail))
    assert_allclose(matrix @ of_groups, DENSE @ of_groups, rtol=1e-6)
    assert_allclose(matrix.T @ of_members, DENSE.T @ of_members, rtol=1e-6)
    of_groups, of_members = RNG.normal(size=(*shape, 4)), RNG.normal(size=(*shape, 5))
    assert_allclose(of_members @ matrix, of_members @ DENSE, rtol=1e-6)
    assert_allclose(of_groups @ matrix.T, of_groups @ DENSE.T, rtol=1e-6)


def test_gradients_pass_through_it_under_maps_over_draws(matrix):
    values = jnp.asarray(RNG.normal(size=(6, 5)), jnp.float32)

    def loss(members, by):
        return jnp.sum(jnp.sin(members @ by) ** 2)

    sparse = jax.vmap(jax.grad(loss), in_axes=(0, None))(values, matrix)
    dense = jax.vmap(jax.grad(loss), in_axes=(0, None))(values, jnp.asarray(DENSE))
    assert_allclose(sparse, dense, rtol=1e-5, atol=1e-6)
