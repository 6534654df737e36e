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
from jaxtyping import Array, Float

from skillscale.errors import UnknownNameError
from skillscale.law import equation
from skillscale.optima.objectives import PER_DRAW
from skillscale.posterior.fit import Fit

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
        >>> table = sk.load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> item_curves(fit, ["mmlu"])["score"].sizes
        Frozen({'benchmark': 1, 'model': 23})
    """
    known = fit.design.coords["benchmark"]
    names = known if benchmarks is None else list(benchmarks)
    for name in names:
        if name not in known:
            raise UnknownNameError("benchmark", name, known)
    rows = [known.index(name) for name in names]
    draws = {site: np.asarray(values) for site, values in fit.draws(n_draws).items()}
    observations = fit.design.observations
    chance = np.asarray(observations.chance)
    ceiling = 1 - draws["ceiling_gap"] * (1 - chance)
    parts = (draws["loading"], draws["intercept"], draws["asymmetry"], chance[None], ceiling)
    loading, intercept, asymmetry, chance, ceiling = (part[:, rows] for part in parts)
    link = equation.Link._make(
        map(jnp.asarray, (loading, intercept, asymmetry, chance[0], ceiling))
    )
    predictor = loading @ draws["skill"].swapaxes(1, 2) + intercept[..., None]
    is_observed = np.asarray(observations.is_observed)[rows]
    tail = (1 - LEVEL) / 2
    lower, median, upper = np.where(
        is_observed, np.quantile(predictor, [tail, 0.5, 1 - tail], axis=0), np.nan
    )
    low, high = np.nanmin(median, axis=1), np.nanmax(median, axis=1)
    margin = MARGIN * (high - low)
    grid = np.linspace(low - margin, high + margin, STEPS, axis=1)
    curve = scores_at(np.broadcast_to(grid, (len(predictor), *grid.shape)), link)
    curve_lower, curve_median, curve_upper = np.quantile(curve, [tail, 0.5, 1 - tail], axis=0)
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
            "chance": ("benchmark", chance[0]),
            "ceiling": ("benchmark", np.median(ceiling, axis=0)),
        },
        coords={
            "benchmark": names,
            "model": fit.design.coords["model"],
            "tuning": ("model", fit.table.models.loc[fit.design.coords["model"], "tuning"]),
        },
    )


def scores_at(
    predictor: Float[np.ndarray, "draw benchmark n"], link: equation.Link
) -> Float[np.ndarray, "draw benchmark n"]:
    """Expected scores at values of the linear predictors.

    Args:
        predictor: any number of values per draw and benchmark.
        link: how benchmarks read them, every part with a leading draw axis, except chance.
    """
    return np.asarray(_scores_at(jnp.asarray(predictor), link), float)


@jax.jit
def _scores_at(
    predictor: Float[Array, "draw benchmark n"], link: equation.Link
) -> Float[Array, "draw benchmark n"]:
    def one(
        predictor: Float[Array, "benchmark n"], link: equation.Link
    ) -> Float[Array, "benchmark n"]:
        # Each benchmark reads its own predictor, as if that were its only skill.
        n = len(predictor)
        alone = link._replace(loading=jnp.eye(n), intercept=jnp.zeros(n))
        return equation.expected_score(predictor.T, alone)

    return jax.vmap(one, in_axes=(0, PER_DRAW))(predictor, link)
