"""Forecast scores of planned models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.plots.axes import grid
from skillscale.plots.canvas import (
    ACTUAL,
    draw_intervals,
    interval_key,
    legend,
    panels,
    title,
)
from skillscale.plots.observed import Mark, marks_key, model_marks

ACTUAL_MARK: Mark = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 5.5,
    "markerfacecolor": ACTUAL,
    "markeredgecolor": "white",
}
SHIFT = 0.12
"""How far from the middle of its row a score may be drawn."""


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
        Nested 50, 80 and 95 % intervals, medians, and the scores given as markers, a shape per
        observed model; from the eighth on these share one.

    Example:
        See `skillscale.plots`.
    """
    models = list(forecast["model"].to_numpy())
    benchmarks = list(forecast["benchmark"].to_numpy())
    actual, observed = _by_model(actual, benchmarks), _by_model(observed, benchmarks)
    marks = model_marks([str(name) for name in observed.index.unique()])
    figure, axes = panels(len(models), 0.9 + 0.3 * len(benchmarks))
    rows = range(len(benchmarks))
    shown, is_marked = set(), False
    for ax, model in zip(axes, models, strict=True):
        given = forecast.sel(model=model)
        draw_intervals(ax, rows, given, unit=100)
        of_family = _of_family(observed, str(given["family"].item()))
        shifts = _shifts(len(of_family))
        for shift, (name, scores) in zip(shifts, of_family.iterrows(), strict=True):
            if _mark_scores(ax, scores[benchmarks], marks[str(name)], shift):
                shown.add(str(name))
        if model in actual.index:
            is_marked |= _mark_scores(ax, actual.loc[model, benchmarks], ACTUAL_MARK)
        title(ax, model)
        ax.set_xlabel("score (points)")
        ax.set_yticks(rows, benchmarks)
        ax.set_ylim(len(benchmarks) - 0.5, -0.5)
        ax.set_xlim(-1, 101)
        grid(ax, "x")
    key = interval_key()
    if is_marked:
        key["actual score"] = Line2D([], [], **ACTUAL_MARK)
    marks = {name: mark for name, mark in marks.items() if name in shown}
    legend(figure, key | marks_key(marks, "observed"))
    return figure


def _shifts(n: int) -> np.ndarray:
    """Heights in a row at which models with the same score are seen apart."""
    return np.linspace(-SHIFT, SHIFT, n) if n > 1 else np.zeros(n)


def _mark_scores(ax: Axes, scores: pd.Series, mark: Mark, shift: float = 0.0) -> bool:
    """Mark scores of one model; whether there are any."""
    values = 100 * scores.to_numpy(dtype=float)
    ax.plot(values, shift + np.arange(len(values)), zorder=4, **mark)
    return bool(scores.notna().any())


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
