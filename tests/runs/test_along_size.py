"""Quantities that vary with size: how compute is counted, and what that does to optima."""

from __future__ import annotations

import numpy as np
import pytest

from simulated_runs import METHOD, Truth, isoflop_grid, runs_at
from skillscale.runs.along_size import AlongSize, budget_tokens
from skillscale.runs.best_sizes import optima
from skillscale.runs.estimation import isoflop
from skillscale.runs.surface import Surface, expected_loss, optimal_log_params


@pytest.fixture(scope="module")
def ratio():
    sizes = np.log(np.geomspace(1e8, 1e10, 9))
    return AlongSize(sizes, 0.3 - 0.1 * (sizes - sizes[0]))


def test_a_line_is_followed_between_runs_and_held_beyond_them(ratio):
    inside = np.linspace(ratio.log_params[0], ratio.log_params[-1], 7)
    level, slope = ratio.at(inside)
    np.testing.assert_allclose(level, 0.3 - 0.1 * (inside - inside[0]), atol=1e-9)
    np.testing.assert_allclose(slope, -0.1, atol=1e-9)
    level, slope = ratio.at(np.array([inside[0] - 3, inside[-1] + 3]))
    np.testing.assert_allclose(level, ratio.value[[0, -1]], atol=1e-9)
    np.testing.assert_array_equal(slope, 0)


def test_a_single_size_has_one_ratio_and_no_slope():
    level, slope = AlongSize(np.zeros(3), np.array([0.1, 0.2, 0.3])).at(np.array([-1.0, 0.0]))
    np.testing.assert_allclose(level, 0.2)
    np.testing.assert_array_equal(slope, 0)


def test_tokens_and_sizes_make_up_the_budget(ratio):
    sizes = np.geomspace(1e8, 1e10, 5)
    tokens = budget_tokens(ratio, sizes, 1e21)
    counted = np.exp(ratio.at(np.log(sizes))[0])
    np.testing.assert_allclose(6 * sizes * tokens * counted, 1e21)


@pytest.mark.parametrize("tilt", [-0.2, 0.0, 0.15])
@pytest.mark.parametrize("turn", [-0.4, 0.0, 0.3])
def test_the_best_size_along_a_tilted_budget_is_where_the_loss_is_least(tilt, turn):
    surface = Surface(*map(np.float64, (1.7, 0.5, 0.6, 0.3, 0.4, turn)))
    x = np.linspace(-6, 6, 24001)
    loss = np.asarray(expected_loss(surface, x, 1.5 - (1 + tilt) * x))
    found = float(optimal_log_params(surface, np.float64(1.5), tilt))
    assert found == pytest.approx(x[loss.argmin()], abs=0.02)


def test_optima_follow_compute_as_the_file_counts_it():
    """Small models cost more than 6ND here, by a factor that is told by the runs alone."""
    truth = Truth()
    n_params, _, flops = isoflop_grid(np.geomspace(2e17, 5e19, 6), 10)
    factor = np.exp(-0.15 * np.log(n_params / 3e8))
    n_tokens = flops / 6 / n_params / factor
    noise = np.random.default_rng(0).standard_normal(len(flops))
    loss = truth.loss(n_params, n_tokens) * np.exp(0.001 * noise)
    runs = runs_at(n_params, n_tokens, flops, {"all": {"loss": loss}})
    found = isoflop(runs, method=METHOD)
    sizes = np.geomspace(3e7, 3e9, 4001)
    for budget in (2e17, 5e19):
        along = budget / 6 / sizes / np.exp(-0.15 * np.log(sizes / 3e8))
        best = truth.loss(sizes, along).argmin()
        row = optima(found, [budget]).set_index("estimator").loc["surface"]
        assert row["n_params_lower"] < sizes[best] < row["n_params_upper"]
        assert row["n_tokens_lower"] < along[best] < row["n_tokens_upper"]
        counted = (
            6 * row["n_params"] * row["n_tokens"] * np.exp(-0.15 * np.log(row["n_params"] / 3e8))
        )
        assert counted == pytest.approx(budget, rel=0.02)


def test_of_mixtures_of_experts_the_total_is_told(runs_of):
    rows = ["n_params,n_active_params,n_tokens,loss"]
    for budget in (1e18, 3e18):
        for active in np.sqrt(budget / 120) * np.array([0.4, 1.0, 2.5]):
            loss = 2 + 0.3 * np.log(active / np.sqrt(budget / 120)) ** 2
            rows.append(f"{8 * active:g},{active:g},{budget / 6 / active:g},{loss:.4f}")
    table = optima(isoflop(runs_of("\n".join(rows) + "\n")))
    np.testing.assert_allclose(table["n_total_params"], 8 * table["n_params"], rtol=1e-4)
    np.testing.assert_allclose(table["n_params"], np.sqrt(table["flops"] / 120), rtol=0.1)
