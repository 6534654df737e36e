r"""Item curves: the score of every benchmark against its linear predictor, beside the data.

A benchmark reads the skills through one number, $\eta_{ij} = \lambda_j^\top\theta_i + b_j$, which
is the same in whatever coordinates skills are shown. Models fall about the curve by item noise, by
what the law leaves unexplained and by their families' affinities.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from skillscale.errors import known_names
from skillscale.intervals import tails
from skillscale.law import equation
from skillscale.posterior.result import Fit

STEPS = 60
MARGIN = 0.05
"""How far curves go beyond the data, of its range."""
LEVEL = 0.8
N_DRAWS = 1000


def item_curves(
    fit: Fit, benchmarks: Sequence[str] | None = None, *, n_draws: int = N_DRAWS
) -> xr.Dataset:
    """Expected score against the linear predictor, and the models that were scored.

    Args:
        fit: a fitted law.
        benchmarks: names of benchmarks; all of the fit by default.
        n_draws: at most so many draws of the law.

    Returns:
        Dataset with dims ``benchmark, step`` of the curve: ``grid`` (linear predictor), ``median``,
        ``lower_80, upper_80`` (fractions); with dims ``benchmark, model``: ``predictor`` (posterior
        median), ``predictor_lower, predictor_upper`` (80 %) and ``score``, NaN where not observed;
        with dim ``benchmark``: ``chance`` and ``ceiling`` (posterior median). A coordinate gives
        the ``tuning`` of models.

    Raises:
        UnknownNameError: a benchmark is not in the fit.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> item_curves(fit, ["mmlu"])["score"].sizes
        Frozen({'benchmark': 1, 'model': 23})
    """
    known = fit.design.coords["benchmark"]
    names = known_names("benchmark", benchmarks, known)
    rows = [known.index(name) for name in names]
    draws = jax.tree.map(np.asarray, fit.draws(n_draws))
    observations = fit.design.observations
    whole = draws.law.benchmarks.link(np.asarray(observations.chance)[None])
    link = equation.Link._make(part[:, rows] for part in whole)
    link = link._replace(chance=link.chance[0])
    predictor = link.loading @ draws.fitted.skill.swapaxes(1, 2) + link.intercept[..., None]
    is_observed = np.asarray(observations.is_observed)[rows]
    quantiles = [0.5, *tails(LEVEL)]
    median, lower, upper = np.where(is_observed, np.quantile(predictor, quantiles, axis=0), np.nan)
    low, high = np.nanmin(median, axis=1), np.nanmax(median, axis=1)
    margin = MARGIN * (high - low)
    grid = np.linspace(low - margin, high + margin, STEPS, axis=1)
    at = jnp.broadcast_to(grid, (len(predictor), *grid.shape))
    curve = np.asarray(equation.scores_of_predictors(at, link), float)
    curve_median, curve_lower, curve_upper = np.quantile(curve, quantiles, axis=0)
    by_step, by_model = ("benchmark", "step"), ("benchmark", "model")
    score = np.where(is_observed, np.asarray(observations.score)[rows], np.nan)
    return xr.Dataset(
        {
            "grid": (by_step, grid),
            "median": (by_step, curve_median),
            "lower_80": (by_step, curve_lower),
            "upper_80": (by_step, curve_upper),
            "predictor": (by_model, median),
            "predictor_lower": (by_model, lower),
            "predictor_upper": (by_model, upper),
            "score": (by_model, score),
            "chance": ("benchmark", link.chance),
            "ceiling": ("benchmark", np.median(link.ceiling, axis=0)),
        },
        coords={
            "benchmark": names,
            "model": fit.design.coords["model"],
            "tuning": ("model", fit.models["tuning"].to_list()),
        },
    )
