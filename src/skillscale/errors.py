"""Every error skillscale raises on purpose: one base class, a child per kind of input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN = 50
"""Problems that one message names."""


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
        shown = [f"- {problem}" for problem in self.problems[:SHOWN]]
        if count > SHOWN:
            shown.append(f"- and {count - SHOWN} more")
        super().__init__("\n".join([f"{head} found:", *shown]))


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


def known_names(
    kind: str, names: str | Iterable[str] | None, known: Iterable[str], where: str = "this fit"
) -> list[str]:
    """The names asked for, each checked; all that are known if none are.

    Args:
        kind: what the names are.
        names: what was asked for; one name, or several.
        known: the valid names.
        where: where they are valid.

    Returns:
        Names in the order asked for, or in that of ``known``.

    Raises:
        UnknownNameError: a name is not among those known.

    Example:
        >>> known_names("family", None, ["llama-3", "yi"])
        ['llama-3', 'yi']
        >>> known_names("family", ["llama3"], ["llama-3", "yi"])
        Traceback (most recent call last):
        skillscale.errors.UnknownNameError: family 'llama3' is not in this fit. Nearest: ...
    """
    known = list(known)
    if names is None:
        return known
    names = [names] if isinstance(names, str) else list(names)
    valid = set(known)
    for name in names:
        if name not in valid:
            raise UnknownNameError(kind, name, known, where)
    return names


def require_at_least(owner: object, **least: float) -> None:
    """Check options of an object against the least that each may be.

    Args:
        owner: the object, with an attribute for every option.
        **least: the smallest value of every option.

    Raises:
        SpecError: an option is smaller, or no number; the error names all of them.

    Example:
        >>> from types import SimpleNamespace
        >>> require_at_least(SimpleNamespace(draws=0), draws=1)
        Traceback (most recent call last):
        skillscale.errors.SpecError: SimpleNamespace: draws must be at least 1, found 0.
    """
    values = {name: getattr(owner, name) for name in least}
    wrong = [
        f"{name} must be at least {least[name]:g}, found {value!r}"
        for name, value in values.items()
        if not (isinstance(value, int | float) and value >= least[name])
    ]
    if wrong:
        raise SpecError(f"{type(owner).__name__}: {'; '.join(wrong)}.")


def require_probability(owner: object, *names: str) -> None:
    """Check that options of an object lie between 0 and 1, both left out.

    Args:
        owner: the object, with an attribute for every option.
        *names: of the options.

    Raises:
        SpecError: an option lies elsewhere; the error names all of them.

    Example:
        >>> from types import SimpleNamespace
        >>> require_probability(SimpleNamespace(interval=90), "interval")
        Traceback (most recent call last):
        skillscale.errors.SpecError: SimpleNamespace: interval lies between 0 and 1, found 90.
    """
    values = {name: getattr(owner, name) for name in names}
    wrong = [
        f"{name} lies between 0 and 1, found {value!r}"
        for name, value in values.items()
        if not (isinstance(value, int | float) and 0 < value < 1)
    ]
    if wrong:
        raise SpecError(f"{type(owner).__name__}: {'; '.join(wrong)}.")
