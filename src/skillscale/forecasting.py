"""Forecast scores of models: of a family in the fit, of a new one, or of one never observed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

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
    Fitted,
    NewModels,
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
    models, fitted = _relate(everyone, fit, draws)
    benchmarks = fit.design.coords["benchmark"]
    scores = _scores(observed, benchmarks, fit)
    key_skill, key_resample, key_score = jax.random.split(jax.random.key(seed), 3)
    skill, log_weight = _draw_skills(draws, fitted, models, scores, key_skill, n_seen)
    pareto_k = float("nan")
    if n_seen:
        chosen, inner, pareto_k = _resample(np.asarray(log_weight), key_resample)
        draws = {name: value[chosen] for name, value in draws.items()}
        skill = skill[chosen[:, None], inner]
    result = _summarise(*_predict(draws, skill, scores, key_score))
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


def _relate(new: pd.DataFrame, fit: Fit, draws: dict[str, Array]) -> tuple[NewModels, Fitted]:
    """Arrays of new models, and the fitted models of their lineages (with a leading draw axis)."""
    design = fit.design
    known = fit.table.models.loc[design.coords["model"]]
    fitted = np.flatnonzero(known["lineage"].isin(new["lineage"]))
    relatives = known.iloc[fitted]
    columns = ["family", "n_tokens", "release_year"]
    mean, sd = token_prior(pd.concat([known[columns], new[columns]]), fit.spec)
    skill = draws["skill"]
    known_log_tokens = jnp.broadcast_to(design.observations.log_tokens, skill.shape[:2])
    if design.unpublished.size:
        known_log_tokens = known_log_tokens.at[:, design.unpublished].set(
            draws["unpublished_log_tokens"]
        )
    models = NewModels(
        log_params=centred_log_params(new, fit.spec),
        log_tokens=jnp.asarray(mean[len(known) :]),
        log_tokens_sd=jnp.asarray(sd[len(known) :]),
        covariates=covariates(new, fit.spec),
        among_new=_same(new, new),
        with_fitted=_same(new, relatives),
        among_fitted=_same(relatives, relatives),
        fitted_covariates=covariates(relatives, fit.spec),
        fitted_log_params=centred_log_params(relatives, fit.spec),
    )
    return models, Fitted(skill[:, fitted], known_log_tokens[:, fitted])


def _same(rows: pd.DataFrame, columns: pd.DataFrame) -> Relatives:
    def same(name: str) -> Float[Array, "a b"]:
        left, right = rows[name].to_numpy(), columns[name].to_numpy()
        return jnp.asarray(left[:, None] == right[None, :], dtype=jnp.float32)

    diagonal = jnp.eye(len(rows)) if rows is columns else jnp.zeros((len(rows), len(columns)))
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


@partial(jax.jit, static_argnames="n_seen")
def _draw_skills(
    draws: dict[str, Array],
    fitted: Fitted,
    models: NewModels,
    scores: Scores,
    key: Array,
    n_seen: int,
) -> tuple[Float[Array, "draw inner skill planned"], Float[Array, "draw inner"]]:
    """Skills of planned models, several per draw of the law, and their importance weights."""

    def one(draw: dict[str, Array], fitted: Fitted, key: Array) -> tuple[Array, Array]:
        key_tokens, key_seen, key_planned = jax.random.split(key, 3)
        joint = skills_given_relatives(draw, fitted, models, key_tokens)
        seen, planned, cross = _split(joint, n_seen)
        log_weight = jnp.zeros(INNER)
        means = jnp.broadcast_to(planned.mean, (INNER, *planned.mean.shape))
        if n_seen:
            values, log_weight = observe(draw, seen, scores, key_seen, INNER)
            given = jax.vmap(lambda value: condition(planned, cross, seen, value))(values)
            means, planned = given.mean, Normal(planned.mean, given.covariance[0])
        return means + _deviations(planned, key_planned), log_weight

    n_draw = len(fitted.skill)
    return jax.vmap(one)(draws, fitted, jax.random.split(key, n_draw))


def _split(joint: Normal, n: int) -> tuple[Normal, Normal, Float[Array, "skill planned seen"]]:
    """The first ``n`` models, the others, and the covariance between them."""
    mean, covariance = joint
    return (
        Normal(mean[:, :n], covariance[:, :n, :n]),
        Normal(mean[:, n:], covariance[:, n:, n:]),
        covariance[:, n:, :n],
    )


def _deviations(normal: Normal, key: Array) -> Float[Array, "inner skill model"]:
    """Draws of a normal around its mean; its covariance may be nearly singular."""
    values, vectors = jnp.linalg.eigh(normal.covariance)
    white = jax.random.normal(key, (INNER, *normal.mean.shape))
    root = vectors * jnp.sqrt(jnp.maximum(values, 0))[:, None, :]
    return jnp.einsum("kij,nkj->nki", root, white)


def _resample(
    log_weight: Float[np.ndarray, "draw inner"], key: Array
) -> tuple[np.ndarray, np.ndarray, float]:
    """Choose draws of the law in proportion to how well they explain the observed scores.

    Returns:
        Positions of draws, positions of inner draws for each, and the Pareto shape of the weights.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    n_draw, n_inner = log_weight.shape
    evidence = logsumexp(log_weight, axis=1) - np.log(n_inner)
    smoothed, pareto_k = array_stats.psislw(-evidence)  # it is written for minus the log weight
    weight = np.exp(smoothed - logsumexp(smoothed))
    # Systematic resampling: the draws kept are as even as the weights allow.
    points = (np.arange(n_draw) + rng.random()) / n_draw
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), points), n_draw - 1)
    within = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))[chosen]
    uniform = rng.random((n_draw, n_inner, 1))
    inner = (uniform > np.cumsum(within, axis=1)[:, None, :]).sum(axis=2)
    return chosen, np.minimum(inner, n_inner - 1), float(pareto_k)


