r"""Models that were not in the fit: their skills given the law, their relatives and their scores.

Given one posterior draw of the law, the skills of all models are jointly Gaussian: they share
lineage and family effects,

$$\operatorname{cov}(\theta_{ik}, \theta_{jk}) = s_L^2[\ell_i = \ell_j] + s_B^2[b_i = b_j]
+ \left(s_F^2 + s_S^2 \log\tfrac{N_i}{N_0} \log\tfrac{N_j}{N_0}\right)[f_i = f_j]
+ \tau^2[i = j].$$

So a new model is forecast by conditioning: on the skills of fitted models of its lineage, and on
observed scores of its own family. Scores are not Gaussian in the skills; a Student-t around the
most probable skills proposes, and importance weights correct it and reweight the draws of the law.
No refit is needed.

Every array has the draws of the law as its first axis. Linear algebra is numpy's: batches of small
factorisations inside a compiled JAX program hang now and then on two cores, and JAX compiles every
step between programs anew for every shape.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.special import gammaln

from skillscale.law.production import gain
from skillscale.law.scores import Pooled, Scatter, given, log_prob, pool, scatter
from skillscale.law.sites import Growth, Law

NEWTON_STEPS = 20
STRAGGLERS = 0.01
"""Share of draws that need not converge: one in conflict with the scores takes long, for little."""
FAR = ((4.0, 2.0, 1.0, 0.5, 0.2, 0.05, 0.0), 0.05)
"""Sizes of steps, and the largest move of a skill that no longer counts: its posterior is wider."""
NEAR = ((2.0, 1.0, 0.3, 0.0), 0.15)
"""The same from a start near the mode."""
AT_ONCE = 4
"""Skills per draw of the law whose density one call finds, so that one compiled program serves."""
PROPOSAL_DEGREES = 10.0
"""Scores in conflict make the density of skills wider than a normal around its mode."""


class Relatives(NamedTuple):
    """Who shares a lineage, branch, family and slope, or is the same: in the order of `Scales`."""

    same_lineage: Float[np.ndarray, "a b"]
    same_branch: Float[np.ndarray, "a b"]
    same_family: Float[np.ndarray, "a b"]
    same_slope: Float[np.ndarray, "a b"]
    """The product of both log sizes where the family is the same."""
    same_model: Float[np.ndarray, "a b"]

    def covariance(self, growth: Growth) -> Float[np.ndarray, "draw skill a b"]:
        """Prior covariance of skills."""
        total = np.zeros(())
        for scale, share in zip(growth.scales, self, strict=True):
            total = total + np.asarray(scale, np.float64)[:, :, None, None] ** 2 * share
        return total


class Inputs(NamedTuple):
    """What the law knows of models."""

    log_params: Float[Array, " model"]
    log_tokens: Float[Array, "draw model"]
    covariates: Float[Array, "model covariate"]


class Scores(NamedTuple):
    """Scores observed on models: values, and which count, may differ between draws of the law."""

    value: Float[Array, "*draw benchmark observed"]
    is_observed: Bool[Array, "*draw benchmark observed"]
    in_family: Float[Array, "observed family"]
    """One-hot: the family of every model, among the families of new models; none for others."""
    chance: Float[Array, " benchmark"]
    n_items: Float[Array, " benchmark"]

    def for_draws(self, n: int) -> Scores:
        """The same scores for every one of some draws."""
        both = map(np.asarray, (self.value, self.is_observed))
        value, is_observed = (jax.device_put(np.stack([part] * n)) for part in both)
        return self._replace(value=value, is_observed=is_observed)


SCORES_PER_DRAW = Scores(0, 0, None, None, None)  # type: ignore[arg-type]
"""Axes of draws, for `jax.vmap`."""


class Normal(NamedTuple):
    """Joint normal distribution of skills, independent between skills."""

    mean: Float[np.ndarray, "draw skill model"]
    covariance: Float[np.ndarray, "draw skill model model"]


class Lineup(NamedTuple):
    """New models, and the fitted models of their lineages."""

    new: Inputs
    fitted: Inputs
    fitted_skill: Float[np.ndarray, "draw fitted skill"]
    form: str
    among_new: Relatives
    with_fitted: Relatives
    """Rows are new models, columns their fitted relatives."""
    among_fitted: Relatives


def skills_given_relatives(growth: Growth, lineup: Lineup) -> Normal:
    """Skills of new models given the law and the skills of their fitted relatives."""
    means = (_expected(lineup.form, growth, of) for of in (lineup.new, lineup.fitted))
    new, fitted = (np.asarray(mean, np.float64) for mean in means)
    return condition(
        Normal(new, lineup.among_new.covariance(growth)),
        lineup.with_fitted.covariance(growth),
        Normal(fitted, lineup.among_fitted.covariance(growth)),
        np.asarray(lineup.fitted_skill, np.float64).swapaxes(1, 2),
    )


@partial(jax.jit, static_argnums=0)
def _expected(form: str, growth: Growth, models: Inputs) -> Float[Array, "draw skill model"]:
    """Skills that the law expects of models of an average family."""

    def one(growth: Growth, log_tokens: Float[Array, " model"]) -> Float[Array, "skill model"]:
        effects = growth.effects
        gained = gain(form, growth.slope, models.log_params, log_tokens)
        return (models.covariates @ effects + gained).T

    return jax.vmap(one)(growth, models.log_tokens)


def condition(
    unknown: Normal,
    cross: Float[np.ndarray, "draw skill unknown known"],
    known: Normal,
    value: Float[np.ndarray, "draw skill known"],
) -> Normal:
    """Condition a joint normal on the value of some of its members."""
    gain = np.linalg.solve(known.covariance, cross.swapaxes(-1, -2)).swapaxes(-1, -2)
    shift = (gain @ (value - known.mean)[..., None])[..., 0]
    return Normal(unknown.mean + shift, unknown.covariance - gain @ cross.swapaxes(-1, -2))


@jax.jit
def pool_of_families(
    law: Law, skill: Float[Array, "draw *n skill observed"], scores: Scores
) -> Pooled:
    """What scores say of the affinities of their families, arrays of (draw, *n, benchmark, family).

    There may be several skills per draw; scores are those of every draw (`Scores.for_draws`).
    """

    def one(law: Law, skill: Array, scores: Scores) -> Pooled:
        if skill.ndim > 2:
            return jax.vmap(one, in_axes=(None, 0, None))(law, skill, scores)
        return _pool(_scatter(law, skill, scores), scores)

    return jax.vmap(one, in_axes=(0, 0, SCORES_PER_DRAW))(law, skill, scores)


@jax.jit
def scores_given_family(
    law: Law,
    skill: Float[Array, "draw inner skill model"],
    evidence: Pooled,
    belongs: Float[Array, "model family"],
    chance: Float[Array, " benchmark"],
    n_items: Float[Array, " benchmark"],
) -> tuple[Scatter, tuple[Array, Array, Array]]:
    """Scatter of models, and the distribution of each score given its family's others."""

    def one(law: Law, skill: Array, evidence: Pooled) -> tuple[Scatter, tuple]:
        expected = scatter(law.benchmarks, law.noise, skill.T, chance, n_items)
        of_model = Pooled(*(part @ belongs.T for part in evidence))
        return expected, given(expected, of_model, law.noise.tail)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, 0)))(law, skill, evidence)


