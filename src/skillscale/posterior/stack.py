"""Fits of one table by several production functions, with how much each counts: a stack.

One file holds them. Opened as a plain fit it is that of the first form; what is said of optima
rests on all of them (see `skillscale.optima.mixture`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pandas as pd
import xarray as xr

from skillscale.errors import FitFileError, SpecError
from skillscale.files import read_netcdf
from skillscale.posterior import storage
from skillscale.posterior.result import Fit

GROUP = "forms"
COLUMNS = ("elpd", "difference", "error", "weight", "is_open", "high_k")


@dataclass(frozen=True, eq=False, repr=False)
class Stack:
    """Fits of one table that differ in their production function alone. `stack` makes one.

    Attributes:
        fits: by name of the form; the first is the plain fit.
        comparison: what the data say of every form, indexed by its name (see `stack`).

    Raises:
        SpecError: there are no fits, they differ in more than the form, or the comparison is not of
            their forms.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> found = {"elpd": 9.0, "difference": 0.0, "error": 0.0}
        >>> found |= {"weight": 1.0, "is_open": True, "high_k": 0.1}
        >>> alone = Stack({"translog": fit}, pd.DataFrame(found, index=["translog"]))
        >>> alone
        Stack(translog 100 %: 23 models of 4 families, 2 benchmarks, 2 skills, 200 draws by svi)
        >>> alone.fit is fit, alone.open_forms
        (True, ['translog'])
    """

    fits: Mapping[str, Fit]
    comparison: pd.DataFrame

    def __post_init__(self) -> None:
        if not self.fits:
            raise SpecError("a stack needs at least one fit.")
        if list(self.comparison.index) != list(self.fits):
            raise SpecError(
                f"a stack of {', '.join(self.fits)} is compared as "
                f"{', '.join(map(str, self.comparison.index))}."
            )
        for form, fit in self.fits.items():
            is_alike = replace(self.fit.spec, form=form) == fit.spec
            if not is_alike or fit.table.hash != self.fit.table.hash:
                raise SpecError(
                    f"fits of a stack differ in their form alone: that of {form} is of another "
                    "table or specification."
                )

    def __repr__(self) -> str:
        shares = ", ".join(f"{form} {100 * weight:.0f} %" for form, weight in self.weights.items())
        return f"Stack({shares}: {repr(self.fit)[4:-1]})"

    @property
    def fit(self) -> Fit:
        """The plain fit: that of the first form."""
        return next(iter(self.fits.values()))

    @property
    def weights(self) -> dict[str, float]:
        """Share of every form in what is said of all of them."""
        return {str(form): float(weight) for form, weight in self.comparison["weight"].items()}

    @property
    def open_forms(self) -> list[str]:
        """Forms that the data can't reject."""
        return [str(form) for form in self.comparison.index[self.comparison["is_open"]]]

    def save(self, path: str | Path) -> None:
        """Write the stack to one netCDF file, all of it or nothing; `Fit.load` reads the first fit.

        Args:
            path: the file; one that is there is replaced.

        Raises:
            FitFileError: the file can't be written.

        Example:
            See `load`.
        """
        tree = self.fit.tree.copy()
        of_forms = xr.DataTree()
        for form, fit in self.fits.items():
            if fit is not self.fit:
                node = xr.DataTree.from_dict({name: fit.tree[name] for name in fit.tree.children})
                node.attrs["provenance"] = json.dumps(dict(fit.provenance))
                of_forms[form] = node
        of_forms.attrs["comparison"] = self.comparison.to_json(orient="split", double_precision=15)
        tree[GROUP] = of_forms
        fit = self.fit
        storage.write(Path(path), tree, fit.table, fit.spec, fit.provenance)

    @classmethod
    def load(cls, path: str | Path) -> Stack:
        """Read a stack that `save` has written.

        Args:
            path: the file.

        Returns:
            The stack, its fits with their provenance.

        Raises:
            FitFileError: the file is missing, truncated, no fit, of another schema, or of a single
                form.

        Example:
            >>> import tempfile
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> found = {"elpd": 9.0, "difference": 0.0, "error": 0.0}
            >>> found |= {"weight": 1.0, "is_open": True, "high_k": 0.1}
            >>> path = Path(tempfile.mkdtemp()) / "fit.nc"
            >>> Stack({"translog": fit}, pd.DataFrame(found, index=["translog"])).save(path)
            >>> Stack.load(path).weights
            {'translog': 1.0}
            >>> Fit.load(path)
            Fit(23 models of 4 families, 2 benchmarks, 2 skills, 200 draws by svi)
        """
        loaded = fit_or_stack(path)
        if isinstance(loaded, Fit):
            raise FitFileError(
                f"{path} holds a fit of one form. `skillscale fit --forms` compares several."
            )
        return loaded


def fit_or_stack(path: str | Path) -> Fit | Stack:
    """Read a stack where a file holds one, else a fit.

    Args:
        path: the file.

    Returns:
        What it holds.

    Raises:
        FitFileError: the file is missing, truncated, no fit, or of another schema.

    Example:
        >>> from skillscale.data.shipped import fit_file
        >>> fit_or_stack(fit_file()).open_forms
        ['translog', 'quadratic', 'additive', 'two-term']
    """
    path = Path(path)
    first = Fit.load(path)
    tree = read_netcdf(path, storage.COMMAND, [GROUP])
    if GROUP not in tree.children:
        return first
    of_forms = tree.children[GROUP].children
    try:
        text = tree[GROUP].attrs["comparison"]
        comparison = pd.read_json(StringIO(text), orient="split")[list(COLUMNS)]
        fits = {first.spec.form: first} | {
            form: _of_form(path, node, first, form) for form, node in of_forms.items()
        }
        return Stack({form: fits[form] for form in comparison.index}, comparison)
    except (KeyError, ValueError, TypeError, SpecError) as error:
        raise FitFileError(
            f"{path} is incomplete: its forms can't be read ({error}). Fit again."
        ) from error


def _of_form(path: Path, node: xr.DataTree, first: Fit, form: str) -> Fit:
    fit = Fit(
        storage.groups_of_a_fit(path, node),
        first.table,
        replace(first.spec, form=form),
        json.loads(node.attrs["provenance"]),
    )
    storage.require_draws(path, fit.tree, fit.design)
    return fit
