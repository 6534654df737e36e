"""What is to be best: skills or scores, of which family, within which limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from skillscale.errors import SpecError, require_probability
from skillscale.forecasts.examination import silent
from skillscale.forecasts.own_family import own_production
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
            typical base family released in the last month of the fit, whose own slope nobody
            knows. Efficiency moves the optimum of a ``target`` only.
        observed: models of a family that is not in the fit, with scores, as in `forecast`: its
            efficiency and slope count, conditioned on these scores, in place of ``family``.
        deployment: tokens to serve, caps, and sizes allowed; none by default.
        interval: probability inside the intervals reported.
        keep_doubted: let observed scores count that contradict the rest, as in `forecast`.
        on_note: told what is assumed and doubted of observed models, a sentence each.

    Raises:
        SpecError: the interval is no probability, or a family is named beside observed models.

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
    observed: pd.DataFrame | None = field(default=None, compare=False)
    deployment: Deployment = field(default_factory=Deployment)
    interval: float = 0.8
    keep_doubted: bool = False
    on_note: Callable[[str], None] = field(default=silent, compare=False)

    def __post_init__(self) -> None:
        require_probability(self, "interval")
        if self.family is not None and self.observed is not None:
            raise SpecError("Goal: give a family of the fit or observed models, not both.")

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

    def in_words(self, fit: Fit) -> dict[str, str | list[str]]:
        """What figures say of the objectives beside their names.

        Args:
            fit: a fitted law.

        Returns:
            ``skills``: names of the objectives that are skills; ``target``: the shares of its
            benchmarks, empty if there is none.

        Example:
            >>> from skillscale.posterior.shipped import shipped_fit
            >>> Goal(["knowledge"], target={"mmlu": 1, "gsm8k": 2}).in_words(shipped_fit())
            {'skills': ['knowledge'], 'target': 'mmlu 33.3 %, gsm8k 66.7 %'}
        """
        weights = self.target or {}
        total = sum(weights.values())
        return {
            "skills": [goal.name for goal in self.objectives(fit) if goal.skill is not None],
            "target": ", ".join(f"{name} {100 * w / total:.3g} %" for name, w in weights.items()),
        }

    def production(self, fit: Fit) -> Production:
        """The law of the family.

        Args:
            fit: a fitted law.

        Returns:
            Its efficiency and slopes, and how benchmarks read its skills, per draw.

        Raises:
            UnknownNameError: the family is not in the fit.
            TableError: observed models are of several families, or break their schema.
        """
        if self.observed is not None:
            return own_production(
                fit, self.observed, keep_doubted=self.keep_doubted, on_note=self.on_note
            )
        return production(fit, self.family)
