"""Reading skills: scrambled draws brought together, and forecasts that don't depend on it."""

from dataclasses import replace

import arviz_stats as azs
import numpy as np
import pytest
import xarray as xr

import twin
from skillscale import Fit
from skillscale.errors import SkillscaleError
from skillscale.skills.alignment import match, turn_alike
from skillscale.skills.reading import NAMED, TURNED, Reading, mixed, read_skills, rotated_alike
from skillscale.skills.rotation import Rotation, mixed_loading, random_rotations

CHAINS, DRAWS = 4, 300


@pytest.fixture(scope="module")
def truth() -> xr.Dataset:
    """Draws of a well-mixed posterior: simple structure, correlated skills, independent noise."""
    rng = np.random.default_rng(0)
    loading = np.kron(np.eye(3), np.array([[1.2], [0.9], [0.7], [0.5]]))
    mix = np.linalg.cholesky(0.5 * np.eye(3) + 0.5)
    skill = rng.standard_normal((60, 3)) @ mix.T
    shape = CHAINS, DRAWS

    def noisy(value: np.ndarray, scale: float) -> np.ndarray:
        return value + scale * rng.standard_normal((*shape, *value.shape))

    over = ("chain", "draw")
    return xr.Dataset(
        {
            "loading": ((*over, "benchmark", "skill"), noisy(loading, 0.07)),
            "model_skill": ((*over, "model", "skill"), noisy(skill, 0.2)),
            "slope": ((*over, "input", "skill"), noisy(np.ones((3, 3)), 0.1)),
        },
        coords={"skill": ["skill_1", "skill_2", "skill_3"]},
    )


def scrambles(kind: str, rng: np.random.Generator, every: int) -> np.ndarray:
    """Matrices that leave every score as it is, a new one in every chain every so many draws."""
    n = CHAINS * DRAWS // every
    signs = np.eye(3) * rng.choice([-1.0, 1.0], (n, 1, 3))
    if kind == "signs and order":
        matrix = np.stack([sign[rng.permutation(3)] for sign in signs])
    elif kind == "turns":
        matrix = random_rotations(n, 3, rng)
    else:
        matrix = random_rotations(n, 3, rng) @ (np.eye(3) * rng.uniform(0.5, 2, (n, 1, 3)))
    return np.repeat(matrix, every, axis=0).reshape(CHAINS, DRAWS, 3, 3)


def rhat(draws: xr.Dataset) -> float:
    return float(azs.rhat(draws[["loading", "model_skill"]]).to_array().max())


def flat(draws: xr.Dataset, name: str) -> np.ndarray:
    return draws[name].to_numpy().reshape(-1, *draws[name].shape[2:])


def aligned(draws: xr.Dataset, rotation: Rotation) -> xr.Dataset:
    matrix = rotated_alike(flat(draws, "loading"), flat(draws, "model_skill"), rotation)
    return mixed(draws, matrix.reshape(CHAINS, DRAWS, 3, 3))


@pytest.mark.parametrize("rotation", list(Rotation))
@pytest.mark.parametrize("every", [1, 100], ids=["every draw", "a stretch of draws"])
@pytest.mark.parametrize("kind", ["signs and order", "turns", "any mix"])
def test_scrambled_draws_are_recovered(truth, rotation, kind, every):
    scrambled = mixed(truth, scrambles(kind, np.random.default_rng(1), every))
    if every > 1:
        assert rhat(scrambled) > 1.2
    else:  # chains are alike, and all of them without a meaning
        size = float(np.abs(truth["loading"].mean(("chain", "draw"))).max())
        assert float(np.abs(scrambled["loading"].mean(("chain", "draw"))).max()) < size / 3
    found = aligned(scrambled, rotation)
    assert rhat(found) <= 1.02
    untouched = aligned(truth, rotation)
    for name in ("loading", "model_skill", "slope"):
        assert float(np.abs(found[name] - untouched[name]).max()) < 0.02, name


def test_scrambled_chains_of_a_sampled_posterior_are_recovered(sampled: Fit):
    draws = sampled.tree.posterior.to_dataset()[list(TURNED)]
    n_chain, n_draw = draws.sizes["chain"], draws.sizes["draw"]
    turn = random_rotations(n_chain, 2, np.random.default_rng(2))
    scrambled = mixed(draws, np.repeat(turn[:, None], n_draw, axis=1))
    assert rhat(scrambled) > 1.2
    matrix = rotated_alike(
        flat(scrambled, "loading"), flat(scrambled, "model_skill"), Rotation.VARIMAX
    )
    found = mixed(scrambled, matrix.reshape(n_chain, n_draw, 2, 2))
    assert rhat(found) <= 1.02


