"""Why the forecast is what it is: observed scores and relatives, each left out."""

from __future__ import annotations

from skillscale.forecasts.influence import Kind
from skillscale.formatting import format_points
from skillscale.report.blocks import Block, Columns, Row, Section, Words, make_table
from skillscale.report.findings import PlanFindings

HOW = (
    "Each row leaves something out and forecasts again, the law being as it was. What the forecast "
    "would be without it is what size, tokens, date, tuning and everything else that is known say."
)


def influence_section(of: PlanFindings) -> Section:
    """What moves the forecast.

    Args:
        of: what was found of the plan.

    Returns:
        The section.
    """
    frame = of.influence
    of_scores = frame["kind"].isin([Kind.SCORES, Kind.SCORE, Kind.BENCHMARK, Kind.MODEL])
    blocks: list[Block] = [Words(HOW)] if len(frame) else []
    columns: Columns = {
        "left out": lambda row: _name(row),
        "moves the forecast by": lambda row: _signed(row["change"]),
        "moves most": lambda row: f"{row['benchmark']} of {row['model']}",
        "with it": lambda row: _points(row["median_with"]),
        "without it": lambda row: _points(row["median_without"]),
    }
    for own, what in ((frame[of_scores], "observed scores"), (frame[~of_scores], "relatives")):
        if len(own):
            caption = (
                f"What {what} do: points by which they move forecast medians, on average over all, "
                "and the median that they move most"
            )
            rows = own.to_dict("records")
            blocks.append(make_table(caption, rows, columns, words=["moves most"]))
    label = of.family.label
    if not of_scores.any():
        blocks.append(Words(f"No score of {label} was observed."))
    if of_scores.all():
        others = " Families that it is like are below." if of.own is not None else ""
        blocks.append(
            Words(
                f"The fit has no relatives of {label}: only the law, and scores that were "
                f"observed, speak of it.{others}"
            )
        )
    return Section("why", "Why this forecast", blocks)


def _name(row: Row) -> str:
    if row["kind"] in (Kind.SCORES, Kind.RELATIVES):
        return str(row["kind"])
    if row["kind"] == Kind.FAMILY:
        return f"family {row['name']}"
    return str(row["name"])


def _signed(value: object) -> str:
    points = format_points(float(str(value)))
    signed = points if points.startswith("-") or points == "0.0" else f"+{points}"
    return signed.replace("-", "\N{MINUS SIGN}")


def _points(value: object) -> str:
    return format_points(float(str(value)))
