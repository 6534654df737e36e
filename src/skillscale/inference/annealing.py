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
FINAL = 30
LEAPS = 5
LEAP_SIZES = (0.2, 0.5)
"""In standard deviations of all chains; every trajectory has its own."""
RIDGE = 1e-4


class NormalPrior(NamedTuple):
    """Independent normals."""

    mean: Float[np.ndarray, " parameter"]
    sd: Float[np.ndarray, " parameter"]


def draw_each(
    log_likelihood: LogLikelihood, data: Any, shared: Any, prior: NormalPrior, key: Array
) -> Float[np.ndarray, "posterior parameter"]:
    """Draw once from each of many posteriors, which should resemble each other.

    Args:
        log_likelihood: of one posterior.
        data: data of the posteriors, arrays with a leading axis. There should be a hundred of them
            or more, for they learn their scales together.
        shared: data that are the same for all.
        prior: the prior of all.
        key: source of randomness.

    Example:
        >>> from jax.scipy.stats import norm
        >>> prior = NormalPrior(np.zeros(1), np.ones(1))
        >>> seen = jnp.linspace(-2, 2, 400)
        >>> draws = draw_each(
        ...     lambda z, y, sd: norm.logpdf(y, z[0], sd), seen, 1.0, prior, jax.random.key(0)
        ... )
        >>> bool(abs((draws[:, 0] - seen / 2).std() - 0.5**0.5) < 0.1)
        True
    """
    mean, sd = (jnp.asarray(part, jnp.float32) for part in prior)
    draws = _run(log_likelihood, data, shared, mean, sd, key)
    return np.asarray(draws, np.float64)


@partial(jax.jit, static_argnames="log_likelihood")
def _run(
    log_likelihood: LogLikelihood, data: Any, shared: Any, mean: Array, sd: Array, key: Array
) -> Float[Array, "posterior parameter"]:
    """Run all chains, in the coordinates in which the prior is standard."""

    def log_density(z: Array, datum: Any, weight: Array) -> Array:
        return weight * log_likelihood(mean + sd * z, datum, shared) - 0.5 * z @ z

    climb = jax.vmap(jax.value_and_grad(log_density), (0, 0, None))
    kicks = jnp.ones(LEAPS + 1).at[jnp.array([0, -1])].set(0.5)
    drifts = jnp.ones(LEAPS + 1).at[-1].set(0)

    def step(carry: tuple[Array, Array], given: tuple[Array, ...]) -> tuple[tuple, None]:
        z, root = carry
        weight, is_adapted, key = given
        root = jnp.where(is_adapted, _root(z), root)
        key_momentum, key_size, key_accept = jax.random.split(key, 3)
        size = jax.random.uniform(key_size, (n, 1), minval=LEAP_SIZES[0], maxval=LEAP_SIZES[1])

        def leap(state: tuple[Array, Array], given: tuple[Array, Array]) -> tuple[tuple, Array]:
            point, momentum = state
            kick, drift = given
            value, force = climb(point, data, weight)
            momentum = momentum + kick * size * force @ root
            return (point + drift * size * momentum @ root.T, momentum), value

        start = jax.random.normal(key_momentum, z.shape)
        (point, end), values = jax.lax.scan(leap, (z, start), (kicks, drifts))
        log_ratio = values[-1] - values[0] + 0.5 * (start**2 - end**2).sum(axis=1)
        log_uniform = jnp.log(jax.random.uniform(key_accept, (n,)))
        is_accepted = log_uniform < jnp.nan_to_num(log_ratio, nan=-jnp.inf)
        return (jnp.where(is_accepted[:, None], point, z), root), None

    n = len(jax.tree.leaves(data)[0])
    key_start, key_steps = jax.random.split(key)
    z = jax.random.normal(key_start, (n, len(mean)))
    full = ADAPTED + FINAL
    weights = jnp.concatenate([jnp.geomspace(FIRST_WEIGHT, 1, ANNEALED), jnp.ones(full)])
    is_adapted = jnp.arange(len(weights)) < ANNEALED + ADAPTED
    schedule = (weights, is_adapted, jax.random.split(key_steps, len(weights)))
    (z, _), _ = jax.lax.scan(step, (z, jnp.eye(len(mean))), schedule)
    return mean + sd * z


def _root(z: Float[Array, "posterior parameter"]) -> Float[Array, "parameter parameter"]:
    """Root of the covariance of all chains."""
    size = z.shape[1]
    return jnp.linalg.cholesky(jnp.cov(z.T).reshape(size, size) + RIDGE * jnp.eye(size))
