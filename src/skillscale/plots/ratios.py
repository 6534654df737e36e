"""Skills of controlled runs: their best sizes compared, and losses of planned runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from skillscale.errors import SpecError
from skillscale.formatting import format_count, format_flops
from skillscale.plots.axes import grid, log_axis
from skillscale.plots.canvas import (
    ACTUAL,
    INK,
    INTERVAL_STYLES,
    OBSERVED,
    cycle,
    draw_intervals,
    heading,
    interval_key,
    legend,
    panels,
    title,
)
from skillscale.runs.estimators import INTERVAL
from skillscale.runs.size_ratios import AGGREGATE, ALL_GROUPS

RATIO_TICKS = ((1, 1.4, 2, 3, 5, 7),)
"""Of a decade, as in `skillscale.plots.axes.LogTicks`."""
COLUMNS = 2
"""Rows have long names."""
SPREAD = 0.7
"""Height of a group's row that the bars of its budgets take."""


def plot_ratios(table: pd.DataFrame) -> Figure:
    """Best size of every skill over that of an aggregate validation set.

    Args:
        table: result of `skillscale.runs.size_ratios.ratios`, best at six budgets or fewer.

    Returns:
        One panel per skill and one row per group, the mean over groups last; in every row the
        interval and the median at each budget, the smallest above. Right of the line at one a
        skill wants more parameters.

    Raises:
        SpecError: the table has no rows.

    Example:
        See `skillscale.plots`.
    """
    if table.empty:
        raise SpecError("the table of ratios is empty: keep at least one row.")
    skills, budgets = list(table["loss"].unique()), sorted(table["flops"].unique())
    groups = [group for group in table["group"].unique() if group != ALL_GROUPS]
    groups += [ALL_GROUPS] if (table["group"] == ALL_GROUPS).any() else []
    offsets = (np.arange(len(budgets)) + 0.5) / len(budgets) * SPREAD - SPREAD / 2
    height = 0.9 + (0.14 + 0.11 * len(budgets)) * len(groups)
    figure, axes = panels(len(skills), height, columns=COLUMNS)
    for ax, skill in zip(axes, skills, strict=True):
        ax.axvline(1.0, color=INK, linewidth=0.8, zorder=1)
        for budget, colour, offset in zip(budgets, cycle(len(budgets)), offsets, strict=True):
            own = table[(table["loss"] == skill) & (table["flops"] == budget)]
            rows = own["group"].map(groups.index) + offset
            ax.hlines(rows, own["ratio_lower"], own["ratio_upper"], color=colour, linewidth=2.2)
            ax.plot(own["ratio"], rows, "o", color=colour, markersize=5, markeredgecolor="white")
        if ALL_GROUPS in groups:
            ax.axhspan(len(groups) - 1.5, len(groups) - 0.5, color="#f0f0f0", zorder=0)
        log_axis(ax, "x", lambda value: f"{value:g}", RATIO_TICKS)
        title(ax, heading(skill))
        reference = heading(table.attrs.get("reference", AGGREGATE))
        ax.set_xlabel(f"best size, relative to {reference}")
        ax.set_yticks(range(len(groups)), groups)
        ax.set_ylim(len(groups) - 0.5, -0.5)
        grid(ax, "x")
    key: dict[str, Artist] = {
        f"{format_flops(budget)} FLOP": Line2D(
            [], [], color=colour, marker="o", linewidth=2.2, markeredgecolor="white"
        )
        for budget, colour in zip(budgets, cycle(len(budgets)), strict=True)
    }
    percent = f"{100 * table.attrs.get('interval', INTERVAL):.0f} %"
    key["median"] = Line2D([], [], color=OBSERVED, marker="o", markersize=5, linestyle="none")
    key[f"{percent} interval"] = Line2D([], [], color=OBSERVED, linewidth=2.2)
    legend(figure, key)
    return figure


def plot_loss_forecast(forecast: pd.DataFrame, actual: pd.DataFrame | None = None) -> Figure:
    """Forecast losses of planned runs, one panel per loss and one row per run.

    Args:
        forecast: result of `skillscale.runs.forecast.forecast_losses`, with 50, 80 or 95 %
            intervals.
        actual: losses that the runs really had, where known: one row per run (index, or column
            ``run``), one column per loss; a column ``group`` where runs of two groups share a name.

    Returns:
        Nested intervals, medians, and actual losses as markers. Losses are in nats per token, or
        in the unit of the runs that were fitted.

    Raises:
        SpecError: the forecast has none of these intervals.

    Example:
        See `skillscale.plots`.
    """
    styles = [style for style in INTERVAL_STYLES if f"lower_{style[0]}" in forecast]
    if not styles:
        raise SpecError("the forecast has no interval of 50, 80 or 95 %: ask for one of them.")
    losses = list(forecast["loss"].unique())
    runs = forecast.drop_duplicates(["run", "group"])
    place = {key: row for row, key in enumerate(zip(runs["run"], runs["group"], strict=True))}
    figure, axes = panels(len(losses), 0.9 + 0.26 * len(runs), columns=COLUMNS, sharex=False)
    any_marked = False
    for ax, loss in zip(axes, losses, strict=True):
        ax.use_sticky_edges = False  # bars would end at the frame
        own = forecast[forecast["loss"] == loss]
        rows = np.array([place[key] for key in zip(own["run"], own["group"], strict=True)])
        draw_intervals(ax, rows, own, styles=styles)
        any_marked |= _mark_actual(ax, own, rows, actual, loss)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        title(ax, heading(loss))
        ax.set_xlabel("loss")
        ax.set_yticks(range(len(runs)), _run_labels(runs))
        ax.set_ylim(len(runs) - 0.5, -0.5)
        ax.tick_params(axis="y", labelsize=8)
        grid(ax, "x")
    key = interval_key(styles)
    if any_marked:
        key["actual loss"] = Line2D(
            [], [], linestyle="none", marker="D", color=ACTUAL, markeredgecolor="white"
        )
    legend(figure, key)
    return figure


def _mark_actual(
    ax: Axes, own: pd.DataFrame, rows: np.ndarray, actual: pd.DataFrame | None, loss: str
) -> bool:
    """Mark the losses that runs had; whether there are any."""
    if actual is None or loss not in actual:
        return False
    by = ["run", "group"] if "group" in actual else ["run"]
    known = (actual if "run" in actual else actual.rename_axis("run").reset_index())[[*by, loss]]
    found = own[["run", "group"]].merge(known, on=by, how="left")[loss].to_numpy(dtype=float)
    ax.plot(found, rows, "D", color=ACTUAL, markersize=5, markeredgecolor="white", zorder=4)
    return bool(np.isfinite(found).any())


def _run_labels(runs: pd.DataFrame) -> Sequence[str]:
    """Runs by size and tokens, and by group where there are several."""
    labels = [
        f"{format_count(size)}, {format_count(tokens)} tokens"
        for size, tokens in zip(runs["n_params"], runs["n_tokens"], strict=True)
    ]
    if runs["group"].nunique() == 1:
        return labels
    return [f"{group}: {label}" for group, label in zip(runs["group"], labels, strict=True)]
