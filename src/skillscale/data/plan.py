"""Models to forecast: what a plan says of them, and what it leaves open."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from skillscale.data.frames import model_frame
from skillscale.data.problems import checked_cells
from skillscale.data.rules import decimal_year

NEW_FAMILY = "new"


def describe(models: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Fill in what a plan leaves open, indexed by model.

    A known family gives its lineage, tuning and release; otherwise models are base models of one
    new family, released in the latest month known.

    Args:
        models: ``model, n_params, n_tokens`` (counts) and any of ``family, lineage, tuning,
            release`` (``YYYY-MM``) and ``n_active_params``; other columns are kept as they are.
        known: models with ``family, lineage, tuning, release``, as in `Table.models`.

    Returns:
        One row per model, all of these columns filled in, and ``release_year`` (the middle of the
        month of release, a decimal year).

    Raises:
        KeyError: ``n_params`` or ``n_tokens`` is not among the columns.
        ValueError: a release is not ``YYYY-MM``, or a count is no number.

    Example:
        >>> from skillscale.data.table import load_table
        >>> sizes = {"n_params": 1e9, "n_tokens": 2e12}
        >>> plan = pd.DataFrame({"model": ["a", "b"], "family": ["llama-2", None], **sizes})
        >>> describe(plan, load_table("classic").models)[["family", "tuning", "n_active_params"]]
                family tuning  n_active_params
        model
        a      llama-2   base     1.000000e+09
        b          new   base     1.000000e+09
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


def read_plan(path: str | Path) -> pd.DataFrame:
    r"""Read the models to forecast from a CSV file.

    Args:
        path: CSV file with columns ``model``, ``n_params``, ``n_tokens``; optionally ``family``,
            ``lineage``, ``tuning``, ``release``, ``n_active_params``. Other columns are ignored.

    Returns:
        One row per model: the columns above, ``release_year``, ``source``. What the file does not
        give is missing, except ``n_active_params`` (then ``n_params``) and ``lineage`` (then
        ``family``).

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "plan.csv"
        >>> _ = path.write_text("model,n_params,n_tokens\nnew-8b,8e9,1.5e13\n")
        >>> read_plan(path)[["model", "n_params", "n_tokens", "release_year"]]
            model      n_params      n_tokens  release_year
        0  new-8b  8.000000e+09  1.500000e+13           NaN
    """
    from skillscale.data.schema import plan_schema

    return model_frame(checked_cells(Path(path), lambda _: plan_schema(), ["model"]))
