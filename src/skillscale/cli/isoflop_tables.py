"""How the answers of ``skillscale isoflop`` are shown to people."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from skillscale.cli.output import Row, as_text, number
from skillscale.formatting import (
    MISSING,
    format_count,
    format_flops,
    format_interval,
    format_probability,
)
from skillscale.runs.estimators import INTERVAL

Columns = dict[str, Callable[[Row], str]]

PERCENT = f"{100 * INTERVAL:.0f} %"


def _sized(key: str, write: Callable[[float], str], row: Row) -> str:
    return write(number(row, key))


def _ends(key: str, write: Callable[[float], str], row: Row) -> str:
    return format_interval(number(row, f"{key}_lower"), number(row, f"{key}_upper"), write)


def _count(value: float) -> str:
    """A count; where a loss falls on and on, its optimum is beyond any."""
    if value == 0:
        return "below"
    return "beyond" if value == math.inf else format_count(value)


def _law(kind: str, at: str, row: Row) -> str:
    """A power law of the budget, from its value at the largest that was run."""
    level, most = number(row, at), number(row, "flops")
    exponent = _decimal(number(row, f"{kind}_exponent"))
    return f"{_count(level)} (C/{format_flops(most)})^{exponent}"


def _ratio(value: float) -> str:
    return f"{value:.3g}" if 0 < value < math.inf else _count(value)


def _short(value: float) -> str:
    return f"{value:.4g}"


def _decimal(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def _factor(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else MISSING


def _change(value: float) -> str:
    return f"{100 * value:+.0f} %"


def _small_change(value: float) -> str:
    return f"{100 * value:.2f} %"


def _mix(kind: str, row: Row) -> str:
    """A mix in words: the skills that have a part in it."""
    parts = {k.removeprefix(f"{kind}_"): number(row, k) for k in row if k.startswith(f"{kind}_")}
    return " + ".join(
        skill if weight == 1 else f"{weight:g} {skill}" for skill, weight in parts.items() if weight
    )


PLACE: Columns = {"group": partial(as_text, "group"), "loss": partial(as_text, "loss")}
BUDGET: Columns = {"FLOP": partial(_sized, "flops", format_flops)}
BY: Columns = {"by": partial(as_text, "estimator")}
OPTIMA: Columns = {
    **PLACE,
    **BUDGET,
    **BY,
    "size": partial(_sized, "n_params", _count),
    f"size, {PERCENT}": partial(_ends, "n_params", _count),
    "tokens": partial(_sized, "n_tokens", _count),
    "per param": partial(_sized, "tokens_per_param", _ratio),
    "place": partial(as_text, "place"),
}
EXPONENTS: Columns = {
    **PLACE,
    **BY,
    "a": partial(_sized, "params_exponent", _decimal),
    f"a, {PERCENT}": partial(_ends, "params_exponent", _decimal),
    "b": partial(_sized, "tokens_exponent", _decimal),
    "N*(C)": partial(_law, "params", "n_params"),
    "D*(C)": partial(_law, "tokens", "n_tokens"),
}
COEFFICIENTS: Columns = {
    **PLACE,
    **BY,
    "E": partial(_sized, "floor", _decimal),
    "A": partial(_sized, "size_coefficient", _short),
    "B": partial(_sized, "tokens_coefficient", _short),
    "alpha": partial(_sized, "size_exponent", _decimal),
    "beta": partial(_sized, "tokens_exponent", _decimal),
    f"turn, {PERCENT}": partial(_ends, "turn", _decimal),
}
RATIOS: Columns = {
    **PLACE,
    **BUDGET,
    "ratio": partial(_sized, "ratio", _factor),
    PERCENT: partial(_ends, "ratio", _factor),
    "P(> 1)": partial(_sized, "prob_larger", format_probability),
    "verdict": partial(as_text, "verdict"),
}
MIXES: Columns = {
    "share of": partial(as_text, "share"),
    "loss": partial(as_text, "loss"),
    **BUDGET,
    "size, all over none": partial(_sized, "effect", _factor),
    PERCENT: partial(_ends, "effect", _factor),
    "P(> 1)": partial(_sized, "prob_larger", format_probability),
}
MISSPECIFICATION: Columns = {
    "group": partial(as_text, "group"),
    **BUDGET,
    "what matters": partial(_mix, "true"),
    "what was assumed": partial(_mix, "assumed"),
    "parameters": partial(_sized, "error", _change),
    PERCENT: partial(_ends, "error", _change),
    "loss paid": partial(_sized, "loss_paid", _small_change),
}
FORECAST: Columns = {
    "run": partial(as_text, "run"),
    **PLACE,
    **BUDGET,
    "median": partial(_sized, "median", _decimal),
    PERCENT: lambda r: format_interval(number(r, "lower_90"), number(r, "upper_90"), _decimal),
    "compute over the most run": partial(_sized, "beyond", _factor),
}


def of_optima(*, is_sparse: bool) -> Columns:
    """Columns of optima, with all parameters where sizes are those of active ones."""
    columns = dict(OPTIMA)
    if is_sparse:
        columns = {**OPTIMA, "of total": partial(_sized, "n_total_params", _count)}
        columns["place"] = columns.pop("place")
    return columns
