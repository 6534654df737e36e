r"""Models that were not in the fit: their skills given the law, their relatives and their scores.

Given one posterior draw of the law, the skills of all models are jointly Gaussian: they share
lineage and family effects,

$$\operatorname{cov}(\theta_{ik}, \theta_{jk}) = s_L^2[\ell_i = \ell_j] + s_F^2[f_i = f_j]
+ \tau^2[i = j].$$

So a new model is forecast by conditioning: on the skills of fitted models of its lineage, and on
observed scores of its own family. Scores are not Gaussian in the skills; a Laplace approximation
proposes, and importance weights correct it and reweight the draws of the law. No refit is needed.

Every array has the draws of the law as its first axis. Linear algebra is numpy's: batches of small
factorisations inside a compiled JAX program hang now and then on machines of two cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float

from skillscale import law
from skillscale.model import measurement

NEWTON_STEPS = 20
STEP_SIZES = (4.0, 2.0, 1.0, 0.5, 0.2, 0.05, 0.0)

Draws = Mapping[str, Array]
"""Posterior draws of every parameter of the law, stacked along the first axis."""


class Relatives(NamedTuple):
    """Which models share a lineage, a family, and everything (the diagonal)."""

    same_lineage: Float[np.ndarray, "a b"]
    same_family: Float[np.ndarray, "a b"]
    same_model: Float[np.ndarray, "a b"]

    def covariance(self, draws: Draws) -> Float[np.ndarray, "draw skill a b"]:
        """Prior covariance of skills."""
        lineage, family, model = (
            np.asarray(draws[name], np.float64)[:, :, None, None] ** 2
            for name in ("lineage_scale", "family_scale", "model_scale")
        )
        return lineage * self.same_lineage + family * self.same_family + model * self.same_model


class Inputs(NamedTuple):
    """What the law knows of models."""

    log_params: Float[Array, " model"]
    log_tokens: Float[Array, "draw model"]
    covariates: Float[Array, "model covariate"]


class Scores(NamedTuple):
    """Scores observed on new models."""

    value: Float[Array, "benchmark observed"]
    is_observed: Bool[Array, "benchmark observed"]
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
        x = law.inputs(models.log_params, log_tokens)
        return (models.covariates @ draw["effect"] + x @ draw["slope"]).T

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


def observe(
    draws: Draws, prior: Normal, scores: Scores, rng: np.random.Generator, n: int
) -> tuple[Float[np.ndarray, "draw n skill observed"], Float[np.ndarray, "draw n"]]:
    """Draw skills of observed models given their scores, several times per draw of the law.

    The most probable skills are found by Fisher scoring with step halving; a normal around them
    proposes the draws.

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
        return np.asarray(_log_likelihood(draws, skill, scores), np.float64) - 0.5 * quadratic

    def curvature(mode: Float[np.ndarray, "draw size"]) -> tuple[np.ndarray, np.ndarray]:
        skill = jnp.asarray(mode, jnp.float32).reshape(prior.mean.shape)
        gradient, information = _score_and_information(draws, skill, scores)
        pull = np.einsum("dst,dt->ds", precision, mode - center)
        return np.asarray(gradient) - pull, np.asarray(information) + precision

    mode = center
    for _ in range(NEWTON_STEPS):
        gradient, information = curvature(mode)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        candidates = mode[:, None] + np.array(STEP_SIZES)[:, None] * step[:, None]
        best = np.argmax(log_density(candidates), axis=1)
        mode = candidates[np.arange(n_draw), best]

    _, information = curvature(mode)
    root = np.linalg.cholesky(information)
    white = rng.standard_normal((n_draw, n, size))
    moves = np.linalg.solve(root.swapaxes(-1, -2), white.swapaxes(-1, -2)).swapaxes(-1, -2)
    flat = mode[:, None] + moves
    log_scale = np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=1)
    log_prior_scale = 0.5 * np.linalg.slogdet(precision)[1]
    log_proposal = -0.5 * (white**2).sum(axis=2) + (log_scale - log_prior_scale)[:, None]
    return flat.reshape(n_draw, n, n_skill, n_model), log_density(flat) - log_proposal


def _likelihood(
    draw: Draws, skill: Float[Array, "skill observed"], scores: Scores
) -> tuple[dist.StudentT, Float[Array, "benchmark observed"]]:
    """Distribution of scores, and its expectation."""
    link, noise = measurement(draw, scores.chance, scores.n_items)
    mean, slope = law.expected_score_and_slope(skill.T, link)
    discrepancy = law.discrepancy_variance(mean, slope, noise)
    scale = jnp.sqrt(law.item_variance(mean, noise) + discrepancy)
    return dist.StudentT(draw["tail"], mean, scale), mean


def _log_likelihood_one(
    draw: Draws, skill: Float[Array, "skill observed"], scores: Scores
) -> Float[Array, ""]:
    scored = _likelihood(draw, skill, scores)[0].log_prob(scores.value)
    return jnp.sum(jnp.where(scores.is_observed, scored, 0))


@jax.jit
def _log_likelihood(
    draws: Draws, skill: Float[Array, "draw m skill observed"], scores: Scores
) -> Float[Array, "draw m"]:
    """Log likelihood of the scores, at several skills per draw."""
    several = jax.vmap(_log_likelihood_one, in_axes=(None, 0, None))
    return jax.vmap(several, in_axes=(0, 0, None))(draws, skill, scores)


@jax.jit
def _score_and_information(
    draws: Draws, skill: Float[Array, "draw skill observed"], scores: Scores
) -> tuple[Float[Array, "draw size"], Float[Array, "draw size size"]]:
    """Gradient and Fisher information of the log likelihood in the flattened skills."""

    def one(draw: Draws, skill: Float[Array, "skill observed"]) -> tuple[Array, Array]:
        gradient = jax.grad(_log_likelihood_one, argnums=1)(draw, skill, scores)
        jacobian = jax.jacfwd(lambda s: _likelihood(draw, s, scores)[1])(skill)
        jacobian = jacobian.reshape(*scores.value.shape, -1)
        scale = _likelihood(draw, skill, scores)[0].scale
        tail = draw["tail"]
        weight = scores.is_observed * (tail + 1) / (tail + 3) / scale**2
        return gradient.ravel(), jnp.einsum("bo,bos,bot->st", weight, jacobian, jacobian)

    return jax.vmap(one)(draws, skill)
