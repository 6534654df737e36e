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
from skillscale.plots.forecasts import plot_forecast, plot_score_curves
from skillscale.plots.levels import plot_level_curves
from skillscale.plots.optima import plot_optimum
from skillscale.plots.regret import plot_regret
from skillscale.posterior.one_family import production

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


IDENTIFIED, NOT = "identified", "not identified"


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
        attrs={"interval": 0.8},
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
    def words(figure: Figure) -> set[str]:
        return {text.get_text() for text in figure.legends[0].get_texts()}

    intervals = {"50 % interval", "80 % interval", "95 % interval"}
    assert words(plot_forecast(forecast)) == intervals
    assert words(plot_forecast(forecast, actual, observed)) == intervals | {
        "actual score",
        "score of new-1b (observed)",
    }
    assert words(plot_forecast(forecast, actual.rename({"new-70b": "other"}))) == intervals


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_text_of_a_forecast_is_cut_or_overlaps_its_neighbour(forecast, actual, observed, n):
    models = [f"a-rather-long-name-{i}b" for i in range(n)]
    figure = plot_forecast(
        forecast.isel(model=[0] * n).assign_coords(model=models), actual, observed
    )
    assert_text_is_legible(figure)


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

    monkeypatch.setattr("skillscale.plots.forecasts.forecast", forecast)
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
