"""Compute optima, against the closed form of the translog."""

from __future__ import annotations

import re

import numpy as np
import pytest

from skillscale import Deployment, Goal, optimum
from skillscale.errors import SpecError, UnknownNameError
from skillscale.formatting import format_size_interval
from skillscale.law.priors import slope_prior
from skillscale.optima.deployment import GRID
from small import by_name
from tampered import with_laws, with_posterior, with_slopes, without_own_slopes

BUDGETS = [1e22, 1e24]


def closed_form(fit, slope, budget: float) -> float:
    """Best size from the first-order condition, in logs centred at the reference."""
    b1, b2, b3 = slope
    spec = fit.spec
    c = np.log(budget / 6 / spec.reference_params / spec.reference_tokens)
    return spec.reference_params * np.exp(((b1 - b2) + b3 * c) / (2 * b3))


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("slope", [(0.5, 0.4, 0.15), (0.3, 0.45, 0.2), (0.6, 0.5, 0.5)])
def test_the_optimum_of_one_law_is_its_closed_form(approximate, slope, budget):
    one_law = with_slopes(approximate, np.array([slope]))
    best = optimum(one_law, [budget])
    expected = closed_form(approximate, slope, budget)
    assert best["searched_lower"][0, 0] < expected < best["searched_upper"][0, 0]
    step = np.log(best["searched_upper"] / best["searched_lower"]) / (GRID - 1)
    error = np.abs(np.log(best["n_params"] / expected))
    assert bool((error <= step).all())
    assert bool((best["prob_interior"] == 1).all())
    assert (best["verdict"] == "identified").all()
    assert (best["limit"] == "").all()
    np.testing.assert_allclose(6 * best["n_params"] * best["n_tokens"], budget, rtol=1e-6)


def test_intervals_hold_the_closed_form_of_every_draw(approximate):
    rng = np.random.default_rng(0)
    slopes = np.column_stack(
        [rng.normal(0.5, 0.05, 400), rng.normal(0.45, 0.05, 400), rng.uniform(0.2, 0.4, 400)]
    )
    best = optimum(with_slopes(approximate, slopes), [1e23], Goal(interval=0.8)).isel(
        objective=0, flops=0
    )
    sizes = np.array([closed_form(approximate, s, 1e23) for s in slopes])
    step = np.log(best["searched_upper"] / best["searched_lower"]).item() / (GRID - 1)
    for name, q in (("n_params_lower", 0.1), ("n_params", 0.5), ("n_params_upper", 0.9)):
        assert abs(np.log(best[name].item() / np.quantile(sizes, q))) < 1.1 * step, name


@pytest.mark.parametrize(
    ("slope", "limit"),
    [
        ((0.6, 0.3, 0.0), "larger than searched"),
        ((0.3, 0.6, 0.0), "smaller than searched"),
        ((0.5, 0.45, -0.1), None),
        ((0.3, 0.6, -0.3), None),
    ],
)
def test_without_a_positive_interaction_no_optimum_is_inside(approximate, slope, limit):
    best = optimum(with_slopes(approximate, np.array([slope])), BUDGETS)
    assert bool((best["prob_interior"] == 0).all())
    for name in ("n_params", "n_tokens", "tokens_per_param", "flops_spent"):
        assert bool(best[name].isnull().all())
    assert (best["verdict"] == "not identified").all()
    if limit:
        assert (best["limit"] == limit).all()


def test_laws_that_disagree_give_no_optimum(approximate):
    slopes = np.array([[0.8, 0.1, 0.0], [0.1, 0.8, 0.0]])
    best = optimum(with_slopes(approximate, slopes), [1e23])
    assert (best["verdict"] == "not identified").all()
    np.testing.assert_allclose(best["prob_lower_bound"], 0.5, atol=0.01)
    np.testing.assert_allclose(best["prob_upper_bound"], 0.5, atol=0.01)


