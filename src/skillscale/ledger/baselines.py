"""What simpler laws forecast, fitted to the scores that were known when a forecast was made."""

from __future__ import annotations

import pandas as pd

from skillscale.backtest.baselines import BASELINES
from skillscale.backtest.folds import Fold
from skillscale.backtest.frozen import DIGITS
from skillscale.backtest.problem import make_problem
from skillscale.forecasts.question import Question
from skillscale.posterior.result import Fit

KEPT = ("flops", "flops_family", "last_observed")
"""Those that take no longer than a forecast: one curve in compute for all families, the same with
an intercept by family, and the scores of the largest observed model of the family."""

Cell = tuple[str, str]


def baseline_forecasts(
    fit: Fit, question: Question, observed: pd.DataFrame | None = None
) -> dict[Cell, dict[str, dict[str, float]]]:
    """Forecasts of simpler laws (see `skillscale.backtest.baselines`), with normal errors.

    Args:
        fit: the fit that was asked; the laws are fitted to its table, and to all observed scores.
        question: what it was asked.
        observed: the observed models with their scores.

    Returns:
        By planned model and benchmark, and then by name of the law: ``mean`` and ``sd``, fractions.

    Example:
        >>> from skillscale.forecasts.question import ask
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> model = {"n_params": [70e9], "n_tokens": [15e12], "release": "2024-07"}
        >>> question = ask(fit, pd.DataFrame({"model": ["a-70b"], **model}))
        >>> found = baseline_forecasts(fit, question)["a-70b", "mmlu"]
        >>> {name: round(law["mean"], 2) for name, law in found.items()}
        {'flops': 0.93, 'flops_family': 0.74, 'last_observed': 0.46}
    """
    benchmarks = question.benchmarks
    seen = scores_of(observed, benchmarks)
    known = [question.observed] if len(question.observed) else []
    asked = pd.concat([*known, question.planned])
    asked = asked[~asked.index.duplicated() & ~asked.index.isin(fit.table.models.index)]
    table = fit.table.with_models(asked, seen)
    problem = make_problem(Fold("", frozenset(), seen, seen[:0]), table, benchmarks)
    laws = {name: BASELINES[name](problem) for name in KEPT}
    place = problem.models.index.get_indexer(question.planned.index)
    return {
        (str(model), benchmark): {
            name: {
                "mean": round(float(law.mean[i, j]), DIGITS),
                "sd": round(float(law.sd[j]), DIGITS),
            }
            for name, law in laws.items()
        }
        for i, model in zip(place, question.planned.index, strict=True)
        for j, benchmark in enumerate(benchmarks)
    }


def scores_of(observed: pd.DataFrame | None, benchmarks: list[str]) -> pd.DataFrame:
    """Scores of observed models.

    Args:
        observed: as in a forecast; None where there are none.
        benchmarks: names of benchmarks.

    Returns:
        Fractions as a frame (model, benchmark), NaN where not evaluated.

    Example:
        >>> observed = pd.DataFrame({"model": ["a-1b"], "n_params": 1e9, "mmlu": [0.4]})
        >>> scores_of(observed, ["mmlu", "bbh"]).to_numpy().tolist()
        [[0.4, nan]]
    """
    if observed is None:
        return pd.DataFrame(columns=benchmarks, dtype=float)
    return observed.set_index("model").reindex(columns=benchmarks).astype(float)
