"""Figures of controlled runs: what is drawn where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drawn import assert_text_is_legible, markers
from skillscale.errors import RunsError, SpecError, UnknownNameError
from skillscale.plots.misspecification import plot_misspecification
from skillscale.plots.ratios import plot_loss_forecast, plot_ratios
from skillscale.plots.runs import plot_isoflop, plot_runs_optimum
from skillscale.runs.estimators import IsoFlop
from skillscale.runs.forecast import forecast_losses
from skillscale.runs.size_ratios import ALL_GROUPS, ratios
from skillscale.runs.validation_sets import misspecification

LOSSES = ["general", "code", "knowledge"]
SURFACE, PARABOLA = "o", "D"


@pytest.fixture(scope="module")
def found(skilled: IsoFlop) -> IsoFlop:
    return skilled


def big_marks(figure: Figure, marker: str) -> list[Line2D]:
    """Lines that mark an optimum: larger than runs are."""
    return [
        line
        for ax in figure.axes
        for line in ax.lines
        if line.get_marker() == marker and line.get_markersize() > 4
    ]


def test_isoflop_curves_have_a_panel_per_loss_and_a_point_per_run(found):
    figure = plot_isoflop(found, "stack", LOSSES[:2])
    assert [ax.get_title() for ax in figure.axes] == ["general", "code"]
    runs = found.runs.select(groups=["stack"])
    for ax, loss in zip(figure.axes, LOSSES, strict=False):
        points = [line for line in ax.lines if line.get_marker() == "o"]
        shown = [xy for line in points if line.get_markersize() < 4 for xy in line.get_xydata()]
        wanted = runs.losses[loss].to_numpy()
        np.testing.assert_allclose(sorted(np.array(shown)[:, 1]), sorted(wanted))
    assert_text_is_legible(figure)


def test_isoflop_curves_mark_the_optimum_of_both_estimators_inside_its_interval(found):
    figure = plot_isoflop(found, "web", ["general"])
    n_budgets = found.runs.budgets().nunique()
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 2]
    surfaces, parabolas = big_marks(figure, SURFACE), big_marks(figure, PARABOLA)
    assert (len(bars), len(surfaces), len(parabolas)) == (2 * n_budgets, n_budgets, n_budgets)
    by_loss = {(line.get_color(), line.get_ydata()[0]): line.get_xdata() for line in bars}
    for mark in [*surfaces, *parabolas]:
        lower, upper = by_loss[mark.get_color(), mark.get_ydata()[0]]
        assert lower <= mark.get_xdata()[0] <= upper
    row = found.index("web", "general")
    medians = [
        np.quantile(found.optimum(row, budget), 0.5, method="nearest")
        for budget in sorted(found.runs.budgets().unique())
    ]
    np.testing.assert_allclose([mark.get_xdata()[0] for mark in surfaces], medians)


def test_an_interval_that_leaves_the_panel_ends_in_an_arrow(found, monkeypatch):
    draws = np.full(100, np.inf)
    monkeypatch.setattr(IsoFlop, "optimum", lambda *_: draws)
    figure = plot_isoflop(found, "stack", ["general"])
    n_budgets = found.runs.budgets().nunique()
    assert len(markers(figure, ">")) == 2 * n_budgets
    assert not big_marks(figure, SURFACE)
    assert not big_marks(figure, PARABOLA)


def test_isoflop_curves_need_known_names_and_three_sizes_at_a_budget(found):
    with pytest.raises(UnknownNameError, match=r"group 'stock' .* Nearest: 'stack'"):
        plot_isoflop(found, "stock")
    with pytest.raises(UnknownNameError, match=r"loss 'gneral' .* Nearest: 'general'"):
        plot_isoflop(found, "stack", ["gneral"])
    few = found.runs.runs.groupby(["group", found.runs.budgets()]).head(2).index
    runs = replace(found.runs, runs=found.runs.runs.loc[few], losses=found.runs.losses.loc[few])
    with pytest.raises(RunsError, match="fewer than 3 sizes"):
        plot_isoflop(replace(found, runs=runs), "stack")


def test_optima_beyond_the_budgets_run_are_dashed_and_shaded(found):
    figure = plot_runs_optimum(found, ["stack"], losses=LOSSES[:2], beyond=10)
    assert [ax.get_ylabel() for ax in figure.axes] == ["best size (parameters)", "its tokens"]
    last = found.runs.runs["flops"].max()
    for ax in figure.axes:
        solid, dashed = ax.lines[::2], ax.lines[1::2]
        assert len(solid) == len(dashed) == 2
        assert all(line.get_xdata()[-1] == pytest.approx(last) for line in solid)
        assert {line.get_linestyle() for line in dashed} == {"--"}
        assert ax.get_xlim()[1] == pytest.approx(10 * last)
        (shade,) = ax.patches
        assert shade.get_x() == pytest.approx(last)
    sizes, tokens = (ax.lines[0].get_ydata() for ax in figure.axes)
    np.testing.assert_allclose(6 * sizes * tokens, figure.axes[0].lines[0].get_xdata(), rtol=0.02)
    assert_text_is_legible(figure)


def test_optima_name_the_nearest_of_an_unknown_name(found):
    with pytest.raises(UnknownNameError, match="group 'stock'"):
        plot_runs_optimum(found, ["stock"])
    with pytest.raises(UnknownNameError, match="loss 'gneral'"):
        plot_runs_optimum(found, losses=["gneral"])


def test_ratios_have_a_panel_per_skill_and_every_interval_holds_its_median(found):
    table = ratios(found, [1e18, 1e19], reference="general", interval=0.8)
    figure = plot_ratios(table)
    assert [ax.get_title() for ax in figure.axes] == ["knowledge", "code", "twin"]
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert ticks == [*found.runs.groups, ALL_GROUPS]
    for ax in figure.axes:
        assert ax.get_xlabel() == "best size, relative to general"
        assert ax.lines[0].get_xdata() == [1.0, 1.0]
        for bars, points in zip(ax.collections, ax.lines[1:], strict=True):
            ends = [segment[:, 0] for segment in bars.get_segments()]
            assert len(ends) == 5
            for (lower, upper), median in zip(ends, points.get_xdata(), strict=True):
                assert lower <= median <= upper
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"median", "80 % interval"} <= set(words)
    assert_text_is_legible(figure)


def test_ratios_refuse_an_empty_table(found):
    table = ratios(found, [1e19], reference="general")
    with pytest.raises(SpecError, match="empty"):
        plot_ratios(table[table["loss"] == "nothing"])


@pytest.fixture(scope="module")
def mixes(found: IsoFlop) -> pd.DataFrame:
    return misspecification(found, [1e19], skills=LOSSES, parts=2)


def test_three_skills_have_a_triangle_whose_marks_are_the_worst_case(mixes):
    figure = plot_misspecification(mixes, "stack", 1e19)
    own = mixes[mixes["group"] == "stack"]
    worst = own.loc[own["error"].abs().idxmax()]
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
    for marker, what in (("*", "true"), ("D", "assumed")):
        mix = worst[[f"{what}_{loss}" for loss in LOSSES]].to_numpy(dtype=float)
        seen = markers(figure, marker)
        np.testing.assert_allclose(seen, [mix @ corners] * 2)
    bars = [ax.get_ylabel() for ax in figure.axes if ax.get_label() == "<colorbar>"]
    assert set(bars) == {"error in parameters (%)", "loss paid (% of the least)"}
    assert_text_is_legible(figure)


@pytest.mark.parametrize("n", [2, 3])
def test_the_heat_map_shows_every_skill_assumed_where_every_other_matters(found, n):
    table = misspecification(found, [1e19], skills=LOSSES[:n], parts=1)
    figure = plot_misspecification(table, "web", 1e19)
    maps = [ax for ax in figure.axes if ax.images]
    assert [ax.get_xlabel() for ax in maps] == ["skill assumed"] * 2
    cells = maps[0].images[0].get_array()
    assert cells.shape == (n, n)
    np.testing.assert_array_equal(np.diag(cells), 0)
    is_cell = (table["group"] == "web") & (table["true_general"] == 1)
    wanted = table.loc[is_cell & (table["assumed_code"] == 1), "error"].item()
    assert cells[0, 1] == pytest.approx(100 * wanted)
    assert len(maps[1].texts) == n**2


def test_a_heat_map_needs_a_group_a_budget_and_pure_truths_of_the_table(found, mixes):
    with pytest.raises(UnknownNameError, match="group 'stock'"):
        plot_misspecification(mixes, "stock", 1e19)
    with pytest.raises(SpecError, match=r"no budget of 1e\+20 FLOP; it has 1e19"):
        plot_misspecification(mixes, "stack", 1e20)
    even = misspecification(found, [1e19], skills=LOSSES, truths=[[0.5, 0.5, 0]], parts=1)
    with pytest.raises(SpecError, match="leave truths out"):
        plot_misspecification(even, "stack", 1e19)


@pytest.fixture
def forecast(found: IsoFlop) -> pd.DataFrame:
    plan = pd.DataFrame({"run": ["a", "b"], "n_params": [5e8, 1e9], "n_tokens": [2e10, 1e10]})
    return forecast_losses(found.surfaces, plan, losses=LOSSES[:2])


def test_forecast_losses_have_nested_intervals_around_their_medians(forecast):
    figure = plot_loss_forecast(forecast)
    assert [ax.get_title() for ax in figure.axes] == ["general", "code"]
    for ax in figure.axes:
        ends = [[(b.get_x(), b.get_x() + b.get_width()) for b in bars] for bars in ax.containers]
        medians = ax.lines[0].get_xdata()
        assert len(ends) == 3
        for wide, middle, narrow in zip(*ends, strict=True):
            assert wide[0] < middle[0] < narrow[0] < narrow[1] < middle[1] < wide[1]
        assert all(low < at < up for (low, up), at in zip(ends[2], medians, strict=True))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "web: 500M, 20B tokens"
    assert len(labels) == 8
    assert_text_is_legible(figure)


def test_actual_losses_mark_their_own_run_and_group_only(forecast):
    by_run = pd.DataFrame({"general": [3.0]}, index=["b"])
    wanted = sorted((3.0, row) for row in (1.0, 3.0, 5.0, 7.0))
    assert sorted(markers(plot_loss_forecast(forecast, by_run), "D")) == wanted
    of_group = pd.DataFrame({"run": ["b"], "group": ["stack"], "general": [3.0]})
    assert markers(plot_loss_forecast(forecast, of_group), "D") == [(3.0, 7.0)]


def test_a_forecast_without_known_intervals_is_refused(forecast):
    with pytest.raises(SpecError, match="50, 80 or 95 %"):
        plot_loss_forecast(forecast[["run", "group", "loss", "median"]])
