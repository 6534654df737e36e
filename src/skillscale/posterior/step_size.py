"""The step size of trajectories, by dual averaging of their acceptance rates (Nesterov 2009)."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.infer.hmc_util import dual_averaging

FIRST_STEP_SIZE = 0.2

SMALLEST_ACCEPTANCE = 0.01
"""Below it a chain weighs no more when the step size is tuned."""

Tuning = tuple[Array, ...]
"""State of dual averaging: the logarithm of a step size, that of its average, and more."""

_start, _update = dual_averaging()


def first_tuning() -> Tuning:
    """Before any trajectory.

    >>> round(float(jnp.exp(first_tuning()[0])), 3)
    0.2
    """
    center = jnp.log(jnp.float32(FIRST_STEP_SIZE))  # of the type it keeps: one compiled program
    _, *rest = _start(center)
    return center, *rest


def tuned(tuning: Tuning, acceptance: Float[Array, " chain"], target: float) -> Tuning:
    """After a trajectory of chains that share their step size.

    It follows the harmonic mean of their acceptance rates, near that of the worst one. By the plain
    mean a chain that accepts nothing is outvoted, and stays where it is: of a table of 72 models
    chains then accepted 8 to 50 %, with R-hat up to 1.8 (Hoffman, Radul and Sountsov 2021).

    >>> few = tuned(first_tuning(), jnp.array([1.0, 0.0]), 0.8)
    >>> bool(few[0] < first_tuning()[0])
    True
    """
    harmonic_mean = 1 / jnp.mean(1 / jnp.maximum(acceptance, SMALLEST_ACCEPTANCE))
    after: Tuning = _update(target - harmonic_mean, tuning)
    return after


def as_careful(tunings: Sequence[Tuning]) -> list[Tuning]:
    """All with the smallest of their average step sizes: one for which it is too large, stays.

    >>> now, average, *rest = first_tuning()
    >>> [float(of_each[1]) for of_each in as_careful([(now, average, *rest), (now, average - 1)])]
    [-1.0, -1.0]
    """
    smallest = min((average for _, average, *_ in tunings), key=float)
    return [(now, smallest, *rest) for now, _, *rest in tunings]
