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
    """Grade a value of which more is better.

    Args:
        value: what was measured.
        passes: least value that passes.
        fails: least value that does not fail.

    Returns:
        Pass, review or fail; fail for NaN.

    Example:
        >>> [grade(value, 400, 100).value for value in (500, 200, 50)]
        ['PASS', 'REVIEW', 'FAIL']
    """
    if value >= passes:
        return Verdict.PASS
    return Verdict.REVIEW if value >= fails else Verdict.FAIL


def grade_band(value: float, low: float, high: float) -> Verdict:
    """Grade a coverage: skills are fitted to the same scores, so a little too much is expected.

    Args:
        value: share of scores inside an interval.
        low: least share that passes.
        high: largest share that passes.

    Returns:
        Pass, review (up to 0.1 outside) or fail.

    Example:
        >>> [grade_band(value, 0.8, 1.0).value for value in (0.9, 0.75, 0.6)]
        ['PASS', 'REVIEW', 'FAIL']
    """
    return grade(-max(low - value, value - high, 0.0), 0.0, -0.1)
