r"""Skills of models that share families and lineages, and the efficiencies of families given them.

$$\theta_i = \text{loc}_i + L_{\ell(i)} + B_{b(i)} + F_{f(i)} + w_{f(i)} \log\tfrac{N_i}{N_0}
+ \varepsilon_i,$$

$$L_\ell \sim \mathcal N(0, s_L^2), \quad B_b \sim \mathcal N(0, s_B^2), \quad
F_f \sim \mathcal N(0, s_F^2), \quad
w_f \sim \mathcal N(0, s_S^2), \quad \varepsilon_i \sim \mathcal N(0, \tau^2)$$

The branches of a lineage are its base and its tuned families: these share what tuning did to them.
Effects of lineages, branches and families and the families' own slopes are integrated out: given
the skills they are Gaussian, so sampling them would only add directions that are hard to explore.
Where most families are a single model, a sampler could not tell their scales from the model's.

With $\Sigma = \tau^2 I$ at first, slopes, families, branches and lineages each add $s^2 u u^\top$,
by

$$v^\top (\Sigma + s^2 u u^\top)^{-1} r = v^\top\Sigma^{-1}r
- \frac{s^2\, (v^\top\Sigma^{-1}u)(u^\top\Sigma^{-1}r)}{1 + s^2\, u^\top\Sigma^{-1}u}, \qquad
|\Sigma + s^2 u u^\top| = |\Sigma| (1 + s^2\, u^\top\Sigma^{-1}u).$$
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float
from numpyro.distributions import constraints

from skillscale.law.membership import OneHot
from skillscale.law.sites import Scales


class Tree(NamedTuple):
    """How models descend: each from a family, this from a branch, and this from a lineage."""

    in_family: OneHot
    in_branch: OneHot
    in_lineage: OneHot
    log_params: Float[Array, " model"]
    """Centred log size of every model."""
    is_seen: Bool[Array, " model"]
    """Whether it has a score. Nothing is said of the others, which are integrated out: sampled
    where nothing but the law tells them, they would be a ridge across all that it has of them."""


class Pull(NamedTuple):
    r"""What residuals $r$ of a group's models say of an effect $u$ that they share.

    Attributes:
        information: $u^\top\Sigma^{-1}u$.
        pull: $u^\top\Sigma^{-1}r$.
    """

    information: Float[Array, "group skill"]
    pull: Float[Array, "group skill"]

    def shrinkage(self, scale: Float[Array, " skill"]) -> Float[Array, "group skill"]:
        r"""$1 + s^2\,u^\top\Sigma^{-1}u$: by how much the effect's variance falls."""
        return 1 + scale**2 * self.information

    def after(self, scale: Float[Array, " skill"]) -> Pull:
        """The same, where the effect itself has been integrated out."""
        shrinkage = self.shrinkage(scale)
        return Pull(self.information / shrinkage, self.pull / shrinkage)

    def of_groups(self, member: OneHot) -> Pull:
        """What the residuals of all members of a group say of an effect that they share."""
        return Pull(member.T @ self.information, member.T @ self.pull)

    def given(self, effect: Float[Array, "group skill"]) -> Pull:
        """The same, where a part of the effect is known."""
        return self._replace(pull=self.pull - self.information * effect)

    def explained(self, scale: Float[Array, " skill"]) -> Float[Array, ""]:
        """What integrating the effect out adds to the log density."""
        shrinkage = self.shrinkage(scale)
        return jnp.sum(scale**2 * self.pull**2 / shrinkage - jnp.log(shrinkage)) / 2

    def draw(self, scale: Float[Array, " skill"], key: Array) -> Float[Array, "group skill"]:
        """The effect, given the residuals."""
        variance = scale**2 / self.shrinkage(scale)
        return variance * self.pull + jnp.sqrt(variance) * jax.random.normal(key, variance.shape)


