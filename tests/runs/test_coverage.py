"""Known surfaces, eight budgets of ten sizes: how often intervals of the optimum hold it."""

from __future__ import annotations

import numpy as np
import pytest

from simulated_runs import Truth, isoflop_grid, random_truths, runs_at
from skillscale.runs.estimators import Estimator, isoflop
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.surface import params_exponent

BUDGETS = np.geomspace(2e17, 5e19, 8)
N_SIMULATIONS = 208
METHOD = ManyNuts(warmup=200, draws=250)
LEAST, MOST = 0.85, 0.95
"""What the issue asks of intervals of 90 %, over all budgets together."""


def is_covered(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Which true values the central 90 % of their draws hold; draws are along the last axis."""
    low, high = np.quantile(draws, [0.05, 0.95], axis=-1, method="nearest")
    return (truth >= low) & (truth <= high)


def coverage(truths: list[Truth], noise: float, seed: int) -> dict[str, np.ndarray]:
    """Coverage of both estimators: a rate per budget, and that of the exponent.

    Every simulation is a loss of one table. Without pooling each is fitted as if it were alone.
    """
    rng = np.random.default_rng(seed)
    n_params, n_tokens, flops = isoflop_grid(BUDGETS, 10)
    losses = {
        f"loss{i}": t.loss(n_params, n_tokens) * np.exp(noise * rng.standard_normal(len(flops)))
        for i, t in enumerate(truths)
    }
    runs = runs_at(n_params, n_tokens, flops, {"all": losses})
    found = isoflop(runs, pooled=False, method=METHOD, seed=seed)
    assert found.keys == tuple(("all", f"loss{i}") for i in range(len(truths)))
    best = np.array([t.optimum(BUDGETS) for t in truths]).T
    exponent = np.array([t.exponent for t in truths])
    surface = np.stack([found.surfaces.optimum(budget) for budget in BUDGETS])
    parabola = np.stack(
        [
            [found.optimum(row, budget, Estimator.PARABOLA) for row in range(len(truths))]
            for budget in BUDGETS
        ]
    )
    laws = np.stack([law.exponent for law in found.power_laws])
    return {
        "surface": is_covered(best, surface).mean(axis=1),
        "surface exponent": is_covered(
            exponent, np.asarray(params_exponent(found.surfaces.surface))
        ),
        "parabola": is_covered(best, parabola).mean(axis=1),
        "parabola exponent": is_covered(exponent, laws),
    }


@pytest.mark.long
@pytest.mark.parametrize("noise", [0.002, 0.004])
def test_intervals_of_the_optimum_hold_it_as_often_as_they_say(noise):
    truths = random_truths(N_SIMULATIONS, np.random.default_rng(1))
    rates = coverage(truths, noise, seed=2)
    for name, rate in rates.items():
        print(f"noise {noise:.1%}, {name}: {rate.mean():.3f}", end="  ")
        print("" if "exponent" in name else " ".join(f"{r:.2f}" for r in rate))
    for name in ("surface", "parabola"):
        assert LEAST <= rates[name].mean() <= MOST, name
        # One exponent per simulation: within four standard errors.
        error = np.sqrt(0.9 * 0.1 / N_SIMULATIONS)
        assert abs(rates[f"{name} exponent"].mean() - 0.9) < 4 * error, name
