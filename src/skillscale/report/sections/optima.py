"""Best sizes, whether the data know them, and what other sizes lose."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from skillscale.formatting import (
    MISSING,
    format_count,
    format_flops,
    format_interval,
    format_points,
    format_probability,
    format_size_interval,
)
from skillscale.optima.deployment import Deployment
from skillscale.optima.identification import Identification
from skillscale.optima.table import long_rows
from skillscale.posterior.stack import Stack
from skillscale.report.blocks import (
    Block,
    Cell,
    Columns,
    Figures,
    Row,
    Section,
    Table,
    Tone,
    Words,
    as_written,
    make_table,
)
from skillscale.report.findings import Findings
from skillscale.report.panels import loss_curves
from skillscale.report.vector import SERIES, as_svg

TONES = {
    Identification.IDENTIFIED: Tone.GOOD,
    Identification.WEAK: Tone.WARNING,
    Identification.NOT: Tone.BAD,
}


def optima_section(found: Findings, best: xr.Dataset, lost: xr.Dataset) -> Section:
    """Best sizes at the budgets asked about, and regret.

    Args:
        found: what was found.
        best: the best sizes.
        lost: the regret.

    Returns:
        The section.
    """
    percent = f"{100 * best.attrs['interval']:.0f} %"
    blocks: list[Block] = [
        Words(_of_what(found)),
        _best_sizes(best, found.asked.deployment, percent),
        Words(VERDICTS.format(percent=percent)),
        Words(str(best.attrs["stands_on"]), Tone.WARNING),
    ]
    if isinstance(found.fit, Stack):
        blocks.append(_forms(found.fit))
    blocks += [_curves(lost), _safe_sizes(lost)]
    return Section("optima", "Best sizes and what others lose", blocks)


VERDICTS = (
    "An optimum is identified where nine posterior draws in ten have one inside the range searched "
    "and its {percent} interval ends within a factor of four of the median, weakly identified "
    "where it is wider or half of the draws have one and the data halved the interval, and else "
    "not identified. A median stands only where nine draws in ten have an optimum; the end of a "
    "search is never one. P(inside) is the share of draws with an optimum inside; narrowed is how "
    "much narrower the interval is than before the data spoke of size against tokens."
)


def _of_what(found: Findings) -> str:
    """Whose scores are maximised, at which cost."""
    deployment = found.asked.deployment
    family = None if found.of_plan is None else found.of_plan.family
    if family is not None and family.observed is not None:
        whose = f"{family.label}, as far as its observed scores tell"
    elif family is not None and family.is_fitted:
        whose = family.name
    else:
        whose = "a typical base family of the last month of the fit"
    said = [f"Best sizes are those of {whose}. Training costs 6ND FLOP, of active parameters."]
    if deployment.serve_tokens:
        said.append(
            f"Budgets include serving {format_count(deployment.serve_tokens)} tokens, 2N FLOP each."
        )
    limits = {"tokens": deployment.max_tokens, "parameters": deployment.max_params}
    for what, most in limits.items():
        if most is not None:
            said.append(f"There are at most {format_count(most)} {what}.")
    if found.plain.spec.exploratory and found.asked.target is None:
        said.append("Its skills have no names: what is maximised is the mean of all benchmarks.")
    return " ".join(said)


def _best_sizes(best: xr.Dataset, deployment: Deployment, percent: str) -> Table:
    columns: Columns = {
        "objective": lambda r: str(r["objective"]).replace("_", " "),
        "FLOP": lambda r: format_flops(_number(r, "flops")),
        "best size": lambda r: Cell(_count(r, "n_params"), format_size_interval(r)),
        "its tokens": lambda r: _count(r, "n_tokens"),
        "tokens per parameter": lambda r: format_count(_number(r, "tokens_per_param"), 2),
        "P(inside)": lambda r: format_probability(_number(r, "prob_interior")),
        "narrowed": lambda r: _percent(_number(r, "narrowing")),
        "verdict": _verdict,
    }
    if deployment.total_per_active > 1:
        columns["total size"] = lambda r: _count(r, "n_total_params")
    if deployment.max_tokens is not None or deployment.max_params is not None:
        del columns["narrowed"]  # a cap narrows as well
    if "disagreement" in best:
        columns["forms differ by"] = lambda r: (
            f"{_number(r, 'disagreement'):.3g}\N{MULTIPLICATION SIGN}"
        )
    caption = f"Best sizes, {percent} intervals beneath, and whether the data know them"
    return make_table(caption, long_rows(best), columns, words=["verdict"])


def _verdict(row: Row) -> Cell:
    verdict = Identification(str(row["verdict"]))
    limit = f"{row['limit']}" if row["limit"] else ""
    return Cell(verdict.value, limit, TONES[verdict])


def _forms(stack: Stack) -> Table:
    """What the data say of every form of the law."""
    rows = stack.comparison.rename_axis("form").reset_index().to_dict("records")
    columns: Columns = {
        "form": lambda r: str(r["form"]),
        "expected log predictive density": lambda r: Cell(
            f"{_number(r, 'difference'):+.1f}", f"\N{PLUS-MINUS SIGN} {_number(r, 'error'):.1f}"
        ),
        "weight": lambda r: _percent(_number(r, "weight")),
        "verdict": lambda r: (
            Cell("open", tone=Tone.GOOD) if r["is_open"] else Cell("rejected", tone=Tone.BAD)
        ),
    }
    caption = "Forms of the law, by how well each predicts lineages left out, relative to the best"
    return make_table(caption, rows, columns, words=["verdict"])


def _curves(lost: xr.Dataset) -> Figures:
    drawings = []
    for objective in map(str, lost["objective"].to_numpy()):
        own = lost.sel(objective=objective)
        told = [
            f"at {format_flops(float(at['flops']))} FLOP least at "
            f"{format_count(float(at['least_regret_params']))}"
            for budget in own["flops"].to_numpy()
            for at in [own.sel(flops=budget)]
        ]
        label = f"Expected points lost against size, {objective}: {', '.join(told)}"
        drawings.append(as_svg(loss_curves(own), f"regret-{objective}", label))
    flops = lost["flops"].to_numpy()
    marks = [paint.name.lower() for paint in SERIES]
    key = {mark: f"{format_flops(b)} FLOP" for mark, b in zip(marks, flops, strict=False)}
    percent = f"{100 * lost.attrs['interval']:.0f} %"
    key |= {"band": f"{percent} interval", "dotted": f"{_safe(lost)} lost"}
    caption = "Points that a size is expected to lose to the best of its budget"
    return Figures(caption, drawings, key)


def _safe_sizes(lost: xr.Dataset) -> Table:
    cells = [
        lost.sel(objective=objective, flops=budget)
        for objective in lost["objective"].to_numpy()
        for budget in lost["flops"].to_numpy()
    ]
    rows = [
        {
            "objective": str(cell["objective"].item()).replace("_", " "),
            "FLOP": format_flops(float(cell["flops"])),
            "least expected loss at": format_count(float(cell["least_regret_params"])),
            f"less than {_safe(lost)} lost": _safe_range(cell),
            "half that size loses": _lost_at(cell, 0.5),
            "twice that size loses": _lost_at(cell, 2.0),
        }
        for cell in cells
    ]
    columns: Columns = as_written(rows[0])
    caption = "What it costs to be off: expected points lost, of a skill on its anchor benchmark"
    return make_table(caption, rows, columns)


def _lost_at(cell: xr.Dataset, factor: float) -> str:
    """Expected loss at a multiple of the size of least expected loss."""
    curve = cell["score_lost"].dropna("n_params")
    if not curve.size:
        return BEYOND
    at = math.log(factor * float(cell["least_regret_params"]))
    logs = np.log(curve["n_params"].to_numpy())
    if not logs[0] <= at <= logs[-1]:
        return BEYOND
    return format_points(float(np.interp(at, logs, curve.to_numpy())))


BEYOND = "out of reach"
"""Of a size that the budget leaves no tokens, or that was not searched."""


def _safe_range(cell: xr.Dataset) -> str:
    lower, upper = float(cell["safe_lower"]), float(cell["safe_upper"])
    return "no size" if math.isnan(lower) else format_interval(lower, upper, format_count)


def _safe(lost: xr.Dataset) -> str:
    return f"{100 * lost.attrs['safe_loss']:g} point"


def _number(row: Row, key: str) -> float:
    return float(row[key])


def _count(row: Row, key: str) -> str:
    return format_count(_number(row, key))


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else MISSING
