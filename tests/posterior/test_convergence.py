"""Diagnostics of many quantities are those that ArviZ has for each."""

from __future__ import annotations

import arviz_stats as azs
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skillscale.posterior.convergence import TOGETHER, convergence


def autocorrelated(n_entry: int, n_chain: int, n_draw: int) -> np.ndarray:
    """Chains of all kinds: antithetic to slow, some apart, some with heavy tails, some tied."""
    rng = np.random.default_rng(n_draw)
    noise = rng.standard_t(3, size=(n_entry, n_chain, n_draw))
    rho = np.linspace(-0.9, 0.99, n_entry)[:, None]
    values = noise.copy()
    for t in range(1, n_draw):
        values[..., t] += rho * values[..., t - 1]
    values[::5, 0] += 2
    values[1::7] = values[1::7].round()
    return values


@pytest.mark.parametrize(("n_chain", "n_draw"), [(4, 300), (2, 101), (3, 8), (4, 1000)])
def test_they_are_those_of_arviz(n_chain, n_draw):
    values = autocorrelated(40, n_chain, n_draw)
    found = convergence(values)
    for i, entry in enumerate(values):
        theirs = (
            azs.rhat(entry),
            azs.ess(entry, method="bulk"),
            azs.ess(entry, method="tail", prob=(0.05, 0.95)),
        )
        assert_allclose([part[i] for part in found], theirs, rtol=1e-6, err_msg=str(i))


def test_more_quantities_than_are_taken_at_once_keep_their_order():
    values = autocorrelated(TOGETHER + 3, 2, 20)
    found = convergence(values)
    assert_allclose(found.rhat[-3:], convergence(values[-3:]).rhat)
    assert found.rhat.shape == found.ess_bulk.shape == found.ess_tail.shape == (TOGETHER + 3,)
