"""Forecast scores of models: of a family in the fit, of a new one, or of one never observed."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from jaxtyping import Array, Float
from scipy.special import logsumexp

from skillscale import law
from skillscale.data.rules import decimal_year
from skillscale.design import centred_log_params, covariates, token_prior
from skillscale.errors import TableError
from skillscale.fitting import Fit
from skillscale.model import measurement
from skillscale.new_models import (
    Inputs,
    Lineup,
    Normal,
    Relatives,
    Scores,
    condition,
    observe,
    skills_given_relatives,
)

INTERVALS = (50, 80, 95)
SOURCES = ("item_noise", "discrepancy", "family", "parameters")
NEW_FAMILY = "new"
RELIABLE_PARETO_K = 0.7
"""Above it the draws of the law don't stretch to the observed scores (Vehtari et al. 2024)."""
EVEN_WEIGHTS = 1e-3
INNER = 4
"""Skill draws per draw of the law, to tell family from parameter uncertainty."""


def forecast(
    fit: Fit,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    n_draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Forecast the scores of planned models.

    Args:
        fit: a fitted law.
        plan: one row per model to forecast: ``model, n_params, n_tokens`` (counts), and where
            known ``family, lineage, tuning, release, n_active_params``. A family or lineage that
            is in the fit lends its efficiency; rows without a family belong to one new family.
        observed: models of new (or fitted) families with scores: the columns of ``plan`` and one
            per benchmark, fractions, NaN where not evaluated.
        n_draws: draws of the law to use.
        seed: source of randomness.

    Returns:
        Dataset with dims ``model, benchmark``: ``mean, median, lower_50, upper_50, lower_80,
        upper_80, lower_95, upper_95`` (fractions), ``variance_share`` (dim ``source``: item
        noise, model discrepancy, family, shared parameters) and ``draws`` (dim ``draw``).
        Attribute ``pareto_k`` tells how well the draws of the law stretch to the observed scores:
        above 0.7 a refit is safer.

    Raises:
        TableError: the plan has no rows, or an observed model is in the fit already.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table().select(benchmarks=["mmlu", "gsm8k"])
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200, gradient_steps=500))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> result = sk.forecast(fit, plan, n_draws=200)
        >>> bool(result["lower_95"].sel(model="a-70b", benchmark="mmlu") < result["mean"][0, 0])
        True
    """
    if plan.empty:
        raise TableError(["plan: there are no rows. Name at least one model to forecast."])
    seen, planned = _describe_all(plan, observed, fit)
    n_seen = len(seen)
    everyone = pd.concat([seen, planned]) if n_seen else planned
    draws = fit.draws(n_draws)
    rng = np.random.default_rng(seed)
    lineup = _lineup(everyone, fit, draws, rng)
    benchmarks = fit.design.coords["benchmark"]
    scores = _scores(observed, benchmarks, fit)
    seen_skills, planned_skills, cross = _split(skills_given_relatives(draws, lineup), n_seen)
    pareto_k = float("nan")
    if n_seen:
        value, log_weight = observe(draws, seen_skills, scores, rng, INNER)
        prior, joint, known = jax.tree.map(
            lambda a: a[:, None], (planned_skills, cross, seen_skills)
        )
        given = condition(prior, joint, known, value)
        skill = given.mean + _deviations(given.covariance[:, 0], rng)
        chosen, inner, pareto_k = _resample(log_weight, rng)
        draws = {name: value[chosen] for name, value in draws.items()}
        skill = skill[chosen[:, None], inner]
    else:
        skill = planned_skills.mean[:, None] + _deviations(planned_skills.covariance, rng)
    result = _summarise(*_predict(draws, skill, scores, rng))
    return result.assign_coords(
        model=list(planned.index),
        benchmark=benchmarks,
        family=("model", list(planned["family"])),
    ).assign_attrs(pareto_k=pareto_k, n_observed=n_seen)


def forecast_rows(result: xr.Dataset) -> list[dict[str, str | float]]:
    """A forecast in long format: one row per model and benchmark, as the command line prints it."""
    columns = ["mean", "median"]
    columns += [f"{end}_{interval}" for interval in INTERVALS for end in ("lower", "upper")]
    rows = []
    for model in result["model"].to_numpy():
        for benchmark in result["benchmark"].to_numpy():
            cell = result.sel(model=model, benchmark=benchmark)
            row: dict[str, str | float] = {
                "model": str(model),
                "family": str(cell["family"].item()),
                "benchmark": str(benchmark),
            }
            row |= {name: float(cell[name]) for name in columns}
            row |= {
                f"share_{source}": float(cell["variance_share"].sel(source=source))
                for source in SOURCES
            }
            rows.append(row)
    return rows


def describe(models: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Fill in what a plan leaves open, indexed by model.

    A known family gives its lineage, tuning and release; otherwise models are base models of one
    new family, released in the latest month known.

    Args:
        models: ``model, n_params, n_tokens`` and any of the columns below.
        known: models with ``family, lineage, tuning, release``.
    """
    filled = models.set_index("model") if "model" in models else models.copy()
    for name in ("family", "lineage", "tuning", "release", "n_active_params"):
        if name not in filled:
            filled[name] = None
        filled[name] = filled[name].astype(object)
    of_family = known.groupby("family")[["lineage", "tuning", "release"]].first()
    filled["family"] = filled["family"].fillna(NEW_FAMILY)
    # A family's lineage is the fit's, whatever a file says: readers default it to the family.
    filled["lineage"] = (
        filled["family"]
        .map(of_family["lineage"])
        .fillna(filled["lineage"])
        .fillna(filled["family"])
    )
    for name, default in (("tuning", "base"), ("release", known["release"].max())):
        of_model = filled["family"].map(of_family[name])
        filled[name] = filled[name].fillna(of_model).fillna(default)
    filled["release_year"] = filled["release"].map(decimal_year)
    filled["n_params"] = filled["n_params"].astype(float)
    filled["n_tokens"] = filled["n_tokens"].astype(float)
    filled["n_active_params"] = filled["n_active_params"].astype(float).fillna(filled["n_params"])
    return filled


