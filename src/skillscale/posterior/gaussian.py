r"""A Gaussian approximation of the posterior: cheap by itself, and what HMC is preconditioned by.

Mean-field gradient steps find the region; then Newton-like steps fit a full covariance. At the
best Gaussian $q = \mathcal N(m, P^{-1})$ the expected gradient of the potential vanishes and the
expected Hessian is $P$ (Opper and Archambeau 2009), so each step averages both over draws of $q$.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from skillscale.law.design import Observations
from skillscale.posterior.arrow import Arrow, Root, inverse_root
from skillscale.posterior.journal import FORGETFUL, Journal
from skillscale.posterior.potential import Energy, Flat, Potential

POINTS = 4
BATCH = 64
POINTS_PER_CHAIN = 4
"""Draws of every chain whose curvature is averaged."""
BELIEF = 4.0 ** -np.arange(4)
"""How much less curvature is believed with every step that it fails."""
SHRINKAGE = 50
"""Draws that the curvature's word on a scale is worth."""


class Gaussian(NamedTuple):
    """A normal distribution over flat parameters."""

    mean: Flat
    root: Root

    def at(self, whitened: Flat) -> Flat:
        """The point that has these independent standard coordinates."""
        return self.mean + self.root @ whitened

    def whiten(
        self, points: Float[np.ndarray, "point parameter"]
    ) -> Float[np.ndarray, "point parameter"]:
        """The independent standard coordinates of points."""
        return self.root.whiten(np.asarray(points, np.float64) - np.asarray(self.mean, np.float64))

    def draw(self, key: Array, n: int) -> Float[Array, "draw parameter"]:
        """Draw ``n`` points."""
        return jax.vmap(self.at)(jax.random.normal(key, (n, self.mean.size)))


