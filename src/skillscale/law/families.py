r"""Efficiencies of families that share lineages, and skills of models that share a family.

$$\alpha_f = \text{loc}_f + L_{\ell(f)} + F_f, \qquad
L_\ell \sim \mathcal N(0, s_L^2), \quad F_f \sim \mathcal N(0, s_F^2)$$

$$\theta_i = \text{loc}_i + w_{f(i)} \log\tfrac{N_i}{N_0} + \varepsilon_i, \qquad
w_f \sim \mathcal N(0, s_S^2), \quad \varepsilon_i \sim \mathcal N(0, \tau^2)$$

The lineage effects $L$ and the families' own slopes $w$ are integrated out: given the rest they are
Gaussian, so sampling them would only add directions that are hard to explore.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import constraints


class LineageNormal(dist.Distribution):
    """Joint density of all families' efficiencies with lineage effects integrated out.

    Args:
        loc: mean of every family's efficiency.
        lineage_scale: standard deviation of lineage effects, per skill.
        family_scale: standard deviation of families within a lineage, per skill.
        membership: one-hot matrix of the lineage that each family descends from.

    >>> one = LineageNormal(jnp.zeros((2, 1)), jnp.ones(1), jnp.ones(1), jnp.ones((2, 1)))
    >>> round(float(one.log_prob(jnp.array([[0.5], [-0.5]]))), 4)
    -2.6372
    """

    support = constraints.real_matrix
    pytree_data_fields = ("loc", "lineage_scale", "family_scale", "membership")

    def __init__(
        self,
        loc: Float[Array, "family skill"],
        lineage_scale: Float[Array, " skill"],
        family_scale: Float[Array, " skill"],
        membership: Float[Array, "family lineage"],
    ):
        self.loc = loc
        self.lineage_scale = lineage_scale
        self.family_scale = family_scale
        self.membership = membership
        super().__init__(batch_shape=(), event_shape=jnp.shape(loc))

    @property
    def mean(self) -> Float[Array, "family skill"]:
        """The location."""
        return self.loc

    def sample(
        self, key: Array | None = None, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "*s family skill"]:
        """Draw lineage effects, then families around them."""
        if key is None:
            raise ValueError("LineageNormal.sample needs a key.")
        key_lineage, key_family = jax.random.split(key)
        n_family, n_skill = self.event_shape
        n_lineage = self.membership.shape[-1]
        lineage = jax.random.normal(key_lineage, (*sample_shape, n_lineage, n_skill))
        family = jax.random.normal(key_family, (*sample_shape, n_family, n_skill))
        return (
            self.loc + self.membership @ (self.lineage_scale * lineage) + self.family_scale * family
        )

    def log_prob(self, value: Float[Array, "family skill"], intermediates: None = None) -> Array:
        """Log density, by splitting each lineage into its mean and the deviations from it."""
        size = self.membership.sum(axis=0)[:, None]
        residual = value - self.loc
        lineage_mean = self.membership.T @ residual / size
        deviation = residual - self.membership @ lineage_mean
        mean_variance = self.lineage_scale**2 + self.family_scale**2 / size
        n_family, n_lineage = self.membership.shape
        within = -0.5 * jnp.sum((deviation / self.family_scale) ** 2) - (
            n_family - n_lineage
        ) * jnp.sum(jnp.log(self.family_scale))
        between = -0.5 * jnp.sum(
            lineage_mean**2 / mean_variance + jnp.log(mean_variance) + jnp.log(size)
        )
        constant = -0.5 * jnp.log(2 * jnp.pi) * residual.size
        return within + between + constant


class FamilySlopeNormal(dist.Distribution):
    """Joint density of all models' skills with the families' own slopes in size integrated out.

    Args:
        loc: mean of every model's skill.
        model_scale: standard deviation of models within a family, per skill.
        slope_scale: standard deviation of families' slopes, per skill.
        log_params: centred log size of every model.
        membership: one-hot matrix of the family of every model.

    >>> half, one = jnp.array([0.6]), jnp.ones((1, 1))
    >>> alone = FamilySlopeNormal(0 * one, half, jnp.array([0.4]), jnp.array([2.0]), one)
    >>> bool(jnp.isclose(alone.log_prob(0.5 * one), dist.Normal().log_prob(0.5)))
    True
    """

    support = constraints.real_matrix
    pytree_data_fields = ("loc", "model_scale", "slope_scale", "log_params", "membership")

    def __init__(
        self,
        loc: Float[Array, "model skill"],
        model_scale: Float[Array, " skill"],
        slope_scale: Float[Array, " skill"],
        log_params: Float[Array, " model"],
        membership: Float[Array, "model family"],
    ):
        self.loc = loc
        self.model_scale = model_scale
        self.slope_scale = slope_scale
        self.log_params = log_params
        self.membership = membership
        super().__init__(batch_shape=(), event_shape=jnp.shape(loc))

    @property
    def mean(self) -> Float[Array, "model skill"]:
        """The location."""
        return self.loc

    def sample(
        self, key: Array | None = None, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "*s model skill"]:
        """Draw slopes, then models around them."""
        if key is None:
            raise ValueError("FamilySlopeNormal.sample needs a key.")
        key_slope, key_model = jax.random.split(key)
        n_model, n_skill = self.event_shape
        n_family = self.membership.shape[1]
        slope = self.slope_scale * jax.random.normal(key_slope, (*sample_shape, n_family, n_skill))
        own = self.model_scale * jax.random.normal(key_model, (*sample_shape, n_model, n_skill))
        return self.loc + self.log_params[:, None] * (self.membership @ slope) + own

    def log_prob(
        self, value: Float[Array, "model skill"], intermediates: None = None
    ) -> Float[Array, ""]:
        """Log density, by the matrix inversion lemma within every family."""
        residual = (value - self.loc) / self.model_scale
        ratio = (self.slope_scale / self.model_scale) ** 2
        pull = self.membership.T @ (self.log_params[:, None] * residual)
        spread = 1 + ratio * (self.membership.T @ self.log_params**2)[:, None]
        distance = jnp.sum(residual**2) - jnp.sum(ratio * pull**2 / spread)
        log_scale = len(value) * jnp.sum(jnp.log(self.model_scale)) + jnp.sum(jnp.log(spread)) / 2
        return -0.5 * distance - log_scale - 0.5 * jnp.log(2 * jnp.pi) * residual.size
