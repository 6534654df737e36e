"""The fit that ships is that of the shipped table by the law as it is."""

from __future__ import annotations

import numpy as np
import pytest

import skillscale as sk
from skillscale.checks.leave_one_out import loo
from skillscale.data.shipped import fit_file
from skillscale.law.production import Form
from skillscale.posterior.shipped import shipped_fit, shipped_stack

MOST_BYTES = 6_000_000
"""Of a fit; other forms, of fewer draws, take a third of that each."""


def test_it_is_of_the_shipped_table_and_the_default_specification(tmp_path):
    fit = shipped_fit()
    assert fit.table.hash == sk.load_table().hash, "make shipped-fit"
    assert fit.spec == sk.Spec(), "make shipped-fit"
    assert fit.provenance["method"] == "hmc"
    fit.save(tmp_path / "alone.nc")
    assert (tmp_path / "alone.nc").stat().st_size <= MOST_BYTES
    assert fit_file().stat().st_size <= 2 * MOST_BYTES


def test_it_has_every_form_the_default_one_first():
    stack = shipped_stack()
    assert set(stack.fits) == set(Form)
    assert stack.fit.spec == sk.Spec(), "make shipped-fit"
    assert all(fit.table.hash == stack.fit.table.hash for fit in stack.fits.values())
    assert (stack.comparison["high_k"] < 0.05).all()


def test_few_scores_decide_their_own_weight():
    assert loo(shipped_fit()).high_k < 0.05


def test_thinning_keeps_draws_of_every_chain(sampled):
    sizes = sampled.tree["posterior"].sizes
    thin = sampled.thin(7)
    assert thin.tree["posterior"].sizes["draw"] == 7
    assert thin.tree["posterior"].sizes["chain"] == sizes["chain"]
    np.testing.assert_array_equal(
        thin.tree["posterior"]["slope"].isel(draw=[0, -1]),
        sampled.tree["posterior"]["slope"].isel(draw=[0, -1]),
    )
    assert sampled.thin(10**6).tree["posterior"].equals(sampled.tree["posterior"])
    assert thin.expected_scores().shape[0] == 7 * sizes["chain"]
    assert thin.provenance == {"thinned_from": sizes["draw"], **sampled.provenance}
    assert thin.thin(5).provenance["thinned_from"] == sizes["draw"]


def test_thinning_keeps_all_that_the_sampler_did(sampled, tmp_path):
    sampled.thin(7).save(tmp_path / "thin.nc")
    kept = sk.Fit.load(tmp_path / "thin.nc").tree
    assert kept["posterior"].sizes["draw"] == 7
    assert kept["sample_stats"].to_dataset().equals(sampled.tree["sample_stats"].to_dataset())


@pytest.mark.slow
def test_made_again_it_says_the_same():
    """Means of every expected score, within what as many effective draws leave."""
    shipped, again = shipped_fit(), sk.fit(seed=1)
    ours, theirs = (np.asarray(fit.expected_scores(1000)) for fit in (shipped, again))
    off = (ours.mean(axis=0) - theirs.mean(axis=0)) / theirs.std(axis=0)
    assert np.abs(off).max() < 0.35
    assert np.sqrt(np.mean(off**2)) < 0.08
    assert np.median(np.abs(ours.std(axis=0) / theirs.std(axis=0) - 1)) < 0.05
