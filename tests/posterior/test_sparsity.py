"""Hessians from few products: exact, where lineages meet through shared parameters only."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skillscale import Spec, Table, load_table
from skillscale.law.design import make_design
from skillscale.posterior import sparsity as module
from skillscale.posterior.gaussian import curvature
from skillscale.posterior.potential import make_potential
from skillscale.posterior.sparsity import Sparsity

SPEC = Spec(("knowledge",), ("mmlu",), benchmarks=("mmlu",))
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
    at_points, found = curvature(potential, design.observations, points)
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
    gradients = jax.vmap(jax.grad(potential.energy), in_axes=(0, None))
    slopes = gradients(points, design.observations)
    assert_allclose(at_points.gradient, slopes, rtol=1e-4, atol=1e-2)


OF_GROWTH = (
    "slope",
    "effect",
    "trend_scale",
    "innovation",
    "tuning_trend_scale",
    "tuning_innovation",
)


@pytest.mark.long
def test_scores_say_nothing_of_how_skills_grow(potential, design):
    """Skills are measured from the law's average, so that growth is linked to priors alone."""
    flat = potential.start + 0.3 * jax.random.normal(jax.random.key(1), potential.start.shape)

    def read(flat):
        sites = potential.constrain(flat, design.observations, jax.random.key(0))
        predictor = sites["loading"] @ sites["skill"].T + sites["intercept"][:, None]
        growth = {name: sites[name] for name in OF_GROWTH}
        return predictor, growth, sites["skill"]

    predictor, growth, skill = jax.jit(jax.jacrev(read))(flat)
    of_growth = sum(np.abs(part).reshape(-1, flat.size).sum(0) for part in growth.values()) > 0
    assert of_growth.any()
    assert_allclose(predictor[..., of_growth], 0, atol=1e-5)
    assert np.abs(skill[..., of_growth]).max() > 0.1


def size_of(n_models: int) -> tuple[int, int]:
    """Numbers that a design of so many lone models holds, and a matrix of its posterior."""
    rng = np.random.default_rng(0)
    names = [f"m{i}" for i in range(n_models)]
    models = pd.DataFrame(
        {
            "family": names,
            "lineage": [f"l{i // 2}" for i in range(n_models)],
            "n_params": 7e9,
            "n_active_params": 7e9,
            "n_tokens": 1e12,
            "release": "2024-06",
            "release_year": 2024.5,
            "tuning": "instruct",
            "source": "invented",
        },
        index=pd.Index(names, name="model"),
    )
    rows = [(name, "mmlu", rng.uniform(0.3, 0.7)) for name in names]
    scores = pd.DataFrame(rows, columns=["model", "benchmark", "score"])
    benchmarks = load_table("classic").benchmarks.loc[["mmlu"]]
    design = make_design(Table(models, scores, benchmarks), SPEC)
    potential = make_potential(design, SPEC)
    matrix = potential.sparsity.diagonal(np.ones(potential.start.size))
    return tuple(
        sum(np.size(part) for part in jax.tree.leaves(whole))
        for whole in (design.observations, matrix)
    )


@pytest.mark.long
def test_memory_grows_with_the_models_not_with_their_square():
    few, many = size_of(600), size_of(1200)
    for small, large in zip(few, many, strict=True):
        assert large < 2.1 * small
