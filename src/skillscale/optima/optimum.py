r"""Compute optima: the best size and token count at a budget, if the data can tell.

A budget leaves every size its tokens, so an objective is a function of size alone; its maximum is
found per posterior draw on a grid. Under the translog a skill has an interior optimum only in
draws with a positive interaction, under the two-term law nearly always; where there is none the
best size is whichever end of the search is better, and says nothing but "larger" or "smaller". The
form decides that, so a stack of several is asked for what holds in all (see `mixture`).

With a positive interaction the translog is a saddle. Below its middle more compute does harm, and
the best size at a budget is no more than the law bent out of shape; such draws have no optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from skillscale.optima.deployment import Limit, Path
from skillscale.optima.goal import Goal
from skillscale.optima.identification import Choice
from skillscale.optima.mixture import describe_choices, members, plain, stands_on
from skillscale.optima.objectives import Objective, criterion
from skillscale.optima.table import tabulate
from skillscale.posterior.one_family import Production
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack

MORE_TOKENS = 1.1
"""Tokens, relative to those at an optimum, that ought to be better there."""


def optimum(fit: Fit | Stack, flops: Sequence[float], goal: Goal | None = None) -> xr.Dataset:
    """Best size and token count for each objective at each budget.

    Args:
        fit: a fitted law, or a stack of several forms (see `skillscale.optima.mixture`).
        flops: budgets in FLOP: for training, ``6 * n_params * n_tokens``, and for serving if the
            deployment serves tokens.
        goal: skills or scores, family and limits; all skills of a typical family by default.

    Returns:
        Dataset with dims ``objective, flops``: ``n_params, n_tokens, tokens_per_param`` (medians
        over the draws with an optimum within reach, NaN where these are fewer than nine in ten),
        their ``_lower`` and ``_upper`` ends over all draws; ``prob_interior, prob_lower_bound,
        prob_upper_bound`` (of size), ``prob_cap`` (at a cap that was given) and ``prob_harm``
        (where the law says that more compute does harm); ``narrowing``,
        how much narrower the interval of log size is than with slopes from the prior (0 not at
        all, 1 wholly); ``n_total_params`` and ``flops_spent`` at the median;
        the sizes searched as ``searched_lower, searched_upper`` and the tokens as
        ``searched_tokens_lower, searched_tokens_upper``; a ``verdict`` (see
        `skillscale.optima.identification`) and the ``limit`` at which the optimum is, if any. Of a
        stack also ``disagreement`` and ``prob_interior_<form>`` (see
        `skillscale.optima.mixture.describe_choices`).

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
        >>> best = sk.optimum(fit, [1e23], sk.Goal(["knowledge"], target={"mmlu": 1, "gsm8k": 2}))
        >>> best["prob_interior"].dims, best["objective"].to_numpy().tolist()
        (('objective', 'flops'), ['knowledge', 'target'])
    """
    goal = goal or Goal()
    objectives, deployment, interval = goal.objectives(plain(fit)), goal.deployment, goal.interval
    of = members(fit, goal)

    def cell(objective: Objective, budget: float) -> dict[str, Any]:
        path = deployment.path(budget)
        chosen = [best_on_path(member.fitted, objective, path) for member in of]
        before = [best_on_path(member.prior, objective, path) for member in of]
        found = describe_choices(of, chosen, before, interval)
        n_params, n_tokens = found["n_params"], found["n_tokens"]
        return found | {
            "n_total_params": n_params * deployment.total_per_active,
            "flops_spent": deployment.flops(n_params, n_tokens),
            "searched_lower": path.n_params[0],
            "searched_upper": path.n_params[-1],
            "searched_tokens_lower": path.n_tokens[-1],
            "searched_tokens_upper": path.n_tokens[0],
        }

    result = tabulate(objectives, "flops", flops, cell)
    return result.assign_attrs(
        interval=interval,
        serve_tokens=deployment.serve_tokens,
        stands_on=stands_on(fit),
        **goal.in_words(plain(fit)),
        **of[0].fitted.said,
    )


def best_on_path(production: Production, objective: Objective, path: Path) -> Choice:
    """The best size of every draw among those of a budget.

    A draw in which more tokens would do harm at its best size has no optimum there: a smaller
    budget would be better still.

    Args:
        production: the law of one family.
        objective: what is maximised.
        path: sizes of a budget, with their tokens.

    Returns:
        Sizes and tokens (counts) and what limits them, per draw.
    """
    value, richer = (
        criterion(production, objective, path.n_params, factor * path.n_tokens)
        for factor in (1, MORE_TOKENS)
    )
    best = value.argmax(axis=1)
    draw = np.arange(len(best))
    limit = path.limit[best]
    is_harmed = (richer <= value)[draw, best] & (limit == Limit.NONE)
    return Choice(path.n_params[best], path.n_tokens[best], np.where(is_harmed, Limit.HARM, limit))
