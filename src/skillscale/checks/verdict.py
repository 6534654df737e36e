"""What a check says: a measured value, a threshold, and one sentence of advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Outcome of one check."""

    PASS = "PASS"
    REVIEW = "REVIEW"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """One check of a fit.

    Attributes:
        name: what was checked.
        verdict: pass, review or fail.
        value: what was measured.
        threshold: what it takes to pass, in words.
        advice: what to do if it does not pass.
    """

    name: str
    verdict: Verdict
    value: float
    threshold: str
    advice: str


def grade(value: float, passes: float, fails: float) -> Verdict:
    """Grade a value of which more is better."""
    if value >= passes:
        return Verdict.PASS
    return Verdict.REVIEW if value >= fails else Verdict.FAIL


def grade_band(value: float, low: float, high: float) -> Verdict:
    """Grade a coverage: skills are fitted to the same scores, so a little too much is expected."""
    return grade(-max(low - value, value - high, 0.0), 0.0, -0.1)
