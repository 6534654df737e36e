"""Loss surfaces: their equation, their posterior against dense linear algebra, and recovery."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from simulated_runs import (
    METHOD,
    NOISE,
    RATIOS,
    SHARES,
    SIZE,
    TOKENS,
    Truth,
    isoflop_grid,
    random_truths,
    runs_at,
    skilled_runs,
    skilled_truths,
)
from skillscale.errors import RunsError
from skillscale.runs.coupling import residual_correlation
from skillscale.runs.grid import LEAST_RUNS
from skillscale.runs.posterior import (
    INFORMATION,
    PRIOR_MEAN,
    PRIOR_SD,
    Population,
    _with_axes,
    draw_weights,
    energy,
    measure,
    surface_at,
)
from skillscale.runs.surface import Surface, expected_loss, optimal_log_params, params_exponent
from skillscale.runs.surfaces import Surfaces, fit_surfaces

SURPRISING = 4.5


# The equation


def surface_of(truth: Truth) -> Surface:
    return Surface(*map(np.asarray, truth))


@pytest.mark.parametrize("truth", random_truths(5, np.random.default_rng(0)))
def test_the_optimum_is_where_the_loss_is_least(truth):
    pairs = 2.5

    def loss(x):
        return float(truth.loss(SIZE * np.exp(x), TOKENS * np.exp(pairs - x)))

    least = optimize.minimize_scalar(loss, bounds=(-5, 5), method="bounded").x
    assert abs(optimal_log_params(surface_of(truth), np.array(pairs)) - least) < 1e-3
    assert abs(np.log(truth.optimum(6 * SIZE * TOKENS * np.exp(pairs)) / SIZE) - least) < 1e-3
    here = expected_loss(surface_of(truth), np.array(least), np.array(pairs - least))
    assert abs(float(here) - loss(least)) < 1e-5


@pytest.mark.parametrize("truth", random_truths(5, np.random.default_rng(1)))
def test_the_exponent_is_the_slope_of_the_optimum(truth):
    low, high = (float(optimal_log_params(surface_of(truth), np.array(x))) for x in (-3.0, 3.0))
    assert abs(float(params_exponent(surface_of(truth))) - (high - low) / 6) < 1e-5


# The posterior of one surface


def measured_of(n_runs: int, n_functions: int, *, is_weighted: bool = True):
    """Losses of two groups of runs, one of them with runs missing, some weighed down."""
    rng = np.random.default_rng(n_runs)
    n_params, n_tokens, flops = isoflop_grid(np.geomspace(1e18, 1e19, 2), n_runs // 2)
    loss = Truth().loss(n_params, n_tokens) * np.exp(0.01 * rng.standard_normal(n_runs))
    other = loss.copy()
    other[::3] = np.nan
    runs = runs_at(n_params, n_tokens, flops, {"full": {"x": loss}, "holes": {"x": other}})
    log_counts = np.tile(np.log([n_params / SIZE, n_tokens / TOKENS]), 2).T
    functions = rng.standard_normal((2 * n_runs, n_functions))
    measured, _ = measure(runs, [("full", "x"), ("holes", "x")], log_counts, functions)
    if is_weighted:
        weight = rng.uniform(0.3, 1.2, measured.root_weight.shape)
        measured = _with_axes(measured._replace(root_weight=measured.root_weight * weight))
    return measured


def numbers_near(rng) -> np.ndarray:
    """Coordinates of a surface, of a noise that single precision is enough for."""
    logs = np.log([0.6, 0.2, 0.2, 0.4, 0.35, 1.0, 0.02, 0.7])
    return logs + 0.3 * rng.standard_normal(8)


def dense(coordinates, measured, row):
    """Residuals of a surface's runs, and their noise and the discrepancy's root, as matrices."""
    kept = measured.root_weight[row] > 0
    surface = surface_at(coordinates)
    x, y = measured.log_params[row, kept], measured.log_tokens[row, kept]
    residual = measured.log_loss[row, kept] - np.log(np.asarray(expected_loss(surface, x, y)))
    noise = np.exp(coordinates[6])
    scale = noise * np.exp(coordinates[7])
    return (
        residual,
        noise**2 / measured.root_weight[row, kept] ** 2,
        scale,
        measured.functions[row, kept],
    )


POPULATION = Population(np.tile(PRIOR_MEAN, (2, 1)), np.tile(np.diag(PRIOR_SD**-2.0), (2, 1, 1)))


@pytest.mark.parametrize("row", [0, 1], ids=["all runs", "runs missing"])
@pytest.mark.parametrize(("n_runs", "n_functions"), [(24, 5), (10, 16)])
def test_the_energy_is_that_of_a_dense_normal_density(n_runs, n_functions, row):
    measured, rng = measured_of(n_runs, n_functions), np.random.default_rng(0)
    data = jax.tree.map(lambda leaf: leaf[row], (measured, POPULATION))
    prior = stats.multivariate_normal(PRIOR_MEAN, np.diag(PRIOR_SD**2))

    def brute_force(coordinates):
        residual, variance, scale, functions = dense(coordinates, measured, row)
        covariance = np.diag(variance) + scale**2 * functions @ functions.T
        likelihood = stats.multivariate_normal(np.zeros(len(residual)), covariance)
        return -INFORMATION * likelihood.logpdf(residual) - prior.logpdf(coordinates)

    points = np.array([numbers_near(rng) for _ in range(6)])
    ours = np.array([float(energy(point, data)) for point in points])
    exact = np.array([brute_force(point) for point in points])
    assert np.ptp(exact) > 5
    np.testing.assert_allclose(ours - ours[0], exact - exact[0], rtol=2e-3, atol=0.02)


@pytest.mark.parametrize(("n_runs", "n_functions"), [(24, 5), (10, 16)])
def test_weights_are_drawn_from_the_dense_conditional_normal(n_runs, n_functions):
    measured, n_draws = measured_of(n_runs, n_functions), 20_000
    coordinates = np.array([numbers_near(np.random.default_rng(5)) for _ in range(2)])
    flat = np.tile(coordinates[:, None, None], (1, 1, n_draws, 1))
    draws = draw_weights(flat, measured, jax.random.key(0)).astype(float)
    for row in range(2):
        residual, variance, scale, functions = dense(coordinates[row], measured, row)
        covariance = np.linalg.inv(
            np.eye(n_functions) / scale**2 + (functions.T / variance) @ functions
        )
        mean = covariance @ (functions.T @ (residual / variance))
        # In the coordinates in which the conditional is standard normal.
        whitened = np.linalg.solve(np.linalg.cholesky(covariance), (draws[row] - mean).T)
        assert np.abs(whitened.mean(axis=1)).max() < SURPRISING / np.sqrt(n_draws)
        off = np.cov(whitened) - np.eye(n_functions)
        assert np.abs(off).max() < SURPRISING * np.sqrt(2 / n_draws)


# Recovery


@pytest.fixture(scope="module")
def surfaces(skilled) -> Surfaces:
    return skilled.surfaces


def true_coordinates(surfaces: Surfaces) -> np.ndarray:
    """Logs of the true five numbers, about the reference of the fit, and their turn."""
    logs = np.log([skilled_truths()[key].about(*surfaces.reference) for key in surfaces.keys])
    return np.append(logs, np.zeros((len(logs), 1)), axis=1)


def log_optima(surfaces: Surfaces, flops: float = 3e18) -> np.ndarray:
    return np.log(surfaces.optimum(flops))


def true_log_optima(surfaces: Surfaces, flops: float = 3e18) -> np.ndarray:
    return np.log([skilled_truths()[key].optimum(flops) for key in surfaces.keys])


def test_surfaces_are_sampled_well(surfaces):
    table = surfaces.diagnostics
    assert list(zip(table["group"], table["loss"], strict=True)) == list(surfaces.keys)
    assert (table["rhat"] < 1.05).all()
    assert (table["ess"] > 50).all()
    assert (table["n_diverging"] < 0.02 * surfaces.n_draws).all()


def test_known_numbers_are_recovered(surfaces):
    truth = true_coordinates(surfaces)
    draws = surfaces.coordinates[..., : len(Surface._fields)].astype(float)
    draws[..., :3] += np.log(surfaces.unit)[:, None, None]
    low, high = np.quantile(draws, [0.005, 0.995], axis=1)
    assert ((truth > low) & (truth < high)).mean() > 0.93
    assert (np.abs(truth - draws.mean(axis=1)) < SURPRISING * draws.std(axis=1)).all()
    # The data tell: each is known better than from the prior.
    assert (np.median(draws.std(axis=1), axis=0) < 0.75 * PRIOR_SD[:6]).all()
    noise = np.median(surfaces.numbers["noise"], axis=1)
    assert (np.abs(np.log(noise / NOISE)) < np.log(1.5)).all()


@pytest.mark.parametrize("flops", [2e17, 3e18, 1e20])
def test_known_optima_are_recovered(surfaces, flops):
    draws, truth = log_optima(surfaces, flops), true_log_optima(surfaces, flops)
    assert (np.abs(draws.mean(axis=1) - truth) < SURPRISING * draws.std(axis=1)).all()
    assert draws.std(axis=1).max() < 0.5


def test_losses_with_too_few_runs_are_passed_over(surfaces):
    assert surfaces.runs.losses["rare"].notna().sum() == 5 * len(SHARES)
    assert surfaces.keys == tuple((group, loss) for group in SHARES for loss in RATIOS)
    assert surfaces.of_group("blend") == [4, 5, 6, 7]
    assert repr(surfaces).startswith("Surfaces(16 of Runs(192 runs of 4 groups, 5 losses")


def test_too_few_runs_of_every_loss_are_refused():
    n_params, n_tokens, flops = isoflop_grid(np.array([1e18]), LEAST_RUNS - 1)
    runs = runs_at(n_params, n_tokens, flops, {"a": {"x": Truth().loss(n_params, n_tokens)}})
    with pytest.raises(RunsError, match=r"needs 8 runs of a loss in a group.*most here is 7\. Add"):
        fit_surfaces(runs)


# Losses at any place


def places_of(surfaces: Surfaces, group: str) -> tuple[np.ndarray, np.ndarray]:
    frame = surfaces.runs.runs
    frame = frame[frame["group"] == group]
    return frame["n_params"].to_numpy(), frame["n_tokens"].to_numpy()


def test_losses_at_the_runs_are_those_observed(surfaces):
    for group in SHARES:
        rows = surfaces.of_group(group)
        observed = surfaces.runs.losses[list(RATIOS)]
        observed = observed[surfaces.runs.runs["group"] == group].to_numpy().T
        drawn = np.log(surfaces.losses(*places_of(surfaces, group), only=rows))
        left = np.log(observed) - drawn.mean(axis=1)
        rms = np.sqrt((left**2).mean(axis=1))
        assert ((rms > 0.6 * NOISE) & (rms < 1.2 * NOISE)).all()
        assert np.median(drawn.std(axis=1)) < NOISE


def test_losses_are_less_sure_the_farther_from_the_runs(surfaces):
    n_params, n_tokens = places_of(surfaces, "web")
    best = np.sqrt(n_params.min() * n_params.max())
    middle = np.median(n_tokens)
    factors = np.array([1.0, 3.0, 10.0, 30.0])
    spread = np.log(surfaces.losses(best * factors, middle * factors)).std(axis=1)
    assert (np.diff(spread, axis=1) > 0).all()
    assert (spread[:, 2] > 3 * spread[:, 0]).all()


def test_losses_far_away_are_uncertain_in_common(surfaces):
    drawn = np.log(surfaces.losses(np.full(1, 1e11), np.full(1, 2e12)))[..., 0]
    surface = jax.tree.map(lambda part: part[..., None], surfaces.surface)
    x, y = surfaces.centred(np.full(1, 1e11), np.full(1, 2e12))
    about = drawn - np.log(np.asarray(expected_loss(surface, x, y))[..., 0])
    correlation = np.corrcoef(about)
    assert correlation[np.triu_indices(len(about), 1)].min() > 0.5


def test_losses_of_some_surfaces_are_those_of_all(surfaces):
    where = np.array([1e8, 1e9]), np.array([4e9, 1e11])
    everything = surfaces.losses(*where, seed=4)
    np.testing.assert_array_equal(surfaces.losses(*where, seed=4, only=[7, 2]), everything[[7, 2]])
    assert (surfaces.losses(*where, seed=5)[..., 1] != everything[..., 1]).mean() > 0.99


# What one loss has to do with another


@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws(skilled, surfaces):
    again = fit_surfaces(skilled_runs(0), method=METHOD, seed=3)
    np.testing.assert_array_equal(again.coordinates, surfaces.coordinates)
    np.testing.assert_array_equal(again.weights, surfaces.weights)


def at_reference(surfaces: Surfaces) -> np.ndarray:
    """Draws of log optima at the budget whose draws are put in order."""
    return log_optima(surfaces, 6 * surfaces.reference[0] * surfaces.reference[1])


def rank_correlation(draws: np.ndarray) -> np.ndarray:
    return pd.DataFrame(draws.T).corr(method="spearman").to_numpy()


NOISY = ("blend", "general")


@pytest.fixture(scope="module")
def odd() -> Surfaces:
    """One loss has fifty times the noise, and one group's losses have none in common."""
    runs = skilled_runs(1, common={"web": 0.0}, noise={NOISY: 50 * NOISE})
    return fit_surfaces(runs, method=METHOD)


