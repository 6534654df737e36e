r"""One draw of each of many small posteriors much alike, by annealed Hamiltonian Monte Carlo.

Posterior $i$ has the normal prior that all share, and a likelihood of its own,

$$p_i(z) \propto \mathcal N(z; m, \operatorname{diag} s^2)\, L_i(z)^w.$$

One chain runs in each. All begin in the prior, and the weight $w$ rises from near zero to one
(Neal 2001), so that no mode has to be found. All chains together tell the scales and correlations
in which to move. Those are fixed before the last steps, which leave every posterior as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LogLikelihood = Callable[[Float[Array, " parameter"], Any, Any], Float[Array, ""]]
"""From parameters, one posterior's data and what all share to its log likelihood."""

ANNEALED = 25
"""Steps in which the likelihood gains weight."""
FIRST_WEIGHT = 1e-3
ADAPTED = 10
"""Steps at its full weight in which scales are still learned."""
FINAL = 50
LEAPS = 5
LEAP_SIZES = (0.02, 0.4)
"""In standard deviations of all chains, every trajectory its own: with none but long ones, chains
that have found little scatter stayed there."""
RIDGE = 1e-4


class IndependentNormals(NamedTuple):
    """Independent normals."""

    mean: Float[np.ndarray, " parameter"]
    sd: Float[np.ndarray, " parameter"]


class Noise(NamedTuple):
    """All randomness of a run."""

    normal: Float[Array, "start+step posterior parameter"]
    """Where chains start, then their momenta."""
    leap_size: Float[Array, "step posterior 1"]
    log_uniform: Float[Array, "step posterior"]


def draw_each(
    log_likelihood: LogLikelihood,
    data: Any,
    shared: Any,
    prior: IndependentNormals,
    rng: np.random.Generator,
) -> Float[np.ndarray, "posterior parameter"]:
    """Draw once from each of many posteriors, which should resemble each other.

    Args:
        log_likelihood: of one posterior.
        data: data of the posteriors, arrays with a leading axis. There should be a hundred of them
            or more, for they learn their scales together.
        shared: data that are the same for all.
        prior: the prior of all.
        rng: source of randomness.

    Returns:
        One draw of every posterior, in their order.

    Example:
        >>> from jax.scipy.stats import norm
        >>> prior = IndependentNormals(np.zeros(1), np.ones(1))
        >>> seen = jnp.linspace(-2, 2, 400)
        >>> rng = np.random.default_rng(0)
        >>> draws = draw_each(
        ...     lambda z, y, sd: norm.logpdf(y, z[0], sd), seen, 1.0, prior, rng
        ... )
        >>> bool(abs((draws[:, 0] - seen / 2).std() - 0.5**0.5) < 0.1)
        True
    """
    n, n_steps = len(jax.tree.leaves(data)[0]), ANNEALED + ADAPTED + FINAL
    shape = (n_steps + 1, n, len(prior.mean))
    # NumPy's randomness: JAX would compile for a second longer.
    normal = rng.standard_normal(shape, np.float32)
    leap_size = rng.uniform(*LEAP_SIZES, (n_steps, n, 1))
    log_uniform = np.log(rng.uniform(size=(n_steps, n)))
    noise = Noise(*(jnp.asarray(part, jnp.float32) for part in (normal, leap_size, log_uniform)))
    mean, sd = (jnp.asarray(part, jnp.float32) for part in prior)
    return np.asarray(_run(log_likelihood, data, shared, mean, sd, noise), np.float64)


@partial(jax.jit, static_argnames="log_likelihood")
def _run(
    log_likelihood: LogLikelihood, data: Any, shared: Any, mean: Array, sd: Array, noise: Noise
) -> Float[Array, "posterior parameter"]:
    """Run all chains, in the coordinates in which the prior is standard."""

    def log_density(z: Array, datum: Any, weight: Array) -> Array:
        return weight * log_likelihood(mean + sd * z, datum, shared) - 0.5 * z @ z

    climb = jax.vmap(jax.value_and_grad(log_density), (0, 0, None))
    kicks = jnp.ones(LEAPS + 1).at[jnp.array([0, -1])].set(0.5)
    drifts = jnp.ones(LEAPS + 1).at[-1].set(0)

    def step(carry: tuple[Array, Array], given: tuple[Array, ...]) -> tuple[tuple, None]:
        z, root = carry
        weight, is_adapted, start, size, log_uniform = given
        root = jnp.where(is_adapted, _root(z), root)

        def leap(state: tuple[Array, Array], given: tuple[Array, Array]) -> tuple[tuple, Array]:
            point, momentum = state
            kick, drift = given
            value, force = climb(point, data, weight)
            momentum = momentum + kick * size * force @ root
            return (point + drift * size * momentum @ root.T, momentum), value

        (point, end), values = jax.lax.scan(leap, (z, start), (kicks, drifts))
        log_ratio = values[-1] - values[0] + 0.5 * (start**2 - end**2).sum(axis=1)
        is_accepted = log_uniform < jnp.nan_to_num(log_ratio, nan=-jnp.inf)
        return (jnp.where(is_accepted[:, None], point, z), root), None

    z, momenta = noise.normal[0], noise.normal[1:]
    weights = jnp.concatenate([jnp.geomspace(FIRST_WEIGHT, 1, ANNEALED), jnp.ones(ADAPTED + FINAL)])
    is_adapted = jnp.arange(len(weights)) < ANNEALED + ADAPTED
    schedule = (weights, is_adapted, momenta, noise.leap_size, noise.log_uniform)
    (z, _), _ = jax.lax.scan(step, (z, jnp.eye(len(mean))), schedule)
    return mean + sd * z


def _root(z: Float[Array, "posterior parameter"]) -> Float[Array, "parameter parameter"]:
    """Root of the covariance of all chains."""
    size = z.shape[1]
    return jnp.linalg.cholesky(jnp.cov(z.T).reshape(size, size) + RIDGE * jnp.eye(size))
