r"""The posterior of loss surfaces given runs: its density, and what is estimated before sampling.

$$\log y_i = \log L(N_i, D_i) + \delta(N_i, D_i) + \sigma\, t_i, \qquad
t_i \sim t_5$$

with the surface $L$ of `surface` and the discrepancy $\delta$ of `discrepancy`, which is integrated
out. The numbers of a surface are log normal, its turn normal about zero; those of all losses and
groups of a table come from one population, whose mean and covariance are estimated (empirical
Bayes, on the normal approximation at every mode), so that noisy losses borrow from clear ones.
Outliers are given the precision that Student-t noise expects of them at the mode.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from skillscale.runs.sampling import Modes, find_modes
from skillscale.runs.surface import Surface, expected_loss
from skillscale.runs.table import Runs

TAIL = 5.0
"""Degrees of freedom of the noise: a run in a hundred is four scales off."""
INFORMATION = (TAIL + 1) / (TAIL + 3)
"""Of one run on a loss, over that of normal noise of its scale. Weights that are fixed at the mode
claim all of it: intervals of the optimum then held 84 % in place of 90."""
ROUNDS = 5
"""Rounds in which outliers are weighed and the population is estimated."""

NUMBERS = (*Surface._fields, "noise", "discrepancy")
"""What the numbers of a surface are. Noise is a part of the loss, and the discrepancy is in units
of the noise: clear losses and noisy ones then have alike numbers."""
IS_LOG = np.array([name != "turn" for name in NUMBERS])
"""Which of them are positive: the posterior is one of their logs."""
PRIOR_MEAN = np.array([*np.log([0.6, 0.15, 0.15, 0.4, 0.4]), 0.0, *np.log([0.005, 0.7])])
"""Of the first three in units of the smallest loss of the surface."""
PRIOR_SD = np.array([0.4, 1.0, 1.0, 0.4, 0.4, 0.5, 1.5, 0.6])
"""The population's spreads are no larger. The turn's was chosen among 0.3, 0.5 and 1 with public
grids and the largest budgets shipped in sight: with 1, losses near chance were not sampled well.
With a wide one of the discrepancy, draws wander off to surfaces that are exact, where all other
numbers are so well known that no sampler gets through."""
POPULATION_WEIGHT = 4.0
"""How many surfaces the prior's spread counts for when the population's is estimated."""
LEAST_SPREAD = 0.5
"""Smallest spread of the population, as a part of the prior's."""


KEPT = (NUMBERS.index("turn"), NUMBERS.index("discrepancy"))
"""What keeps its prior in the population. The turn of losses near chance is anything, and their
mean drew that of clear ones along. The discrepancy, estimated like the others, comes out too small,
as modes of scales do, and so did the intervals of forecasts of 4.6e18 and 1e19 FLOP from smaller
budgets."""


class Population(NamedTuple):
    """The normal distribution of the coordinates of surfaces, for each surface."""

    mean: Float[np.ndarray, "surface number"]
    precision: Float[np.ndarray, "surface number number"]


class Measured(NamedTuple):
    """Losses of the runs of each surface, padded to a common number of runs."""

    log_loss: Float[np.ndarray, "surface run"]
    """Log of the loss over the smallest loss of the surface."""
    log_params: Float[np.ndarray, "surface run"]
    log_tokens: Float[np.ndarray, "surface run"]
    functions: Float[np.ndarray, "surface run function"]
    """Functions of the discrepancy."""
    root_weight: Float[np.ndarray, "surface run"]
    """Root of a run's precision relative to one that is no outlier; zero for padding."""
    axes: Float[np.ndarray, "surface axis run"]
    """Directions in weighted runs along which the discrepancy varies independently."""
    stretch: Float[np.ndarray, "surface axis"]
    """How far it varies along them, at scale one."""
    turn: Float[np.ndarray, "surface axis function"]
    """What every axis is in weights of the functions."""


