"""A report of controlled runs: best sizes by loss, and what a wrong validation set costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from skillscale.errors import RunsError, SpecError, UnknownNameError
from skillscale.formatting import format_count, format_flops, format_interval
from skillscale.report.blocks import Page
from skillscale.report.sections.provenance import Origin
from skillscale.report.sections.runs import (
    PERCENT,
    RunsFindings,
    curves_section,
    laws_section,
    optima_section,
    provenance_section,
    ratios_section,
    trust_section,
    wrong_section,
)
from skillscale.runs.best_sizes import INSIDE, optima
from skillscale.runs.estimators import IsoFlop
from skillscale.runs.laws import exponents
from skillscale.runs.sampling import POORLY_SAMPLED
from skillscale.runs.size_ratios import AGGREGATE, ALL_GROUPS, ratios
from skillscale.runs.validation_sets import misspecification, worst_cases


def runs_page(
    found: IsoFlop,
    flops: Sequence[float] = (),
    *,
    seed: int = 0,
    origin: Origin | None = None,
) -> Page:
    """Report on controlled runs.

    Args:
        found: result of `isoflop`.
        flops: budgets in FLOP; the largest that was run if none.
        seed: source of randomness.
        origin: how the report comes to be made.

    Returns:
        The page, for `skillscale.report.page.render`.

    Raises:
        SpecError: a budget is not positive.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> runs_page(isoflop(runs, method=ManyNuts(warmup=50, draws=50))).title
        'Best sizes from 84 controlled runs'
    """
    of = _find(found, list(flops) or [float(found.runs.budgets().max())], seed)
    sections = [optima_section(of), curves_section(of)]
    if of.compared is not None:
        sections.append(ratios_section(of.compared))
    if of.wrong is not None:
        sections.append(wrong_section(of.wrong))
    sections += [laws_section(of), trust_section(of), provenance_section(of, seed, origin)]
    runs = found.runs
    ends = (format_flops(float(end)) for end in (runs.budgets().min(), runs.budgets().max()))
    subtitle = (
        f"{len(runs.groups)} groups, {len(runs.loss_names)} losses, {' to '.join(ends)} FLOP."
    )
    return Page(
        f"Best sizes from {len(runs.runs)} controlled runs", subtitle, _answer(of), sections
    )


def _find(found: IsoFlop, budgets: list[float], seed: int) -> RunsFindings:
    best = optima(found, budgets)
    compared = wrong = None
    if found.surfaces is not None:
        try:
            compared = ratios(found, budgets, seed=seed)
        except (RunsError, UnknownNameError):  # no aggregate is among the losses of every group
            compared = None
        try:
            wrong = worst_cases(misspecification(found, budgets))
        except (RunsError, SpecError, UnknownNameError):  # fewer than two skills, or not everywhere
            wrong = None
    return RunsFindings(found, best, exponents(found), compared, wrong)


def _answer(of: RunsFindings) -> list[str]:
    """Three sentences: best sizes, how skills compare, and how far to trust it."""
    found = of.runs
    budget = float(of.best["flops"].max())
    # Of a loss that has both estimators the surface comes first.
    first = of.best[of.best["flops"] == budget].drop_duplicates(["group", "loss"])
    sure = first[first["place"] == INSIDE]
    said = f"At {format_flops(budget)} FLOP {len(sure)} of {len(first)} best sizes are known"
    if len(sure):
        ordered = sure.sort_values("n_params", kind="stable")
        told = [_best(ordered.iloc[i]) for i in ((0, -1) if len(ordered) > 1 else (0,))]
        said += f" among the sizes tried, {'from ' if len(told) > 1 else ''}{' to '.join(told)}"
    return [f"{said}.", _comparison(of, budget), _trust(found)]


def _best(row: pd.Series) -> str:
    ends = format_interval(row["n_params_lower"], row["n_params_upper"], format_count)
    size = format_count(row["n_params"])
    return f"{size} ({PERCENT} interval {ends}) for {row['loss']} on {row['group']}"


def _comparison(of: RunsFindings, budget: float) -> str:
    """How the best sizes of skills compare, or else how best sizes grow."""
    table = of.compared
    if table is not None:
        own = table[table["flops"] == budget]
        pooled = own[own["group"] == ALL_GROUPS]
        own = pooled if len(pooled) else own
        where = " over all groups" if len(pooled) else f" on {own.iloc[0]['group']}"
        told = [
            f"{row['loss']} {row['ratio']:.2f} ({row['ratio_lower']:.2f} to "
            f"{row['ratio_upper']:.2f}, {row['verdict']})"
            for _, row in own.drop_duplicates("loss").iterrows()
        ]
        return f"Relative to {AGGREGATE} text the best size{where} is {', '.join(told)}."
    laws = of.laws.drop_duplicates(["group", "loss"])
    low, high = laws["params_exponent"].min(), laws["params_exponent"].max()
    return (
        f"The best size grows as compute to the power of {low:.2f} to {high:.2f}, by "
        f"{len(laws)} power laws."
    )


def _trust(found: IsoFlop) -> str:
    said = []
    if found.surfaces is None:
        said.append("there are too few runs for loss surfaces, and parabolas answer alone")
    else:
        rhat = found.surfaces.diagnostics["rhat"]
        poor = int((rhat > POORLY_SAMPLED).sum())
        said.append(f"{len(rhat) - poor} of {len(rhat)} loss surfaces were sampled well")
    n = len(found.disputed)
    if n:
        said.append(f"parabolas contradict {n} of them")
    odd = len(found.warnings)
    if odd:
        said.append(f"{odd} thing{'s are' if odd > 1 else ' is'} odd about the runs, see below")
    sentence = " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
    return f"{sentence[0].upper()}{sentence[1:]}."
