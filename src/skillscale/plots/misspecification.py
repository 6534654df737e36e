"""The cost of a wrong validation set, over the mixes of skills that it might hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skillscale.errors import SpecError, known_names
from skillscale.formatting import format_flops
from skillscale.plots.canvas import ACTUAL, INK, heading, ink_on, legend

QUANTITIES = {
    "error": ("error in parameters (%)", "RdBu_r"),
    "loss_paid": ("loss paid (% of the least)", "Blues"),
}
"""Labels and colours."""
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
"""Where the three pure mixes of a triangle are."""
CONTOURS = 12
LEAST_ERROR = 5.0
"""The scale of errors ends no lower, in percent: rounding must not look like an effect."""
LEAST_PAID = 0.05


def plot_misspecification(table: pd.DataFrame, group: str, flops: float) -> Figure:
    """What assuming one mix of skills costs where another matters, in parameters and in loss.

    Args:
        table: result of `skillscale.runs.validation_sets.misspecification`.
        group: the group (corpus) to show.
        flops: the budget to show, one of the table's.

    Returns:
        Medians; on the left the relative error in parameters, on the right the loss paid. Below,
        each skill assumed (columns) where each is the one that matters (rows). Above, if there are
        three skills, all mixes assumed, where the mix matters whose error can be largest.

    Raises:
        SpecError: the table lacks the budget, or a skill alone as the mix that matters.
        UnknownNameError: the table lacks the group.

    Example:
        See `skillscale.plots`.
    """
    skills = [
        name.removeprefix("assumed_") for name in map(str, table) if name.startswith("assumed_")
    ]
    known_names("group", group, table["group"].unique(), "this table")
    own = table[(table["group"] == group) & np.isclose(table["flops"], flops, rtol=0.01)]
    if own.empty:
        known = ", ".join(format_flops(budget) for budget in table["flops"].unique())
        raise SpecError(f"the table has no budget of {flops:g} FLOP; it has {known}.")
    if not (own[[f"true_{skill}" for skill in skills]] == 1).any().all():
        raise SpecError("every skill alone must be among the truths: leave truths out.")
    own = own.assign(**{name: 100 * own[name] for name in QUANTITIES})
    has_triangle = len(skills) == 3
    height = 1.2 + 0.42 * len(skills)
    heights = [3.4, height] if has_triangle else [height]
    figure = Figure(figsize=(9.4, sum(heights) + 0.6), dpi=150, layout="constrained")
    grid = figure.subplots(len(heights), 2, height_ratios=heights, squeeze=False)
    key: dict[str, Artist] = {}
    for column, (name, (label, colours)) in enumerate(QUANTITIES.items()):
        paint = ScalarMappable(_scale(name, own[name].to_numpy()), colours)
        if has_triangle:
            key |= _triangle(grid[0, column], own, skills, name, paint)
        _vertices(grid[-1, column], own, skills, name, paint)
        for ax in grid[:, column]:
            figure.colorbar(paint, ax=ax, label=label, shrink=0.9)
    figure.suptitle(f"{heading(group)} at {format_flops(flops)} FLOP", fontsize=11)
    if key:
        legend(figure, key)
    return figure


def _scale(name: str, percent: Float[np.ndarray, " row"]) -> Normalize:
    """Colours from nothing paid, or evenly to both sides of no error."""
    if name == "error":
        most = max(float(np.abs(percent).max()), LEAST_ERROR)
        return Normalize(-most, most)
    return Normalize(0.0, max(float(percent.max()), LEAST_PAID))


def _triangle(
    ax: Axes, own: pd.DataFrame, skills: list[str], name: str, paint: ScalarMappable
) -> dict[str, Artist]:
    """All mixes assumed, where the worst mix matters; what its marks mean."""
    true, assumed = ([f"{what}_{skill}" for skill in skills] for what in ("true", "assumed"))
    worst = own.iloc[int(own["error"].abs().argmax())]
    rows = own[np.isclose(own[true], worst[true].to_numpy(dtype=float)).all(axis=1)]
    x, y = (rows[assumed].to_numpy(dtype=float) @ CORNERS).T
    levels = np.linspace(*paint.get_clim(), CONTOURS + 1)
    ax.tricontourf(x, y, rows[name], levels=levels, cmap=paint.cmap, norm=paint.norm)
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=INK, linewidth=0.8)
    ax.plot(x, y, ".", color=INK, markersize=2)
    style: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white", "clip_on": False}
    key: dict[str, Artist] = {}
    for label, marker, colour, mix in (
        ("the mix that matters", "*", INK, worst[true]),
        ("the worst to assume for it", "D", ACTUAL, worst[assumed]),
    ):
        size = 12 if marker == "*" else 7
        at = mix.to_numpy(dtype=float) @ CORNERS
        ax.plot(*at, marker, color=colour, markersize=size, zorder=4, **style)
        key[label] = Line2D([], [], marker=marker, color=colour, markersize=size, **style)
    for skill, (across, up) in zip(skills, CORNERS, strict=True):
        is_top = up > 0
        ax.annotate(
            heading(skill),
            (across, up),
            xytext=(0, 8 if is_top else -8),
            textcoords="offset points",
            ha="center",
            va="bottom" if is_top else "top",
            fontsize=9,
        )
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_xlim(-0.2, 1.2)
    ax.set_ylim(-0.15, 1.02)
    ax.set_title("mix assumed", fontsize=10)
    return key


def _vertices(
    ax: Axes, own: pd.DataFrame, skills: list[str], name: str, paint: ScalarMappable
) -> None:
    """Each skill assumed where each is the one that matters, with its numbers."""
    cells = np.array(
        [
            [own.loc[(own[f"true_{t}"] == 1) & (own[f"assumed_{a}"] == 1), name] for a in skills]
            for t in skills
        ]
    )[..., 0]
    low, high = paint.get_clim()
    ax.imshow(cells, cmap=paint.cmap, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        text = f"{value:+.0f}" if name == "error" else f"{value:.2f}"
        colour = ink_on(paint.to_rgba(value))
        text = text.replace("-", "\N{MINUS SIGN}")  # as on the colour bar
        ax.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    names = [heading(skill) for skill in skills]
    tilt, aligned = (30, "right") if len(skills) > 3 else (0, "center")
    ax.set_xticks(range(len(skills)), names, rotation=tilt, ha=aligned)
    ax.set_yticks(range(len(skills)), names)
    ax.tick_params(length=0, labelsize=9)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("skill assumed")
    ax.set_ylabel("skill that matters")
