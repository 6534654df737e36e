r"""Simpler laws to compare with, each fitted to what a fold may see.

All but the last two read every benchmark by itself, $\mu = g + (1 - g)\sigma(w^\top z)$, with the
Huber loss of the published comparison (arXiv:2412.06540); they differ in the inputs $z$. Every
baseline gives Gaussian intervals with the spread of its own training residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Bool, Float, Int
from scipy.optimize import least_squares
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from skillscale.backtest.folds import Fold
from skillscale.data.table import Table

HUBER = 0.01
"""Residuals above one point count linearly."""
RIDGE = 1e-3
SMALLEST_SD = 0.005
SLOTH_STARTS = 4
SLOTH_STEPS = 400
SLOTH_RIDGE = 1e-6


class Problem(NamedTuple):
    """What a baseline may see, and what it is asked."""

    models: pd.DataFrame
    """All models, so that every fold has the same shapes: ``family``, centred ``log_params,
    log_tokens, log_flops``."""
    scores: Float[np.ndarray, "model benchmark"]
    """Known scores, NaN elsewhere."""
    chance: Float[np.ndarray, " benchmark"]


class Forecast(NamedTuple):
    """Expected scores of all models, and the spread of residuals."""

    mean: Float[np.ndarray, "model benchmark"]
    sd: Float[np.ndarray, " benchmark"]


def make_problem(fold: Fold, table: Table, benchmarks: list[str]) -> Problem:
    """Scores that a fold may see, by model: those of other models, and those seen of new ones."""
    known = table.wide()[benchmarks].copy()
    known.loc[known.index.isin(fold.held_out)] = np.nan
    known.update(fold.seen)
    models = table.models
    log_params = np.log(models["n_active_params"])
    # A token count that is not published is taken from the training trend in date.
    log_tokens = np.log(models["n_tokens"])
    is_known = log_tokens.notna()
    trend = np.polyfit(models.loc[is_known, "release_year"], log_tokens[is_known], 1)
    expected = pd.Series(np.polyval(trend, models["release_year"]), models.index)
    log_tokens = log_tokens.fillna(expected)
    described = pd.DataFrame(
        {
            "family": models["family"],
            "log_params": log_params - np.log(7e9),
            "log_tokens": log_tokens - np.log(1.3e12),
            "log_flops": log_params + log_tokens - np.log(7e9 * 1.3e12),
        }
    )
    chance = table.benchmarks.loc[benchmarks, "chance"].to_numpy(dtype=float)
    return Problem(described, known.to_numpy(dtype=float), chance)


def standardised_mean(scores: pd.DataFrame) -> pd.Series:
    """Mean over the known scores of every model, in units of each benchmark's spread.

    Centre and spread are those of the models that have all scores: those with the scores of one
    leaderboard only are of other years.
    """
    complete = scores.dropna()
    return ((scores - complete.mean()) / complete.std()).mean(axis=1)


def flops(problem: Problem) -> Forecast:
    """One curve in training compute for all families."""
    return _per_benchmark(problem, ["log_flops"], by_family=False)


def flops_family(problem: Problem) -> Forecast:
    """Curves in training compute with an intercept per family and a shared slope."""
    return _per_benchmark(problem, ["log_flops"], by_family=True)


def size_tokens_family(problem: Problem) -> Forecast:
    """Size and tokens with shared slopes and an intercept per family."""
    return _per_benchmark(problem, ["log_params", "log_tokens"], by_family=True)


def mean_score(problem: Problem) -> Forecast:
    """One curve in the mean of a model's standardised scores on other benchmarks."""
    return _per_benchmark(problem, ["mean_score"], by_family=False)


def last_observed(problem: Problem) -> Forecast:
    """The largest model seen of the family scores like all larger ones; others like the mean."""
    scores = pd.DataFrame(problem.scores, index=problem.models.index)
    by_size = problem.models.sort_values("log_params").index
    ordered = scores.loc[by_size].groupby(problem.models.loc[by_size, "family"])
    # Training models are forecast from the next smaller one, which is what the spread is about.
    before = ordered.ffill().groupby(problem.models.loc[by_size, "family"]).shift()
    before = before.reindex(scores.index).fillna(scores.mean())
    return Forecast(before.to_numpy(), _spread(problem.scores - before.to_numpy(), 0))


