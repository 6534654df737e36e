r"""The density of every score given all others, with the skills of its own model integrated out.

A posterior draw of the skills of a model with few scores has seen the one to be left out, so that
weights by its density alone rest on few draws. With the law $\vartheta$, and the skills of all
other models, as in a draw,

$$p(y_{ij} \mid y_{i,-j}, \vartheta, \theta_{-i}) = \frac{Z_i}{Z_{i,-j}}, \qquad
Z_{i,-j} = \int \prod_{l \ne j} p(y_{il} \mid \theta)\;
\mathcal N(\theta;\, m_i, \operatorname{diag} v_i)\, d\theta,$$

where $m_i$ and $v_i$ are means and variances of the model's skills given those of its relatives.
Both integrals are Laplace's, each about a mode of its own (integrated importance sampling: Vehtari
et al. 2016, arXiv:1412.7461).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jax.stages import Wrapped
from jaxtyping import Array, Bool, Float, Int
from numpyro.distributions import Normal

from skillscale.law.design import Observations
from skillscale.law.equation import Link, predictor_of_skill
from skillscale.law.model import skills_of_models
from skillscale.law.scores import Pooled, given, scatter, scatter_at, siblings
from skillscale.law.sites import Draws, Law
from skillscale.posterior.programs import over_draws
from skillscale.posterior.result import Fit

STEPS, STEPS_NEARBY = 6, 3
"""Newton steps to the most probable skills: from a draw of them, and from those of all scores."""
LONGEST = 1.0
"""Most that a skill moves in a step."""
SIZES = (1.0, 0.3, 0.05, 0.0)
"""Parts of a step, of which the best is taken."""
TOGETHER = 4
"""Draws that are handled at once."""
PART = 60
"""Draws that a thread takes on."""

Matrix = Sequence[Sequence[Float[Array, " case"]]]
"""A small matrix per case, entry by entry: batches of factorisations take longer."""


class Cases(NamedTuple):
    """Models of which some scores count."""

    score: Float[Array, "benchmark case"]
    counts: Bool[Array, "benchmark case"]
    siblings: Pooled
    """What scores of the family's other models say, per benchmark and case."""
    mean: Float[Array, "case skill"]
    variance: Float[Array, "case skill"]

    def of(self, model: Int[Array, " chosen"]) -> Cases:
        """Some of these, in any order, as often as they are named."""
        score, counts, siblings = jax.tree.map(lambda part: part[:, model], self[:3])
        return Cases(score, counts, siblings, self.mean[model], self.variance[model])


def left_out_densities(fit: Fit, n: int | None = None) -> Float[np.ndarray, "draw score"]:
    """Log density of every observed score given all others, per draw of the law.

    Args:
        fit: a fitted law.
        n: how many draws, evenly spaced; all by default.

    Returns:
        Nats, in the order of `Fit.observed_index`.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> left_out_densities(fit, 20).shape
        (20, 46)
    """
    where = *fit.observed_index, fit.design.unpublished
    found: Float[np.ndarray, "draw score"] = over_draws(
        _program(fit.spec.form), fit.draws(n), fit.design.observations, *where, together=PART
    )
    return found


@cache
def _program(form: str) -> Wrapped:
    return jax.jit(partial(_of_draws, form))


def _of_draws(
    form: str,
    draws: Draws,
    observations: Observations,
    benchmark: Int[Array, " score"],
    model: Int[Array, " score"],
    unpublished: Int[Array, " unpublished"],
) -> Float[Array, "draw score"]:
    def one(draw: Draws) -> Float[Array, " score"]:
        law, skill = draw.law, draw.fitted.skill
        whole = _cases(form, draw, observations, unpublished)
        is_left_out = jnp.arange(len(whole.score))[:, None] == benchmark
        without = whole.of(model)
        without = without._replace(counts=without.counts & ~is_left_out)
        of_all, of_others = (
            _Integrand(law, cases, observations.chance, observations.n_items)
            for cases in (whole, without)
        )
        evidence, mode = _evidence(of_all, skill, STEPS)
        known = evidence[model] - _evidence(of_others, mode[model], STEPS_NEARBY)[0]
        return known + _log_normaliser(law.noise.tail + whole.siblings.n[benchmark, model])

    return jax.lax.map(one, draws, batch_size=TOGETHER)


