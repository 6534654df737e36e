r"""The law of one family per posterior draw: its efficiency, its slopes, and how it is scored.

Optima and regret ask how the skills of *one* family grow with size and tokens,
$\theta_k = \alpha_k + g(n, d; \beta_k) + z^\top w_k$, where $g$ is the production function and
$w_k$ the family's own slopes along some directions $z$: so far along log size, $z = n$. A family of
the fit brings its efficiency and its own slopes. The law integrates these out, so they are drawn
here, given the skills of the family's models:

$$w_k \mid \theta \sim \mathcal N\!\left(P_k^{-1}\sum_i \frac{r_{ik} z_i}{\tau_k^2},
P_k^{-1}\right), \qquad
P_k = \sum_i \frac{z_i z_i^\top}{\tau_k^2} + \operatorname{diag}(s_k^{-2}),$$

with $r_i$ what is left of a model's skill after efficiency, gain and covariates. A typical new
family is of average efficiency at the last date in the fit; nobody knows its own slopes, which are
drawn from $\mathcal N(0, \operatorname{diag}(s_k^2))$. Affinities of families for single benchmarks
are left out: they say nothing of size against tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array, Float
from scipy.special import ndtr, ndtri

from skillscale.data.plan import describe
from skillscale.errors import known_names
from skillscale.law import equation
from skillscale.law.design import Observations, covariates, with_other_tuning
from skillscale.law.model import split_covariates
from skillscale.law.priors import slope_prior
from skillscale.law.production import FORMS, Form, gain
from skillscale.law.sites import Draws, Growth, Law
from skillscale.posterior.result import Fit

N_DRAWS = 1000
"""Draws of the law that a query uses, evenly spaced: a tail of one in ten then rests on 100."""


OWN_SCALES = ("slope_scale",)
"""Spreads of what families gain more than others: per e-fold of size."""


Grows = tuple[
    Float[np.ndarray, "draw skill"],
    Float[np.ndarray, "draw input skill"],
    Float[np.ndarray, "draw direction skill"],
]
"""Efficiency, slopes and own slopes of a family."""


class Production(NamedTuple):
    """How the skills of one family grow, and how benchmarks read them; per draw of the law."""

    efficiency: Float[np.ndarray, "draw skill"]
    form: str
    """Name of the production function."""
    slope: Float[np.ndarray, "draw input skill"]
    own_slope: Float[np.ndarray, "draw direction skill"]
    """How much more the family gains than others, along the directions of `OWN_SCALES`."""
    link: equation.Link
    """Every part with a leading draw axis, except chance."""
    unit: Float[np.ndarray, "draw skill"]
    """Units of the skills: ones where these are named."""
    reference_params: float
    reference_tokens: float
    said: Mapping[str, list[str]] = {}
    """What there is to say of how it was found, for the attributes of results."""

    def logs(
        self, n_params: Float[np.ndarray, "*s"], n_tokens: Float[np.ndarray, "*s"]
    ) -> tuple[Float[np.ndarray, "*s"], Float[np.ndarray, "*s"]]:
        """Logs of size and tokens, centred at the reference."""
        return np.log(n_params / self.reference_params), np.log(n_tokens / self.reference_tokens)

    @property
    def law(self) -> Grows:
        """What skills of the family grow by."""
        return self.efficiency, self.slope, self.own_slope

    def skill(
        self, n_params: Float[np.ndarray, " size"], n_tokens: Float[np.ndarray, "*draw size"]
    ) -> Float[np.ndarray, "draw size skill"]:
        """Skills of models of the family, of tokens that are the same for all draws or not."""
        return grown(self.form, *self.law, *self.logs(n_params, n_tokens))


def grown(
    form: str,
    efficiency: Float[Any, "*draw skill"],
    slope: Float[Any, "*draw input skill"],
    own_slope: Float[Any, "*draw direction skill"],
    log_params: Float[Any, " size"],
    log_tokens: Float[Any, "*draw size"],
) -> Float[Any, "*draw size skill"]:
    """Skills of models of one family, in arrays of NumPy or of JAX.

    Args:
        form: name of the production function.
        efficiency: of the family, of one draw of the law or of many.
        slope: parameters of the production function.
        own_slope: what the family gains more than others.
        log_params: log sizes, centred at the reference.
        log_tokens: log tokens, likewise.

    Returns:
        Skills per model.

    Example:
        >>> at = np.array([0.0]), np.ones((1, 3, 1)), np.array([[0.5]])
        >>> grown("translog", *at, np.array([0.0, 1.0]), np.array([0.0, 1.0])).tolist()
        [[[0.0], [3.5]]]
    """
    gains = gain(form, slope, log_params, log_tokens)
    return efficiency[..., None, :] + gains + _own_gain(own_slope, log_params, log_tokens)


def _own_gain(
    own_slope: Float[Any, "*draw direction skill"],
    log_params: Float[Any, "*draw size"],
    log_tokens: Float[Any, "*draw size"],
) -> Float[Any, "*draw size skill"]:
    """What a family gains more than others; along tokens as well where it has a slope in them."""
    directions = (log_params, log_tokens)[: own_slope.shape[-2]]
    return sum(
        direction[..., None] * own_slope[..., i, None, :] for i, direction in enumerate(directions)
    )


def production(
    fit: Fit, family: str | None = None, *, n_draws: int = N_DRAWS, seed: int = 0
) -> Production:
    """The law of one family, per draw: the equations stand at the top of this module.

    Args:
        fit: a fitted law.
        family: a family of the fit; by default a typical base family released in the last month
            of the fit.
        n_draws: at most so many draws of the law.
        seed: source of randomness of a fitted family's own slope.

    Returns:
        Efficiencies (skills at the references), slopes (skill per e-fold of size, of tokens, and
        per product of both logs), links, and the references (counts) at which logs are centred.

    Raises:
        UnknownNameError: the family is not in the fit.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> production(fit, "llama", n_draws=50).slope.shape
        (50, 3, 2)
    """
    draws = fit.draws(n_draws)
    rng = np.random.default_rng(seed)
    if family is None:
        efficiency = _typical_efficiency(fit, draws.law.growth)
        scale = own_scales(draws.law.growth)
        own_slope = scale * rng.standard_normal(scale.shape)
    else:
        families = fit.design.coords["family"]
        known_names("family", family, families)
        position = families.index(family)
        efficiency = np.asarray(draws.fitted.efficiency, np.float64)[:, position]
        own_slope = _own_slope(fit, draws, position, rng)
    return production_of(fit, draws.law, efficiency, own_slope, np.asarray(fit.units(n_draws)))


def production_of(
    fit: Fit,
    law: Law,
    efficiency: Float[np.ndarray, "draw skill"],
    own_slope: Float[np.ndarray, "draw direction skill"],
    unit: Float[np.ndarray, "draw skill"],
) -> Production:
    """The law of a family of this efficiency and these slopes, with the links of a fit.

    Args:
        fit: a fitted law.
        law: draws of it.
        efficiency: skills at the references.
        own_slope: what the family gains more than others per e-fold of size.
        unit: units of the skills.

    Returns:
        The law of the family, in the same draws.
    """
    link = jax.tree.map(np.asarray, law.benchmarks)
    link = link.link(np.asarray(fit.design.observations.chance))
    slope = np.asarray(law.growth.slope, np.float64)
    reference = fit.spec.reference_params, fit.spec.reference_tokens
    return Production(efficiency, fit.spec.form, slope, own_slope, link, unit, *reference)


def own_scales(growth: Growth) -> Float[np.ndarray, "draw direction skill"]:
    """Spreads of families' own slopes, along every direction that they have one in."""
    return np.stack([np.asarray(getattr(growth, name), np.float64) for name in OWN_SCALES], axis=1)


