"""Rotations to simple structure, of many draws at once."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from skillscale.skills.rotation import (
    Rotation,
    geomin,
    mixed_loading,
    promax,
    random_rotations,
    rotate,
    varimax,
)


def perfect(n_draws: int, rng: np.random.Generator, noise: float = 0.0) -> np.ndarray:
    """Loadings of nine benchmarks, three per skill, with noise of every draw."""
    simple = np.kron(np.eye(3), np.array([[1.0], [0.8], [0.6]]))
    return simple + noise * rng.standard_normal((n_draws, 9, 3))


@pytest.mark.parametrize("criterion", [geomin, varimax])
def test_gradients_are_those_of_the_values(criterion):
    at = np.random.default_rng(0).standard_normal(15)

    def value(flat: np.ndarray) -> float:
        return float(criterion(flat.reshape(1, 5, 3))[0][0])

    def gradient(flat: np.ndarray) -> np.ndarray:
        return criterion(flat.reshape(1, 5, 3))[1].ravel()

    assert check_grad(value, gradient, at) < 1e-5


@pytest.mark.parametrize("rotation", list(Rotation))
def test_turned_simple_structure_is_found_again(rotation):
    rng = np.random.default_rng(1)
    turned = perfect(20, rng) @ random_rotations(20, 3, rng)
    matrix, _ = rotate(turned, rotation, random_rotations(20, 3, rng))
    found = np.sort(np.abs(mixed_loading(turned, matrix)), axis=2)
    assert np.abs(found[..., :2]).max() < 0.02
    assert np.abs(found[..., 2] - np.tile([1.0, 0.8, 0.6], 3)).max() < 0.02


@pytest.mark.parametrize("rotation", [Rotation.GEOMIN, Rotation.PROMAX])
def test_oblique_rotations_find_correlated_skills(rotation):
    rng = np.random.default_rng(2)
    correlation = np.full((3, 3), 0.4) + 0.6 * np.eye(3)
    # Loadings on uncorrelated skills that mix to these correlated ones.
    white = perfect(1, rng) @ np.linalg.cholesky(correlation)
    matrix, _ = rotate(white, rotation, random_rotations(1, 3, rng))
    skills = matrix[0].T @ matrix[0]
    assert np.diag(skills) == pytest.approx(np.ones(3))
    assert np.abs(skills[np.triu_indices(3, 1)]) == pytest.approx(np.full(3, 0.4), abs=0.03)


def test_varimax_stays_orthogonal_and_no_draw_gets_worse():
    rng = np.random.default_rng(3)
    loading = rng.standard_normal((30, 8, 4))
    start = random_rotations(30, 4, rng)
    matrix, value = rotate(loading, Rotation.VARIMAX, start)
    assert np.abs(matrix.swapaxes(1, 2) @ matrix - np.eye(4)).max() < 1e-8
    assert (value <= varimax(loading @ start)[0] + 1e-12).all()
    assert np.allclose(value, varimax(mixed_loading(loading, matrix))[0])


def test_draws_are_rotated_each_by_itself():
    rng = np.random.default_rng(4)
    loading, start = perfect(6, rng, 0.1), random_rotations(6, 3, rng)
    together, _ = rotate(loading, Rotation.GEOMIN, start)
    for i in range(6):
        alone, _ = rotate(loading[i : i + 1], Rotation.GEOMIN, start[i : i + 1])
        assert np.allclose(alone[0], together[i], atol=1e-6)


def test_promax_of_perfect_structure_changes_nothing():
    loading = perfect(1, np.random.default_rng(5))
    assert promax(loading, np.eye(3)[None])[0] == pytest.approx(np.eye(3), abs=1e-12)