def _describe_all(
    plan: pd.DataFrame, observed: pd.DataFrame | None, fit: Fit
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Observed and planned models, described alike."""
    known = fit.table.models
    columns = ["family", "lineage", "tuning", "release"]
    if observed is None:
        seen = describe(plan.iloc[:0], known)
        return seen, describe(plan, known)
    repeated = [name for name in observed["model"] if name in fit.design.coords["model"]]
    if repeated:
        raise TableError(
            [
                f"observed: {', '.join(repeated)} is in the fit already, with its scores. "
                "Leave it out, or fit again without it."
            ]
        )
    seen = describe(observed, known)
    if seen["family"].nunique() == 1:
        plan = plan.copy()
        given = plan["family"] if "family" in plan else pd.Series(None, plan.index, dtype=object)
        plan["family"] = given.astype(object).fillna(seen["family"].iloc[0])
    return seen, describe(plan, pd.concat([known[columns], seen[columns]]))


def _lineup(
    new: pd.DataFrame, fit: Fit, draws: dict[str, Array], rng: np.random.Generator
) -> Lineup:
    """Arrays of new models, and the fitted models of their lineages.

    Unpublished token counts are drawn from their prior.
    """
    design = fit.design
    known = fit.table.models.loc[design.coords["model"]]
    fitted = np.flatnonzero(known["lineage"].isin(new["lineage"]))
    relatives = known.iloc[fitted]
    columns = ["family", "n_tokens", "release_year"]
    mean, sd = token_prior(pd.concat([known[columns], new[columns]]), fit.spec)
    mean, sd = mean[len(known) :], sd[len(known) :]
    skill = draws["skill"]
    log_tokens = jnp.broadcast_to(design.observations.log_tokens, skill.shape[:2])
    if design.unpublished.size:
        unpublished = draws["unpublished_log_tokens"]
        log_tokens = log_tokens.at[:, design.unpublished].set(unpublished)
    new_log_tokens = mean + sd * rng.standard_normal((len(skill), len(new)))
    return Lineup(
        new=Inputs(
            centred_log_params(new, fit.spec),
            jnp.asarray(new_log_tokens, jnp.float32),
            covariates(new, fit.spec),
        ),
        fitted=Inputs(
            centred_log_params(relatives, fit.spec),
            log_tokens[:, fitted],
            covariates(relatives, fit.spec),
        ),
        fitted_skill=skill[:, fitted],
        among_new=_same(new, new),
        with_fitted=_same(new, relatives),
        among_fitted=_same(relatives, relatives),
    )


def _same(rows: pd.DataFrame, columns: pd.DataFrame) -> Relatives:
    def same(name: str) -> Float[np.ndarray, "a b"]:
        left, right = rows[name].to_numpy(), columns[name].to_numpy()
        return (left[:, None] == right[None, :]).astype(float)

    diagonal = np.eye(len(rows)) if rows is columns else np.zeros((len(rows), len(columns)))
    return Relatives(same("lineage"), same("family"), diagonal)


def _scores(observed: pd.DataFrame | None, benchmarks: Sequence[str], fit: Fit) -> Scores:
    observations = fit.design.observations
    if observed is None:
        values = np.empty((len(benchmarks), 0))
    else:
        values = observed.reindex(columns=list(benchmarks)).to_numpy(dtype=float).T
    return Scores(
        jnp.asarray(np.nan_to_num(values), dtype=jnp.float32),
        jnp.asarray(~np.isnan(values)),
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
def _expectations(
    draws: dict[str, Array], skill: Float[Array, "draw inner skill planned"], scores: Scores
) -> tuple[Float[Array, "draw inner benchmark planned"], ...]:
    """Expected scores, their item variance, and their squared discrepancy scale."""

    def one(draw: dict[str, Array], skill: Array) -> tuple[Array, ...]:
        link, noise = measurement(draw, scores.chance, scores.n_items)
        mean, slope = law.expected_score_and_slope(skill.T, link)
        item = law.item_variance(mean, noise)
        return mean, item, law.discrepancy_variance(mean, slope, noise)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(draws, skill)


def _predict(
    draws: dict[str, Array],
    skill: Float[np.ndarray, "draw inner skill planned"],
    scores: Scores,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "draw inner benchmark planned"], dict[str, np.ndarray]]:
    """Draw scores, and split their variance by source."""
    mean, item, discrepancy = (
        np.asarray(part, np.float64)
        for part in _expectations(draws, jnp.asarray(skill, jnp.float32), scores)
    )
    tail = np.asarray(draws["tail"], np.float64)[:, None, None, None]
    noise = rng.standard_t(tail, mean.shape) * np.sqrt(item + discrepancy)
    heavy = tail / np.maximum(tail - 2, 0.5)
    within = mean.var(axis=1, ddof=1).mean(axis=0)
    between = mean.mean(axis=1).var(axis=0) - within / INNER
    parts = {
        "item_noise": (item * heavy).mean(axis=(0, 1)),
        "discrepancy": (discrepancy * heavy).mean(axis=(0, 1)),
        "family": within,
        "parameters": np.maximum(between, 0),
    }
    return np.clip(mean + noise, 0, 1), parts


def _summarise(
    draws: Float[np.ndarray, "draw inner benchmark planned"], parts: dict[str, np.ndarray]
) -> xr.Dataset:
    values = draws.reshape(-1, *draws.shape[2:]).swapaxes(1, 2)
    cell = ("model", "benchmark")
    data: dict[str, tuple[tuple[str, ...], np.ndarray]]
    data = {"mean": (cell, values.mean(axis=0)), "median": (cell, np.median(values, axis=0))}
    for interval in INTERVALS:
        tail = (1 - interval / 100) / 2
        lower, upper = np.quantile(values, [tail, 1 - tail], axis=0)
        data[f"lower_{interval}"] = (cell, lower)
        data[f"upper_{interval}"] = (cell, upper)
    variance = np.stack([parts[source].T for source in SOURCES])
    data["variance_share"] = (("source", *cell), variance / variance.sum(axis=0))
    data["draws"] = (("draw", *cell), values)
    return xr.Dataset(data, coords={"source": list(SOURCES)})
