"""What is maximised, and the tokens that a value needs, against brute force."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from skillscale.errors import SpecError, UnknownNameError
from skillscale.law import equation
from skillscale.law.production import gain
from skillscale.optima.objectives import (
    criterion,
    criterion_at,
    expected_score,
    make_objectives,
    tokens_needed,
)
from skillscale.posterior.one_family import production
from small import by_name
from tampered import with_laws, with_posterior

SIZES = np.geomspace(1e9, 1e11, 7)
RANGE = (1e10, 1e14)


@pytest.fixture(scope="module")
def of_family(approximate):
    """The law of a typical family in which more of everything helps."""
    return production(with_laws(approximate, (0.6, 0.5, 0.05), (0.7, 0.6, 0.1)))


@pytest.fixture(scope="module")
def objectives(approximate):
    return make_objectives(approximate, ["knowledge"], ["bbh"], {"mmlu": 1, "gsm8k": 2, "bbh": 1})


def test_scores_are_those_of_the_law(approximate, objectives):
    typical, size, tokens = production(approximate), 8e9, 3e12
    at = np.array([size]), np.array([tokens])
    log_params, log_tokens = (jnp.asarray(log, jnp.float32) for log in typical.logs(*at))
    expected = []
    for d in range(3):
        link = equation.Link(*(part if part.ndim == 1 else part[d] for part in typical.link))
        own = typical.own_slope[d, 0] * log_params[:, None]
        skill = typical.efficiency[d] + own
        skill += gain("translog", typical.slope[d], log_params, log_tokens)
        mmlu, gsm8k, bbh = (
            equation.expected_score(skill, link)[
                approximate.design.coords["benchmark"].index(name), 0
            ]
            for name in ("mmlu", "gsm8k", "bbh")
        )
        expected.append([mmlu, bbh, (mmlu + 2 * gsm8k + bbh) / 4])
    found = [expected_score(typical, objective, *at)[:3, 0] for objective in objectives]
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-5)


def test_a_fitted_model_scores_what_its_family_would(approximate):
    """Over sizes of a family, medians lie near those of its fitted models."""
    fit = approximate
    models = fit.table.models
    pythia = models[models["family"] == "pythia"].dropna(subset=["n_tokens"])
    objective = make_objectives(fit, benchmarks=["mmlu"])[0]
    at = pythia["n_params"].to_numpy(), pythia["n_tokens"].to_numpy()
    of_family = np.median(expected_score(production(fit, "pythia"), objective, *at), axis=0)
    position = [fit.design.coords["model"].index(name) for name in pythia.index]
    mmlu = fit.design.coords["benchmark"].index("mmlu")
    fitted = np.median(fit.expected_scores()[:, mmlu], axis=0)[position]
    np.testing.assert_allclose(of_family, fitted, atol=0.03)


def test_the_own_slope_of_a_family_is_that_of_its_models(approximate):
    """Models on a line in log size, and hardly any other scatter: the line's slope is found."""
    fit, own = approximate, 0.4
    of_family = np.asarray(fit.design.observations.in_family.group)
    log_params = np.asarray(fit.design.observations.log_params)
    draws = by_name(fit)
    log_tokens = np.asarray(fit.design.log_tokens(fit.draws().fitted))
    skill = draws["efficiency"][:, of_family]
    skill = skill + gain("translog", draws["slope"], log_params + 0 * log_tokens, log_tokens)
    skill += own * log_params[:, None]
    exact = with_posterior(
        fit,
        model_skill=lambda values: skill.reshape(values.shape),
        model_scale=lambda values: np.full_like(values, 1e-3),
        slope_scale=lambda values: np.full_like(values, 1.0),
    )
    found = production(exact, "pythia").own_slope[:, 0]
    np.testing.assert_allclose(found, own, atol=0.01)


