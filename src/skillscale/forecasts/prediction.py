"""Draws of the scores of planned models: of a family in the fit, a new one, or one never observed.

A family is learned from its observed scores without sampling anew: its efficiencies and skills are
conditioned on them within every draw of the law, and draws of the law weigh by how well they
explain them. Where the weights rest on a few draws, the fit is repeated with the scores in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.forecasts.conditioning import scores_given_family
from skillscale.forecasts.planned import INNER, after_scores
from skillscale.forecasts.question import Question, ask
from skillscale.forecasts.weights import RELIABLE_PARETO_K
from skillscale.law.design import Observations
from skillscale.law.scores import Pooled
from skillscale.law.sites import Law
from skillscale.posterior.result import Fit


class Prediction(NamedTuple):
    """Draws of the scores of planned models, and what they were drawn from.

    Location, scale and degrees of freedom are those of the Student-t distribution of each score,
    given a draw of everything else.
    """

    models: pd.DataFrame
    benchmarks: list[str]
    score: Float[np.ndarray, "draw benchmark model"]
    location: Float[np.ndarray, "draw benchmark model"]
    scale: Float[np.ndarray, "draw benchmark model"]
    degrees: Float[np.ndarray, "draw benchmark model"]
    variance: Mapping[str, Float[np.ndarray, "benchmark model"]]
    """Variance of a score by source."""
    pareto_k: float
    n_observed: int
    is_refit: bool = False
    """Whether the observed scores were fitted with the others rather than conditioned on."""


def predict(
    fit: Fit,
    question: Question,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    refit: Callable[[pd.DataFrame], Fit] | None = None,
) -> Prediction:
    """Draw the scores of the models that a question plans, by conditioning (see `conditioning`).

    Args:
        fit: the fit that was asked.
        question: result of `ask`.
        n_draws: draws of the law to use.
        seed: source of randomness.
        refit: fits the observed models (described as those of a table) with the others when the
            draws of the law don't stretch to their scores; if None, the answer is approximate then.

    Returns:
        Scores (fractions), four draws for each of the law, and what they were drawn from.

    Raises:
        ValueError: there are fewer than 25 draws to weigh by observed scores.
        SkillscaleError: it was fitted again, and draws are not finite.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.forecasts.question import ask
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> predict(fit, ask(fit, plan), n_draws=200).score.shape
        (800, 2, 1)
    """
    rng = np.random.default_rng(seed)
    law, skill, evidence, pareto_k, _ = after_scores(fit, question, n_draws, rng)
    if refit is not None and pareto_k > RELIABLE_PARETO_K:
        again = refit(question.observed)
        plan = question.planned.rename_axis("model").reset_index()
        answer = predict(again, ask(again, plan), n_draws=n_draws, seed=seed)
        n_observed = len(question.observed)
        return answer._replace(pareto_k=pareto_k, n_observed=n_observed, is_refit=True)
    score, location, scale, degrees, variance = _draw_scores(
        law, skill, evidence, question.belongs, fit.design.observations, rng
    )
    n_planned = len(question.planned)  # without unobserved siblings
    return Prediction(
        models=question.planned,
        benchmarks=question.benchmarks,
        score=score[..., :n_planned],
        location=location[..., :n_planned],
        scale=scale[..., :n_planned],
        degrees=degrees[..., :n_planned],
        variance={source: part[..., :n_planned] for source, part in variance.items()},
        pareto_k=pareto_k,
        n_observed=len(question.observed),
    )


_mahalanobis = jax.jit(lambda evidence: evidence.mahalanobis)


def _draw_scores(
    law: Law,
    skill: Float[np.ndarray, "draw inner skill planned"],
    evidence: Pooled,
    belongs: Float[np.ndarray, "planned family"],
    observations: Observations,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Draw scores, models of a family with one affinity, and split their variance by source."""
    distributions = scores_given_family(
        law,
        skill.astype(np.float32),
        evidence,
        belongs,
        observations.chance,
        observations.n_items,
    )
    expected, (location, scale, degrees) = jax.tree.map(
        lambda part: np.asarray(part, np.float64), distributions
    )
    tail = np.asarray(law.noise.tail, np.float64)[:, None, None, None]
    family = belongs.argmax(axis=1)
    far, known, n = (
        np.asarray(part, np.float64)
        for part in (_mahalanobis(evidence), 1 + evidence.information, evidence.n)
    )
    stretch = (tail + far) / rng.chisquare(tail + n)
    affinity = np.asarray(evidence.pull, np.float64) / known
    affinity += np.sqrt(stretch / known) * rng.standard_normal(stretch.shape)
    noise = np.sqrt(stretch[..., family] * expected.own) * rng.standard_normal(location.shape)
    score = expected.mean + expected.affinity * affinity[..., family] + noise

    heavy = ((tail + far) / np.maximum(tail + n - 2, 0.5))[..., family]
    within = location.var(axis=1, ddof=1).mean(axis=0)
    between = location.mean(axis=1).var(axis=0) - within / INNER
    unknown = expected.affinity**2 / known[..., family]
    variance = {
        "item_noise": (expected.item * heavy).mean(axis=(0, 1)),
        "discrepancy": (expected.discrepancy * heavy).mean(axis=(0, 1)),
        "family": within + (unknown * heavy).mean(axis=(0, 1)),
        "parameters": np.maximum(between, 0),
    }
    shape = (-1, *location.shape[2:])
    return (
        np.clip(score, 0, 1).reshape(shape),
        location.reshape(shape),
        scale.reshape(shape),
        degrees.reshape(shape),
        variance,
    )
