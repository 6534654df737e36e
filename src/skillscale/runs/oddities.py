"""What is odd about runs, but usable: sentences for whoever reads the results."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skillscale.law.compute import TRAINING_FLOPS

COMPUTE_TOLERANCE = 0.05
RISING = 0.3
"""Rank correlation with compute from which a loss is doubted to be one."""
LEAST_RISING = 8
"""Runs of which such a correlation is looked at."""


def oddities(
    file: str, frame: pd.DataFrame, losses: pd.DataFrame, lines: pd.Index
) -> tuple[str, ...]:
    """Say what is odd about the runs of a file.

    Args:
        file: its name.
        frame: one row per run, as in `Runs.runs`.
        losses: losses measured on them, NaN where not.
        lines: the line of every run.

    Returns:
        Sentences: sizes that are those of active parameters, compute that is not 6 n_params
        n_tokens, runs without a loss, losses that rise with compute.
    """
    return (
        *_active(file, frame),
        *_compute(file, frame, lines),
        *_unmeasured(file, losses, lines),
        *_rising(file, frame, losses),
    )


def _active(file: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Say where sizes are those of active parameters."""
    if not (frame["n_total_params"] > frame["n_params"]).any():
        return ()
    return (
        f"{file}: n_active_params is the size of mixtures of experts here: optima are in active "
        "parameters, with what the total is.",
    )


def _compute(file: str, frame: pd.DataFrame, lines: pd.Index) -> tuple[str, ...]:
    """Say where compute contradicts 6 n_params n_tokens."""
    ratio = frame["flops"] / (TRAINING_FLOPS * frame["n_params"] * frame["n_tokens"])
    is_off = ((ratio - 1).abs() > COMPUTE_TOLERANCE).to_numpy()
    if not is_off.any():
        return ()
    first = int(np.argmax(is_off))
    low, high = f"{ratio[is_off].min():.3g}", f"{ratio[is_off].max():.3g}"
    found = low if low == high else f"{low} to {high}"
    return (
        f"{file}: flops is not 6 n_params n_tokens in {is_off.sum()} of {len(frame)} runs, first "
        f"at line {lines[first]} ({frame.index[first]}); their ratio is {found}. "
        "Tokens at optima follow the ratio of the runs near by: remove the column flops to have "
        "compute taken for 6 n_params n_tokens.",
    )


def _unmeasured(file: str, losses: pd.DataFrame, lines: pd.Index) -> tuple[str, ...]:
    """Say which runs have no loss."""
    is_empty = losses.isna().all(axis=1).to_numpy()
    if not is_empty.any():
        return ()
    first = int(np.argmax(is_empty))
    return (
        f"{file}: {is_empty.sum()} of {len(losses)} runs have no loss measured, first at line "
        f"{lines[first]} ({losses.index[first]}): left out.",
    )


def _rising(file: str, frame: pd.DataFrame, losses: pd.DataFrame) -> tuple[str, ...]:
    """Say which losses rise with compute."""
    varied = losses.loc[:, losses.nunique() > 1]
    if frame["flops"].nunique() < 2:
        return ()
    rank = varied.corrwith(frame["flops"], method="spearman", min_periods=LEAST_RISING)
    rising = rank[rank > RISING]
    return tuple(
        f"{file}: {name} rises with compute (rank correlation {value:.2f}). "
        "Is it a loss? --loss chooses."
        for name, value in rising.items()
    )
