"""Per-item results of a benchmark: how often every item was attempted, and how often solved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.special import gammaln

from skillscale.data.problems import checked_cells
from skillscale.data.rules import numbers
from skillscale.data.schema import items_schema

UNNAMED = "observed"
"""The model of a file that names none."""


def read_items(path: str | Path) -> pd.DataFrame:
    r"""Read per-item results from a CSV file.

    Args:
        path: CSV file with columns ``item``, ``n`` (attempts), ``correct`` (how many of them solved
            it) and, where they are of several models, ``model``.

    Returns:
        One row per model and item: ``model, item, n, correct``.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "items.csv"
        >>> _ = path.write_text("item,n,correct\n1,20,3\n2,20,0\n")
        >>> read_items(path)
              model item   n  correct
        0  observed    1  20        3
        1  observed    2  20        0
    """
    cells = checked_cells(Path(path), lambda _: items_schema(), ["model", "item"])
    model = cells.get("model", UNNAMED)
    counts = cells[["n", "correct"]].apply(numbers).astype(int)
    frame = cells[["item"]].assign(model=model).join(counts)
    return frame[["model", "item", "n", "correct"]].reset_index(drop=True)


def unbiased_pass_at_k(items: pd.DataFrame, k: Int[np.ndarray, " k"]) -> pd.DataFrame:
    r"""Estimate pass@k of models from their items.

    $$\text{pass@}k = \frac1I \sum_i \left[1 - \binom{n_i - c_i}{k} \big/ \binom{n_i}{k}\right],$$

    which is right on average (arXiv:2107.03374, equation 1).

    Args:
        items: ``model, n, correct``, one row per model and item.
        k: numbers of attempts.

    Returns:
        Estimates (fractions), one row per model and one column per k: NaN where an item was
        attempted fewer than k times.

    Example:
        >>> items = pd.DataFrame({"model": "a", "n": [4, 4], "correct": [1, 0]})
        >>> unbiased_pass_at_k(items, np.array([1, 2, 5]))
                   1     2   5
        model
        a      0.125  0.25 NaN
    """
    n, correct = (items[name].to_numpy(float)[:, None] for name in ("n", "correct"))
    missed = n - correct
    log_miss = _log_falling(missed, k) - _log_falling(n, k)
    solved = np.where(missed < k, 1.0, -np.expm1(log_miss))
    each = pd.DataFrame(np.where(n < k, np.nan, solved), columns=list(k))
    of_model = each.groupby(items["model"].to_numpy())
    estimates = of_model.mean().where(of_model.count().eq(of_model.size(), axis=0))
    return estimates.rename_axis("model")


def _log_falling(n: Float[np.ndarray, "*n"], k: Int[np.ndarray, " k"]) -> Float[np.ndarray, "*n k"]:
    """Log of n (n - 1) ... (n - k + 1)."""
    return gammaln(n + 1) - gammaln(np.maximum(n - k, 0) + 1)