@pytest.mark.parametrize("family", [None, "pythia"])
def test_own_slopes_scatter_as_widely_as_the_law_says(approximate, family):
    """Of a typical family by all of the spread, of a fitted one by less; by a seed of its own."""
    scale = by_name(approximate)["slope_scale"]
    own, again, other = (
        production(approximate, family, seed=seed).own_slope[:, 0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(own, again)
    assert not np.array_equal(own, other)
    spread = np.sqrt((own**2).mean(axis=0) / (scale**2).mean(axis=0))
    if family is None:
        np.testing.assert_allclose(spread, 1, atol=0.15)
        np.testing.assert_allclose(own.mean(axis=0) / scale.mean(axis=0), 0, atol=0.2)
    else:
        assert (own.std(axis=0) < np.sqrt((scale**2).mean(axis=0))).all()


def test_an_own_slope_widens_the_interval_of_an_optimum(approximate):
    law, (knowledge,) = production(approximate), make_objectives(approximate, ["knowledge"])
    sizes, tokens = np.array([1e9, 1e11]), np.array([1e13, 1e11])
    gap = np.diff(criterion(law, knowledge, sizes, tokens), axis=1)
    without = law._replace(own_slope=0 * law.own_slope)
    assert gap.std() > 1.1 * np.diff(criterion(without, knowledge, sizes, tokens), axis=1).std()


@pytest.mark.parametrize("form", ["quadratic", "additive", "two-term"])
def test_tokens_are_searched_where_there_is_no_closed_form(of_family, objectives, form):
    n_draws = len(of_family.slope)
    slope = {
        "quadratic": (0.6, 0.5, 0.1, -0.05, -0.06),
        "additive": (0.6, 0.5, -0.03, -0.06),
        "two-term": (0.6, 0.5, 0.35, 0.35),
    }[form]
    slope = np.broadcast_to(np.array(slope)[None, :, None], (n_draws, len(slope), 2))
    law = of_family._replace(form=form, slope=slope)
    dense = np.geomspace(*RANGE, 3001)
    for objective in objectives:
        wanted = criterion(law, objective, np.array([2e10]), np.array([2e12]))
        needed = tokens_needed(law, objective, SIZES, wanted, RANGE)
        for i, size in enumerate(SIZES):
            values = criterion(law, objective, np.full(3001, size), dense)
            reached = values >= wanted
            first = np.where(reached.any(axis=1), dense[reached.argmax(axis=1)], np.inf)
            near_the_top = np.abs(values.max(axis=1) - wanted[:, 0]) < 0.02
            kept = ~near_the_top & np.isfinite(first)
            assert (np.isfinite(needed[:, i]) == np.isfinite(first))[~near_the_top].all()
            np.testing.assert_allclose(needed[kept, i], first[kept], rtol=0.01)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_tokens_needed_give_just_what_was_wanted(of_family, objectives, i):
    there = criterion(of_family, objectives[i], np.array([2e10]), np.array([2e12]))
    needed = tokens_needed(of_family, objectives[i], SIZES, there, RANGE)
    within = np.isfinite(needed) & (needed > 1.001 * RANGE[0])
    assert within.mean() > 0.5
    again = criterion(of_family, objectives[i], SIZES, np.where(within, needed, 1e12))
    np.testing.assert_allclose(again[within], (again * 0 + there)[within], atol=2e-5)
    most = criterion(of_family, objectives[i], SIZES, np.full_like(SIZES, RANGE[1]))
    assert (most < there)[np.isinf(needed)].all()


def test_tokens_that_do_harm_reach_nothing(approximate, objectives):
    harmful = production(with_laws(approximate, (0.5, -0.4, 0.0), (0.5, -0.4, 0.0)))
    for objective in objectives:
        fewest = criterion(harmful, objective, SIZES, np.full_like(SIZES, RANGE[0]))
        wanted = fewest[:, -1:] + 1e-3
        assert np.isinf(tokens_needed(harmful, objective, SIZES, wanted, RANGE)).all()


def test_a_score_is_its_predictor_through_the_link(of_family, objectives):
    bbh = objectives[1]
    at = np.array([3e10]), np.array([2e12])
    score = expected_score(of_family, bbh, *at)[:, 0]
    for d in range(3):
        predictor = criterion_at(of_family, bbh, float(score[d]))[d]
        assert predictor == pytest.approx(criterion(of_family, bbh, *at)[d, 0], abs=1e-3)
    assert (criterion_at(of_family, bbh, 1.0) == np.inf).all()


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        ({"skills": ["cooking"]}, UnknownNameError, "skill 'cooking' is not in"),
        ({"benchmarks": ["mmluu"]}, UnknownNameError, "benchmark 'mmluu' .* Nearest: 'mmlu'"),
        ({"target": {"mmluu": 1}}, UnknownNameError, "benchmark 'mmluu'"),
        ({"target": {"mmlu": 0}}, SpecError, "weights of a target .* found mmlu=0"),
        ({"target": {"mmlu": float("inf")}}, SpecError, "found mmlu=inf"),
        ({"target": {}}, SpecError, "a target needs at least one benchmark"),
        ({"skills": []}, SpecError, "there is nothing to maximise"),
        ({"skills": ["knowledge"] * 2}, SpecError, "objectives repeat a name"),
    ],
)
def test_what_can_not_be_maximised_is_named(approximate, named, error, words):
    with pytest.raises(error, match=words):
        make_objectives(approximate, **named)


def test_an_unknown_family_is_named(approximate):
    with pytest.raises(UnknownNameError, match="family 'lama-2' is not in this fit"):
        production(approximate, "lama-2")
