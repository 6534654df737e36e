r"""How scores scatter around what the law expects, and what a family's other scores say of one.

A family may be better or worse at a benchmark than its skills say: it has an affinity
$\gamma_{fj}$ for it, shared by its models.

$$y_{ij} = \mu_{ij} + a_{ij}\gamma_{f(i)j} + e_{ij}, \qquad
\gamma_{fj} \sim \mathcal N(0, 1), \quad e_{ij} \sim \mathcal N(0, v_{ij}),$$

$\gamma$ and $e$ of one family and benchmark divided by the root of a common $\chi^2_\nu/\nu$,
so that their scores are jointly Student-t. The affinities are integrated out: given the skills
they enter linearly, and sampling them would double the number of parameters.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float

from skillscale.law import equation
from skillscale.law.membership import OneHot
from skillscale.law.sites import Benchmarks, Noise


class Scatter(NamedTuple):
    """Expected scores of models, and how far actual ones may fall from them."""

    mean: Float[Array, "benchmark model"]
    item: Float[Array, "benchmark model"]
    """Variance of item sampling."""
    discrepancy: Float[Array, "benchmark model"]
    """Variance of what is particular to one model and benchmark."""
    affinity: Float[Array, "benchmark model"]
    """Standard deviation of the family's affinity, in score."""

    @property
    def own(self) -> Float[Array, "benchmark model"]:
        """Variance that the models of a family do not share."""
        return self.item + self.discrepancy


class Pooled(NamedTuple):
    """What the observed scores of a family say of its affinity for each benchmark."""

    square: Float[Array, "benchmark family"]
    pull: Float[Array, "benchmark family"]
    information: Float[Array, "benchmark family"]
    log_variance: Float[Array, "benchmark family"]
    n: Float[Array, "benchmark family"]

    def __add__(self, other: Pooled) -> Pooled:  # type: ignore[override]
        """Pooled of two sets of scores."""
        return Pooled(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def mahalanobis(self) -> Float[Array, "benchmark family"]:
        """Squared distance of the scores from their expectation."""
        return jnp.maximum(self.square - self.pull**2 / (1 + self.information), 0)


def scatter(
    benchmarks: Benchmarks,
    noise: Noise,
    skill: Float[Array, "model skill"],
    chance: Float[Array, " benchmark"],
    n_items: Float[Array, " benchmark"],
) -> Scatter:
    """Expected scores of models with these skills, and their scatter, for one draw of the law."""
    predictor = equation.predictor_of_skill(skill, benchmarks.link(chance))
    return scatter_at(benchmarks, noise, predictor, chance, n_items)


def scatter_at(
    benchmarks: Benchmarks,
    noise: Noise,
    predictor: Float[Array, "benchmark model"],
    chance: Float[Array, " benchmark"],
    n_items: Float[Array, " benchmark"],
) -> Scatter:
    """The same of models with these linear predictors."""
    mean, slope = equation.score_and_slope(predictor, benchmarks.link(chance))
    unexplained = partial(equation.discrepancy_variance, mean, slope)
    return Scatter(
        mean,
        equation.item_variance(mean, n_items),
        unexplained(noise.overdispersion, noise.discrepancy_spread),
        jnp.sqrt(unexplained(noise.affinity_overdispersion, noise.affinity_spread)),
    )


def pool(
    expected: Scatter,
    score: Float[Array, "benchmark model"],
    is_observed: Bool[Array, "benchmark model"],
    belongs: OneHot | Float[Array, "model family"],
) -> Pooled:
    """Gather the observed scores of every family.

    Args:
        expected: scatter of the models.
        score: their scores.
        is_observed: which of them count.
        belongs: one where a model's scores speak for a family, else zero.

    Returns:
        Sums over the models of every family.
    """
    return Pooled(*(term @ belongs for term in terms(expected, score, is_observed)))


def terms(
    expected: Scatter,
    score: Float[Array, "benchmark model"],
    is_observed: Bool[Array, "benchmark model"],
) -> tuple[Float[Array, "benchmark model"], ...]:
    """What every score adds to the sums of its family, in the order of `Pooled`."""
    residual = score - expected.mean
    weight = is_observed / expected.own
    return (
        weight * residual**2,
        weight * expected.affinity * residual,
        weight * expected.affinity**2,
        is_observed * jnp.log(expected.own),
        is_observed.astype(expected.mean.dtype),
    )


def log_prob(evidence: Pooled, tail: Float[Array, ""]) -> Float[Array, "benchmark family"]:
    """Log density of all scores of a family on a benchmark, a multivariate Student-t."""
    half = (tail + evidence.n) / 2
    return (
        gammaln(half)
        - gammaln(tail / 2)
        - evidence.n / 2 * jnp.log(tail * jnp.pi)
        - (evidence.log_variance + jnp.log1p(evidence.information)) / 2
        - half * jnp.log1p(evidence.mahalanobis / tail)
    )


def given(
    expected: Scatter, evidence: Pooled, tail: Float[Array, ""]
) -> tuple[Float[Array, "benchmark model"], Float[Array, "benchmark model"], Array]:
    """Location, scale and degrees of freedom of a score, given other scores of its family.

    Args:
        expected: scatter of the models.
        evidence: for every model and benchmark, that of the family's other scores.
        tail: degrees of freedom before any score is seen.

    Returns:
        Locations and scales, in score, and degrees of freedom, each per benchmark and model.
    """
    known = 1 + evidence.information
    degrees = tail + evidence.n
    variance = expected.own + expected.affinity**2 / known
    inflation = (tail + evidence.mahalanobis) / degrees
    location = expected.mean + expected.affinity * evidence.pull / known
    return location, jnp.sqrt(variance * inflation), degrees


def siblings(
    expected: Scatter,
    score: Float[Array, "benchmark model"],
    is_observed: Bool[Array, "benchmark model"],
    in_family: OneHot,
) -> Pooled:
    """What the observed scores of the other models of its family say, for every model."""
    own = terms(expected, score, is_observed)
    return Pooled(*((term @ in_family) @ in_family.T - term for term in own))


def given_siblings(
    expected: Scatter,
    score: Float[Array, "benchmark model"],
    is_observed: Bool[Array, "benchmark model"],
    in_family: OneHot,
    tail: Float[Array, ""],
) -> tuple[Float[Array, "benchmark model"], Float[Array, "benchmark model"], Array]:
    """Location, scale and degrees of freedom of every score given the others of its family."""
    return given(expected, siblings(expected, score, is_observed, in_family), tail)
