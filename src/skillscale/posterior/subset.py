"""The same draws of the law, some of the fitted models being none of those that are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import xarray as xr

from skillscale.law.design import make_design
from skillscale.posterior.result import Fit


def without_models(fit: Fit, names: Iterable[str]) -> Fit:
    """Forget the skills of some fitted models, not what the law has learned from them.

    Args:
        fit: a fitted law.
        names: models of the fit.

    Returns:
        The same draws of the law, with the other models alone: what relatives of these are forecast
        from.

    Raises:
        UnknownNameError: a name is not in the table of the fit.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> without_models(shipped_fit(), ["gpt2", "gpt2-large"])
        Fit(404 models of 204 families, 12 benchmarks, 4 skills, 880 draws by hmc)
    """
    table = fit.table.without_models(names)
    design = make_design(table, fit.spec)
    posterior = fit.tree["posterior"].to_dataset()
    kept = {dim: design.coords[dim] for dim in ("model", "family")}
    if "unpublished" in posterior.dims:
        kept["unpublished"] = [design.coords["model"][i] for i in design.unpublished]
    tree = xr.DataTree.from_dict({"posterior": posterior.sel(kept)})
    return replace(fit, tree=tree, table=table)
