r"""Models that were not in the fit: their skills given the law, their relatives and their scores.

Given one posterior draw of the law, the skills of all models are jointly Gaussian: they share
lineage and family effects,

$$\operatorname{cov}(\theta_{ik}, \theta_{jk}) = s_L^2[\ell_i = \ell_j] + s_F^2[f_i = f_j]
+ \tau^2[i = j].$$

So a new model is forecast by conditioning: on the skills of fitted models of its lineage, and on
observed scores of its own family. Scores are not Gaussian in the skills; a Laplace approximation
proposes, and importance weights correct it and reweight the draws of the law. No refit is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float

from skillscale import law
from skillscale.model import measurement

NEWTON_STEPS = 12
STEP_SIZES = (1.0, 0.5, 0.2, 0.05, 0.0)


class Relatives(NamedTuple):
    """Which models share a lineage, a family, and everything (the diagonal)."""

    same_lineage: Float[Array, "a b"]
    same_family: Float[Array, "a b"]
    same_model: Float[Array, "a b"]

    def covariance(self, draw: Mapping[str, Array]) -> Float[Array, "skill a b"]:
        """Prior covariance of skills, per skill."""
        lineage, family, model = (
            draw[name][:, None, None] ** 2
            for name in ("lineage_scale", "family_scale", "model_scale")
        )
        return lineage * self.same_lineage + family * self.same_family + model * self.same_model


class NewModels(NamedTuple):
    """New models, and the fitted models of their lineages."""

    log_params: Float[Array, " new"]
    log_tokens: Float[Array, " new"]
    log_tokens_sd: Float[Array, " new"]
    covariates: Float[Array, "new covariate"]
    among_new: Relatives
    with_fitted: Relatives
    """Rows are new models, columns their fitted relatives."""
    among_fitted: Relatives
    fitted_covariates: Float[Array, "fitted covariate"]
    fitted_log_params: Float[Array, " fitted"]


class Scores(NamedTuple):
    """Scores observed on new models."""

    value: Float[Array, "benchmark observed"]
    is_observed: Bool[Array, "benchmark observed"]
    chance: Float[Array, " benchmark"]
    n_items: Float[Array, " benchmark"]


class Normal(NamedTuple):
    """Joint normal distribution of skills, independent between skills."""

    mean: Float[Array, "skill model"]
    covariance: Float[Array, "skill model model"]


class Fitted(NamedTuple):
    """What one draw of the law says of the fitted relatives."""

    skill: Float[Array, "fitted skill"]
    log_tokens: Float[Array, " fitted"]


def skills_given_relatives(
    draw: Mapping[str, Array], fitted: Fitted, models: NewModels, key: Array
) -> Normal:
    """Skills of new models given one draw of the law and of their fitted relatives.

    Unpublished token counts are drawn from their prior.
    """
    noise = jax.random.normal(key, models.log_tokens.shape)
    log_tokens = models.log_tokens + models.log_tokens_sd * noise
    zero = jnp.zeros(fitted.skill.shape[1])

    def law_mean(params: Array, tokens: Array, covariates: Array) -> Float[Array, "skill model"]:
        x = law.inputs(params, tokens)
        return (law.expected_skill(zero, draw["slope"], x) + covariates @ draw["effect"]).T

    mean = law_mean(models.log_params, log_tokens, models.covariates)
    fitted_mean = law_mean(models.fitted_log_params, fitted.log_tokens, models.fitted_covariates)
    prior = Normal(mean, models.among_new.covariance(draw))
    return condition(
        prior,
        models.with_fitted.covariance(draw),
        Normal(fitted_mean, models.among_fitted.covariance(draw)),
        fitted.skill.T,
    )


def condition(
    unknown: Normal,
    cross: Float[Array, "skill unknown known"],
    known: Normal,
    value: Float[Array, "skill known"],
) -> Normal:
    """Condition a joint normal on the value of some of its members."""
    gain = jnp.swapaxes(jnp.linalg.solve(known.covariance, jnp.swapaxes(cross, 1, 2)), 1, 2)
    shift = jnp.einsum("kuv,kv->ku", gain, value - known.mean)
    explained = gain @ jnp.swapaxes(cross, 1, 2)
    return Normal(unknown.mean + shift, unknown.covariance - explained)


def observe(
    draw: Mapping[str, Array], prior: Normal, scores: Scores, key: Array, n: int
) -> tuple[Float[Array, "n skill observed"], Float[Array, " n"]]:
    """Draw skills of observed models given their scores.

    The most probable skills are found by Fisher scoring with step halving; a normal around them
    proposes the draws.

    Returns:
        Draws, and the log of their importance weights (density over proposal), by which draws of
        the law gain or lose weight as well.
    """
    n_skill, n_model = prior.mean.shape
    size = n_skill * n_model
    precision = jax.scipy.linalg.block_diag(*jnp.linalg.inv(prior.covariance))
    center = prior.mean.ravel()
    link, noise = measurement(draw, scores.chance, scores.n_items)
    tail = draw["tail"]

    def likelihood(flat: Float[Array, " size"]) -> tuple[dist.Distribution, Float[Array, "b o"]]:
        mean, slope = law.expected_score_and_slope(flat.reshape(n_skill, n_model).T, link)
        discrepancy = law.discrepancy_variance(mean, slope, noise)
        scale = jnp.sqrt(law.item_variance(mean, noise) + discrepancy)
        return dist.StudentT(tail, mean, scale), mean

    def log_density(flat: Float[Array, " size"]) -> Float[Array, ""]:
        scored = likelihood(flat)[0].log_prob(scores.value)
        residual = flat - center
        return jnp.sum(jnp.where(scores.is_observed, scored, 0)) - 0.5 * residual @ (
            precision @ residual
        )

    def information(flat: Float[Array, " size"]) -> Float[Array, "size size"]:
        jacobian = jax.jacfwd(lambda f: likelihood(f)[1])(flat)
        scale = likelihood(flat)[0].scale
        weight = scores.is_observed * (tail + 1) / (tail + 3) / scale**2
        return precision + jnp.einsum("bo,bos,bot->st", weight, jacobian, jacobian)

    def newton(flat: Float[Array, " size"], _: None) -> tuple[Float[Array, " size"], None]:
        step = jnp.linalg.solve(information(flat), jax.grad(log_density)(flat))
        candidates = flat + jnp.array(STEP_SIZES)[:, None] * step
        return candidates[jnp.argmax(jax.vmap(log_density)(candidates))], None

    mode, _ = jax.lax.scan(newton, center, None, length=NEWTON_STEPS)
    root = jnp.linalg.cholesky(information(mode))
    white = jax.random.normal(key, (n, size))
    flat = mode + jax.scipy.linalg.solve_triangular(root.T, white.T, lower=False).T
    log_proposal = -0.5 * jnp.sum(white**2, axis=1) + jnp.sum(jnp.log(jnp.diag(root)))
    log_prior_constant = 0.5 * jnp.linalg.slogdet(precision)[1]
    log_weight = jax.vmap(log_density)(flat) + log_prior_constant - log_proposal
    return flat.reshape(n, *prior.mean.shape), log_weight
