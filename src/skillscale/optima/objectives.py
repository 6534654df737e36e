r"""What is maximised: a skill, the expected score of a benchmark, or a weighted mean of scores.

A score rises with its linear predictor $\lambda_j^\top\theta + b_j$, so the optimum of a skill or
a single benchmark is that of the predictor, whatever the family's efficiency. Under the translog a
predictor is linear in log tokens at a given size, so that the tokens that reach a value have a
closed form; under the other forms, and for a weighted mean of several scores, they are searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from skillscale.errors import SpecError, known_names
from skillscale.law import equation
from skillscale.law.production import Form
from skillscale.posterior.one_family import Grows, Production, grown
from skillscale.posterior.result import Fit

TARGET = "target"
"""Name of the weighted mean of several benchmarks."""
STEPS = 16
"""Steps in which tokens are searched for the first that reach a value."""
BISECTIONS = 8
"""Halvings before the last step, which is a straight line: tokens are then right to 1 in 10^5."""


@dataclass(frozen=True)
class Objective:
    """What is maximised, by positions in the fit.

    Attributes:
        name: the skill, the benchmark, or ``target``.
        skill: the skill maximised; None where a score is.
        weights: share of every benchmark in the score. A skill is scored by its anchor.
    """

    name: str
    skill: int | None
    weights: Mapping[int, float]

    @property
    def is_linear(self) -> bool:
        """Whether a linear predictor ranks models as the objective does."""
        return len(self.weights) == 1

    def reading(self, production: Production) -> Float[np.ndarray, "draw skill"]:
        """How much every skill counts in the linear predictor.

        Args:
            production: the law of one family.

        Returns:
            Loadings of the benchmark, or one for the skill maximised and zero for others.
        """
        if self.skill is None:
            return np.asarray(production.link.loading[:, next(iter(self.weights))], float)
        reading = np.zeros_like(production.efficiency)
        reading[:, self.skill] = 1
        return reading


def make_objectives(
    fit: Fit,
    skills: Sequence[str] | None = None,
    benchmarks: Sequence[str] | None = None,
    target: Mapping[str, float] | None = None,
) -> list[Objective]:
    """Objectives by name: all skills if nothing is named.

    Args:
        fit: a fitted law.
        skills: names of skills.
        benchmarks: names of benchmarks, an objective each.
        target: weights of benchmarks, of any sum, in one objective: their mean expected score.

    Returns:
        An objective per skill, per benchmark and for the target, in this order.

    Raises:
        SpecError: a name is repeated, a weight is not positive, nothing is left to maximise, or
            skills are exploratory.
        UnknownNameError: a skill or benchmark is not in the fit.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> [objective.name for objective in make_objectives(fit)]
        ['knowledge', 'reasoning']
        >>> make_objectives(fit, target={"mmlu": 1, "gsm8k": 3})
        [Objective(name='target', skill=None, weights={0: 0.25, 1: 0.75})]
    """
    known = fit.design.coords["benchmark"]
    if skills is None and benchmarks is None and target is None:
        skills = fit.spec.skills
    if skills and fit.spec.exploratory:
        raise SpecError(
            "skills of an exploratory fit can be read in any rotation, so that none of them is "
            "there to be maximised: name benchmarks or a target."
        )

    def position(benchmark: str) -> int:
        known_names("benchmark", benchmark, known)
        return known.index(benchmark)

    anchors = [known.index(anchor) for anchor in fit.spec.anchors]
    objectives = [
        Objective(name, k, {anchors[k]: 1.0})
        for name in skills or ()
        for k in [fit.spec.skill_index(name)]
    ]
    objectives += [Objective(name, None, {position(name): 1.0}) for name in benchmarks or ()]
    if target is not None:
        objectives.append(Objective(TARGET, None, _shares(target, position)))
    names = [objective.name for objective in objectives]
    if len(set(names)) < len(names):
        raise SpecError(f"objectives repeat a name: {', '.join(names)}.")
    if not names:
        raise SpecError("there is nothing to maximise: name a skill, a benchmark or a target.")
    return objectives


def criterion(
    production: Production,
    objective: Objective,
    n_params: Float[np.ndarray, " size"],
    n_tokens: Float[np.ndarray, "*draw size"],
) -> Float[np.ndarray, "draw size"]:
    """What ranks models: the linear predictor where there is one, else the expected score.

    Args:
        production: the law of one family.
        objective: what is maximised.
        n_params: sizes, active parameters.
        n_tokens: training tokens at every size, the same for all draws or not.

    Returns:
        Skills and predictors in units of the linear predictor, scores as fractions.
    """
    if not objective.is_linear:
        return expected_score(production, objective, n_params, n_tokens)
    skill = production.skill(n_params, n_tokens)
    value = (skill @ objective.reading(production)[:, :, None])[..., 0]
    if objective.skill is None:
        value += production.link.intercept[:, next(iter(objective.weights)), None]
    return value


def expected_score(
    production: Production,
    objective: Objective,
    n_params: Float[np.ndarray, " size"],
    n_tokens: Float[np.ndarray, "*draw size"],
) -> Float[np.ndarray, "draw size"]:
    """Expected score, a fraction: of a skill's anchor, a benchmark, or the mean of several.

    Args:
        production: the law of one family.
        objective: what is maximised.
        n_params: sizes, active parameters.
        n_tokens: training tokens at every size, the same for all draws or not.

    Returns:
        Scores per draw and size.
    """
    log_params, log_tokens = production.logs(n_params, n_tokens)
    log_tokens = np.broadcast_to(log_tokens, (len(production.slope), len(log_params)))
    read = _scores_read(production, objective)
    found = _values(production.law, read, log_params, log_tokens, form=production.form)
    return np.asarray(found, float)


def tokens_needed(
    production: Production,
    objective: Objective,
    n_params: Float[np.ndarray, " size"],
    wanted: Float[np.ndarray, "draw one"],
    tokens_range: tuple[float, float],
) -> Float[np.ndarray, "draw size"]:
    """Fewest tokens within a range that lift the criterion to a value, at every size.

    In closed form where the criterion is linear in log tokens, else by search.

    Args:
        production: the law of one family.
        objective: what is maximised.
        n_params: sizes, active parameters.
        wanted: the value of the criterion to reach, one for all sizes or not.
        tokens_range: fewest and most training tokens.

    Returns:
        Training tokens; infinite where the value is out of reach, or more tokens don't help.
    """
    fewest, most = (np.full_like(n_params, count) for count in tokens_range)
    if objective.is_linear and production.form == Form.TRANSLOG:
        low, high = (criterion(production, objective, n_params, count) for count in (fewest, most))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (wanted - low) / (high - low)
    else:
        (log_params, start), (_, end) = (production.logs(n_params, n) for n in (fewest, most))
        read_by = _predictor_read if objective.is_linear else _scores_read
        read = read_by(production, objective)
        wanted = np.asarray(wanted, np.float32)  # as the search compares it
        found = _searched(
            production.law, read, log_params, start, end, wanted, form=production.form
        )
        share, low, high = (np.asarray(part, float) for part in found)
    is_between = (low < wanted) & (wanted <= high)
    span = np.log(tokens_range[1] / tokens_range[0])
    needed = fewest * np.exp(span * np.where(is_between, share, 0.0))
    return np.where(is_between | (low >= wanted), needed, np.inf)


def criterion_at(
    production: Production, objective: Objective, value: float
) -> Float[np.ndarray, " draw"]:
    """The criterion where the objective has a value: a skill, or a score as a fraction.

    Args:
        production: the law of one family.
        objective: what is maximised.
        value: the value, in units of the skill or as a fraction.

    Returns:
        The criterion per draw (see `criterion`).
    """
    if objective.skill is not None or not objective.is_linear:
        return np.full(len(production.slope), value)
    link = _scores_read(production, objective)[0]
    return np.asarray(_predictors(value, link), float)[:, 0]


def _shares(target: Mapping[str, float], position: Callable[[str], int]) -> dict[int, float]:
    if not target:
        raise SpecError("a target needs at least one benchmark, such as mmlu=1.")
    for benchmark, weight in target.items():
        if not (weight > 0 and math.isfinite(weight)):
            raise SpecError(f"weights of a target must be positive, found {benchmark}={weight:g}.")
    total = sum(target.values())
    return {position(benchmark): weight / total for benchmark, weight in target.items()}


Read = tuple[Any, Any]
"""How skills are read: links of benchmarks and their shares of a score, or how much every skill
counts in a predictor and its intercept."""


def _scores_read(production: Production, objective: Objective) -> Read:
    read = list(objective.weights)
    loading, intercept, asymmetry, chance, ceiling = production.link
    link = equation.Link(
        loading[:, read], intercept[:, read], asymmetry[:, read], chance[read], ceiling[:, read]
    )
    return link, np.array([*objective.weights.values()])


def _predictor_read(production: Production, objective: Objective) -> Read:
    reading = objective.reading(production)
    if objective.skill is None:
        return reading, production.link.intercept[:, next(iter(objective.weights))]
    return reading, np.zeros(len(reading))


def _per_draw(
    law: Grows,
    read: Read,
    log_params: Float[Array, " size"],
    log_tokens: Float[Array, "draw size"],
    form: str,
) -> Float[Array, "draw size"]:
    """Scores or predictors of models of one family."""
    is_score = isinstance(read[0], equation.Link)

    def one(law: Grows, read: Read, log_tokens: Float[Array, " size"]) -> Float[Array, " size"]:
        skill = grown(form, *law, log_params, log_tokens)
        if is_score:
            return read[1] @ equation.expected_score(skill, read[0])
        return skill @ read[0] + read[1]

    of_draws = (equation.PER_DRAW, None) if is_score else (0, 0)
    return jax.vmap(one, in_axes=(0, of_draws, 0))(law, read, log_tokens)


_values = jax.jit(_per_draw, static_argnames="form")
_predictors = jax.jit(jax.vmap(equation.predictor_of_score, in_axes=(None, equation.PER_DRAW)))


@partial(jax.jit, static_argnames="form")
def _searched(
    law: Grows,
    read: Read,
    log_params: Float[Array, " size"],
    start: Float[Array, " size"],
    end: Float[Array, " size"],
    wanted: Float[Array, "draw one"],
    *,
    form: str,
) -> tuple[Float[Array, "draw size"], ...]:
    """Where between two log token counts, as a share, a criterion first is what is wanted.

    Steps find the first bracket, since more tokens may do harm later, and bisection narrows it.

    Args:
        law: what the skills of the family grow by.
        read: how they are read.
        log_params: sizes, centred at the reference.
        start: log of the fewest tokens, centred at the reference.
        end: log of the most tokens.
        wanted: the score, a fraction, or the predictor.
        form: name of the production function.

    Returns:
        That share, and the criterion at both ends of the last bracket.
    """

    def step(i: int, bracket: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, at_low, at_high = bracket
        # Steps and halvings in the same loop: a second copy of the law takes as long to compile.
        is_found = at_high >= wanted
        share = jnp.where(is_found | (i > STEPS), (low + high) / 2, i / STEPS)
        log_tokens = start + share * (end - start)
        at_share = _per_draw(law, read, log_params, log_tokens, form)
        is_low = at_share < wanted
        return (
            jnp.where(is_low | (i == 0), share, low),
            jnp.where(is_low & is_found, high, share),
            jnp.where(is_low | (i == 0), at_share, at_low),
            jnp.where(is_low & is_found, at_high, at_share),
        )

    none = jnp.zeros((len(wanted), len(log_params)))
    bracket = (none, none, none, none - jnp.inf)
    low, high, at_low, at_high = jax.lax.fori_loop(0, 1 + STEPS + BISECTIONS, step, bracket)
    rise = jnp.where(at_high > at_low, at_high - at_low, 1)
    return low + (high - low) * jnp.clip((wanted - at_low) / rise, 0, 1), at_low, at_high
