"""Draws of the scores of planned models: of a family in the fit, a new one, or one never observed.

A family is learned from its observed scores without sampling anew: its efficiencies and skills are
conditioned on them within every draw of the law, and draws of the law weigh by how well they
explain them. Where the weights rest on a few draws, the fit is repeated with the scores in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from jaxtyping import Array, Float, Int
from scipy.special import logsumexp

from skillscale.data.plan import describe_all
from skillscale.errors import TableError
from skillscale.forecasts.conditioning import (
    Inputs,
    Lineup,
    Normal,
    Relatives,
    Scores,
    condition,
    family_evidence,
    observe,
    skills_given_relatives,
)
from skillscale.law.design import Observations, centred_log_params, covariates, token_prior
from skillscale.law.scores import Evidence, Scatter, given, scatter
from skillscale.law.spec import Spec
from skillscale.posterior.fit import Fit

OF_THE_FIT = ("skill", "efficiency", "unpublished_log_tokens")
"""Sites that describe fitted models and families rather than the law."""
RELIABLE_PARETO_K = 0.7
"""Above it the draws of the law don't stretch to the observed scores (Vehtari et al. 2024)."""
EVEN_WEIGHTS = 1e-3
INNER = 4
"""Skill draws per draw of the law, to tell family from parameter uncertainty."""


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
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    refit: Callable[[pd.DataFrame], Fit] | None = None,
) -> Prediction:
    """Draw the scores of planned models: arguments and errors are those of `forecast`.

    ``refit``, if given, fits the observed models (described as those of a table) with the others
    when the draws of the law don't stretch to them.
    """
    if plan.empty:
        raise TableError(["plan: there are no rows. Name at least one model to forecast."])
    seen, planned = describe_all(plan, observed, fit)
    n_observed, n_planned = len(seen), len(planned)
    seen, planned = _padded(seen, 2), _padded(planned, 4)
    n_seen = len(seen)
    everyone = pd.concat([seen, planned]) if n_seen else planned
    families = pd.Index(everyone["family"].unique())
    draws = fit.draws(n_draws)
    rng = np.random.default_rng(seed)
    lineup, relatives = _lineup(everyone, fit, draws, rng)
    # Only what every fit has in the same shape, so that compiled programs are used again.
    draws = {site: values for site, values in draws.items() if site not in OF_THE_FIT}
    siblings = family_evidence(
        draws, lineup.fitted_skill.swapaxes(1, 2), _scores_in_fit(fit, relatives, families)
    )
    seen_skills, planned_skills, cross = _split(skills_given_relatives(draws, lineup), n_seen)
    pareto_k = float("nan")
    if observed is not None and n_seen:
        scores = _scores_of(observed.set_index("model"), seen, fit, families)
        value, log_weight = observe(draws, seen_skills, scores, siblings, rng, INNER)
        prior, joint, known = jax.tree.map(
            lambda a: a[:, None], (planned_skills, cross, seen_skills)
        )
        given_seen = condition(prior, joint, known, value)
        skill = given_seen.mean + _deviations(given_seen.covariance[:, 0], rng)
        chosen, inner, pareto_k = _resample(log_weight, rng)
        if refit is not None and pareto_k > RELIABLE_PARETO_K:
            again = predict(
                refit(seen.iloc[:n_observed]),
                planned.iloc[:n_planned].rename_axis("model").reset_index(),
                n_draws=n_draws,
                seed=seed,
            )
            return again._replace(pareto_k=pareto_k, n_observed=n_observed, is_refit=True)
        draws, siblings = jax.tree.map(lambda a: np.asarray(a)[chosen], (draws, siblings))
        skill, value = skill[chosen[:, None], inner], value[chosen[:, None], inner]
        own = family_evidence(draws, jnp.asarray(value, jnp.float32), scores)
        evidence = jax.tree.map(lambda a, b: a[:, None] + b, siblings, own)
    else:
        skill = planned_skills.mean[:, None] + _deviations(planned_skills.covariance, rng)
        evidence = jax.tree.map(
            lambda a: jnp.broadcast_to(a[:, None], (len(a), INNER, *a.shape[1:])), siblings
        )
    belongs = _one_hot(planned, families)
    score, location, scale, degrees, variance = _draw_scores(
        draws, skill, evidence, belongs, fit.design.observations, rng
    )
    return Prediction(
        models=planned.iloc[:n_planned],
        benchmarks=fit.design.coords["benchmark"],
        score=score[..., :n_planned],
        location=location[..., :n_planned],
        scale=scale[..., :n_planned],
        degrees=degrees[..., :n_planned],
        variance={source: part[..., :n_planned] for source, part in variance.items()},
        pareto_k=pareto_k,
        n_observed=n_observed,
    )


