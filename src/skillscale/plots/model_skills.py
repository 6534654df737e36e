"""Skills of models, two at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.errors import SpecError, known_names
from skillscale.plots.axes import grid
from skillscale.plots.canvas import FAMILY_COLOURS, OBSERVED, cycle, heading, legend, panels

N_FAMILIES = len(FAMILY_COLOURS)
INTERVAL = 80


def plot_model_skills(
    table: pd.DataFrame, skills: Sequence[str] | None = None, families: Sequence[str] | None = None
) -> Figure:
    """Skills of all models against each other, with the uncertainty of both.

    Args:
        table: result of `skillscale.skills.tables.model_skills`.
        skills: names of two skills or more, a panel per pair; all by default.
        families: names of families to tell apart, six at most; by default those with most models.

    Returns:
        Medians with 80 % intervals as crosses; models of the families chosen in colour, joined in
        the order of size.

    Raises:
        SpecError: there are fewer than two skills, or more families than colours.
        UnknownNameError: a skill or family is not in the table.

    Example:
        See `skillscale.plots`.
    """
    skills = known_names("skill", skills, table["skill"].unique(), "this table")
    if families is None:
        sizes = table.groupby("family")["model"].nunique()
        families = list(sizes.sort_values(ascending=False, kind="stable").index[:N_FAMILIES])
    known_names("family", families, table["family"].unique(), "this table")
    if len(skills) < 2:
        raise SpecError(f"two skills make a panel, found {len(skills)}: name another.")
    if len(families) > N_FAMILIES:
        raise SpecError(f"{N_FAMILIES} families can be told apart, found {len(families)}.")
    colours = dict(zip(families, cycle(len(families)), strict=True))
    pairs = list(combinations(skills, 2))
    figure, axes = panels(len(pairs), 3.2, sharex=False, sharey=False)
    for ax, (across, up) in zip(axes, pairs, strict=True):
        _pair(ax, _of_skill(table, across), _of_skill(table, up), colours)
        ax.set_xlabel(heading(across))
        ax.set_ylabel(heading(up))
        grid(ax)
    key: dict[str, Artist] = {
        family: Line2D([], [], color=colour, marker="o", markersize=4.5, linewidth=1)
        for family, colour in colours.items()
    }
    key["other models"] = Line2D([], [], color=OBSERVED, marker="o", markersize=2.5, linewidth=0.6)
    key[f"{INTERVAL} % intervals"] = Line2D(
        [], [], color=OBSERVED, marker="+", markersize=9, linestyle="none"
    )
    legend(figure, key)
    return figure


def _of_skill(table: pd.DataFrame, skill: str) -> pd.DataFrame:
    return table[table["skill"] == skill].set_index("model")


def _pair(ax: Axes, across: pd.DataFrame, up: pd.DataFrame, colours: dict[str, str]) -> None:
    up = up.loc[across.index]
    lower, upper = f"lower_{INTERVAL}", f"upper_{INTERVAL}"
    for group, colour in [(~across["family"].isin(list(colours)), OBSERVED)] + [
        (across["family"] == family, colour) for family, colour in colours.items()
    ]:
        x, y = across[group].sort_values("n_params"), up[group]
        y = y.loc[x.index]
        is_other = colour is OBSERVED
        cross: dict[str, Any] = {"linewidth": 0.6, "alpha": 0.35 if is_other else 0.6}
        ax.hlines(y["median"], x[lower], x[upper], colour, zorder=1 if is_other else 2, **cross)
        ax.vlines(x["median"], y[lower], y[upper], colour, zorder=1 if is_other else 2, **cross)
        style: dict[str, Any] = {"marker": "o", "markeredgecolor": "white", "markeredgewidth": 0.4}
        if is_other:
            ax.plot(x["median"], y["median"], color=colour, markersize=3, linestyle="none", **style)
        else:
            ax.plot(x["median"], y["median"], color=colour, markersize=5.5, linewidth=1, **style)
