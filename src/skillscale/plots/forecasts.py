"""Forecast scores: of planned models, and against size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from skillscale.errors import known_names
from skillscale.forecasts.forecast import forecast
from skillscale.formatting import format_count
from skillscale.plots.canvas import (
    ACTUAL,
    INK,
    INTERVAL_STYLES,
    OBSERVED,
    cycle,
    legend,
    log_axis,
    panels,
)
from skillscale.posterior.result import Fit


def plot_forecast(
    forecast: xr.Dataset,
    actual: pd.DataFrame | None = None,
    observed: pd.DataFrame | None = None,
) -> Figure:
    """Forecast scores of every planned model, one panel per model and one row per benchmark.

    Args:
        forecast: result of `skillscale.forecast`.
        actual: what planned models really scored, where known: one row per model (index, or column
            ``model``), one column per benchmark, fractions.
        observed: models observed already, laid out in the same way. A panel shows those of its
            model's family and, if there are none, all.

    Returns:
        Nested 50, 80 and 95 % intervals, medians, and the scores given as markers.

    Example:
        See `skillscale.plots`.
    """
    models = list(forecast["model"].to_numpy())
    benchmarks = list(forecast["benchmark"].to_numpy())
    actual, observed = _by_model(actual, benchmarks), _by_model(observed, benchmarks)
    figure, axes = panels(len(models), 0.9 + 0.3 * len(benchmarks), 0.6)
    for ax, model in zip(axes, models, strict=True):
        given = forecast.sel(model=model)
        _intervals(ax, given)
        for _, row in _of_family(observed, str(given["family"].item())).iterrows():
            _score_markers(ax, row[benchmarks], "o", facecolor="white", edgecolor=OBSERVED)
        if model in actual.index:
            _score_markers(ax, actual.loc[model, benchmarks], "D", facecolor=ACTUAL)
        ax.set_title(str(model), fontsize=11, color=INK)
        ax.set_xlabel("score (points)")
        ax.set_yticks(range(len(benchmarks)), benchmarks)
        ax.set_ylim(len(benchmarks) - 0.5, -0.5)
        ax.set_xlim(-1, 101)
        ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    legend(figure, _forecast_key(actual.loc[actual.index.isin(models)], observed))
    return figure


def plot_score_curves(
    fit: Fit, benchmarks: Sequence[str], families: Sequence[str] | None = None, *, seed: int = 0
) -> Figure:
    """Forecast score against size for some families, with the scores observed.

    Args:
        fit: a fitted law.
        benchmarks: names of benchmarks, one panel each.
        families: names of families; the three with most sizes by default. Every family is drawn at
            the token count of its largest model.
        seed: source of randomness.

    Returns:
        Median and 80 % predictive interval per family, scores observed as markers.

    Raises:
        UnknownNameError: a benchmark or family is not in the fit.

    Example:
        See `skillscale.plots`.
    """
    known = fit.models
    if families is None:
        sizes = known.groupby("family")["n_params"].nunique()
        families = list(sizes.sort_values(ascending=False, kind="stable").index[:3])
    known_names("benchmark", benchmarks, fit.design.coords["benchmark"])
    known_names("family", families, fit.design.coords["family"])
    plan = pd.concat([_size_ladder(known[known["family"] == name]) for name in families])
    result = forecast(fit, plan.reset_index(names="model"), seed=seed)
    wide = fit.table.wide()
    figure, axes = panels(len(benchmarks), 2.8, 0.6)
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        for family, colour in zip(families, cycle(len(families)), strict=True):
            ladder = plan.index[plan["family"] == family]
            curve = result.sel(model=list(ladder), benchmark=benchmark)
            size = plan.loc[ladder, "n_params"].to_numpy()
            lower, upper = 100 * curve["lower_80"], 100 * curve["upper_80"]
            ax.fill_between(size, lower, upper, color=colour, alpha=0.15, linewidth=0)
            ax.plot(size, 100 * curve["median"], color=colour)
            members = known.index[known["family"] == family]
            points = 100 * wide.loc[members, benchmark]
            ax.plot(known.loc[members, "n_params"], points, "o", color=colour, markersize=5)
        log_axis(ax, "x", format_count)
        ax.set_title(str(benchmark), fontsize=11, color=INK)
        ax.set_xlabel("size (parameters)")
        ax.set_ylabel("score (points)")
        ax.grid(color="#e6e6e6", linewidth=0.8)
    key: dict[str, Artist] = {
        _at_tokens(name, plan): Line2D([], [], color=colour, marker="o", markersize=5)
        for name, colour in zip(families, cycle(len(families)), strict=True)
    }
    legend(figure, {**key, "80 % interval": Patch(color=OBSERVED, alpha=0.3)})
    return figure


def _intervals(ax: Axes, given: xr.Dataset) -> None:
    rows = np.arange(given.sizes["benchmark"])
    for percent, colour, height in INTERVAL_STYLES:
        lower = 100 * given[f"lower_{percent}"].to_numpy()
        upper = 100 * given[f"upper_{percent}"].to_numpy()
        ax.barh(rows, upper - lower, left=lower, height=height, color=colour, zorder=2)
    median = 100 * given["median"].to_numpy()
    ax.plot(median, rows, linestyle="none", marker="|", color="white", markersize=7, zorder=3)


def _score_markers(
    ax: Axes, scores: pd.Series, marker: str, *, facecolor: str, edgecolor: str = "white"
) -> None:
    values = 100 * scores.to_numpy(dtype=float)
    rows = np.arange(len(values))
    ax.plot(
        values,
        rows,
        linestyle="none",
        marker=marker,
        markersize=5.5,
        markerfacecolor=facecolor,
        markeredgecolor=edgecolor,
        zorder=4,
    )


def _forecast_key(actual: pd.DataFrame, observed: pd.DataFrame) -> dict[str, Artist]:
    key: dict[str, Artist] = {
        f"{percent} % interval": Patch(color=colour)
        for percent, colour, _ in reversed(INTERVAL_STYLES)
    }

    def marker(shape: str, face: str, edge: str) -> Line2D:
        return Line2D(
            [], [], linestyle="none", marker=shape, markerfacecolor=face, markeredgecolor=edge
        )

    if not actual.empty:
        key["actual score"] = marker("D", ACTUAL, "white")
    if not observed.empty:
        names = ", ".join(map(str, observed.index)) if len(observed) <= 2 else "observed models"
        key[f"score of {names} (observed)"] = marker("o", "white", OBSERVED)
    return key


def _by_model(scores: pd.DataFrame | None, benchmarks: list[str]) -> pd.DataFrame:
    """Scores indexed by model, with every benchmark and, where given, the family."""
    if scores is None:
        return pd.DataFrame(columns=[*benchmarks, "family"])
    if "model" in scores:
        scores = scores.set_index("model")
    return scores.reindex(columns=[*benchmarks, "family"])


def _of_family(observed: pd.DataFrame, family: str) -> pd.DataFrame:
    same = observed[observed["family"] == family]
    return observed if same.empty else same


def _size_ladder(family: pd.DataFrame, steps: int = 16) -> pd.DataFrame:
    """Models of one family from half its smallest size to four times its largest."""
    largest = family.sort_values("n_params").iloc[-1]
    sizes = np.geomspace(family["n_params"].min() / 2, family["n_params"].max() * 4, steps)
    return pd.DataFrame(
        {"n_params": sizes, "n_tokens": largest["n_tokens"], "family": largest["family"]},
        index=[f"{largest['family']} at {size:.3g}" for size in sizes],
    )


def _at_tokens(family: str, plan: pd.DataFrame) -> str:
    n_tokens = plan.loc[plan["family"] == family, "n_tokens"].iloc[0]
    if np.isnan(n_tokens):
        return f"{family} (tokens not published)"
    return f"{family} at {format_count(n_tokens)} tokens"