def _lineup(
    new: pd.DataFrame, fit: Fit, draws: dict[str, Array], rng: np.random.Generator
) -> tuple[Lineup, Int[np.ndarray, " fitted"]]:
    """Arrays of new models and the fitted models of their lineages, and where those are in the fit.

    Unpublished token counts are drawn from their prior.
    """
    design = fit.design
    known = _fitted_models(fit)
    fitted = np.flatnonzero(known["lineage"].isin(new["lineage"]))
    relatives = known.iloc[fitted]
    columns = ["family", "n_tokens", "release_year"]
    mean, sd = token_prior(pd.concat([known[columns], new[columns]]), fit.spec)
    mean, sd = mean[len(known) :], sd[len(known) :]
    skill = draws["skill"]
    # A model that is both observed and planned has one token count.
    names = pd.Index(new.index.unique())
    noise = rng.standard_normal((len(skill), len(names)))[:, names.get_indexer(new.index)]
    new_log_tokens = mean + sd * noise
    lineup = Lineup(
        new=Inputs(
            centred_log_params(new, fit.spec),
            jnp.asarray(new_log_tokens, jnp.float32),
            covariates(new, fit.spec),
        ),
        fitted=Inputs(
            centred_log_params(relatives, fit.spec),
            design.log_tokens(draws)[:, fitted],
            covariates(relatives, fit.spec),
        ),
        fitted_skill=skill[:, fitted],
        among_new=_same(new, new, fit.spec),
        with_fitted=_same(new, relatives, fit.spec),
        among_fitted=_same(relatives, relatives, fit.spec),
    )
    return lineup, fitted


def _fitted_models(fit: Fit) -> pd.DataFrame:
    return fit.table.models.loc[fit.design.coords["model"]]


def _same(rows: pd.DataFrame, columns: pd.DataFrame, spec: Spec) -> Relatives:
    def same(left: pd.Series | pd.Index, right: pd.Series | pd.Index) -> Float[np.ndarray, "a b"]:
        return (left.to_numpy()[:, None] == right.to_numpy()[None, :]).astype(float)

    lineage, family = (same(rows[name], columns[name]) for name in ("lineage", "family"))
    sizes = np.outer(*(np.asarray(centred_log_params(m, spec), float) for m in (rows, columns)))
    return Relatives(lineage, family, family * sizes, same(rows.index, columns.index))


def _padded(models: pd.DataFrame, base: int) -> pd.DataFrame:
    """Add unobserved siblings up to a power of the base, so that compiled programs are used again.

    A sibling of which nothing is known changes no forecast.
    """
    n_missing = _next_power(len(models), base) - len(models)
    if models.empty or not n_missing:
        return models
    names = [f"{models.index[-1]} (unobserved sibling {i})" for i in range(n_missing)]
    return pd.concat([models, models.iloc[[-1] * n_missing].set_axis(names)])


def _next_power(n: int, base: int) -> int:
    return base ** math.ceil(math.log(max(n, 1), base) - 1e-9)


def _one_hot(models: pd.DataFrame, families: pd.Index) -> Float[np.ndarray, "model family"]:
    """Membership in families, with columns up to a power of four."""
    n_columns = _next_power(len(families), 4)
    position = families.get_indexer(pd.Index(models["family"]))
    return (position[:, None] == np.arange(n_columns)[None, :]).astype(np.float32)


def _scores_in_fit(fit: Fit, fitted: Int[np.ndarray, " fitted"], families: pd.Index) -> Scores:
    """Scores of fitted models, as far as they are of the families of new models."""
    observations = fit.design.observations
    return Scores(
        observations.score[:, fitted],
        observations.is_observed[:, fitted],
        jnp.asarray(_one_hot(_fitted_models(fit).iloc[fitted], families)),
        observations.chance,
        observations.n_items,
    )


