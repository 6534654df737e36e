r"""Compute optima: the best size and token count for a skill at a budget, if the data can tell.

At a budget $C = 6ND$ a skill is a function of size alone; its maximum is found per posterior draw
on a grid. Under the translog a draw has an interior optimum only where its interaction is
positive; otherwise the best size is whichever end of the searched range is better, and says
nothing but "larger" or "smaller".
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from skillscale import law
from skillscale.errors import SpecError
from skillscale.fitting import Fit

FLOPS_PER_PARAM_TOKEN = 6.0
PARAMS_RANGE = (1e8, 1e12)
TOKENS_RANGE = (1e10, 1e14)
GRID = 241
IDENTIFIED = 0.9


def optimum(
    fit: Fit,
    flops: Sequence[float],
    skills: Sequence[str] | None = None,
    *,
    params_range: tuple[float, float] = PARAMS_RANGE,
    tokens_range: tuple[float, float] = TOKENS_RANGE,
    interval: float = 0.8,
) -> xr.Dataset:
    """Best size and token count for each skill at each training budget.

    Args:
        fit: a fitted law.
        flops: training budgets in FLOP, ``6 * n_params * n_tokens``.
        skills: names of skills; all of them by default.
        params_range: smallest and largest size searched (active parameters).
        tokens_range: smallest and largest token count searched.
        interval: probability inside the interval reported.

    Returns:
        Dataset with dims ``skill, flops``: ``n_params, n_tokens`` (medians over the draws with an
        interior optimum, NaN where fewer than nine in ten draws have one), their ``_lower`` and
        ``_upper`` ends over all draws, ``prob_interior, prob_lower_bound, prob_upper_bound`` (of
        size), the searched range as ``searched_lower, searched_upper`` and a ``verdict``.

    Raises:
        SpecError: a budget is not positive, or nothing lies inside both ranges.
        UnknownNameError: no skill of this name.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> best = sk.optimum(fit, flops=[1e23], skills=["knowledge"])
        >>> best["prob_interior"].dims
        ('skill', 'flops')
    """
    skills = list(fit.spec.skills) if skills is None else list(skills)
    positions = np.array([fit.spec.skill_index(name) for name in skills])
    slope = fit.draws()["slope"][:, :, positions]
    columns = [
        _at_budget(fit, slope, budget, params_range, tokens_range, interval) for budget in flops
    ]
    data = {
        name: (("skill", "flops"), np.stack([c[name] for c in columns], 1)) for name in columns[0]
    }
    return xr.Dataset(
        data,
        coords={"skill": skills, "flops": [float(budget) for budget in flops]},
        attrs={"interval": interval},
    )


def optimum_rows(result: xr.Dataset) -> list[dict[str, str | float]]:
    """Optima in long format: one row per skill and budget, as the command line prints them."""
    frame = result.to_dataframe().reset_index()
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _at_budget(
    fit: Fit,
    slope: jax.Array,
    budget: float,
    params_range: tuple[float, float],
    tokens_range: tuple[float, float],
    interval: float,
) -> dict[str, np.ndarray]:
    """Optimum per skill at one budget."""
    if not budget > 0:
        raise SpecError(f"a budget must be positive, found {budget:g} FLOP.")
    pairs = budget / FLOPS_PER_PARAM_TOKEN
    lower = max(params_range[0], pairs / tokens_range[1])
    upper = min(params_range[1], pairs / tokens_range[0])
    if not lower < upper:
        raise SpecError(
            f"at {budget:g} FLOP no size between {params_range[0]:g} and {params_range[1]:g} "
            f"leaves between {tokens_range[0]:g} and {tokens_range[1]:g} tokens."
        )
    sizes = np.geomspace(lower, upper, GRID)
    x = law.inputs(
        jnp.log(sizes / fit.spec.reference_params),
        jnp.log(pairs / sizes / fit.spec.reference_tokens),
    )
    best = np.asarray(jnp.argmax(jnp.einsum("gi,dik->dgk", x, slope), axis=1))
    at_lower, at_upper = best == 0, best == GRID - 1
    inside = ~(at_lower | at_upper)
    n_params = sizes[best]
    tail = (1 - interval) / 2
    low, high = np.quantile(n_params, [tail, 1 - tail], axis=0)
    prob_interior = inside.mean(axis=0)
    median = np.array(
        [
            np.median(n_params[inside[:, k], k]) if prob_interior[k] >= IDENTIFIED else np.nan
            for k in range(best.shape[1])
        ]
    )
    return {
        "n_params": median,
        "n_params_lower": low,
        "n_params_upper": high,
        "n_tokens": pairs / median,
        "n_tokens_lower": pairs / high,
        "n_tokens_upper": pairs / low,
        "prob_interior": prob_interior,
        "prob_lower_bound": at_lower.mean(axis=0),
        "prob_upper_bound": at_upper.mean(axis=0),
        "searched_lower": np.full(best.shape[1], lower),
        "searched_upper": np.full(best.shape[1], upper),
        "verdict": np.array(
            [
                _verdict(*probabilities)
                for probabilities in zip(
                    prob_interior, at_lower.mean(axis=0), at_upper.mean(axis=0), strict=True
                )
            ]
        ),
    }


def _verdict(interior: float, at_lower: float, at_upper: float) -> str:
    if interior >= IDENTIFIED:
        return "inside the range"
    if at_lower >= IDENTIFIED:
        return "smaller than searched"
    if at_upper >= IDENTIFIED:
        return "larger than searched"
    return "the data can't tell"
