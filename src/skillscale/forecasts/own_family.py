r"""The law of a family that is not in the fit, learned from its observed models.

Its efficiency and its slope in size are those of two models that nobody trained, of the family, one
at the reference size and one an e-fold larger, both at the reference tokens: conditioned on the
observed scores as planned models are, but without what is particular to a single model,

$$\alpha_k = \theta_k(N_0, D_0), \qquad
w_k = \theta_k(e N_0, D_0) - \theta_k(N_0, D_0) - g(1, 0; \beta_k).$$
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.data.plan import NEW_FAMILY
from skillscale.errors import TableError
from skillscale.forecasts.examination import examine, require_frames, silent
from skillscale.forecasts.planned import Planned, after_scores
from skillscale.forecasts.question import DESCRIBED, Question, ask
from skillscale.law.production import gain
from skillscale.posterior.one_family import N_DRAWS, Production, production_of
from skillscale.posterior.result import Fit


class OwnFamily(NamedTuple):
    """What a family has of its own, several times per draw of the law.

    Attributes:
        efficiency: skills at the references, of the tuning and date of one model.
        own_slope: what the family gains more than others per e-fold of size.
        planned: the draws of the law, and what is known of the family's affinities in each.
    """

    efficiency: Float[np.ndarray, "draw inner skill"]
    own_slope: Float[np.ndarray, "draw inner skill"]
    planned: Planned


def own_family(
    fit: Fit,
    model: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    n_draws: int,
    rng: np.random.Generator,
    white: Float[np.ndarray, "draw inner skill planned"] | None = None,
) -> OwnFamily:
    """Efficiency and slope of a family, conditioned on observed scores if there are any.

    Args:
        fit: a fitted law.
        model: a model of the family, as in `forecast`; its size and tokens don't matter.
        observed: models with scores, likewise.
        n_draws: draws of the law to use.
        rng: source of randomness.
        white: standard normals to draw by, of four models, as in `after_scores`.

    Returns:
        Both, in draws of the law that are as likely as another.

    Raises:
        TableError: an observed model is in the fit already.
        ValueError: there are fewer than 25 draws to weigh by the scores.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> model = pd.DataFrame({"model": ["b"], "family": "llama"})
        >>> rng = np.random.default_rng(0)
        >>> own_family(shipped_fit(), model, n_draws=50, rng=rng).efficiency.shape
        (50, 4, 4)
    """
    size = fit.spec.reference_params
    of_family = model.iloc[:1].reindex(columns=DESCRIBED)
    both = pd.concat([of_family.assign(model=name) for name in ("at the reference", "larger")])
    both = both.assign(n_params=[size, math.e * size], n_tokens=fit.spec.reference_tokens)
    planned = after_scores(fit, _of_the_family(ask(fit, both, observed)), n_draws, rng, white)
    slope = np.asarray(planned.law.growth.slope, np.float64)
    of_all = gain(fit.spec.form, slope, np.ones(1), np.zeros(1))
    at_reference, larger = planned.skill[..., 0], planned.skill[..., 1]
    return OwnFamily(at_reference, larger - at_reference - of_all, planned)


def own_production(
    fit: Fit,
    observed: pd.DataFrame,
    *,
    n_draws: int = N_DRAWS,
    keep_doubted: bool = False,
    seed: int = 0,
    on_note: Callable[[str], None] = silent,
) -> Production:
    """The law of the family of observed models, per draw: the equations stand at the top.

    Args:
        fit: a fitted law.
        observed: models of one family with scores, as in `forecast`.
        n_draws: draws of the law to use.
        keep_doubted: let scores count that contradict the rest, as in `forecast`.
        seed: source of randomness.
        on_note: told what is assumed and doubted, a sentence each.

    Returns:
        Efficiency (of the tuning and date of its largest model), slopes and links, as `production`
        gives those of a fitted family.

    Raises:
        TableError: the models are of several families, or break their schema.
        ValueError: there are fewer than 25 draws to weigh by the scores.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> model = {"n_params": [1e9], "n_tokens": [2e12]}
        >>> observed = pd.DataFrame({"model": ["a-1b"], **model, "mmlu": [0.4]})
        >>> own_production(fit, observed, n_draws=200).slope.shape
        (200, 3, 2)
    """
    require_frames(fit, None, observed)
    given = observed.reindex(columns=["family"]).astype(object)["family"]
    families = [str(name) for name in given.fillna(NEW_FAMILY).unique()]
    if len(families) > 1:
        raise TableError(
            [f"observed: an optimum is of one family, found {', '.join(families)}. Keep one."]
        )
    largest = observed.loc[[observed["n_params"].astype(float).idxmax()]]
    named = [name for name in ("family", "lineage", "tuning", "release") if name in observed]
    described = largest[["model", "n_params", "n_tokens", *named]]
    examined = examine(
        fit, described, observed, keep_doubted=keep_doubted, seed=seed, on_note=on_note
    )
    own = own_family(
        fit, described, examined.observed, n_draws=n_draws, rng=np.random.default_rng(seed)
    )
    planned = own.planned
    unit = np.asarray(fit.units(n_draws))[planned.chosen]
    found = production_of(fit, planned.law, own.efficiency[:, 0], own.own_slope[:, 0, None], unit)
    return found._replace(said=examined.attrs)


def _of_the_family(question: Question) -> Question:
    """The same question, planned models having nothing particular to them."""
    same_model = question.among_new.same_model.copy()
    same_model[question.n_seen :] = 0
    same_model[:, question.n_seen :] = 0
    return dataclasses.replace(
        question, among_new=question.among_new._replace(same_model=same_model)
    )