def measure(
    runs: Runs,
    keys: list[tuple[str, str]],
    log_counts: Float[np.ndarray, "run 2"],
    functions: Float[np.ndarray, "run function"],
) -> tuple[Measured, Float[np.ndarray, " surface"]]:
    """Losses of every surface in units of its smallest, padded to a common number of runs.

    Args:
        runs: controlled runs.
        keys: group and loss of every surface.
        log_counts: logs of size and tokens of every run, over the reference.
        functions: functions of the discrepancy at every run.

    Returns:
        Losses as the posterior takes them, and the smallest of every surface in its own unit.
    """
    group = runs.runs["group"].to_numpy()
    # With fewer runs than functions, no axis would stand for what they leave of the discrepancy.
    n_runs = max(functions.shape[1], *(int((group == name).sum()) for name in runs.groups))
    members = np.zeros((len(keys), n_runs), int)
    loss = np.full((len(keys), n_runs), np.nan)
    for row, (name, column) in enumerate(keys):
        of_group = np.flatnonzero(group == name)
        members[row, : len(of_group)] = of_group
        loss[row, : len(of_group)] = runs.losses[column].to_numpy()[of_group]
    unit = np.nanmin(loss, axis=1)
    nothing = np.empty(0)
    measured = Measured(
        log_loss=np.nan_to_num(np.log(loss / unit[:, None])),
        log_params=log_counts[members, 0],
        log_tokens=log_counts[members, 1],
        functions=functions[members],
        root_weight=(~np.isnan(loss)).astype(float),
        axes=nothing,
        stretch=nothing,
        turn=nothing,
    )
    return _with_axes(measured), unit


def _with_axes(measured: Measured) -> Measured:
    """Find the axes of the discrepancy among runs of these weights."""
    weighted = measured.root_weight[..., None] * measured.functions
    axes, stretch, turn = np.linalg.svd(weighted, full_matrices=False)
    return measured._replace(axes=axes.transpose(0, 2, 1), stretch=stretch, turn=turn)


def numbers_at(
    coordinates: Float[Array | np.ndarray, "*draw number"],
) -> list[Float[Array | np.ndarray, "*draw"]]:
    """The numbers of surfaces, from the coordinates in which they are normal.

    Args:
        coordinates: logs of the positive numbers, the others as they are.

    Returns:
        One array per number, in the order of `NUMBERS`.
    """
    parts = [coordinates[..., position] for position in range(len(NUMBERS))]
    return [jnp.exp(part) if is_log else part for part, is_log in zip(parts, IS_LOG, strict=True)]


def surface_at(coordinates: Float[Array | np.ndarray, "*draw number"]) -> Surface:
    """The surface of some coordinates, in units of the smallest loss.

    Args:
        coordinates: as `numbers_at` takes them.

    Returns:
        The surface, or as many as there are coordinates.
    """
    return Surface(*numbers_at(coordinates)[: len(Surface._fields)])


def energy(
    coordinates: Float[Array, " number"], data: tuple[Measured, Population]
) -> Float[Array, ""]:
    """Minus the log posterior density of one surface, its discrepancy integrated out.

    Args:
        coordinates: of its numbers, as `numbers_at` takes them.
        data: its losses, and the population that it is of.

    Returns:
        The density in nats, up to a constant.
    """
    measured, population = data
    noise, scale = _scales(coordinates)
    rest, along = _residuals(coordinates, measured)
    variance = noise**2 + (scale * measured.stretch) ** 2
    n_rest = (measured.root_weight > 0).sum() - len(variance)
    misfit = (jnp.log(variance) + along**2 / variance).sum()
    misfit += (2 * n_rest * jnp.log(noise) + (rest @ rest) / noise**2).sum()
    from_mean = coordinates - population.mean
    return 0.5 * (INFORMATION * misfit + from_mean @ population.precision @ from_mean)


def _scales(
    coordinates: Float[Array | np.ndarray, "*draw number"],
) -> tuple[Float[Array, "*draw 1"], Float[Array, "*draw 1"]]:
    """Scales of the noise and of the discrepancy, both as parts of the loss."""
    noise = jnp.exp(coordinates[..., -2:-1])
    return noise, noise * jnp.exp(coordinates[..., -1:])


def _residuals(
    coordinates: Float[Array, " number"], measured: Measured
) -> tuple[Float[Array, " run"], Float[Array, " axis"]]:
    """Weighted residuals of a surface: what their part along the axes leaves, and that part."""
    surface = surface_at(coordinates)
    expected = jnp.log(expected_loss(surface, measured.log_params, measured.log_tokens))
    residual = measured.root_weight * (measured.log_loss - expected)
    along = measured.axes @ residual
    return residual - along @ measured.axes, along


