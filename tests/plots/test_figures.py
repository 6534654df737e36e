"""Figures: what is drawn where, from results made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

import skillscale as sk
from drawn import assert_text_is_legible, markers
from skillscale.errors import UnknownNameError
from skillscale.law.design import make_design
from skillscale.optima.objectives import expected_score, make_objectives
from skillscale.plots.canvas import ACTUAL
from skillscale.plots.forecasts import plot_forecast
from skillscale.plots.levels import plot_level_curves
from skillscale.plots.next_evaluations import plot_next_evaluations
from skillscale.plots.score_curves import plot_score_curves
from skillscale.posterior.one_family import production


def words(figure: Figure) -> set[str]:
    """What the legend says."""
    return {text.get_text() for text in figure.legends[0].get_texts()}


BENCHMARKS = ["mmlu", "gsm8k", "ifeval"]
MODELS = ["new-8b", "new-70b"]


@pytest.fixture
def forecast() -> xr.Dataset:
    median = np.array([[0.5, 0.2, 0.3], [0.7, 0.6, 0.4]])
    cell = ("model", "benchmark")
    ends = {
        f"{end}_{percent}": (cell, median + sign * percent / 1000)
        for percent in (50, 80, 95)
        for end, sign in (("lower", -1), ("upper", 1))
    }
    return xr.Dataset(
        {"median": (cell, median), **ends},
        coords={"model": MODELS, "benchmark": BENCHMARKS, "family": ("model", ["new", "new"])},
    )


@pytest.fixture
def actual() -> pd.DataFrame:
    return pd.DataFrame({"mmlu": [0.72], "ifeval": [0.41]}, index=["new-70b"])


@pytest.fixture
def observed() -> pd.DataFrame:
    return pd.DataFrame({"model": ["new-1b"], "mmlu": [0.3], "gsm8k": [np.nan]})


def test_every_planned_model_has_a_panel_and_every_benchmark_a_row(forecast):
    figure = plot_forecast(forecast)
    assert [ax.get_title() for ax in figure.axes] == MODELS
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == BENCHMARKS
    assert {ax.get_xlabel() for ax in figure.axes} == {"score (points)"}


def test_intervals_are_nested_and_in_points(forecast):
    bars = plot_forecast(forecast).axes[1].containers
    widths = [[bar.get_width() for bar in container] for container in bars]
    np.testing.assert_allclose(widths, np.repeat([[19.0], [16.0], [10.0]], 3, axis=1))


def test_actual_scores_mark_their_own_model_only(forecast, actual):
    figure = plot_forecast(forecast, actual)
    assert markers(figure, "D") == [(72.0, 0.0), (41.0, 2.0)]


def test_observed_scores_appear_in_every_panel_and_missing_ones_nowhere(forecast, observed):
    assert markers(plot_forecast(forecast, None, observed), "o") == [(30.0, 0.0)] * 2


def test_an_observed_model_of_another_family_is_left_to_its_own_panel(forecast, observed):
    both = pd.concat([observed, observed.assign(model="old-1b", mmlu=0.1)])
    figure = plot_forecast(forecast, None, both.assign(family=["new", "old"]))
    assert markers(figure, "o") == [(30.0, 0.0)] * 2


def test_the_legend_explains_only_what_is_drawn(forecast, actual, observed):
    intervals = {"median", "50 % interval", "80 % interval", "95 % interval"}
    assert words(plot_forecast(forecast)) == intervals
    assert words(plot_forecast(forecast, actual, observed)) == intervals | {
        "actual score",
        "new-1b, observed",
    }
    assert words(plot_forecast(forecast, actual.rename({"new-70b": "other"}))) == intervals


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_text_of_a_forecast_is_cut_or_overlaps_its_neighbour(forecast, actual, observed, n):
    models = [f"a-rather-long-name-{i}b" for i in range(n)]
    figure = plot_forecast(
        forecast.isel(model=[0] * n).assign_coords(model=models), actual, observed
    )
    assert_text_is_legible(figure)


def test_every_observed_model_has_a_mark_of_its_own_that_the_legend_names(forecast, observed):
    two = pd.concat([observed, observed.assign(model="new-3b", mmlu=0.3)])
    figure = plot_forecast(forecast.isel(model=[0]), None, two)
    assert {"new-1b, observed", "new-3b, observed"} <= words(figure)
    (x, first), (other_x, second) = markers(figure, "o") + markers(figure, "s")
    assert x == other_x == 30.0
    assert first < second, "the same score is seen twice"
    assert round(first) == round(second) == 0


def test_of_many_observed_models_the_last_share_a_mark(forecast, observed):
    many = pd.concat([observed.assign(model=f"new-{i}b") for i in range(12)])
    figure = plot_forecast(forecast.isel(model=[0]), None, many)
    shapes = {line.get_marker() for line in figure.axes[0].lines} - {"|"}
    assert len(shapes) == 8
    assert "5 more models, observed" in words(figure)
    assert_text_is_legible(figure)


@pytest.mark.parametrize("n", [12, 40])
def test_many_planned_models_with_long_names_stay_legible(forecast, observed, n):
    models = [f"a-rather-long-name-of-a-model-instruct-preview-{i}b" for i in range(n)]
    many = forecast.isel(model=[i % 2 for i in range(n)]).assign_coords(model=models)
    figure = plot_forecast(many, None, observed.assign(model="an-even-longer-name-" * 5))
    assert len(figure.axes) == n
    assert_text_is_legible(figure)


def test_odd_forecasts_are_drawn(forecast, observed):
    """One benchmark of one model, nothing observed of it; and a score that isn't known."""
    one = forecast.isel(model=[0], benchmark=[0])
    assert words(plot_forecast(one, None, observed.iloc[:0])) == {
        "median",
        *(f"{percent} % interval" for percent in (50, 80, 95)),
    }
    figure = plot_forecast(one.where(one["benchmark"] != "mmlu"), None, observed)
    assert markers(figure, "o") == [(30.0, 0.0)]
    assert markers(figure, "|") == []
    assert_text_is_legible(figure)


