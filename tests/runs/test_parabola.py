"""Parabolas per budget: exact without noise, calibrated with it, and honest without a minimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skillscale.runs import parabola
from skillscale.runs.parabola import ASSUMED_NOISE, SKEW, fit_parabolas

SIZES = np.geomspace(1e7, 1e9, 7)
SURPRISING = 4.0


def log_loss(sizes, optimum, bend=0.05, skew=0.0, level=1.0):
    x = np.log(sizes / optimum)
    return level + bend * x**2 + skew * bend * x**3


def is_covered(truth, draws):
    low, high = np.quantile(draws, [0.05, 0.95], axis=0, method="nearest")
    return (truth >= low) & (truth <= high)


def test_minima_are_found_exactly_without_noise():
    budgets, best = np.array([1e18, 1e19, 1e20]), np.array([6e7, 1.2e8, 4e8])
    loss = np.exp([log_loss(SIZES, n, level=1 - 0.1 * i) for i, n in enumerate(best)])
    found = fit_parabolas(
        np.repeat(budgets, len(SIZES)),
        np.tile(SIZES, 3),
        loss.ravel(),
        50,
        np.random.default_rng(0),
    )
    np.testing.assert_array_equal(found.budgets, budgets)
    np.testing.assert_allclose(found.optimum, np.tile(best, (50, 1)), rtol=1e-6)
    np.testing.assert_allclose(found.coefficients[..., 2], 0.05, rtol=1e-6)
    np.testing.assert_allclose((found.smallest, found.largest), np.tile([[1e7], [1e9]], 3))
    assert found.noise.max() < 1e-9


def coverage(n, sizes, skews, rng, noise=0.004):
    """How often 90 % intervals hold the optimum, and the noise; with the error of the rate."""
    budgets, best = np.repeat([1e18, 1e19], len(sizes)), np.array([8e7, 1.3e8])
    covered = {"optimum": [], "noise": []}
    for _ in range(n):
        curves = [log_loss(sizes, b, skew=s) for b, s in zip(best, skews(rng), strict=True)]
        loss = np.exp(np.concatenate(curves) + noise * rng.standard_normal(len(budgets)))
        found = fit_parabolas(budgets, np.tile(sizes, 2), loss, 1000, rng)
        covered["optimum"].append(is_covered(best, found.optimum).mean())
        covered["noise"].append(is_covered(noise, found.noise))
    return {name: (np.mean(c), np.std(c) / np.sqrt(n)) for name, c in covered.items()}


def test_intervals_are_those_of_student_where_the_truth_is_a_parabola(monkeypatch):
    # Two degrees of freedom: taken for known, the noise would make intervals that hold 75 %.
    monkeypatch.setattr(parabola, "SKEW", 1e-6)
    sizes = np.geomspace(3e7, 4e8, 4)
    rates = coverage(1500, sizes, lambda rng: (0.0, 0.0), np.random.default_rng(0))
    for name, (rate, error) in rates.items():
        assert abs(rate - 0.9) < SURPRISING * error, (name, rate, error)


def test_skewed_curves_are_covered_where_a_plain_parabola_is_off(monkeypatch):
    # Optima near the smallest sizes, as where a budget is larger than was planned for.
    sizes = np.geomspace(6e7, 1.5e9, 10)

    def skews(rng):
        return SKEW * rng.standard_normal(2)

    rate, _ = coverage(400, sizes, skews, np.random.default_rng(1))["optimum"]
    monkeypatch.setattr(parabola, "SKEW", 1e-6)
    plain, _ = coverage(400, sizes, skews, np.random.default_rng(1))["optimum"]
    # Wider than need be: noise is measured about plain parabolas, and so has their misfit.
    assert rate >= 0.85
    assert plain < 0.85


def test_coefficients_have_the_spread_of_student(monkeypatch):
    monkeypatch.setattr(parabola, "SKEW", 1e-6)
    rng = np.random.default_rng(2)
    y = log_loss(SIZES, 1.1e8) + 0.01 * rng.standard_normal(7)
    found = fit_parabolas(np.full(7, 1e19), SIZES, np.exp(y), 4000, rng)
    x = np.vander(np.log(SIZES / found.centre), 3, increasing=True)
    mean, rest, _, _ = np.linalg.lstsq(x, y)
    scale = np.sqrt(rest[0] / 4 * np.diag(np.linalg.inv(x.T @ x)))
    for power in range(3):
        draws = found.coefficients[:, 0, power]
        assert stats.kstest((draws - mean[power]) / scale[power], stats.t(4).cdf).pvalue > 1e-3


def test_a_minimum_is_where_the_slope_vanishes():
    rng = np.random.default_rng(3)
    loss = np.exp(log_loss(SIZES, 1e8, skew=0.1) + 0.003 * rng.standard_normal(7))
    found = fit_parabolas(np.full(7, 1e19), SIZES, loss, 500, rng)
    x = np.log(found.optimum / found.centre)
    _, b1, b2, b3 = np.moveaxis(found.coefficients, -1, 0)
    assert np.isfinite(x).all()
    np.testing.assert_allclose(b1 + 2 * b2 * x + 3 * b3 * x**2, 0, atol=1e-9)
    assert (2 * b2 + 6 * b3 * x > 0).all()


@pytest.mark.parametrize(("slope", "end"), [(-0.1, np.inf), (0.1, 0.0)])
@pytest.mark.parametrize("bend", [0.0, -0.02])
def test_without_a_minimum_the_optimum_lies_infinitely_far_down_the_slope(slope, bend, end):
    rng = np.random.default_rng(4)
    x = np.log(SIZES / 1e8)
    loss = np.exp(1 + slope * x + bend * x**2 + 0.001 * rng.standard_normal(7))
    found = fit_parabolas(np.full(7, 1e19), SIZES, loss, 500, rng)
    assert not np.isnan(found.optimum).any()
    assert (found.optimum == end).mean() > 0.95


def test_flat_noisy_losses_leave_both_ends_open():
    rng = np.random.default_rng(5)
    loss = np.exp(1 + 0.01 * rng.standard_normal(7))
    found = fit_parabolas(np.full(7, 1e19), SIZES, loss, 2000, rng)
    assert (found.optimum == 0).mean() > 0.02
    assert np.isinf(found.optimum).mean() > 0.02


@pytest.mark.parametrize(
    ("budget", "sizes"),
    [
        ([1.0, 1.0], [1.0, 2.0]),
        ([1.0] * 5, [1.0, 2.0, 1.0, 2.0, 1.0]),
        ([], []),
    ],
    ids=["two runs", "two sizes", "nothing"],
)
def test_too_few_sizes_or_runs_give_no_parabolas(budget, sizes):
    budget, sizes = np.array(budget), np.array(sizes)
    assert fit_parabolas(budget, sizes, 3 + sizes**2, 10, np.random.default_rng(0)) is None


def test_three_runs_of_a_budget_take_their_noise_from_elsewhere():
    sizes = np.array([1e8, 2e8, 4e8])
    found = fit_parabolas(
        np.ones(3), sizes, 3 + 0.1 * np.log(sizes / 2e8) ** 2, 4000, np.random.default_rng(0)
    )
    assert abs(np.log(np.median(found.optimum) / 2e8)) < 0.05
    assert 0.3 < np.median(found.noise) / ASSUMED_NOISE < 3


def test_budgets_without_three_sizes_are_left_out():
    budget = np.array([1.0] * 4 + [2.0] * 2 + [3.0] * 4)
    sizes = np.array([1.0, 2, 3, 4, 1, 2, 1, 2, 2, 3])
    loss = np.exp(log_loss(sizes, 2.0) + 1e-3 * np.random.default_rng(0).standard_normal(10))
    found = fit_parabolas(budget, sizes, loss, 10, np.random.default_rng(0))
    np.testing.assert_array_equal(found.budgets, [1.0, 3.0])
    assert found.optimum.shape == (10, 2)


def test_the_same_seed_gives_the_same_draws():
    loss = np.exp(log_loss(SIZES, 1e8) + 1e-3 * np.random.default_rng(0).standard_normal(7))
    one, same, other = (
        fit_parabolas(np.full(7, 1e19), SIZES, loss, 10, np.random.default_rng(seed)).optimum
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
