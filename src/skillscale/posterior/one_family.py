r"""The law of one family per posterior draw: its efficiency, its slopes, and how it is scored.

Optima and regret ask how the skills of *one* family grow with size and tokens,
$\theta_k = \alpha_k + (\beta_k + w_k e_1)^\top x$, where $w_k$ is the family's own slope in size.
A family of the fit brings its efficiency and its own slope. The law integrates own slopes out, so
they are drawn here, given the skills of the family's models:

$$w_k \mid \theta \sim \mathcal N\!\left(\frac{\sum_i r_{ik} \log (N_i/N_0)}{\tau_k^2 p_k},
\frac{1}{p_k}\right), \qquad
p_k = \frac{\sum_i \log^2 (N_i/N_0)}{\tau_k^2} + \frac{1}{s_{Sk}^2},$$

with $r_i$ what is left of a model's skill after efficiency, slopes and covariates. A typical new
family is of average efficiency at the last date in the fit, with no slope of its own. Affinities of
families for single benchmarks are left out: they say nothing of size against tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from skillscale.data.plan import describe
from skillscale.errors import known_names
from skillscale.law import equation
from skillscale.law.design import Observations, covariates
from skillscale.law.model import split_covariates
from skillscale.law.priors import slope_prior
from skillscale.law.sites import Draws, Growth, Law
from skillscale.posterior.result import Fit

N_DRAWS = 1000
"""Draws of the law that a query uses, evenly spaced: a tail of one in ten then rests on 100."""


class Production(NamedTuple):
    """How the skills of one family grow, and how benchmarks read them; per draw of the law."""

    efficiency: Float[np.ndarray, "draw skill"]
    slope: Float[np.ndarray, "draw input skill"]
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
    slope = np.asarray(draws.law.growth.slope, np.float64)
    if family is None:
        efficiency = _typical_efficiency(fit, draws.law.growth)
    else:
        families = fit.design.coords["family"]
        known_names("family", family, families)
        position = families.index(family)
        efficiency = np.asarray(draws.fitted.efficiency, np.float64)[:, position]
        slope[:, 0] += _own_slope(fit, draws, position, np.random.default_rng(seed))
    return production_of(fit, draws.law, efficiency, slope, np.asarray(fit.units(n_draws)))


def production_of(
    fit: Fit,
    law: Law,
    efficiency: Float[np.ndarray, "draw skill"],
    slope: Float[np.ndarray, "draw input skill"],
    unit: Float[np.ndarray, "draw skill"],
) -> Production:
    """The law of a family of this efficiency and these slopes, with the links of a fit.

    Args:
        fit: a fitted law.
        law: draws of it.
        efficiency: skills at the references.
        slope: skill per e-fold of size, of tokens, and per product of both logs.
        unit: units of the skills.

    Returns:
        The law of the family, in the same draws.
    """
    link = jax.tree.map(np.asarray, law.benchmarks)
    link = link.link(np.asarray(fit.design.observations.chance))
    reference = fit.spec.reference_params, fit.spec.reference_tokens
    return Production(efficiency, slope, link, unit, *reference)


def with_prior_slopes(fitted: Production, fit: Fit, *, seed: int = 0) -> Production:
    """The same law with slopes that have seen no data: what an optimum is compared with.

    Efficiencies and links stay as fitted, so that the comparison is of what the data say of size
    against tokens, and of nothing else.

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
    prior = slope_prior(fit.spec, unit)
    rng = np.random.default_rng(seed)
    slope = rng.normal(prior.mean, np.sqrt(prior.variance), fitted.slope.shape)
    return fitted._replace(slope=fitted.unit[:, None] * slope)


_effects = jax.jit(jax.vmap(equation.effects))


def _typical_efficiency(fit: Fit, growth: Growth) -> Float[np.ndarray, "draw skill"]:
    reference = {"n_params": fit.spec.reference_params, "n_tokens": fit.spec.reference_tokens}
    typical = describe(pd.DataFrame([{"model": "typical", **reference}]), fit.table.models)
    effects = _effects(growth.effect, growth.trend_scale, growth.innovation)
    covariates_now = np.asarray(covariates(typical, fit.spec))[0]
    return np.einsum("c,dck->dk", covariates_now, np.asarray(effects, np.float64))


def _own_slope(
    fit: Fit, draws: Draws, family: int, rng: np.random.Generator
) -> Float[np.ndarray, "draw skill"]:
    """Draw how much more the family gains from size than others, given its models' skills."""
    observations = fit.design.observations
    is_member = np.asarray(observations.in_family.group) == family
    log_params = is_member * np.asarray(observations.log_params, np.float64)
    log_tokens = fit.design.log_tokens(draws.fitted)
    residual = np.asarray(_residuals(draws, log_tokens, observations), np.float64)
    growth = draws.law.growth
    model_scale, slope_scale = (
        np.asarray(scale, np.float64) for scale in (growth.model_scale, growth.slope_scale)
    )
    precision = (log_params**2).sum() / model_scale**2 + 1 / slope_scale**2
    mean = np.einsum("m,dmk->dk", log_params, residual) / model_scale**2 / precision
    return mean + rng.standard_normal(mean.shape) / np.sqrt(precision)


@jax.jit
def _residuals(
    draws: Draws, log_tokens: Float[Array, "draw model"], observations: Observations
) -> Float[Array, "draw model skill"]:
    """What is left of fitted models' skills after efficiency, slopes and covariates."""
    _, own_covariates = split_covariates(observations)

    def one(draw: Draws, log_tokens: Float[Array, " model"]) -> Float[Array, "model skill"]:
        growth, fitted = draw.law.growth, draw.fitted
        x = equation.inputs(observations.log_params, log_tokens)
        efficiency = observations.in_family @ fitted.efficiency
        effects = equation.effects(growth.effect, growth.trend_scale, growth.innovation)
        expected = equation.expected_skill(efficiency, growth.slope, x)
        return fitted.skill - (expected + own_covariates @ effects)

    return jax.vmap(one)(draws, log_tokens)
