"""Figures of skills: what is drawn where, from tables made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from drawn import assert_text_is_legible, markers
from skillscale.errors import SpecError, UnknownNameError
from skillscale.plots.families import plot_efficiencies, plot_instruct_effect
from skillscale.plots.item_curves import plot_item_curves
from skillscale.plots.levels import plot_level_curves
from skillscale.plots.loadings import plot_loadings, plot_skill_correlations
from skillscale.plots.model_skills import plot_model_skills
from skillscale.skills.reading import Reading, read_skills
from skillscale.skills.tables import GIVEN

SKILLS = ["knowledge", "reasoning", "commonsense", "instruction_following"]


def numbers(median: float, prefix: str = "") -> dict[str, float]:
    """A summary with intervals as wide as their percent: 80 % is 0.8 to both sides."""
    ends = {
        f"{prefix}{end}_{percent}": median + sign * percent / 100
        for percent in (50, 80, 95)
        for end, sign in (("lower", -1), ("upper", 1))
    }
    return {f"{prefix}median": median, **ends}


def loading_table(cells: dict[tuple[str, str], float]) -> pd.DataFrame:
    """Loadings; zero ones are fixed."""
    return pd.DataFrame(
        {"benchmark": benchmark, "skill": skill, "is_fixed": value == 0}
        | numbers(value, "standardised_")
        for (benchmark, skill), value in cells.items()
    )


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_a_cell_of_loadings_says_its_number_and_interval():
    cells = {("a", "x"): 0.2, ("a", "y"): -2.0, ("b", "x"): 3.0, ("b", "y"): 0.0}
    figure = plot_loadings(loading_table(cells))
    (ax,) = figure.axes
    # By the skill read most: b reads x, a reads y.
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    texts = {
        (round(t.get_position()[0]), round(t.get_position()[1]), t.get_text()) for t in ax.texts
    }
    assert texts == {
        (0, 0, "3.00"),
        (0, 0, "2.20 to 3.80"),
        (0, 1, "0.20"),
        (0, 1, "\N{MINUS SIGN}0.60 to 1.00"),
        (1, 1, "\N{MINUS SIGN}2.00"),
        (1, 1, "\N{MINUS SIGN}2.80 to \N{MINUS SIGN}1.20"),
    }


def test_cells_that_may_have_either_sign_are_hatched_and_minus_has_its_own_colour():
    cells = {("a", "x"): 0.2, ("a", "y"): -2.0, ("b", "x"): 3.0, ("b", "y"): 0.0}
    figure = plot_loadings(loading_table(cells))
    squares = {
        (patch.get_x() + 0.5, patch.get_y() + 0.5): patch
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle)
    }
    assert {place: bool(patch.get_hatch()) for place, patch in squares.items()} == {
        (0.0, 0.0): False,
        (0.0, 1.0): True,
        (1.0, 1.0): False,
    }
    red, _, blue, _ = squares[1.0, 1.0].get_facecolor()
    assert red > blue
    assert words(figure) == {
        "reads the skill",
        "reads it with a minus",
        "fixed at zero",
        "80 % interval includes zero",
    }


def test_the_legend_of_loadings_explains_only_what_is_drawn():
    assert words(plot_loadings(loading_table({("a", "x"): 2.0}))) == {"reads the skill"}


def test_no_text_of_loadings_is_cut_or_overlaps_its_neighbour():
    cells = {(f"benchmark_{j}", skill): j / 5 for j in range(1, 13) for skill in SKILLS}
    assert_text_is_legible(plot_loadings(loading_table(cells)))


def test_correlations_have_a_row_per_pair_and_a_mark_per_thing_taken_out():
    rows = [
        {"skill": "x", "other": other, "given": given, **numbers(value)}
        for other in ("y", "z")
        for given, value in zip(GIVEN, (0.9, 0.5, 0.1), strict=True)
    ]
    figure = plot_skill_correlations(pd.DataFrame(rows))
    marks = sorted(markers(figure, "o"), key=lambda xy: xy[1])
    np.testing.assert_allclose([x for x, _ in marks], [0.9, 0.5, 0.1] * 2)
    assert [round(y) for _, y in marks] == [0, 0, 0, 1, 1, 1]
    assert_text_is_legible(figure)


@pytest.fixture
def models() -> pd.DataFrame:
    """Two families of two sizes, the larger first, and skills that are their place in the table."""
    rows = [("a-7b", "a", 7e9), ("a-1b", "a", 1e9), ("b-7b", "b", 7e9), ("b-1b", "b", 1e9)]
    return pd.DataFrame(
        {"model": model, "family": family, "n_params": size, "skill": skill}
        | numbers(i + 10 * SKILLS.index(skill))
        for i, (model, family, size) in enumerate(rows)
        for skill in SKILLS
    )


def test_models_lie_at_both_their_skills_and_families_are_joined_by_size(models):
    figure = plot_model_skills(models, ["knowledge", "reasoning"], ["a"])
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("knowledge", "reasoning")
    others, family = (line.get_xydata().tolist() for line in ax.lines)
    assert family == [[1.0, 11.0], [0.0, 10.0]]
    assert sorted(others) == [[2.0, 12.0], [3.0, 13.0]]
    crosses = [c for c in ax.collections if isinstance(c, LineCollection)]
    (ends,) = {tuple(np.round(c.get_segments()[0][:, 0], 6)) for c in crosses[2:3]}
    assert ends == (0.2, 1.8)


def test_every_pair_of_skills_has_a_panel_and_no_text_overlaps(models):
    figure = plot_model_skills(models)
    assert len(figure.axes) == 6
    assert_text_is_legible(figure)


def test_what_models_can_not_be_shown_by_is_said(models):
    with pytest.raises(UnknownNameError, match=r"skill 'reasonin' .* Nearest: 'reasoning'"):
        plot_model_skills(models, ["knowledge", "reasonin"])
    with pytest.raises(UnknownNameError, match="family 'c' is not in this table"):
        plot_model_skills(models, families=["c"])
    with pytest.raises(SpecError, match="two skills make a panel, found 1"):
        plot_model_skills(models, ["knowledge"])
    with pytest.raises(SpecError, match="6 families can be told apart, found 7"):
        plot_model_skills(models, families=["a"] * 7)


@pytest.fixture
def families() -> pd.DataFrame:
    """Two base families, a chat family better than its base, and one without a base."""
    rows = [
        ("good", "base", None, 2.0),
        ("poor", "base", None, 0.0),
        ("poor-chat", "instruct", "poor", 3.0),
        ("lone-chat", "instruct", None, 1.0),
    ]
    return pd.DataFrame(
        {"family": family, "tuning": tuning, "base_family": base, "skill": skill} | numbers(value)
        for skill in SKILLS
        for family, tuning, base, value in rows
    )


def test_families_are_beneath_their_base_and_blocks_by_the_best_of_them(families):
    figure = plot_efficiencies(families)
    assert [ax.get_title() for ax in figure.axes][:2] == ["knowledge", "reasoning"]
    ax = figure.axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["poor", "+ poor-chat", "good", "lone-chat"]
    marks = [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert sorted(marks, key=lambda xy: xy[1]) == [(0.0, 0.0), (3.0, 1.0), (2.0, 2.0), (1.0, 3.0)]
    (joined,) = (line.get_xydata().tolist() for line in ax.lines if line.get_marker() == "None")
    assert joined == [[0.0, 0.0], [3.0, 1.0]]
    assert_text_is_legible(figure)


def test_a_choice_of_families_and_the_first_few_leave_out_the_others(families):
    few = plot_efficiencies(families, n=1).axes[0]
    assert [label.get_text() for label in few.get_yticklabels()] == ["poor", "+ poor-chat"]
    assert few.get_title() == "knowledge (first 1)"
    chosen = plot_efficiencies(families, ["poor-chat", "good"]).axes[0]
    assert [label.get_text() for label in chosen.get_yticklabels()] == ["poor-chat", "good"]
    with pytest.raises(UnknownNameError, match=r"family 'por' .* Nearest: 'poor'"):
        plot_efficiencies(families, ["por"])
    with pytest.raises(SpecError, match="n counts base families to show, found 0"):
        plot_efficiencies(families, n=0)


def test_seventy_families_stay_legible(families):
    many = pd.concat(
        families[families["tuning"] == "base"].assign(
            family=lambda own, i=i: own["family"] + f"-with-a-rather-long-name-{i}"
        )
        for i in range(35)
    )
    assert_text_is_legible(plot_efficiencies(many, n=None))


def test_the_effect_of_tuning_has_a_row_per_skill_and_a_point_per_family():
    effects = pd.DataFrame(
        {"skill": skill, "benchmark": "ifeval"} | numbers(i) | numbers(-0.1, "score_")
        for i, skill in enumerate(SKILLS)
    )
    pairs = pd.DataFrame({"skill": ["reasoning", "reasoning"], "median": [0.4, -0.2]})
    figure = plot_instruct_effect(effects, pairs)
    (ax,) = figure.axes
    shown = sorted(markers(figure, "o"))
    assert [x for x, _ in shown] == [-0.2, 0.4]
    assert {round(y) for _, y in shown} == {1}
    widths = {round(bar.get_width(), 6) for bar in ax.containers[0]}
    assert widths == {1.9}
    assert "\N{MINUS SIGN}10.0 points of ifeval" in ax.texts[0].get_text()
    of_pairs = {"an instruct family less its base, median"}
    assert words(figure) - words(plot_instruct_effect(effects)) == of_pairs
    assert "median" in words(figure)
    assert_text_is_legible(figure)


def test_item_curves_show_chance_ceiling_and_every_score():
    step, model = ("benchmark", "step"), ("benchmark", "model")
    curves = xr.Dataset(
        {
            "grid": (step, [[0.0, 1.0]]),
            **{name: (step, [[0.3, 0.8]]) for name in ("median", "lower_80", "upper_80")},
            "predictor": (model, [[0.2, 0.6, np.nan]]),
            "predictor_lower": (model, [[0.1, 0.5, np.nan]]),
            "predictor_upper": (model, [[0.3, 0.7, np.nan]]),
            "score": (model, [[0.35, 0.6, np.nan]]),
            "chance": ("benchmark", [0.25]),
            "ceiling": ("benchmark", [0.95]),
        },
        coords={
            "benchmark": ["mmlu"],
            "model": ["a", "b", "c"],
            "tuning": ("model", ["base", "instruct", "base"]),
        },
    )
    figure = plot_item_curves(curves)
    assert markers(figure, "o") == [(0.2, 35.0)]
    assert markers(figure, "^") == [(0.6, 60.0)]
    levels = {
        line.get_linestyle(): line.get_ydata()[0]
        for line in figure.axes[0].lines
        if len(set(line.get_ydata())) == 1 and line.get_linestyle() in (":", "--")
    }
    assert levels == {":": 25.0, "--": 95.0}
    assert_text_is_legible(figure)


def test_level_curves_of_a_rotated_reading_are_in_spreads_above_the_reference(approximate):
    named = read_skills(approximate)
    turned = Reading(named.draws.assign_coords(skill=["skill_1", "skill_2"]), "varimax")
    figure = plot_level_curves(approximate, reading=turned)
    assert [ax.get_title() for ax in figure.axes] == [
        "skill 1 (sd over models)",
        "skill 2 (sd over models)",
    ]
    curves = next(c for c in figure.axes[0].collections if hasattr(c, "levels"))
    zero = curves.get_paths()[list(curves.levels).index(0.0)].vertices
    reference = approximate.spec.reference_params, approximate.spec.reference_tokens
    nearest = np.abs(np.log(zero / reference)).sum(axis=1).min()
    assert nearest < 0.1
    assert_text_is_legible(figure)


def test_level_curves_of_a_reading_name_the_nearest_of_an_unknown_skill(approximate):
    turned = Reading(read_skills(approximate).draws, "varimax")
    with pytest.raises(UnknownNameError, match=r"skill 'knowlege' .* Nearest: 'knowledge'"):
        plot_level_curves(approximate, ["knowlege"], reading=turned)