def test_below_the_middle_of_the_saddle_there_is_no_optimum(approximate):
    """With these slopes tokens do harm below a hundredth of the reference size, and size too."""
    saddle = with_slopes(approximate, np.array([[0.9, 0.9, 0.3]]))
    low, high = optimum(saddle, [1e20, 1e24]).transpose("flops", "objective")["limit"].to_numpy()
    assert (low == "where more compute does harm").all()
    assert (high == "").all()


def test_slopes_from_the_prior_are_not_narrowed(approximate):
    prior = slope_prior(approximate.spec, np.ones(len(approximate.spec.skills)))
    rng = np.random.default_rng(7)

    def drawn(values: np.ndarray) -> np.ndarray:
        return rng.normal(prior.mean, np.sqrt(prior.variance), values.shape)

    best = optimum(with_posterior(approximate, slope=drawn), [1e23])
    np.testing.assert_allclose(best["narrowing"], 0, atol=0.1)
    assert (best["verdict"] == "not identified").all()


def test_one_law_is_narrowed_wholly(approximate):
    best = optimum(with_slopes(approximate, np.array([(0.5, 0.4, 0.15)])), [1e23])
    np.testing.assert_allclose(best["narrowing"], 1)


def test_a_benchmark_is_best_where_its_reading_of_the_skills_is(approximate):
    fit = without_own_slopes(approximate)
    best = optimum(fit, [1e23], Goal(benchmarks=["bbh"])).isel(objective=0, flops=0)
    slope, loading = (by_name(fit)[name] for name in ("slope", "loading"))
    bbh = approximate.design.coords["benchmark"].index("bbh")
    reading = np.einsum("dik,dk->di", slope, loading[:, bbh])
    at_bound = reading[:, 2] <= 0
    with np.errstate(over="ignore"):  # beyond the search by far
        sizes = closed_form(approximate, reading.T, 1e23)[~at_bound]
    low, high = best["searched_lower"].item(), best["searched_upper"].item()
    expected = ((sizes > low) & (sizes < high)).sum() / len(reading)
    found = best["prob_interior"].item() + best["prob_harm"].item()
    assert found == pytest.approx(expected, abs=0.03)


def test_an_anchor_is_best_where_its_skill_is(approximate):
    best = optimum(approximate, [1e23], Goal(["knowledge"], benchmarks=["mmlu"]))
    skill, anchor = (best.sel(objective=name).drop_vars("objective") for name in best["objective"])
    assert skill.equals(anchor)


def test_the_efficiency_of_a_family_moves_a_target_but_no_single_benchmark(approximate):
    """There are no own slopes, so that families differ in efficiency alone."""
    level = with_laws(approximate, (0.7, 0.2, 0.15), (0.4, 0.5, 0.15))
    common = {"benchmarks": ["bbh"], "target": {"mmlu": 1, "gsm8k": 1}}
    typical, known = (
        optimum(level, [1e24], Goal(family=family, **common))["n_params_lower"].to_numpy()
        for family in (None, "gpt2")
    )
    assert typical[0] == known[0]
    assert typical[1] != known[1]


def test_a_target_of_one_benchmark_is_that_benchmark(approximate):
    best = optimum(approximate, [1e23], Goal(benchmarks=["bbh"], target={"bbh": 3}))
    np.testing.assert_array_equal(*best["n_params_lower"].to_numpy())
    assert list(best["objective"].to_numpy()) == ["bbh", "target"]


def test_a_target_lies_between_its_benchmarks(approximate):
    fit = with_laws(approximate, (0.7, 0.2, 0.15), (0.4, 0.5, 0.15))
    best = optimum(fit, [1e23], Goal(benchmarks=["mmlu", "gsm8k"], target={"mmlu": 1, "gsm8k": 1}))
    larger, smaller, both = best["n_params"].to_numpy().ravel()
    assert smaller < both < larger


def test_tokens_at_a_median_size_spend_the_budget(approximate):
    slopes = np.random.default_rng(1).normal((0.5, 0.45, 0.25), 0.02, (399, 3))
    best = optimum(with_slopes(approximate, slopes), [1e22, 1e23, 1e24])
    spent = 6 * best["n_params"] * best["n_tokens"]
    np.testing.assert_allclose(spent, np.broadcast_to(best["flops"], spent.shape), rtol=1e-6)
    np.testing.assert_allclose(best["flops_spent"], spent, rtol=1e-6)


