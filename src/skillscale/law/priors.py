"""Every prior of the model as one table, to sample from and to print before sampling."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from skillscale.law.design import COVARIATES, Design
from skillscale.law.exploratory import without_direction
from skillscale.law.production import FORMS, Form
from skillscale.law.sites import Law, Sampled, Site, Support, sites_of
from skillscale.law.slope_evidence import TAIL, SlopeEvidence
from skillscale.law.spec import LogNormalPrior, NormalPrior, Spec

CONSTRAINTS = {
    Support.REAL: constraints.real,
    Support.POSITIVE: constraints.positive,
    Support.UNIT_INTERVAL: constraints.unit_interval,
}


@dataclass(frozen=True)
class Prior:
    """Prior of one parameter.

    Attributes:
        site: the parameter.
        distribution: its prior, of its shape.
    """

    site: Site
    distribution: dist.Distribution


def make_priors(
    design: Design, spec: Spec, unit: Float[Array, " skill"] | None = None
) -> list[Prior]:
    """Priors of the law, in the order in which they are sampled: loadings as far as they are free.

    Those of efficiencies, skills and unpublished tokens are conditional, and part of the model.

    Args:
        design: arrays and names of a table.
        spec: the numbers of every prior.
        unit: units of exploratory skills (see `exploratory`), ones by default. Scales that all of
            them share are of a single entry, in units of one.

    Returns:
        One prior for every parameter of `Law`.

    Example:
        >>> from skillscale.data.table import load_table
        >>> from skillscale.law.design import make_design
        >>> priors = make_priors(make_design(load_table("classic"), Spec()), Spec())
        >>> [prior.site.name for prior in priors][:3]
        ['free_loading', 'intercept', 'asymmetry']
    """
    p = spec.priors
    n_benchmark, n_skill = design.is_anchor.shape
    unit = jnp.ones(n_skill) if unit is None else unit
    n_scale = n_skill
    loading = _expand(p.loading, int(design.is_free.sum()))
    if spec.exploratory:
        p, n_scale = without_direction(p), 1
        of_free = unit[design.is_free.nonzero()[1]]
        loading = dist.Normal(0, p.exploratory_loading_sd / of_free).to_event(1)
    steps = (len(design.coords["period"]), n_skill)
    ceiling = _expand(p.ceiling_gap_logit, n_benchmark)
    of_its_own = {
        "loading": loading,
        "ceiling_gap": dist.TransformedDistribution(ceiling, dist.transforms.SigmoidTransform()),
        "slope": slope_prior(spec, unit),
        "effect": _per_skill(unit, p.instruct, p.date, p.instruct_date),
        "innovation": dist.Normal(0, 1).expand(steps).to_event(2),
        "tuning_innovation": dist.Normal(0, 1).expand(steps).to_event(2),
    }
    sizes = {"benchmark": n_benchmark, "skill": n_scale}
    sampled = {"loading": sites_of(Sampled)["free_loading"]}
    return [
        Prior(
            sampled.get(name, site),
            of_its_own[name]
            if name in of_its_own
            else _expand(getattr(p, name), *(sizes[dim] for dim in site.dims)),
        )
        for name, site in sites_of(Law).items()
    ]


def squared_units(spec: Spec) -> dist.Distribution:
    """Prior of the squares of all units but the first, of shape (skill - 1,).

    >>> squared_units(Spec().explore(3, ["mmlu", "gsm8k", "bbh"])).mean.tolist()
    [0.5, 0.25]
    """
    degrees = np.arange(len(spec.skills) - 1, 0, -1, dtype=np.float32)
    return dist.Gamma(degrees / 2, 1 / (2 * spec.priors.exploratory_loading_sd**2)).to_event(1)


def slope_prior(spec: Spec, unit: Float[Array, "*draw skill"]) -> dist.Distribution:
    """Prior of the slopes, of shape (input, skill), of skills in these units."""
    p = without_direction(spec.priors) if spec.exploratory else spec.priors
    form = FORMS[Form(spec.form)]
    return _per_skill(unit, *(getattr(p, name) for name in form.priors), positive=form.is_positive)


def describe_priors(design: Design, spec: Spec, *, seed: int = 0) -> pd.DataFrame:
    """The priors with their numbers: what is believed before any score is seen.

    Args:
        design: arrays and names of a table.
        spec: the numbers of every prior, and evidence.
        seed: source of the 4,000 draws that quantiles are taken of.

    Returns:
        One row per parameter and input: ``site, dims, size`` (how many numbers), ``median,
        lower_90, upper_90`` (ends of the central 90 %, in the parameter's unit), ``meaning``.
        Evidence of controlled runs follows as sites ``optimum[skill]`` (a log of a ratio of sizes)
        and ``sharpness[skill]``.

    Example:
        >>> from skillscale.data.table import load_table
        >>> from skillscale.law.design import make_design
        >>> described = describe_priors(make_design(load_table("classic"), Spec()), Spec())
        >>> described.loc[[0, 4], ["site", "dims", "size"]]
                        site          dims  size
        0       free_loading  free_loading    32
        4  slope[log_params]  input, skill     4
    """
    rows = []
    for prior in [*_units(spec), *make_priors(design, spec)]:
        if 0 in prior.distribution.shape():  # all benchmarks are anchors
            continue
        draws = np.asarray(prior.distribution.sample(jax.random.key(seed), (4000,)))
        labels = {"slope": design.coords["input"], "effect": COVARIATES}.get(prior.site.name)
        for row, label in enumerate(labels or [None]):
            values = draws if label is None else draws[:, row]
            lower, median, upper = np.quantile(values, [0.05, 0.5, 0.95])
            rows.append(
                {
                    "site": prior.site.name if label is None else f"{prior.site.name}[{label}]",
                    "dims": ", ".join(prior.site.dims),
                    "size": values[0].size,
                    "median": median,
                    "lower_90": lower,
                    "upper_90": upper,
                    "meaning": prior.site.meaning,
                }
            )
    of_evidence = [row for known in spec.evidence for row in _describe_evidence(known)]
    return pd.DataFrame(rows + of_evidence)


def _units(spec: Spec) -> list[Prior]:
    """What the priors of exploratory skills are in units of."""
    if not spec.exploratory or len(spec.skills) < 2:
        return []
    return [Prior(sites_of(Sampled)["squared_unit"], squared_units(spec))]


def _describe_evidence(known: SlopeEvidence) -> list[dict[str, object]]:
    """Rows of what controlled runs say of a skill."""
    from scipy import stats  # half a second

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


def _per_skill(
    unit: Float[Array, " skill"], *priors: NormalPrior, positive: bool = False
) -> dist.Distribution:
    """Normals of shape (prior, skill), cut off at zero if they are of what is positive."""
    mean, sd = (np.array([[getattr(p, name)] for p in priors]) for name in ("mean", "sd"))
    if positive:
        return dist.TruncatedNormal(mean * unit, sd * unit, low=0.0).to_event(2)
    return dist.Normal(mean * unit, sd * unit).to_event(2)


def _expand(prior: LogNormalPrior | NormalPrior, *shape: int) -> dist.Distribution:
    base = (
        dist.LogNormal(jnp.log(prior.median), prior.sigma)
        if isinstance(prior, LogNormalPrior)
        else dist.Normal(prior.mean, prior.sd)
    )
    return base.expand(shape).to_event(len(shape))