def observe(
    law: Law,
    prior: Normal,
    scores: Scores,
    siblings: Pooled,
    rng: np.random.Generator,
    n: int,
    start: Float[np.ndarray, "draw skill observed"] | None = None,
) -> tuple[Float[np.ndarray, "draw n skill observed"], Float[np.ndarray, "draw n"]]:
    """Draw skills of observed models given their scores, several times per draw of the law.

    A Student-t around the most probable skills proposes the draws.

    Args:
        law: draws of the law.
        prior: skills of the observed models before their scores are seen.
        scores: their scores, for every draw (`Scores.for_draws`).
        siblings: evidence of fitted models on the affinities of the same families.
        rng: source of randomness.
        n: skills per draw of the law.
        start: skills near the most probable ones; their means before scores are seen by default.

    Returns:
        Skills, and the log of their importance weights (density over proposal), by which draws of
        the law gain or lose weight as well.
    """
    density = _Density(law, prior, scores, siblings)
    n_draw, size = density.center.shape
    if start is None:
        mode = density.mode(density.center, *FAR)
    else:
        mode = density.mode(start.reshape(n_draw, size), *NEAR)
    _, information = density.curvature(mode)
    root = np.linalg.cholesky(information)
    degrees = PROPOSAL_DEGREES
    chi2 = rng.chisquare(degrees, (n_draw, n, 1))
    white = rng.standard_normal((n_draw, n, size)) * np.sqrt(degrees / chi2)
    moves = np.linalg.solve(root.swapaxes(-1, -2), white.swapaxes(-1, -2)).swapaxes(-1, -2)
    flat = mode[:, None] + moves
    half = (degrees + size) / 2
    log_proposal = gammaln(half) - gammaln(degrees / 2) - size / 2 * np.log(degrees / 2)
    log_proposal -= half * np.log1p((white**2).sum(axis=2) / degrees)
    # Both densities lack the same power of 2 pi.
    log_scale = np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=1)
    log_scale -= 0.5 * np.linalg.slogdet(density.precision)[1]
    log_weight = density.log(flat) - log_proposal - log_scale[:, None]
    return flat.reshape(n_draw, n, *prior.mean.shape[1:]), log_weight


