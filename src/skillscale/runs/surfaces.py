r"""Loss surfaces of controlled runs: the verb that fits them, and its frozen result.

One surface for every loss of every group (corpus or recipe). In runs $i$

$$\log y_i = \log L(N_i, D_i) + \delta(N_i, D_i) + \sigma\, t_i, \qquad
t_i \sim t_5$$

with the surface $L$ of `surface` and the discrepancy $\delta$ of `discrepancy`, which is integrated
out. The seven numbers of a surface are log normal; those of all losses and groups of a table come
from one population, whose mean and covariance are estimated (empirical Bayes, on the normal
approximation at every mode), so that noisy losses borrow from clear ones. Outliers are given the
precision that Student-t noise expects of them at the mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import arviz_stats as azs
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Int

from skillscale.costs import TRAINING_FLOPS
from skillscale.errors import RunsError
from skillscale.runs.coupling import coupled_order, residual_correlation
from skillscale.runs.discrepancy import Basis, make_basis, places
from skillscale.runs.sampling import Draws, ManyNuts, Modes, find_modes, sample_each
from skillscale.runs.surface import (
    Surface,
    expected_loss,
    optimal_log_params,
)
from skillscale.runs.table import Runs

TAIL = 5.0
"""Degrees of freedom of the noise: a run in a hundred is four scales off."""
LEAST_RUNS = 8
"""Runs of a loss in a group that a surface of seven numbers asks for at least."""
ROUNDS = 5
"""Rounds in which outliers are weighed and the population is estimated."""

NUMBERS = (*Surface._fields, "noise", "discrepancy")
"""What the seven numbers of a surface are. Noise is a part of the loss, and the discrepancy is in
units of the noise: clear losses and noisy ones then have alike numbers."""
PRIOR_MEDIAN = (0.6, 0.15, 0.15, 0.4, 0.4, 0.005, 0.7)
"""The first three in units of the smallest loss of the surface."""
PRIOR_SIGMA = (0.4, 1.0, 1.0, 0.4, 0.4, 1.5, 0.6)
"""The population's spreads are no larger. With a wide one of the discrepancy, draws wander off to
surfaces that are exact, where all other numbers are so well known that no sampler gets through."""
POPULATION_WEIGHT = 4.0
"""How many surfaces the prior's spread counts for when the population's is estimated."""
LEAST_SPREAD = 0.5
"""Smallest spread of the population, as a part of the prior's. The discrepancy keeps its prior:
estimated like the others it comes out too small, as modes of scales do, and so did the intervals of
forecasts of 4.6e18 and 1e19 FLOP from smaller budgets."""


class Population(NamedTuple):
    """The normal distribution of the logs of the numbers of surfaces, for each surface."""

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


@dataclass(frozen=True, eq=False, repr=False)
class Surfaces:
    """Posterior of the loss surface of every loss in every group.

    The draws of losses of one group are joint: their errors agree as far as their runs' do.

    Attributes:
        runs: the runs fitted.
        keys: group and loss of every surface.
        log_numbers: draws of the logs of the seven numbers.
        weights: draws of the discrepancy's weights, in units of the log loss.
        unit: smallest loss of every surface, which its first three numbers are relative to.
        reference: size and token count that surfaces are about.
        basis: functions of the discrepancy.
        diagnostics: one row per surface: ``group, loss``, the worst ``rhat`` and the smallest
            ``ess`` of its numbers, and ``n_diverging`` draws.
    """

    runs: Runs
    keys: tuple[tuple[str, str], ...]
    log_numbers: Float[np.ndarray, "surface draw number"]
    weights: Float[np.ndarray, "surface draw function"]
    unit: Float[np.ndarray, " surface"]
    reference: tuple[float, float]
    basis: Basis
    diagnostics: pd.DataFrame

    def __repr__(self) -> str:
        return f"Surfaces({len(self.keys)} of {self.runs!r}, {self.n_draws} draws)"

    @property
    def n_draws(self) -> int:
        """Draws per surface, chains joined."""
        return self.weights.shape[1]

    @cached_property
    def numbers(self) -> dict[str, Float[np.ndarray, "surface draw"]]:
        """Draws of the numbers of every surface, losses in their own unit."""
        values = np.exp(self.log_numbers.astype(np.float64))
        values[..., :3] *= self.unit[:, None, None]
        return {name: values[..., position] for position, name in enumerate(NUMBERS)}

    @property
    def surface(self) -> Surface:
        """Draws of the surfaces, without their discrepancy."""
        return Surface(*(self.numbers[name] for name in Surface._fields))

    def optimum(self, flops: float) -> Float[np.ndarray, "surface draw"]:
        """Draws of the size of least loss at a budget in FLOP, that of the surface alone."""
        pairs = flops / TRAINING_FLOPS / self.reference[0] / self.reference[1]
        log_params = optimal_log_params(self.surface, np.log(pairs))
        return self.reference[0] * np.exp(np.asarray(log_params, np.float64))

    def of_group(self, group: str) -> list[int]:
        """Positions of the surfaces of a group."""
        return [row for row, (name, _) in enumerate(self.keys) if name == group]

    def centred(
        self, n_params: Float[np.ndarray, "*p"], n_tokens: Float[np.ndarray, "*p"]
    ) -> tuple[Float[np.ndarray, "*p"], Float[np.ndarray, "*p"]]:
        """Logs of sizes and token counts, about the reference."""
        return np.log(n_params / self.reference[0]), np.log(n_tokens / self.reference[1])

    def losses(
        self,
        n_params: Float[np.ndarray, " place"],
        n_tokens: Float[np.ndarray, " place"],
        *,
        seed: int = 0,
        only: Sequence[int] | None = None,
    ) -> Float[np.ndarray, "surface draw place"]:
        """Draws of the loss expected at sizes and token counts, discrepancy included.

        Args:
            n_params: sizes, counts.
            n_tokens: training tokens, counts.
            seed: source of randomness, for the discrepancy away from the runs.
            only: positions of the surfaces wanted; all of them by default.
        """
        rows = range(len(self.keys)) if only is None else only
        log_params, log_tokens = self.centred(n_params, n_tokens)
        where = places(log_params, log_tokens)
        functions, rest = self.basis.functions(where), self.basis.rest(where)
        rng = np.random.default_rng(seed)
        # One surprise away from the runs for all losses of a draw: it is the recipe's.
        surprise = rng.standard_normal((self.n_draws, rest.shape[1])) @ rest.T
        losses = np.empty((len(rows), *surprise.shape))
        for position, row in enumerate(rows):
            surface = Surface(*(part[row, :, None] for part in self.surface))
            scale = (self.numbers["noise"] * self.numbers["discrepancy"])[row, :, None]
            delta = self.weights[row] @ functions.T + scale * surprise
            losses[position] = expected_loss(surface, log_params, log_tokens) * np.exp(delta)
        return losses


def fit_surfaces(
    runs: Runs,
    *,
    pooled: bool = True,
    method: ManyNuts | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Surfaces:
    """Fit a loss surface to every loss of every group.

    Args:
        runs: controlled runs; not every run needs every loss, and budgets need not repeat.
        pooled: whether surfaces come from one population that is estimated, or each for itself
            from the prior.
        method: options of the sampler.
        seed: the only source of randomness; the same seed gives the same draws.
        on_progress: called with the surfaces sampled and all surfaces, for a progress bar.

    Raises:
        RunsError: a loss has too few runs in every group.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> surfaces = fit_surfaces(runs, method=ManyNuts(warmup=50, draws=50))
        >>> surfaces
        Surfaces(1 of Runs(84 runs of 1 groups, 1 losses, 2e+17 to 4.84e+19 FLOP), 100 draws)
        >>> surfaces.numbers["size_exponent"].shape
        (1, 100)
    """
    method = ManyNuts() if method is None else method
    keys = _keys(runs)
    counts = runs.runs[["n_params", "n_tokens"]].to_numpy(dtype=float)
    reference = np.exp(np.log(counts).mean(axis=0))
    at = places(*np.log(counts / reference).T)
    basis = make_basis(at)
    measured, unit = _measure(runs, keys, np.log(counts / reference), basis.functions(at))
    measured, population, modes = _weigh_and_pool(measured, pooled=pooled and len(keys) > 1)
    key_numbers, key_weights = jax.random.split(jax.random.key(seed))
    draws = sample_each(_energy, (measured, population), modes, key_numbers, method, on_progress)
    weights = _draw_weights(draws.flat, measured, key_weights)
    order = _joint_order(draws.flat, measured, keys, np.random.default_rng(seed))
    joined = draws.flat.reshape(len(keys), -1, len(NUMBERS))
    return Surfaces(
        runs,
        tuple(keys),
        np.take_along_axis(joined, order[..., None], axis=1),
        np.take_along_axis(weights, order[..., None], axis=1),
        unit,
        (float(reference[0]), float(reference[1])),
        basis,
        _diagnose(draws, keys),
    )


def _energy(
    log_numbers: Float[Array, " number"], data: tuple[Measured, Population]
) -> Float[Array, ""]:
    """Minus the log posterior density of one surface, its discrepancy integrated out."""
    measured, population = data
    noise, scale = _scales(log_numbers)
    rest, along = _residuals(log_numbers, measured)
    variance = noise**2 + (scale * measured.stretch) ** 2
    n_rest = (measured.root_weight > 0).sum() - len(variance)
    minus_log_likelihood = 0.5 * (
        (jnp.log(variance) + along**2 / variance).sum()
        + (2 * n_rest * jnp.log(noise) + (rest @ rest) / noise**2).sum()
    )
    from_mean = log_numbers - population.mean
    return minus_log_likelihood + 0.5 * from_mean @ population.precision @ from_mean


def _scales(
    log_numbers: Float[Array, "*draw number"],
) -> tuple[Float[Array, "*draw 1"], Float[Array, "*draw 1"]]:
    """Scales of the noise and of the discrepancy, both as parts of the loss."""
    noise = jnp.exp(log_numbers[..., -2:-1])
    return noise, noise * jnp.exp(log_numbers[..., -1:])


def _residuals(
    log_numbers: Float[Array, " number"], measured: Measured
) -> tuple[Float[Array, " run"], Float[Array, " axis"]]:
    """Weighted residuals of a surface: what their part along the axes leaves, and that part."""
    surface = Surface(*jnp.exp(log_numbers[:5]))
    expected = jnp.log(expected_loss(surface, measured.log_params, measured.log_tokens))
    residual = measured.root_weight * (measured.log_loss - expected)
    along = measured.axes @ residual
    return residual - along @ measured.axes, along


@jax.jit
def _residuals_of_draws(
    log_numbers: Float[Array, "surface draw number"], measured: Measured
) -> tuple[Float[Array, "surface draw run"], Float[Array, "surface draw axis"]]:
    return jax.vmap(jax.vmap(_residuals, in_axes=(0, None)))(log_numbers, measured)


def _draw_weights(
    flat: Float[np.ndarray, "surface chain draw number"], measured: Measured, key: Array
) -> Float[np.ndarray, "surface draw function"]:
    """Draw the discrepancy's weights given the numbers: along the axes they are independent."""
    log_numbers = flat.reshape(len(flat), -1, flat.shape[-1])
    _, along = _residuals_of_draws(log_numbers, measured)
    noise, scale = _scales(log_numbers)
    stretch = measured.stretch[:, None]
    variance = noise**2 + (scale * stretch) ** 2
    surprise = jax.random.normal(key, along.shape)
    mean, sd = scale**2 * stretch * along / variance, scale * noise / np.sqrt(variance)
    return np.asarray(jnp.einsum("sda,saf->sdf", mean + sd * surprise, measured.turn))


