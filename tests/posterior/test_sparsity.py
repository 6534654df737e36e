"""Hessians from few products: exact, where lineages meet through shared parameters only."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skillscale.posterior import sparsity as module
from skillscale.posterior.gaussian import curvature
from skillscale.posterior.sparsity import Sparsity

LINEAGE = np.array([2, -1, 0, 2, 1, -1, 2, 0])


def test_groups_hold_every_parameter_of_a_lineage_and_none_twice(monkeypatch):
    monkeypatch.setattr(module, "GROUP_SIZE", 3)
    groups = Sparsity(LINEAGE).groups
    assert [sorted(group) for group in groups] == [[0, 3, 6], [2, 4, 7]]
    assert Sparsity(np.array([-1, -1])).groups == []


def test_columns_of_one_color_are_of_different_lineages():
    sparsity = Sparsity(LINEAGE)
    assert sparsity.n_colors == 3 + 2
    for number in range(sparsity.n_colors):
        lineage = LINEAGE[sparsity.color == number]
        assert len(set(lineage)) == len(lineage) > 0
        assert len(lineage) == 1 or -1 not in lineage


@pytest.mark.long
def test_the_hessian_of_the_law_is_that_of_one_product_for_every_column(potential, design):
    """And so its lineages meet through shared parameters only, or HMC would slow down unseen."""
    noise = 0.3 * jax.random.normal(jax.random.key(0), (2, potential.start.size))
    points = potential.start + noise
    gradient, found = curvature(potential, design.observations, points)
    of_point = jax.jit(jax.hessian(lambda flat: potential.energy(flat, design.observations)))
    dense = np.mean([of_point(point) for point in points], axis=0)
    sparsity = potential.sparsity
    shared = np.flatnonzero(sparsity.is_shared)
    tolerance = {"rtol": 1e-4, "atol": 1e-5 * np.abs(dense).max()}
    for group, block, border in zip(sparsity.groups, found.blocks, found.borders, strict=True):
        assert_allclose(block, dense[np.ix_(group, group)], **tolerance)
        assert_allclose(border, dense[np.ix_(group, shared)], **tolerance)
    assert_allclose(found.corner, dense[np.ix_(shared, shared)], **tolerance)
    own = ~sparsity.is_shared
    apart = (sparsity.lineage[:, None] != sparsity.lineage) & own[:, None] & own
    assert np.abs(dense[apart]).max() < tolerance["atol"]
    mean = jax.vmap(jax.grad(potential.energy), in_axes=(0, None))(points, design.observations)
    assert_allclose(gradient, mean.mean(axis=0), rtol=1e-4, atol=1e-2)


@pytest.mark.long
def test_a_common_shift_of_skills_is_one_coordinate(potential, design):
    """Scores say nothing of the law's average, so it may move without the other coordinates."""
    flat = potential.start + 0.3 * jax.random.normal(jax.random.key(1), potential.start.shape)

    def expected(flat):
        sites = potential.constrain(flat, design.observations, jax.random.key(0))
        return sites["intercept"] + sites["loading"] @ sites["skill"].mean(axis=0)

    effect = jax.jit(jax.jacfwd(expected))(flat)
    sites = jax.jit(potential.constrain)(flat, design.observations, jax.random.key(0))
    name = jnp.argmin(jnp.abs(flat[:, None] - sites["effect"].ravel()), axis=0)
    assert_allclose(effect[:, name], 0, atol=1e-5)