def pca_flops(problem: Problem, n_components: int = 2) -> Forecast:
    """Principal components of complete score rows, linear in compute with family intercepts.

    Observational scaling laws (arXiv:2405.10938) in the form of the published comparison.
    """
    complete = ~np.isnan(problem.scores).any(axis=1)
    pca = PCA(n_components).fit(problem.scores[complete])
    filled = np.where(np.isnan(problem.scores), pca.mean_, problem.scores)
    measured = np.isfinite(problem.scores).any(axis=1)
    families = problem.models["family"].to_numpy()
    effort = problem.models[["log_flops"]].to_numpy()
    component = pca.transform(filled)
    dummies = (families[:, None] == np.unique(families[complete])[None, :]).astype(float)
    law = LinearRegression(fit_intercept=False).fit(
        np.hstack([effort, dummies])[complete], component[complete]
    )
    slope = law.coef_[:, :1].T
    left = component - effort @ slope
    intercept = np.empty_like(component)
    for family in np.unique(families):
        of_family = (families == family) & measured
        basis = of_family if of_family.any() else complete
        intercept[families == family] = left[basis].mean(axis=0)
    mean = np.clip(pca.inverse_transform(effort @ slope + intercept), 0, 1)
    return Forecast(mean, _spread(problem.scores - mean, 1))


def sloth(problem: Problem, n_skills: int = 3) -> Forecast:
    r"""Sloth's equation with the plain logistic link, fitted by the Huber loss from several starts.

    $\mu = g + (1 - g)\sigma(\Lambda(\alpha_f + \beta^\top x) + b)$ on complete rows, as published.
    """
    complete = ~np.isnan(problem.scores).any(axis=1)
    families, family = np.unique(problem.models["family"], return_inverse=True)
    log_params, log_tokens = (problem.models[n].to_numpy() for n in ("log_params", "log_tokens"))
    x = np.stack([log_params, log_tokens, log_params * log_tokens], axis=1)
    arrays = (x, family, np.nan_to_num(problem.scores), complete, problem.chance)
    found, loss = _run_sloth(*map(jnp.asarray, arrays), (len(families), n_skills))
    best = jax.tree.map(lambda values: values[jnp.argmin(loss)], found)
    seen = np.unique(family[complete])
    unseen = np.setdiff1d(np.arange(len(families)), seen)
    average = best["efficiency"][seen].mean(axis=0)
    best = best | {"efficiency": best["efficiency"].at[unseen].set(average)}
    inputs, members, _, _, chance = map(jnp.asarray, arrays)
    mean = np.asarray(_sloth_mean(best, inputs, members, chance), dtype=np.float64)
    residual = np.where(complete[:, None], problem.scores - mean, np.nan)
    return Forecast(mean, _spread(residual, 0))


BASELINES: dict[str, Callable[[Problem], Forecast]] = {
    "flops": flops,
    "flops_family": flops_family,
    "size_tokens_family": size_tokens_family,
    "pca_2": pca_flops,
    "sloth_3": sloth,
    "last_observed": last_observed,
}
"""Baselines under the names of their published counterparts."""

OF_NEW_BENCHMARKS: dict[str, Callable[[Problem], Forecast]] = {
    "flops": flops,
    "mean_score": mean_score,
}
"""Baselines that a few scores on one benchmark are enough for."""


