r"""Simpler laws to compare with, each fitted to what a fold may see.

All but the last two read every benchmark by itself, $\mu = g + (1 - g)\sigma(w^\top z)$, with the
Huber loss of the published comparison (arXiv:2412.06540); they differ in the inputs $z$. Every
baseline gives Gaussian intervals with the spread of its own training residuals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit, huber
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from skillscale.backtest.problem import HUBER, Forecast, Problem, spread
from skillscale.backtest.sloth import sloth

RIDGE = 1e-3
SMALL, MOST_STEPS = 1e-2, 500
"""Gradient at which a curve is found: expected scores are within .01 points of those of less."""


def standardised_mean(scores: pd.DataFrame) -> pd.Series:
    """Mean over the known scores of every model, in units of each benchmark's spread.

    Centre and spread are those of the models that have all scores: those with the scores of one
    leaderboard only are of other years.

    Args:
        scores: a frame (model, benchmark), fractions, NaN where not evaluated.

    Returns:
        Means by model, NaN for models without a score.

    Example:
        >>> scores = pd.DataFrame({"mmlu": [0.3, 0.5, 0.5], "gsm8k": [0.1, 0.7, None]}, list("abc"))
        >>> standardised_mean(scores).round(2).to_dict()
        {'a': -0.71, 'b': 0.71, 'c': 0.71}
    """
    complete = scores.dropna()
    return ((scores - complete.mean()) / complete.std()).mean(axis=1)


def flops(problem: Problem) -> Forecast:
    """One curve in training compute for all families.

    Args:
        problem: scores that a fold shows, and inputs of all models.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.folds import sloth_folds
        >>> from skillscale.backtest.problem import make_problem
        >>> table = load_table("classic")
        >>> problem = make_problem(sloth_folds(table, 1, "v1")[0], table, ["mmlu", "gsm8k"])
        >>> [law(problem).mean.shape for law in (flops, last_observed, pca_flops)]
        [(188, 2), (188, 2), (188, 2)]
    """
    return _per_benchmark(problem, ["log_flops"], by_family=False)


def flops_family(problem: Problem) -> Forecast:
    """Curves in training compute with an intercept per family and a shared slope.

    Args:
        problem: scores that a fold shows, and inputs of all models.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        See `flops`.
    """
    return _per_benchmark(problem, ["log_flops"], by_family=True)


def size_tokens_family(problem: Problem) -> Forecast:
    """Size and tokens with shared slopes and an intercept per family.

    Args:
        problem: scores that a fold shows, and inputs of all models.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        See `flops`.
    """
    return _per_benchmark(problem, ["log_params", "log_tokens"], by_family=True)


def mean_score(problem: Problem) -> Forecast:
    """One curve in the mean of a model's standardised scores on other benchmarks.

    Args:
        problem: scores that a fold shows; its models have a column ``mean_score``.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        See `flops`.
    """
    return _per_benchmark(problem, ["mean_score"], by_family=False)


def last_observed(problem: Problem) -> Forecast:
    """The largest model seen of the family scores like all larger ones; others like the mean.

    Args:
        problem: scores that a fold shows, and inputs of all models.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        See `flops`.
    """
    scores = pd.DataFrame(problem.scores, index=problem.models.index)
    by_size = problem.models.sort_values("log_params").index
    ordered = scores.loc[by_size].groupby(problem.models.loc[by_size, "family"])
    # Training models are forecast from the next smaller one, which is what the spread is about.
    before = ordered.ffill().groupby(problem.models.loc[by_size, "family"]).shift()
    before = before.reindex(scores.index).fillna(scores.mean())
    return Forecast(before.to_numpy(), spread(problem.scores - before.to_numpy(), 0))


def pca_flops(problem: Problem, n_components: int = 2) -> Forecast:
    """Principal components of complete score rows, linear in compute with family intercepts.

    Observational scaling laws (arXiv:2405.10938) in the form of the published comparison.

    Args:
        problem: scores that a fold shows, and inputs of all models.
        n_components: number of principal components.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        See `flops`.
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
    return Forecast(mean, spread(problem.scores - mean, 1))


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
        sd[j] = spread(problem.scores[:, [j]] - mean[:, [j]], n_weights)[0]
    return Forecast(mean, sd)


def _fit_logistic(
    z: Float[np.ndarray, "model input"], score: Float[np.ndarray, " model"], chance: float
) -> Float[np.ndarray, " input"]:
    """Weights of a logistic curve above chance, by the Huber loss with a little ridge."""

    def residual(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals, in steps of the Huber loss, and their derivatives in the predictor."""
        h = expit(z @ weights)
        return (chance + (1 - chance) * h - score) / HUBER, (1 - chance) * h * (1 - h) / HUBER

    def loss(weights: np.ndarray) -> float:
        r, _ = residual(weights)
        return float(huber(1, r).sum() + RIDGE * (weights @ weights) / 2)

    def gradient(weights: np.ndarray) -> np.ndarray:
        r, slope = residual(weights)
        return (np.clip(r, -1, 1) * slope) @ z + RIDGE * weights

    def hessian(weights: np.ndarray) -> np.ndarray:
        """Of Gauss and Newton, positive definite: a residual outside counts by its share."""
        r, slope = residual(weights)
        curvature = slope**2 / np.maximum(np.abs(r), 1)
        return (z.T * curvature) @ z + RIDGE * np.eye(z.shape[1])

    start = np.zeros(z.shape[1])
    with threadpool_limits(1, user_api="blas"):  # two hundred families: threads would only wait
        found = minimize(
            loss,
            start,
            method="trust-exact",
            jac=gradient,
            hess=hessian,
            options={"gtol": SMALL, "maxiter": MOST_STEPS},
        )
    return found.x