@jax.jit
def _residuals_of_draws(
    coordinates: Float[Array, "surface draw number"], measured: Measured
) -> tuple[Float[Array, "surface draw run"], Float[Array, "surface draw axis"]]:
    return jax.vmap(jax.vmap(_residuals, in_axes=(0, None)))(coordinates, measured)


def noise_of(
    measured: Measured, coordinates: Float[np.ndarray, "surface number"]
) -> Float[np.ndarray, "surface run"]:
    """What surface and discrepancy leave of the log of every loss.

    Args:
        measured: losses of every surface.
        coordinates: of its numbers, as `numbers_at` takes them.

    Returns:
        Residuals in logs of the loss; without meaning where runs are padding.
    """
    parts = _residuals_of_draws(coordinates[:, None], measured)
    rest, along = (np.asarray(part)[:, 0] for part in parts)
    noise, scale = _scales(coordinates)
    of_noise = along * noise**2 / (noise**2 + (scale * measured.stretch) ** 2)
    weighted = rest + np.einsum("sa,sar->sr", of_noise, measured.axes)
    return weighted / np.where(measured.root_weight > 0, measured.root_weight, 1.0)


def draw_weights(
    flat: Float[np.ndarray, "surface chain draw number"], measured: Measured, key: Array
) -> Float[np.ndarray, "surface draw function"]:
    """Draw the discrepancy's weights given the numbers: along the axes they are independent.

    Args:
        flat: draws of the coordinates.
        measured: losses of every surface.
        key: source of randomness.

    Returns:
        Weights of the functions, chains joined, in logs of the loss.
    """
    coordinates = flat.reshape(len(flat), -1, flat.shape[-1])
    _, along = _residuals_of_draws(coordinates, measured)
    noise, scale = _scales(coordinates)
    stretch = measured.stretch[:, None]
    variance = noise**2 + (scale * stretch) ** 2
    surprise = jax.random.normal(key, along.shape)
    mean, sd = scale**2 * stretch * along / variance, scale * noise / np.sqrt(variance)
    return np.asarray(jnp.einsum("sda,saf->sdf", mean + sd * surprise, measured.turn))


def weigh_and_pool(measured: Measured, *, pooled: bool) -> tuple[Measured, Population, Modes]:
    """Weigh outliers and estimate the population, by turns, and find the modes given both.

    Args:
        measured: losses of every surface.
        pooled: whether the population is estimated, or is that of the prior.

    Returns:
        The losses with weights, the population, and the modes.
    """
    n = len(measured.log_loss)
    population = _for_each(PRIOR_MEAN, np.diag(np.square(PRIOR_SD)), n)
    modes = find_modes(energy, (measured, population), population.mean)
    for _ in range(ROUNDS):
        measured = _weigh(measured, modes.mode)
        population = _estimate(modes) if pooled else population
        modes = find_modes(energy, (measured, population), modes.mode)
    return measured, population, modes


def _weigh(measured: Measured, coordinates: Float[np.ndarray, "surface number"]) -> Measured:
    """Give every run the precision that Student-t noise expects of one with its residual."""
    surprise = noise_of(measured, coordinates) / np.exp(coordinates[:, [-2]])
    weight = (measured.root_weight > 0) * (TAIL + 1) / (TAIL + surprise**2)
    return _with_axes(measured._replace(root_weight=np.sqrt(weight)))


def _estimate(modes: Modes) -> Population:
    """The population of some surfaces: one step of expectation and maximisation."""
    mean = modes.mode.mean(axis=0)
    about_mean = modes.mode - mean
    scatter = about_mean.T @ about_mean + modes.covariance.sum(axis=0)
    prior = np.diag(np.square(PRIOR_SD))
    covariance = (scatter + POPULATION_WEIGHT * prior) / (len(modes.mode) + POPULATION_WEIGHT)
    sd = np.sqrt(np.diag(covariance))
    scale = np.clip(sd, LEAST_SPREAD * PRIOR_SD, PRIOR_SD) / sd
    covariance *= np.outer(scale, scale)
    for kept in KEPT:
        mean[kept], covariance[kept], covariance[:, kept] = PRIOR_MEAN[kept], 0.0, prior[kept]
    return _for_each(mean, covariance, len(modes.mode))


def _for_each(
    mean: Float[np.ndarray, " number"], covariance: Float[np.ndarray, "number number"], n: int
) -> Population:
    precision = np.linalg.inv(covariance)
    return Population(np.tile(mean, (n, 1)), np.tile(precision, (n, 1, 1)))
