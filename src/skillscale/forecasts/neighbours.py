"""Which fitted families a family is most like: what their models would score at one size."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.law import equation
from skillscale.posterior.one_family import Production
from skillscale.posterior.result import Fit


def neighbours(fit: Fit, own: Production) -> pd.DataFrame:
    """Families of a fit by how much a model of theirs would score like one of another family.

    Compared are expected scores on all benchmarks at the reference size and tokens, so the answer
    is the same whatever coordinates skills are read in, and is in points.

    Args:
        fit: a fitted law.
        own: the law of the family, as `own_production` or `production` give it.

    Returns:
        One row per family of the fit, indexed by its name, the most alike first: ``lineage,
        tuning, release`` (its first), ``n_models, distance`` (mean absolute difference of medians
        over benchmarks, a fraction), and the median expected score on every benchmark.

    Example:
        >>> from skillscale.posterior.one_family import production
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> neighbours(fit, production(fit, "llama-2"))["distance"].head(1)
        family
        llama-2    ...
        Name: distance, dtype: float64
    """
    draws = fit.draws(len(own.efficiency))
    link = jax.tree.map(np.asarray, draws.law.benchmarks)
    link = link.link(np.asarray(fit.design.observations.chance))
    others = np.median(reference_scores(np.asarray(draws.fitted.efficiency), link), axis=0)
    mine = np.median(reference_scores(own.efficiency[:, None], own.link), axis=0)
    names, benchmarks = fit.design.coords["family"], fit.design.coords["benchmark"]
    found = fit.models.groupby("family").agg(
        lineage=("lineage", "first"),
        tuning=("tuning", "first"),
        release=("release", "min"),
        n_models=("lineage", "size"),
    )
    found = found.loc[names]
    found["distance"] = np.abs(others - mine).mean(axis=1)
    scores = pd.DataFrame(others, index=found.index, columns=benchmarks)
    return found.join(scores).sort_values("distance", kind="stable")


def reference_scores(
    efficiency: Float[np.ndarray, "draw family skill"], link: equation.Link
) -> Float[np.ndarray, "draw family benchmark"]:
    """Expected scores of models of some families at the reference size and tokens.

    Args:
        efficiency: of the families, per draw.
        link: how benchmarks read skills, every part with a leading draw axis, except chance.

    Returns:
        Fractions.
    """
    predictor = np.einsum("dbk,dfk->dbf", np.asarray(link.loading), efficiency)
    predictor += np.asarray(link.intercept)[:, :, None]
    scores: Any = equation.scores_of_predictors(predictor.astype(np.float32), link)
    return np.asarray(scores, np.float64).swapaxes(1, 2)
