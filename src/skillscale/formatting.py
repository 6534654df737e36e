"""Numbers as people read them: 70B parameters, 15T tokens, 45.3 points; and long lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

MISSING = "-"
LISTED = 10
"""How many items one sentence names before it says "and 37 more"."""
UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def format_count(value: float, digits: int = 3) -> str:
    """A count of parameters or tokens, with its unit.

    Args:
        value: the count; NaN for one that is not known.
        digits: significant digits, of which trailing zeros are dropped.

    Returns:
        Such as ``70.6B``; ``-`` where it is not known.

    Example:
        >>> [format_count(n) for n in (7e9, 70.6e9, 1.5e13, 5.59e8, float("nan"))]
        ['7B', '70.6B', '15T', '559M', '-']
        >>> format_count(1.2058e11, digits=2)
        '120B'
    """
    if not math.isfinite(value):
        return MISSING
    # Rounded before the unit is chosen, so that 999.9 billion is 1T and not 1000B.
    value = float(f"{value:.{digits - 1}e}")
    for size, unit in UNITS:
        if abs(value) >= size:
            return f"{_plain(value / size)}{unit}"
    return _plain(value)


def format_flops(value: float) -> str:
    """A compute budget, in FLOP.

    Args:
        value: the budget.

    Returns:
        Three significant digits at most, without a unit.

    Example:
        >>> format_flops(1e24), format_flops(6.3e22)
        ('1e24', '6.3e22')
    """
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{_plain(float(mantissa))}e{int(exponent)}"


def counted(n: int, one: str, several: str | None = None) -> str:
    """A number of things.

    Args:
        n: the number.
        one: the noun.
        several: its plural, if that is not the noun and an s.

    Returns:
        The number and what it is of.

    Example:
        >>> counted(1, "family", "families"), counted(2, "model")
        ('1 family', '2 models')
    """
    return f"{n} {one if n == 1 else several or f'{one}s'}"


def format_points(value: float) -> str:
    """A score or a difference of scores, both fractions, in points.

    Args:
        value: a fraction; NaN for one that is not known.

    Returns:
        Points to one decimal; ``-`` where it is not known.

    Example:
        >>> format_points(0.453), format_points(float("nan"))
        ('45.3', '-')
    """
    return f"{100 * value:z.1f}" if math.isfinite(value) else MISSING


def format_probability(value: float) -> str:
    """A probability in percent, never rounded to certainty.

    Args:
        value: the probability; NaN for one that is not known.

    Returns:
        Whole percent; ``-`` where it is not known.

    Example:
        >>> [format_probability(p) for p in (0.0, 0.002, 0.48, 0.998, 1.0)]
        ['< 1 %', '< 1 %', '48 %', '> 99 %', '> 99 %']
    """
    if not math.isfinite(value):
        return MISSING
    if value < 0.01:
        return "< 1 %"
    return "> 99 %" if value > 0.99 else f"{100 * value:.0f} %"


def format_interval(lower: float, upper: float, write: Callable[[float], str]) -> str:
    """Both ends of an interval.

    Args:
        lower: the lower end.
        upper: the upper end.
        write: how an end is written.

    Returns:
        Both ends; ``-`` where neither is known.

    Example:
        >>> format_interval(0.632, 0.822, format_points)
        '63.2 to 82.2'
        >>> format_interval(float("nan"), float("nan"), format_points)
        '-'
    """
    if math.isnan(lower) and math.isnan(upper):
        return MISSING
    return f"{write(lower)} to {write(upper)}"


def format_size_interval(row: Mapping[str, object]) -> str:
    """An interval of best sizes, open where it runs into an edge of the search.

    Args:
        row: a row of optima: ends, edges of the search, and the probability of being at these. A
            cap ends an interval as well, but is no edge: nothing lies beyond it.

    Returns:
        Both ends as counts of parameters; ``-`` where there is no interval.

    Example:
        >>> row = {"n_params_lower": 2e9, "searched_lower": 1e8, "searched_upper": 1e12}
        >>> row |= {"prob_lower_bound": 0.0, "prob_upper_bound": 0.3}
        >>> [format_size_interval(row | {"n_params_upper": size}) for size in (8e9, 1e12)]
        ['2B to 8B', '2B to > 1T']
    """
    ends = []
    for side, sign in (("lower", "< "), ("upper", "> ")):
        end, edge, beyond = (
            float(str(row[name]))
            for name in (f"n_params_{side}", f"searched_{side}", f"prob_{side}_bound")
        )
        is_open = beyond > 0 and math.isclose(end, edge, rel_tol=1e-3)
        ends.append((end, sign if is_open else ""))
    (lower, below), (upper, above) = ends
    if lower == upper and (below or above):
        return f"{below or above}{format_count(lower)}"
    if math.isnan(lower):
        return MISSING
    return f"{below}{format_count(lower)} to {above}{format_count(upper)}"


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def quoted(names: Sequence[str]) -> str:
    """Some names of a list in quotation marks, and how many more there are.

    Args:
        names: what is listed.

    Returns:
        As `and_more`.

    Example:
        >>> quoted(["mmlu", "bbh"])
        "'mmlu', 'bbh'"
    """
    return and_more([repr(name) for name in names])


def and_more(items: Sequence[str]) -> str:
    """Some items of a list, and how many more there are.

    Args:
        items: what is listed.

    Returns:
        The first `LISTED` of them, joined by commas.

    Example:
        >>> and_more(["a", "b"])
        'a, b'
    """
    rest = len(items) - LISTED
    return ", ".join(items[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
