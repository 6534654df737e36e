"""Figures of optima: what is drawn of verdicts, budgets and sizes, from results made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from drawn import assert_log_axes_have_ticks, assert_text_is_legible, markers
from skillscale.plots.cheapest import plot_cheapest
from skillscale.plots.optima import plot_optimum
from skillscale.plots.regret import plot_regret

IDENTIFIED, WEAK, NOT = "identified", "weakly identified", "not identified"
TARGET = "mmlu 25 %, gsm8k 50 %, ifeval 25 %"


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()}


def optimum_dataset(verdicts: list[str], lower: list[float], upper: list[float]) -> xr.Dataset:
    """Optima of one skill, a budget each, searched from 100M to 1T; tokens go the other way."""
    flops = [float(f"1e{22 + i}") for i in range(len(verdicts))]
    dims = ("objective", "flops")
    inside = [v == IDENTIFIED for v in verdicts]
    median = np.where(inside, np.sqrt(np.multiply(lower, upper)), np.nan)
    columns = {
        "n_params": median,
        "n_params_lower": lower,
        "n_params_upper": upper,
        "n_tokens": 1e21 / median,
        "n_tokens_lower": np.divide(1e21, upper),
        "n_tokens_upper": np.divide(1e21, lower),
        "prob_lower_bound": np.isclose(lower, 1e8) * 0.5,
        "prob_upper_bound": np.isclose(upper, 1e12) * 0.5,
        "searched_lower": [1e8] * len(verdicts),
        "searched_upper": [1e12] * len(verdicts),
        "searched_tokens_lower": [1e9] * len(verdicts),
        "searched_tokens_upper": [1e13] * len(verdicts),
        "verdict": verdicts,
    }
    return xr.Dataset(
        {name: (dims, np.array(values)[None]) for name, values in columns.items()},
        coords={"objective": ["knowledge"], "flops": flops},
        attrs={"interval": 0.8, "serve_tokens": 0.0},
    )


def regret_dataset(n: int = 1) -> xr.Dataset:
    """A parabola of points, with compute that never makes up for the smallest size."""
    sizes = np.geomspace(1e9, 1e12, 7)
    points = np.log10(sizes / 3e10) ** 2 / 20
    compute = np.where(sizes < 2e9, np.inf, 1 + 10 * points)
    dims = ("objective", "flops", "n_params")
    curves = {
        f"{name}{end}": (dims, np.tile(values * factor, (n, 2, 1)))
        for name, values in (("score_lost", points), ("extra_compute", compute))
        for end, factor in (("", 1.0), ("_lower", 0.8), ("_upper", 1.5))
    }
    names = ["knowledge", "reasoning", "commonsense", "instruction_following"][:n]
    return xr.Dataset(
        curves,
        coords={"objective": names, "flops": [1e22, 1e24], "n_params": sizes},
        attrs={"interval": 0.8, "safe_loss": 0.01},
    )


def test_an_identified_optimum_is_a_point_inside_its_interval():
    figure = plot_optimum(optimum_dataset([IDENTIFIED], [1e9], [1e10]))
    assert markers(figure, "o") == [(1e22, pytest.approx(y)) for y in (10**9.5, 10**11.5)]
    assert markers(figure, "^") == markers(figure, "v") == []


def test_an_optimum_outside_the_search_is_an_arrow_and_never_a_point():
    figure = plot_optimum(optimum_dataset([NOT] * 3, [1e12, 1e8, 1e10], [1e12, 1e8, 1e12]))
    size, tokens = ([line for line in ax.lines if line.get_marker() in "^v"] for ax in figure.axes)
    assert markers(figure, "o") == []
    assert [(line.get_marker(), line.get_xdata()[0]) for line in size] == [
        ("^", 1e22),
        ("v", 1e23),
        ("^", 1e24),
    ]
    assert [line.get_marker() for line in tokens] == ["v", "^", "v"]
    for lines, edges in ((size, (1e8, 1e12)), (tokens, (1e9, 1e13))):
        assert all(not edges[0] <= line.get_ydata()[0] <= edges[1] for line in lines)


def test_a_cap_is_no_edge_of_the_search():
    best = optimum_dataset([IDENTIFIED], [1e11], [1e12])
    figure = plot_optimum(best.assign(prob_upper_bound=0 * best["prob_upper_bound"]))
    assert markers(figure, "^") == []


@pytest.mark.parametrize("n", [1, 4])
def test_no_text_of_an_optimum_is_cut_or_overlaps_its_neighbour(n):
    best = optimum_dataset([IDENTIFIED] * 4, [1e9] * 4, [1e10] * 4)
    names = ["knowledge", "reasoning", "commonsense", "instruction_following"][:n]
    figure = plot_optimum(best.isel(objective=[0] * n).assign_coords(objective=names))
    assert_text_is_legible(figure)
    assert figure.axes[0].get_xlabel() == "budget (FLOP)"
    assert [ax.get_ylabel() for ax in figure.axes[:2]] == ["best size (parameters)", "its tokens"]


@pytest.mark.parametrize("n", [1, 4])
def test_regret_shows_points_and_compute_and_no_text_is_cut(n):
    regret = regret_dataset(n)
    figure = plot_regret(regret)
    assert len(figure.axes) == 2 * n
    points, compute = (ax.lines[0].get_ydata() for ax in figure.axes[:2])
    np.testing.assert_allclose(points, 100 * regret["score_lost"][0, 0])
    np.testing.assert_allclose(compute[1:], regret["extra_compute"][0, 0, 1:])
    assert compute[0] > figure.axes[1].get_ylim()[1]
    assert_text_is_legible(figure)


def test_the_legend_of_optima_says_all_that_is_drawn_and_nothing_else():
    always = {"searched", "20 tokens per parameter"}
    known = plot_optimum(optimum_dataset([IDENTIFIED], [1e9], [1e10]))
    assert words(known) == always | {"median", "identified, 80 % interval"}
    unknown = plot_optimum(optimum_dataset([NOT], [1e10], [1e12]))
    assert words(unknown) == always | {"not identified, 80 % interval", "goes on beyond the search"}
    both = plot_optimum(optimum_dataset([IDENTIFIED, WEAK], [1e9] * 2, [1e10] * 2))
    assert words(both) == words(known) | {"weakly identified, 80 % interval"}


def test_an_optimum_that_is_not_identified_is_never_drawn_as_if_it_were():
    """Not even where a median is given: forms of a stack may disagree."""
    of_forms = optimum_dataset([NOT], [1e9], [1e10])
    figure = plot_optimum(of_forms.assign(n_params=0 * of_forms["n_params_lower"] + 3e9))
    assert markers(figure, "o") == []
    assert "identified, 80 % interval" not in words(figure)
    known = plot_optimum(optimum_dataset([IDENTIFIED], [1e9], [1e10]))
    styles = [
        {line.get_linestyle() for line in drawn.axes[0].lines if line.get_linewidth() > 2}
        for drawn in (figure, known)
    ]
    assert styles[1] == {"-"}
    assert "--" in styles[0], "dotted"


def test_an_optimum_of_which_nothing_is_known_shows_the_search_alone():
    nothing = optimum_dataset([NOT], [np.nan], [np.nan])
    figure = plot_optimum(nothing)
    assert words(figure) == {"searched", "20 tokens per parameter"}
    assert_text_is_legible(figure)


def test_titles_say_what_a_target_weighs():
    best = optimum_dataset([IDENTIFIED], [1e9], [1e10]).assign_coords(objective=["target"])
    figure = plot_optimum(best.assign_attrs(target=TARGET, skills=[]))
    assert {ax.get_title() for ax in figure.axes} == {f"target: {TARGET}"}
    lost = regret_dataset().assign_coords(objective=["target"])
    figure = plot_regret(lost.assign_attrs(target=TARGET, skills=[]))
    assert {ax.get_title() for ax in figure.axes} == {f"target: {TARGET}"}
    long = ", ".join(f"benchmark_{i} 10 %" for i in range(10))
    assert_text_is_legible(plot_optimum(best.assign_attrs(target=long)))


@pytest.mark.parametrize("budgets", [[1e24], [1e24, 1.1e24], np.geomspace(1e20, 1e27, 15)])
def test_axes_of_optima_have_ticks_at_any_budgets(budgets):
    n = len(budgets)
    best = optimum_dataset([IDENTIFIED] * n, [1e9] * n, [1e10] * n).assign_coords(flops=budgets)
    figure = plot_optimum(best)
    assert_log_axes_have_ticks(figure)
    assert_text_is_legible(figure)


def test_served_tokens_are_no_part_of_the_rule_of_thumb():
    best = optimum_dataset([IDENTIFIED], [1e9], [1e10]).assign_attrs(serve_tokens=1e13)
    assert "20 tokens per parameter trained, none served" in words(plot_optimum(best))


@pytest.mark.parametrize("sizes", [[7e9], [7e9, 13e9], [7e9, 7.1e9, 7.2e9]])
def test_regret_of_a_few_sizes_is_points_with_ticks(sizes):
    lost = regret_dataset().isel(n_params=slice(0, len(sizes))).assign_coords(n_params=sizes)
    figure = plot_regret(lost)
    assert len(markers(figure, "o")) >= 2 * len(sizes)
    assert_log_axes_have_ticks(figure)
    assert_text_is_legible(figure)
    if len(sizes) == 2:
        assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["7B", "13B"]


def test_regret_of_many_budgets_has_a_colour_for_each():
    lost = regret_dataset()
    many = lost.isel(flops=[0] * 9).assign_coords(flops=np.geomspace(1e20, 1e28, 9))
    figure = plot_regret(many)
    assert len({line.get_color() for line in figure.axes[1].lines}) == 9
    assert len(words(figure)) == 11
    assert_log_axes_have_ticks(figure)


def test_regret_of_a_size_that_a_budget_can_not_train_is_left_out():
    lost = regret_dataset()
    figure = plot_regret(lost.where(lost["flops"] > 1e23))
    assert "1e22 FLOP" not in words(figure)
    assert {"1e24 FLOP", "80 % interval", "1 point: less is safe"} == words(figure)


def cheapest_dataset(upper: list[float]) -> xr.Dataset:
    """A model of 10B on 1T tokens, whose compute has no upper end where draws never get there."""
    n = len(upper)
    verdicts = [IDENTIFIED if np.isfinite(end) else NOT for end in upper]
    best = optimum_dataset(verdicts, [5e9] * n, [2e10] * n)
    best = best.rename(flops="reach").assign_coords(reach=np.linspace(0.5, 0.8, n))
    flops = {
        f"flops{end}": (("objective", "reach"), [values])
        for end, values in (("_lower", [1e22] * n), ("", [6e22] * n), ("_upper", upper))
    }
    best = best.assign(flops).drop_vars(["searched_tokens_lower", "searched_tokens_upper"])
    return best.assign_coords(objective=["mmlu"]).assign_attrs(skills=[])


def test_the_cheapest_model_has_its_compute_size_and_tokens():
    figure = plot_cheapest(cheapest_dataset([1e23, np.inf]))
    assert [ax.get_xlabel() for ax in figure.axes] == ["score to reach (points)"] * 3
    compute, size, tokens = figure.axes
    assert [x for x, _ in markers(figure, "o")] == pytest.approx([50, 80, 50, 50])
    (arrow,) = (line for line in compute.lines if line.get_marker() == "^")
    assert arrow.get_xdata()[0] == pytest.approx(80)
    assert {"some draws never reach it", "compute, 80 % interval"} <= words(figure)
    assert {"identified, 80 % interval", "not identified, 80 % interval"} <= words(figure)
    assert_log_axes_have_ticks(figure)
    assert_text_is_legible(figure)
    assert size.get_ylabel() == "its size (parameters)"
    assert tokens.get_ylabel() == "its tokens"


def test_a_goal_out_of_reach_is_said_to_be():
    best = cheapest_dataset([np.inf])
    nothing = best.assign(
        {name: best[name] + np.nan for name in ("n_params_lower", "n_tokens_lower", "n_params")}
    )
    figure = plot_cheapest(nothing.assign(flops_lower=best["flops_upper"]))
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["out of reach"] * 3
    assert markers(figure, "o") == []
    assert not figure.legends
