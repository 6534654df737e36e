r"""How far an observed score lies from what everything else leads to expect.

A score is left out, skills are conditioned on the others within every draw of the law (see
`conditioning`), draws weigh by how well they explain those, and the score is found among its
predictive distribution, a mixture of Student-t:

$$u = \sum_d \omega_d\, F_{\nu_d}\!\left(\frac{y - m_d}{s_d}\right), \qquad
p = 2 \min(u, 1 - u).$$

Nothing is fitted again. Several cases are answered together, each by a few draws, in the arrays of
one forecast: so its compiled programs serve.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaln, logsumexp, stdtr  # scipy.stats takes half a second

from skillscale.forecasts.conditioning import (
    Normal,
    Scores,
    most_probable,
    observe,
    pool_of_families,
    scores_given_family,
)
from skillscale.forecasts.planned import INNER, before_scores
from skillscale.forecasts.question import Question
from skillscale.law.scores import Pooled
from skillscale.law.sites import Draws, Law
from skillscale.posterior.result import Fit

T = TypeVar("T")

ROWS = 1000
"""Draws of the law that are handled at once: as many as a forecast uses, or all of them."""
STEPS = 30
"""Halvings by which the quantile of a mixture is found."""


class Seen(NamedTuple):
    """Observed models, what is known of them before their scores, and these; all per draw."""

    law: Law
    prior: Normal
    siblings: Pooled
    value: Float[np.ndarray, "draw benchmark observed"]
    is_observed: Bool[np.ndarray, "draw benchmark observed"]
    start: Float[np.ndarray, "draw skill observed"]
    """Skills near the most probable ones."""


class Mixture(NamedTuple):
    """Predictive distributions of scores: Student-t, weighed, along the first axis."""

    location: Float[np.ndarray, "component score"]
    scale: Float[np.ndarray, "component score"]
    degrees: Float[np.ndarray, "component score"]
    weight: Float[np.ndarray, " component"]

    def of(self, score: int) -> Mixture:
        """The distribution of one score."""
        one = [score]
        return Mixture(self.location[:, one], self.scale[:, one], self.degrees[:, one], self.weight)

    def log_density(self, value: Float[np.ndarray, " score"]) -> Float[np.ndarray, " score"]:
        """Log of the density at each value."""
        half = (self.degrees + 1) / 2
        standard = (value - self.location) / self.scale
        each = gammaln(half) - gammaln(self.degrees / 2) - np.log(np.pi * self.degrees) / 2
        each = each - half * np.log1p(standard**2 / self.degrees) - np.log(self.scale)
        return logsumexp(each, axis=0, b=self.weight[:, None])

    def cdf(self, value: Float[np.ndarray, " score"]) -> Float[np.ndarray, " score"]:
        """Probability of a score below each value."""
        below = stdtr(self.degrees, (value - self.location) / self.scale)
        return self.weight @ below

    def p_value(self, value: Float[np.ndarray, " score"]) -> Float[np.ndarray, " score"]:
        """Probability, two-sided, of scores as far out as these."""
        below = self.cdf(value)
        return 2 * np.minimum(below, 1 - below)

    def quantile(self, level: float) -> Float[np.ndarray, " score"]:
        """Where a share of the distribution lies below, between zero and one."""
        lower, upper = np.zeros((2, self.location.shape[1]))
        upper = upper + 1
        for _ in range(STEPS):
            middle = (lower + upper) / 2
            is_below = self.cdf(middle) < level
            lower, upper = np.where(is_below, middle, lower), np.where(is_below, upper, middle)
        return upper


def see(fit: Fit, question: Question, draws: Draws, *, seed: int = 0) -> Seen:
    """The observed models of a question, ready to be conditioned on any of their scores.

    Args:
        fit: the fit that was asked.
        question: result of `ask`, with observed models.
        draws: of the fit.
        seed: source of the token counts that are not published.

    Returns:
        Draws of the law, skills given relatives, what fitted siblings say, and the scores.
    """
    if question.scores is None:
        raise ValueError("nothing is observed")
    joint, siblings = before_scores(fit, question, draws, np.random.default_rng(seed))
    n = question.n_seen
    prior = Normal(joint.mean[..., :n], joint.covariance[..., :n, :n])
    value, is_observed = (
        np.broadcast_to(part, (len(joint.mean), *part.shape)) for part in question.scores[:2]
    )
    return Seen(draws.law, prior, siblings, value, is_observed, prior.mean)


def near_its_mode(case: Seen, scores: Scores) -> Seen:
    """The same case, with the most probable skills to start from.

    Args:
        case: observed models.
        scores: families of the models, and what is known of the benchmarks.

    Returns:
        The case; others that are made of it start there.
    """
    counted = scores._replace(value=case.value, is_observed=case.is_observed)  # type: ignore[arg-type]
    start = most_probable(case.law, case.prior, counted, case.siblings)
    return case._replace(start=start)


def conditioned(
    cases: list[Seen], scores: Scores, *, n_draws: int, rows: int = ROWS, seed: int = 0
) -> list[tuple[Mixture, Float[np.ndarray, ""]]]:
    """Condition on the scores of several cases, as many together as fit in some rows.

    Args:
        cases: observed models, alike but for scores, which of them count, or what is known before.
        scores: families of the models, and what is known of the benchmarks.
        n_draws: draws of the law for each.
        rows: of the compiled program, one for a draw.
        seed: source of randomness.

    Returns:
        For every case the predictive distributions of all scores, in the order of benchmarks, then
        models, given those that count; and the log density of these.
    """
    together = max(rows // n_draws, 1)
    found = []
    for first in range(0, len(cases), together):
        batch = cases[first : first + together]
        padded = batch + [batch[-1]] * (together - len(batch))
        joined = _joined([thinned(case, n_draws) for case in padded], rows)
        rng = np.random.default_rng(seed)
        found += _conditioned(joined, scores, n_draws, rng)[: len(batch)]
    return found


def hidden(case: Seen, cells: Bool[np.ndarray, "benchmark observed"]) -> Seen:
    """The same case, without some of its scores."""
    return case._replace(is_observed=case.is_observed & ~cells)


def thinned(parts: T, n: int) -> T:
    """Fewer draws of arrays that have them along their first axis, evenly spaced."""
    total = len(jax.tree.leaves(parts)[0])
    kept = np.linspace(0, total - 1, n).astype(int)
    return jax.tree.map(lambda part: np.asarray(part)[kept], parts)


def _joined(cases: list[Seen], rows: int) -> Seen:
    """Cases one after another, along the axis of draws, and the last draw as often as is left."""
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *cases)
    total = len(whole.value)
    kept = np.minimum(np.arange(max(rows, total)), total - 1)
    return jax.tree.map(lambda part: part[kept], whole)


def _conditioned(
    seen: Seen, scores: Scores, n_draws: int, rng: np.random.Generator
) -> list[tuple[Mixture, Float[np.ndarray, ""]]]:
    law, prior, siblings, value, is_observed, start = seen
    scores = scores._replace(value=value, is_observed=is_observed)  # type: ignore[arg-type]
    skill, log_weight = observe(law, prior, scores, siblings, rng, INNER, start)
    drawn = skill.astype(np.float32)
    own = pool_of_families(law, drawn, scores)
    evidence = jax.tree.map(lambda a, b: a[:, None] + np.asarray(b), siblings, own)
    _, parts = scores_given_family(
        law, drawn, evidence, scores.in_family, scores.chance, scores.n_items
    )
    n_cases = len(prior.mean) // n_draws
    counted = n_cases * n_draws
    location, scale, degrees = (
        np.asarray(part, np.float64)[:counted].reshape(n_cases, n_draws * INNER, -1)
        for part in parts
    )
    log_weight = log_weight[:counted].reshape(n_cases, n_draws * INNER)
    log_evidence = logsumexp(log_weight, axis=1) - np.log(n_draws * INNER)
    weight = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
    return [
        (Mixture(location[i], scale[i], degrees[i], weight[i]), log_evidence[i])
        for i in range(n_cases)
    ]
