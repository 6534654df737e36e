"""Scores of all models as one distribution, to sample from and to condition on (see `scores`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float
from numpyro.distributions import constraints

from skillscale.law.membership import OneHot
from skillscale.law.scores import Scatter, log_prob, pool


class FamilyStudentT(dist.Distribution):
    """Scores of all models on all benchmarks, with the families' affinities integrated out.

    Args:
        tail: degrees of freedom.
        expected: scatter of the models.
        is_observed: which scores count in the density.
        in_family: the family of every model.

    >>> one = Scatter(*(jnp.full((1, 1), value) for value in (0.5, 0.01, 0.0, 0.0)))
    >>> alone = FamilyStudentT(jnp.array(3.0), one, jnp.ones((1, 1), bool), jnp.ones((1, 1)))
    >>> bool(jnp.isclose(alone.log_prob(0.6), dist.StudentT(3.0, 0.5, 0.1).log_prob(0.6))[()])
    True
    """

    support = constraints.real_matrix
    pytree_data_fields = ("tail", "expected", "is_observed", "in_family")

    def __init__(
        self,
        tail: Float[Array, ""],
        expected: Scatter,
        is_observed: Bool[Array, "benchmark model"],
        in_family: OneHot | Float[Array, "model family"],
    ):
        self.tail = tail
        self.expected = expected
        self.is_observed = is_observed
        self.in_family = in_family
        super().__init__(batch_shape=(), event_shape=jnp.shape(expected.mean))

    def sample(
        self, key: Array | None = None, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "*s benchmark model"]:
        """Draw affinities, then scores around them."""
        if key is None:
            raise ValueError("FamilyStudentT.sample needs a key.")
        key_affinity, key_own, key_tail = jax.random.split(key, 3)
        n_benchmark, n_model = self.event_shape
        families = (*sample_shape, n_benchmark, self.in_family.shape[1])
        affinity = jax.random.normal(key_affinity, families) @ self.in_family.T
        own = jax.random.normal(key_own, (*sample_shape, n_benchmark, n_model))
        chi2 = 2 * jax.random.gamma(key_tail, self.tail / 2, families)
        stretch = jnp.sqrt(self.tail / chi2) @ self.in_family.T
        expected = self.expected
        deviation = expected.affinity * affinity + jnp.sqrt(expected.own) * own
        return expected.mean + stretch * deviation

    def log_prob(
        self, value: Float[Array, "benchmark model"], intermediates: None = None
    ) -> Float[Array, ""]:
        """Log density of the observed scores."""
        evidence = pool(self.expected, value, self.is_observed, self.in_family)
        return log_prob(evidence, self.tail).sum()
