"""What controlled runs say of a skill, as a specification holds it (see `slope_evidence`)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from skillscale.errors import SpecError


@dataclass(frozen=True)
class SlopeEvidence:
    """What controlled runs say of one skill, at the reference budget of a specification.

    That budget is ``6 * reference_params * reference_tokens``. Scales are those of a Student-t with
    four degrees of freedom, nearly standard deviations.

    Attributes:
        skill: name of the skill.
        log_params: log of the best size there over ``reference_params``.
        log_params_sd: how far off that may be, in e-folds of size.
        sharpness: sum of the exponents of size and tokens, alpha + beta.
        sharpness_sd: how far off that may be.

    Raises:
        SpecError: a number is not finite, or a scale or the sharpness is not positive.

    Example:
        >>> SlopeEvidence("coding", 1.6, 0.6, 0.95, 0.0)
        Traceback (most recent call last):
        skillscale.errors.SpecError: evidence of coding: sharpness_sd must be positive, found 0.0.
    """

    skill: str
    log_params: float
    log_params_sd: float
    sharpness: float
    sharpness_sd: float

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise SpecError(
                    f"evidence of {self.skill}: {field.name} must be finite, found {value}."
                )
            if field.name != "log_params" and value <= 0:
                raise SpecError(
                    f"evidence of {self.skill}: {field.name} must be positive, found {value}."
                )
