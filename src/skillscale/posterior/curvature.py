"""Energies, gradients and mean Hessian of a posterior at some points.

The Hessian is found by its products with sums of columns that have no row in common (see
`sparsity`). One program gives all, with products or without: it takes longer to compile than to
run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Wrapped
from jaxtyping import Array, Float, Int

from skillscale.law.design import Observations
from skillscale.posterior.arrow import Arrow
from skillscale.posterior.potential import Energy, Flat, Potential
from skillscale.posterior.programs import compile_ahead

BATCH = 64
"""Products with the Hessian that are found together."""

Points = Float[Array, "point parameter"] | Float[np.ndarray, "point parameter"]


class Surroundings(NamedTuple):
    """What the potential is at some points."""

    energy: Float[np.ndarray, " point"]
    gradient: Float[np.ndarray, "point parameter"]

    @property
    def mean_energy(self) -> float:
        """Nowhere finite is nowhere low."""
        return float(np.nan_to_num(self.energy, nan=np.inf).mean())


def gradients(potential: Potential, observations: Observations, points: Points) -> Surroundings:
    """The potential and its gradient at points."""
    return _evaluated(potential, observations, points, products=False)[0]


def curvature(
    potential: Potential, observations: Observations, points: Points
) -> tuple[Surroundings, Arrow]:
    """The potential and its gradient at points, and its Hessian averaged over them.

    Args:
        potential: the posterior.
        observations: what it is conditioned on.
        points: where.

    Returns:
        What was found at the points, and the mean Hessian.
    """
    found, products = _evaluated(potential, observations, points, products=True)
    return found, potential.sparsity.matrix(np.asarray(products) / len(points))


def prepare_for(n_points: int, potential: Potential, observations: Observations) -> None:
    """Compile the program of both, for so many points, while something else is done."""
    points = np.zeros((n_points, potential.start.size), np.float32)
    program, arguments = _call(potential, observations, points, products=True)
    compile_ahead(program, *arguments)


def _evaluated(
    potential: Potential, observations: Observations, points: Points, *, products: bool
) -> tuple[Surroundings, Array]:
    program, arguments = _call(potential, observations, points, products=products)
    energy, gradient, sums = program(*arguments)
    return Surroundings(np.asarray(energy), np.asarray(gradient)), sums


def _call(
    potential: Potential, observations: Observations, points: Points, *, products: bool
) -> tuple[Wrapped, tuple[Any, ...]]:
    """The program and its arguments."""
    sparsity = potential.sparsity
    n_batches = -(-sparsity.n_colors // BATCH)
    program = potential.program(_at_points, rows=n_batches * BATCH)
    wanted = np.int32(n_batches if products else 0)
    return program, (points, observations, sparsity.color, wanted)


def _at_points(
    energy: Energy,
    points: Float[Array, "point parameter"],
    observations: Observations,
    color: Int[Array, " parameter"],
    n_batches: Int[Array, ""],
    *,
    rows: int,
) -> tuple[
    Float[Array, " point"], Float[Array, "point parameter"], Float[Array, "color parameter"]
]:
    """Energies, gradients, and the sum of products of the Hessian with the columns of each color.

    Products are found of so many batches of colors, and are zero for others.
    """
    value_and_gradient = jax.value_and_grad(lambda point: energy(point, observations))

    def at_point(products: Array, point: Flat) -> tuple[Array, tuple[Array, Flat]]:
        found, push = jax.linearize(value_and_gradient, point)

        def of_color(number: Int[Array, ""]) -> Flat:
            product: Flat = push((color == number).astype(point.dtype))[1]
            return product

        def add(i: Int[Array, ""], products: Array) -> Array:
            first = i * BATCH
            before = jax.lax.dynamic_slice_in_dim(products, first, BATCH)
            more = before + jax.vmap(of_color)(first + jnp.arange(BATCH))
            return jax.lax.dynamic_update_slice_in_dim(products, more, first, axis=0)

        return jax.lax.fori_loop(0, n_batches, add, products), found

    nothing = jnp.zeros((rows, points.shape[1]))
    products, (energies, slopes) = jax.lax.scan(at_point, nothing, points)
    return energies, slopes, products
