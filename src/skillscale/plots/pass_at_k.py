"""Forecast pass@k against the number of attempts."""

from __future__ import annotations

import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from skillscale.formatting import format_count
from skillscale.plots.canvas import INK, INTERVAL_STYLES, OBSERVED, legend, log_axis, panels


def plot_pass_at_k(passes: xr.Dataset) -> Figure:
    """Score against attempts, one panel per planned model.

    Args:
        passes: result of `skillscale.forecasts.pass_at_k.pass_at_k`.

    Returns:
        Nested 50, 80 and 95 % intervals and medians, with the estimates of the models sampled.

    Example:
        See `skillscale.plots`.
    """
    figure, axes = panels(passes.sizes["model"], 2.8, 0.6)
    k = passes["k"].to_numpy()
    for ax, model in zip(axes, passes["model"].to_numpy(), strict=True):
        curve = 100 * passes[["median", *_ends()]].sel(model=model)
        for percent, colour, _ in INTERVAL_STYLES:
            lower, upper = curve[f"lower_{percent}"], curve[f"upper_{percent}"]
            ax.fill_between(k, lower, upper, color=colour, linewidth=0)
        ax.plot(k, curve["median"], color=INK)
        for sampled in passes["observed"].to_numpy():
            ax.plot(k, 100 * sampled, "o", markerfacecolor="white", markeredgecolor=OBSERVED)
        log_axis(ax, "x", format_count)
        ax.set_title(str(model), fontsize=11, color=INK)
        ax.set_xlabel("attempts")
        ax.set_ylabel(f"{passes.attrs['benchmark']}, solved (points)")
        ax.set_ylim(-1, 101)
        ax.grid(color="#e6e6e6", linewidth=0.8)
    key: dict[str, Artist] = {
        f"{percent} %": Patch(color=colour) for percent, colour, _ in reversed(INTERVAL_STYLES)
    }
    key["median"] = Line2D([], [], color=INK)
    if passes.sizes["sampled"]:
        key["models sampled"] = Line2D(
            [], [], marker="o", linestyle="", markerfacecolor="white", markeredgecolor=OBSERVED
        )
    legend(figure, key)
    return figure


def _ends() -> list[str]:
    return [f"{end}_{percent}" for percent, *_ in INTERVAL_STYLES for end in ("lower", "upper")]