def test_serving_moves_the_optimum_to_the_closed_form_of_its_budget(approximate):
    """On 6ND + 2NS = C the slope in log tokens is that of -6ND over C - 2NS."""
    slope, served = (0.5, 0.4, 0.15), 1e13
    spec = approximate.spec
    one_law = with_slopes(approximate, np.array([slope]))
    best = optimum(one_law, [1e24], Goal(deployment=Deployment(serve_tokens=served)))
    sizes = np.geomspace(1e9, 1e24 / (2 * served) * 0.999, 100_001)
    n = np.log(sizes / spec.reference_params)
    d = np.log((1e24 / sizes - 2 * served) / 6 / spec.reference_tokens)
    expected = sizes[np.argmax(slope[0] * n + slope[1] * d + slope[2] * n * d)]
    step = np.log(best["searched_upper"] / best["searched_lower"]) / (GRID - 1)
    assert bool((np.abs(np.log(best["n_params"] / expected)) <= step).all())
    np.testing.assert_allclose(best["flops_spent"], 1e24, rtol=1e-6)


def test_a_cap_on_tokens_moves_the_optimum_to_the_size_that_uses_them_up(approximate):
    slope = (0.3, 0.45, 0.2)
    one_law = with_slopes(approximate, np.array([slope]))
    free = optimum(one_law, [1e24]).isel(objective=0, flops=0)
    cap = free["n_tokens"].item() / 3
    capped = optimum(one_law, [1e24], Goal(deployment=Deployment(max_tokens=cap)))
    assert (capped["limit"] == "limited by tokens").all()
    assert (capped["verdict"] == "identified").all()
    np.testing.assert_allclose(capped["prob_cap"], 1)
    np.testing.assert_allclose(capped["n_tokens"], cap)
    np.testing.assert_allclose(capped["n_params"], 1e24 / 6 / cap)


def test_two_caps_leave_a_part_of_the_budget(approximate):
    one_law = with_slopes(approximate, np.array([(0.6, 0.5, 0.1)]))
    both = Deployment(max_tokens=1e12, max_params=1e10)
    best = optimum(one_law, [1e24], Goal(deployment=both))
    assert (best["limit"] == "limited by size and tokens").all()
    np.testing.assert_allclose(best["flops_spent"], 6e22)


def test_a_cap_on_size_is_shown_and_named(approximate):
    one_law = with_slopes(approximate, np.array([(0.6, 0.3, 0.0)]))
    best = optimum(one_law, [1e24], Goal(deployment=Deployment(max_params=7e10)))
    assert (best["limit"] == "limited by size").all()
    np.testing.assert_allclose(best["n_params"], 7e10)


def test_of_a_list_of_sizes_the_best_is_chosen(approximate):
    one_law = with_slopes(approximate, np.array([(0.5, 0.4, 0.15)]))
    expected = closed_form(approximate, (0.5, 0.4, 0.15), 1e24)
    sizes = tuple(expected * np.array([0.2, 1.05, 6.0]))
    best = optimum(one_law, [1e24], Goal(deployment=Deployment(sizes=sizes)))
    np.testing.assert_allclose(best["n_params"], sizes[1])
    assert (best["verdict"] == "identified").all()


def test_experts_change_the_total_size_alone(approximate):
    dense, sparse = (
        optimum(approximate, [1e23], Goal(deployment=Deployment(total_per_active=ratio)))
        for ratio in (1.0, 8.0)
    )
    np.testing.assert_array_equal(sparse["n_total_params"], 8 * dense["n_params"])
    assert sparse.drop_vars("n_total_params").equals(dense.drop_vars("n_total_params"))


