"""Skills as they are read: posterior draws in the coordinates in which skills are shown.

Named skills are read in the coordinates of their anchors. Exploratory skills are first made
uncorrelated with unit variance over the fitted models, in every draw; then all draws are turned
alike, and the rotation is found of each draw by itself, from where that of their mean is. Forecasts
never depend on it: loadings change with the skills.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from skillscale.errors import SkillscaleError
from skillscale.law.production import FORMS, Form
from skillscale.law.sites import SITES, Kind
from skillscale.posterior.one_family import tuning_effect
from skillscale.posterior.result import Fit
from skillscale.skills.alignment import by_importance, match, turn_alike
from skillscale.skills.rotation import (
    Loadings,
    Matrices,
    Rotation,
    mixed_loading,
    random_rotations,
    rotate,
)

NAMED = "named"
TURNED = tuple(site.stored for site in SITES.values() if site.kind is Kind.TURNED)
"""Parameters that a reading holds; ``intercept`` and all others are the same in every reading."""
STARTS = 50
"""Random starts of the rotation of the mean."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Draws of the skills of a fit, in the coordinates in which they are shown.

    Attributes:
        draws: dataset with dims ``chain, draw`` of ``loading`` (benchmark, skill), ``model_skill``
            (model, skill), ``efficiency`` (family, skill), ``slope`` (input, skill), ``effect``
            (covariate, skill), and ``tuning``, what tuning adds at the last date of the fit
            (tuning, skill).
        rotation: how the coordinates were chosen; ``named`` if by the anchors of the specification.
    """

    draws: xr.Dataset
    rotation: str


def read_skills(fit: Fit, rotation: Rotation | str | None = None) -> Reading:
    """Read the skills of a fit.

    Args:
        fit: a fitted law.
        rotation: ``geomin`` (Yates 1987), ``varimax`` (Kaiser 1958) or ``promax`` (Hendrickson and
            White 1964); by default none for named skills, and geomin for exploratory ones. Rotated
            skills are called ``skill_1`` and so on, those read the most first, with unit variance
            over the fitted models.

    Returns:
        Draws of all that depends on the skills' coordinates.

    Raises:
        SkillscaleError: there is no such rotation, or skills of this form can't be rotated.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> read_skills(fit).draws["loading"].dims
        ('chain', 'draw', 'benchmark', 'skill')
        >>> read_skills(fit, "varimax").draws["skill"].values.tolist()
        ['skill_1', 'skill_2']
    """
    if rotation is not None and rotation not in list(Rotation):
        raise SkillscaleError(
            f"there is no rotation {rotation!r}: choose among {', '.join(Rotation)}."
        )
    draws = fit.tree.posterior.to_dataset()[list(TURNED)]
    shape = draws.sizes["chain"], draws.sizes["draw"]
    tuning = tuning_effect(fit, shape[0] * shape[1]).reshape(*shape, 1, -1)
    draws = draws.assign(tuning=(("chain", "draw", "tuning", "skill"), tuning))
    if rotation is None and not fit.spec.exploratory:
        return Reading(draws, NAMED)
    if FORMS[Form(fit.spec.form)].is_positive:
        raise SkillscaleError(
            f"skills of the {fit.spec.form} form can't be rotated: a sum of two of them is none. "
            "Fit with another form."
        )
    rotation = Rotation(rotation or Rotation.GEOMIN)
    loading, skill = (
        draws[name].to_numpy().reshape(-1, *draws[name].shape[2:]).astype(np.float64)
        for name in ("loading", "model_skill")
    )
    matrix = rotated_alike(loading, skill, rotation).reshape(*shape, *loading.shape[2:] * 2)
    return Reading(mixed(draws, matrix), rotation)


def rotated_alike(
    loading: Loadings, skill: Float[np.ndarray, "draw model skill"], rotation: Rotation
) -> Matrices:
    """Mixes that bring the skills of every draw into one rotation, whatever they were before.

    Args:
        loading: loadings of every draw.
        skill: skills of the fitted models.
        rotation: which rotation.

    Returns:
        Matrices, for `mixed`; skills so mixed have unit variance over models, and those read the
        most come first.
    """
    white = _whitening(skill)
    uncorrelated = mixed_loading(loading, white)
    turn, mean = turn_alike(uncorrelated)
    n_skills = loading.shape[2]
    starts = random_rotations(STARTS, n_skills, np.random.default_rng(0))
    found, value = rotate(np.broadcast_to(mean, (STARTS, *mean.shape)), rotation, starts)
    best = found[np.argmin(value)]
    best = best @ by_importance(mixed_loading(mean[None], best[None])[0])
    reference = mixed_loading(mean[None], best[None])[0]
    start = turn @ (best if rotation is Rotation.GEOMIN else _orthogonal(best))
    matrix, _ = rotate(uncorrelated, rotation, start)
    rotated = mixed_loading(uncorrelated, matrix)
    return white @ matrix @ match(rotated, reference)


def mixed(draws: xr.Dataset, matrix: Float[np.ndarray, "chain draw skill new"]) -> xr.Dataset:
    r"""The same draws of other skills, $\theta \to T^\top\theta$: every score is as it was.

    Args:
        draws: draws as a `Reading` holds them.
        matrix: $T$ of every draw, invertible.

    Returns:
        The same variables, of skills ``skill_1`` and so on.
    """
    names = [f"skill_{k}" for k in range(1, matrix.shape[-1] + 1)]
    inverse = np.linalg.inv(matrix).swapaxes(-1, -2)
    changed = {
        name: (values.dims, values.to_numpy() @ (inverse if name == "loading" else matrix))
        for name, values in draws.items()
    }
    return draws.assign(changed).assign_coords(skill=names)


def _whitening(skill: Float[np.ndarray, "draw model skill"]) -> Matrices:
    """Mixes of skills that leave them uncorrelated over models, with unit variance."""
    centred = skill - skill.mean(axis=1, keepdims=True)
    covariance = centred.swapaxes(1, 2) @ centred / (skill.shape[1] - 1)
    return np.linalg.inv(np.linalg.cholesky(covariance)).swapaxes(1, 2)


def _orthogonal(matrix: Float[np.ndarray, "skill new"]) -> Float[np.ndarray, "skill new"]:
    """The orthogonal matrix nearest to a mix."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right
