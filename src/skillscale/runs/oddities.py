"""What is odd about runs, but usable: sentences for whoever reads the results."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.columns import words_of

COMPUTE_TOLERANCE = 0.05
RISING = 0.3
"""Rank correlation with compute from which a loss is doubted to be one."""
TOGETHER = 0.02
"""Standard deviation of a logarithm below which numbers are one."""
LEAST_OF_A_DESIGN = 4
"""Runs of which that is looked at."""
CHECKPOINTS = {"step", "iter", "iteration", "checkpoint", "ckpt"}
LEAST_RISING = 8
"""Runs of which such a correlation is looked at."""


def oddities(
    file: str,
    frame: pd.DataFrame,
    losses: pd.DataFrame,
    lines: pd.Index,
    others: pd.DataFrame,
) -> tuple[str, ...]:
    """Say what is odd about the runs of a file.

    Args:
        file: its name.
        frame: one row per run, as in `Runs.runs`.
        losses: losses measured on them, NaN where not.
        lines: the line of every run.
        others: numbers of other columns, in the order of the runs.

    Returns:
        Sentences: sizes that are those of active parameters, compute that is not 6 n_params
        n_tokens, sizes and tokens that look exchanged or never vary apart, checkpoints and epochs,
        runs without a loss, losses that rise with compute.
    """
    return (
        *_active(file, frame),
        *_compute(file, frame, lines),
        *_design(file, frame),
        *_training(file, frame, others),
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


def _design(file: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Say where sizes and tokens look exchanged, or never vary apart."""
    size, tokens = np.log(frame["n_params"]), np.log(frame["n_tokens"])
    said = []
    if (tokens - size).median() < 0:
        said.append(
            f"{file}: most runs have fewer tokens than parameters. Are the columns exchanged?"
        )
    is_one = [bool(values.std() < TOGETHER) for values in (size, tokens, tokens - size)]
    if len(frame) >= LEAST_OF_A_DESIGN and any(is_one):
        what = ("sizes", "token counts", "tokens per parameter")[is_one.index(True)]
        said.append(
            f"{file}: {what} are the same in all runs, so that nothing tells size from tokens: "
            "best sizes are those of the prior. Vary both."
        )
    return tuple(said)


def _training(file: str, frame: pd.DataFrame, others: pd.DataFrame) -> list[str]:
    """Say where rows look like checkpoints of one run, and where data were seen repeatedly."""
    said = []
    for name in map(str, others):
        words = words_of(name)
        values = others[name].to_numpy(float)
        if words & CHECKPOINTS:
            per_step = pd.Series(frame["n_tokens"].to_numpy(float) / values, frame.index)
            of_size = per_step.groupby(frame["n_params"])
            is_steady = (of_size.std() < TOGETHER * of_size.mean()) & (of_size.size() > 2)
            if is_steady.any():
                said.append(
                    f"{file}: tokens of a size rise with {name}, as in checkpoints of one run. "
                    "Losses before the end of a schedule are too high, and best sizes wrong: keep "
                    "the last row of every run."
                )
        if "epochs" in words and np.nanmax(values, initial=0) > 1:
            said.append(
                f"{file}: {name} is above one, and n_tokens is taken to count what was seen in all "
                "epochs. Data seen again are worth less, which the law knows nothing of."
            )
    return said


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
