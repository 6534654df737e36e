r"""What varies smoothly with the size of runs: compute over $6ND$, all parameters over active ones.

Training compute is $6ND$ for large dense models alone. Where a file counts it otherwise (attention,
embeddings, experts), the tokens that a budget leaves for a size are those of the runs near by,

$$D = \frac{C}{6 N\, r(N)}, \qquad r(N_i) = \frac{C_i}{6 N_i D_i},$$

with $\log r$ a line in $\log N$ about every size, its runs weighed by their distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.table import Runs

BANDWIDTH = 0.5
"""Distance in e-folds of size at which a run counts for 0.6 of one at the place."""
ROUNDING = 1e-3
"""Logs of ratios that are no larger come of counts with few digits."""
STEEPEST = 0.5
"""Slopes are no steeper: those of real files are below 0.2."""


class AlongSize(NamedTuple):
    """A quantity of runs that varies smoothly with size."""

    log_params: Float[np.ndarray, " run"]
    value: Float[np.ndarray, " run"]

    def at(
        self, log_params: Float[np.ndarray, "*p"]
    ) -> tuple[Float[np.ndarray, "*p"], Float[np.ndarray, "*p"]]:
        """Its value and slope at some sizes; beyond the sizes run, the last value.

        Args:
            log_params: logs of sizes.

        Returns:
            Values, and changes per e-fold of size.

        Example:
            >>> line = AlongSize(np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.4, 0.6]))
            >>> [part.round(3).tolist() for part in line.at(np.array([2.5, 4.0]))]
            [[0.5, 0.6], [0.2, 0.0]]
        """
        inside = np.clip(log_params, self.log_params.min(), self.log_params.max())
        off = self.log_params - inside[..., None]
        weight = np.exp(-0.5 * (off / BANDWIDTH) ** 2)
        total, first, second = (np.sum(weight * off**power, axis=-1) for power in (0, 1, 2))
        level, along = weight @ self.value, (weight * off) @ self.value
        spread = total * second - first**2
        slope = np.where(
            spread > 1e-9 * total**2,
            (total * along - first * level) / np.maximum(spread, np.finfo(float).tiny),
            0.0,
        ).clip(-STEEPEST, STEEPEST)
        return (level - slope * first) / total, np.where(inside == log_params, slope, 0.0)


def log_compute_ratio(runs: Runs) -> dict[str, AlongSize]:
    """Log of compute over six times size and tokens, by group.

    Args:
        runs: controlled runs.

    Returns:
        Zero where the file counts compute so.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> ratio = log_compute_ratio(load_runs("olmo-ladder"))["olmo-ladder"]
        >>> ratio.at(np.log([2e8, 1e9]))[0].round(2).tolist()
        [0.51, 0.31]
    """
    frame = runs.runs
    plain = TRAINING_FLOPS * frame["n_params"] * frame["n_tokens"]
    return _by_group(frame, frame["flops"] / plain)


def log_total_ratio(runs: Runs) -> dict[str, AlongSize]:
    """Log of all parameters over those that are active, by group.

    Args:
        runs: controlled runs.

    Returns:
        Zero of dense models.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> ratio = log_total_ratio(load_runs("isoflop"))["starcoder"]
        >>> ratio.at(np.log([2e8]))[0].tolist()
        [0.0]
    """
    frame = runs.runs
    return _by_group(frame, frame["n_total_params"] / frame["n_params"])


def budget_tokens(
    ratio: AlongSize, n_params: Float[np.ndarray, "*p"], flops: float | Float[np.ndarray, "*p"]
) -> Float[np.ndarray, "*p"]:
    """Tokens that a budget leaves for sizes, compute being counted as for the runs.

    Args:
        ratio: log of their compute over six times size and tokens.
        n_params: sizes, counts, positive and finite.
        flops: their budgets in FLOP.

    Returns:
        Token counts.

    Example:
        >>> twice = AlongSize(np.log([1e9]), np.log([2.0]))
        >>> budget_tokens(twice, np.array([1e9]), 1.2e20).round()
        array([1.e+10])
    """
    return np.asarray(flops / TRAINING_FLOPS / n_params / np.exp(ratio.at(np.log(n_params))[0]))


def _by_group(frame: pd.DataFrame, ratio: pd.Series) -> dict[str, AlongSize]:
    log_ratio = np.log(ratio)
    log_ratio = log_ratio.where(log_ratio.abs() > ROUNDING, 0.0)
    logs = pd.DataFrame({"size": np.log(frame["n_params"]), "ratio": log_ratio})
    return {
        str(group): AlongSize(own["size"].to_numpy(), own["ratio"].to_numpy())
        for group, own in logs.groupby(frame["group"], sort=False)
    }
