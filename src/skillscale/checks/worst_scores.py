"""Scores of a fit that contradict the rest of it: the same doubts as of observed models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skillscale.checks.leave_one_out import LeaveOneOut
from skillscale.forecasts.doubt import NEARLY_NONE, Doubt, doubt_of
from skillscale.forecasts.doubts import doubt_cells
from skillscale.forecasts.question import ask
from skillscale.forecasts.surprise import Mixture
from skillscale.posterior.result import Fit
from skillscale.posterior.subset import without_models

LEVEL = 0.01
"""Probability below which a fitted score is doubted. The skills have seen the score, so that few of
a sound table are: five of the 1,638 of the default fit."""
N_DRAWS = 500
LOST_DRAWS = 240
"""To ask about a score of nothing: four times as many change its probability by a twentieth."""
LIKELY = 1.0
"""Log density of a score given all others, above which it is at most a point off."""
GOOD = 0.5
"""Mean rank of its other scores among all models, from which nothing right is odd of a model."""


def worst_scores(
    fit: Fit, *, level: float = LEVEL, left_out: LeaveOneOut | None = None
) -> list[Doubt]:
    """Scores that are unlikely given the skills of their model and the scores of its family.

    And those of `lost_answers`.

    Args:
        fit: a fitted law.
        level: probability below which a score is doubted.
        left_out: the fit's leave-one-out cross-validation, where that is known already.

    Returns:
        Doubts, the least likely first.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> all(doubt.p_value < 0.5 for doubt in worst_scores(fit, level=0.5))
        True
    """
    parts = (np.asarray(part, float) for part in fit.given_siblings(N_DRAWS))
    cells = fit.observed_index
    location, scale, degrees = (part[:, *cells] for part in parts)
    score = np.asarray(fit.design.observations.score, float)[cells]
    even = np.full(len(location), 1 / len(location))
    expected = Mixture(location, scale, degrees, even)
    p_values = expected.p_value(score)
    benchmarks, models = (fit.design.coords[name] for name in ("benchmark", "model"))
    found = []
    for i in np.argsort(p_values)[: (p_values < level).sum()]:
        benchmark, model = (int(index[i]) for index in cells)
        described: pd.Series = fit.table.benchmarks.T[benchmarks[benchmark]]
        own = expected.of(int(i)), float(p_values[i])
        found.append(doubt_of(models[model], described, float(score[i]), *own))
    named = {(doubt.model, doubt.benchmark) for doubt in found}
    found += [d for d in lost_answers(fit, left_out) if (d.model, d.benchmark) not in named]
    return sorted(found, key=lambda doubt: doubt.p_value)


def lost_answers(fit: Fit, left_out: LeaveOneOut | None = None) -> list[Doubt]:
    """Scores of nothing that contradict the rest, of models that are good at something.

    A skill follows its anchor, whatever that scored, and then contradicts nothing. So these models
    are asked about as if they were new: by the law, their relatives and their other scores.

    Args:
        fit: a fitted law.
        left_out: its leave-one-out cross-validation, if it is known: those that this finds likely
            are not asked about.

    Returns:
        Doubts, in the order of models.
    """
    wide = fit.table.wide().loc[fit.design.coords["model"], fit.design.coords["benchmark"]]
    is_none = wide < NEARLY_NONE
    is_good = wide.rank(pct=True).where(~is_none).mean(axis=1) > GOOD
    is_asked = is_none.to_numpy(copy=True)
    if left_out is not None:
        is_likely = (left_out.elpd_i > LIKELY) & (left_out.pareto_k <= left_out.good_k)
        benchmark, model = (index[is_likely] for index in fit.observed_index)
        is_asked[model, benchmark] = False
    fit = fit.thin(-(-LOST_DRAWS // fit.tree["posterior"].sizes["chain"]))
    found = []
    for model in wide.index[is_good.to_numpy() & is_asked.any(axis=1)]:
        rest = without_models(fit, [str(model)])
        described = fit.table.models.loc[[model]].rename_axis("model").reset_index()
        observed = described.join(wide.loc[[model]].reset_index(drop=True))
        question = ask(rest, described.assign(model="another"), observed)
        assert question.scores is not None
        value, is_observed = (np.asarray(part) for part in question.scores[:2])
        cells = is_observed & (value < NEARLY_NONE)
        found += doubt_cells(rest, question, cells)
    return found
