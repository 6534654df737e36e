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