def most_probable(
    law: Law, prior: Normal, scores: Scores, siblings: Pooled
) -> Float[np.ndarray, "draw skill observed"]:
    """The most probable skills of observed models given their scores, found by Fisher scoring.

    Args:
        law: draws of the law.
        prior: skills of the observed models before their scores are seen.
        scores: their scores, for every draw (`Scores.for_draws`).
        siblings: evidence of fitted models on the affinities of the same families.

    Returns:
        Skills, for every draw.
    """
    density = _Density(law, prior, scores, siblings)
    return density.mode(density.center, FAR[0], NEAR[1]).reshape(prior.mean.shape)


class _Density:
    """Density of the flattened skills of observed models given their scores, in every draw."""

    def __init__(self, law: Law, prior: Normal, scores: Scores, siblings: Pooled):
        self.given = law, scores, siblings
        self.shape = n_draw, n_skill, n_model = prior.mean.shape
        self.center = prior.mean.reshape(n_draw, -1)
        blocks = np.zeros((n_draw, n_skill, n_model, n_skill, n_model))
        for k, block in enumerate(np.linalg.inv(prior.covariance).swapaxes(0, 1)):
            blocks[:, k, :, k, :] = block
        self.precision = blocks.reshape(n_draw, n_skill * n_model, n_skill * n_model)

    def log(self, flat: Float[np.ndarray, "draw m size"]) -> Float[np.ndarray, "draw m"]:
        """Log density of several skills per draw."""
        law, scores, siblings = self.given
        skill = flat.astype(np.float32).reshape(len(flat), -1, *self.shape[1:])
        residual = flat - self.center[:, None]
        quadratic = np.einsum("dms,dst,dmt->dm", residual, self.precision, residual)
        n = skill.shape[1]
        padded = skill[:, np.arange(-(-n // AT_ONCE) * AT_ONCE) % n]
        parts = np.split(padded, range(AT_ONCE, padded.shape[1], AT_ONCE), axis=1)
        found = np.concatenate([_log_likelihood(law, p, scores, siblings) for p in parts], axis=1)
        return found[:, :n].astype(np.float64) - 0.5 * quadratic

    def curvature(self, mode: Float[np.ndarray, "draw size"]) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and information."""
        law, scores, siblings = self.given
        skill = mode.astype(np.float32).reshape(self.shape)
        gradient, information = _score_and_information(law, skill, scores, siblings)
        pull = np.einsum("dst,dt->ds", self.precision, mode - self.center)
        return np.asarray(gradient) - pull, np.asarray(information) + self.precision

    def mode(
        self, start: Float[np.ndarray, "draw size"], step_sizes: tuple[float, ...], converged: float
    ) -> Float[np.ndarray, "draw size"]:
        """Where it is largest, by Fisher scoring with step halving."""
        mode = start
        for _ in range(NEWTON_STEPS):
            gradient, information = self.curvature(mode)
            step = np.linalg.solve(information, gradient[..., None])[..., 0]
            candidates = mode[:, None] + np.array(step_sizes)[:, None] * step[:, None]
            best = np.argmax(self.log(candidates), axis=1)
            before, mode = mode, candidates[np.arange(len(mode)), best]
            if (np.abs(mode - before).max(axis=1) > converged).mean() <= STRAGGLERS:
                break
        return mode


def _scatter(law: Law, skill: Float[Array, "skill observed"], scores: Scores) -> Scatter:
    return scatter(law.benchmarks, law.noise, skill.T, scores.chance, scores.n_items)


def _pool(expected: Scatter, scores: Scores) -> Pooled:
    return pool(expected, scores.value, scores.is_observed, scores.in_family)


def _log_likelihood_one(
    law: Law, skill: Float[Array, "skill observed"], scores: Scores, siblings: Pooled
) -> Float[Array, ""]:
    """Log density of the scores given those of fitted siblings."""
    together = _pool(_scatter(law, skill, scores), scores) + siblings
    tail = law.noise.tail
    return jnp.sum(log_prob(together, tail) - log_prob(siblings, tail))


@jax.jit
def _log_likelihood(
    law: Law, skill: Float[Array, "draw m skill observed"], scores: Scores, siblings: Pooled
) -> Float[Array, "draw m"]:
    """Log likelihood of the scores, at several skills per draw."""
    several = jax.vmap(_log_likelihood_one, in_axes=(None, 0, None, None))
    return jax.vmap(several, in_axes=(0, 0, SCORES_PER_DRAW, 0))(law, skill, scores, siblings)


@jax.jit
def _score_and_information(
    law: Law, skill: Float[Array, "draw skill observed"], scores: Scores, siblings: Pooled
) -> tuple[Float[Array, "draw size"], Float[Array, "draw size size"]]:
    """Gradient and Fisher information of the log likelihood in the flattened skills."""
    same_family = scores.in_family @ scores.in_family.T

    def one(law: Law, skill: Array, scores: Scores, siblings: Pooled) -> tuple[Array, Array]:
        gradient = jax.grad(_log_likelihood_one, argnums=1)(law, skill, scores, siblings)
        expected = _scatter(law, skill, scores)
        jacobian = jax.jacfwd(lambda s: _scatter(law, s, scores).mean)(skill)
        jacobian = jacobian.reshape(*scores.value.shape, -1)
        evidence = _pool(expected, scores) + siblings
        known = (1 + evidence.information) @ scores.in_family.T
        degrees = law.noise.tail + evidence.n @ scores.in_family.T
        robust = degrees / (degrees + 2)
        weight = robust * scores.is_observed / expected.own
        shared = weight * expected.affinity
        own = jnp.einsum("bo,bos,bot->st", weight, jacobian, jacobian)
        pulled = jnp.einsum("bo,bos->bos", shared / jnp.sqrt(robust * known), jacobian)
        return gradient.ravel(), own - jnp.einsum("bos,op,bpt->st", pulled, same_family, pulled)

    return jax.vmap(one, in_axes=(0, 0, SCORES_PER_DRAW, 0))(law, skill, scores, siblings)
