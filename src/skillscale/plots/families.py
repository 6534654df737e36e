"""Families by skill: their efficiencies, and what instruction tuning did to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.errors import SpecError, known_names
from skillscale.formatting import format_interval, format_points
from skillscale.plots.axes import grid
from skillscale.plots.canvas import (
    ACTUAL,
    FAMILY_COLOURS,
    INK,
    OBSERVED,
    draw_intervals,
    heading,
    interval_key,
    legend,
    panels,
    title,
    widths_key,
)

ROW = 0.17
"""Height of a family, in inches."""
TUNING_COLOURS = {"base": FAMILY_COLOURS[0], "instruct": ACTUAL}
INTERVALS = ((95, 0.9), (80, 2.4))
"""Percent and line width, the widest first."""


def plot_efficiencies(
    table: pd.DataFrame, families: Sequence[str] | None = None, *, n: int | None = 12
) -> Figure:
    """Families ranked by efficiency, every base family with those tuned from it.

    Args:
        table: result of `skillscale.skills.families.efficiencies`.
        families: the only families to show; all by default.
        n: base families (or families without a base) per skill, the first ones, and as many more
            as there is room for beside the longest panel; None for all, which makes a long figure.

    Returns:
        One panel per skill; every base family with those tuned from it beneath and joined to it,
        the ones with the most efficient member first; medians with 80 % (thick) and 95 % intervals.

    Raises:
        SpecError: ``n`` is not positive.
        UnknownNameError: a family is not in the table.

    Example:
        See `skillscale.plots`.
    """
    if n is not None and n < 1:
        raise SpecError(f"n counts base families to show, found {n}.")
    if families is not None:
        families = known_names("family", families, table["family"].unique(), "this table")
        table = table[table["family"].isin(families)]
    skills = list(table["skill"].unique())
    ranked = {skill: _blocks(table[table["skill"] == skill]) for skill in skills}
    n_rows = max(sum(map(len, blocks[:n])) for blocks in ranked.values())
    figure, axes = panels(len(skills), 0.9 + ROW * n_rows, columns=2, sharex=False, sharey=False)
    for ax, (skill, blocks) in zip(axes, ranked.items(), strict=True):
        first = _first(blocks, n, n_rows)
        rows = pd.concat(first)
        _ranked_rows(ax, rows)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        is_all = len(first) == len(blocks)
        title(ax, heading(skill) + ("" if is_all else f" (first {len(first)})"))
        ax.set_xlabel("efficiency (units of the skill)")
        grid(ax, "x")
    style: dict[str, Any] = {"marker": "o", "markersize": 4.5, "linewidth": INTERVALS[1][1]}
    key: dict[str, Artist] = {
        f"{tuning} family": Line2D([], [], color=colour, **style)
        for tuning, colour in TUNING_COLOURS.items()
        if (table["tuning"] == tuning).any()
    }
    key |= widths_key(INTERVALS)
    if table["base_family"].notna().any():
        key["tuned from"] = Line2D([], [], color=OBSERVED, linewidth=0.8)
    legend(figure, key)
    return figure


def plot_instruct_effect(effects: pd.DataFrame, pairs: pd.DataFrame | None = None) -> Figure:
    """What instruction tuning does to every skill, and did to single families.

    Args:
        effects: result of `skillscale.skills.families.instruct_effects`.
        pairs: result of `skillscale.skills.families.instruct_pairs`, for the points of families.

    Returns:
        One row per skill: nested 50, 80 and 95 % intervals of the average effect, named what it is
        worth in points of a benchmark, and a point per instruct family for its difference from the
        base family (posterior medians).

    Example:
        See `skillscale.plots`.
    """
    figure, (ax,) = panels(1, 0.8 + 0.75 * len(effects))
    rows = np.arange(len(effects))
    draw_intervals(ax, rows, effects, shrink=0.6)
    ax.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
    key = interval_key()
    if pairs is not None and len(pairs):
        for row, skill in enumerate(effects["skill"]):
            own = pairs.loc[pairs["skill"] == skill, "median"].sort_values()
            # A few heights in turn, so that points nearby are seen apart.
            heights = row + 0.3 + 0.05 * (np.arange(len(own)) % 3)
            ax.plot(own, heights, "o", color=ACTUAL, markersize=3.5, markeredgewidth=0, alpha=0.8)
        key["an instruct family less its base, median"] = Line2D(
            [], [], linestyle="none", marker="o", color=ACTUAL, markersize=3.5
        )
    for row, effect in enumerate(effects.to_dict("records")):
        low, high = (float(effect[f"score_{end}_80"]) for end in ("lower", "upper"))
        points = f"{format_points(float(effect['score_median']))} points of {effect['benchmark']}"
        text = f"{points} (80 %: {format_interval(low, high, format_points)})"
        ax.annotate(
            text.replace("-", "\N{MINUS SIGN}"),
            (1.0, row - 0.3),
            xycoords=("axes fraction", "data"),
            ha="right",
            fontsize=8,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
    ax.set_yticks(rows, [heading(skill).replace(" ", "\n") for skill in effects["skill"]])
    ax.set_ylim(len(effects) - 0.5, -0.55)
    ax.set_xlabel("effect of instruction tuning (units of the skill)")
    grid(ax, "x")
    legend(figure, key)
    return figure


def _first(blocks: list[pd.DataFrame], n: int | None, n_rows: int) -> list[pd.DataFrame]:
    """The first blocks, and more of them where these leave rows empty."""
    ends = np.cumsum([len(block) for block in blocks])
    return blocks[: max(n or len(blocks), int((ends <= n_rows).sum()))]


def _blocks(own: pd.DataFrame) -> list[pd.DataFrame]:
    """Families of one skill by the base they come from, that of the most efficient first."""
    own = own.sort_values("median", ascending=False)
    names = set(own["family"])
    head = own["base_family"].where(own["base_family"].isin(names), own["family"])
    blocks = (own[head == name] for name in head.unique())
    return [pd.concat([b[b["base_family"].isna()], b[b["base_family"].notna()]]) for b in blocks]


def _ranked_rows(ax: Axes, rows: pd.DataFrame) -> None:
    at = np.arange(len(rows))
    place = dict(zip(rows["family"], at, strict=True))
    labels = []
    for row, family in zip(at, rows.to_dict("records"), strict=True):
        colour = TUNING_COLOURS[str(family["tuning"])]
        for percent, width in INTERVALS:
            ends = family[f"lower_{percent}"], family[f"upper_{percent}"]
            ax.hlines(row, *ends, colour, linewidth=width)
        mark: dict[str, Any] = {"color": colour, "markersize": 4.5, "markeredgecolor": "white"}
        ax.plot(family["median"], row, "o", zorder=4, **mark)
        base = place.get(family["base_family"])
        if base is not None:
            ends = float(rows["median"].iloc[base]), float(family["median"])
            ax.plot(ends, (base, row), color=OBSERVED, linewidth=0.8, zorder=3)
        labels.append(f"+ {family['family']}" if base is not None else str(family["family"]))
    ax.set_yticks(at, labels)
    ax.tick_params(axis="y", labelsize=7.5)
