"""The specification of a fit: which skills, which benchmarks, which priors. Plain scalars only."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skillscale.errors import SkillscaleError, SpecError, known_names
from skillscale.law.evidence import SlopeEvidence
from skillscale.law.plain_values import known_keys, names_of, number, slope_evidence
from skillscale.law.production import Form


@dataclass(frozen=True)
class LogNormalPrior:
    """A positive parameter: its median, and the standard deviation of its logarithm."""

    median: float
    sigma: float


@dataclass(frozen=True)
class NormalPrior:
    """A parameter of either sign: its mean and standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Priors:
    """Numbers of every prior. Skills are in units of the linear predictor of their anchor.

    A slope of 0.6 moves a score at the middle of its range by six (asymmetry 0.1) to fifteen points
    (asymmetry 1) per e-fold of size or tokens; efficiencies and their spreads share that unit.

    The date effect per year is what a skill gains from an e-fold of compute, half of it spent on
    size and half on tokens (0.6 by these slopes), times the e-folds of compute that a year of
    progress saves: one, between 0.6 and 1.7 (arXiv:2403.05812).

    Attributes:
        loading: how a benchmark that is no anchor reads a skill.
        intercept: ease of a benchmark, in the linear predictor.
        asymmetry: shape of the link: below one, slow near the ceiling; above, slow near chance.
        ceiling_gap_logit: logit of the share of the range above chance that is out of reach.
        exploratory_loading_sd: standard deviation of loadings of exploratory skills.
        slope: growth of a skill per e-fold of size, and of tokens.
        interaction: growth per product of both logs; positive where size and tokens trade off.
        curvature: growth per square of either log, of the forms that have it.
        exponent: exponents of size and tokens in a loss, of the two-term form.
        instruct: what instruction tuning adds to a skill.
        date: what a year of progress adds to a skill.
        instruct_date: what a year of progress in tuning adds to what tuning adds.
        trend_scale: how far progress wanders from its mean pace in half a year.
        tuning_trend_scale: the same of what tuning adds.
        lineage_scale: spread of the efficiencies of lineages.
        branch_scale: spread of base and of tuned families as a whole, within a lineage.
        family_scale: spread of the efficiencies of families of a lineage and tuning.
        slope_scale: spread of families' own slopes in size.
        model_scale: spread of the skills of models within a family.
        overdispersion: unexplained spread of scores anywhere, relative to that of a single item.
        discrepancy_spread: unexplained spread of the linear predictor.
        affinity_overdispersion: the same of families' affinities for a benchmark.
        affinity_spread: spread of families' affinities in the linear predictor.
        tail: degrees of freedom of the Student-t that scores scatter by.
        tokens_growth: expected growth of log tokens per year, where a count is not published.
        tokens_sd: standard deviation of such a log count of a family that publishes none.
        tokens_sd_within_family: the same beside published counts of the family.
    """

    loading: LogNormalPrior = LogNormalPrior(0.25, 1.0)
    intercept: NormalPrior = NormalPrior(0.0, 1.5)
    asymmetry: LogNormalPrior = LogNormalPrior(0.5, 0.7)
    ceiling_gap_logit: NormalPrior = NormalPrior(-3.0, 0.5)
    exploratory_loading_sd: float = 0.5
    slope: NormalPrior = NormalPrior(0.6, 0.6)
    interaction: NormalPrior = NormalPrior(0.0, 0.15)
    curvature: NormalPrior = NormalPrior(0.0, 0.15)
    exponent: NormalPrior = NormalPrior(0.37, 0.12)
    instruct: NormalPrior = NormalPrior(0.0, 1.0)
    date: NormalPrior = NormalPrior(0.7, 0.35)
    instruct_date: NormalPrior = NormalPrior(0.0, 0.25)
    trend_scale: LogNormalPrior = LogNormalPrior(1.0, 0.4)
    tuning_trend_scale: LogNormalPrior = LogNormalPrior(0.2, 0.5)
    lineage_scale: LogNormalPrior = LogNormalPrior(0.6, 0.5)
    branch_scale: LogNormalPrior = LogNormalPrior(0.2, 0.5)
    family_scale: LogNormalPrior = LogNormalPrior(0.4, 0.5)
    slope_scale: LogNormalPrior = LogNormalPrior(0.15, 0.5)
    model_scale: LogNormalPrior = LogNormalPrior(0.3, 0.25)
    overdispersion: LogNormalPrior = LogNormalPrior(0.02, 0.5)
    discrepancy_spread: LogNormalPrior = LogNormalPrior(0.3, 0.7)
    affinity_overdispersion: LogNormalPrior = LogNormalPrior(0.015, 0.5)
    affinity_spread: LogNormalPrior = LogNormalPrior(0.2, 0.7)
    tail: LogNormalPrior = LogNormalPrior(8.0, 0.5)
    tokens_growth: float = 1.2
    tokens_sd: float = 0.7
    tokens_sd_within_family: float = 0.2


