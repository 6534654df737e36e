"""Scores that are left out, against integrals over a grid of skills and against ArviZ."""

from __future__ import annotations

import arviz_stats as azs
import jax
import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.special import logsumexp

from skillscale.checks.fit import DRAWS_LEFT_OUT, loo
from skillscale.checks.left_out import _cases, left_out_densities
from skillscale.law.scores import given, scatter
from tampered import with_posterior

STEPS = np.linspace(-6, 6, 121)
"""Of a grid of two skills, in standard deviations."""


def log_densities(fit, draw, cases, skill) -> np.ndarray:
    """Log density of the scores of all models, were these their skills: (benchmark, model)."""
    at, law = fit.design.observations, draw.law
    expected = scatter(law.benchmarks, law.noise, skill, at.chance, at.n_items)
    location, scale, degrees = given(expected, cases.siblings, law.noise.tail)
    return stats.t.logpdf(at.score, *map(np.asarray, (degrees, location, scale)))


def by_grid(fit, draw) -> np.ndarray:
    """Log density of every score given all others, by a sum over a grid of skills."""
    design = fit.design
    cases = _cases(fit.spec.form, draw, design.observations, design.unpublished)
    mean, sd = np.asarray(cases.mean), np.sqrt(np.asarray(cases.variance))
    is_observed = np.asarray(design.observations.is_observed)
    points = np.stack(np.meshgrid(STEPS, STEPS), axis=-1).reshape(-1, 2)
    prior = stats.norm.logpdf(points).sum(axis=1)
    each = np.array([log_densities(fit, draw, cases, mean + sd * z) for z in points])
    each = np.where(is_observed, each, 0)
    whole = each.sum(axis=1) + prior[:, None]
    found = logsumexp(whole, axis=0) - logsumexp(whole[:, None] - each, axis=0)
    return found[fit.observed_index]


def test_the_integrals_are_those_over_a_grid(sampled):
    n = 3
    draws = sampled.draws(n)
    ours = left_out_densities(sampled, n)
    theirs = [by_grid(sampled, jax.tree.map(lambda part, d=d: part[d], draws)) for d in range(n)]
    off = ours - np.array(theirs)
    assert np.sqrt(np.mean(off**2)) < 0.03
    assert np.abs(off).max() < 0.3, "a score in conflict with the rest"


def test_loo_is_arviz_on_these_densities(sampled):
    values = left_out_densities(sampled, DRAWS_LEFT_OUT)
    assert values.shape == (DRAWS_LEFT_OUT, len(sampled.table.scores))
    tree = xr.DataTree.from_dict(
        {"log_likelihood": xr.Dataset({"y": (("chain", "draw", "row"), values[None])})}
    )
    theirs = azs.loo(tree, pointwise=True, reff=1.0)
    ours = loo(sampled)
    assert ours.elpd == pytest.approx(theirs.elpd, rel=1e-6)
    np.testing.assert_allclose(ours.pareto_k, theirs.pareto_k, rtol=1e-5)


def test_few_scores_decide_their_own_weight(sampled):
    found = loo(sampled)
    assert np.mean(np.asarray(found.pareto_k) > found.good_k) < 0.05


def test_where_the_law_is_known_it_is_the_average_density(sampled):
    def frozen(values):
        return np.broadcast_to(values[:1, :1], values.shape).copy()

    names = dict.fromkeys(map(str, sampled.tree.posterior.data_vars), frozen)
    still = with_posterior(sampled, **names)
    assert loo(still).elpd == pytest.approx(left_out_densities(still, 1).sum(), rel=1e-4)
