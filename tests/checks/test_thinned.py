"""A thinned fit is judged by all of its draws."""

from __future__ import annotations

import pandas as pd

import skillscale as sk
from skillscale.checks.fit import diagnostics
from skillscale.checks.thinned import thinned


def test_a_thinned_fit_says_of_convergence_what_all_draws_said(sampled, tmp_path):
    fewer = thinned(sampled, 20)
    assert fewer.tree["posterior"].sizes["draw"] == 20
    fewer.save(tmp_path / "fewer.nc")
    loaded = sk.Fit.load(tmp_path / "fewer.nc")
    pd.testing.assert_frame_equal(diagnostics(loaded), diagnostics(sampled))


def test_a_fit_with_no_more_draws_is_as_it_was(sampled, approximate):
    assert thinned(sampled, 10**6) is sampled
    assert "diagnostics" not in thinned(approximate, 20).provenance
