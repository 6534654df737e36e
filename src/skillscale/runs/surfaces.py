"""Loss surfaces of controlled runs: the verb that fits them, and its frozen result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import arviz_stats as azs
import jax
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from skillscale.errors import RunsError
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.coupling import coupled_order, residual_correlation
from skillscale.runs.discrepancy import Basis, make_basis, places
from skillscale.runs.posterior import (
    NUMBERS,
    Measured,
    draw_weights,
    energy,
    measure,
    noise_of,
    weigh_and_pool,
)
from skillscale.runs.sampling import Draws, ManyNuts, sample_each
from skillscale.runs.surface import Surface, expected_loss, optimal_log_params
from skillscale.runs.table import Runs

LEAST_RUNS = 8
"""Runs of a loss in a group that a surface of seven numbers asks for at least."""


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
        """Draws of the size of least loss at a budget, that of the surface alone.

        Args:
            flops: the budget in FLOP.

        Returns:
            Sizes, counts of parameters.
        """
        pairs = flops / TRAINING_FLOPS / self.reference[0] / self.reference[1]
        log_params = optimal_log_params(self.surface, np.log(pairs))
        return self.reference[0] * np.exp(np.asarray(log_params, np.float64))

    def of_group(self, group: str) -> list[int]:
        """Positions of the surfaces of a group.

        Args:
            group: name of the group.

        Returns:
            Positions in ``keys``; none for a name that is not known.
        """
        return [row for row, (name, _) in enumerate(self.keys) if name == group]

    def centred(
        self, n_params: Float[np.ndarray, "*p"], n_tokens: Float[np.ndarray, "*p"]
    ) -> tuple[Float[np.ndarray, "*p"], Float[np.ndarray, "*p"]]:
        """Logs of sizes and token counts, about the reference.

        Args:
            n_params: sizes, counts.
            n_tokens: training tokens, counts.

        Returns:
            Both logs, in e-folds over the reference.
        """
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

        Returns:
            Losses in the unit of the runs, without noise; draws of one surface are joint over
            places.
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

    The surface is that of Hoffmann et al. 2022 (arXiv:2203.15556, third approach), sampled by NUTS.

    Args:
        runs: controlled runs; not every run needs every loss, and budgets need not repeat.
        pooled: whether surfaces come from one population that is estimated, or each for itself
            from the prior.
        method: options of the sampler.
        seed: the only source of randomness; the same seed gives the same draws.
        on_progress: called with the surfaces sampled and all surfaces, for a progress bar.

    Returns:
        Draws of every surface, as frozen `Surfaces`.

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
    measured, unit = measure(runs, keys, np.log(counts / reference), basis.functions(at))
    measured, population, modes = weigh_and_pool(measured, pooled=pooled and len(keys) > 1)
    key_numbers, key_weights = jax.random.split(jax.random.key(seed))
    draws = sample_each(energy, (measured, population), modes, key_numbers, method, on_progress)
    weights = draw_weights(draws.flat, measured, key_weights)
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
    left = noise_of(measured, middle[:, 0])
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


def _keys(runs: Runs) -> list[tuple[str, str]]:
    """Group and loss of every surface that has enough runs."""
    is_measured = runs.losses.notna()
    n_runs = {
        (group, loss): int(is_measured.loc[runs.runs["group"] == group, loss].sum())
        for group in runs.groups
        for loss in runs.loss_names
    }
    keys = [key for key, n in n_runs.items() if n >= LEAST_RUNS]
    if not keys:
        raise RunsError(
            f"a surface needs {LEAST_RUNS} runs of a loss in a group, and the most here is "
            f"{max(n_runs.values())}. Add runs, or join groups that are one recipe."
        )
    return keys
