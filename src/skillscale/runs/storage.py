"""One netCDF file per fit of controlled runs: draws of surfaces, with the runs inside.

Parabolas and their power laws are not stored: they follow from runs and seed in no time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from skillscale.errors import FitFileError
from skillscale.files import read_netcdf, require_schema, versions, whole_or_absent
from skillscale.runs.discrepancy import Basis, Usual
from skillscale.runs.posterior import NUMBERS
from skillscale.runs.surfaces import Surfaces
from skillscale.runs.table import Runs

SCHEMA = 1
"""Raised whenever a file written before could no longer be read correctly."""
SCHEMA_NAME = "skillscale_runs_schema"
COMMAND = "skillscale isoflop RUNS"


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes:
        runs: the runs fitted.
        surfaces: their surfaces, where there are any.
        disputed: group and loss of surfaces that part from the parabolas.
        warnings: sentences about the fit.
        seed: what draws begin from.
    """

    runs: Runs
    surfaces: Surfaces | None
    disputed: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    seed: int


def write(path: Path, stored: Stored) -> None:
    """Write to a temporary name beside the target, then rename: a file is whole or absent.

    Args:
        path: the netCDF file; one that is there is replaced.
        stored: what it will hold.

    Raises:
        FitFileError: the file can't be written.
    """
    runs, surfaces = stored.runs, stored.surfaces
    texts: dict[str, object] = {
        "runs": _columns(runs.runs),
        "losses": _columns(runs.losses),
        "warnings_of_runs": runs.warnings,
        "disputed": stored.disputed,
        "warnings": stored.warnings,
        "seed": stored.seed,
        "versions": versions(),
    }
    arrays = xr.Dataset()
    if surfaces is not None:
        texts |= {
            "keys": surfaces.keys,
            "reference": surfaces.reference,
            "usual": surfaces.usual,
            "diagnostics": surfaces.diagnostics.to_dict("list"),
        }
        arrays = xr.Dataset(
            {
                "coordinates": (("surface", "draw", "number"), surfaces.coordinates),
                "weights": (("surface", "draw", "function"), surfaces.weights),
                "unit": ("surface", surfaces.unit),
                "basis_places": (("place", "coordinate"), surfaces.basis.at),
                "basis_weights": (("place", "function"), surfaces.basis.weights),
            },
            coords={"number": list(NUMBERS)},
        )
    text = xr.Dataset({name: ((), json.dumps(value)) for name, value in texts.items()})
    tree = xr.DataTree.from_dict({"surfaces": arrays, "text": text})
    tree.attrs = {SCHEMA_NAME: SCHEMA}
    compressed = {"zlib": True, "complevel": 1}
    encoding = {
        "/surfaces": {name: compressed for name in ("coordinates", "weights") if name in arrays}
    }
    with whole_or_absent(path) as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def read(path: Path) -> Stored:
    """Read what `write` has written.

    Args:
        path: the netCDF file.

    Returns:
        What it holds.

    Raises:
        FitFileError: the file is missing, truncated, no fit of runs, or of another schema.
    """
    tree = read_netcdf(path, COMMAND)
    schema = tree.attrs.get(SCHEMA_NAME)
    if schema is None:
        raise FitFileError(
            f"{path} is a netCDF file, but no fit of controlled runs. Make one with: "
            f"{COMMAND} -o {path.name}"
        )
    require_schema(path, schema, SCHEMA)
    try:
        text = {str(name): json.loads(value.item()) for name, value in tree["text"].items()}
        runs = Runs(_frame(text["runs"]), _frame(text["losses"]), tuple(text["warnings_of_runs"]))
        arrays = tree["surfaces"].to_dataset()
        surfaces = _surfaces(runs, text, arrays) if "keys" in text else None
        disputed = tuple((group, loss) for group, loss in text["disputed"])
        return Stored(runs, surfaces, disputed, tuple(text["warnings"]), int(text["seed"]))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FitFileError(
            f"{path} is incomplete: its runs or draws can't be read ({error}). Fit again."
        ) from error


def holds_runs(path: Path) -> bool:
    """Whether a file is a fit of controlled runs.

    Args:
        path: any file, or none.

    Returns:
        False also where it can't be read: whoever reads it says why.

    Example:
        >>> from skillscale.data.shipped import fit_file
        >>> holds_runs(fit_file())
        False
    """
    try:
        with h5py.File(path) as file:
            return SCHEMA_NAME in file.attrs
    except OSError:
        return False


def _surfaces(runs: Runs, text: Mapping[str, Any], arrays: xr.Dataset) -> Surfaces:
    """The surfaces of a file, whose arrays have to match its keys and be finite."""
    keys = tuple((group, loss) for group, loss in text["keys"])
    found = {str(name): array.to_numpy() for name, array in arrays.data_vars.items()}
    names = [str(name) for name in arrays["number"].to_numpy()]
    if names != list(NUMBERS) or arrays.sizes["surface"] != len(keys):
        raise ValueError(f"{arrays.sizes['surface']} surfaces of {names} for {len(keys)} losses")
    for name, values in found.items():
        if not values.size or not np.isfinite(values).all():
            raise ValueError(f"{name} holds what are no finite numbers")
    first, second = text["reference"]
    return Surfaces(
        runs,
        keys,
        found["coordinates"],
        found["weights"],
        found["unit"],
        (first, second),
        Usual(*text["usual"]),
        Basis(found["basis_places"], found["basis_weights"]),
        pd.DataFrame(text["diagnostics"]),
    )


def _columns(frame: pd.DataFrame) -> dict[str, list[object]]:
    return {str(name): values for name, values in frame.reset_index().to_dict("list").items()}


def _frame(columns: Mapping[str, list[object]]) -> pd.DataFrame:
    return pd.DataFrame(columns).set_index("run")
