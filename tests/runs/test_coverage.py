"""Known surfaces, eight budgets of ten sizes: how often intervals of the optimum hold it."""

from __future__ import annotations

import numpy as np
import pytest

from simulated_runs import coverage_of_optima

LEAST, MOST = 0.85, 0.95
"""Where 90 % over all budgets together may lie."""


@pytest.mark.slow
@pytest.mark.parametrize(("n", "noise"), [(208, 0.002), (208, 0.004)])
def test_intervals_of_the_optimum_hold_it_as_often_as_they_say(n, noise):
    rates = coverage_of_optima(n, noise=noise, seed=n)
    for name in ("surface", "parabola"):
        assert LEAST <= rates[name].mean() <= MOST, name
        # One exponent per simulation: within four standard errors.
        error = np.sqrt(0.9 * 0.1 / n)
        assert abs(rates[f"{name} exponent"].mean() - 0.9) < 4 * error, name
