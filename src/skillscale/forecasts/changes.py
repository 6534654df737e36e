"""How much a forecast depends on what is doubtful: scores that are doubted, a release assumed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.forecasts.assumptions import this_month, with_release
from skillscale.forecasts.examination import Examined, without
from skillscale.forecasts.prediction import predict
from skillscale.forecasts.question import Question, ask
from skillscale.formatting import format_points
from skillscale.posterior.result import Fit

Medians = Float[np.ndarray, "benchmark planned"]


def changes(
    fit: Fit,
    plan: pd.DataFrame,
    examined: Examined,
    before: Medians,
    *,
    n_draws: int,
    seed: int,
) -> list[str]:
    """Say how much a forecast would change if a doubted score counted, or another month were meant.

    Args:
        fit: the fit that is asked.
        plan: models to forecast, as they were given.
        examined: the question about them.
        before: medians of its answer, fractions.
        n_draws: draws of the law to use.
        seed: source of randomness.

    Returns:
        A sentence for every doubted score (where doubted scores count, what changes without it)
        and row (what changes if it is wrong as thought), and one where a release was assumed: what
        changes with that of this month.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.forecasts.examination import examine
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> examined = examine(fit, plan)
        >>> before = medians(fit, examined.question, 200, 0)
        >>> [said] = changes(fit, plan, examined, before, n_draws=200, seed=0)
        >>> said
        'Released ... instead of 2024-02, medians differ by ... points on average, at most for ...'
    """
    said = []
    asked = examined.asked
    is_kept = examined.question is asked
    if examined.doubts is not None:
        left_out = examined.doubts.is_left_out & (not is_kept)
        for found in examined.doubts.scores:
            row = asked.benchmarks.index(str(found.benchmark))
            cells = left_out.copy()
            cells[row, asked.observed.index.get_loc(found.model)] = is_kept
            after = medians(fit, without(asked, cells), n_draws, seed)
            how = f"{'Without' if is_kept else 'With'} {found.benchmark} of {found.model}"
            said.append(f"{how} {_difference(asked, before, after)}")
        for found, supposed in zip(examined.doubts.rows, examined.doubts.supposed, strict=True):
            after = medians(fit, without(supposed, left_out), n_draws, seed)
            said.append(
                f"If the row of {found.model} is wrong so, {_difference(asked, before, after)}"
            )
    month = this_month()
    given = [frame for frame in (plan, examined.observed) if frame is not None]
    dated = [with_release(fit, frame, month) for frame in given]
    if any(frame is not other for frame, other in zip(given, dated, strict=True)):
        after = medians(fit, ask(fit, *dated), n_draws, seed)
        last = fit.models["release"].max()
        said.append(f"Released {month} instead of {last}, {_difference(asked, before, after)}")
    return said


def medians(fit: Fit, question: Question, n_draws: int, seed: int) -> Medians:
    """Medians of the answer to a question, without a refit."""
    return np.median(predict(fit, question, n_draws=n_draws, seed=seed).score, axis=0)


def _difference(asked: Question, before: Medians, after: Medians) -> str:
    difference = np.abs(after - before)
    benchmark, model = np.unravel_index(difference.argmax(), difference.shape)
    now, then = (format_points(float(part[benchmark, model])) for part in (before, after))
    return (
        f"medians differ by {format_points(difference.mean())} points on average, at most for "
        f"{asked.benchmarks[benchmark]} of {asked.planned.index[model]}: {then} for {now}."
    )
