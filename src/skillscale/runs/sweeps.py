"""Sweeps over learning rates and the like: of every size and token count, the best run counts.

Reruns differ by chance, and that is noise. Runs of a sweep differ by what was tried, and the ones
that were tried badly say nothing of what a size can reach.
"""

from __future__ import annotations

import pandas as pd

from skillscale.data.rules import numbers
from skillscale.errors import RunsError

CELL = ("group", "n_params", "n_tokens")


def best_of_cell(
    file: str,
    cells: pd.DataFrame,
    losses: list[str],
    hyper_parameters: list[str],
    *,
    best: bool | None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Keep the best run of every group, size and token count, or refuse to choose.

    Args:
        file: name of the file, for sentences.
        cells: its text under the names used here.
        losses: columns that hold losses; the first decides which run is best.
        hyper_parameters: columns that a sweep may vary.
        best: True keeps the best run, False takes all runs for reruns, None refuses where
            hyper-parameters differ.

    Returns:
        The cells kept, and sentences about what was left out.

    Raises:
        RunsError: runs of one size and token count differ in hyper-parameters, and ``best`` is
            None.

    Example:
        >>> rows = [("1e8", "2e9", "1e-3", "3.1"), ("1e8", "2e9", "1e-2", "3.0")]
        >>> cells = pd.DataFrame(rows, columns=["n_params", "n_tokens", "lr", "loss"])
        >>> kept, said = best_of_cell("runs.csv", cells, ["loss"], ["lr"], best=True)
        >>> kept["lr"].tolist()
        ['1e-2']
        >>> said[0]
        'runs.csv: of 2 runs the best by loss of each size and token count is kept: 1.'
    """
    counts = cells.reindex(columns=list(CELL)).assign(
        **{name: numbers(cells[name]) for name in CELL[1:] if name in cells}
    )
    cell = counts.groupby(list(CELL), dropna=False).ngroup()
    if not losses or not cell.duplicated().any():
        return cells, ()
    if best is None:
        varied = [
            name for name in hyper_parameters if (cells[name].groupby(cell).nunique() > 1).any()
        ]
        if not varied:
            return cells, ()
        n = int((cell.value_counts() > 1).sum())
        raise RunsError(
            f"{file}: at {n} of {cell.nunique()} sizes and token counts, runs differ in "
            f"{', '.join(varied)}. If this is a sweep, --best-of-cell keeps the best run of each; "
            "if these are reruns, --all-runs keeps all."
        )
    if not best:
        if "run" in cells:
            return cells, ()
        nth = cell.groupby(cell).cumcount()
        return cells.assign(run=[f"{c}-{k}" for c, k in zip(cell, nth, strict=True)]), ()
    value = numbers(cells[losses[0]])
    order = value.sort_values(kind="stable").index
    kept = sorted(order[~cell.reindex(order).duplicated()])
    return cells.loc[kept], (
        f"{file}: of {len(cells)} runs the best by {losses[0]} of each size and token count is "
        f"kept: {len(kept)}.",
    )
