"""A doubt of something observed: what was expected, and what it usually comes from."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from skillscale.forecasts.surprise import Mixture
from skillscale.formatting import format_points
from skillscale.intervals import tails

NEARLY_NONE = 0.005
"""A score below it has next to no answer right."""


@dataclass(frozen=True)
class Doubt:
    """Something observed that is unlikely given everything else.

    Attributes:
        model: whose score, or row, it is; of two rows both, separated by a comma.
        benchmark: whose score; None where the whole row is doubted.
        found: the score, a fraction; NaN for a row.
        lower: lower end of the 95 % range expected.
        upper: upper end.
        p_value: probability of a score as far out; for a row one over the evidence gained.
        causes: what it usually comes from.
    """

    model: str
    benchmark: str | None
    found: float
    lower: float
    upper: float
    p_value: float
    causes: tuple[str, ...]

    def __str__(self) -> str:
        """One sentence, in points."""
        causes = " or ".join(self.causes)
        if self.benchmark is None:
            return f"{self.model}: the row contradicts the fit. Check {causes}."
        found, lower, upper = map(format_points, (self.found, self.lower, self.upper))
        return (
            f"{self.model}: {self.benchmark} {found} contradicts the rest, which expects "
            f"{lower} to {upper} (95 %). Check {causes}."
        )


def doubt_of(
    model: str, benchmark: pd.Series, found: float, expected: Mixture, p_value: float
) -> Doubt:
    """The doubt of a score, with the range expected and the usual causes.

    Args:
        model: whose score it is.
        benchmark: its row of a table.
        found: the score, a fraction.
        expected: its predictive distribution.
        p_value: probability of a score as far out.

    Returns:
        The doubt.
    """
    lower, upper = (float(expected.quantile(level)[0]) for level in tails(0.95))
    causes = tuple(usual_causes(benchmark, found, is_low=found < lower))
    return Doubt(model, str(benchmark.name), found, lower, upper, p_value, causes)


def usual_causes(benchmark: pd.Series, found: float, *, is_low: bool) -> list[str]:
    """What a score that contradicts the rest usually comes from.

    Args:
        benchmark: its row of a table, with ``metric`` and ``chance``.
        found: the score, a fraction.
        is_low: whether it is lower than expected.

    Returns:
        Things to check, the likeliest first.

    Example:
        >>> from skillscale.data.table import load_table
        >>> usual_causes(load_table("classic").benchmarks.loc["gsm8k"], 0.0, is_low=True)[0]
        'the answer parser (nothing was counted as solved)'
    """
    metric = f" ({benchmark['metric']})" if isinstance(benchmark["metric"], str) else ""
    causes = [f"the metric{metric}, prompt and number of shots"]
    if found < NEARLY_NONE:
        causes.insert(0, "the answer parser (nothing was counted as solved)")
    elif is_low and benchmark["chance"] > 0:
        causes.append("whether chance was subtracted (--normalised)")
    elif not is_low:
        causes.append("whether it was trained on")
    if benchmark.name == "ifeval":
        causes.append("tuning (base or instruct)")
    return causes
