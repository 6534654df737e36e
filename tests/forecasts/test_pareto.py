"""Pareto smoothing is that of ArviZ."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from skillscale.forecasts.pareto import smoothed


@pytest.mark.parametrize("n", [30, 100, 226, 1000, 1500])  # of 25 newer ones say NaN
@pytest.mark.parametrize("scale", [0.01, 0.5, 2.0, 10.0])
def test_weights_and_shape_are_those_of_arviz(n, scale):
    log_weight = scale * np.random.default_rng(n).standard_t(5, size=n)
    ours, shape = smoothed(log_weight)
    theirs, khat = array_stats.psislw(-log_weight)  # written for minus the log weight
    assert shape == pytest.approx(float(khat), rel=1e-9)
    assert_allclose(ours - logsumexp(ours), theirs, rtol=1e-9, atol=1e-9)


def test_the_order_of_weights_is_kept():
    log_weight = np.random.default_rng(0).normal(size=500)
    ours, _ = smoothed(log_weight)
    assert (np.argsort(ours, kind="stable") == np.argsort(log_weight)).all()


def test_too_few_weights_have_no_tail():
    with pytest.raises(ValueError, match="24 draws have no tail to smooth: 25 are needed"):
        smoothed(np.random.default_rng(0).normal(size=24))