@jax.jit
def _predict(
    draws: dict[str, Array],
    skill: Float[Array, "draw inner skill planned"],
    scores: Scores,
    key: Array,
) -> tuple[Float[Array, "draw inner benchmark planned"], dict[str, Array]]:
    """Draw scores, and split their variance by source."""

    def one(draw: dict[str, Array], skill: Array) -> tuple[Array, ...]:
        link, noise = measurement(draw, scores.chance, scores.n_items)
        mean, slope = law.expected_score_and_slope(skill.T, link)
        item = law.item_variance(mean, noise)
        return mean, item, law.discrepancy_variance(mean, slope, noise)

    mean, item, discrepancy = jax.vmap(jax.vmap(one, in_axes=(None, 0)))(draws, skill)
    tail = draws["tail"][:, None, None, None]
    noise = jax.random.t(key, tail, mean.shape) * jnp.sqrt(item + discrepancy)
    heavy = tail / jnp.maximum(tail - 2, 0.5)
    within = jnp.var(mean, axis=1, ddof=1).mean(axis=0)
    between = jnp.var(mean.mean(axis=1), axis=0) - within / INNER
    parts = {
        "item_noise": (item * heavy).mean(axis=(0, 1)),
        "discrepancy": (discrepancy * heavy).mean(axis=(0, 1)),
        "family": within,
        "parameters": jnp.maximum(between, 0),
    }
    return jnp.clip(mean + noise, 0, 1), parts


def _summarise(
    draws: Float[Array, "draw inner benchmark planned"], parts: dict[str, Array]
) -> xr.Dataset:
    values = np.asarray(draws).reshape(-1, *draws.shape[2:]).swapaxes(1, 2)
    cell = ("model", "benchmark")
    data: dict[str, tuple[tuple[str, ...], np.ndarray]]
    data = {"mean": (cell, values.mean(axis=0)), "median": (cell, np.median(values, axis=0))}
    for interval in INTERVALS:
        tail = (1 - interval / 100) / 2
        lower, upper = np.quantile(values, [tail, 1 - tail], axis=0)
        data[f"lower_{interval}"] = (cell, lower)
        data[f"upper_{interval}"] = (cell, upper)
    variance = np.stack([np.asarray(parts[source]).T for source in SOURCES])
    data["variance_share"] = (("source", *cell), variance / variance.sum(axis=0))
    data["draws"] = (("draw", *cell), values)
    return xr.Dataset(data, coords={"source": list(SOURCES)})
