"""What is to be best: skills or scores, of which family, within which limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skillscale.errors import require_probability
from skillscale.optima.deployment import Deployment
from skillscale.optima.objectives import Objective, make_objectives
from skillscale.posterior.one_family import Production, production
from skillscale.posterior.result import Fit


@dataclass(frozen=True)
class Goal:
    """What `optimum`, `cheapest` and `regret` are asked about.

    Attributes:
        skills: names of skills, an objective each; all of them if nothing else is named.
        benchmarks: names of benchmarks whose expected score counts, an objective each.
        target: weights of benchmarks whose mean expected score counts, such as
            ``{"mmlu": 1, "gsm8k": 2}``; named ``target`` in results.
        family: a family of the fit, whose efficiency and own slope in size count; by default a
            typical base family released in the last month of the fit. Efficiency moves the
            optimum of a ``target`` only.
        deployment: tokens to serve, caps, and sizes allowed; none by default.
        interval: probability inside the intervals reported.

    Raises:
        SpecError: the interval is no probability.

    Example:
        >>> Goal(target={"mmlu": 1, "gsm8k": 2}, interval=0.9).interval
        0.9
        >>> Goal(interval=90)
        Traceback (most recent call last):
        skillscale.errors.SpecError: Goal: interval lies between 0 and 1, found 90.
    """

    skills: Sequence[str] | None = None
    benchmarks: Sequence[str] | None = None
    target: Mapping[str, float] | None = None
    family: str | None = None
    deployment: Deployment = field(default_factory=Deployment)
    interval: float = 0.8

    def __post_init__(self) -> None:
        require_probability(self, "interval")

    def objectives(self, fit: Fit) -> list[Objective]:
        """The objectives, by positions in a fit.

        Args:
            fit: a fitted law.

        Returns:
            An objective per skill, benchmark and target.

        Raises:
            SpecError: a name is repeated, a weight is not positive, or skills are exploratory.
            UnknownNameError: a skill or benchmark is not in the fit.
        """
        return make_objectives(fit, self.skills, self.benchmarks, self.target)

    def production(self, fit: Fit) -> Production:
        """The law of the family.

        Args:
            fit: a fitted law.

        Returns:
            Its efficiency and slopes, and how benchmarks read its skills, per draw.

        Raises:
            UnknownNameError: the family is not in the fit.
        """
        return production(fit, self.family)
