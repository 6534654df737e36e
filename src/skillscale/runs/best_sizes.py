"""What controlled runs say of optima: sizes and tokens at budgets, by two estimators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.errors import SpecError
from skillscale.intervals import median_and_ends
from skillscale.runs.agreement import near_best_runs, overlap
from skillscale.runs.along_size import AlongSize, budget_tokens, log_total_ratio
from skillscale.runs.estimators import INTERVAL, Estimator, IsoFlop

INSIDE = "inside"
BEYOND_SIZES = "outside the sizes tried"
BEYOND_BUDGETS = "at a budget not run"
PARTED = "estimators part"
BEST_ELSEWHERE = "best run elsewhere"
OFF_LAW = "budget off its law"
OTHER_END = {"": "", "_lower": "_upper", "_upper": "_lower"}
"""Where one quantity is least another is largest."""


def optima(
    found: IsoFlop, flops: Sequence[float] | None = None, *, interval: float = INTERVAL
) -> pd.DataFrame:
    """Size and tokens of least loss for every group, loss, budget and estimator.

    Args:
        found: result of `isoflop`.
        flops: budgets in FLOP; those that were run by default.
        interval: probability inside the intervals.

    Returns:
        One row each: ``group, loss, flops, estimator``; ``n_params, n_tokens`` (median counts) and
        ``tokens_per_param`` with ``_lower`` and ``_upper``, compute being counted as for the runs;
        ``n_total_params``, where sizes are those of active parameters; ``prob_inside``, that the
        optimum is among the sizes tried at the budget (NaN where it was not run); ``place``, which
        says whether the interval is, or the answer is extrapolated, or the other estimator or the
        best run contradicts it, or the interval spans what the budget shows and a power law that
        says otherwise; and ``ratio``, by how much the size exceeds that of the surface, with its
        interval.

    Raises:
        SpecError: a budget is not positive.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> table = optima(isoflop(runs, method=ManyNuts(warmup=50, draws=50)), [1e21])
        >>> table[["flops", "estimator", "place"]]
                  flops estimator                place
        0  1.000000e+21   surface  at a budget not run
        1  1.000000e+21  parabola  at a budget not run
    """
    budgets = found.runs.budgets()
    chosen = sorted(budgets.unique()) if flops is None else list(flops)
    for budget in chosen:
        if not budget > 0:
            raise SpecError(f"a budget must be positive, found {budget:g} FLOP.")
    totals = log_total_ratio(found.runs) if found.runs.is_sparse else {}
    rows = []
    for position, (group, loss) in enumerate(found.keys):
        noise, compute = found.noise(position), found.compute_ratio[group]
        measured = found.runs.is_measured(group, loss)
        for budget in chosen:
            at = measured & np.isclose(budgets, budget, rtol=0.01)
            tried = found.runs.runs.loc[at, "n_params"].to_numpy(dtype=float)
            losses = found.runs.losses.loc[at, loss].to_numpy()
            by_surface = found.surface_optimum(position, budget)
            parabola = found.optimum(position, budget, Estimator.PARABOLA)
            surface = np.full_like(parabola, np.nan) if by_surface is None else by_surface.draws
            draws = {Estimator.SURFACE: surface, Estimator.PARABOLA: parabola}
            known = [by for by in Estimator if not np.isnan(draws[by]).all()]
            is_off = by_surface is not None and by_surface.is_off_law(interval)
            is_parted = len(known) > 1 and not overlap(surface, parabola, interval)
            for estimator in known:
                row = _optimum_row(draws[estimator], budget, tried, compute, interval)
                if totals:
                    row["n_total_params"] = _total(row["n_params"], totals[group])
                ends = row["n_params_lower"], row["n_params_upper"]
                place = PARTED if is_parted else _place(ends, tried, losses, noise)
                if place == INSIDE and estimator is Estimator.SURFACE and is_off:
                    place = OFF_LAW
                of = {"group": group, "loss": loss, "flops": float(budget)}
                ratio = median_and_ends("ratio", draws[estimator] / surface, interval)
                rows.append({**of, "estimator": str(estimator), **row, "place": place, **ratio})
    return pd.DataFrame(rows)


def _optimum_row(
    sizes: Float[np.ndarray, " draw"],
    budget: float,
    tried: Float[np.ndarray, " run"],
    compute: AlongSize,
    interval: float,
) -> dict[str, float]:
    row = median_and_ends("n_params", sizes, interval)
    for end in ("", "_upper", "_lower"):
        size = row[f"n_params{end}"]
        row[f"n_tokens{OTHER_END[end]}"] = _tokens(compute, size, budget)
    for end in OTHER_END:
        tokens, size = row[f"n_tokens{end}"], row[f"n_params{OTHER_END[end]}"]
        row[f"tokens_per_param{end}"] = tokens / size if size > 0 else np.inf
    is_inside = (sizes >= tried.min(initial=np.inf)) & (sizes <= tried.max(initial=0.0))
    row["prob_inside"] = float(is_inside.mean()) if len(tried) else np.nan
    return row


def _tokens(compute: AlongSize, size: float, budget: float) -> float:
    """Tokens of a size; of one beyond any that was run, none or without end."""
    if not 0 < size < np.inf:
        return 0.0 if size > 0 else np.inf
    return float(budget_tokens(compute, np.array([size]), budget)[0])


def _total(size: float, ratio: AlongSize) -> float:
    """All parameters of so many active ones."""
    return size * float(np.exp(ratio.at(np.log([size]))[0][0])) if 0 < size < np.inf else size


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
