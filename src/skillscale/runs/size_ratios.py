"""Optima compared: every skill's best size over that of an aggregate validation set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skillscale.errors import RunsError
from skillscale.intervals import median_and_ends
from skillscale.runs.estimators import INTERVAL, IsoFlop
from skillscale.runs.power_law import fit_mean

AGGREGATE = "general"
"""The skill that stands for an aggregate validation set."""


ALL_GROUPS = "all groups"


DECIDED = 0.95


def ratios(
    found: IsoFlop,
    flops: Sequence[float] | None = None,
    *,
    reference: str = AGGREGATE,
    interval: float = INTERVAL,
    seed: int = 0,
) -> pd.DataFrame:
    """Every skill's best size over that of an aggregate validation set, by group and budget.

    Args:
        found: result of `isoflop` on runs with one loss per skill.
        flops: budgets in FLOP; those that were run by default.
        reference: the loss to compare with.
        interval: probability inside the intervals.
        seed: source of randomness, for the mean over groups.

    Returns:
        One row per group, loss and budget, and one over all groups (their mean with its own
        uncertainty, groups being taken for a sample of recipes): ``ratio`` with ``_lower`` and
        ``_upper``, ``prob_larger`` that it exceeds one, and a ``verdict`` in words. Its ``attrs``
        hold the reference and the interval.

    Raises:
        UnknownNameError: the reference is no loss of a group.
        RunsError: there are no surfaces to compare, or parabolas contradict them everywhere.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> losses = ["val_c4", "val_starcoder"]
        >>> runs = load_runs("isoflop").select(losses=losses, groups=["starcoder"])
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> ratios(found, [1e19], reference="val_c4")[["group", "loss", "flops"]]
               group           loss         flops
        0  starcoder  val_starcoder  1.000000e+19
    """
    chosen = sorted(found.runs.budgets().unique()) if flops is None else list(flops)
    losses = [loss for loss in found.runs.loss_names if loss != reference]
    laws = {budget: found.require_surfaces().optimum(budget) for budget in chosen}
    rows = []
    for loss in losses:
        for budget in chosen:
            logs = {}
            for group in found.runs.groups:
                pair = (group, loss), (group, reference)
                found.index(*pair[1])
                if not set(pair) <= set(found.trusted):
                    continue
                own, base = (laws[budget][found.index(*key)] for key in pair)
                logs[group] = np.log(own / base)
                rows.append(_ratio_row(group, loss, budget, logs[group], interval))
            if len(logs) > 1:
                # From a fresh stream, so that a row is the same whatever else is asked.
                rng = np.random.default_rng(seed)
                pooled = fit_mean(np.array(list(logs.values())), rng)
                rows.append(_ratio_row(ALL_GROUPS, loss, budget, pooled.level, interval))
    if not rows:
        raise RunsError(
            f"no group has surfaces of {reference} and another loss that agree with its parabolas: "
            "see --show optima."
        )
    table = pd.DataFrame(rows)
    table.attrs = {"reference": reference, "interval": interval}
    return table


def _ratio_row(
    group: str, loss: str, budget: float, log_ratio: np.ndarray, interval: float
) -> dict[str, object]:
    prob_larger = float((log_ratio > 0).mean())
    verdict = "can't tell"
    if prob_larger >= DECIDED:
        verdict = "wants more parameters"
    elif prob_larger <= 1 - DECIDED:
        verdict = "wants more tokens"
    return {
        "group": group,
        "loss": loss,
        "flops": float(budget),
        **median_and_ends("ratio", np.exp(log_ratio), interval),
        "prob_larger": prob_larger,
        "verdict": verdict,
    }
