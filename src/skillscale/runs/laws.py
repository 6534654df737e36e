"""What controlled runs say beyond single budgets: power laws of the optimum, and surfaces."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.intervals import median_and_ends
from skillscale.runs.along_size import budget_tokens
from skillscale.runs.estimators import INTERVAL, Estimator, IsoFlop
from skillscale.runs.huber_fit import huber_fit_of
from skillscale.runs.surface import params_exponent

HUBER = "huber"
"""The name of a robust fit among estimators: it answers for coefficients alone."""


def exponents(found: IsoFlop, *, interval: float = INTERVAL) -> pd.DataFrame:
    r"""Power laws of the best size and its tokens, $N^*(C) = N^*(C_0) (C/C_0)^a$.

    Args:
        found: result of `isoflop`.
        interval: probability inside the intervals.

    Returns:
        One row per group, loss and estimator: medians of ``params_exponent`` $a$ and
        ``tokens_exponent`` $b = 1 - a$ with ``_lower`` and ``_upper``; ``flops``, the largest
        budget $C_0$ of the group, with ``n_params`` and ``n_tokens`` of the law there; and
        ``params_coefficient`` and ``tokens_coefficient``, medians of $k$ in $N^* = k C^a$ and
        $D^* = k C^b$, where compute is 6 n_params n_tokens. A loss without parabolas at two budgets
        has a row of its surface only.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> exponents(found)[["group", "loss", "estimator"]]
               group    loss estimator
        0  starcoder  val_c4   surface
        1  starcoder  val_c4  parabola
    """
    rows = []
    budgets, group_of = found.runs.budgets(), found.runs.runs["group"]
    for row, (group, loss) in enumerate(found.keys):
        most = float(budgets[(group_of == group).to_numpy()].max())
        for estimator, (exponent, sizes) in _laws(found, row, most).items():
            of: dict[str, object] = {"group": group, "loss": loss, "estimator": str(estimator)}
            of |= median_and_ends("params_exponent", exponent, interval)
            of |= median_and_ends("tokens_exponent", 1 - exponent, interval)
            tokens = budget_tokens(found.compute_ratio[group], sizes, most)
            of |= {"flops": most}
            of |= median_and_ends("n_params", sizes, interval)
            of |= median_and_ends("n_tokens", tokens, interval)
            for name, at_most, power in (
                ("params", sizes, exponent),
                ("tokens", tokens, 1 - exponent),
            ):
                logs = np.log(at_most) - power * np.log(most)
                of[f"{name}_coefficient"] = float(np.exp(np.median(logs)))
            rows.append(of)
    return pd.DataFrame(rows)


def coefficients(found: IsoFlop, *, interval: float = INTERVAL) -> pd.DataFrame:
    r"""Coefficients of the surfaces, $L = E + A N^{-\alpha} + B D^{-\beta}$ and their turn.

    The form of Hoffmann et al. 2022 (arXiv:2203.15556, third approach), beside the point that a
    robust fit of it finds, to compare with those of others.

    Args:
        found: result of `isoflop`.
        interval: probability inside the intervals.

    Returns:
        Two rows per surface, its own and that of `huber_fit`: ``group, loss, estimator``; medians
        with ``_lower`` and ``_upper`` of ``floor`` $E$, ``size_coefficient`` $A$ and
        ``tokens_coefficient`` $B$ (in the unit of the loss, for one parameter and one token),
        ``size_exponent`` $\alpha$, ``tokens_exponent`` $\beta$, and ``turn``, of the odds of the
        exponent of the best size, as a logarithm: where its interval holds zero, the surface may be
        of that form. The robust fit has no intervals, and no turn.

    Raises:
        RunsError: no loss has the runs of a surface.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> table = coefficients(isoflop(runs, method=ManyNuts(warmup=50, draws=50)))
        >>> table[["estimator", "floor"]].round(1)
          estimator  floor
        0   surface    3.0
        1     huber    3.0
    """
    surfaces = found.require_surfaces()
    surface, (size, tokens) = surfaces.surface, surfaces.reference
    draws = {
        "floor": surface.floor,
        "size_coefficient": surface.size_term * size**surface.size_exponent,
        "tokens_coefficient": surface.tokens_term * tokens**surface.tokens_exponent,
        "size_exponent": surface.size_exponent,
        "tokens_exponent": surface.tokens_exponent,
        "turn": surface.turn,
    }
    rows = []
    for row, (group, loss) in enumerate(surfaces.keys):
        key = {"group": group, "loss": loss}
        of: dict[str, object] = {**key, "estimator": str(Estimator.SURFACE)}
        for name, values in draws.items():
            of |= median_and_ends(name, np.asarray(values)[row], interval)
        rows.append(of)
        robust = huber_fit_of(found.runs, group, loss)
        rows.append({**key, "estimator": HUBER, **robust._asdict()})
    return pd.DataFrame(rows)


def _laws(
    found: IsoFlop, row: int, flops: float
) -> dict[Estimator, tuple[Float[np.ndarray, " draw"], Float[np.ndarray, " draw"]]]:
    """Exponent and size at a budget of the power laws of a loss, by estimator."""
    laws = {}
    surfaces, law = found.surfaces_of(row), found.power_laws[row]
    if surfaces is not None:
        exponent = np.asarray(params_exponent(surfaces.surface))[row]
        laws[Estimator.SURFACE] = exponent, surfaces.optimum(flops, only=[row])[0]
    if law is not None:
        line = law.level + law.exponent * (np.log(flops) - law.mean_log_budget)
        laws[Estimator.PARABOLA] = law.exponent, np.exp(line)
    return laws