class SkillNormal(dist.Distribution):
    """Joint density of all models' skills, with everything that they share integrated out.

    Args:
        loc: mean of every model's skill.
        scales: of lineages, families, slopes and models.
        tree: how the models descend.

    >>> half, of = jnp.full((1, 1), 0.5), OneHot.of(["a"], ["a"])
    >>> tree = Tree(of, of, of, jnp.ones(1), jnp.array([True]))
    >>> alone = SkillNormal(0 * half, Scales(*[half[0]] * 5), tree)
    >>> bool(jnp.isclose(alone.log_prob(half), dist.Normal(0, 1.25**0.5).log_prob(0.5)))
    True
    """

    support = constraints.real_matrix
    pytree_data_fields = ("loc", "scales", "tree")

    def __init__(self, loc: Float[Array, "model skill"], scales: Scales, tree: Tree):
        self.loc = loc
        self.scales = scales
        self.tree = tree
        super().__init__(batch_shape=(), event_shape=jnp.shape(loc))

    @property
    def mean(self) -> Float[Array, "model skill"]:
        """The location."""
        return self.loc

    def sample(
        self, key: Array | None = None, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "*s model skill"]:
        """Draw lineages, branches and families around them, their slopes, and models."""
        if key is None:
            raise ValueError("SkillNormal.sample needs a key.")
        scales, (in_family, in_branch, in_lineage, log_params, _) = self.scales, self.tree
        n_model, n_skill = self.event_shape
        (n_family, n_branch), n_lineage = in_branch.shape, in_lineage.shape[1]
        sizes = (n_lineage, n_branch, n_family, n_family, n_model)
        lineage, branch, family, slope, own = (
            jax.random.normal(key, (*sample_shape, size, n_skill))
            for key, size in zip(jax.random.split(key, 5), sizes, strict=True)
        )
        of_branch = in_lineage @ (scales.lineage * lineage) + scales.branch * branch
        efficiency = in_branch @ of_branch + scales.family * family
        slopes = log_params[:, None] * (in_family @ (scales.slope * slope))
        return self.loc + in_family @ efficiency + slopes + scales.model * own

    def log_prob(
        self, value: Float[Array, "model skill"], intermediates: None = None
    ) -> Float[Array, ""]:
        """Log density, by the equations at the top of this module."""
        scales = self.scales
        residual = value - self.loc
        slope, family = self.of_families(residual)
        branch = self.of_branches(family)
        lineage = self.of_lineages(branch)
        is_seen = self.tree.is_seen[:, None]
        alone = dist.Normal(0, jnp.where(is_seen, scales.model, 1)).log_prob(
            jnp.where(is_seen, residual, value)
        )
        return (
            alone.sum()
            + slope.explained(scales.slope)
            + family.explained(scales.family)
            + branch.explained(scales.branch)
            + lineage.explained(scales.lineage)
        )

    def given_others(
        self, value: Float[Array, "model skill"]
    ) -> tuple[Float[Array, "model skill"], Float[Array, "model skill"]]:
        r"""Mean and variance of the skills of every seen model, given those of all others.

        With the joint precision $Q$ these are $\theta_i - (Q(\theta - m))_i / Q_{ii}$ and
        $1 / Q_{ii}$; every effect $u$ that is integrated out takes
        $s^2 (\Sigma^{-1}u)_i^2 / (1 + s^2\,u^\top\Sigma^{-1}u)$ from $Q_{ii}$.
        """
        scales, (in_family, in_branch, in_lineage, log_params, is_seen) = self.scales, self.tree
        slope, family = self.of_families(value - self.loc)
        branch = self.of_branches(family)
        lineage = self.of_lineages(branch)
        log_params, precision = log_params[:, None], scales.model**-2
        taken = scales.slope**2 / slope.shrinkage(scales.slope) * precision**2
        total = in_family.T @ (log_params * is_seen[:, None])
        own = precision - (in_family @ taken) * log_params**2
        shared = precision - (in_family @ (taken * total)) * log_params
        of_levels = (
            (scales.family, family.shrinkage(scales.family)),
            (scales.branch, in_branch @ branch.shrinkage(scales.branch)),
            (scales.lineage, in_branch @ (in_lineage @ lineage.shrinkage(scales.lineage))),
        )
        for scale, of_family in of_levels:
            shrinkage = in_family @ of_family
            own = own - scale**2 * shared**2 / shrinkage
            shared = shared / shrinkage
        return value + jax.grad(self.log_prob)(value) / own, 1 / own

    def of_families(self, residual: Float[Array, "model skill"]) -> tuple[Pull, Pull]:
        """What residuals say of families' slopes, and then of their effects."""
        scales, (in_family, _, _, log_params, is_seen) = self.scales, self.tree
        precision = scales.model**-2
        residual, log_params = residual * is_seen[:, None], log_params * is_seen
        size = (in_family.T @ is_seen.astype(log_params.dtype))[:, None]
        total = (in_family.T @ log_params)[:, None]
        square = (in_family.T @ log_params**2)[:, None]
        slope = Pull(
            precision * square, precision * (in_family.T @ (log_params[:, None] * residual))
        )
        shared = scales.slope**2 / slope.shrinkage(scales.slope) * precision * total
        family = Pull(
            precision * (size - shared * total),
            precision * (in_family.T @ residual) - shared * slope.pull,
        )
        return slope, family

    def of_branches(self, family: Pull) -> Pull:
        """What residuals say of branches' effects."""
        return family.after(self.scales.family).of_groups(self.tree.in_branch)

    def of_lineages(self, branch: Pull) -> Pull:
        """What residuals say of lineages' effects."""
        return branch.after(self.scales.branch).of_groups(self.tree.in_lineage)


class EfficiencyNormal(dist.Distribution):
    """Efficiencies of all families, given the skills of their models.

    Args:
        loc: what the law expects of every family.
        skills: the density of the skills.
        skill: the skills.
    """

    support = constraints.real_matrix
    pytree_data_fields = ("loc", "skills", "skill")

    def __init__(
        self,
        loc: Float[Array, "family skill"],
        skills: SkillNormal,
        skill: Float[Array, "model skill"],
    ):
        self.loc = loc
        self.skills = skills
        self.skill = skill
        super().__init__(batch_shape=(), event_shape=jnp.shape(loc))

    def sample(
        self, key: Array | None = None, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "family skill"]:
        """Draw lineages given all their models, then branches and families given their own."""
        if key is None or sample_shape:
            raise ValueError("EfficiencyNormal.sample needs a key, and draws once.")
        scales, tree = self.skills.scales, self.skills.tree
        key_lineage, key_branch, key_family = jax.random.split(key, 3)
        _, family = self.skills.of_families(self.skill - self.skills.loc)
        branch = self.skills.of_branches(family)
        lineage = self.skills.of_lineages(branch).draw(scales.lineage, key_lineage)
        known = tree.in_lineage @ lineage
        known = tree.in_branch @ (known + branch.given(known).draw(scales.branch, key_branch))
        return self.loc + known + family.given(known).draw(scales.family, key_family)
