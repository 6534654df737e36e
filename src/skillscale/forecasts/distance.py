"""How far a planned model lies outside the models that the law was fitted on."""

from __future__ import annotations

import pandas as pd

from skillscale.errors import TableError
from skillscale.formatting import format_count
from skillscale.posterior.result import Fit

MEANINGLESS = 50.0
"""Times beyond all models of the fit, in size or tokens, at which a forecast means nothing."""
TOLERANCE = 1.05
"""Times beyond them that nobody need be told of."""
MONTHS = 3
"""Likewise, after the last release."""


def outside(fit: Fit, planned: pd.DataFrame, *, is_plan: bool = True) -> dict[str, str]:
    """Say how far models lie outside the models of a fit.

    Args:
        fit: the fit that is asked.
        planned: models as `describe` describes them.
        is_plan: whether to refuse what is too far out.

    Returns:
        By name of the models outside, in which respects and how far.

    Raises:
        TableError: a planned model is so far outside that a forecast has no meaning.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.data.plan import describe
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a"], "n_params": [2e11], "n_tokens": [4.2e12]})
        >>> outside(fit, describe(plan, fit.models))
        {'a': '200B parameters, 1.8 times the largest of the fit (111B)'}
    """
    measured = {
        "parameters": "n_active_params",
        "tokens": "n_tokens",
        "tokens per parameter": "ratio",
    }
    known, planned = (
        frame.assign(ratio=frame["n_tokens"] / frame["n_active_params"])
        for frame in (fit.models, planned)
    )
    found: dict[str, list[str]] = {}
    problems = []
    for what, column in measured.items():
        low, high = known[column].min(), known[column].max()
        for model, value in planned[column].items():
            times = max(value / high, low / value)
            if not times > TOLERANCE:
                continue
            end, side = (high, "largest") if value > high else (low, "smallest")
            relation = f"{times:.2g} times" if value > high else f"1/{times:.2g} of"
            said = f"{_written(value, column)} {what}, {relation} the {side} of the fit "
            found.setdefault(str(model), []).append(said + f"({_written(end, column)})")
            if is_plan and times > MEANINGLESS and column != "ratio":
                problems.append(
                    f"plan: {model} has {said}({_written(end, column)}). A forecast so far out "
                    f"has no meaning: stay within {MEANINGLESS:g} times."
                )
    if problems:
        raise TableError(problems)
    last = known["release_year"].max()
    for model, year in planned["release_year"].items():
        months = round(12 * (year - last))
        if months > MONTHS:
            said = f"a release {months} months after the last model of the fit"
            found.setdefault(str(model), []).append(said)
    return {model: "; ".join(respects) for model, respects in found.items()}


def _written(value: float, column: str) -> str:
    return f"{value:.3g}" if column == "ratio" else format_count(value)