def test_optima_of_a_group_agree_as_far_as_residuals_do(odd):
    together = rank_correlation(at_reference(odd))
    found = {}
    for group in ("web", "half", "stack"):
        rows = odd.of_group(group)
        n_params, n_tokens = places_of(odd, group)
        observed = odd.runs.losses.loc[odd.runs.runs["group"] == group, list(RATIOS)].to_numpy().T
        true = [skilled_truths()[odd.keys[row]].loss(n_params, n_tokens) for row in rows]
        expected = residual_correlation(np.log(observed) - np.log(true))
        off = (together[np.ix_(rows, rows)] - expected)[np.triu_indices(4, 1)]
        assert np.abs(off).max() < 0.3, group
        found[group] = np.median(together[np.ix_(rows, rows)][np.triu_indices(4, 1)])
    assert found["web"] < 0.25
    assert found["half"] > 0.4
    assert found["stack"] > 0.4


def test_optima_of_different_groups_are_independent(odd):
    together = rank_correlation(at_reference(odd))
    groups = np.array([group for group, _ in odd.keys])
    apart = together[groups[:, None] != groups]
    assert np.abs(apart).max() < SURPRISING / np.sqrt(odd.n_draws)


def test_a_noisy_loss_borrows_from_clear_ones(odd):
    alone = fit_surfaces(odd.runs, pooled=False, method=METHOD)
    row = odd.keys.index(NOISY)
    draws, draws_alone = log_optima(odd, 1e20), log_optima(alone, 1e20)
    narrower = draws.std(axis=1) / draws_alone.std(axis=1)
    # Of 600 draws each, the ratio has an error of 0.03 to 0.04.
    assert narrower[row] < 0.9
    assert narrower[row] < np.median(narrower) - 0.04
    assert np.median(narrower) > 0.8, "clear losses speak for themselves"
    assert abs(draws[row].mean() - true_log_optima(odd, 1e20)[row]) < 3 * draws[row].std()


