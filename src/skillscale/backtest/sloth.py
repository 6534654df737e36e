r"""The published law, as published: a point estimate (arXiv:2412.06540), and a baseline.

$$\theta_i = \alpha_{f(i)} + \beta^\top(\log s_i,\ \log t_i,\ \log s_i \log t_i), \qquad
\mu_{ij} = g_j + (1 - g_j)\,\sigma(\lambda_j^\top\theta_i + b_j)$$

of size $s$ in billions and tokens $t$ in trillions, fitted by the Huber loss to the models with
every score.

Here to compare with, and to see what a point estimate can't say; forecasts and optima of this
package come from `skillscale.law`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from skillscale.backtest.problem import Forecast, Problem, spread
from skillscale.data.table import Table
from skillscale.errors import SkillscaleError

HUBER = 0.01
"""Residuals above one point count linearly."""
STARTS = 4
"""Fits of the baseline, each from a random start."""
STEPS = 400
"""Steps of each: with 200 or 3,000 errors of single folds differ, their mean does not."""
UNIT_PARAMS = 1e9
UNIT_TOKENS = 1e12


class Evaluated(NamedTuple):
    """Models with every score, and a token count."""

    models: pd.DataFrame
    score: Float[np.ndarray, "model benchmark"]
    chance: Float[np.ndarray, " benchmark"]
    benchmarks: tuple[str, ...]

    def inputs(self) -> Float[np.ndarray, "model input"]:
        """Logs of size and tokens, and their product.

        Returns:
            Logs of billions of active parameters and of trillions of tokens.
        """
        size = np.log(self.models["n_active_params"].to_numpy() / UNIT_PARAMS)
        tokens = np.log(self.models["n_tokens"].to_numpy() / UNIT_TOKENS)
        return np.stack([size, tokens, size * tokens], axis=1)

    def families(self) -> tuple[tuple[str, ...], Int[np.ndarray, " model"]]:
        """All families in alphabetical order, and that of every model.

        Returns:
            Names, and positions in them.
        """
        names, position = np.unique(self.models["family"], return_inverse=True)
        return tuple(map(str, names)), position

    def without(self, lineage: str) -> Evaluated:
        """All models but those of a lineage.

        Args:
            lineage: name of the lineage.

        Returns:
            The others, on the same benchmarks.
        """
        keep = (self.models["lineage"] != lineage).to_numpy()
        return self._replace(models=self.models[keep], score=self.score[keep])


class PublishedLaw(NamedTuple):
    """A point estimate."""

    slope: Float[np.ndarray, "input skill"]
    efficiency: Float[np.ndarray, "family skill"]
    loading: Float[np.ndarray, "benchmark skill"]
    intercept: Float[np.ndarray, " benchmark"]
    families: tuple[str, ...]
    loss: float
    """Sum over scores of the Huber loss."""


def evaluated(table: Table, benchmarks: list[str]) -> Evaluated:
    """Models with a token count and all scores on these benchmarks.

    Args:
        table: models and scores.
        benchmarks: names of benchmarks.

    Returns:
        What is known of these models, their scores and chance as fractions.

    Raises:
        SkillscaleError: there are none.

    Example:
        >>> from skillscale import load_table
        >>> evaluated(load_table("classic"), ["mmlu", "gsm8k"]).score.shape
        (152, 2)
    """
    wide = table.wide()[benchmarks].dropna()
    models = table.models.loc[wide.index]
    models = models[models["n_tokens"].notna()]
    if models.empty:
        raise SkillscaleError(
            f"no model has a token count and scores on all of {', '.join(benchmarks)}: "
            "name fewer benchmarks."
        )
    chance = table.benchmarks.loc[benchmarks, "chance"].to_numpy(dtype=float)
    return Evaluated(models, wide.loc[models.index].to_numpy(), chance, tuple(benchmarks))


def fit_published(
    data: Evaluated,
    n_skills: int = 3,
    *,
    start: PublishedLaw | None = None,
    seed: int = 0,
    steps: int = 20_000,
) -> PublishedLaw:
    """Minimise the Huber loss by L-BFGS; the published fit used Adam.

    Args:
        data: models with every score.
        n_skills: number of skills.
        start: a fit of as many skills to the same families or more; random by default. Not every
            random start ends in the best minimum, so try several.
        seed: source of randomness of the start.
        steps: most steps; far more than it takes by default.

    Returns:
        The law at the minimum found.

    Raises:
        ValueError: the start lacks a family of the data.

    Example:
        >>> from skillscale import load_table
        >>> data = evaluated(load_table("classic"), ["mmlu", "gsm8k", "hellaswag"])
        >>> law = fit_published(data, 1)
        >>> law.slope.shape, law.loading.shape
        ((3, 1), (3, 1))
    """
    families, family = data.families()
    design = np.hstack([data.inputs(), np.eye(len(families))[family]])
    n_benchmarks, n_inputs = len(data.benchmarks), data.inputs().shape[1]
    shapes = ((design.shape[1], n_skills), (n_benchmarks, n_skills), (n_benchmarks,))
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def unpack(values: np.ndarray) -> list[np.ndarray]:
        parts = np.split(values, ends)
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def loss_and_slope(values: np.ndarray) -> tuple[float, np.ndarray]:
        weight, loading, intercept = unpack(values)
        skill = design @ weight
        rise = expit(skill @ loading.T + intercept)
        residual = data.chance + (1 - data.chance) * rise - data.score
        clipped = np.clip(residual, -HUBER, HUBER)
        loss = (clipped * (residual - clipped / 2)).sum()
        by_predictor = clipped * (1 - data.chance) * rise * (1 - rise)
        slopes = (design.T @ (by_predictor @ loading), by_predictor.T @ skill, by_predictor.sum(0))
        # Divided by the Huber width, so that the solver's tolerances are about whole points.
        return loss / HUBER, np.concatenate([slope.ravel() for slope in slopes]) / HUBER

    if start is None:
        rng = np.random.default_rng(seed)
        first = [rng.standard_normal(shape) for shape in shapes]
        first[0][:n_inputs] = np.abs(first[0][:n_inputs])
        first[1] = np.abs(first[1])
    else:
        efficiency = start.efficiency[[start.families.index(family) for family in families]]
        first = [np.vstack([start.slope, efficiency]), start.loading, start.intercept]
    packed = np.concatenate([part.ravel() for part in first])
    # These matrices are so small that threads of BLAS only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        found = minimize(
            loss_and_slope,
            packed,
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": steps,
                "maxfun": 2 * steps,
                "maxcor": 30,
                "ftol": 1e-12,
                "gtol": 1e-7,
            },
        )
    weight, loading, intercept = unpack(found.x)
    slope, efficiency = weight[:n_inputs], weight[n_inputs:]
    loss = float(found.fun * HUBER)
    return PublishedLaw(slope, efficiency, loading, intercept, families, loss)


def sloth(problem: Problem, n_skills: int = 3) -> Forecast:
    """The published law as a baseline: the best of several fits to the complete rows.

    A family without a complete row is given the average efficiency.

    Args:
        problem: scores that a fold shows, and inputs of all models.
        n_skills: number of skills.

    Returns:
        Expected scores of all models, and the spread of residuals, as fractions.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.folds import sloth_folds
        >>> from skillscale.backtest.problem import make_problem
        >>> table = load_table("classic")
        >>> problem = make_problem(sloth_folds(table, 1, "v1")[0], table, ["mmlu", "gsm8k"])
        >>> sloth(problem, 1).mean.shape
        (188, 2)
    """
    complete = ~np.isnan(problem.scores).any(axis=1)
    names = tuple(f"benchmark_{j}" for j in range(len(problem.chance)))
    everyone = Evaluated(problem.models, problem.scores, problem.chance, names)
    data = everyone._replace(models=problem.models[complete], score=problem.scores[complete])
    fits = (fit_published(data, n_skills, seed=seed, steps=STEPS) for seed in range(STARTS))
    law = min(fits, key=lambda found: found.loss)
    efficiency = pd.DataFrame(law.efficiency, index=list(law.families))
    of_models = efficiency.reindex(problem.models["family"]).fillna(efficiency.mean())
    skill = of_models.to_numpy() + everyone.inputs() @ law.slope
    rise = expit(skill @ law.loading.T + law.intercept)
    mean = problem.chance + (1 - problem.chance) * rise
    residual = np.where(complete[:, None], problem.scores - mean, np.nan)
    return Forecast(mean, spread(residual, 0))
