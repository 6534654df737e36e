"""Regret, against the closed form of the translog and by putting the extra compute back in."""

from __future__ import annotations

import numpy as np
import pytest

from skillscale import Deployment, Goal, optimum, regret
from skillscale.optima.objectives import criterion, expected_score, make_objectives
from skillscale.optima.regret import LADDER, SAFE_LOSS, _safe_range
from skillscale.posterior.one_family import production
from tampered import with_laws, with_slopes

SLOPE = (0.5, 0.4, 0.15)
BUDGET = 1e24


@pytest.fixture(scope="module")
def fit(approximate):
    return with_slopes(approximate, np.array([SLOPE]))


@pytest.fixture(scope="module")
def lost(fit):
    return regret(fit, [BUDGET], Goal(["knowledge"])).isel(objective=0, flops=0)


def best_log_size(fit) -> float:
    b1, b2, b3 = SLOPE
    c = np.log(BUDGET / 6 / fit.spec.reference_params / fit.spec.reference_tokens)
    return ((b1 - b2) + b3 * c) / (2 * b3)


def test_a_skill_loses_the_square_of_the_distance_to_its_optimum(fit, lost):
    possible = lost.dropna("n_params", subset=["score_lost"])
    n = np.log(possible["n_params"] / fit.spec.reference_params)
    np.testing.assert_allclose(
        possible["skill_lost"], SLOPE[2] * (n - best_log_size(fit)) ** 2, atol=2e-4
    )


@pytest.mark.parametrize(
    "named",
    [{}, {"benchmarks": ["bbh"], "target": {"mmlu": 1, "gsm8k": 2}}],
    ids=["skills", "scores"],
)
def test_nothing_is_ever_gained(sampled, named):
    curves = regret(sampled, [1e21, 1e23], Goal(**named))
    for name in ("score_lost", "score_lost_lower"):
        assert bool((curves[name].fillna(0) >= 0).all())
    assert bool((curves["extra_compute_lower"].fillna(1) >= 0.999).all())
    assert bool(
        (curves["score_lost_lower"] <= curves["score_lost_upper"])
        .where(curves["score_lost"].notnull(), True)
        .all()
    )
    assert bool(curves["skill_lost"].isnull().all()) == bool(named)


def test_nothing_is_lost_at_the_best_size(fit):
    size = optimum(fit, [BUDGET], Goal(["knowledge"]))["n_params"].item()
    listed = Deployment(sizes=(size / 3, size, size * 3))
    lost = regret(fit, [BUDGET], Goal(["knowledge"], deployment=listed)).isel(objective=0, flops=0)
    np.testing.assert_allclose(lost["score_lost"].sel(n_params=size), 0, atol=1e-6)
    np.testing.assert_allclose(lost["extra_compute"].sel(n_params=size), 1, rtol=1e-4)
    assert lost["least_regret_params"].item() == pytest.approx(size)


def test_points_are_those_of_the_anchor(fit, lost):
    anchor = regret(fit, [BUDGET], Goal(benchmarks=["mmlu"])).isel(objective=0, flops=0)
    for name in ("score_lost", "score_lost_upper", "extra_compute"):
        np.testing.assert_allclose(lost[name], anchor[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("served", [0.0, 1e13])
@pytest.mark.parametrize(
    "named",
    [{"skills": ["knowledge"]}, {"target": {"mmlu": 1, "gsm8k": 1}}],
    ids=["closed form", "bisection"],
)
def test_the_extra_compute_makes_up_for_the_loss(approximate, named, served):
    """All draws have one law of the skills; a target's own best still differs by draw."""
    fit = with_laws(approximate, (0.6, 0.5, 0.12), (0.6, 0.5, 0.12))
    deployment = Deployment(serve_tokens=served)
    curve = regret(fit, [BUDGET], Goal(**named, deployment=deployment)).isel(objective=0, flops=0)
    (objective,) = make_objectives(fit, **named)
    law, path = production(fit), deployment.path(BUDGET)
    best = np.median(criterion(law, objective, path.n_params, path.n_tokens).max(axis=1))
    possible = curve.where(np.isfinite(curve["extra_compute"]), drop=True)
    assert possible.sizes["n_params"] > 10
    sizes, ratio = possible["n_params"].to_numpy(), possible["extra_compute"].to_numpy()
    tokens = deployment.tokens(sizes, ratio * BUDGET)
    again = np.median(criterion(law, objective, sizes, tokens), axis=0)
    np.testing.assert_allclose(again, best, atol=2e-3)
    before = np.median(criterion(law, objective, sizes, possible["n_tokens"].to_numpy()), axis=0)
    assert (before <= again + 1e-5).all()


def test_where_tokens_do_harm_nothing_makes_up_for_a_size(approximate):
    harmful = with_laws(approximate, (0.6, -0.1, 0.0), (0.6, -0.1, 0.0))
    lost = regret(harmful, [BUDGET], Goal(["knowledge"])).isel(objective=0, flops=0)
    smaller = lost.dropna("n_params", subset=["score_lost"]).isel(n_params=slice(None, -1))
    assert bool(np.isinf(smaller["extra_compute"]).all())


def test_capped_tokens_make_up_for_nothing(fit):
    free = optimum(fit, [BUDGET], Goal(["knowledge"]))
    capped = Deployment(max_tokens=free["n_tokens"].item() / 2)
    lost = regret(fit, [BUDGET], Goal(["knowledge"], deployment=capped)).isel(objective=0, flops=0)
    kink = BUDGET / 6 / capped.max_tokens
    smaller = lost.sel(n_params=lost["n_params"] < 0.9 * kink)
    assert bool(np.isinf(smaller["extra_compute"]).all())
    np.testing.assert_allclose(smaller["n_tokens"], capped.max_tokens)


def test_expected_losses_are_means_over_draws(approximate):
    laws = with_slopes(approximate, np.array([(0.5, 0.3, 0.15), (0.3, 0.5, 0.15)]))
    both = regret(laws, [BUDGET], Goal(["knowledge"])).isel(objective=0, flops=0)
    size = 1e10
    objective = make_objectives(laws, ["knowledge"])[0]
    law, path = production(laws), Deployment().path(BUDGET)
    best = expected_score(law, objective, path.n_params, path.n_tokens).max(axis=1)
    here = expected_score(law, objective, np.array([size]), np.array([BUDGET / 6 / size]))[:, 0]
    found = both["score_lost"].sel(n_params=size).item()
    assert found == pytest.approx((best - here).mean(), abs=1e-4)


def test_sizes_are_preferred_numbers_and_those_without_tokens_are_empty(lost):
    sizes = lost["n_params"].to_numpy()
    assert set(np.round(sizes / 10 ** np.floor(np.log10(sizes)), 2)) == set(LADDER)
    impossible = lost["score_lost"].isnull().to_numpy()
    assert (sizes[impossible] < BUDGET / 6 / 1e14).all()


def test_the_safe_range_is_around_the_least_loss_and_never_jumps():
    sizes = np.array([1.0, 2, 4, 8, 16, 32])
    nothing, much = SAFE_LOSS / 2, SAFE_LOSS * 2
    loss = np.array([nothing, much, nothing, 0.0, much, np.nan])
    assert _safe_range(sizes, loss) == {
        "least_regret_params": 8,
        "safe_lower": 4,
        "safe_upper": 8,
    }
    unsafe = _safe_range(sizes, loss + SAFE_LOSS)
    assert unsafe["least_regret_params"] == 8
    assert np.isnan([unsafe["safe_lower"], unsafe["safe_upper"]]).all()
    assert np.isnan(list(_safe_range(sizes, loss * np.nan).values())).all()
