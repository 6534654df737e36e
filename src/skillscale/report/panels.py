"""The figures of a report of a fit: each of one panel, as large on a phone as on a desk."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from skillscale.forecasts.forecast import SOURCES
from skillscale.formatting import format_count
from skillscale.plots.axes import log_axis
from skillscale.report.vector import SERIES, Paint

WIDTH, HEIGHT, WIDER = 3.3, 2.35, 4.7
"""Of a panel, in inches, and the width of one with names beside its axis."""
ROW = 0.24
"""Height of a row of names, in inches."""
FONT = 8.5
CHARACTER = 0.068
"""Width of a character of that size, in inches."""
LEVELS = ((95, Paint.WIDE), (80, Paint.MIDDLE), (50, Paint.NARROW))
"""Percent and colour of nested bars, the widest first."""
MOST_POINTS = 20.0
"""Where curves of losses end: no one would choose a size there."""
LONGEST = 24
"""Characters of a name beside an axis."""


class Standing(NamedTuple):
    """Where a family stands among others in one respect, all in one unit."""

    name: str
    others: Float[np.ndarray, " family"]
    median: float
    lower: float
    upper: float


def panel(
    title: str = "", width: float = WIDTH, height: float = HEIGHT, left: float = 0.45
) -> tuple[Figure, Axes]:
    """A figure of one panel, in the page's colours.

    Args:
        title: what stands above it.
        width: in inches.
        height: likewise.
        left: what the numbers or names beside the vertical axis take of it, likewise.

    Returns:
        The figure and its panel.
    """
    figure = Figure(figsize=(width, height))
    ax = figure.subplots()
    # Margins in inches: a layout that is found takes as long as all else of a drawing.
    above = 0.25 if title else 0.08
    figure.subplots_adjust(
        left=left / width, right=1 - 0.1 / width, bottom=0.45 / height, top=1 - above / height
    )
    ax.set_title(title, fontsize=FONT + 1, color=Paint.FG, loc="left", fontweight="bold")
    ax.tick_params(length=3, color=Paint.MUTED, labelsize=FONT, labelcolor=Paint.FG)
    ax.grid(color=Paint.LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(Paint.MUTED)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(color=Paint.MUTED, fontsize=FONT)
    return figure, ax


def growth(
    forecast: xr.Dataset,
    sizes: pd.Series,
    observed: pd.DataFrame | None = None,
    relatives: pd.DataFrame | None = None,
    *,
    chance: float = 0.0,
    within: tuple[float, float] | None = None,
) -> Figure:
    """Scores of one benchmark against size: forecast, observed, and of relatives.

    Args:
        forecast: result of `forecast`, of one benchmark.
        sizes: parameter counts of the planned models, by name.
        observed: ``n_params`` and ``score`` (a fraction) of observed models.
        relatives: the same of models that may be compared.
        chance: the score of guessing, a fraction.
        within: smallest and largest parameter count that are shown; those of the models if None.

    Returns:
        Nested intervals with medians, and markers.
    """
    figure, ax = panel(str(forecast["benchmark"].item()))
    shown = ((relatives, Paint.MUTED, 3.4), (observed, Paint.ACCENT_2, 5.6))
    for models, paint, size in shown:
        if models is not None and len(models):
            style: dict[str, Any] = {"color": paint, "markeredgecolor": Paint.BG, "zorder": 5}
            style["markeredgewidth"] = 0.6
            ax.plot(models["n_params"], 100 * models["score"], "o", markersize=size, **style)
    if chance > 0:
        ax.axhline(100 * chance, color=Paint.MUTED, linestyle=":", linewidth=1)
    at = _apart(sizes.loc[list(forecast["model"].to_numpy())].to_numpy(dtype=float))
    width = min(8.0, 60.0 / len(at))
    for percent, paint in LEVELS:
        lower, upper = (100 * forecast[f"{end}_{percent}"].to_numpy() for end in ("lower", "upper"))
        ax.vlines(at, lower, upper, color=paint, linewidth=width, zorder=3)
    ax.plot(at, 100 * forecast["median"], "_", color=Paint.BG, markersize=width, zorder=4)
    least, most = within or (float(at.min()), float(at.max()))
    sizes_axis(ax, least / 1.6, most * 1.6)
    ax.set_ylim(0, 100)
    ax.set_xlabel("parameters")
    return figure


def variance(shares: pd.DataFrame) -> Figure:
    """Where the variance of forecasts comes from, by benchmark.

    Args:
        shares: of the variance, one row per benchmark and one column per source.

    Returns:
        A bar per benchmark, in parts.
    """
    figure, ax = panel(width=WIDER, height=0.75 + ROW * len(shares), left=_beside(shares.index))
    rows, left = np.arange(len(shares)), np.zeros(len(shares))
    for source, paint in zip(SOURCES, SERIES, strict=False):
        part = 100 * shares[source].to_numpy()
        ax.barh(rows, part, left=left, height=0.62, color=paint, edgecolor=Paint.BG, linewidth=0.8)
        left = left + part
    ax.set_yticks(rows, [shortened(name) for name in shares.index])
    ax.set_ylim(len(shares) - 0.5, -0.5)
    ax.set_xlim(0, 100)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("percent of the variance")
    return figure


def loss_curves(regret: xr.Dataset) -> Figure:
    """What every size is expected to lose of one objective, by budget.

    Args:
        regret: result of `regret`, of one objective.

    Returns:
        Curves with intervals over draws, and the loss below which a size is called safe.
    """
    figure, ax = panel(str(regret["objective"].item()).replace("_", " "))
    possible = np.isfinite(regret["score_lost"].transpose("n_params", "flops").to_numpy())
    every = regret["n_params"].to_numpy()[possible.any(axis=1)]
    for budget, paint in zip(regret["flops"].to_numpy(), SERIES, strict=False):
        curve = regret.sel(flops=budget).dropna("n_params", subset=["score_lost"])
        size = curve["n_params"]
        lower, upper = (np.minimum(100 * curve[f"score_lost_{end}"], 1e3) for end in ENDS)
        ax.fill_between(size, lower, upper, color=paint, alpha=0.18, linewidth=0)
        ax.plot(size, 100 * curve["score_lost"], color=paint, linewidth=1.6)
    ax.axhline(100 * regret.attrs["safe_loss"], color=Paint.MUTED, linestyle=":", linewidth=1.2)
    sizes_axis(ax, *(float(end) for end in (every.min() / 1.1, every.max() * 1.1)))
    ax.set_ylim(0, MOST_POINTS)
    ax.set_xlabel("parameters")
    ax.set_ylabel("points lost")
    return figure


ENDS = ("lower", "upper")


def standings(rows: Sequence[Standing], label: str, near: Sequence[int] = ()) -> Figure:
    """Where a family stands among the others, a row per skill or benchmark.

    Args:
        rows: the respects in which it is compared.
        label: of the axis.
        near: positions of the other families that are most like it.

    Returns:
        A tick per family, taller where it is alike, and the family with its 80 % interval.
    """
    figure, ax = panel(
        width=WIDER, height=0.75 + 0.34 * len(rows), left=_beside([row.name for row in rows])
    )
    for at, row in enumerate(rows):
        ax.vlines(row.others, at - 0.16, at + 0.16, color=Paint.MUTED, linewidth=0.7, alpha=0.7)
        if len(near):
            alike = row.others[list(near)]
            ax.vlines(alike, at - 0.28, at + 0.28, color=Paint.FIRST, linewidth=1.8, zorder=3)
        if np.isfinite(row.median):
            ax.hlines(at, row.lower, row.upper, color=Paint.ACCENT_2, linewidth=2.4, zorder=4)
            ax.plot(row.median, at, "o", color=Paint.ACCENT_2, markersize=6, zorder=5)
    ax.set_yticks(range(len(rows)), [shortened(row.name.replace("_", " ")) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(label)
    return figure


def sizes_axis(ax: Axes, least: float, most: float) -> None:
    """A horizontal axis of parameter counts, with more than decades where these are few.

    Args:
        ax: the panel.
        least: where it begins.
        most: where it ends.
    """
    log_axis(ax, "x", format_count)
    ax.set_xlim(least, most)
    decades = math.log10(most / least)
    ax.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if decades < 1.3 else (1, 3)[: 1 + (decades < 2.6)])
    )


def shortened(name: object, most: int = LONGEST) -> str:
    """A name that fits beside an axis.

    Args:
        name: any.
        most: its characters.

    Returns:
        The name, its middle left out where it is longer.

    Example:
        >>> shortened("instruction_following"), shortened("a" * 30 + "-70b", 12)
        ('instruction_following', 'aaaaaa…a-70b')
    """
    text = str(name)
    half = most // 2
    return (
        text
        if len(text) <= most
        else f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[1 + half - most :]}"
    )


def _beside(names: Iterable[object]) -> float:
    """Inches that names beside an axis take."""
    return 0.15 + CHARACTER * max(len(shortened(name)) for name in names)


def _apart(sizes: Float[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    """Sizes moved a little where several models share one."""
    moved = sizes.copy()
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        steps = np.arange(len(same)) - (len(same) - 1) / 2
        moved[same] = size * np.exp(min(0.16, 0.8 / len(same)) * steps)
    return moved
