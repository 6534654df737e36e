"""Every error skillscale raises on purpose: one base class, a child per kind of input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class SkillscaleError(Exception):
    """Base of all errors that skillscale raises about its input."""


class TableError(SkillscaleError):
    """A table (models, scores, benchmarks, observed, plan, runs, skills) breaks its schema.

    Args:
        problems: one sentence per problem; all of them are collected before raising.
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__(f"{head} found:\n" + "\n".join(f"- {p}" for p in self.problems))


class RunsError(SkillscaleError):
    """Controlled training runs are valid, but too few or too alike for what was asked."""


class SpecError(SkillscaleError):
    """A specification names something unknown or holds a value out of range."""


class FitFileError(SkillscaleError):
    """A saved fit is missing, truncated, foreign, or of another schema."""


class UnknownNameError(SkillscaleError):
    """A name is not among those known.

    Args:
        kind: what the name is: ``"family"``, ``"benchmark"``, ``"skill"``.
        name: what was asked for.
        known: the valid names.
        where: where they are valid, for the sentence.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "this fit"):
        known = sorted(set(known))
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        shown = ", ".join(repr(n) for n in (near or known[:12]))
        label = "Nearest" if near else "Known"
        super().__init__(
            f"{kind} {name!r} is not in {where}. {label}: {shown}. {len(known)} in all."
        )
