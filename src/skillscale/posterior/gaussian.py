r"""A Gaussian approximation of the posterior: cheap by itself, and what HMC is preconditioned by.

Mean-field gradient steps find the region; then Newton-like steps fit a full covariance. At the
best Gaussian $q = \mathcal N(m, P^{-1})$ the expected gradient of the potential vanishes and the
expected Hessian is $P$ (Opper and Archambeau 2009), so each step averages both over draws of $q$.
From the mean of the prior such steps alone were a thousand nats away after twenty of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from skillscale.law.design import Observations
from skillscale.posterior.arrow import Arrow, Root, inverse_root
from skillscale.posterior.curvature import curvature, gradients, prepare_for
from skillscale.posterior.journal import FORGETFUL, Journal
from skillscale.posterior.potential import Flat, Potential

POINTS = 4
"""Draws, in antithetic pairs, that gradients and curvature are averaged over."""
FIRST_LOG_SCALE, RATE = -3.0, 0.03
"""Of mean-field steps: the logarithm of the first standard deviations, and the first rate."""
POINTS_PER_CHAIN = 4
"""Draws of every chain whose curvature is averaged."""
LONGEST = 2.0
"""Standard deviations that a Newton step may go."""
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

        def find_region(parts: Journal) -> tuple[np.ndarray, np.ndarray]:
            on_progress(0)
            return _mean_field(potential, observations, key_field, gradient_steps)

        like = (np.asarray(potential.start),) * 2
        mean, scale = journal.once("mean-field", find_region, like)
        gaussian = independent(potential, jnp.asarray(mean), scale)
    else:
        gaussian = near
    precision = gaussian.root.precision()
    noise = np.asarray(jax.random.normal(key, (newton_steps, POINTS // 2, size)))

    def newton(step: int, state: tuple[Gaussian, Arrow]) -> tuple[tuple, dict[str, Flat]]:
        on_progress(1 + step)
        gaussian, precision = state
        points = _antithetic(gaussian, noise[step])
        found, hessian = curvature(potential, observations, points)
        highest = found.mean_energy + size
        # Curvature of a few points may be of no use far from the mode: then it is believed less.
        for rate in max(0.25, 1 / (step + 1)) * BELIEF:
            mixed = precision.mixed(hessian, rate)
            root = inverse_root(mixed, sparsity.groups)
            moved = Gaussian(_downhill(gaussian.mean, root, found.gradient.mean(axis=0)), root)
            ahead = _antithetic(moved, noise[step])
            if gradients(potential, observations, ahead).mean_energy < highest:
                gaussian, precision = moved, mixed
                break
        return (gaussian, precision), {"mean": gaussian.mean}

    (gaussian, _), steps = journal.series("newton", newton, (gaussian, precision), newton_steps)
    # Each has the noise of the few draws behind it.
    late = jnp.stack([step["mean"] for step in steps[newton_steps // 2 :]])
    return Gaussian(late.mean(axis=0), gaussian.root)


@jax.jit
def _antithetic(
    gaussian: Gaussian, noise: Float[Array, "draw parameter"]
) -> Float[Array, "2*draw parameter"]:
    """Draws, and their mirror images in the mean."""
    half = jax.vmap(gaussian.at)(noise)
    return jnp.concatenate([half, 2 * gaussian.mean - half])


@jax.jit
def _downhill(mean: Flat, root: Root, gradient: Flat) -> Flat:
    """A Newton step, of two standard deviations at most in every coordinate."""
    (whitened,) = jax.vjp(root.__matmul__, mean)[1](gradient)
    shortened = whitened * jnp.minimum(1.0, LONGEST / jnp.abs(whitened).max())
    return mean - root @ shortened


def prepare(potential: Potential, observations: Observations) -> None:
    """Compile what fits a Gaussian, while something else is done."""
    prepare_for(POINTS, potential, observations)


def independent(
    potential: Potential, mean: Flat, scale: Float[np.ndarray, " parameter"]
) -> Gaussian:
    """A Gaussian whose parameters are independent, of these means and standard deviations."""
    precision = potential.sparsity.diagonal(np.asarray(scale, np.float64) ** -2)
    return Gaussian(mean, inverse_root(precision, potential.sparsity.groups))


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
    batches = some.reshape(-1, POINTS, draws.shape[-1])
    _, precision = curvature(potential, observations, batches[0])
    for n, batch in enumerate(batches[1:], 2):
        _, hessian = curvature(potential, observations, batch)
        precision = precision.mixed(hessian, 1 / n)
    mean = jnp.asarray(draws.mean(axis=(0, 1)))
    gaussian = Gaussian(mean, inverse_root(precision, potential.sparsity.groups))
    whitened = gaussian.whiten(draws.reshape(-1, draws.shape[-1]))
    n = len(whitened)
    scale = np.sqrt((n * whitened.var(axis=0) + SHRINKAGE) / (n + SHRINKAGE))
    return Gaussian(mean, gaussian.root.scaled(scale))


def _mean_field(
    potential: Potential, observations: Observations, key: Array, steps: int
) -> tuple[Float[np.ndarray, " parameter"], Float[np.ndarray, " parameter"]]:
    """Mean and scale of the best Gaussian with independent components, by Adam.

    Kingma and Ba 2015, with their constants; the rate falls to zero as a cosine does.
    """
    noise = np.asarray(jax.random.normal(key, (steps, POINTS, potential.start.size)))
    params = np.stack([potential.start, np.full_like(potential.start, FIRST_LOG_SCALE)])
    first, second = np.zeros_like(params), np.zeros_like(params)
    for i in range(steps):
        mean, log_scale = params
        away = np.exp(log_scale) * noise[i]
        slope = gradients(potential, observations, mean + away).gradient
        of_scale = (slope * away).mean(axis=0) - 1  # of the entropy too
        step = np.stack([slope.mean(axis=0), of_scale])
        first += 0.1 * (step - first)
        second += 0.001 * (step**2 - second)
        rate = RATE * (1 + np.cos(np.pi * i / steps)) / 2
        typical = np.sqrt(second / (1 - 0.999 ** (i + 1))) + 1e-8
        params = params - rate * first / (1 - 0.9 ** (i + 1)) / typical
    mean, log_scale = params.astype(np.float32)
    return mean, np.exp(log_scale)
