"""Models to forecast: what a plan says of them, and what it leaves open."""

from __future__ import annotations

import pandas as pd

from skillscale.data.rules import decimal_year
from skillscale.errors import TableError
from skillscale.posterior.fit import Fit

NEW_FAMILY = "new"


def describe(models: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Fill in what a plan leaves open, indexed by model.

    A known family gives its lineage, tuning and release; otherwise models are base models of one
    new family, released in the latest month known.

    Args:
        models: ``model, n_params, n_tokens`` and any of the columns below.
        known: models with ``family, lineage, tuning, release``.
    """
    filled = models.set_index("model") if "model" in models else models.copy()
    for name in ("family", "lineage", "tuning", "release", "n_active_params"):
        if name not in filled:
            filled[name] = None
        filled[name] = filled[name].astype(object)
    of_family = known.groupby("family")[["lineage", "tuning", "release"]].first()
    filled["family"] = filled["family"].fillna(NEW_FAMILY)
    # A family's lineage is the fit's, whatever a file says: readers default it to the family.
    filled["lineage"] = (
        filled["family"]
        .map(of_family["lineage"])
        .fillna(filled["lineage"])
        .fillna(filled["family"])
    )
    for name, default in (("tuning", "base"), ("release", known["release"].max())):
        of_model = filled["family"].map(of_family[name])
        filled[name] = filled[name].fillna(of_model).fillna(default)
    filled["release_year"] = filled["release"].map(decimal_year)
    filled["n_params"] = filled["n_params"].astype(float)
    filled["n_tokens"] = filled["n_tokens"].astype(float)
    filled["n_active_params"] = filled["n_active_params"].astype(float).fillna(filled["n_params"])
    return filled


def describe_all(
    plan: pd.DataFrame, observed: pd.DataFrame | None, fit: Fit
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Observed and planned models, described alike."""
    known = fit.table.models
    columns = ["family", "lineage", "tuning", "release"]
    if observed is None:
        seen = describe(plan.iloc[:0], known)
        return seen, describe(plan, known)
    repeated = [name for name in observed["model"] if name in fit.design.coords["model"]]
    if repeated:
        raise TableError(
            [
                f"observed: {', '.join(repeated)} is in the fit already, with its scores. "
                "Leave it out, or fit again without it."
            ]
        )
    seen = describe(observed, known)
    if seen["family"].nunique() == 1:
        plan = plan.copy()
        given = plan["family"] if "family" in plan else pd.Series(None, plan.index, dtype=object)
        plan["family"] = given.astype(object).fillna(seen["family"].iloc[0])
    return seen, describe(plan, pd.concat([known[columns], seen[columns]]))
