r"""Models that were not in the fit: their skills given the law, their relatives and their scores.

Given one posterior draw of the law, the skills of all models are jointly Gaussian: they share
lineage and family effects,

$$\operatorname{cov}(\theta_{ik}, \theta_{jk}) = s_L^2[\ell_i = \ell_j]
+ \left(s_F^2 + s_S^2 \log\tfrac{N_i}{N_0} \log\tfrac{N_j}{N_0}\right)[f_i = f_j]
+ \tau^2[i = j].$$

So a new model is forecast by conditioning: on the skills of fitted models of its lineage, and on
observed scores of its own family. Scores are not Gaussian in the skills; a Student-t around the
most probable skills proposes, and importance weights correct it and reweight the draws of the law.
No refit is needed.

Every array has the draws of the law as its first axis. Linear algebra is numpy's: batches of small
factorisations inside a compiled JAX program hang now and then on machines of two cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.special import gammaln

from skillscale.law import equation
from skillscale.law.scores import Evidence, Scatter, log_prob, pool, scatter

NEWTON_STEPS = 20
CONVERGED = 0.05
"""Largest move of a skill that no longer counts: its posterior is wider, and is weighted."""
STRAGGLERS = 0.01
"""Share of draws that need not converge: one in conflict with the scores takes long, for little."""
STEP_SIZES = (4.0, 2.0, 1.0, 0.5, 0.2, 0.05, 0.0)
PROPOSAL_DEGREES = 10.0
"""Scores in conflict make the density of skills wider than a normal around its mode."""

Draws = Mapping[str, Array]
"""Posterior draws of every parameter of the law, stacked along the first axis."""


class Relatives(NamedTuple):
    """Which models share a lineage, a family (and its slope), and everything (the diagonal)."""

    same_lineage: Float[np.ndarray, "a b"]
    same_family: Float[np.ndarray, "a b"]
    same_slope: Float[np.ndarray, "a b"]
    """The product of both log sizes where the family is the same."""
    same_model: Float[np.ndarray, "a b"]

    def covariance(self, draws: Draws) -> Float[np.ndarray, "draw skill a b"]:
        """Prior covariance of skills."""
        scales = ("lineage_scale", "family_scale", "slope_scale", "model_scale")
        total = np.zeros(())
        for scale, share in zip(scales, self, strict=True):
            total = total + np.asarray(draws[scale], np.float64)[:, :, None, None] ** 2 * share
        return total


class Inputs(NamedTuple):
    """What the law knows of models."""

    log_params: Float[Array, " model"]
    log_tokens: Float[Array, "draw model"]
    covariates: Float[Array, "model covariate"]


class Scores(NamedTuple):
    """Scores observed on models."""

    value: Float[Array, "benchmark observed"]
    is_observed: Bool[Array, "benchmark observed"]
    in_family: Float[Array, "observed family"]
    """One-hot: the family of every model, among the families of new models; none for others."""
    chance: Float[Array, " benchmark"]
    n_items: Float[Array, " benchmark"]


class Normal(NamedTuple):
    """Joint normal distribution of skills, independent between skills."""

    mean: Float[np.ndarray, "draw skill model"]
    covariance: Float[np.ndarray, "draw skill model model"]


class Lineup(NamedTuple):
    """New models, and the fitted models of their lineages."""

    new: Inputs
    fitted: Inputs
    fitted_skill: Float[Array, "draw fitted skill"]
    among_new: Relatives
    with_fitted: Relatives
    """Rows are new models, columns their fitted relatives."""
    among_fitted: Relatives


def skills_given_relatives(draws: Draws, lineup: Lineup) -> Normal:
    """Skills of new models given the law and the skills of their fitted relatives."""
    return condition(
        Normal(_law_mean(draws, lineup.new), lineup.among_new.covariance(draws)),
        lineup.with_fitted.covariance(draws),
        Normal(_law_mean(draws, lineup.fitted), lineup.among_fitted.covariance(draws)),
        np.asarray(lineup.fitted_skill, np.float64).swapaxes(1, 2),
    )


def _law_mean(draws: Draws, models: Inputs) -> Float[np.ndarray, "draw skill model"]:
    return np.asarray(_expected_skills(draws, models), np.float64)


@jax.jit
def _expected_skills(draws: Draws, models: Inputs) -> Float[Array, "draw skill model"]:
    """Skills that the law expects of models of an average family."""

    def one(draw: Draws, log_tokens: Float[Array, " model"]) -> Float[Array, "skill model"]:
        x = equation.inputs(models.log_params, log_tokens)
        effects = equation.effects(draw["effect"], draw["trend_scale"], draw["innovation"])
        return (models.covariates @ effects + x @ draw["slope"]).T

    return jax.vmap(one)(draws, models.log_tokens)


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
def family_evidence(
    draws: Draws, skill: Float[Array, "draw *n skill observed"], scores: Scores
) -> Evidence:
    """What scores say of the affinities of their families, arrays of (draw, *n, benchmark, family).

    There may be several skills per draw.
    """

    def one(draw: Draws, skill: Array) -> Evidence:
        if skill.ndim > 2:
            return jax.vmap(one, in_axes=(None, 0))(draw, skill)
        return _pool(_scatter(draw, skill, scores), scores)

    return jax.vmap(one)(draws, skill)


def observe(
    draws: Draws,
    prior: Normal,
    scores: Scores,
    siblings: Evidence,
    rng: np.random.Generator,
    n: int,
) -> tuple[Float[np.ndarray, "draw n skill observed"], Float[np.ndarray, "draw n"]]:
    """Draw skills of observed models given their scores, several times per draw of the law.

    The most probable skills are found by Fisher scoring with step halving; a Student-t around them
    proposes the draws.

    Args:
        draws: draws of the law.
        prior: skills of the observed models before their scores are seen.
        scores: their scores.
        siblings: evidence of fitted models on the affinities of the same families.
        rng: source of randomness.
        n: skills per draw of the law.

    Returns:
        Skills, and the log of their importance weights (density over proposal), by which draws of
        the law gain or lose weight as well.
    """
    n_draw, n_skill, n_model = prior.mean.shape
    size = n_skill * n_model
    center = prior.mean.reshape(n_draw, size)
    blocks = np.zeros((n_draw, n_skill, n_model, n_skill, n_model))
    for k, block in enumerate(np.linalg.inv(prior.covariance).swapaxes(0, 1)):
        blocks[:, k, :, k, :] = block
    precision = blocks.reshape(n_draw, size, size)

    def log_density(flat: Float[np.ndarray, "draw m size"]) -> Float[np.ndarray, "draw m"]:
        skill = jnp.asarray(flat, jnp.float32).reshape(n_draw, -1, n_skill, n_model)
        residual = flat - center[:, None]
        quadratic = np.einsum("dms,dst,dmt->dm", residual, precision, residual)
        likelihood = _log_likelihood(draws, skill, scores, siblings)
        return np.asarray(likelihood, np.float64) - 0.5 * quadratic

    def curvature(mode: Float[np.ndarray, "draw size"]) -> tuple[np.ndarray, np.ndarray]:
        skill = jnp.asarray(mode, jnp.float32).reshape(prior.mean.shape)
        gradient, information = _score_and_information(draws, skill, scores, siblings)
        pull = np.einsum("dst,dt->ds", precision, mode - center)
        return np.asarray(gradient) - pull, np.asarray(information) + precision

    mode = center
    for _ in range(NEWTON_STEPS):
        gradient, information = curvature(mode)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        candidates = mode[:, None] + np.array(STEP_SIZES)[:, None] * step[:, None]
        best = np.argmax(log_density(candidates), axis=1)
        before, mode = mode, candidates[np.arange(n_draw), best]
        if (np.abs(mode - before).max(axis=1) > CONVERGED).mean() <= STRAGGLERS:
            break

    _, information = curvature(mode)
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
    log_scale -= 0.5 * np.linalg.slogdet(precision)[1]
    log_weight = log_density(flat) - log_proposal - log_scale[:, None]
    return flat.reshape(n_draw, n, n_skill, n_model), log_weight


def _scatter(draw: Draws, skill: Float[Array, "skill observed"], scores: Scores) -> Scatter:
    return scatter(draw, skill.T, scores.chance, scores.n_items)


def _pool(expected: Scatter, scores: Scores) -> Evidence:
    return pool(expected, scores.value, scores.is_observed, scores.in_family)


def _log_likelihood_one(
    draw: Draws, skill: Float[Array, "skill observed"], scores: Scores, siblings: Evidence
) -> Float[Array, ""]:
    """Log density of the scores given those of fitted siblings."""
    together = _pool(_scatter(draw, skill, scores), scores) + siblings
    return jnp.sum(log_prob(together, draw["tail"]) - log_prob(siblings, draw["tail"]))


@jax.jit
def _log_likelihood(
    draws: Draws,
    skill: Float[Array, "draw m skill observed"],
    scores: Scores,
    siblings: Evidence,
) -> Float[Array, "draw m"]:
    """Log likelihood of the scores, at several skills per draw."""
    several = jax.vmap(_log_likelihood_one, in_axes=(None, 0, None, None))
    return jax.vmap(several, in_axes=(0, 0, None, 0))(draws, skill, scores, siblings)


@jax.jit
def _score_and_information(
    draws: Draws, skill: Float[Array, "draw skill observed"], scores: Scores, siblings: Evidence
) -> tuple[Float[Array, "draw size"], Float[Array, "draw size size"]]:
    """Gradient and Fisher information of the log likelihood in the flattened skills."""
    same_family = scores.in_family @ scores.in_family.T

    def one(draw: Draws, skill: Array, siblings: Evidence) -> tuple[Array, Array]:
        gradient = jax.grad(_log_likelihood_one, argnums=1)(draw, skill, scores, siblings)
        expected = _scatter(draw, skill, scores)
        jacobian = jax.jacfwd(lambda s: _scatter(draw, s, scores).mean)(skill)
        jacobian = jacobian.reshape(*scores.value.shape, -1)
        evidence = _pool(expected, scores) + siblings
        known = (1 + evidence.information) @ scores.in_family.T
        degrees = draw["tail"] + evidence.n @ scores.in_family.T
        robust = degrees / (degrees + 2)
        weight = robust * scores.is_observed / expected.own
        shared = weight * expected.affinity
        own = jnp.einsum("bo,bos,bot->st", weight, jacobian, jacobian)
        pulled = jnp.einsum("bo,bos->bos", shared / jnp.sqrt(robust * known), jacobian)
        return gradient.ravel(), own - jnp.einsum("bos,op,bpt->st", pulled, same_family, pulled)

    return jax.vmap(one)(draws, skill, siblings)
