"""Optima of controlled runs: the verb that fits both estimators, and its frozen result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from skillscale.data.problems import and_more
from skillscale.errors import RunsError, known_names
from skillscale.runs.agreement import disputed
from skillscale.runs.grid import require_sizes
from skillscale.runs.parabola import FARTHEST, LEAST_SIZES, Parabolas, fit_parabolas
from skillscale.runs.power_law import PowerLaw, fit_power_law
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.surfaces import (
    LEAST_RUNS,
    Surfaces,
    fit_surfaces,
    runs_by_loss,
    surface_keys,
    too_few_runs,
)
from skillscale.runs.table import Runs

N_DRAWS = 800
"""Draws where there are parabolas alone."""
INTERVAL = 0.9
"""Probability inside the intervals of optima, unless another is asked for."""


class Estimator(StrEnum):
    """How an optimum is found."""

    SURFACE = "surface"
    PARABOLA = "parabola"


@dataclass(frozen=True, eq=False, repr=False)
class IsoFlop:
    """Posterior of the optima of controlled runs, by two estimators.

    Attributes:
        runs: the runs fitted.
        keys: group and loss of every surface, then of what has parabolas alone.
        surfaces: one loss surface per group and loss that has the runs, fitted to all budgets; None
            where none has.
        parabolas: one parabola per budget, for every key; None where no budget has the sizes.
        power_laws: through the minima of the parabolas.
        disputed: group and loss of the surfaces whose power law parts from the parabolas. Ratios,
            mixes, costs of validation sets and evidence leave them out.
        warnings: sentences about these and budgets without a parabola, after those of the runs.
        seed: what draws of them begin from.
    """

    runs: Runs
    keys: tuple[tuple[str, str], ...]
    surfaces: Surfaces | None
    parabolas: tuple[Parabolas | None, ...]
    power_laws: tuple[PowerLaw | None, ...]
    disputed: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    seed: int

    def __repr__(self) -> str:
        return f"IsoFlop({self.surfaces or self.runs!r})"

    @property
    def trusted(self) -> tuple[tuple[str, str], ...]:
        """Group and loss of the surfaces that are not disputed."""
        known = () if self.surfaces is None else self.surfaces.keys
        return tuple(key for key in known if key not in self.disputed)

    @property
    def n_draws(self) -> int:
        """Draws of every optimum."""
        return N_DRAWS if self.surfaces is None else self.surfaces.n_draws

    def require_surfaces(self) -> Surfaces:
        """The surfaces, where there are any.

        Returns:
            The surfaces.

        Raises:
            RunsError: there are none, for lack of runs.
        """
        if self.surfaces is None:
            raise RunsError(
                f"no loss has the {LEAST_RUNS} runs in a group that a surface needs, and parabolas "
                "answer for best sizes and exponents alone. Add runs, or join groups that are one "
                "recipe."
            )
        return self.surfaces

    def index(self, group: str, loss: str) -> int:
        """Position of a group's loss.

        Args:
            group: name of the group.
            loss: name of the loss.

        Returns:
            Its position in ``keys``, ``surfaces``, ``parabolas`` and ``power_laws``.

        Raises:
            UnknownNameError: the runs have no such group or loss.
        """
        losses = [loss for own, loss in self.keys if own == group]
        known_names("group", group, [own for own, _ in self.keys], "these surfaces")
        known_names("loss", loss, losses, "these surfaces")
        return self.keys.index((group, loss))

    def noise(self, row: int) -> float:
        """Noise of a group's loss, as a part of it: the median of the surface, or of parabolas.

        Args:
            row: position of a group's loss.

        Returns:
            Its standard deviation, in logs of the loss.
        """
        if self.surfaces is not None and row < len(self.surfaces.keys):
            return float(np.median(self.surfaces.numbers["noise"][row]))
        parabolas = self.parabolas[row]
        return 0.0 if parabolas is None else float(np.median(parabolas.noise))

    def _own_budget(self, row: int, flops: float) -> int | None:
        """Position of a budget among those of a group's loss that have a parabola."""
        parabolas = self.parabolas[row]
        if parabolas is None:
            return None
        at = np.flatnonzero(np.isclose(parabolas.budgets, flops, rtol=0.01))
        return int(at[0]) if len(at) else None

    def optimum(
        self, row: int, flops: float, estimator: Estimator = Estimator.SURFACE
    ) -> Float[np.ndarray, " draw"]:
        """Draws of the size of least loss at a budget.

        Args:
            row: position of a group's loss.
            flops: the budget in FLOP.
            estimator: where the budget was run, surfaces answer with their discrepancy and
                parabolas by their own minimum; elsewhere both by their power law.

        Returns:
            Sizes, counts of parameters; NaN where there are no parabolas, or no surface.
        """
        unknown = np.full(self.n_draws, np.nan)
        at = self._own_budget(row, flops)
        if estimator is Estimator.SURFACE:
            if self.surfaces is None or row >= len(self.surfaces.keys):
                return unknown
            if at is not None:
                return self.surfaces.own_optimum(row, flops)
            return self.surfaces.optimum(flops)[row]
        parabolas, law = self.parabolas[row], self.power_laws[row]
        if parabolas is not None and at is not None:
            return parabolas.optimum[:, at]
        if law is None:
            return unknown
        return law.at(np.array([flops]), np.random.default_rng((self.seed, row)))[:, 0]


