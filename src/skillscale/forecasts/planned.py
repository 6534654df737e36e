"""Skills of planned models, before and after the scores of observed ones are seen."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from skillscale.forecasts.conditioning import (
    Normal,
    condition,
    observe,
    pool_of_families,
    skills_given_relatives,
)
from skillscale.forecasts.question import Question
from skillscale.forecasts.weights import resample
from skillscale.law.scores import Pooled
from skillscale.law.sites import Draws, Law
from skillscale.posterior.result import Fit

INNER = 4
"""Skill draws per draw of the law, to tell family from parameter uncertainty."""


class Planned(NamedTuple):
    """Planned models after scores were seen, in draws of the law that are as likely as another.

    Attributes:
        law: draws of the law, chosen by how well they explain the scores.
        skill: skills of the planned models, padding included.
        evidence: what is known of the affinities of their families.
        pareto_k: how well the draws stretch to the scores; NaN where none was observed.
        chosen: positions of the draws among those of the fit that were used.
    """

    law: Law
    skill: Float[np.ndarray, "draw inner skill planned"]
    evidence: Pooled
    pareto_k: float
    chosen: Int[np.ndarray, " draw"]


def after_scores(
    fit: Fit,
    question: Question,
    n_draws: int,
    rng: np.random.Generator,
    white: Float[np.ndarray, "draw inner skill planned"] | None = None,
) -> Planned:
    """Condition the skills of planned models on the scores of observed ones, if there are any.

    Args:
        fit: the fit that was asked.
        question: result of `ask`.
        n_draws: draws of the law to use.
        rng: source of randomness.
        white: standard normals to draw skills of planned models by (padding included), where
            those of the source are not even enough.

    Returns:
        The planned models, four draws of their skills for each of the law.

    Raises:
        ValueError: there are fewer than 25 draws to weigh by observed scores.
    """
    draws = fit.draws(n_draws)
    law = draws.law
    joint, siblings = before_scores(fit, question, draws, rng)
    seen_skills, planned_skills, cross = _split(joint, question.n_seen)
    if question.scores is None:
        skill = planned_skills.mean[:, None] + _deviations(planned_skills.covariance, rng, white)
        evidence = jax.tree.map(
            lambda a: np.broadcast_to(a[:, None], (len(a), INNER, *a.shape[1:])), siblings
        )
        return Planned(law, skill, evidence, float("nan"), np.arange(len(skill)))
    scores = question.scores.for_draws(len(joint.mean))
    value, log_weight = observe(law, seen_skills, scores, siblings, rng, INNER)
    prior, shared, known = jax.tree.map(lambda a: a[:, None], (planned_skills, cross, seen_skills))
    given_seen = condition(prior, shared, known, value)
    skill = given_seen.mean + _deviations(given_seen.covariance[:, 0], rng, white)
    chosen, inner, pareto_k = resample(log_weight, rng)
    law, siblings = jax.tree.map(lambda a: np.asarray(a)[chosen], (law, siblings))
    skill, value = skill[chosen[:, None], inner], value[chosen[:, None], inner]
    own = pool_of_families(law, value.astype(np.float32), scores)
    evidence = jax.tree.map(lambda a, b: a[:, None] + np.asarray(b), siblings, own)
    return Planned(law, skill, evidence, pareto_k, chosen)


def before_scores(
    fit: Fit, question: Question, draws: Draws, rng: np.random.Generator
) -> tuple[Normal, Pooled]:
    """What is known of the models that a question names before their scores are seen.

    Args:
        fit: the fit that was asked.
        question: result of `ask`.
        draws: of the fit.
        rng: source of the token counts that are not published.

    Returns:
        Skills of observed and planned models given their relatives; evidence of fitted models on
        the affinities of the families asked about.
    """
    lineup = question.lineup(fit, draws, rng)
    of_fitted = question.siblings.for_draws(len(lineup.fitted_skill))
    siblings = pool_of_families(draws.law, lineup.fitted_skill.swapaxes(1, 2), of_fitted)
    siblings = jax.tree.map(np.asarray, siblings)
    return skills_given_relatives(draws.law.growth, lineup), siblings


def _split(joint: Normal, n: int) -> tuple[Normal, Normal, Float[np.ndarray, "d k planned seen"]]:
    """The first ``n`` models, the others, and the covariance between them."""
    mean, covariance = joint
    return (
        Normal(mean[..., :n], covariance[..., :n, :n]),
        Normal(mean[..., n:], covariance[..., n:, n:]),
        covariance[..., n:, :n],
    )


def _deviations(
    covariance: Float[np.ndarray, "draw skill model model"],
    rng: np.random.Generator,
    white: Float[np.ndarray, "draw inner skill model"] | None = None,
) -> Float[np.ndarray, "draw inner skill model"]:
    """Draws of a normal around its mean; its covariance may be nearly singular."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    n_draw, n_skill, n_model = covariance.shape[:-1]
    if white is None:
        white = rng.standard_normal((n_draw, INNER, n_skill, n_model))
    return (root[:, None] @ white[..., None])[..., 0]
