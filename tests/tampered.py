"""Fits changed by hand, to see what is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import xarray as xr

from skillscale import Fit


def with_group(fit: Fit, group: str, **change: Callable[[np.ndarray], np.ndarray]) -> Fit:
    """The fit with some variables of a group replaced by a function of their values."""
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    changed = groups[group].copy(deep=True)
    for name, function in change.items():
        values = changed[name]
        changed[name] = (values.dims, function(values.to_numpy().copy()))
    tree = xr.DataTree.from_dict(groups | {group: changed})
    return dataclasses.replace(fit, tree=tree)


def with_posterior(fit: Fit, **change: Callable[[np.ndarray], np.ndarray]) -> Fit:
    """The fit with some parameters of the posterior changed."""
    return with_group(fit, "posterior", **change)


def with_slopes(fit: Fit, slopes: np.ndarray) -> Fit:
    """The fit with slopes of shape (draw, input), the same for all skills and families."""

    def replace(values: np.ndarray) -> np.ndarray:
        n_chain, n_draw, _, n_skill = values.shape
        repeated = np.resize(slopes, (n_chain * n_draw, 3))
        return np.repeat(repeated[..., None], n_skill, axis=-1).reshape(values.shape)

    return with_posterior(fit, slope=replace, slope_scale=_hardly_any)


def with_laws(fit: Fit, *slopes: tuple[float, float, float]) -> Fit:
    """The fit with one law in all draws and families: slopes of every skill."""
    law = np.array(slopes).T
    return with_posterior(
        fit,
        slope=lambda values: np.broadcast_to(law, values.shape).copy(),
        slope_scale=_hardly_any,
    )


def without_own_slopes(fit: Fit) -> Fit:
    """The fit with the slopes of its law for every family."""
    return with_posterior(fit, slope_scale=_hardly_any)


def _hardly_any(scale: np.ndarray) -> np.ndarray:
    return np.full_like(scale, 1e-6)
