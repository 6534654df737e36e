"""What controlled runs say of optima: sizes, tokens and exponents, by two estimators, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.errors import SpecError
from skillscale.intervals import median_and_ends
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.agreement import near_best_runs, overlap
from skillscale.runs.estimators import INTERVAL, Estimator, IsoFlop
from skillscale.runs.surface import params_exponent

INSIDE = "inside"
BEYOND_SIZES = "outside the sizes tried"
BEYOND_BUDGETS = "at a budget not run"
PARTED = "estimators part"
BEST_ELSEWHERE = "best run elsewhere"


def optima(
    found: IsoFlop, flops: Sequence[float] | None = None, *, interval: float = INTERVAL
) -> pd.DataFrame:
    """Size and tokens of least loss for every group, loss, budget and estimator.

    Args:
        found: result of `isoflop`.
        flops: budgets in FLOP; those that were run by default.
        interval: probability inside the intervals.

    Returns:
        One row each: ``group, loss, flops, estimator``; ``n_params, n_tokens`` (median counts) with
        ``_lower`` and ``_upper``; ``prob_inside``, that the optimum is among the sizes tried at the
        budget (NaN where it was not run); ``place``, which says whether the interval is, or the
        answer is extrapolated, or the other estimator or the best run contradicts it; and
        ``ratio``, by how much the size exceeds that of the surface, with its interval.

    Raises:
        SpecError: a budget is not positive.

    Example:
        >>> from skillscale.runs.estimators import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> table = optima(isoflop(runs, method=ManyNuts(warmup=50, draws=50)), [1e19, 1e21])
        >>> table[["flops", "estimator", "place"]]
                  flops estimator                place
        0  1.000000e+19   surface               inside
        1  1.000000e+19  parabola               inside
        2  1.000000e+21   surface  at a budget not run
        3  1.000000e+21  parabola  at a budget not run
    """
    budgets = found.runs.budgets()
    chosen = sorted(budgets.unique()) if flops is None else list(flops)
    for budget in chosen:
        if not budget > 0:
            raise SpecError(f"a budget must be positive, found {budget:g} FLOP.")
    rows = []
    for position, (group, loss) in enumerate(found.keys):
        noise = found.noise(position)
        measured = (found.runs.runs["group"] == group) & found.runs.losses[loss].notna()
        for budget in chosen:
            at = measured & np.isclose(budgets, budget, rtol=0.01)
            tried = found.runs.runs.loc[at, "n_params"].to_numpy(dtype=float)
            losses = found.runs.losses.loc[at, loss].to_numpy()
            draws = {by: found.optimum(position, budget, by) for by in Estimator}
            surface, parabola = draws[Estimator.SURFACE], draws[Estimator.PARABOLA]
            known = [by for by in Estimator if not np.isnan(draws[by]).all()]
            is_parted = len(known) > 1 and not overlap(surface, parabola, interval)
            for estimator in known:
                row = _optimum_row(draws[estimator], budget, tried, interval)
                ends = row["n_params_lower"], row["n_params_upper"]
                place = PARTED if is_parted else _place(ends, tried, losses, noise)
                of = {"group": group, "loss": loss, "flops": float(budget)}
                ratio = median_and_ends("ratio", draws[estimator] / surface, interval)
                rows.append({**of, "estimator": str(estimator), **row, "place": place, **ratio})
    return pd.DataFrame(rows)


def exponents(found: IsoFlop, *, interval: float = INTERVAL) -> pd.DataFrame:
    r"""Exponents of $N^* \propto C^a$ and $D^* \propto C^{1-a}$, and those of the surfaces.

    Args:
        found: result of `isoflop`.
        interval: probability inside the intervals.

    Returns:
        One row per group, loss and estimator: medians of ``params_exponent`` and
        ``tokens_exponent`` with ``_lower`` and ``_upper``; of surfaces also ``alpha, beta`` (the
        exponents of size and tokens) and ``floor`` (in the unit of the loss). A loss without
        parabolas at two budgets has a row of its surface only.

    Example:
        >>> from skillscale.runs.estimators import isoflop
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
    surfaces = found.surfaces
    of_surfaces: Float[np.ndarray, "surface draw"] | tuple[()] = ()
    if surfaces is not None:
        of_surfaces = np.asarray(params_exponent(surfaces.surface))
    for position, (group, loss) in enumerate(found.keys):
        law = found.power_laws[position]
        draws = {}
        if position < len(of_surfaces):
            draws[Estimator.SURFACE] = of_surfaces[position]
        if law is not None:
            draws[Estimator.PARABOLA] = law.exponent
        for estimator, exponent in draws.items():
            row: dict[str, object] = {"group": group, "loss": loss, "estimator": str(estimator)}
            row |= median_and_ends("params_exponent", exponent, interval)
            row |= median_and_ends("tokens_exponent", 1 - exponent, interval)
            if surfaces is not None and estimator is Estimator.SURFACE:
                surface = surfaces.surface
                for name, values in (
                    ("alpha", surface.size_exponent),
                    ("beta", surface.tokens_exponent),
                    ("floor", surface.floor),
                ):
                    row |= median_and_ends(name, np.asarray(values)[position], interval)
            rows.append(row)
    return pd.DataFrame(rows)


def _optimum_row(
    sizes: Float[np.ndarray, " draw"],
    budget: float,
    tried: Float[np.ndarray, " run"],
    interval: float,
) -> dict[str, float]:
    row = median_and_ends("n_params", sizes, interval)
    pairs = budget / TRAINING_FLOPS
    for tokens, size in (("", ""), ("_lower", "_upper"), ("_upper", "_lower")):
        value = row[f"n_params{size}"]
        row[f"n_tokens{tokens}"] = pairs / value if value > 0 else np.inf
    is_inside = (sizes >= tried.min(initial=np.inf)) & (sizes <= tried.max(initial=0.0))
    row["prob_inside"] = float(is_inside.mean()) if len(tried) else np.nan
    return row


def _place(
    ends: tuple[float, float],
    tried: Float[np.ndarray, " run"],
    loss: Float[np.ndarray, " run"],
    noise: float,
) -> str:
    """Where an interval lies among the sizes tried, and whether by the runs of least loss."""
    if not len(tried):
        return BEYOND_BUDGETS
    lower, upper = ends
    smaller, larger = near_best_runs(tried, loss, noise)
    if lower > larger or upper < smaller:
        return BEST_ELSEWHERE
    return INSIDE if lower >= tried.min() and upper <= tried.max() else BEYOND_SIZES
