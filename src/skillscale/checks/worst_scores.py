"""Scores of a fit that contradict the rest of it: the same doubts as of observed models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skillscale.forecasts.doubts import Doubt, doubt_of
from skillscale.forecasts.surprise import Mixture
from skillscale.posterior.result import Fit

LEVEL = 0.01
"""Probability below which a fitted score is doubted. The skills have seen the score, so that few of
a sound table are: five of the 1,638 of the default fit."""
N_DRAWS = 500


def worst_scores(fit: Fit, *, level: float = LEVEL) -> list[Doubt]:
    """Scores that are unlikely given the skills of their model and the scores of its family.

    Args:
        fit: a fitted law.
        level: probability below which a score is doubted.

    Returns:
        Doubts, the least likely first.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table().select(
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
    return found
