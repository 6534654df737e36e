"""Sample many small posteriors at once: their modes by Newton steps, then NUTS around each.

Small posteriors of one form, such as the surfaces of many losses, share one compiled program. Each
is sampled in the coordinates in which its curvature at the mode is round, so that short
trajectories do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float

from skillscale.errors import require_at_least, require_probability

Energy = Callable[[Float[Array, " parameter"], Any], Float[Array, ""]]
"""Minus a log posterior density, from parameters and one problem's data."""

BATCH = 16
"""Posteriors sampled together: each waits for the longest trajectory among them."""
NEWTON_STEPS = 80
LONGEST_STEP = 1.0
SMALLEST_CURVATURE = 0.5
"""Every prior is at least this precise in units of its parameters' scales."""
POORLY_SAMPLED, MOST_RETRIES = 1.05, 2
"""R-hat from which a posterior is sampled again, and how often: the step size of a chain, found at
random, was too long for a narrow place."""
STEP_SHRINKAGES = 0.5 ** np.arange(0, 12, 2)


@dataclass(frozen=True)
class ManyNuts:
    """Options of the sampler: NUTS (Hoffman and Gelman 2014, arXiv:1111.4246), of many posteriors.

    Attributes:
        chains: chains per posterior.
        warmup: steps per chain in which the step size adapts.
        draws: draws kept per chain.
        target_accept: acceptance rate that the step size adapts to.
        max_tree_depth: longest trajectory, ``2 ** max_tree_depth`` gradients.

    Example:
        >>> quick = ManyNuts(warmup=50, draws=50)
        >>> quick.chains * quick.draws
        100
    """

    chains: int = 2
    warmup: int = 250
    draws: int = 400
    target_accept: float = 0.9
    max_tree_depth: int = 7

    def __post_init__(self) -> None:
        require_at_least(self, chains=1, warmup=1, draws=1, max_tree_depth=1)
        require_probability(self, "target_accept")


class Modes(NamedTuple):
    """Where posteriors are highest, and how they curve there."""

    mode: Float[np.ndarray, "problem parameter"]
    covariance_root: Float[np.ndarray, "problem parameter parameter"]

    @property
    def covariance(self) -> Float[np.ndarray, "problem parameter parameter"]:
        """Covariance of the normal approximation at every mode."""
        return np.asarray(self.covariance_root @ self.covariance_root.transpose(0, 2, 1))


class Draws(NamedTuple):
    """Draws of every posterior."""

    flat: Float[np.ndarray, "problem chain draw parameter"]
    is_diverging: Bool[np.ndarray, "problem chain draw"]


def find_modes(energy: Energy, data: Any, start: Float[np.ndarray, "problem parameter"]) -> Modes:
    """Climb to the modes of many posteriors, by Newton steps with curvatures made positive.

    Args:
        energy: minus the log posterior density of one problem.
        data: data of the problems, arrays with a leading problem axis.
        start: where to begin.

    Returns:
        The mode of every problem, and a root of the covariance of the normal approximation there.
    """
    point = np.asarray(start, np.float64)
    values, _, _ = _derivatives(energy, data, point)
    for _ in range(NEWTON_STEPS):
        _, gradient, hessian = _derivatives(energy, data, point)
        eigenvalues, vectors = np.linalg.eigh(hessian)
        curvature = np.maximum(np.abs(eigenvalues), SMALLEST_CURVATURE)
        along = np.einsum("spq,sp->sq", vectors, gradient) / curvature
        step = -np.einsum("spq,sq->sp", vectors, along)
        step /= np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True) / LONGEST_STEP)
        tried = point + STEP_SHRINKAGES[:, None, None] * step
        heights = np.stack([_values(energy, data, t) for t in tried])
        best = heights.argmin(axis=0)
        everyone = np.arange(len(point))
        better = heights[best, everyone] < values
        point = np.where(better[:, None], tried[best, everyone], point)
        gain = np.where(better, values - heights[best, everyone], 0.0)
        values = np.where(better, heights[best, everyone], values)
        if gain.max() < 1e-3:
            break
    _, _, hessian = _derivatives(energy, data, point)
    eigenvalues, vectors = np.linalg.eigh(hessian)
    scale = np.maximum(eigenvalues, SMALLEST_CURVATURE) ** -0.5
    return Modes(point, (vectors * scale[:, None]) @ vectors.transpose(0, 2, 1))


