"""Skills as they are read: posterior draws of whatever depends on the skills' coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from skillscale.fitting import Fit

READ = ("loading", "model_skill", "efficiency", "slope", "effect")
"""Parameters that a reading holds; ``intercept`` and all others are the same in every reading."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Draws of the skills of a fit, in the coordinates in which they are shown.

    Attributes:
        draws: dataset with dims ``chain, draw`` of ``loading`` (benchmark, skill), ``model_skill``
            (model, skill), ``efficiency`` (family, skill), ``slope`` (input, skill) and ``effect``
            (covariate, skill).
        rotation: how the coordinates were chosen; ``named`` if by the anchors of the specification.
    """

    draws: xr.Dataset
    rotation: str


def read_skills(fit: Fit) -> Reading:
    """Read the skills of a fit.

    Returns:
        Draws of all that depends on the skills' coordinates.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> read_skills(fit).draws["loading"].dims
        ('chain', 'draw', 'benchmark', 'skill')
    """
    return Reading(fit.tree.posterior.to_dataset()[list(READ)], "named")
