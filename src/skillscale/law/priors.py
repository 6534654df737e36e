"""Every prior of the model as one table, to sample from and to print before sampling."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
from jaxtyping import Array, Float
from scipy import stats

from skillscale.law import equation
from skillscale.law.design import COVARIATES, Design
from skillscale.law.exploratory import squared_units, without_direction
from skillscale.law.slope_evidence import TAIL, SlopeEvidence
from skillscale.law.spec import LogNormalPrior, NormalPrior, Spec


@dataclass(frozen=True)
class Prior:
    """Prior of one site.

    Attributes:
        site: name of the parameter.
        dims: names of its dimensions.
        distribution: the prior, of the parameter's shape.
        meaning: what the parameter is, with its unit.
    """

    site: str
    dims: tuple[str, ...]
    distribution: dist.Distribution
    meaning: str


def make_priors(
    design: Design, spec: Spec, unit: Float[Array, " skill"] | None = None
) -> list[Prior]:
    """Priors of all sites but the hierarchical ones (efficiencies, skills, unpublished tokens).

    Exploratory skills may be in units other than one (see `exploratory`); scales that
    all of them share are of a single entry, in units of one.
    """
    p = spec.priors
    n_benchmark, n_skill = design.is_anchor.shape
    benchmark, skill = ("benchmark",), ("skill",)
    unit = jnp.ones(n_skill) if unit is None else unit
    n_scale = n_skill
    loading = _expand(p.loading, int(design.is_free.sum()))
    if spec.exploratory:
        p, n_scale = without_direction(p), 1
        of_free = unit[design.is_free.nonzero()[1]]
        loading = dist.Normal(0, p.exploratory_loading_sd / of_free).to_event(1)
    gap = dist.TransformedDistribution(
        _expand(p.ceiling_gap_logit, n_benchmark), dist.transforms.SigmoidTransform()
    )

    return [
        Prior(
            "free_loading",
            ("free_loading",),
            loading,
            "how a benchmark that is no anchor reads a skill",
        ),
        Prior("intercept", benchmark, _expand(p.intercept, n_benchmark), "ease of a benchmark"),
        Prior(
            "asymmetry",
            benchmark,
            _expand(p.asymmetry, n_benchmark),
            "shape of the link: below one, slow near the ceiling; above one, slow near chance",
        ),
        Prior("ceiling_gap", benchmark, gap, "share of the range above chance out of reach"),
        Prior(
            "slope",
            ("input", "skill"),
            slope_prior(spec, unit),
            "growth of a skill per e-fold",
        ),
        Prior(
            "effect",
            ("covariate", "skill"),
            _per_skill(unit, p.instruct, p.date),
            "instruction tuning, and a year of progress",
        ),
        Prior(
            "trend_scale",
            skill,
            _expand(p.trend_scale, n_scale),
            "wander of progress in half a year",
        ),
        Prior(
            "innovation",
            ("period", "skill"),
            dist.Normal(0, 1).expand((len(design.coords["period"]), n_skill)).to_event(2),
            "steps of progress in every period, in standard deviations",
        ),
        Prior("lineage_scale", skill, _expand(p.lineage_scale, n_scale), "spread of lineages"),
        Prior("family_scale", skill, _expand(p.family_scale, n_scale), "spread within a lineage"),
        Prior("slope_scale", skill, _expand(p.slope_scale, n_scale), "spread of families' slopes"),
        Prior("model_scale", skill, _expand(p.model_scale, n_scale), "spread within a family"),
        Prior(
            "overdispersion",
            benchmark,
            _expand(p.overdispersion, n_benchmark),
            "unexplained spread anywhere, relative to that of a single item",
        ),
        Prior(
            "discrepancy_spread",
            benchmark,
            _expand(p.discrepancy_spread, n_benchmark),
            "unexplained spread of the linear predictor",
        ),
        Prior(
            "affinity_overdispersion",
            benchmark,
            _expand(p.affinity_overdispersion, n_benchmark),
            "spread of families' affinities anywhere, relative to that of a single item",
        ),
        Prior(
            "affinity_spread",
            benchmark,
            _expand(p.affinity_spread, n_benchmark),
            "spread of families' affinities in the linear predictor",
        ),
        Prior("tail", (), _expand(p.tail), "degrees of freedom of the Student-t likelihood"),
    ]


def slope_prior(spec: Spec, unit: Float[Array, "*draw skill"]) -> dist.Distribution:
    """Prior of the slopes, of shape (input, skill), of skills in these units."""
    p = without_direction(spec.priors) if spec.exploratory else spec.priors
    return _per_skill(unit, p.slope, p.slope, p.interaction)


def describe_priors(design: Design, spec: Spec, *, seed: int = 0) -> pd.DataFrame:
    """The priors with their numbers: what is believed before any score is seen.

    Returns:
        One row per parameter and input: ``site, dims, size, median, lower_90, upper_90, meaning``.
        Evidence of controlled runs follows as sites ``optimum[skill]`` and ``sharpness[skill]``.
    """
    rows = []
    for prior in [*_units(spec), *make_priors(design, spec)]:
        draws = np.asarray(prior.distribution.sample(jax.random.key(seed), (4000,)))
        labels = {"slope": equation.INPUTS, "effect": COVARIATES}.get(prior.site)
        for row, label in enumerate(labels or [None]):
            values = draws if label is None else draws[:, row]
            lower, median, upper = np.quantile(values, [0.05, 0.5, 0.95])
            rows.append(
                {
                    "site": prior.site if label is None else f"{prior.site}[{label}]",
                    "dims": ", ".join(prior.dims),
                    "size": values[0].size,
                    "median": median,
                    "lower_90": lower,
                    "upper_90": upper,
                    "meaning": prior.meaning,
                }
            )
    of_evidence = [row for known in spec.evidence for row in _describe_evidence(known)]
    return pd.DataFrame(rows + of_evidence)


def _units(spec: Spec) -> list[Prior]:
    """What the priors of exploratory skills are in units of."""
    if not spec.exploratory or len(spec.skills) < 2:
        return []
    meaning = "squared length of what an anchor reads of no earlier exploratory skill"
    return [Prior("squared_unit", ("skill",), squared_units(spec), meaning)]


def _describe_evidence(known: SlopeEvidence) -> list[dict[str, object]]:
    """Rows of what controlled runs say of a skill."""
    said = {
        "optimum": (
            stats.t(TAIL, known.log_params, known.log_params_sd),
            "controlled runs: log of the best size over the reference, at the reference budget",
        ),
        "sharpness": (
            stats.t(TAIL, known.sharpness, known.sharpness_sd),
            "controlled runs: how sharp that optimum is, alpha + beta of a loss",
        ),
    }
    return [
        {
            "site": f"{site}[{known.skill}]",
            "dims": "",
            "size": 1,
            "median": distribution.median(),
            "lower_90": distribution.ppf(0.05),
            "upper_90": distribution.ppf(0.95),
            "meaning": meaning,
        }
        for site, (distribution, meaning) in said.items()
    ]


def _per_skill(unit: Float[Array, " skill"], *priors: NormalPrior) -> dist.Distribution:
    """Normals of shape (prior, skill)."""
    mean, sd = (np.array([[getattr(p, name)] for p in priors]) for name in ("mean", "sd"))
    return dist.Normal(mean * unit, sd * unit).to_event(2)


def _expand(prior: LogNormalPrior | NormalPrior, *shape: int) -> dist.Distribution:
    base = (
        dist.LogNormal(jnp.log(prior.median), prior.sigma)
        if isinstance(prior, LogNormalPrior)
        else dist.Normal(prior.mean, prior.sd)
    )
    return base.expand(shape).to_event(len(shape))