def with_prior_slopes(fitted: Production, fit: Fit, *, seed: int = 0) -> Production:
    """The same law with slopes that have seen no data: what an optimum is compared with.

    Efficiencies, own slopes and links stay as fitted, so that the comparison is of what the data
    say of size against tokens in all families, and of nothing else.

    Args:
        fitted: the law of one family, as `production` gives it.
        fit: the fit that it is of.
        seed: source of randomness.

    Returns:
        The law with slopes of the prior, as many draws, in the units of the skills.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> fitted = production(fit)
        >>> prior = with_prior_slopes(fitted, fit)
        >>> prior.slope.shape, prior.efficiency is fitted.efficiency
        ((200, 3, 2), True)
    """
    # NumPy's ones and normals: JAX would compile for half a second.
    unit: Any = np.ones(fitted.slope.shape[-1])
    prior: Any = slope_prior(fit.spec, unit).base_dist
    rng = np.random.default_rng(seed)
    if FORMS[Form(fit.spec.form)].is_positive:
        mean, sd = np.asarray(prior.base_dist.loc, float), np.asarray(prior.base_dist.scale, float)
        least = ndtr(-mean / sd)
        slope = mean + sd * ndtri(least + (1 - least) * rng.random(fitted.slope.shape))
    else:
        slope = rng.normal(prior.mean, np.sqrt(prior.variance), fitted.slope.shape)
    return fitted._replace(slope=fitted.unit[:, None] * slope)