def sample_each(
    energy: Energy,
    data: Any,
    modes: Modes,
    key: Array,
    options: ManyNuts,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Draws:
    """Draw from many posteriors.

    Args:
        energy: minus the log posterior density of one problem.
        data: data of the problems, arrays with a leading problem axis.
        modes: their modes.
        key: source of randomness.
        options: of the sampler.
        on_progress: told the posteriors sampled and all of them.

    Returns:
        Draws of every problem by chain, and which of them diverged.
    """
    n, size = modes.mode.shape
    keys = jax.random.split(key, (n, options.chains))
    flat = np.empty((n, options.chains, options.draws, size), np.float32)
    is_diverging = np.empty(flat.shape[:-1], bool)
    for first in range(0, n, BATCH):
        on_progress(first, n)
        # The last batch is filled up with copies of its last member: one shape, one program.
        batch = np.minimum(np.arange(first, first + BATCH), n - 1)
        one_batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[batch], data)  # noqa: B023
        draws, diverging = _sample(
            energy,
            options,
            one_batch,
            jnp.asarray(modes.mode[batch], jnp.float32),
            jnp.asarray(modes.covariance_root[batch], jnp.float32),
            keys[batch],
        )
        last = min(first + BATCH, n)
        flat[first:last] = draws[: last - first]
        is_diverging[first:last] = diverging[: last - first]
    on_progress(n, n)
    return Draws(flat, is_diverging)


def sample_well(
    energy: Energy,
    data: Any,
    modes: Modes,
    key: Array,
    options: ManyNuts,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Draws:
    """Draw from many posteriors, and again from those whose chains disagree.

    Args:
        energy: minus the log posterior density of one problem.
        data: data of the problems, arrays with a leading problem axis.
        modes: their modes.
        key: source of randomness.
        options: of the sampler.
        on_progress: told the posteriors sampled and all of them.

    Returns:
        Draws of every problem by chain, and which of them diverged.
    """
    draws = sample_each(energy, data, modes, key, options, on_progress)
    worst = worst_rhat(draws)
    for attempt in range(MOST_RETRIES):
        poor = np.flatnonzero(worst > POORLY_SAMPLED)
        if not len(poor):
            break
        some, their_modes = jax.tree.map(lambda leaf: leaf[poor], (data, modes))  # noqa: B023
        again = sample_each(energy, some, their_modes, jax.random.fold_in(key, attempt), options)
        rhat = worst_rhat(again)
        is_better = rhat < worst[poor]
        better = poor[is_better]
        draws.flat[better], worst[better] = again.flat[is_better], rhat[is_better]
        draws.is_diverging[better] = again.is_diverging[is_better]
    return draws


def worst_rhat(draws: Draws) -> Float[np.ndarray, " problem"]:
    """Largest R-hat of the parameters of every posterior.

    Args:
        draws: of every posterior, by chain.

    Returns:
        One number each.
    """
    import arviz_stats as azs  # half a second

    return np.asarray(azs.rhat(as_dataset(draws))["x"].max("parameter").to_numpy())


def as_dataset(draws: Draws) -> xr.Dataset:
    """Draws as diagnostics take them.

    Args:
        draws: of every posterior, by chain.

    Returns:
        One variable ``x`` of dims ``problem, chain, draw, parameter``.
    """
    return xr.Dataset({"x": (("problem", "chain", "draw", "parameter"), draws.flat)})


@partial(jax.jit, static_argnames=("energy", "options"))
def _sample(
    energy: Energy, options: ManyNuts, data: Any, mode: Array, root: Array, keys: Array
) -> tuple[Array, Array]:
    from numpyro.infer import MCMC, NUTS  # half a second

    def one_chain(key: Array, datum: Any, mode: Array, root: Array) -> tuple[Array, Array]:
        def whitened_energy(z: Array) -> Array:
            return energy(mode + root @ z, datum)

        kernel = NUTS(
            potential_fn=whitened_energy,
            adapt_mass_matrix=False,
            target_accept_prob=options.target_accept,
            max_tree_depth=options.max_tree_depth,
        )
        mcmc = MCMC(
            kernel, num_warmup=options.warmup, num_samples=options.draws, progress_bar=False
        )
        key_start, key_run = jax.random.split(key)
        start = jax.random.normal(key_start, mode.shape)
        mcmc.run(key_run, init_params=start, extra_fields=("diverging",))
        return mode + mcmc.get_samples() @ root.T, mcmc.get_extra_fields()["diverging"]

    over_chains = jax.vmap(one_chain, in_axes=(0, None, None, None))
    return jax.vmap(over_chains)(keys, data, mode, root)


@partial(jax.jit, static_argnames="energy")
def _batched_values(energy: Energy, data: Any, point: Array) -> Array:
    return jax.vmap(energy)(point, data)


@partial(jax.jit, static_argnames="energy")
def _batched_derivatives(energy: Energy, data: Any, point: Array) -> tuple[Array, Array, Array]:
    return (
        jax.vmap(energy)(point, data),
        jax.vmap(jax.grad(energy))(point, data),
        jax.vmap(jax.hessian(energy))(point, data),
    )


def _values(energy: Energy, data: Any, point: np.ndarray) -> np.ndarray:
    values = _batched_values(energy, data, jnp.asarray(point, jnp.float32))
    return np.nan_to_num(np.asarray(values, np.float64), nan=np.inf)


def _derivatives(
    energy: Energy, data: Any, point: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = _batched_derivatives(energy, data, jnp.asarray(point, jnp.float32))
    values, gradient, hessian = (np.asarray(part, np.float64) for part in parts)
    return values, gradient, hessian
