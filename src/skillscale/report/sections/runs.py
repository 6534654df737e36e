"""What a report of controlled runs says, section by section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skillscale.checks.verdict import Verdict, grade
from skillscale.formatting import (
    and_more,
    format_count,
    format_flops,
    format_interval,
    format_probability,
)
from skillscale.report.blocks import (
    TONES,
    Block,
    Cell,
    Columns,
    Figures,
    Listed,
    Row,
    Section,
    Terms,
    Tone,
    Words,
    make_table,
)
from skillscale.report.runs_panels import best_sizes, budget_curves
from skillscale.report.sections.provenance import Origin
from skillscale.report.vector import SERIES, as_svg
from skillscale.runs.best_sizes import INSIDE
from skillscale.runs.estimators import INTERVAL, IsoFlop
from skillscale.runs.sampling import POORLY_SAMPLED
from skillscale.runs.size_ratios import AGGREGATE

PERCENT = f"{100 * INTERVAL:.0f} %"
MOST_PANELS = 36
"""Panels of single losses; of more, the first."""


@dataclass(frozen=True, eq=False)
class RunsFindings:
    """What controlled runs say.

    Attributes:
        runs: the fit of runs.
        best: result of `optima` at the budgets asked about.
        laws: result of `exponents`.
        compared: result of `ratios`; None where there is no aggregate to compare with.
        wrong: the worst cases of `misspecification`; None where skills can't be mixed.
    """

    runs: IsoFlop
    best: pd.DataFrame
    laws: pd.DataFrame
    compared: pd.DataFrame | None
    wrong: pd.DataFrame | None


def optima_section(of: RunsFindings) -> Section:
    """Best sizes at the budgets asked about.

    Args:
        of: what was found.

    Returns:
        The section.
    """
    found = of.runs
    columns: Columns = {
        "loss": lambda r: str(r["loss"]),
        "group": lambda r: str(r["group"]),
        "FLOP": lambda r: format_flops(_number(r, "flops")),
        "by": lambda r: str(r["estimator"]),
        "best size": lambda r: Cell(_count(r, "n_params"), _ends(r, "n_params", _size)),
        "tokens": lambda r: _count(r, "n_tokens"),
        "tokens per parameter": lambda r: format_count(_number(r, "tokens_per_param"), 2),
        "place": lambda r: Cell(
            str(r["place"]), tone=Tone.GOOD if r["place"] == INSIDE else Tone.WARNING
        ),
    }
    if found.runs.is_sparse:
        columns["of total"] = lambda r: _count(r, "n_total_params")
    blocks: list[Block] = [
        Words(
            "A best size is known where its interval lies among the sizes tried, and the other "
            "estimator and the best runs do not contradict it. At other places read it as the "
            "words beside it say."
        )
    ]
    if found.surfaces is not None:
        losses = list(dict.fromkeys(loss for _, loss in found.surfaces.keys))[: len(SERIES)]
        groups = list(dict.fromkeys(group for group, _ in found.surfaces.keys))
        drawings = [
            as_svg(
                best_sizes(found, group, losses),
                f"best-{i}",
                f"Best size against budget on {group}, of {', '.join(losses)}",
            )
            for i, group in enumerate(groups)
        ]
        key = dict(zip([paint.name.lower() for paint in SERIES], losses, strict=False))
        key |= {"dotted": "the largest budget run; extrapolated beyond"}
        caption = f"Best size against budget, medians and {PERCENT} intervals"
        blocks.append(Figures(caption, drawings, key))
    caption = f"Best sizes, {PERCENT} intervals beneath, and where they lie"
    rows = of.best.to_dict("records")
    words = ["group", "by", "place"]
    blocks.append(make_table(caption, rows, columns, words=words))
    return Section("optima", "Best sizes", blocks)


def curves_section(of: RunsFindings) -> Section:
    """Loss against size at every budget.

    Args:
        of: what was found.

    Returns:
        The section.
    """
    found = of.runs
    drawings = [
        as_svg(budget_curves(found, i), f"curves-{i}", f"{loss} on {group} against size, by budget")
        for i, (group, loss) in enumerate(found.keys[:MOST_PANELS])
    ]
    key = {"first": "runs, darker at larger budgets", "observed-bar": f"best size, {PERCENT}"}
    left = len(found.keys) - len(drawings)
    more = f"; {left} more are not drawn" if left else ""
    caption = f"Loss against size at every budget: runs, median curves and best sizes{more}"
    return Section("curves", "Curves of every budget", [Figures(caption, drawings, key)])


def ratios_section(table: pd.DataFrame) -> Section:
    """How the best sizes of skills compare.

    Args:
        table: result of `ratios`.

    Returns:
        The section.
    """
    columns: Columns = {
        "skill": lambda r: str(r["loss"]),
        "group": lambda r: str(r["group"]),
        "FLOP": lambda r: format_flops(_number(r, "flops")),
        "ratio": lambda r: Cell(f"{_number(r, 'ratio'):.2f}", _ends(r, "ratio", _decimal)),
        "P(> 1)": lambda r: format_probability(_number(r, "prob_larger")),
        "verdict": lambda r: str(r["verdict"]),
    }
    caption = f"Best size of a skill over that of {AGGREGATE} text, {PERCENT} intervals beneath"
    made = make_table(caption, table.to_dict("records"), columns, words=["group", "verdict"])
    return Section("ratios", "Which skill wants more parameters", [made])


def wrong_section(table: pd.DataFrame) -> Section:
    """What a wrong validation set costs.

    Args:
        table: the worst cases of `misspecification`.

    Returns:
        The section.
    """
    columns: Columns = {
        "group": lambda r: str(r["group"]),
        "FLOP": lambda r: format_flops(_number(r, "flops")),
        "what matters": lambda r: _mix(r, "true"),
        "what was assumed": lambda r: _mix(r, "assumed"),
        "error in parameters": lambda r: Cell(
            f"{100 * _number(r, 'error'):+.0f} %", _ends(r, "error", lambda v: f"{100 * v:+.0f} %")
        ),
        "loss paid": lambda r: f"{100 * _number(r, 'loss_paid'):.2f} %",
    }
    caption = f"The mixes of skills that are off the most, {PERCENT} intervals beneath"
    words = ["what matters", "what was assumed"]
    made = make_table(caption, table.to_dict("records"), columns, words=words)
    return Section("wrong", "What a wrong validation set costs", [made])


def laws_section(of: RunsFindings) -> Section:
    """Best sizes as powers of compute.

    Args:
        of: what was found.

    Returns:
        The section.
    """
    columns: Columns = {
        "loss": lambda r: str(r["loss"]),
        "group": lambda r: str(r["group"]),
        "by": lambda r: str(r["estimator"]),
        "exponent of size": lambda r: Cell(
            f"{_number(r, 'params_exponent'):.3f}",
            _ends(r, "params_exponent", lambda v: f"{v:.3f}"),
        ),
        "size at the largest budget": lambda r: _count(r, "n_params"),
        "its FLOP": lambda r: format_flops(_number(r, "flops")),
    }
    caption = f"Best size as a power of compute, {PERCENT} intervals beneath"
    rows = of.laws.to_dict("records")
    made = make_table(caption, rows, columns, words=["group", "by"], folded=True)
    return Section("laws", "Power laws", [made])


def trust_section(of: RunsFindings) -> Section:
    """Whether the fit is to be trusted.

    Args:
        of: what was found.

    Returns:
        The section.
    """
    found, blocks = of.runs, list[Block]()
    if found.warnings:
        blocks += [Words("What is odd:"), Listed(list(found.warnings), "What is odd")]
    if found.surfaces is None:
        blocks.append(Words("There are too few runs for a loss surface.", Tone.WARNING))
    else:
        columns: Columns = {
            "loss": lambda r: str(r["loss"]),
            "group": lambda r: str(r["group"]),
            "R-hat": lambda r: Cell(f"{_number(r, 'rhat'):.3f}", tone=TONES[_sampled(r)]),
            "effective draws": lambda r: format_count(_number(r, "ess")),
            "diverging": lambda r: f"{_number(r, 'n_diverging'):.0f}",
        }
        rows = found.surfaces.diagnostics.sort_values("rhat", ascending=False).to_dict("records")
        worst = float(found.surfaces.diagnostics["rhat"].max())
        blocks.append(Words(f"The worst R-hat is {worst:.3f}; above {POORLY_SAMPLED} it is poor."))
        caption = "How well every loss surface was sampled"
        blocks.append(make_table(caption, rows, columns, words=["group"], folded=True))
    return Section("trust", "May it be trusted?", blocks)


def _sampled(row: Row) -> Verdict:
    return grade(-_number(row, "rhat"), -POORLY_SAMPLED, -2 * POORLY_SAMPLED)


def provenance_section(of: RunsFindings, seed: int, origin: Origin | None) -> Section:
    """Where the report comes from.

    Args:
        of: what was found.
        seed: of the report.
        origin: how it comes to be made.

    Returns:
        The section.
    """
    entries = (origin or Origin()).entries()
    entries |= {
        "seed of this report": str(seed),
        "seed of the fit": str(of.runs.seed),
        "fit": repr(of.runs),
    }
    sources = [str(source) for source in of.runs.runs.runs["source"].dropna().unique() if source]
    if sources:
        entries["sources of the runs"] = and_more(sources)
    return Section("provenance", "Provenance", [Terms(entries)])


def _mix(row: Row, kind: str) -> str:
    """A mix in words: the skills that have a part in it."""
    parts = {k.removeprefix(f"{kind}_"): _number(row, k) for k in row if k.startswith(f"{kind}_")}
    return " + ".join(
        skill if weight == 1 else f"{weight:g} {skill}" for skill, weight in parts.items() if weight
    )


def _number(row: Row, key: str) -> float:
    return float(row[key])


def _count(row: Row, key: str) -> str:
    return _size(_number(row, key))


def _size(value: float) -> str:
    """A count; where a loss falls on and on, its optimum is beyond any."""
    if value == 0:
        return "below"
    return "beyond" if np.isposinf(value) else format_count(value)


def _decimal(value: float) -> str:
    return f"{value:.2f}"


def _ends(row: Row, key: str, write: Callable[[float], str]) -> str:
    return format_interval(_number(row, f"{key}_lower"), _number(row, f"{key}_upper"), write)
