"""The cheapest model for a goal, against brute force over sizes and tokens."""

from __future__ import annotations

import numpy as np
import pytest

from skillscale import Deployment, Goal, cheapest, optimum
from skillscale.errors import SpecError
from skillscale.optima.objectives import expected_score, make_objectives
from skillscale.posterior.one_family import production
from tampered import with_laws, with_posterior

LAWS = ((0.6, 0.5, 0.12), (0.7, 0.6, 0.15))


@pytest.fixture(scope="module")
def fit(approximate):
    """Draws that differ in the link, not in how far progress is; all have optima inside."""
    return with_posterior(with_laws(approximate, *LAWS), innovation=np.zeros_like, effect=the_mean)


def the_mean(values: np.ndarray) -> np.ndarray:
    return np.broadcast_to(values.mean(axis=(0, 1)), values.shape).copy()


@pytest.mark.parametrize("served", [0.0, 1e13])
@pytest.mark.parametrize(
    "named", [{"benchmarks": ["bbh"]}, {"target": {"mmlu": 1, "gsm8k": 1}}], ids=["one", "target"]
)
def test_nothing_cheaper_reaches_the_goal_in_any_draw(fit, named, served):
    goal, deployment = 0.4, Deployment(serve_tokens=served)
    found = cheapest(fit, [goal], Goal(**named, deployment=deployment, interval=0.9))
    (objective,) = make_objectives(fit, **named)
    sizes, tokens = (
        axis.ravel()
        for axis in np.meshgrid(np.geomspace(1e8, 1e12, 161), np.geomspace(1e10, 1e14, 161))
    )
    scores = expected_score(production(fit, n_draws=40), objective, sizes, tokens)
    flops = np.where(scores >= goal, deployment.flops(sizes, tokens), np.inf).min(axis=1)
    assert np.isfinite(flops).all()
    draws = cheapest_by_draw(fit, goal, named, deployment, n_draws=40)
    # Steps of 6 % in size and in tokens: brute force is never cheaper, nor dearer by more.
    assert (flops >= 0.999 * draws).all()
    assert (flops <= 1.13 * draws).all()
    assert found["flops_lower"].item() <= np.median(draws) <= found["flops_upper"].item()
    assert found["prob_reached"].item() == 1


def cheapest_by_draw(fit, goal, named, deployment, n_draws):
    from skillscale.optima.cheapest import _cheapest_per_draw

    (objective,) = make_objectives(fit, **named)
    choice = _cheapest_per_draw(production(fit, n_draws=n_draws), objective, deployment, goal)
    return deployment.flops(choice.n_params, choice.n_tokens)


def test_the_cheapest_for_what_a_budget_reaches_is_the_best_of_that_budget(fit):
    """The two questions are dual: what 1e24 FLOP make best is cheapest at 1e24 FLOP."""
    best = optimum(fit, [1e24], Goal(benchmarks=["mmlu"])).isel(objective=0, flops=0)
    objective = make_objectives(fit, benchmarks=["mmlu"])[0]
    at = np.array([best["n_params"].item()]), np.array([best["n_tokens"].item()])
    score = float(np.median(expected_score(production(fit), objective, *at)))
    least = cheapest(fit, [score], Goal(benchmarks=["mmlu"])).isel(objective=0, reach=0)
    assert np.log(least["flops"].item() / 1e24) == pytest.approx(0, abs=0.02)
    assert np.log(least["n_params"].item() / best["n_params"].item()) == pytest.approx(0, abs=0.16)


def test_serving_favours_smaller_models(fit):
    sizes = [
        cheapest(fit, [0.5], Goal(benchmarks=["mmlu"], deployment=Deployment(serve_tokens=served)))[
            "n_params"
        ].item()
        for served in (0.0, 1e12, 1e14)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_too_few_tokens_make_for_a_larger_model_and_are_named(fit):
    free = cheapest(fit, [0.5], Goal(benchmarks=["mmlu"])).isel(objective=0, reach=0)
    cap = free["n_tokens_lower"].item() / 2
    capped = cheapest(fit, [0.5], Goal(benchmarks=["mmlu"], deployment=Deployment(max_tokens=cap)))
    assert capped["limit"].item() == "limited by tokens"
    assert capped["n_tokens_upper"].item() <= cap
    assert capped["n_params"].item() > free["n_params"].item()
    assert capped["flops"].item() > free["flops"].item()


def test_a_cap_on_size_is_named(fit):
    free = cheapest(fit, [0.5], Goal(benchmarks=["mmlu"])).isel(objective=0, reach=0)
    cap = free["n_params_lower"].item() / 2
    capped = cheapest(fit, [0.5], Goal(benchmarks=["mmlu"], deployment=Deployment(max_params=cap)))
    assert capped["limit"].item() == "limited by size"
    assert capped["n_params"].item() == pytest.approx(cap)


def test_of_listed_sizes_the_cheapest_is_chosen(fit):
    sizes = (1e9, 1e10, 1e11)
    each = [
        cheapest(fit, [0.5], Goal(benchmarks=["mmlu"], deployment=Deployment(sizes=(size,))))
        for size in sizes
    ]
    together = cheapest(fit, [0.5], Goal(benchmarks=["mmlu"], deployment=Deployment(sizes=sizes)))
    costs = [one["flops"].item() for one in each]
    assert together["n_params"].item() == sizes[int(np.argmin(costs))]


def test_what_is_out_of_reach_costs_without_end(fit):
    far = cheapest(fit, [0.999], Goal(benchmarks=["gsm8k"])).isel(objective=0, reach=0)
    assert far["prob_reached"].item() == 0
    assert far["flops"].item() == np.inf
    assert far["limit"].item() == "out of reach"
    assert far["verdict"].item() == "not identified"
    assert np.isnan(far["n_params_upper"].item())


def test_what_the_smallest_search_reaches_is_at_its_edge(fit):
    near = cheapest(fit, [-30.0], Goal(["knowledge"])).isel(objective=0, reach=0)
    assert near["limit"].item() == "smaller than searched"
    assert np.isnan(near["n_params"].item())


@pytest.mark.parametrize(
    ("goal", "named", "words"),
    [
        (80, {"benchmarks": ["mmlu"]}, "between 0 and 1, found 80 for mmlu. Scores are fractions"),
        (0.0, {"target": {"mmlu": 1, "bbh": 1}}, "between 0 and 1, found 0 for target"),
        (float("nan"), {"skills": ["knowledge"]}, "a skill to reach must be finite, found nan"),
    ],
)
def test_a_goal_that_is_none_is_refused(fit, goal, named, words):
    with pytest.raises(SpecError, match=words):
        cheapest(fit, [goal], Goal(**named))
