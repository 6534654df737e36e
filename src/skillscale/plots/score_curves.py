"""Forecast scores of families against size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from skillscale.errors import known_names
from skillscale.forecasts.forecast import forecast
from skillscale.formatting import format_count
from skillscale.plots.axes import grid, log_axis, name_rows
from skillscale.plots.canvas import OBSERVED, cycle, legend, panels, title
from skillscale.posterior.result import Fit


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
    figure, axes = panels(len(benchmarks), 2.8)
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
        title(ax, benchmark)
        ax.set_xlabel("size (parameters)")
        name_rows(ax, "score (points)")
        grid(ax)
    key: dict[str, Artist] = {
        _at_tokens(name, plan): Line2D([], [], color=colour)
        for name, colour in zip(families, cycle(len(families)), strict=True)
    }
    key["forecast, 80 % interval"] = Patch(color=OBSERVED, alpha=0.3)
    key["scores observed"] = Line2D([], [], color=OBSERVED, marker="o", markersize=5, ls="none")
    legend(figure, key)
    return figure


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