@pytest.fixture(scope="module")
def worse(skilled) -> Surfaces:
    """A run that failed in one loss of one group, and a loss that half of the runs of one lack."""
    runs = skilled.runs
    losses = runs.losses.copy()
    losses.loc["web-20", "knowledge"] *= 1.2
    losses.loc[[f"stack-{i}" for i in range(0, 48, 2)], "code"] = np.nan
    return fit_surfaces(dataclasses.replace(runs, losses=losses), method=METHOD, seed=3)


def moved(worse: Surfaces, surfaces: Surfaces) -> np.ndarray:
    """How far optima moved, in posterior standard deviations."""
    before, after = log_optima(surfaces), log_optima(worse)
    return np.abs(after.mean(axis=1) - before.mean(axis=1)) / before.std(axis=1)


def test_a_run_that_is_a_fifth_off_hardly_moves_the_optimum(worse, surfaces):
    row = surfaces.keys.index(("web", "knowledge"))
    assert moved(worse, surfaces)[row] < 0.5
    assert log_optima(worse)[row].std() < 1.5 * log_optima(surfaces)[row].std()


def test_missing_losses_are_skipped(worse, surfaces):
    assert worse.keys == surfaces.keys
    assert (worse.diagnostics["rhat"] < 1.05).all()
    row = surfaces.keys.index(("stack", "code"))
    wider = log_optima(worse).std(axis=1) / log_optima(surfaces).std(axis=1)
    assert 1.1 < wider[row] < 3
    off = np.abs(log_optima(worse)[row].mean() - true_log_optima(worse)[row])
    assert off < SURPRISING * log_optima(worse)[row].std()
    # Runs that lack one loss tell as much of the others as before.
    others = [r for r in surfaces.of_group("stack") if r != row]
    assert (np.abs(wider[others] - 1) < 0.25).all()
    assert (moved(worse, surfaces)[others] < 0.3).all()
