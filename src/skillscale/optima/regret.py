"""Regret: what another size than the best loses, and the compute that makes up for it.

Optima are flat. A curve of regret says how flat: at every size the skill and the points that it
loses to the best size of the same budget, draw by draw, so that nothing is lost at a draw's own
optimum and nothing is ever gained elsewhere; and the compute that the size would need, spent on
more tokens, to be as good after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from skillscale.intervals import tails
from skillscale.optima.deployment import MOST_TOKENS, Deployment, Path
from skillscale.optima.goal import Goal
from skillscale.optima.mixture import members, plain, pooled, stands_on
from skillscale.optima.objectives import Objective, criterion, expected_score, tokens_needed
from skillscale.optima.table import tabulate
from skillscale.posterior.one_family import Production
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack

SAFE_LOSS = 0.01
"""One point: the sampling error of a benchmark of two thousand items."""
LADDER = (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8)
"""Preferred numbers (R10), ten sizes a decade."""
ROUNDING = 1e-5
"""Losses and shares of tokens below it are those of single precision."""
EXTRA = 1e4
"""Where the search for more tokens ends, as a multiple of the most searched otherwise."""


def regret(fit: Fit | Stack, flops: Sequence[float], goal: Goal | None = None) -> xr.Dataset:
    """What every size loses to the best of its budget.

    Args:
        fit: a fitted law, or a stack of several forms, whose draws are pooled by weight.
        flops: budgets in FLOP, for training and serving.
        goal: skills or scores, family and limits; all skills of a typical family by default.

    Returns:
        Dataset with dims ``objective, flops, n_params`` (sizes allowed, or ten a decade), each NaN
        where the budget leaves the size no tokens: ``score_lost`` (expected over draws; a
        fraction, of a skill on its anchor benchmark), ``skill_lost`` (in units of the anchor's
        linear predictor, of skills only) and ``extra_compute`` (median; the compute that makes up
        for the loss by more tokens, over the budget; infinite where tokens don't help or are
        capped), all with ``_lower`` and ``_upper`` ends; ``n_tokens``. With dims ``objective,
        flops``: ``least_regret_params``, the size with the smallest expected loss of score, and
        ``safe_lower, safe_upper``, the sizes around it that are expected to lose less than a point
        (NaN if none).

    Raises:
        SpecError: there is no budget, or one is not positive or leaves no size enough tokens; or
            the goal names nothing, a name twice, a weight that is not positive, or skills of an
            exploratory fit.
        UnknownNameError: a skill, benchmark or family is not in the fit.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> lost = sk.regret(fit, [1e23], sk.Goal(["knowledge"]))["score_lost"]
        >>> lost.dims, bool((lost.dropna("n_params") >= 0).all())
        (('objective', 'flops', 'n_params'), True)
    """
    goal = goal or Goal()
    objectives, deployment, interval = goal.objectives(plain(fit)), goal.deployment, goal.interval
    of, sizes = members(fit, goal), ladder(deployment)

    def cell(objective: Objective, budget: float) -> dict[str, Any]:
        lost = [_lost(member.fitted, objective, deployment, budget, sizes) for member in of]
        return _curve(
            Lost(*(pooled(of, part) for part in zip(*lost, strict=True))),
            objective,
            deployment,
            budget,
            sizes,
            interval,
        )

    result = tabulate(objectives, "flops", flops, cell, n_params=sizes)
    return result.assign_attrs(
        interval=interval,
        safe_loss=SAFE_LOSS,
        stands_on=stands_on(fit),
        **goal.in_words(plain(fit)),
        **of[0].fitted.said,
    )


def ladder(deployment: Deployment) -> Float[np.ndarray, " size"]:
    """Sizes to compare: those allowed, or ten a decade in preferred numbers.

    Args:
        deployment: limits of sizes.

    Returns:
        Active parameters, ascending.

    Example:
        >>> [f"{size:.3g}" for size in ladder(Deployment(min_params=9e9, max_params=2.1e10))]
        ['1e+10', '1.25e+10', '1.6e+10', '2e+10']
    """
    if deployment.sizes:
        return deployment.allowed()
    first, last = np.log10([deployment.min_params, deployment.most_params])
    decades = 10.0 ** np.arange(np.floor(first), np.ceil(last) + 1)
    sizes = np.outer(decades, LADDER).ravel()
    return sizes[(sizes >= deployment.min_params) & (sizes <= deployment.most_params)]


class Lost(NamedTuple):
    """What sizes lose to the best of the same budget, per draw."""

    value: Float[np.ndarray, "draw size"]
    """In the criterion."""
    score: Float[np.ndarray, "draw size"]
    extra: Float[np.ndarray, "draw size"]
    """Compute that makes up for it, over the budget."""


def _possible(
    deployment: Deployment, budget: float, sizes: Float[np.ndarray, " size"]
) -> tuple[Path, np.ndarray, Float[np.ndarray, " size"], Float[np.ndarray, " size"]]:
    """What a budget allows, which sizes it does, and these with their tokens.

    Impossible sizes stand at the edge until they are masked: shapes stay, programs are reused.
    """
    path = deployment.path(budget)
    at = np.clip(sizes, path.n_params[0], path.n_params[-1])
    is_possible = (sizes >= path.n_params[0]) & (sizes <= path.n_params[-1])
    return path, is_possible, at, np.asarray(deployment.tokens(at, budget))


def _lost(
    production: Production,
    objective: Objective,
    deployment: Deployment,
    budget: float,
    sizes: Float[np.ndarray, " size"],
) -> Lost:
    """What every size loses, by one form of the law."""
    path, _, at, n_tokens = _possible(deployment, budget, sizes)
    everywhere = np.append(path.n_params, at), np.append(path.n_tokens, n_tokens)
    value, score = (
        measure(production, objective, *everywhere) for measure in (criterion, expected_score)
    )
    best = value.max(axis=1, keepdims=True)
    lost = (best - value)[:, -len(at) :]
    score_lost = (score.max(axis=1, keepdims=True) - score)[:, -len(at) :]
    most = deployment.max_tokens or EXTRA * MOST_TOKENS
    needed = tokens_needed(production, objective, at, best, (deployment.min_tokens, most))
    needed = np.where(lost <= ROUNDING, n_tokens, needed)
    # Reached on fewer tokens only: more of them do harm.
    needed = np.where(needed < (1 - ROUNDING) * n_tokens, np.inf, needed)
    return Lost(lost, score_lost, np.asarray(deployment.flops(at, needed)) / budget)


def _curve(
    found: Lost,
    objective: Objective,
    deployment: Deployment,
    budget: float,
    sizes: Float[np.ndarray, " size"],
    interval: float,
) -> dict[str, Any]:
    """Regret of one objective at one budget."""
    _, is_possible, _, n_tokens = _possible(deployment, budget, sizes)
    lost, score_lost, extra = found
    skill_lost = lost if objective.skill is not None else np.full_like(lost, np.nan)
    curves = {
        "score_lost": score_lost.mean(axis=0),
        **_ends("score_lost", score_lost, interval),
        "skill_lost": skill_lost.mean(axis=0),
        **_ends("skill_lost", skill_lost, interval),
        "extra_compute": np.quantile(extra, 0.5, axis=0, method="lower"),
        **_ends("extra_compute", extra, interval),
        "n_tokens": n_tokens,
    }
    curves = {name: np.where(is_possible, curve, np.nan) for name, curve in curves.items()}
    return curves | _safe_range(sizes, curves["score_lost"])


def _ends(
    name: str, values: Float[np.ndarray, "draw size"], interval: float
) -> dict[str, Float[np.ndarray, " size"]]:
    # Values of draws: between a finite and an infinite one there is nothing.
    lower, upper = np.quantile(values, tails(interval), axis=0, method="lower")
    return {f"{name}_lower": lower, f"{name}_upper": upper}


def _safe_range(
    sizes: Float[np.ndarray, " size"], expected_loss: Float[np.ndarray, " size"]
) -> dict[str, float]:
    """The size that is expected to lose least, and those around it that lose hardly anything."""
    if np.isnan(expected_loss).all():
        return dict.fromkeys(("least_regret_params", "safe_lower", "safe_upper"), np.nan)
    least = int(np.nanargmin(expected_loss))
    is_unsafe = ~(expected_loss < SAFE_LOSS)
    if is_unsafe[least]:
        return {"least_regret_params": sizes[least], "safe_lower": np.nan, "safe_upper": np.nan}
    below, above = np.flatnonzero(is_unsafe[:least]), np.flatnonzero(is_unsafe[least:])
    first = below[-1] + 1 if below.size else 0
    last = least + above[0] - 1 if above.size else len(sizes) - 1
    return {
        "least_regret_params": sizes[least],
        "safe_lower": sizes[first],
        "safe_upper": sizes[last],
    }
