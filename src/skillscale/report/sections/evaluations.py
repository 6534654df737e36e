"""What to evaluate or train next."""

from __future__ import annotations

from skillscale.forecasts.next_evaluations import INTERVAL
from skillscale.formatting import format_points
from skillscale.report.blocks import Columns, Section, Words, make_table
from skillscale.report.findings import PlanFindings
from skillscale.report.sections.answer import what_to_do

MOST = 12
"""Evaluations that are listed."""


def evaluations_section(of: PlanFindings) -> Section:
    """What would narrow the forecast most.

    Args:
        of: what was found of the plan.

    Returns:
        The section, which says so where nothing is left to evaluate.
    """
    ranked = of.evaluations
    title = "What to evaluate next"
    if ranked is None:
        return Section(
            "next",
            title,
            [Words("Every score that an evaluation could add has been observed already.")],
        )
    columns: Columns = {
        "evaluation": lambda r: what_to_do(r).removeprefix("evaluating "),
        f"{INTERVAL} % interval now": lambda r: _points(r["width_now"]),
        "then": lambda r: _points(r["width_next"]),
        "narrowed": lambda r: (
            f"{100 * float(r['narrowed']):.1f} \N{PLUS-MINUS SIGN} "
            f"{100 * float(r['narrowed_se']):.1f} %"
        ),
    }
    caption = (
        f"Evaluations by how much they are expected to narrow the forecast: mean widths of its "
        f"{INTERVAL} % intervals, in points"
    )
    words = Words(
        "Expected from the posterior alone, for each evaluation by itself. Those closer than two "
        "standard errors are ties."
    )
    rows = ranked.head(MOST).to_dict("records")
    return Section("next", title, [words, make_table(caption, rows, columns)])


def _points(value: object) -> str:
    return format_points(float(str(value)))
