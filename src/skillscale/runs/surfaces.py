"""Loss surfaces of controlled runs: the verb that fits them, and its frozen result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.along_size import AlongSize, log_compute_ratio
from skillscale.runs.coupling import coupled_order, residual_correlation
from skillscale.runs.discrepancy import Basis, Usual, make_basis, usual_sizes
from skillscale.runs.grid import surface_keys, too_few_runs
from skillscale.runs.posterior import (
    NUMBERS,
    Measured,
    draw_weights,
    energy,
    measure,
    noise_of,
    numbers_at,
    surface_at,
    weigh_and_pool,
)
from skillscale.runs.sampling import Draws, ManyNuts, as_dataset, sample_well, worst_rhat
from skillscale.runs.surface import Surface, expected_loss, optimal_log_params
from skillscale.runs.table import Runs

LOOKS_AT_RATIO = 3
"""How often the line through the ratio of compute to 6 n_params n_tokens is laid at the optimum."""
SEARCHED = 2.5
SEARCH_STEPS = 81
"""How far from the power law the best size of a budget is looked for, in e-folds, and in how many
steps."""


@dataclass(frozen=True, eq=False, repr=False)
class Surfaces:
    """Posterior of the loss surface of every loss in every group.

    The draws of losses of one group are joint: their errors agree as far as their runs' do.

    Attributes:
        runs: the runs fitted.
        keys: group and loss of every surface.
        coordinates: draws of the numbers: of logs, where they are positive.
        weights: draws of the discrepancy's weights, in units of the log loss.
        unit: smallest loss of every surface, which its first three numbers are relative to.
        reference: size and token count that surfaces are about.
        usual: sizes usual at a compute, which the discrepancy is about.
        basis: functions of the discrepancy.
        diagnostics: one row per surface: ``group, loss``, the worst ``rhat`` and the smallest
            ``ess`` of its numbers, and ``n_diverging`` draws.
    """

    runs: Runs
    keys: tuple[tuple[str, str], ...]
    coordinates: Float[np.ndarray, "surface draw number"]
    weights: Float[np.ndarray, "surface draw function"]
    unit: Float[np.ndarray, " surface"]
    reference: tuple[float, float]
    usual: Usual
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
        values = numbers_at(self.coordinates)
        found = {n: np.asarray(v, np.float64) for n, v in zip(NUMBERS, values, strict=True)}
        for name in ("floor", "size_term", "tokens_term"):
            found[name] = found[name] * self.unit[:, None]
        return found

    @property
    def surface(self) -> Surface:
        """Draws of the surfaces, without their discrepancy."""
        return Surface(*(self.numbers[name] for name in Surface._fields))

    def optimum(
        self, flops: float, *, only: Sequence[int] | None = None
    ) -> Float[np.ndarray, "surface draw"]:
        """Draws of the size of least loss at a budget, that of the surface alone: a power law.

        Where the runs' compute is not 6 n_params n_tokens, it is along theirs.

        Args:
            flops: the budget in FLOP.
            only: positions of the surfaces wanted; all of them by default.

        Returns:
            Sizes, counts of parameters.
        """
        rows = list(range(len(self.keys))) if only is None else list(only)
        surface = Surface(*(np.asarray(part)[rows] for part in self.surface))
        log_pairs = self._log_pairs(flops)
        log_params = np.asarray(optimal_log_params(surface, log_pairs), np.float64)
        for _ in range(LOOKS_AT_RATIO):
            middle = np.median(log_params, axis=1)
            level, tilt = np.empty(len(middle)), np.empty(len(middle))
            for position, row in enumerate(rows):
                ratio = self.compute_ratio[self.keys[row][0]]
                where = middle[[position]] + np.log(self.reference[0])
                level[[position]], tilt[[position]] = ratio.at(where)
            own_pairs = log_pairs - level + tilt * middle
            found = optimal_log_params(surface, own_pairs[:, None], tilt[:, None])
            log_params = np.asarray(found, np.float64)
        return self.reference[0] * np.exp(log_params)

    def own_optimum(self, row: int, flops: float) -> Float[np.ndarray, " draw"]:
        """Draws of the size of least loss at a budget that was run, discrepancy included.

        Budgets scatter about the power law: what is best at one of them is read off its runs.

        Args:
            row: position of a group's loss.
            flops: the budget in FLOP.

        Returns:
            Sizes, counts of parameters.
        """
        log_pairs = self._log_pairs(flops)
        surface = self._of(row)
        middle = np.log(np.median(self.optimum(flops, only=[row])) / self.reference[0])
        log_params = middle + np.linspace(-SEARCHED, SEARCHED, SEARCH_STEPS)
        ratio, _ = self.compute_ratio[self.keys[row][0]].at(log_params + np.log(self.reference[0]))
        log_tokens = log_pairs - ratio - log_params
        where = self.usual.places(log_params, log_tokens)
        delta = self.weights[row] @ self.basis.functions(where).T
        log_loss = np.log(expected_loss(surface, log_params, log_tokens)) + delta
        return self.reference[0] * np.exp(_vertex(log_params, np.asarray(log_loss, np.float64)))

    @cached_property
    def compute_ratio(self) -> dict[str, AlongSize]:
        """Log of compute over six times size and tokens along size, by group."""
        return log_compute_ratio(self.runs)

    def _of(self, row: int) -> Surface:
        """Draws of one surface, with an axis for places."""
        return Surface(*(np.asarray(part)[row, :, None] for part in self.surface))

    def _log_pairs(self, flops: float) -> Float[np.ndarray, ""]:
        """Log of a budget, over six times the reference size and token count."""
        return np.log(np.asarray(flops / TRAINING_FLOPS / self.reference[0] / self.reference[1]))

    def select(self, rows: Sequence[int]) -> Surfaces:
        """Keep some surfaces.

        Args:
            rows: their positions.

        Returns:
            These alone, their draws unchanged.
        """
        kept = list(rows)
        return replace(
            self,
            keys=tuple(self.keys[row] for row in kept),
            coordinates=self.coordinates[kept],
            weights=self.weights[kept],
            unit=self.unit[kept],
            diagnostics=self.diagnostics.iloc[kept].reset_index(drop=True),
        )

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
        where = self.usual.places(log_params, log_tokens)
        functions, rest = self.basis.functions(where), self.basis.rest(where)
        rng = np.random.default_rng(seed)
        # One surprise away from the runs for all losses of a draw: it is the recipe's.
        surprise = rng.standard_normal((self.n_draws, rest.shape[1])) @ rest.T
        losses = np.empty((len(rows), *surprise.shape))
        for position, row in enumerate(rows):
            surface = self._of(row)
            scale = (self.numbers["noise"] * self.numbers["discrepancy"])[row, :, None]
            delta = self.weights[row] @ functions.T + scale * surprise
            losses[position] = expected_loss(surface, log_params, log_tokens) * np.exp(delta)
        return losses


def _vertex(
    x: Float[np.ndarray, " place"], y: Float[np.ndarray, "draw place"]
) -> Float[np.ndarray, " draw"]:
    """Where curves are least: at the vertex of the parabola through the three lowest places."""
    lowest = np.clip(y.argmin(axis=1), 1, len(x) - 2)
    left, middle, right = (np.take_along_axis(y, lowest[:, None] + k, 1)[:, 0] for k in (-1, 0, 1))
    bend = np.maximum(left - 2 * middle + right, np.finfo(float).tiny)
    return np.asarray(x[lowest] + np.clip((left - right) / (2 * bend), -1, 1) * (x[1] - x[0]))


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
    keys = surface_keys(runs)
    if not keys:
        raise too_few_runs(runs)
    counts = runs.runs[["n_params", "n_tokens"]].to_numpy(dtype=float)
    reference = np.exp(np.log(counts).mean(axis=0))
    usual = usual_sizes(*np.log(counts / reference).T)
    at = usual.places(*np.log(counts / reference).T)
    basis = make_basis(at)
    measured, unit = measure(runs, keys, np.log(counts / reference), basis.functions(at))
    measured, population, modes = weigh_and_pool(measured, pooled=pooled and len(keys) > 1)
    key_numbers, key_weights = jax.random.split(jax.random.key(seed))
    draws = sample_well(energy, (measured, population), modes, key_numbers, method, on_progress)
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
        usual,
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
    coordinates = flat.reshape(len(flat), -1, flat.shape[-1])
    summaries = np.asarray(optimal_log_params(surface_at(coordinates), np.zeros(())))
    middle = np.median(coordinates, axis=1, keepdims=True)
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
    import arviz_stats as azs

    return pd.DataFrame(
        {
            "group": [group for group, _ in keys],
            "loss": [loss for _, loss in keys],
            "rhat": worst_rhat(draws),
            "ess": azs.ess(as_dataset(draws))["x"].min("parameter").to_numpy(),
            "n_diverging": draws.is_diverging.sum(axis=(1, 2)),
        }
    )
