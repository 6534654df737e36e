"""Optima in several forms of the law at once: intervals are the mixture's, verdicts the worst.

An optimum that is known under one production function may be that function's doing. Of a stack the
draws of all forms are pooled in proportion to their weights, and an optimum is identified only
where it is so in the mixture and in every form that the data can't reject.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from skillscale.optima.goal import Goal
from skillscale.optima.identification import Choice, Identification, describe_choice
from skillscale.posterior.one_family import Production, with_prior_slopes
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack

WORST_FIRST = [Identification.NOT, Identification.WEAK, Identification.IDENTIFIED]


class Member(NamedTuple):
    """One form in a mixture.

    Attributes:
        form: its name.
        weight: its share of the draws.
        is_open: whether the data can't reject it.
        fitted: the law of the family by it.
        prior: the same with slopes that have seen no data.
    """

    form: str
    weight: float
    is_open: bool
    fitted: Production
    prior: Production


def plain(fit: Fit | Stack) -> Fit:
    """The fit, or the plain one of a stack."""
    return fit.fit if isinstance(fit, Stack) else fit


def members(fit: Fit | Stack, goal: Goal) -> list[Member]:
    """The law of the family asked about, by every form.

    Args:
        fit: a fitted law, or a stack of several forms.
        goal: whose optimum is asked for.

    Returns:
        One member per form; of a plain fit the one that it is of.

    Raises:
        UnknownNameError: the family is not in the fit.
        TableError: observed models are of several families, or break their schema.
    """
    if isinstance(fit, Fit):
        fitted = goal.production(fit)
        return [Member(fit.spec.form, 1.0, True, fitted, with_prior_slopes(fitted, fit))]
    found = []
    for form, of_form in fit.fits.items():
        fitted = goal.production(of_form)
        prior = with_prior_slopes(fitted, of_form)
        found.append(Member(form, fit.weights[form], form in fit.open_forms, fitted, prior))
        goal = dataclasses.replace(goal, on_note=lambda _: None)  # the same is said of every form
    return found


def stands_on(fit: Fit | Stack) -> str:
    """A sentence about the forms that answers rest on.

    Args:
        fit: a fitted law, or a stack of several forms.

    Returns:
        The sentence.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> stands_on(shipped_fit())
        'Verdicts hold if the translog does; skillscale fit --forms asks other forms as well.'
    """
    if isinstance(fit, Fit):
        form = fit.spec.form
        return f"Verdicts hold if the {form} does; skillscale fit --forms asks other forms as well."
    shares = ", ".join(f"{form} {100 * weight:.0f} %" for form, weight in fit.weights.items())
    rejected = [form for form in fit.fits if form not in fit.open_forms]
    told = f"the data reject {', '.join(rejected)}" if rejected else "the data reject none"
    return f"Draws are of several forms ({shares}); {told}."


def pooled(
    of: Sequence[Member], values: Sequence[Float[np.ndarray, " *shape"]]
) -> Float[np.ndarray, " *shape"]:
    """Draws of all forms together, as many of each as its weight says.

    Args:
        of: the members.
        values: the same quantity in the draws of each.

    Returns:
        About as many draws as the member with most of them has, evenly spaced among those of each,
        which come several times where a member has few.

    Example:
        >>> law: Any = None
        >>> of = [Member("a", 0.75, True, law, law), Member("b", 0.25, True, law, law)]
        >>> pooled(of, [np.arange(4), np.arange(10, 14)]).tolist()
        [0, 2, 3, 10]
    """
    if len(of) == 1:
        return values[0]
    kept, most = [], max(map(len, values))
    for member, own in zip(of, values, strict=True):
        n = round(member.weight * most)
        kept.append(own[np.linspace(0, len(own) - 1, n).round().astype(int)])
    return np.concatenate(kept)


def pooled_choices(of: Sequence[Member], choices: Sequence[Choice]) -> Choice:
    """Optima in the draws of all forms together."""
    return Choice(*(pooled(of, part) for part in zip(*choices, strict=True)))


def describe_choices(
    of: Sequence[Member], found: Sequence[Choice], before: Sequence[Choice], interval: float
) -> dict[str, Any]:
    """Medians, intervals, probabilities and verdict of an optimum in several forms.

    Args:
        of: the members.
        found: the optimum of every draw, by each.
        before: the same with slopes from the prior.
        interval: probability inside the intervals.

    Returns:
        All that `describe_choice` says, of the mixture, with the worst verdict of the mixture and
        of the open forms. Of several forms also ``disagreement``, the ratio of the largest to the
        smallest median best size of the open forms (a size at an edge of the search counts as the
        edge), and ``prob_interior_<form>``, the share of the form's draws inside.
    """
    mixed = describe_choice(pooled_choices(of, found), pooled_choices(of, before), interval)
    if len(of) == 1:
        return mixed
    each = {
        member.form: describe_choice(own, prior, interval)
        for member, own, prior in zip(of, found, before, strict=True)
    }
    is_open = [member.form for member in of if member.is_open]
    verdicts = [mixed["verdict"], *(each[form]["verdict"] for form in is_open)]
    medians = [
        np.median(sizes) if (sizes := own.n_params[np.isfinite(own.n_params)]).size else np.nan
        for member, own in zip(of, found, strict=True)
        if member.is_open
    ]
    return mixed | {
        "verdict": min(verdicts, key=WORST_FIRST.index),
        "disagreement": float(np.max(medians) / np.min(medians)),
        **{
            f"prob_interior_{form.replace('-', '_')}": told["prob_interior"]
            for form, told in each.items()
        },
    }