def _joint_order(
    flat: Float[np.ndarray, "surface chain draw number"],
    measured: Measured,
    keys: Sequence[tuple[str, str]],
    rng: np.random.Generator,
) -> Int[np.ndarray, "surface draw"]:
    """Orders of the draws that make those of the losses of a group joint."""
    log_numbers = flat.reshape(len(flat), -1, flat.shape[-1])
    surface = Surface(*np.exp(np.moveaxis(log_numbers[..., :5], -1, 0)))
    summaries = np.asarray(optimal_log_params(surface, np.zeros(())))
    middle = np.median(log_numbers, axis=1, keepdims=True)
    left = _noise_of(measured, middle[:, 0])
    left = np.where(measured.root_weight > 0, left, np.nan)
    order = np.empty(summaries.shape, int)
    groups = np.array([group for group, _ in keys])
    for group in dict.fromkeys(groups):
        rows = np.flatnonzero(groups == group)
        order[rows] = coupled_order(summaries[rows], residual_correlation(left[rows]), rng)
    return order


def _diagnose(draws: Draws, keys: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """How well every surface was sampled."""
    posterior = xr.Dataset({"x": (("surface", "chain", "draw", "number"), draws.flat)})
    return pd.DataFrame(
        {
            "group": [group for group, _ in keys],
            "loss": [loss for _, loss in keys],
            "rhat": azs.rhat(posterior)["x"].max("number").to_numpy(),
            "ess": azs.ess(posterior)["x"].min("number").to_numpy(),
            "n_diverging": draws.is_diverging.sum(axis=(1, 2)),
        }
    )


def _weigh_and_pool(measured: Measured, *, pooled: bool) -> tuple[Measured, Population, Modes]:
    """Weigh outliers and estimate the population, by turns, and find the modes given both."""
    n = len(measured.log_loss)
    mean, covariance = np.log(PRIOR_MEDIAN), np.diag(np.square(PRIOR_SIGMA))
    population = _for_each(mean, covariance, n)
    modes = find_modes(_energy, (measured, population), population.mean)
    for _ in range(ROUNDS):
        measured = _weigh(measured, modes.mode)
        population = _estimate(modes) if pooled else population
        modes = find_modes(_energy, (measured, population), modes.mode)
    return measured, population, modes


def _estimate(modes: Modes) -> Population:
    """The population of some surfaces: one step of expectation and maximisation."""
    mean = modes.mode.mean(axis=0)
    about_mean = modes.mode - mean
    scatter = about_mean.T @ about_mean + modes.covariance.sum(axis=0)
    prior = np.diag(np.square(PRIOR_SIGMA))
    covariance = (scatter + POPULATION_WEIGHT * prior) / (len(modes.mode) + POPULATION_WEIGHT)
    sd = np.sqrt(np.diag(covariance))
    scale = np.clip(sd, np.multiply(LEAST_SPREAD, PRIOR_SIGMA), PRIOR_SIGMA) / sd
    covariance *= np.outer(scale, scale)
    mean[-1], covariance[-1], covariance[:, -1] = np.log(PRIOR_MEDIAN[-1]), 0.0, prior[-1]
    return _for_each(mean, covariance, len(modes.mode))


def _for_each(
    mean: Float[np.ndarray, " number"], covariance: Float[np.ndarray, "number number"], n: int
) -> Population:
    precision = np.linalg.inv(covariance)
    return Population(np.tile(mean, (n, 1)), np.tile(precision, (n, 1, 1)))


def _weigh(measured: Measured, log_numbers: Float[np.ndarray, "surface number"]) -> Measured:
    """Give every run the precision that Student-t noise expects of one with its residual."""
    surprise = _noise_of(measured, log_numbers) / np.exp(log_numbers[:, [-2]])
    weight = (measured.root_weight > 0) * (TAIL + 1) / (TAIL + surprise**2)
    return _with_axes(measured._replace(root_weight=np.sqrt(weight)))


def _noise_of(
    measured: Measured, log_numbers: Float[np.ndarray, "surface number"]
) -> Float[np.ndarray, "surface run"]:
    """What surface and discrepancy leave of the log of every loss."""
    parts = _residuals_of_draws(log_numbers[:, None], measured)
    rest, along = (np.asarray(part)[:, 0] for part in parts)
    noise, scale = _scales(log_numbers)
    of_noise = along * noise**2 / (noise**2 + (scale * measured.stretch) ** 2)
    weighted = rest + np.einsum("sa,sar->sr", of_noise, measured.axes)
    return weighted / np.where(measured.root_weight > 0, measured.root_weight, 1.0)


def _with_axes(measured: Measured) -> Measured:
    """Find the axes of the discrepancy among runs of these weights."""
    weighted = measured.root_weight[..., None] * measured.functions
    axes, stretch, turn = np.linalg.svd(weighted, full_matrices=False)
    return measured._replace(axes=axes.transpose(0, 2, 1), stretch=stretch, turn=turn)


def _keys(runs: Runs) -> list[tuple[str, str]]:
    """Group and loss of every surface that has enough runs."""
    n_runs = runs.losses.notna().groupby(runs.runs["group"]).sum()
    keys = [
        (group, loss)
        for group in runs.groups
        for loss in runs.loss_names
        if n_runs.loc[group, loss] >= LEAST_RUNS
    ]
    if not keys:
        raise RunsError(
            f"a surface needs {LEAST_RUNS} runs of a loss in a group, and the most here is "
            f"{int(n_runs.to_numpy().max())}. Add runs, or join groups that are one recipe."
        )
    return keys


def _measure(
    runs: Runs,
    keys: list[tuple[str, str]],
    log_counts: Float[np.ndarray, "run 2"],
    functions: Float[np.ndarray, "run function"],
) -> tuple[Measured, Float[np.ndarray, " surface"]]:
    """Losses of every surface in units of its smallest, padded to a common number of runs."""
    group = runs.runs["group"].to_numpy()
    n_runs = max(int((group == name).sum()) for name in runs.groups)
    members = np.zeros((len(keys), n_runs), int)
    loss = np.full((len(keys), n_runs), np.nan)
    for row, (name, column) in enumerate(keys):
        of_group = np.flatnonzero(group == name)
        members[row, : len(of_group)] = of_group
        loss[row, : len(of_group)] = runs.losses[column].to_numpy()[of_group]
    unit = np.nanmin(loss, axis=1)
    nothing = np.empty(0)
    measured = Measured(
        np.nan_to_num(np.log(loss / unit[:, None])),
        *np.moveaxis(log_counts[members], -1, 0),
        functions[members],
        (~np.isnan(loss)).astype(float),
        *(nothing, nothing, nothing),
    )
    return _with_axes(measured), unit