@pytest.fixture
def ranked() -> pd.DataFrame:
    rows = [("size", "new (7B)", "all", 0.2), ("benchmark", "new-1b", "mmlu", 0.1)]
    rows += [("benchmark", "new-1b", f"benchmark_{i}", 0.01) for i in range(23)]
    return pd.DataFrame(
        {"step": 1, "rank": rank, "kind": kind, "model": model, "benchmark": benchmark}
        | {"width_now": 0.1, "width_next": 0.1 - narrowed / 10}
        | {"narrowed": narrowed, "narrowed_se": 0.01}
        for rank, (kind, model, benchmark, narrowed) in enumerate(rows, start=1)
    )


def test_what_to_evaluate_next_is_ranked_with_its_errors_and_widths(ranked):
    figure = plot_next_evaluations(ranked)
    (ax,) = figure.axes
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[:2] == ["train new (7B)", "mmlu of new-1b"]
    assert len(labels) == 20
    assert ax.get_title() == "80 % interval now 10.0 points wide; first 20 of 25"
    assert markers(figure, "s") == [(20.0, 0.0)]
    assert markers(figure, "o")[0] == (10.0, 1.0)
    sizes, benchmarks = (bars.get_segments() for bars in ax.collections)
    ends = [[segment[:, 0].tolist() for segment in bars] for bars in (benchmarks, sizes)]
    assert ends[1] == [[18.0, 22.0]] or ends[0] == [[18.0, 22.0]]
    assert len(words(figure)) == 2
    assert_text_is_legible(figure)


def test_steps_are_shown_one_after_another_and_the_rest_of_each_left_out(ranked):
    steps = pd.concat([ranked.head(3).assign(step=step) for step in (1, 2)])
    (ax,) = plot_next_evaluations(steps).axes
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["1. train new (7B)", "2. train new (7B)"]
    assert "steps add up" in ax.get_title()


