"""Marks of observed models: a shape for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from skillscale.plots.canvas import OBSERVED

Mark = dict[str, Any]
"""How Matplotlib draws a marker."""
SHAPES = ("o", "s", "^", "v", "P", "X", "<", ">")
"""Told apart from each other, and from the diamond of what a planned model really scored."""
OWN: Mark = {
    "linestyle": "none",
    "markersize": 6,
    "markeredgewidth": 0.9,
    "markerfacecolor": "white",
    "markeredgecolor": OBSERVED,
}
OTHERS: Mark = {**OWN, "marker": ".", "markerfacecolor": OBSERVED}


def model_marks(names: Sequence[str]) -> dict[str, Mark]:
    """A mark per model; if there are more models than shapes, the last of them share one.

    Args:
        names: of observed models.

    Returns:
        Marks by name.

    Example:
        >>> marks = model_marks([f"nova-{i}b" for i in range(1, 12)])
        >>> [mark["marker"] for mark in marks.values()]
        ['o', 's', '^', 'v', 'P', 'X', '<', '.', '.', '.', '.']
    """
    own = len(names) if len(names) <= len(SHAPES) else len(SHAPES) - 1
    return {
        name: {**OWN, "marker": SHAPES[place]} if place < own else OTHERS
        for place, name in enumerate(dict.fromkeys(names))
    }


def marks_key(marks: Mapping[str, Mark], what: str) -> dict[str, Artist]:
    """What a legend says of observed models.

    Args:
        marks: of the models that are shown.
        what: said after a name.

    Returns:
        A mark per model, and one for all that share it.

    Example:
        >>> list(marks_key(model_marks([f"nova-{i}b" for i in range(1, 12)]), "observed"))[-2:]
        ['nova-7b, observed', '4 more models, observed']
    """
    key: dict[str, Artist] = {
        f"{name}, {what}": Line2D([], [], **mark)
        for name, mark in marks.items()
        if mark is not OTHERS
    }
    if others := sum(mark is OTHERS for mark in marks.values()):
        key[f"{others} more model{'s' * (others > 1)}, {what}"] = Line2D([], [], **OTHERS)
    return key