def forecasts(fit: Fit, reading: Reading) -> np.ndarray:
    """Quantiles of the scores that the law, in these coordinates, expects of planned models.

    Every family at four sizes and token counts: arrays of (quantile, family, size, benchmark).
    """
    n = np.log(np.array([1e9, 8e9, 70e9, 400e9]) / fit.spec.reference_params)
    d = np.log(np.array([1e12, 2e12, 15e12, 30e12]) / fit.spec.reference_tokens)
    x = np.stack([n, d, n * d], axis=1)
    chance = np.asarray(fit.design.observations.chance, float)
    scores = []
    for i in range(0, reading.draws.sizes["draw"], 50):
        of_draw = reading.draws.isel(chain=0, draw=i)
        loading, efficiency, slope = (
            of_draw[name].to_numpy().astype(float) for name in ("loading", "efficiency", "slope")
        )
        shared = fit.tree.posterior.isel(chain=0, draw=i)
        intercept, asymmetry, gap = (
            shared[name].to_numpy().astype(float)
            for name in ("intercept", "asymmetry", "ceiling_gap")
        )
        skill = efficiency[:, None] + x @ slope
        share, _ = twin.link(skill @ loading.T + intercept, asymmetry)
        scores.append(chance + (1 - gap) * (1 - chance) * share)
    return np.quantile(np.stack(scores), [0.1, 0.5, 0.9], axis=0)


def test_forecasts_do_not_depend_on_the_rotation(sampled: Fit):
    named = read_skills(sampled)
    plain = forecasts(sampled, named)
    for rotation in Rotation:
        reading = read_skills(sampled, rotation)
        moved = np.abs(reading.draws["loading"].to_numpy() - named.draws["loading"].to_numpy())
        assert moved.max() > 0.1
        assert np.abs(forecasts(sampled, reading) - plain).max() < 1e-6, rotation


def test_reading_leaves_the_fit_as_it_was(sampled: Fit):
    before = sampled.tree.posterior["loading"].copy(deep=True)
    read_skills(sampled, "geomin")
    assert sampled.tree.posterior["loading"].identical(before)


def test_named_skills_are_read_as_they_are(sampled: Fit):
    reading = read_skills(sampled)
    assert reading.rotation == NAMED
    assert reading.draws["skill"].values.tolist() == list(sampled.spec.skills)
    assert reading.draws["loading"].equals(sampled.tree.posterior["loading"])


def test_exploratory_skills_are_rotated_unless_asked_otherwise(sampled: Fit):
    spec = replace(sampled.spec, exploratory=True)
    reading = read_skills(replace(sampled, spec=spec))
    assert reading.rotation == "geomin"
    assert reading.draws["model_skill"].std("model", ddof=1).to_numpy() == pytest.approx(1, 1e-4)
    importance = (reading.draws["loading"].mean(("chain", "draw")) ** 2).sum("benchmark")
    assert importance[0] > importance[1]


def test_there_is_no_such_rotation(sampled: Fit):
    with pytest.raises(SkillscaleError, match="choose among geomin, varimax, promax"):
        read_skills(sampled, "quartimax")


def test_turning_alike_undoes_any_turn():
    rng = np.random.default_rng(5)
    loading = rng.standard_normal((7, 3))
    turned = loading @ random_rotations(40, 3, rng)
    turn, mean = turn_alike(turned)
    assert np.abs(turned @ turn - mean).max() < 1e-6
    assert np.linalg.svd(mean)[1] == pytest.approx(np.linalg.svd(loading)[1])


def test_matching_finds_signs_and_order_under_noise():
    rng = np.random.default_rng(6)
    reference = rng.standard_normal((8, 4))
    noisy = reference + 0.1 * rng.standard_normal((50, 8, 4))
    hidden = np.stack([np.eye(4)[rng.permutation(4)] * rng.choice([-1, 1], 4) for _ in range(50)])
    found = match(noisy @ hidden, reference)
    assert np.allclose(mixed_loading(noisy @ hidden, found), noisy)
