"""The robust point estimate of others, on the grids that others published."""

from __future__ import annotations

import numpy as np
import pytest

from simulated_runs import BUDGETS, Truth, isoflop_grid
from skillscale.runs.huber_fit import huber_fit, huber_fit_of
from skillscale.runs.table import load_runs


def test_the_published_fit_of_chinchillas_runs_is_reproduced():
    """Besiroglu et al. 2024, arXiv:2404.10102: E 1.817, exponents 0.348 and 0.366."""
    found = huber_fit_of(load_runs("chinchilla"), "massivetext", "loss")
    assert found.floor == pytest.approx(1.817, abs=0.002)
    assert found.size_exponent == pytest.approx(0.348, abs=0.003)
    assert found.tokens_exponent == pytest.approx(0.366, abs=0.003)
    assert found.optimum(5.76e23) == pytest.approx(72e9, rel=0.04)


@pytest.mark.parametrize(
    ("group", "exponent", "size"),
    [("comma", 0.345, 1.65e9), ("dclm", 0.371, 1.95e9), ("nemotron", 0.385, 1.98e9)],
)
def test_the_ladders_of_marin_have_low_exponents(group, exponent, size):
    found = huber_fit_of(load_runs("marin"), group, "val_paloma_macro")
    assert found.params_exponent == pytest.approx(exponent, abs=0.002)
    assert found.optimum(3e20) == pytest.approx(size, rel=0.01)


def test_outliers_do_not_move_it():
    truth = Truth()
    n_params, n_tokens, _ = isoflop_grid(BUDGETS, 10)
    loss = truth.loss(n_params, n_tokens)
    loss *= np.exp(0.0005 * np.random.default_rng(0).standard_normal(len(loss)))
    loss[::13] *= 1.1
    found = huber_fit(n_params, n_tokens, loss)
    assert found.params_exponent == pytest.approx(truth.exponent, abs=0.02)
    assert found.optimum(1e19) == pytest.approx(truth.optimum(1e19), rel=0.03)