def _per_benchmark(problem: Problem, inputs: list[str], *, by_family: bool) -> Forecast:
    x = problem.models[inputs].to_numpy()
    families = problem.models["family"].to_numpy()
    mean = np.empty_like(problem.scores)
    sd = np.empty(len(problem.chance))
    for j, chance in enumerate(problem.chance):
        known = np.isfinite(problem.scores[:, j])
        groups = np.unique(families[known]) if by_family else np.array([])
        dummies = (families[:, None] == groups[None, :]).astype(float)
        if by_family:
            # A family with no score on this benchmark is taken for an average one.
            dummies[~dummies.any(axis=1)] = 1 / len(groups)
        z = np.hstack([x, np.ones((len(x), 1)), dummies])
        weights = _fit_logistic(z[known], problem.scores[known, j], chance)
        mean[:, j] = chance + (1 - chance) * expit(z @ weights)
        n_weights = min(len(weights) - 1, int(known.sum()) - 2)
        sd[j] = _spread(problem.scores[:, [j]] - mean[:, [j]], n_weights)[0]
    return Forecast(mean, sd)


def _fit_logistic(
    z: Float[np.ndarray, "model input"], score: Float[np.ndarray, " model"], chance: float
) -> Float[np.ndarray, " input"]:
    """Weights of a logistic curve above chance, by the Huber loss with a little ridge."""
    # Ridge rows are inside the loss, where they stay in its quadratic part.
    ridge = np.sqrt(RIDGE) * HUBER * np.eye(z.shape[1])

    def residual(weights: np.ndarray) -> np.ndarray:
        return np.append(chance + (1 - chance) * expit(z @ weights) - score, ridge @ weights)

    def jacobian(weights: np.ndarray) -> np.ndarray:
        h = expit(z @ weights)
        return np.vstack([((1 - chance) * h * (1 - h))[:, None] * z, ridge])

    start = np.zeros(z.shape[1])
    found = least_squares(
        residual, start, jacobian, loss="huber", f_scale=HUBER, method="trf", max_nfev=200
    )
    return found.x


def _spread(residual: Float[np.ndarray, "model benchmark"], n_weights: int) -> np.ndarray:
    n = np.isfinite(residual).sum(axis=0)
    total = np.nansum(residual**2, axis=0)
    return np.maximum(np.sqrt(total / np.maximum(n - n_weights, 1)), SMALLEST_SD)


def _sloth_mean(params: dict[str, Array], x: Array, family: Array, chance: Array) -> Array:
    skill = params["efficiency"][family] + x @ params["slope"]
    return chance + (1 - chance) * jax.nn.sigmoid(skill @ params["loading"] + params["intercept"])


@partial(jax.jit, static_argnames="shape")
def _run_sloth(
    x: Float[Array, "model input"],
    family: Int[Array, " model"],
    score: Float[Array, "model benchmark"],
    is_complete: Bool[Array, " model"],
    chance: Float[Array, " benchmark"],
    shape: tuple[int, int],
) -> tuple[dict[str, Array], Float[Array, " start"]]:
    """Parameters and losses of L-BFGS runs from several random starts."""
    n_families, n_skills = shape

    def loss(params: dict[str, Array]) -> Float[Array, ""]:
        residual = _sloth_mean(params, x, family, chance) - score
        huber = optax.losses.huber_loss(residual, delta=HUBER) * is_complete[:, None]
        ridge = sum(jnp.sum(value**2) for value in params.values())
        return huber.sum() + SLOTH_RIDGE * ridge

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        params, state = carry
        value, slope = value_and_grad(params, state=state)
        updates, state = solver.update(slope, state, params, value=value, grad=slope, value_fn=loss)
        return (optax.apply_updates(params, updates), state), None

    def run(key: Array) -> tuple[dict[str, Array], Float[Array, ""]]:
        shapes = {
            "efficiency": (n_families, n_skills),
            "slope": (x.shape[1], n_skills),
            "loading": (n_skills, len(chance)),
            "intercept": (len(chance),),
        }
        keys = jax.random.split(key, len(shapes))
        params = {
            name: 0.5 * jax.random.normal(key, size)
            for key, (name, size) in zip(keys, shapes.items(), strict=True)
        }
        carry, _ = jax.lax.scan(step, (params, solver.init(params)), None, length=SLOTH_STEPS)
        return carry[0], loss(carry[0])

    return jax.vmap(run)(jax.random.split(jax.random.key(0), SLOTH_STARTS))
