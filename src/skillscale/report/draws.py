"""Posterior draws of one family, with all that a page needs to forecast any model of it.

The page moves size, tokens, release and tuning; nothing that observed scores say of the family
depends on these. So the family is conditioned on them once, here, and a model of it is drawn by the
same standard noise wherever the sliders stand: numbers follow the law and don't flicker. Noise is
of Sobol points, so that two rows for each draw of the law do what many random ones would.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import ndtri, stdtrit
from scipy.stats import qmc

from skillscale.forecasts.own_family import own_family
from skillscale.forecasts.planned import INNER
from skillscale.law.design import covariates
from skillscale.law.scores import Pooled
from skillscale.law.sites import Law
from skillscale.posterior.one_family import Production, production_of, with_prior_slopes
from skillscale.posterior.result import Fit

ROWS = 2
"""Skills and scores drawn for every draw of the law."""
FAMILY_MODELS = 4
"""Models that a family's efficiency and slope are read off, padding included."""


@dataclass(frozen=True, eq=False)
class FamilyDraws:
    """A family in draws of the law, and standard noise of a model of it, in rows for each draw.

    Attributes:
        fit: the fit that was asked.
        law: draws of the law that are as likely as another.
        efficiency: what the family has over what the law expects of its tuning and date.
        own_slope: what it gains more than others per e-fold of size.
        evidence: what is known of its affinities.
        scatter: standard normals, of what is a model's own.
        n_known: numbers of scores that are known of the family on one benchmark or another.
        noise: standard Student-t deviations of a score, for each of these numbers.
        prior_slope: slopes that have seen no data.
        pareto_k: how well the draws of the law stretch to the observed scores; NaN if there are
            none.
    """

    fit: Fit
    law: Law
    efficiency: Float[np.ndarray, "draw row skill"]
    own_slope: Float[np.ndarray, "draw row skill"]
    evidence: Pooled
    scatter: Float[np.ndarray, "draw row skill"]
    n_known: Float[np.ndarray, " known"]
    noise: Float[np.ndarray, "draw known row"]
    prior_slope: Float[np.ndarray, "draw input skill"]
    pareto_k: float

    def production(self, model: pd.DataFrame) -> Production:
        """The law of the family as optima ask for it, in the first row of every draw.

        Args:
            model: a model whose tuning and release count, as `describe` describes it.

        Returns:
            Its efficiency and slopes, and how benchmarks read its skills.
        """
        efficiency = self.efficiency[:, 0] + _expected(self.fit, self.law, model)
        unit = np.ones_like(efficiency)
        return production_of(self.fit, self.law, efficiency, self.own_slope[:, 0, None], unit)


def family_draws(
    fit: Fit,
    model: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    n_draws: int = 1000,
    seed: int = 0,
) -> FamilyDraws:
    """Draw a family, conditioned on observed scores if there are any.

    Args:
        fit: a fitted law.
        model: a model of the family, as `describe` describes it. Its size and tokens don't matter;
            its tuning does for a new family of a known lineage, of which nothing is observed.
        observed: models with scores, as in `forecast`.
        n_draws: at most so many draws of the law.
        seed: source of randomness.

    Returns:
        The family, and noise of its models.

    Raises:
        TableError: an observed model is in the fit already.
        ValueError: there are fewer than 25 draws to weigh by the scores.

    Example:
        >>> from skillscale.data.plan import describe
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> model = {"model": ["b"], "family": "llama", "n_params": 7e9, "n_tokens": 1e12}
        >>> draws = family_draws(fit, describe(pd.DataFrame(model), fit.models), n_draws=50)
        >>> draws.efficiency.shape, draws.n_known.tolist()
        ((50, 2, 4), [3.0, 4.0])
    """
    rng = np.random.default_rng(seed)
    n_skill = len(fit.spec.skills)
    of_family, scatter, level = _even_noise(len(fit.draws(n_draws).law.noise.tail), n_skill, rng)
    own = own_family(fit, model, observed, n_draws=n_draws, rng=rng, white=of_family)
    law, evidence = jax.tree.map(
        lambda part: np.asarray(part, np.float64), (own.planned.law, own.planned.evidence)
    )
    evidence = Pooled(*(part[:, :ROWS, :, 0] for part in evidence))
    n_known = np.unique(evidence.n)
    unit = np.asarray(fit.units(n_draws), np.float64)[own.planned.chosen]
    fitted = production_of(fit, law, own.efficiency[:, 0], own.own_slope[:, 0, None], unit)
    expected = _expected(fit, law, model)
    return FamilyDraws(
        fit=fit,
        law=law,
        efficiency=own.efficiency[:, :ROWS] - expected[:, None],
        own_slope=own.own_slope[:, :ROWS],
        evidence=evidence,
        scatter=scatter[:, :ROWS],
        n_known=n_known,
        noise=stdtrit((law.noise.tail[:, None] + n_known)[..., None], level[:, None, :ROWS]),
        prior_slope=with_prior_slopes(fitted, fit, seed=seed).slope,
        pareto_k=own.planned.pareto_k,
    )


def _expected(fit: Fit, law: Law, model: pd.DataFrame) -> Float[np.ndarray, "draw skill"]:
    """Skills at the references that the law expects of a family of this tuning and date."""
    known = np.asarray(covariates(model, fit.spec), np.float64)[0]
    return np.einsum("c,dck->dk", known, np.asarray(law.growth.effects, np.float64))


def _even_noise(
    n_draw: int, n_skill: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normals of a family's effects and of its models, and levels of scores: Sobol points."""
    n_family = n_skill * FAMILY_MODELS
    sobol = qmc.Sobol(n_family + n_skill + 1, rng=rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # their number is no power of two
        points: np.ndarray = sobol.random(n_draw * INNER)
    # The first rows of all draws are the first points, which are even without the others.
    points = points.clip(1e-9, 1 - 1e-9).reshape(INNER, n_draw, -1).swapaxes(0, 1)
    of_family, of_model = np.split(ndtri(points[..., :-1]), [n_family], axis=2)
    shape = n_draw, INNER, n_skill, FAMILY_MODELS
    return of_family.reshape(shape), of_model, points[..., -1]
