r"""The generative model: efficiencies to skills to scores, and the priors over all of it.

$$\alpha_f \sim \text{lineage} + \text{branch} + \text{family}
+ \delta_k(\text{year})\,\text{instruct} + \rho_k\,\text{year}
+ \kappa_k \sum_{q \le \text{year}} z_{qk}, \qquad
\delta_k(t) = \delta_k + \rho'_k t + \kappa'_k \sum_{q \le t} z'_{qk},$$

$$\theta_{ik} = \alpha_{f(i)k} + g(\log\tfrac{N_i}{N_0}, \log\tfrac{D_i}{D_0}; \beta_k)
+ w_{f(i)k}\log\tfrac{N_i}{N_0} + \varepsilon_{ik}$$

$$y_{ij} = \mu_{ij} + a_{ij}\gamma_{f(i)j} + e_{ij}, \qquad \gamma_{fj} \sim \mathcal N(0, 1),$$

$$a_{ij}^2 = \chi_j^2(\mu_{ij}(1-\mu_{ij}) + 0.01) + (\varsigma_j \mu'_{ij})^2, \qquad
\operatorname{var} e_{ij} = \tfrac{\mu_{ij}(1-\mu_{ij})}{n_j} + \tfrac1{12 n_j^2}
+ \phi_j^2(\mu_{ij}(1-\mu_{ij}) + 0.01) + (\psi_j \mu'_{ij})^2$$

with Student-t tails (see `scores`). Efficiencies are integrated out, and drawn given the skills
once these are known (see `families`). Progress, and what tuning adds, are random walks around a
mean rate, with a step $z_q \sim \mathcal N(0, 1)$ every half year; steps after the last model keep
their prior, so later families are as uncertain as the pace of progress. A missing score is masked:
it is simply absent.
What controlled runs say of slopes is data too, if the specification has any (`slope_evidence`).

| symbol | site | dims |
|---|---|---|
| $\lambda_j$ | `free_loading` (anchors are fixed), `loading` | benchmark, skill |
| $u_k^2$ | `squared_unit`, of exploratory skills only (see `exploratory`) | skill |
| $b_j$, $k_j$, $u_j$ | `intercept`, `asymmetry`, `ceiling_gap` | benchmark |
| $\beta_k$ | `slope` | input, skill |
| $\delta_k, \rho_k, \rho'_k$ | `effect` | covariate, skill |
| $\kappa_k$, $z_{qk}$ | `trend_scale`, `innovation` | skill; period, skill |
| $\kappa'_k$, $z'_{qk}$ | `tuning_trend_scale`, `tuning_innovation` | skill; period, skill |
| $\alpha_f$ | `efficiency` | family, skill |
| $\theta_i$ | `skill` | model, skill |
| $s_L, s_B, s_F$ | `lineage_scale`, `branch_scale`, `family_scale` | skill |
| $s_S, \tau$ | `slope_scale`, `model_scale` | skill |
| $\phi_j, \psi_j$ | `overdispersion`, `discrepancy_spread` | benchmark |
| $\chi_j, \varsigma_j$ | `affinity_overdispersion`, `affinity_spread` | benchmark |
| $\nu$ | `tail` | |
| $\log D$ | `unpublished_log_tokens` | unpublished |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float

from skillscale.law.design import Design, Observations
from skillscale.law.exploratory import units
from skillscale.law.families import EfficiencyNormal, SkillNormal, Tree
from skillscale.law.likelihood import FamilyStudentT
from skillscale.law.priors import make_priors, squared_units
from skillscale.law.production import gain
from skillscale.law.scores import scatter
from skillscale.law.sites import SCALES, Benchmarks, Growth, Noise, build
from skillscale.law.slope_evidence import log_likelihood
from skillscale.law.spec import Spec


def make_model(design: Design, spec: Spec) -> Callable[[Observations], None]:
    """NumPyro model of a design, as a function of the observations alone.

    Its equations and their sources stand at the top of this module and of those it names. Folds
    share its compiled program: they differ in ``Observations.is_observed`` only.

    Args:
        design: arrays and names of a table.
        spec: skills, priors and evidence.

    Returns:
        The model: it samples the sites of the table there, and has ``score`` as its data.

    Example:
        >>> from numpyro.handlers import seed, trace
        >>> from skillscale.data.table import load_table
        >>> from skillscale.law.design import make_design
        >>> spec = Spec(("knowledge",), ("mmlu",), benchmarks=("mmlu",))
        >>> design = make_design(load_table("classic").select(families=["llama", "llama-2"]), spec)
        >>> sites = trace(seed(make_model(design, spec), 0)).get_trace(design.observations)
        >>> sites["efficiency"]["value"].shape, sites["score"]["is_observed"]
        ((2, 1), True)
    """
    one = jnp.ones(len(spec.skills))
    unpublished = design.unpublished
    of_skill = [(known, spec.skill_index(known.skill)) for known in spec.evidence]

    def model(observations: Observations) -> None:
        unit, own_loading = one, one
        if spec.exploratory:
            unit, own_loading = units(_drawn("squared_unit", squared_units(spec)))
        priors = make_priors(design, spec, unit)
        drawn = {p.site.name: _drawn(p.site.name, p.distribution) for p in priors}
        drawn |= per_skill(drawn, unit)
        log_tokens = _drawn(
            "unpublished_log_tokens",
            dist.Normal(
                observations.log_tokens[unpublished], observations.log_tokens_sd[unpublished]
            ),
        )
        growth = build(Growth, drawn)
        log_tokens = observations.log_tokens.at[unpublished].set(log_tokens)
        of_family, skills = skills_of_models(spec.form, growth, observations, log_tokens)
        skill = numpyro.sample("skill", skills)
        numpyro.sample("efficiency", EfficiencyNormal(of_family, skills, skill))
        loading = loading_matrix(drawn["free_loading"], own_loading, design)
        drawn["loading"] = numpyro.deterministic("loading", loading)
        benchmarks = build(Benchmarks, drawn)
        noise = build(Noise, drawn)
        expected_scores = scatter(
            benchmarks, noise, skill, observations.chance, observations.n_items
        )
        scores = FamilyStudentT(
            noise.tail, expected_scores, observations.is_observed, observations.in_family
        )
        numpyro.sample("score", scores, obs=observations.score)
        if of_skill:
            slope = growth.slope
            terms = [log_likelihood(known, slope[:, skill]) for known, skill in of_skill]
            numpyro.factor("evidence", sum(terms))

    return model


def skills_of_models(
    form: str, growth: Growth, observations: Observations, log_tokens: Float[Array, " model"]
) -> tuple[Float[Array, "family skill"], SkillNormal]:
    """What the law expects of every family, and the joint density of all models' skills.

    Args:
        form: production function.
        growth: one draw of how skills come about.
        observations: the arrays of a table.
        log_tokens: centred log tokens of every model.

    Returns:
        Expected efficiencies, and the density with all that models share integrated out.
    """
    of_families, own = split_covariates(observations)
    of_family = of_families @ growth.effects
    gained = gain(form, growth.slope, observations.log_params, log_tokens)
    expected = observations.in_family @ of_family + gained + own @ growth.effects
    tree = Tree(
        observations.in_family,
        observations.in_branch,
        observations.in_lineage,
        observations.log_params,
        observations.is_seen,
    )
    return of_family, SkillNormal(expected, growth.scales, tree)


def _drawn(site: str, distribution: dist.Distribution) -> Array:
    """A value of the site; nothing is sampled where it has no entries."""
    shape = distribution.shape()
    if 0 in shape:  # all benchmarks are anchors, or all token counts published
        return jnp.zeros(shape)
    return numpyro.sample(site, distribution)


def split_covariates(
    observations: Observations,
) -> tuple[Float[Array, "family covariate"], Float[Array, "model covariate"]]:
    """Covariates of a family (the mean of its models') and what each model differs from them."""
    member = observations.in_family
    of_family = member.T @ observations.covariates / member.size[:, None]
    return of_family, observations.covariates - member @ of_family


def loading_matrix(
    free: Float[Array, " free"], own: Float[Array, " skill"], design: Design
) -> Float[Array, "benchmark skill"]:
    """Loadings of all benchmarks: of anchors on their own skill, and the free ones."""
    return jnp.where(design.is_anchor, own, 0.0).at[design.is_free.nonzero()].set(free)


def per_skill(
    params: Mapping[str, Array], unit: Float[Array, " skill"]
) -> dict[str, Float[Array, " skill"]]:
    """Scales of every skill in its unit: those of exploratory skills are one number by itself."""
    return {site: params[site] * unit for site in SCALES}
