"""Scores that are left out, against integrals over a grid of skills and against ArviZ."""

from __future__ import annotations

import arviz_stats as azs
import jax
import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.special import logsumexp

from skillscale.checks.leave_one_out import N_DRAWS, from_densities, loo
from skillscale.checks.left_out import _cases, left_out_densities
from skillscale.law.scores import given, scatter
from tampered import with_posterior

STEPS = np.linspace(-6, 6, 61)
"""Of a grid of two skills, in standard deviations."""


@pytest.fixture(scope="module")
def cases_of(sampled):
    """What is known of every model in a draw before its scores."""
    return jax.jit(
        lambda draw: _cases(
            sampled.spec.form, draw, sampled.design.observations, sampled.design.unpublished
        )
    )


def log_densities(fit, draw, cases, skills) -> np.ndarray:
    """Log density of scores, were these the skills of their models: (point, benchmark, model)."""
    at = fit.design.observations
    expected = expected_given(skills, draw.law, cases.siblings, at.chance, at.n_items)
    location, scale, degrees = map(np.asarray, expected)
    return stats.t.logpdf(at.score, degrees, location, scale)


@jax.jit
def expected_given(skills, law, siblings, chance, n_items):
    """Location, scale and degrees of freedom of all scores, at every point."""

    def at_point(skill):
        of_skill = scatter(law.benchmarks, law.noise, skill, chance, n_items)
        return given(of_skill, siblings, law.noise.tail)

    return jax.lax.map(at_point, skills)


def by_grid(fit, draw, cases) -> np.ndarray:
    """Log density of every score given all others, by a sum over a grid of skills."""
    mean, sd = np.asarray(cases.mean), np.sqrt(np.asarray(cases.variance))
    is_observed = np.asarray(fit.design.observations.is_observed)
    points = np.stack(np.meshgrid(STEPS, STEPS), axis=-1).reshape(-1, 1, 2)
    prior = stats.norm.logpdf(points).sum(axis=-1)
    each = np.where(is_observed, log_densities(fit, draw, cases, mean + sd * points), 0)
    whole = each.sum(axis=1) + prior
    found = logsumexp(whole, axis=0) - logsumexp(whole[:, None] - each, axis=0)
    return found[fit.observed_index]


def drawn(fit, n):
    """Draws of a fit, one by one."""
    draws = fit.draws(n)
    return [jax.tree.map(lambda part, d=d: part[d], draws) for d in range(n)]


def test_the_integrals_are_those_over_a_grid(sampled, cases_of):
    n = 3
    ours = left_out_densities(sampled, n)
    off = ours - np.array([by_grid(sampled, draw, cases_of(draw)) for draw in drawn(sampled, n)])
    assert np.sqrt(np.mean(off**2)) < 0.03
    assert np.abs(off).max() < 0.3, "a score in conflict with the rest"


def by_arviz(values):
    """ArviZ's estimate from log densities of (draw, score)."""
    tree = xr.DataTree.from_dict(
        {"log_likelihood": xr.Dataset({"y": (("chain", "draw", "row"), values[None])})}
    )
    with pytest.warns(UserWarning, match="Pareto"):
        return azs.loo(tree, pointwise=True, reff=1.0)


def test_loo_is_arviz_on_these_densities(sampled):
    values = left_out_densities(sampled, N_DRAWS)
    assert values.shape == (N_DRAWS, len(sampled.table.scores))
    theirs, ours = by_arviz(values.astype(np.float64)), loo(sampled)
    # ArviZ's own error divides by the number of scores, or by one less: by its version.
    spread = np.sqrt(values.shape[1]) * np.std(np.asarray(theirs.elpd_i))
    assert (ours.elpd, ours.se) == pytest.approx((theirs.elpd, spread), rel=1e-6)
    np.testing.assert_allclose(ours.elpd_i, theirs.elpd_i, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.pareto_k, theirs.pareto_k, rtol=1e-5)
    assert ours.good_k == theirs.good_k


def test_fewer_scores_decide_their_own_weight_than_given_skills_that_saw_them(sampled, cases_of):
    values = [
        log_densities(sampled, draw, cases_of(draw), draw.fitted.skill[None])[0]
        for draw in drawn(sampled, N_DRAWS)
    ]
    seen = from_densities(np.array(values)[:, *sampled.observed_index])
    left_out = loo(sampled)
    assert left_out.high_k < seen.high_k / 2
    assert left_out.elpd < seen.elpd, "which flatter the law"


def test_where_the_law_is_known_it_is_the_average_density(sampled):
    rng = np.random.default_rng(0)

    def frozen(values):
        return values[:1, :1] * (1 + 1e-4 * rng.standard_normal(values.shape))

    names = dict.fromkeys(map(str, sampled.tree.posterior.data_vars), frozen)
    still = with_posterior(sampled, **names)
    assert loo(still).elpd == pytest.approx(left_out_densities(still, 1).sum(), rel=1e-4)


@pytest.mark.parametrize("n", [1, 24])
def test_of_too_few_draws_no_score_is_known(n):
    found = from_densities(np.random.default_rng(0).normal(size=(n, 5)))
    assert found.high_k == 1
    assert np.isfinite(found.elpd)