def _log_normaliser(degrees: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """What is constant in the log density of a Student-t, but for its scale."""
    half = (degrees + 1) / 2
    return gammaln(half) - gammaln(degrees / 2) - jnp.log(jnp.pi * degrees) / 2


def _cases(
    form: str, draw: Draws, observations: Observations, unpublished: Int[Array, " unpublished"]
) -> Cases:
    """All fitted models with all of their scores, given everything else in a draw."""
    law, fitted = draw
    score, is_observed, in_family = (
        observations.score,
        observations.is_observed,
        observations.in_family,
    )
    log_tokens = observations.log_tokens.at[unpublished].set(fitted.unpublished_log_tokens)
    _, skills = skills_of_models(form, law.growth, observations, log_tokens)
    expected = scatter(
        law.benchmarks, law.noise, fitted.skill, observations.chance, observations.n_items
    )
    of_siblings = siblings(expected, score, is_observed, in_family)
    return Cases(score, is_observed, of_siblings, *skills.given_others(fitted.skill))


class _Integrand(NamedTuple):
    """Density of the skills of every case together with the scores that count."""

    law: Law
    cases: Cases
    chance: Float[Array, " benchmark"]
    n_items: Float[Array, " benchmark"]

    @property
    def link(self) -> Link:
        return self.law.benchmarks.link(self.chance)

    def log_kernel(
        self, predictor: Float[Array, "benchmark case"]
    ) -> Float[Array, "benchmark case"]:
        """Log density of every score at a value of its predictor, but for what no skill changes.

        Zero where a score does not count.
        """
        (benchmarks, _, noise), cases = self.law, self.cases
        at = scatter_at(benchmarks, noise, predictor, self.chance, self.n_items)
        location, scale, degrees = given(at, cases.siblings, noise.tail)
        square = ((cases.score - location) / scale) ** 2
        kernel = -jnp.log(scale) - (degrees + 1) / 2 * jnp.log1p(square / degrees)
        return jnp.where(cases.counts, kernel, 0)

    def log_joint(self, skill: Float[Array, "case skill"]) -> Float[Array, " case"]:
        """Log density of skills and scores."""
        of_scores = self.log_kernel(predictor_of_skill(skill, self.link)).sum(axis=0)
        prior = Normal(self.cases.mean, jnp.sqrt(self.cases.variance))
        return of_scores + prior.log_prob(skill).sum(axis=1)

    def derivatives(
        self, skill: Float[Array, "case skill"]
    ) -> tuple[Float[Array, "benchmark case"], Float[Array, "benchmark case"]]:
        """Of the log density of every score, by its predictor: the first, and minus the second."""
        predictor = predictor_of_skill(skill, self.link)
        slope = jax.grad(lambda at: self.log_kernel(at).sum())
        gradient, bend = jax.jvp(slope, (predictor,), (jnp.ones_like(predictor),))
        return gradient, -bend

    def precision(self, curvature: Float[Array, "benchmark case"]) -> Matrix:
        """Minus the second derivatives of the log density in the skills."""
        columns = self.link.loading.T
        rows = [[(one * other) @ curvature for other in columns] for one in columns]
        for k, row in enumerate(rows):
            row[k] = row[k] + 1 / self.cases.variance[:, k]
        return rows

    def moved(self, skill: Float[Array, "case skill"]) -> Float[Array, "case skill"]:
        """Skills after a step of Newton's towards the most probable ones."""
        gradient, curvature = self.derivatives(skill)
        pull = gradient.T @ self.link.loading - (skill - self.cases.mean) / self.cases.variance
        # The density of an outlier bends upwards.
        step = jnp.stack(_solve(self.precision(jnp.maximum(curvature, 0)), list(pull.T)), axis=1)
        step = jnp.clip(step, -LONGEST, LONGEST)
        tried = jnp.stack([skill + size * step for size in SIZES])
        best = jnp.argmax(jax.lax.map(self.log_joint, tried), axis=0)
        return jnp.take_along_axis(tried, best[None, :, None], axis=0)[0]


def _evidence(
    integrand: _Integrand, start: Float[Array, "case skill"], steps: int
) -> tuple[Float[Array, " case"], Float[Array, "case skill"]]:
    """Log of the integral over the skills of every case, and their most probable values."""
    mode, _ = jax.lax.scan(lambda skill, _: (integrand.moved(skill), None), start, None, steps)
    _, curvature = integrand.derivatives(mode)
    pivots, safe = (
        jnp.stack(_pivots(integrand.precision(bend)))
        for bend in (curvature, jnp.maximum(curvature, 0))
    )
    is_peak = (pivots > 0).all(axis=0)
    log_det = jnp.log(jnp.where(is_peak, pivots, safe)).sum(axis=0)
    log_volume = (len(pivots) * jnp.log(2 * jnp.pi) - log_det) / 2
    return integrand.log_joint(mode) + log_volume, mode


def _pivots(matrix: Matrix) -> list[Float[Array, " case"]]:
    """Pivots of symmetric matrices: positive if they are positive definite."""
    if not matrix:
        return []
    return [matrix[0][0], *_pivots(_eliminated(matrix))]


def _solve(matrix: Matrix, right: Sequence[Float[Array, " case"]]) -> list[Float[Array, " case"]]:
    """Solutions of systems with positive definite matrices."""
    if not matrix:
        return []
    (pivot, *row), n = matrix[0], len(matrix)
    rest = [right[k] - matrix[k][0] * right[0] / pivot for k in range(1, n)]
    others = _solve(_eliminated(matrix), rest)
    return [(right[0] - sum(a * b for a, b in zip(row, others, strict=True))) / pivot, *others]


def _eliminated(matrix: Matrix) -> Matrix:
    """What elimination of the first unknown leaves."""
    (pivot, *row), n = matrix[0], len(matrix)
    return [
        [matrix[k][m] - matrix[k][0] * row[m - 1] / pivot for m in range(1, n)] for k in range(1, n)
    ]
