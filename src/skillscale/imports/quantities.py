"""Quantities as people write them: percentages, ``7B``, ``10T``, and what names say of size."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from skillscale.data.rules import SUFFIXES

UNITS = {
    **SUFFIXES,
    **{f"{unit}s": power for unit, power in SUFFIXES.items()},
    "bn": 9, "thousand": 3, "million": 6, "millions": 6, "mn": 6, "billion": 9, "billions": 9,
    "trillion": 12, "trillions": 12, "tn": 12,
}  # fmt: skip
ABSENT = frozenset(
    {
        "",
        "-",
        "--",
        "\N{EM DASH}",
        "\N{EN DASH}",
        "n/a",
        "na",
        "n.a.",
        "nan",
        "none",
        "null",
        "?",
        "tbd",
    }
)
"""What a cell holds where there is nothing to say."""
NO_SCORE = re.compile(
    r"std_?err|stdev|\bstd\b|standard.error|±|\+/-|\brank|average|\bavg\b|\bmean\b|\belo\b|price|"
    r"\bcost|context|license|layers|vocab|year|\burl\b|link|notes?$|comment|source|\bhub\b|date|"
    r"latency|speed|#|flops|compute|\bci\b|\berr\b|\bppl\b|perplexity|\bloss\b|memory|"
    r"tokens/s|throughput|\bvotes?\b|\bseed\b|unnamed|^no\.?$|mt-?bench|\barena\b",
    re.IGNORECASE,
)
"""What is in the headers of columns that hold no scores."""
TUNED = re.compile(
    r"(?:^|[-_ ./])(instruct|chat|it|sft|dpo|ppo|rlhf|orpo|simpo|kto|tulu|alpaca|vicuna|hermes)"
    r"(?:$|[-_ .\d])",
    re.IGNORECASE,
)
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:[._]\d+)?)(m|b)(?![a-z0-9])", re.IGNORECASE)
_EXPERTS = re.compile(
    r"\d+\s*[x\u00d7]\s*\d+(?:\.\d+)?[bm]|[-_]a\d+(?:\.\d+)?[bm](?![a-z0-9])|\d+e(?![a-z0-9])",
    re.IGNORECASE,
)


def is_absent(cell: object) -> bool:
    """Whether a cell says nothing.

    Args:
        cell: its text, None or NaN where empty.

    Returns:
        Whether it does.

    Example:
        >>> is_absent("n/a"), is_absent("0")
        (True, False)
    """
    return not isinstance(cell, str) or cell.strip().lower() in ABSENT


def plain(cell: str, *, decimal_comma: bool = False) -> float:
    """Read a number that may be grouped by thousands or have a decimal comma.

    Args:
        cell: its text.
        decimal_comma: whether a comma stands before decimals, and points between thousands.

    Returns:
        The number, NaN where it is none.

    Example:
        >>> plain("1,200,000"), plain("45,3", decimal_comma=True), plain("4.5e9"), plain("x")
        (1200000.0, 45.3, 4500000000.0, nan)
    """
    text = re.sub(r"(?<=\d)[\s_'\u2009\u202f](?=\d{3})", "", cell.strip())
    if decimal_comma:
        text = re.sub(r"(?<=\d)\.(?=\d{3}(?:\D|$))", "", text).replace(",", ".")
    elif re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    if "_" in text:  # which Python reads over
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def count(cell: str, *, decimal_comma: bool = False) -> tuple[float, bool]:
    """Read a number of parameters or tokens.

    Args:
        cell: its text.
        decimal_comma: as of `plain`.

    Returns:
        The count, NaN where it is none, and whether its unit is written.

    Example:
        >>> count("7B"), count("1.5 trillion"), count("7e9"), count("8x7B")
        ((7000000000.0, True), (1500000000000.0, True), (7000000000.0, False), (nan, False))
    """
    text = re.sub(r"\s*(tokens?|params?|parameters?)$", "", cell.strip().lower())
    found = re.fullmatch(r"~?([\d.,_' ]+?)\s*([a-z]+)", text)
    if found and found[2] in UNITS:
        value = plain(found[1], decimal_comma=decimal_comma)
        return float(f"{value * 10 ** UNITS[found[2]]:.12g}"), True
    return plain(text.lstrip("~"), decimal_comma=decimal_comma), False


def score(cell: str, *, decimal_comma: bool = False) -> tuple[float, bool]:
    """Read a score, without the error that may stand beside it.

    Args:
        cell: its text.
        decimal_comma: as of `plain`.

    Returns:
        The number, NaN where it is none, and whether it is written as a percentage.

    Example:
        >>> score("45.3 %"), score("45.3 ± 0.4"), score("0,453", decimal_comma=True)
        ((45.3, True), (45.3, False), (0.453, False))
    """
    text = re.split(r"±|\+/-|\+-|\(", cell.strip(), maxsplit=1)[0].strip()
    is_percentage = "%" in cell
    return plain(text.removesuffix("%"), decimal_comma=decimal_comma), is_percentage


def size_in_name(name: str) -> float:
    """The number of parameters that a name tells.

    Args:
        name: of a model.

    Returns:
        The count; NaN where there is none, or experts make it another one.

    Example:
        >>> size_in_name("mine-6.9b"), size_in_name("opt-125m"), size_in_name("Mixtral-8x7B")
        (6900000000.0, 125000000.0, nan)
    """
    last = name.split("/")[-1]
    if _EXPERTS.search(last):
        return math.nan
    found = _SIZE.findall(last)
    if len(found) != 1:
        return math.nan
    value, unit = found[0]
    return float(f"{float(value.replace('_', '.')) * 10 ** SUFFIXES[unit.lower()]:.12g}")


def without_size(name: str) -> str:
    """A name without the size in it, which sizes of one recipe share.

    Args:
        name: of a model.

    Returns:
        The name; whole, where there is no size in it or nothing else.

    Example:
        >>> without_size("org/Ant-7B-chat"), without_size("gpt2")
        ('org/Ant-chat', 'gpt2')
    """
    owner, slash, last = name.rpartition("/")
    rest = re.sub(r"[-_ .]{2,}", "-", _SIZE.sub("", last)).strip("-_ .")
    return f"{owner}{slash}{rest}" if rest else name


def is_tuned(name: str) -> bool:
    """Whether a name says that a model was tuned to follow instructions or to chat.

    Args:
        name: of a model.

    Returns:
        Whether it does.

    Example:
        >>> is_tuned("gemma-2-9b-it"), is_tuned("org/Ant-7B-Instruct"), is_tuned("gemma-2-9b")
        (True, True, False)
    """
    return TUNED.search(name.split("/")[-1]) is not None


def has_decimal_commas(cells: Iterable[str]) -> bool:
    """Whether commas in numbers stand before decimals.

    Args:
        cells: of a column, those of text among them.

    Returns:
        Whether there is a number that can't be read otherwise, and none that must be.

    Example:
        >>> has_decimal_commas(["45,3", "0,453"]), has_decimal_commas(["1,200", "45.3"])
        (True, False)
    """
    numbers = [cell for cell in cells if re.fullmatch(r"[-\d.,]+ ?[%a-zA-Z]{0,2}", cell)]
    commas = [cell for cell in numbers if re.search(r"^-?0,\d|^-?\d+,(\d{1,2}|\d{4,})(\D|$)", cell)]
    points = [
        cell for cell in numbers if re.search(r"^-?0\.\d|^-?\d+\.(\d{1,2}|\d{4,})(\D|$)", cell)
    ]
    return bool(commas) and not points
