"""Forecast pass@k against the number of attempts."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.formatting import format_count
from skillscale.plots.axes import grid, log_axis, name_rows
from skillscale.plots.canvas import INK, INTERVAL_STYLES, interval_key, legend, panels, title
from skillscale.plots.observed import marks_key, model_marks


def plot_pass_at_k(passes: xr.Dataset) -> Figure:
    """Score against attempts, one panel per planned model.

    Args:
        passes: result of `skillscale.forecasts.pass_at_k.pass_at_k`.

    Returns:
        Nested 50, 80 and 95 % intervals and medians, with the estimates of the models sampled.

    Example:
        See `skillscale.plots`.
    """
    figure, axes = panels(passes.sizes["model"], 2.8)
    k = passes["k"].to_numpy()
    marks = model_marks([str(name) for name in passes["sampled"].to_numpy()])
    for ax, model in zip(axes, passes["model"].to_numpy(), strict=True):
        curve = 100 * passes[["median", *_ends()]].sel(model=model)
        for percent, colour, height in INTERVAL_STYLES:
            ends = curve[f"lower_{percent}"], curve[f"upper_{percent}"]
            ax.fill_between(k, *ends, color=colour, linewidth=0)
            if len(k) == 1:  # no area
                ax.vlines(k, *ends, color=colour, linewidth=30 * height)
        ax.plot(k, curve["median"], color=INK, marker=".")
        for name, mark in marks.items():
            ax.plot(k, 100 * passes["observed"].sel(sampled=name), **mark)
        log_axis(ax, "x", format_count)
        title(ax, model)
        ax.set_xlabel("attempts")
        name_rows(ax, f"{passes.attrs['benchmark']}, solved (points)")
        ax.set_ylim(-1, 101)
        grid(ax)
    key = interval_key() | {"median": Line2D([], [], color=INK, marker=".")}
    legend(figure, key | marks_key(marks, "sampled"))
    return figure


def _ends() -> list[str]:
    return [f"{end}_{percent}" for percent, *_ in INTERVAL_STYLES for end in ("lower", "upper")]
