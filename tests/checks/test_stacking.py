"""Stacks of several forms: their weights, which are rejected, and their file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from skillscale import Fit, Stack, stack
from skillscale.checks.stacking import compare, stacking_weights
from skillscale.errors import FitFileError, SpecError
from skillscale.law.production import Form
from skillscale.posterior.fit import fit
from skillscale.posterior.stack import fit_or_stack
from small import AroundThePrior


@pytest.fixture(scope="module")
def around(table, spec):
    """Four fits that are as good as none."""
    return [
        fit(table, dataclasses.replace(spec, form=form.value), method=AroundThePrior())
        for form in Form
    ]


@pytest.fixture(scope="module")
def stacked(around):
    return stack(around)


def test_weights_are_the_best_of_all_mixtures():
    density = np.random.default_rng(0).normal(size=(2, 30))

    def loss(w):
        return -np.log(w * np.exp(density[0]) + (1 - w) * np.exp(density[1])).sum()

    best = minimize_scalar(loss, bounds=(0, 1), method="bounded").x
    np.testing.assert_allclose(stacking_weights(density), [best, 1 - best], atol=1e-3)


def test_weights_do_not_depend_on_how_probable_a_point_is():
    density = np.random.default_rng(0).normal(size=(3, 30))
    shifted = density + np.linspace(-800, 300, 30)
    np.testing.assert_allclose(stacking_weights(shifted), stacking_weights(density), atol=1e-4)


def test_a_form_is_rejected_beyond_two_errors_of_its_lineages():
    rng = np.random.default_rng(1)
    best = rng.normal(100, 30, 40)
    noise = rng.normal(size=40)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    error = np.sqrt(40)
    density = np.array([best, best + noise - 1.9 * error / 40, best + noise - 2.1 * error / 40])
    found = compare(density)
    np.testing.assert_allclose(found["difference"], [0, -1.9 * error, -2.1 * error])
    np.testing.assert_allclose(found["error"], [0, error, error], atol=1e-9)
    assert found["is_open"].tolist() == [True, True, False]


def test_where_points_are_of_one_form_it_takes_all():
    """Scores drawn from the first of three normals; their predictive densities are known."""
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(40, 12))
    means = np.array([0.0, 0.4, -0.8])
    density = -0.5 * ((scores - means[:, None, None]) ** 2).sum(axis=2)
    found = compare(density)
    assert found["weight"][0] > 0.9
    assert found["is_open"].tolist() == [True, False, False]


def test_a_stack_names_its_forms(stacked, around):
    assert list(stacked.fits) == [form.value for form in Form]
    assert stacked.fit is around[0]
    assert sum(stacked.weights.values()) == pytest.approx(1)
    assert stacked.comparison["elpd"].idxmax() in stacked.open_forms
    assert "quadratic" in repr(stacked)
    assert (stacked.comparison["difference"] <= 0).all()


def test_a_stack_survives_its_file(stacked, tmp_path):
    path = tmp_path / "stack.nc"
    stacked.save(path)
    again = Stack.load(path)
    pd.testing.assert_frame_equal(again.comparison, stacked.comparison, check_index_type=False)
    for form, fitted in stacked.fits.items():
        assert again.fits[form].spec == fitted.spec
        assert again.fits[form].provenance == fitted.provenance
        here, there = (f.tree.posterior["slope"] for f in (fitted, again.fits[form]))
        np.testing.assert_array_equal(here, there)
        assert list(there["input"].to_numpy()) == list(here["input"].to_numpy())
    plain = Fit.load(path)
    assert plain.spec.form == "translog"
    assert list(plain.tree.children) == list(stacked.fit.tree.children)


def test_a_fit_of_one_form_is_no_stack(around, tmp_path):
    path = tmp_path / "fit.nc"
    around[3].save(path)
    loaded = fit_or_stack(path)
    assert isinstance(loaded, Fit)
    assert loaded.spec.form == "two-term"
    with pytest.raises(FitFileError, match="fit of one form"):
        Stack.load(path)


def test_only_fits_that_differ_in_their_form_are_stacked(around, table, spec):
    with pytest.raises(SpecError, match="a stack has a form once: translog, translog"):
        stack([around[0], around[0]])
    with pytest.raises(SpecError, match="a stack needs at least one fit"):
        stack([])
    later = dataclasses.replace(spec, form="additive", reference_year=2024.0)
    other = fit(table, later, method=AroundThePrior())
    with pytest.raises(SpecError, match="differ in their form alone: that of additive"):
        stack([around[0], other])