def test_probabilities_sum_to_one_and_intervals_are_ordered(sampled):
    best = optimum(sampled, [1e21, 1e23, 1e25])
    kinds = ("interior", "lower_bound", "upper_bound", "cap", "harm")
    total = sum(best[f"prob_{kind}"] for kind in kinds)
    np.testing.assert_allclose(total, 1, atol=1e-6)
    for name in ("n_params", "n_tokens"):
        assert bool((best[f"{name}_lower"] <= best[f"{name}_upper"]).all())
        inside = best[name].notnull() & (best["prob_interior"] == 1)
        ordered = (best[f"{name}_lower"] <= best[name]) & (best[name] <= best[f"{name}_upper"])
        assert bool(ordered.where(inside, True).all())
    assert bool((best["n_params_lower"] >= 0.999 * best["searched_lower"]).all())
    assert bool((best["n_params_upper"] <= 1.001 * best["searched_upper"]).all())
    assert list(best["objective"].to_numpy()) == list(sampled.spec.skills)


def test_wider_intervals_hold_narrower_ones(sampled):
    narrow, wide = (optimum(sampled, [1e23], Goal(interval=i)) for i in (0.5, 0.95))
    assert bool((wide["n_params_lower"] <= narrow["n_params_lower"]).all())
    assert bool((wide["n_params_upper"] >= narrow["n_params_upper"]).all())


def test_the_search_keeps_within_sizes_and_tokens(approximate):
    best = optimum(
        approximate, [1e23], Goal(deployment=Deployment(min_params=1e9, min_tokens=1e12))
    )
    pairs = 1e23 / 6
    np.testing.assert_allclose(best["searched_lower"], max(1e9, pairs / 1e14))
    np.testing.assert_allclose(best["searched_upper"], pairs / 1e12)
    np.testing.assert_allclose(best["searched_tokens_upper"], pairs / 1e9)
    np.testing.assert_allclose(best["searched_tokens_lower"], 1e12)


def test_skills_can_be_chosen(approximate):
    best = optimum(approximate, [1e23], Goal(skills=["reasoning"]))
    whole = optimum(approximate, [1e23])
    assert (
        best["prob_interior"]
        .sel(objective="reasoning")
        .equals(whole["prob_interior"].sel(objective="reasoning"))
    )


@pytest.mark.parametrize("budget", [0.0, -1e23, float("nan")])
def test_a_budget_must_be_positive(approximate, budget):
    with pytest.raises(SpecError, match="a budget must be positive"):
        optimum(approximate, [budget])


def test_no_budget_at_all_is_refused(approximate):
    with pytest.raises(SpecError, match="flops is empty: name at least one value"):
        optimum(approximate, [])


def test_a_budget_no_model_fits_is_named(approximate):
    sentence = "at 1e+10 FLOP no size between 1e+08 and 1e+12 leaves between 1e+10 and 1e+14 tokens"
    with pytest.raises(SpecError, match=re.escape(sentence)):
        optimum(approximate, [1e10])


def test_an_unknown_skill_is_named(approximate):
    with pytest.raises(UnknownNameError, match=r"skill 'reasonin' .* Nearest: 'reasoning'"):
        optimum(approximate, [1e23], Goal(skills=["reasonin"]))


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((1e9, 2e10), "1B to 20B"),
        ((1e8, 2e10), "< 100M to 20B"),
        ((1e9, 1e12), "1B to > 1T"),
        ((1e8, 1e12), "< 100M to > 1T"),
        ((1e8, 1e8), "< 100M"),
        ((1e12, 1e12), "> 1T"),
    ],
)
def test_an_edge_of_the_search_is_never_printed_as_a_size(ends, shown):
    row = {
        "n_params_lower": ends[0],
        "n_params_upper": ends[1],
        "searched_lower": 1e8,
        "searched_upper": 1e12,
        "prob_lower_bound": 0.2,
        "prob_upper_bound": 0.2,
    }
    assert format_size_interval(row) == shown
    at_caps = row | {"prob_lower_bound": 0.0, "prob_upper_bound": 0.0}
    assert not set("<>") & set(format_size_interval(at_caps))


def test_an_interval_that_no_draw_has_is_missing():
    keys = ("n_params_lower", "n_params_upper", "searched_lower", "searched_upper")
    row = dict.fromkeys((*keys, "prob_lower_bound", "prob_upper_bound"), float("nan"))
    assert format_size_interval(row) == "-"
