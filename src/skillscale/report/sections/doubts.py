"""What was assumed, what lies beyond the data, and what contradicts the rest."""

from __future__ import annotations

from skillscale.forecasts.weights import RELIABLE_PARETO_K
from skillscale.report.blocks import Block, Listed, Section, Tone, Words
from skillscale.report.findings import Findings, PlanFindings

HEADS = {
    "assumed": "What was not said, and is assumed:",
    "outside": "Beyond the data, where no model of the fit is:",
    "doubts": "Observed, and in contradiction to the rest:",
    "changes": "How much that matters:",
}


def doubts_section(found: Findings, of: PlanFindings) -> Section:
    """Assumptions and doubts.

    Args:
        found: what was found.
        of: what of it is of the plan.

    Returns:
        The section, which says so where there are none.
    """
    attrs = dict(of.forecast.attrs)
    if found.asked.observed is not None:  # what its file was taken for
        attrs["assumed"] = [*found.asked.observed.attrs.get("said", ()), *attrs["assumed"]]
    blocks: list[Block] = []
    for kind, head in HEADS.items():
        if sentences := list(attrs[kind]):
            tone = Tone.WARNING if kind in ("outside", "doubts") else Tone.PLAIN
            blocks += [Words(head, tone), Listed([_capital(s) for s in sentences], head)]
            if kind == "doubts":
                blocks.append(Words(_what_becomes(found)))
    if not attrs["assumed"]:
        blocks.append(Words("Nothing was assumed: all that a forecast reads of a model was given."))
    if found.asked.observed is not None and not attrs["doubts"]:
        blocks.append(Words("No observed score contradicts the rest."))
    if attrs["pareto_k"] > RELIABLE_PARETO_K:
        outcome = (
            "so the law was fitted again with them."
            if attrs["is_refit"]
            else "and the law was not fitted again: intervals are approximate."
        )
        k = f"Pareto k {attrs['pareto_k']:.2f}, above {RELIABLE_PARETO_K}"
        blocks.append(Words(f"The observed scores surprise the fit ({k}), {outcome}", Tone.WARNING))
    family = of.family
    if family.others and (of.own is not None or found.optimum is not None):
        blocks.append(
            Words(
                f"Sections on the family and on best sizes are of {family.label} alone, not of "
                f"{', '.join(family.others)}."
            )
        )
    blocks.append(Words(TRUST))
    return Section("doubts", "Assumptions and doubts", blocks)


TRUST = (
    "In general, do not trust forecasts blindly for new families with nothing observed and "
    "released long after the data, near a ceiling of a benchmark, for scores of chat models that "
    "depend on answer formats (GSM8K, IFEval, TruthfulQA), or on size against tokens."
)


def _what_becomes(found: Findings) -> str:
    if found.asked.keep_doubted:
        return "Doubted scores count in this forecast, as was asked for."
    return "Doubted scores are left out of this forecast."


def _capital(sentence: str) -> str:
    """Names keep their case, sentences begin with a capital."""
    first = sentence.split(" ", 1)[0]
    return sentence if not first.isalpha() else sentence[:1].upper() + sentence[1:]