def tuning_effect(fit: Fit, n_draws: int) -> Float[np.ndarray, "draw skill"]:
    """What instruction tuning adds to the skills of a family released in the last month of a fit.

    Args:
        fit: a fitted law.
        n_draws: at most so many draws of the law.

    Returns:
        Skills of a tuned family less those of a base family, both of an average lineage.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> tuning_effect(shipped_fit(), 100).shape
        (100, 4)
    """
    base = _covariates_now(fit)
    return _explained(with_other_tuning(base) - base, fit.draws(n_draws).law.growth)


def _typical_efficiency(fit: Fit, growth: Growth) -> Float[np.ndarray, "draw skill"]:
    return _explained(_covariates_now(fit), growth)


def _covariates_now(fit: Fit) -> Float[np.ndarray, " covariate"]:
    """Covariates of a base family released in the last month of a fit."""
    reference = {"n_params": fit.spec.reference_params, "n_tokens": fit.spec.reference_tokens}
    typical = describe(pd.DataFrame([{"model": "typical", **reference}]), fit.table.models)
    return np.asarray(covariates(typical, fit.spec), np.float64)[0]


def _explained(
    covariates: Float[np.ndarray, " covariate"], growth: Growth
) -> Float[np.ndarray, "draw skill"]:
    effects = np.asarray(jax.tree.map(np.asarray, growth).effects, np.float64)
    return np.einsum("c,dck->dk", covariates, effects)


def _own_slope(
    fit: Fit, draws: Draws, family: int, rng: np.random.Generator
) -> Float[np.ndarray, "draw direction skill"]:
    """Draw how much more the family gains than others, given its models' skills."""
    observations = fit.design.observations
    log_tokens = fit.design.log_tokens(draws.fitted)
    residual = np.asarray(_residuals(draws, log_tokens, observations, form=fit.spec.form), float)
    is_member = np.asarray(observations.in_family.group) == family
    scale = own_scales(draws.law.growth)
    of_size = np.broadcast_to(np.asarray(observations.log_params), log_tokens.shape)
    both = np.stack([of_size, np.asarray(log_tokens)], axis=-1).astype(float)
    along = both[:, is_member, : scale.shape[1]]
    noise = np.asarray(draws.law.growth.model_scale, np.float64)[..., None]
    own = np.einsum("dmi,dmj->dij", along, along)[:, None] / noise[..., None] ** 2
    precision = own + np.einsum("ij,djk->dkij", np.eye(scale.shape[1]), scale**-2)
    pull = np.einsum("dmi,dmk->dki", along, residual[:, is_member]) / noise**2
    mean = np.linalg.solve(precision, pull[..., None])
    root = np.linalg.cholesky(np.linalg.inv(precision))
    drawn = mean + root @ rng.standard_normal(mean.shape)
    return drawn[..., 0].swapaxes(1, 2)


@partial(jax.jit, static_argnames="form")
def _residuals(
    draws: Draws, log_tokens: Float[Array, "draw model"], observations: Observations, *, form: str
) -> Float[Array, "draw model skill"]:
    """What is left of fitted models' skills after efficiency, slopes and covariates."""
    _, own_covariates = split_covariates(observations)

    def one(draw: Draws, log_tokens: Float[Array, " model"]) -> Float[Array, "model skill"]:
        growth, fitted = draw.law.growth, draw.fitted
        gains = gain(form, growth.slope, observations.log_params, log_tokens)
        efficiency = observations.in_family @ fitted.efficiency
        effects = growth.effects
        return fitted.skill - (efficiency + gains + own_covariates @ effects)

    return jax.vmap(one)(draws, log_tokens)