def test_a_single_candidate_is_legible(ranked):
    figure = plot_next_evaluations(ranked.tail(1))
    assert len(words(figure)) == 1
    assert_text_is_legible(figure)


def test_level_curves_show_the_models_and_run_where_the_score_is_their_level(approximate):
    figure = plot_level_curves(approximate, ["knowledge"])
    models = approximate.table.models.dropna(subset=["n_tokens"])
    shown = sorted(markers(figure, "o"))
    assert shown == sorted(zip(models["n_active_params"], models["n_tokens"], strict=True))
    (ax,) = figure.axes
    assert ax.get_title() == "knowledge (points of mmlu)"
    law, (mmlu,) = production(approximate), make_objectives(approximate, benchmarks=["mmlu"])
    curves = ax.collections[0]
    seen = [
        (level, path.vertices[len(path.vertices) // 2])
        for level, path in zip(curves.levels, curves.get_paths(), strict=True)
        if len(path.vertices)
    ]
    levels, places = (np.array(part) for part in zip(*seen, strict=True))
    scores = expected_score(law, mmlu, places[:, 0], places[:, 1])
    np.testing.assert_allclose(100 * np.median(scores, axis=0), levels, atol=0.5)
    assert_text_is_legible(figure)


def test_level_curves_name_the_nearest_of_an_unknown_skill(approximate):
    with pytest.raises(UnknownNameError, match=r"skill 'knowlege' .* Nearest: 'knowledge'"):
        plot_level_curves(approximate, ["knowlege"])


def test_figures_leave_the_style_alone_and_save_without_a_display(forecast, actual, tmp_path):
    before = dict(mpl.rcParams)
    path = tmp_path / "forecast.png"
    plot_forecast(forecast, actual).savefig(path)
    assert path.read_bytes()[1:4] == b"PNG"
    assert dict(mpl.rcParams) == before


@pytest.fixture
def flat_law(monkeypatch) -> SimpleNamespace:
    """What score curves need of a fit, and a forecast of 50 points for everything."""
    table, spec = sk.load_table("classic"), sk.Spec()

    def forecast(_, plan: pd.DataFrame, *, seed: int) -> xr.Dataset:
        values = (("model", "benchmark"), np.full((len(plan), 1), 0.5))
        return xr.Dataset(
            {"median": values, "lower_80": values, "upper_80": values},
            coords={"model": list(plan["model"]), "benchmark": ["mmlu"]},
        )

    monkeypatch.setattr("skillscale.plots.score_curves.forecast", forecast)
    design = make_design(table, spec)
    models = table.models.loc[design.coords["model"]]
    return SimpleNamespace(table=table, spec=spec, design=design, models=models)


def test_score_curves_show_the_observed_scores_of_the_families_asked_for(flat_law):
    figure = plot_score_curves(flat_law, ["mmlu"], ["llama-2", "qwen1.5"])
    known = flat_law.table.models.join(flat_law.table.wide()["mmlu"])
    known = known[known["family"].isin(["llama-2", "qwen1.5"])].dropna(subset="mmlu")
    shown = sorted(markers(figure, "o"))
    assert shown == sorted(zip(known["n_params"], 100 * known["mmlu"], strict=True))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "llama-2 at 2T tokens" in words
    assert "qwen1.5 (tokens not published)" in words
    assert_text_is_legible(figure)


def test_score_curves_name_the_nearest_of_an_unknown_family(flat_law):
    with pytest.raises(UnknownNameError, match="family 'lama-2' is not in this fit"):
        plot_score_curves(flat_law, ["mmlu"], ["lama-2"])


def test_actual_and_interval_colours_differ_without_hue():
    """The marker must stand out in grey print as well."""
    luminance = [
        np.dot(mpl.colors.to_rgb(colour), [0.2126, 0.7152, 0.0722])
        for colour in (ACTUAL, "#c6dbef", "#2171b5")
    ]
    assert abs(luminance[0] - luminance[1]) > 0.2
