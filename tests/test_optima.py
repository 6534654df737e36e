"""Compute optima, against the closed form of the translog."""

from __future__ import annotations

import re

import numpy as np
import pytest

from skillscale import optimum
from skillscale.errors import SpecError, UnknownNameError
from skillscale.optima import GRID, PARAMS_RANGE, TOKENS_RANGE
from tampered import with_posterior

BUDGETS = [1e22, 1e24]


def with_slopes(fit, slopes: np.ndarray):
    """The fit with slopes of shape (draw, input), the same for all skills."""

    def replace(values):
        n_chain, n_draw, _, n_skill = values.shape
        repeated = np.resize(slopes, (n_chain * n_draw, 3))
        return np.repeat(repeated[..., None], n_skill, axis=-1).reshape(values.shape)

    return with_posterior(fit, slope=replace)


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
    assert (best["verdict"] == "inside the range").all()
    np.testing.assert_allclose(6 * best["n_params"] * best["n_tokens"], budget, rtol=1e-6)


def test_intervals_hold_the_closed_form_of_every_draw(approximate):
    rng = np.random.default_rng(0)
    slopes = np.column_stack(
        [rng.normal(0.5, 0.05, 400), rng.normal(0.45, 0.05, 400), rng.uniform(0.2, 0.4, 400)]
    )
    best = optimum(with_slopes(approximate, slopes), [1e23], interval=0.8).isel(skill=0, flops=0)
    sizes = np.array([closed_form(approximate, s, 1e23) for s in slopes])
    step = np.log(best["searched_upper"] / best["searched_lower"]).item() / (GRID - 1)
    for name, q in (("n_params_lower", 0.1), ("n_params", 0.5), ("n_params_upper", 0.9)):
        assert abs(np.log(best[name].item() / np.quantile(sizes, q))) < 1.1 * step, name


@pytest.mark.parametrize(
    ("slope", "verdict"),
    [
        ((0.6, 0.3, 0.0), "larger than searched"),
        ((0.3, 0.6, 0.0), "smaller than searched"),
        ((0.5, 0.45, -0.1), None),
        ((0.3, 0.6, -0.3), None),
    ],
)
def test_without_a_positive_interaction_no_optimum_is_inside(approximate, slope, verdict):
    best = optimum(with_slopes(approximate, np.array([slope])), BUDGETS)
    assert bool((best["prob_interior"] == 0).all())
    assert bool(best["n_params"].isnull().all())
    assert bool(best["n_tokens"].isnull().all())
    assert not (best["verdict"] == "inside the range").any()
    if verdict:
        assert (best["verdict"] == verdict).all()


def test_laws_that_disagree_give_no_optimum(approximate):
    slopes = np.array([[0.8, 0.1, 0.0], [0.1, 0.8, 0.0]])
    best = optimum(with_slopes(approximate, slopes), [1e23])
    assert (best["verdict"] == "the data can't tell").all()
    np.testing.assert_allclose(best["prob_lower_bound"], 0.5, atol=0.01)
    np.testing.assert_allclose(best["prob_upper_bound"], 0.5, atol=0.01)


def test_probabilities_sum_to_one_and_intervals_are_ordered(sampled):
    best = optimum(sampled, [1e21, 1e23, 1e25])
    total = best["prob_interior"] + best["prob_lower_bound"] + best["prob_upper_bound"]
    np.testing.assert_allclose(total, 1, atol=1e-6)
    for name in ("n_params", "n_tokens"):
        assert bool((best[f"{name}_lower"] <= best[f"{name}_upper"]).all())
        inside = best[name].notnull() & (best["prob_interior"] == 1)
        ordered = (best[f"{name}_lower"] <= best[name]) & (best[name] <= best[f"{name}_upper"])
        assert bool(ordered.where(inside, True).all())
    assert bool((best["n_params_lower"] >= 0.999 * best["searched_lower"]).all())
    assert bool((best["n_params_upper"] <= 1.001 * best["searched_upper"]).all())
    assert list(best["skill"].to_numpy()) == list(sampled.spec.skills)


def test_wider_intervals_hold_narrower_ones(sampled):
    narrow, wide = (optimum(sampled, [1e23], interval=i) for i in (0.5, 0.95))
    assert bool((wide["n_params_lower"] <= narrow["n_params_lower"]).all())
    assert bool((wide["n_params_upper"] >= narrow["n_params_upper"]).all())


def test_the_search_keeps_within_sizes_and_tokens(approximate):
    best = optimum(approximate, [1e23], params_range=(1e9, 1e11), tokens_range=(1e12, 5e12))
    pairs = 1e23 / 6
    np.testing.assert_allclose(best["searched_lower"], max(1e9, pairs / 5e12))
    np.testing.assert_allclose(best["searched_upper"], min(1e11, pairs / 1e12))


def test_skills_can_be_chosen(approximate):
    best = optimum(approximate, [1e23], skills=["reasoning"])
    whole = optimum(approximate, [1e23])
    assert (
        best["prob_interior"]
        .sel(skill="reasoning")
        .equals(whole["prob_interior"].sel(skill="reasoning"))
    )


@pytest.mark.parametrize("budget", [0.0, -1e23, float("nan")])
def test_a_budget_must_be_positive(approximate, budget):
    with pytest.raises(SpecError, match="a budget must be positive"):
        optimum(approximate, [budget])


def test_a_budget_no_model_fits_is_named(approximate):
    sentence = f"at 1e+10 FLOP no size between {PARAMS_RANGE[0]:g} and {PARAMS_RANGE[1]:g} leaves"
    with pytest.raises(SpecError, match=re.escape(sentence)) as error:
        optimum(approximate, [1e10])
    assert f"{TOKENS_RANGE[0]:g}" in str(error.value)


def test_an_unknown_skill_is_named(approximate):
    with pytest.raises(UnknownNameError, match=r"skill 'reasonin' .* Nearest: 'reasoning'"):
        optimum(approximate, [1e23], skills=["reasonin"])
