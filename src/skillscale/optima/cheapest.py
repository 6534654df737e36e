r"""The cheapest model that reaches a goal: a skill, a benchmark's expected score, or a target's.

$$\min_{N, D}\ 6ND + 2NS \quad \text{subject to} \quad \theta(N, D) \ge \theta^*$$

At every size the fewest tokens that reach the goal are found (see `objectives`); the cheapest size
is found per posterior draw on a grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from skillscale.errors import SpecError
from skillscale.intervals import tails
from skillscale.optima.deployment import Deployment, Limit
from skillscale.optima.goal import Goal
from skillscale.optima.identification import Choice
from skillscale.optima.mixture import (
    describe_choices,
    members,
    plain,
    pooled_choices,
    stands_on,
)
from skillscale.optima.objectives import Objective, criterion_at, tokens_needed
from skillscale.optima.table import tabulate
from skillscale.posterior.one_family import Production
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack


def cheapest(fit: Fit | Stack, reach: Sequence[float], goal: Goal | None = None) -> xr.Dataset:
    """Size and tokens that reach a goal for the least compute of training and serving.

    Args:
        fit: a fitted law, or a stack of several forms.
        reach: values to reach: expected scores as fractions, or for skills values in units of the
            anchor's linear predictor.
        goal: skills or scores, family and limits; all skills of a typical family by default.

    Returns:
        Dataset with dims ``objective, reach``: all that `optimum` says of size and tokens, and
        ``flops, flops_lower, flops_upper`` (training and serving; infinite in draws in which the
        goal is out of reach), and ``prob_reached``, the share of draws in which it is not.

    Raises:
        SpecError: there is no value, or one is no score or not finite; or the goal names nothing, a
            name twice, a weight that is not positive, or skills of an exploratory fit.
        UnknownNameError: a skill, benchmark or family is not in the fit.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> served = sk.Deployment(serve_tokens=1e13)
        >>> goal = sk.Goal(benchmarks=["mmlu"], deployment=served)
        >>> least = sk.cheapest(fit, [0.5, 0.6], goal)
        >>> bool(least["flops"].sel(reach=0.5) < least["flops"].sel(reach=0.6))
        True
    """
    goal = goal or Goal()
    objectives, deployment, interval = goal.objectives(plain(fit)), goal.deployment, goal.interval
    of = members(fit, goal)

    def cell(objective: Objective, value: float) -> dict[str, Any]:
        _check_value(objective, value)
        chosen, before = (
            [_cheapest_per_draw(law, objective, deployment, value) for law in laws]
            for laws in ([m.fitted for m in of], [m.prior for m in of])
        )
        found = describe_choices(of, chosen, before, interval)
        mixed = pooled_choices(of, chosen)
        flops = np.asarray(deployment.flops(mixed.n_params, mixed.n_tokens))
        is_reached = np.isfinite(flops)
        # Values of draws: between a finite and an infinite one there is nothing.
        lower, median, upper = np.quantile(
            np.where(is_reached, flops, np.inf), (0.5, *tails(interval)), method="lower"
        )[[1, 0, 2]]
        return found | {
            "n_total_params": found["n_params"] * deployment.total_per_active,
            "flops": median,
            "flops_lower": lower,
            "flops_upper": upper,
            "prob_reached": is_reached.mean(),
            "searched_lower": deployment.allowed()[0],
            "searched_upper": deployment.allowed()[-1],
        }

    result = tabulate(objectives, "reach", reach, cell)
    return result.assign_attrs(
        interval=interval,
        stands_on=stands_on(fit),
        **goal.in_words(plain(fit)),
        **of[0].fitted.said,
    )


def _check_value(objective: Objective, value: float) -> None:
    if objective.skill is not None and not math.isfinite(value):
        raise SpecError(f"a skill to reach must be finite, found {value:g} for {objective.name}.")
    if objective.skill is None and not 0 < value < 1:
        raise SpecError(
            f"a score to reach lies between 0 and 1, found {value:g} for {objective.name}. "
            "Scores are fractions: 0.8 for 80 points."
        )


def _cheapest_per_draw(
    production: Production, objective: Objective, deployment: Deployment, value: float
) -> Choice:
    sizes = deployment.allowed()
    wanted = criterion_at(production, objective, value)[:, None]
    tokens_range = deployment.min_tokens, deployment.most_tokens
    n_tokens = tokens_needed(production, objective, sizes, wanted, tokens_range)
    flops = np.asarray(deployment.flops(sizes, n_tokens))
    best = flops.argmin(axis=1)
    draw = np.arange(len(best))
    is_reached = np.isfinite(flops[draw, best])
    return Choice(
        np.where(is_reached, sizes[best], np.nan),
        np.where(is_reached, n_tokens[draw, best], np.nan),
        np.where(is_reached, _limits(flops, best, n_tokens, deployment), Limit.UNREACHED),
    )


def _limits(
    flops: Float[np.ndarray, "draw size"],
    best: np.ndarray,
    n_tokens: Float[np.ndarray, "draw size"],
    deployment: Deployment,
) -> np.ndarray:
    """What ends the sizes at the cheapest, per draw.

    Beside a size that would need more tokens than there are, the cheapest is limited by tokens.
    At the fewest tokens searched, a larger model on fewer of them might be cheaper still.
    """
    draw, last = np.arange(len(best)), flops.shape[1] - 1
    limit = np.full(len(best), Limit.NONE, dtype=object)
    if deployment.sizes:
        return limit
    limit[n_tokens[draw, best] <= deployment.min_tokens] = Limit.UPPER
    limit[best == last] = Limit.UPPER if deployment.max_params is None else Limit.SIZE
    is_short = np.isinf(flops[draw, np.maximum(best - 1, 0)]) & (best > 0)
    limit[is_short] = Limit.LOWER if deployment.max_tokens is None else Limit.TOKENS
    limit[best == 0] = Limit.LOWER
    return limit