@dataclass(frozen=True)
class Spec:
    """What to fit.

    Attributes:
        skills: names of the latent skills.
        anchors: per skill, the benchmark that reads this skill alone, with loading one. Anchors
            name the skills and fix their scale and rotation; forecasts hardly depend on them.
        benchmarks: benchmarks to fit; empty for all those of a leaderboard (all of the table
            if it names no leaderboard).
        reference_params: size at which inputs are centred (a count).
        reference_tokens: token count at which inputs are centred.
        reference_year: release date at which the date effect is zero, a decimal year.
        trend_from: date from which progress may change its pace, every half year.
        trend_until: date from which its pace is that of the mean again.
        priors: the numbers of every prior.
        evidence: what controlled runs say of the slopes of skills, at the reference size and token
            count; none by default. A skill may have several, each from runs of its own.
        form: production function, of `skillscale.law.production`: translog, quadratic, additive or
            two-term. Evidence and exploratory skills go with the translog.
        exploratory: whether skills are left free to turn, with loadings of either sign and one
            prior for all directions. Anchors then only stop the sampler from turning: each reads no
            skill after its own, and the first sets the unit. See `explore`.

    Raises:
        SpecError: there are no skills, or not one anchor each; a name repeats; a number is not
            finite, not positive where it has to be, or a date out of order; there is no such form;
            or evidence, exploratory skills and another form than the translog come together.
        UnknownNameError: evidence is of a skill that is not among the skills.

    Example:
        >>> Spec().skills
        ('knowledge', 'reasoning', 'commonsense', 'instruction_following')
        >>> Spec(skills=("knowledge",), anchors=())
        Traceback (most recent call last):
        skillscale.errors.SpecError: 1 skills need 1 anchors, found 0.
    """

    skills: tuple[str, ...] = ("knowledge", "reasoning", "commonsense", "instruction_following")
    anchors: tuple[str, ...] = ("mmlu", "gsm8k", "hellaswag", "ifeval")
    benchmarks: tuple[str, ...] = ()
    reference_params: float = 7e9
    reference_tokens: float = 1.3e12
    reference_year: float = 2023.5
    trend_from: float = 2022.0
    trend_until: float = 2027.0
    priors: Priors = field(default_factory=Priors)
    evidence: tuple[SlopeEvidence, ...] = ()
    form: str = Form.TRANSLOG.value
    exploratory: bool = False

    def __post_init__(self) -> None:
        if len(self.skills) != len(self.anchors):
            raise SpecError(
                f"{len(self.skills)} skills need {len(self.skills)} anchors, "
                f"found {len(self.anchors)}."
            )
        for what in ("skills", "anchors", "benchmarks"):
            names = getattr(self, what)
            if len(set(names)) < len(names):
                raise SpecError(f"{what} repeat a name: {', '.join(names)}.")
        if not self.skills:
            raise SpecError("a specification needs at least one skill.")
        for name in ("reference_params", "reference_tokens"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise SpecError(f"{name} must be positive, found {value}.")
        for name in ("reference_year", "trend_from", "trend_until"):
            if not math.isfinite(getattr(self, name)):
                raise SpecError(f"{name} must be finite, found {getattr(self, name)}.")
        if self.trend_from >= self.trend_until:
            raise SpecError(
                f"trend_from must lie before trend_until, found {self.trend_from} and "
                f"{self.trend_until}."
            )
        for prior in dataclasses.fields(self.priors):
            _check_prior(prior.name, getattr(self.priors, prior.name))
        if self.form not in list(Form):
            raise SpecError(f"form is one of {', '.join(Form)}; found {self.form!r}.")
        if self.form != Form.TRANSLOG and (self.exploratory or self.evidence):
            asked = "exploratory skills are" if self.exploratory else "evidence is"
            raise SpecError(f"{asked} of the translog only: leave out form, {self.form!r}.")
        if self.exploratory and self.evidence:
            raise SpecError("exploratory skills have no names that evidence could be about.")
        for known in self.evidence:
            self.skill_index(known.skill)

    def explore(self, n_skills: int, benchmarks: Sequence[str]) -> Spec:
        """The same specification with exploratory skills, ``skill_1`` and so on.

        Args:
            n_skills: how many.
            benchmarks: benchmarks to be fitted; those that are anchors already come first.

        Returns:
            The specification; its anchors are the first of these benchmarks.

        Raises:
            SpecError: there are fewer benchmarks than skills, or no skills; or the specification
                has evidence.

        Example:
            >>> Spec().explore(2, ["bbh", "gsm8k", "mmlu"]).anchors
            ('mmlu', 'gsm8k')
        """
        if not 0 < n_skills <= len(benchmarks):
            raise SpecError(
                f"the number of skills must be between 1 and that of benchmarks, "
                f"{len(benchmarks)}; found {n_skills}."
            )
        first = [name for name in self.anchors if name in benchmarks]
        rest = [name for name in benchmarks if name not in first]
        return dataclasses.replace(
            self,
            skills=tuple(f"skill_{k}" for k in range(1, n_skills + 1)),
            anchors=tuple([*first, *rest][:n_skills]),
            exploratory=True,
        )

    def skill_index(self, skill: str) -> int:
        """Position of a skill.

        Args:
            skill: its name.

        Returns:
            The position, from zero.

        Raises:
            UnknownNameError: no skill of this name.
        """
        known_names("skill", skill, self.skills, "this specification")
        return self.skills.index(skill)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON and TOML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Spec:
        """Build a specification from nested plain values.

        Args:
            values: as `to_dict` gives them; what they leave out keeps its default.

        Returns:
            The specification.

        Raises:
            SpecError: a key is unknown or a value does not fit.
            UnknownNameError: evidence is of a skill that is not among the skills.
        """
        values = dict(values)
        known_keys(values, cls, "the specification")
        evidence = slope_evidence(values.pop("evidence", ()))
        numbers = values.pop("priors", {})
        if not isinstance(numbers, dict):
            raise SpecError(f"priors is a table of priors, found {numbers!r}.")
        known_keys(numbers, Priors, "priors")
        default = Priors()
        priors: dict[str, Any] = {}
        for name, value in numbers.items():
            kind = type(getattr(default, name))
            if kind is float:
                priors[name] = number(name, value)
                continue
            if not isinstance(value, dict):
                raise SpecError(f"prior {name} is a table of {names_of(kind)}, found {value!r}.")
            known_keys(value, kind, f"prior {name}")
            given = {key: number(f"{name}.{key}", part) for key, part in value.items()}
            priors[name] = dataclasses.replace(getattr(default, name), **given)
        for name, value in values.items():
            if name == "exploratory":
                if not isinstance(value, bool):
                    raise SpecError(f"exploratory is true or false, found {value!r}.")
            elif name == "form":
                continue  # any other value than a name of a form is refused as one
            elif isinstance(getattr(cls, name), tuple):
                if not isinstance(value, (list, tuple)) or not all(
                    isinstance(item, str) for item in value
                ):
                    raise SpecError(f"{name} is a list of names, found {value!r}.")
                values[name] = tuple(value)
            else:
                values[name] = number(name, value)
        return cls(**values, priors=Priors(**priors), evidence=evidence)

    @classmethod
    def read(cls, path: str | Path) -> Spec:
        """Read a specification from a TOML file; what it leaves out keeps its default.

        Args:
            path: the file, with the fields of a specification as keys.

        Returns:
            The specification.

        Raises:
            SpecError: the file is missing, is not TOML, or holds what `from_dict` refuses.
        """
        try:
            values = tomllib.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            raise SpecError(f"{path} can't be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpecError(f"{path} is not TOML: {error}.") from error
        except RecursionError as error:
            raise SpecError(f"{path} nests lists or tables too deeply.") from error
        try:
            return cls.from_dict(values)
        except SkillscaleError as error:
            raise SpecError(f"{path}: {error}") from error


def _check_prior(name: str, value: LogNormalPrior | NormalPrior | float) -> None:
    numbers: tuple[float, ...]
    if isinstance(value, LogNormalPrior):
        valid = value.median > 0 and value.sigma > 0
        needs, numbers = "median > 0 and sigma > 0", (value.median, value.sigma)
    elif isinstance(value, NormalPrior):
        valid, needs, numbers = value.sd > 0, "sd > 0", (value.mean, value.sd)
    else:
        valid = name == "tokens_growth" or value > 0
        needs, numbers = "to be positive", (value,)
    if not valid:
        raise SpecError(f"prior {name} needs {needs}, found {value}.")
    if not all(map(math.isfinite, numbers)):
        raise SpecError(f"prior {name} needs finite numbers, found {value}.")