def _scores_of(observed: pd.DataFrame, seen: pd.DataFrame, fit: Fit, families: pd.Index) -> Scores:
    observations = fit.design.observations
    benchmarks = fit.design.coords["benchmark"]
    values = observed.reindex(index=seen.index, columns=benchmarks).to_numpy(dtype=float).T
    return Scores(
        jnp.asarray(np.nan_to_num(values), dtype=jnp.float32),
        jnp.asarray(~np.isnan(values)),
        jnp.asarray(_one_hot(seen, families)),
        observations.chance,
        observations.n_items,
    )


def _split(joint: Normal, n: int) -> tuple[Normal, Normal, Float[np.ndarray, "d k planned seen"]]:
    """The first ``n`` models, the others, and the covariance between them."""
    mean, covariance = joint
    return (
        Normal(mean[..., :n], covariance[..., :n, :n]),
        Normal(mean[..., n:], covariance[..., n:, n:]),
        covariance[..., n:, :n],
    )


def _deviations(
    covariance: Float[np.ndarray, "draw skill model model"], rng: np.random.Generator
) -> Float[np.ndarray, "draw inner skill model"]:
    """Draws of a normal around its mean; its covariance may be nearly singular."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    n_draw, n_skill, n_model = covariance.shape[:-1]
    white = rng.standard_normal((n_draw, INNER, n_skill, n_model, 1))
    return (root[:, None] @ white)[..., 0]


def _resample(
    log_weight: Float[np.ndarray, "draw inner"], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Choose draws of the law in proportion to how well they explain the observed scores.

    Returns:
        Positions of draws, positions of inner draws for each, and the Pareto shape of the weights.
    """
    n_draw, n_inner = log_weight.shape
    evidence = logsumexp(log_weight, axis=1) - np.log(n_inner)
    smoothed, pareto_k = evidence, 0.0
    if np.ptp(evidence) > EVEN_WEIGHTS:  # no tail to smooth otherwise
        smoothed, pareto_k = array_stats.psislw(-evidence)  # written for minus the log weight
    weight = np.exp(smoothed - logsumexp(smoothed))
    # Systematic resampling: the draws kept are as even as the weights allow.
    points = (np.arange(n_draw) + rng.random()) / n_draw
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), points), n_draw - 1)
    within = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))[chosen]
    uniform = rng.random((n_draw, n_inner, 1))
    inner = (uniform > np.cumsum(within, axis=1)[:, None, :]).sum(axis=2)
    return chosen, np.minimum(inner, n_inner - 1), float(pareto_k)


@jax.jit
def _distributions(
    draws: dict[str, Array],
    skill: Float[Array, "draw inner skill planned"],
    evidence: Evidence,
    belongs: Float[Array, "planned family"],
    chance: Float[Array, " benchmark"],
    n_items: Float[Array, " benchmark"],
) -> tuple[Scatter, tuple[Array, Array, Array]]:
    """Scatter of planned models, and the distribution of each score given its family's others."""

    def one(draw: dict[str, Array], skill: Array, evidence: Evidence) -> tuple[Scatter, tuple]:
        expected = scatter(draw, skill.T, chance, n_items)
        of_model = Evidence(*(part @ belongs.T for part in evidence))
        return expected, given(expected, of_model, draw["tail"])

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, 0)))(draws, skill, evidence)


def _draw_scores(
    draws: dict[str, Array],
    skill: Float[np.ndarray, "draw inner skill planned"],
    evidence: Evidence,
    belongs: Float[np.ndarray, "planned family"],
    observations: Observations,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Draw scores, models of a family with one affinity, and split their variance by source."""
    distributions = _distributions(
        draws,
        jnp.asarray(skill, jnp.float32),
        evidence,
        jnp.asarray(belongs),
        observations.chance,
        observations.n_items,
    )
    expected, (location, scale, degrees) = jax.tree.map(
        lambda part: np.asarray(part, np.float64), distributions
    )
    tail = np.asarray(draws["tail"], np.float64)[:, None, None, None]
    family = belongs.argmax(axis=1)
    far, known, n = (
        np.asarray(part, np.float64)
        for part in (evidence.mahalanobis, 1 + evidence.information, evidence.n)
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
