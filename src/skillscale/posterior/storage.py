"""One netCDF file per fit: the ArviZ tree, with the table, specification and provenance inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.data.table import Table
from skillscale.errors import FitFileError, SkillscaleError
from skillscale.files import read_netcdf, require_schema, whole_or_absent
from skillscale.law.spec import Spec

if TYPE_CHECKING:
    from skillscale.law.design import Design

SCHEMA = 5
"""Raised whenever a file written before could no longer be read correctly."""
COMMAND = "skillscale fit"
BITS = 12
"""Binary digits kept of skills of models and efficiencies of families, most of a file: one part in
8,000, hundredths of their posterior spread, for a third of the bytes."""
OF_A_FIT = ("posterior", "sample_stats")
"""Groups of the fit that a file is opened as; those of other forms lie in a group of their own."""


def write(
    path: Path, tree: xr.DataTree, table: Table, spec: Spec, provenance: Mapping[str, object]
) -> None:
    """Write to a temporary name beside the target, then rename: a file is whole or absent.

    Args:
        path: the netCDF file; one that is there is replaced.
        tree: posterior, and the sampler's statistics.
        table: the data fitted.
        spec: the specification.
        provenance: plain values, with the hash of the data as ``data_hash``.

    Raises:
        FitFileError: the file can't be written.
    """
    frames = {
        "models": table.models.reset_index(),
        "scores": table.scores,
        "benchmarks": table.benchmarks.reset_index(),
    }
    texts = {name: ((), json.dumps(frame.to_dict("list"))) for name, frame in frames.items()}
    stored = tree.copy()
    for group in tree.subtree:
        if group.name == "posterior":
            stored[group.path] = xr.DataTree(rounded(group.to_dataset()))
    stored["table"] = xr.DataTree(xr.Dataset(texts))
    stored.attrs = {
        "skillscale_schema": SCHEMA,
        "spec": json.dumps(spec.to_dict()),
        "provenance": json.dumps(dict(provenance)),
    }
    # Bytes of alike meaning side by side, a variable in one piece: a tenth smaller.
    encoding = {
        group.path: {
            str(name): {"zlib": True, "complevel": 4, "shuffle": True, "chunksizes": values.shape}
            for name, values in group.data_vars.items()
            if values.size
        }
        for group in stored.subtree
        if group.name == "posterior"
    }
    with whole_or_absent(path) as temporary:
        stored.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def rounded(posterior: xr.Dataset) -> xr.Dataset:
    """Posterior draws as a file has them: what is of models and families to `BITS` digits.

    Args:
        posterior: all draws.

    Returns:
        The same, with fewer digits where there are many numbers.

    Example:
        >>> skill = xr.DataArray(np.float32([[1.2345678]]), dims=["draw", "model"])
        >>> rounded(xr.Dataset({"model_skill": skill}))["model_skill"].item()
        1.234619140625
    """
    unit = np.uint32(1 << (23 - BITS))

    def of(values: xr.DataArray) -> xr.DataArray:
        if values.dtype != np.float32 or not {"model", "family"} & set(map(str, values.dims)):
            return values
        nearest = values.to_numpy().view(np.uint32) + unit // 2
        return values.copy(data=(nearest - nearest % unit).view(np.float32))

    return posterior.map(of, keep_attrs=True)


def read(path: Path) -> tuple[xr.DataTree, Table, Spec, Mapping[str, object]]:
    """Read what `write` has written.

    Args:
        path: the netCDF file.

    Returns:
        Tree, table, specification and provenance.

    Raises:
        FitFileError: the file is missing, truncated, no fit, or of another schema.
    """
    tree = read_netcdf(path, COMMAND, ["table", *OF_A_FIT])
    table, spec, provenance = _described(path, tree)
    return groups_of_a_fit(path, tree), table, spec, provenance


def groups_of_a_fit(path: Path, tree: xr.DataTree) -> xr.DataTree:
    """What a node of a file holds of a fit, by itself.

    Args:
        path: the file, for sentences.
        tree: the node.

    Returns:
        Posterior, and the sampler's statistics where there are some.

    Raises:
        FitFileError: there is no posterior.
    """
    if "posterior" not in tree.children:
        raise FitFileError(f"{path} is incomplete: it holds no draws. Fit again.")
    kept = {name: tree[name].to_dataset() for name in OF_A_FIT if name in tree.children}
    return xr.DataTree.from_dict(kept)


def read_description(path: Path) -> tuple[Table, Spec, Mapping[str, object]]:
    """Read what a fit is of, and none of its draws.

    Args:
        path: the netCDF file.

    Returns:
        Table, specification and provenance.

    Raises:
        FitFileError: the file is missing, truncated, no fit, or of another schema.

    Example:
        >>> from skillscale.data.shipped import fit_file
        >>> table, spec, provenance = read_description(fit_file())
        >>> len(table.models), spec.skills[0], provenance["method"]
        (406, 'knowledge', 'hmc')
    """
    return _described(path, read_netcdf(path, COMMAND, ["table"]))


def _described(path: Path, tree: xr.DataTree) -> tuple[Table, Spec, Mapping[str, object]]:
    """Table, specification and provenance of a file, of this schema and untouched."""
    schema = tree.attrs.get("skillscale_schema")
    if schema is None:
        raise FitFileError(f"{path} is a netCDF file, but no skillscale fit.")
    require_schema(path, schema, SCHEMA)
    try:
        spec = Spec.from_dict(json.loads(tree.attrs["spec"]))
        provenance = json.loads(tree.attrs["provenance"])
        models, scores, benchmarks = (
            pd.DataFrame(json.loads(tree["table"][name].item()))
            for name in ("models", "scores", "benchmarks")
        )
        table = Table(models.set_index("model"), scores, benchmarks.set_index("benchmark"))
        is_of_the_data = provenance["data_hash"] == table.hash
    except (KeyError, ValueError, TypeError, AttributeError, SkillscaleError) as error:
        raise FitFileError(
            f"{path} is incomplete: its specification, provenance or table can't be read "
            f"({error}). Fit again."
        ) from error
    if not is_of_the_data:
        raise FitFileError(f"{path}: its data does not match the hash stored with it. Fit again.")
    return table, spec, provenance


def require_draws(path: Path, tree: xr.DataTree, design: Design) -> None:
    """Require draws of every parameter of the law, as long as the table asks for, and finite.

    Args:
        path: the file that they are from.
        tree: what it holds.
        design: arrays and names of its table.

    Raises:
        FitFileError: a parameter is missing, of another shape, or not finite.
    """
    from skillscale.law.sites import Draws, sites_of  # imports JAX

    sizes = {name: len(names) for name, names in design.coords.items()}
    sizes["unpublished"] = len(design.unpublished)
    posterior = tree["posterior"].to_dataset()
    for site in sites_of(Draws).values():
        where = f"{path}: posterior/{site.stored}"
        if 0 in (sizes.get(dim) for dim in site.dims):
            continue
        if site.stored not in posterior:
            raise FitFileError(f"{where} is missing. Fit again.")
        draws = posterior[site.stored]
        known = [sizes.get(dim, draws.sizes.get(dim)) for dim in site.dims]
        if draws.dims != ("chain", "draw", *site.dims) or list(draws.shape[2:]) != known:
            shape = ", ".join(f"{name} {size}" for name, size in draws.sizes.items())
            raise FitFileError(f"{where} does not match the table ({shape}). Fit again.")
        if draws.dtype.kind != "f" or not draws.size or not np.isfinite(draws.to_numpy()).all():
            raise FitFileError(f"{where} holds what are no finite numbers. Fit again.")
