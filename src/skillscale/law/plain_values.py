"""Plain values of a file, as parts of a specification, or an error that says what is wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from skillscale.errors import SpecError, UnknownNameError, known_names
from skillscale.law.evidence import SlopeEvidence


def slope_evidence(tables: object) -> tuple[SlopeEvidence, ...]:
    """Evidence of controlled runs, from a list of tables."""
    if not isinstance(tables, (list, tuple)) or not all(isinstance(t, dict) for t in tables):
        raise SpecError(f"evidence is a list of tables, found {tables!r}: begin each [[evidence]].")
    return tuple(map(_of_table, tables))


def _of_table(values: Mapping[str, Any]) -> SlopeEvidence:
    known_keys(values, SlopeEvidence, "evidence")
    missing = [name for name in names_of(SlopeEvidence) if name not in values]
    if missing:
        raise SpecError(f"evidence needs {', '.join(missing)}, found {values!r}.")
    skill = values["skill"]
    if not isinstance(skill, str):
        raise SpecError(f"evidence.skill is a name, found {skill!r}.")
    numbers = {name: value for name, value in values.items() if name != "skill"}
    return SlopeEvidence(
        skill, **{name: number(f"evidence.{name}", value) for name, value in numbers.items()}
    )


def known_keys(values: Mapping[str, Any], kind: type, where: str) -> None:
    """Require that all keys are fields of a dataclass."""
    try:
        known_names("key", values, names_of(kind), where)
    except UnknownNameError as error:
        raise SpecError(str(error)) from error


def names_of(kind: type) -> list[str]:
    """Names of the fields of a dataclass."""
    return [f.name for f in dataclasses.fields(kind)]


def number(name: str, value: object) -> float:
    """A number, as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SpecError(f"{name} is a number, found {value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise SpecError(f"{name} is too large, found {len(str(value))} digits.") from None