def fit_gaussian(
    potential: Potential,
    observations: Observations,
    key: Array,
    *,
    gradient_steps: int,
    newton_steps: int,
    near: Gaussian | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
    journal: Journal = FORGETFUL,
) -> Gaussian:
    """Fit a Gaussian with full covariance to the posterior.

    Args:
        potential: the posterior.
        observations: what it is conditioned on.
        key: source of randomness.
        gradient_steps: mean-field steps.
        newton_steps: full-covariance steps; each averages over two antithetic pairs of draws.
        near: a Gaussian of a similar posterior to start from, instead of mean-field steps.
        on_progress: told the steps done; all mean-field steps are one.
        journal: keeps them.

    Returns:
        The Gaussian; its mean is that of the later half of the full-covariance steps.
    """
    size, sparsity = potential.start.size, potential.sparsity
    if near is None:
        key, key_field = jax.random.split(key)

        def find_region(parts: Journal) -> tuple[Flat, Flat]:
            on_progress(0)
            mean_field = potential.program(_mean_field, steps=gradient_steps)
            return mean_field(potential.start, observations, key_field)

        mean, scale = journal.once("mean-field", find_region, like=(potential.start,) * 2)
        precision = sparsity.diagonal(np.asarray(scale, np.float64) ** -2)
        gaussian = Gaussian(mean, inverse_root(precision, sparsity.groups))
    else:
        gaussian = near
        precision = near.root.precision()
    mean_energy = potential.program(_mean_energy)
    keys = jax.random.split(key, newton_steps)

    def newton(step: int, state: tuple[Gaussian, Arrow]) -> tuple[tuple, dict[str, Flat]]:
        on_progress(1 + step)
        gaussian, precision = state
        key_step = keys[step]
        half = gaussian.draw(key_step, POINTS // 2)
        points = jnp.concatenate([half, 2 * gaussian.mean - half])
        gradient, hessian = curvature(potential, observations, points)
        highest = mean_energy(observations, points) + size
        # Curvature of a few points may be of no use far from the mode: then it is believed less.
        for rate in max(0.25, 1 / (step + 1)) * BELIEF:
            mixed = precision.mixed(hessian, rate)
            root = inverse_root(mixed, sparsity.groups)
            (whitened,) = jax.vjp(root.__matmul__, gaussian.mean)[1](gradient)
            shortened = whitened * jnp.minimum(1.0, 2.0 / jnp.abs(whitened).max())
            moved = Gaussian(gaussian.mean - root @ shortened, root)
            half = moved.draw(key_step, POINTS // 2)
            ahead = jnp.concatenate([half, 2 * moved.mean - half])
            if mean_energy(observations, ahead) < highest:
                gaussian, precision = moved, mixed
                break
        return (gaussian, precision), {"mean": gaussian.mean}

    (gaussian, _), steps = journal.series("newton", newton, (gaussian, precision), newton_steps)
    # Each has the noise of the few draws behind it.
    late = jnp.stack([step["mean"] for step in steps[newton_steps // 2 :]])
    return Gaussian(late.mean(axis=0), gaussian.root)


def gaussian_around(
    potential: Potential,
    observations: Observations,
    draws: Float[np.ndarray, "chain draw parameter"],
) -> Gaussian:
    """Gaussian with the mean of some posterior draws, their average curvature, and their scales.

    Curvature needs few draws to tell how parameters depend on each other. It understates how far
    a skewed posterior reaches, so each of its independent coordinates is given the spread of the
    draws, shrunk towards one.

    Args:
        potential: the posterior.
        observations: what it is conditioned on.
        draws: draws of all chains, at least four of each.

    Returns:
        The Gaussian.
    """
    some = draws[:, :: draws.shape[1] // POINTS_PER_CHAIN][:, :POINTS_PER_CHAIN]
    batches = jnp.asarray(some).reshape(-1, POINTS, draws.shape[-1])
    precision = curvature(potential, observations, batches[0])[1]
    for n, batch in enumerate(batches[1:], 2):
        precision = precision.mixed(curvature(potential, observations, batch)[1], 1 / n)
    mean = jnp.asarray(draws.mean(axis=(0, 1)))
    gaussian = Gaussian(mean, inverse_root(precision, potential.sparsity.groups))
    whitened = gaussian.whiten(draws.reshape(-1, draws.shape[-1]))
    n = len(whitened)
    scale = np.sqrt((n * whitened.var(axis=0) + SHRINKAGE) / (n + SHRINKAGE))
    return Gaussian(mean, gaussian.root.scaled(scale))


def _mean_field(
    energy: Energy, start: Flat, observations: Observations, key: Array, *, steps: int
) -> tuple[Flat, Flat]:
    """Mean and scale of the best Gaussian with independent components, by Adam."""
    optimizer = optax.adam(optax.cosine_decay_schedule(0.03, steps))
    energies = jax.vmap(energy, in_axes=(0, None))

    def loss(params: tuple[Flat, Flat], key: Array) -> Float[Array, ""]:
        mean, log_scale = params
        noise = jax.random.normal(key, (POINTS, mean.size))
        return jnp.mean(energies(mean + jnp.exp(log_scale) * noise, observations)) - log_scale.sum()

    def step(carry: tuple, key: Array) -> tuple[tuple, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    params = (start, jnp.full_like(start, -3.0))
    carry, _ = jax.lax.scan(step, (params, optimizer.init(params)), jax.random.split(key, steps))
    mean, log_scale = carry[0]
    return mean, jnp.exp(log_scale)


def _mean_energy(
    energy: Energy, observations: Observations, points: Float[Array, "draw parameter"]
) -> Float[Array, ""]:
    """The potential averaged over points; nowhere finite is nowhere low."""
    energies = jax.vmap(energy, in_axes=(0, None))(points, observations)
    return jnp.nan_to_num(energies, nan=jnp.inf).mean()


def curvature(
    potential: Potential, observations: Observations, points: Float[Array, "draw parameter"]
) -> tuple[Flat, Arrow]:
    """Gradient and Hessian of the potential, averaged over points.

    Args:
        potential: the posterior.
        observations: what it is conditioned on.
        points: where.

    Returns:
        Both means.
    """
    sparsity = potential.sparsity
    rows = -(-sparsity.n_colors // BATCH) * BATCH  # whole batches: a rest would be compiled apart
    gradient, products = potential.program(_products, rows=rows)(
        observations, points, jnp.asarray(sparsity.color)
    )
    return gradient, sparsity.matrix(np.asarray(products))


def _products(
    energy: Energy,
    observations: Observations,
    points: Float[Array, "draw parameter"],
    color: Int[Array, " parameter"],
    *,
    rows: int,
) -> tuple[Flat, Float[Array, "color parameter"]]:
    """Gradient, and products of the Hessian with the columns of each color, means over points."""
    gradient = jax.grad(energy)

    def at_point(point: Flat) -> tuple[Flat, Float[Array, "color parameter"]]:
        value, push = jax.linearize(lambda p: gradient(p, observations), point)

        def of_color(number: Int[Array, ""]) -> Flat:
            return push((color == number).astype(point.dtype))

        return value, jax.lax.map(of_color, jnp.arange(rows), batch_size=BATCH)

    def add(total: tuple, point: Flat) -> tuple[tuple, None]:
        return jax.tree.map(jnp.add, total, at_point(point)), None

    size = points.shape[1]
    nothing = jnp.zeros(size), jnp.zeros((rows, size))
    total, _ = jax.lax.scan(add, nothing, points)
    return jax.tree.map(lambda sum_: sum_ / len(points), total)