def isoflop(
    runs: Runs,
    *,
    pooled: bool = True,
    method: ManyNuts | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> IsoFlop:
    """Fit a loss surface, and parabolas at every budget, to each loss of each group.

    The third and the second approach of Hoffmann et al. 2022 (arXiv:2203.15556), with posteriors.

    Args:
        runs: controlled runs. `by_skill` turns losses into skills first.
        pooled: whether surfaces come from one population that is estimated.
        method: options of the sampler of surfaces.
        seed: the only source of randomness; the same seed gives the same draws.
        on_progress: called with the surfaces sampled and all surfaces, for a progress bar.

    Returns:
        Draws of optima by both estimators, as a frozen `IsoFlop`.

    Raises:
        RunsError: no loss has the runs of a surface, or the sizes of a parabola, in any group.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> found
        IsoFlop(Surfaces(1 of Runs(84 runs of 1 groups, 1 losses, 2e+17 to ... FLOP), 100 draws))
        >>> found.optimum(0, 1e19).shape
        (100,)
    """
    rng = np.random.default_rng(seed)
    budgets = runs.budgets().to_numpy()
    large = surface_keys(runs)
    surfaces = None
    if large:
        surfaces = fit_surfaces(
            runs, pooled=pooled, method=method, seed=seed, on_progress=on_progress
        )
    n_draws = N_DRAWS if surfaces is None else surfaces.n_draws
    small = [key for key in runs_by_loss(runs) if key not in large]
    found = {key: _parabolas_of(runs, budgets, *key, n_draws, rng) for key in [*large, *small]}
    alone = [key for key in small if found[key] is not None]
    keys = (*large, *alone)
    if not keys:
        raise too_few_runs(runs)
    parabolas = tuple(found[key] for key in keys)
    laws = tuple(None if p is None else _power_law(p, n_draws, rng) for p in parabolas)
    apart = () if surfaces is None else disputed(surfaces, parabolas[: len(large)], INTERVAL)
    warnings = (*_warnings(runs), *_parted(apart), *_without_surface(alone))
    return IsoFlop(runs, keys, surfaces, parabolas, laws, apart, warnings, seed)


def _without_surface(keys: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Say what has parabolas alone, if anything has."""
    if not keys:
        return ()
    named = and_more([f"{loss} of {group}" for group, loss in keys])
    return (f"Fewer than {LEAST_RUNS} runs give parabolas and no surface: {named}.",)


def _parted(apart: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Say which surfaces part from the parabolas, if any do."""
    if not apart:
        return ()
    named = and_more([f"{loss} of {group}" for group, loss in apart])
    return (
        "Surface and parabolas part at more than a quarter of the budgets: "
        f"{named}. Trust the parabolas where budgets were run; ratios, mixes, costs of "
        "validation sets and evidence leave these surfaces out.",
    )


def _warnings(runs: Runs) -> tuple[str, ...]:
    """What is odd about the runs, and which budgets have no parabola."""
    try:
        return require_sizes(runs, LEAST_SIZES).warnings
    except RunsError as error:
        return (*runs.warnings, f"No parabolas: {error}")


def _parabolas_of(
    runs: Runs,
    budgets: Float[np.ndarray, " run"],
    group: str,
    loss: str,
    n_draws: int,
    rng: np.random.Generator,
) -> Parabolas | None:
    """Parabolas of one loss of one group."""
    values = runs.losses[loss].to_numpy()
    kept = (runs.runs["group"] == group).to_numpy() & ~np.isnan(values)
    sizes = runs.runs["n_params"].to_numpy()
    return fit_parabolas(budgets[kept], sizes[kept], values[kept], n_draws, rng)


def _power_law(parabolas: Parabolas, n_draws: int, rng: np.random.Generator) -> PowerLaw | None:
    """The power law through the minima; None where fewer than two budgets have one."""
    near = np.clip(parabolas.optimum, parabolas.smallest / FARTHEST, parabolas.largest * FARTHEST)
    inside = (near > parabolas.smallest) & (near < parabolas.largest)
    kept = inside.mean(axis=0) > 0.5
    if kept.sum() < 2:
        return None
    log_optimum = np.log(near[:, kept])
    return fit_power_law(
        parabolas.budgets[kept],
        np.median(log_optimum, axis=0),
        log_optimum.var(axis=0),
        n_draws,
        rng,
    )
