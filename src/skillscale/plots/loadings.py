"""What skills are made of: how benchmarks read them, and how they go together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from skillscale.plots.axes import grid
from skillscale.plots.canvas import (
    INK,
    OBSERVED,
    cycle,
    heading,
    ink_on,
    legend,
    panels,
    widths_key,
)
from skillscale.skills.tables import GIVEN, INDISTINCT

PERCENT = 80
"""Interval printed in a cell, and whose sign counts."""
SHADES = PowerNorm(0.6, 0.0, 3.0, clip=True)
"""How strong the colour of a standardised loading is: the same in every figure."""
INTERVALS = ((95, 1.0), (80, 2.6))
"""Percent and line width of correlations."""
GIVEN_LABELS = dict(
    zip(
        GIVEN,
        ("all models", "given size and tokens", "given size, tokens, date and tuning"),
        strict=True,
    )
)


def plot_loadings(table: pd.DataFrame) -> Figure:
    """How much every benchmark reads every skill.

    Args:
        table: result of `skillscale.skills.tables.loadings`.

    Returns:
        A cell per benchmark and skill with the median of the standardised loading and, small, its
        80 % interval; benchmarks by the skill that they read most. Cells of loadings that may be of
        either sign are hatched, and those fixed at zero stay empty.

    Example:
        See `skillscale.plots`.
    """
    skills = list(table["skill"].unique())
    medians = table.set_index(["benchmark", "skill"])["standardised_median"]
    strength = medians.abs().unstack()[skills]  # noqa: PD010
    reads_most = dict(zip(strength.index, strength.to_numpy().argmax(axis=1), strict=True))
    strongest = strength.max(axis=1)
    by_skill = sorted(strength.index, key=lambda name: (reads_most[name], -strongest[name]))
    figure = Figure(
        figsize=(1.9 + 1.5 * len(skills), 1.1 + 0.46 * len(by_skill)), dpi=150, layout="constrained"
    )
    ax = figure.subplots()
    key: dict[str, Artist] = {"reads the skill": Patch(color=_shade(2.0))}
    for cell in table.to_dict("records"):
        value, lower, upper = (
            float(cell[f"standardised_{name}"])
            for name in ("median", f"lower_{PERCENT}", f"upper_{PERCENT}")
        )
        if value == 0 and cell["is_fixed"]:
            key["fixed at zero"] = Patch(facecolor="white", edgecolor=OBSERVED)
            continue
        column, row = skills.index(cell["skill"]), by_skill.index(cell["benchmark"])
        square = Rectangle((column - 0.5, row - 0.5), 1.0, 1.0, facecolor=_shade(value))
        square.set_edgecolor("white")
        ax.add_patch(square)
        if value < 0:
            key["reads it with a minus"] = Patch(color=_shade(-2.0))
        if lower < 0 < upper:
            square.set_hatch("////")
            key[f"{PERCENT} % interval includes zero"] = Patch(
                facecolor="white", edgecolor=OBSERVED, hatch="////"
            )
        ink = ink_on(_shade(value))
        ax.text(column, row - 0.02, _number(value), ha="center", va="bottom", color=ink)
        ends = f"{_number(lower)} to {_number(upper)}"
        ax.text(column, row + 0.06, ends, ha="center", va="top", fontsize=6.5, color=ink)
    for before, (above, below) in enumerate(pairwise(by_skill)):
        if reads_most[above] != reads_most[below]:
            ax.axhline(before + 0.5, color=INK, linewidth=0.8)
    ax.set_xlim(-0.5, len(skills) - 0.5)
    ax.set_ylim(len(by_skill) - 0.5, -0.5)
    ax.set_xticks(range(len(skills)), [heading(skill).replace(" ", "\n") for skill in skills])
    ax.set_yticks(range(len(by_skill)), by_skill)
    ax.tick_params(length=0, labelsize=9, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_color(OBSERVED)
    ax.set_title("loading times the spread of the skill over models", fontsize=10, pad=10)
    legend(figure, key)
    return figure


def plot_skill_correlations(table: pd.DataFrame) -> Figure:
    """Correlations of skills over models, and what is left of them given size, tokens and more.

    Args:
        table: result of `skillscale.skills.tables.correlations`.

    Returns:
        One row per pair of skills, in it a median with 80 % (thick) and 95 % intervals for each
        thing taken out. Beyond the dotted line two skills rank models nearly alike.

    Example:
        See `skillscale.plots`.
    """
    pairs = list(table[["skill", "other"]].drop_duplicates().itertuples(index=False, name=None))
    figure, (ax,) = panels(1, 0.8 + 0.55 * len(pairs))
    key: dict[str, Artist] = {}
    for offset, given, colour in zip((-0.2, 0.0, 0.2), GIVEN, cycle(len(GIVEN)), strict=True):
        own = table[table["given"] == given]
        at = [pairs.index(pair) + offset for pair in zip(own["skill"], own["other"], strict=True)]
        for percent, width in INTERVALS:
            ax.hlines(at, own[f"lower_{percent}"], own[f"upper_{percent}"], colour, linewidth=width)
        style: dict[str, Any] = {"color": colour, "marker": "o", "markeredgecolor": "white"}
        ax.plot(own["median"], at, linestyle="none", markersize=4.5, **style)
        key[GIVEN_LABELS[given]] = Line2D([], [], linewidth=2.6, markersize=4.5, **style)
    ax.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
    for end in (-INDISTINCT, INDISTINCT):
        line = ax.axvline(end, color=INK, linewidth=0.8, linestyle=":", zorder=1)
    key |= widths_key(INTERVALS)
    key[f"nearly one skill beyond {INDISTINCT:g}"] = Line2D(
        [], [], color=line.get_color(), linewidth=0.8, linestyle=":"
    )
    least = float(table["lower_95"].min()) if len(table) else 0.0
    ax.set_xlim(max(min(-0.25, least - 0.05), -1.0), 1.0)
    names = [f"{heading(first)} and\n{heading(second)}" for first, second in pairs]
    ax.set_yticks(range(len(pairs)), names)
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    ax.set_xlabel("correlation over models")
    grid(ax, "x")
    legend(figure, key)
    return figure


def _shade(loading: float) -> tuple[float, float, float, float]:
    """Blue for a positive loading, orange for a negative one."""
    return colormaps["Oranges" if loading < 0 else "Blues"](float(SHADES(abs(loading))))


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
