"""Optima of controlled runs by two estimators: the frozen result of `isoflop`."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from skillscale.errors import RunsError, known_names
from skillscale.intervals import tails
from skillscale.runs.along_size import AlongSize, budget_tokens, log_compute_ratio
from skillscale.runs.grid import LEAST_RUNS
from skillscale.runs.parabola import Parabolas, parabola_losses
from skillscale.runs.power_law import PowerLaw
from skillscale.runs.storage import Stored, write
from skillscale.runs.surfaces import Surfaces
from skillscale.runs.table import Runs

N_DRAWS = 800
"""Draws where there are parabolas alone."""
INTERVAL = 0.9
"""Probability inside the intervals of optima, unless another is asked for."""
LAW_EVERY = 2
"""Of so many draws of the best size at a budget that was run, one is of the power law. What the
runs of a budget show beyond it may be their recipe's, or chance that they share. On grids
simulated with the residuals of real ones, 90 % intervals of the power law held 86 to 97 % of its
optima, those of the budgets alone 36 to 87 %, and of both by halves 79 to 97 %; with a third of the
draws from the law 74, with two thirds 83, where halves held 79."""
FITTED = "this fit of runs"


class Estimator(StrEnum):
    """How an optimum is found."""

    SURFACE = "surface"
    PARABOLA = "parabola"


class SurfaceOptimum(NamedTuple):
    """Draws of the size of least loss at a budget, by a surface."""

    law: Float[np.ndarray, " draw"]
    """Of the power law over all budgets."""
    own: Float[np.ndarray, " draw"] | None
    """Of the budget itself, its discrepancy included; None where it was not run."""

    @property
    def draws(self) -> Float[np.ndarray, " draw"]:
        """Of both, by turns, or of the power law alone."""
        if self.own is None:
            return self.law
        return np.where(np.arange(len(self.law)) % LAW_EVERY == 0, self.law, self.own)

    def is_off_law(self, interval: float) -> bool:
        """Whether the runs of the budget put the best size off the power law.

        Args:
            interval: probability inside the interval of the budget.

        Returns:
            True where the median of the power law is outside that interval.
        """
        if self.own is None:
            return False
        lower, upper = np.quantile(self.own, tails(interval))
        return not lower <= np.median(self.law) <= upper


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

    @cached_property
    def compute_ratio(self) -> dict[str, AlongSize]:
        """Log of compute over six times size and tokens along size, by group."""
        return log_compute_ratio(self.runs)

    @property
    def trusted(self) -> tuple[tuple[str, str], ...]:
        """Group and loss of the surfaces that are not disputed."""
        known = () if self.surfaces is None else self.surfaces.keys
        return tuple(key for key in known if key not in self.disputed)

    @property
    def estimators(self) -> tuple[Estimator, ...]:
        """Those that answer for any loss here."""
        known = {Estimator.SURFACE: self.surfaces is not None}
        known[Estimator.PARABOLA] = any(parabolas is not None for parabolas in self.parabolas)
        return tuple(estimator for estimator in Estimator if known[estimator])

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

    def surfaces_of(self, row: int) -> Surfaces | None:
        """The surfaces, where a group's loss has one.

        Args:
            row: position of the group's loss.

        Returns:
            All surfaces, its own at the same position; None where it has parabolas alone.
        """
        has_one = self.surfaces is not None and row < len(self.surfaces.keys)
        return self.surfaces if has_one else None

    def save(self, path: str | Path) -> None:
        """Write the draws and the runs to one netCDF file.

        Args:
            path: the file; one that is there is replaced.

        Raises:
            FitFileError: the file can't be written.

        Example:
            See `skillscale.runs.estimation.load_isoflop`.
        """
        stored = Stored(self.runs, self.surfaces, self.disputed, self.warnings, self.seed)
        write(Path(path), stored)

    def select(
        self, *, losses: Iterable[str] | None = None, groups: Iterable[str] | None = None
    ) -> IsoFlop:
        """Keep some losses and groups of a fit.

        Args:
            losses: names to keep; all of them by default.
            groups: names to keep; all of them by default.

        Returns:
            The fit of these alone, its draws unchanged.

        Raises:
            UnknownNameError: a name was not fitted.
            RunsError: none of these losses was fitted in these groups.

        Example:
            See `skillscale.runs.estimation.load_isoflop`.
        """
        kept = known_names("loss", losses, dict.fromkeys(loss for _, loss in self.keys), FITTED)
        own = known_names("group", groups, dict.fromkeys(group for group, _ in self.keys), FITTED)
        rows = [row for row, (g, loss) in enumerate(self.keys) if g in own and loss in kept]
        if not rows:
            raise RunsError(
                f"{', '.join(kept)} of {', '.join(own)} had too few runs to be fitted there."
            )
        large = 0 if self.surfaces is None else len(self.surfaces.keys)
        surfaces = None
        if self.surfaces is not None and (fitted := [row for row in rows if row < large]):
            surfaces = self.surfaces.select(fitted)
        return replace(
            self,
            runs=self.runs.select(losses=kept, groups=own),
            keys=tuple(self.keys[row] for row in rows),
            surfaces=surfaces,
            parabolas=tuple(self.parabolas[row] for row in rows),
            power_laws=tuple(self.power_laws[row] for row in rows),
        )

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
        if (surfaces := self.surfaces_of(row)) is not None:
            return float(np.median(surfaces.numbers["noise"][row]))
        parabolas = self.parabolas[row]
        return 0.0 if parabolas is None else float(np.median(parabolas.noise))

    def own_budget(self, row: int, flops: float) -> int | None:
        """Position of a budget among those of a group's loss that have a parabola.

        Args:
            row: position of the group's loss.
            flops: the budget in FLOP.

        Returns:
            The position in its `Parabolas`; None where it has none.
        """
        parabolas = self.parabolas[row]
        if parabolas is None:
            return None
        at = np.flatnonzero(np.isclose(parabolas.budgets, flops, rtol=0.01))
        return int(at[0]) if len(at) else None

    def surface_optimum(self, row: int, flops: float) -> SurfaceOptimum | None:
        """The size of least loss at a budget by the surface.

        Args:
            row: position of a group's loss.
            flops: the budget in FLOP.

        Returns:
            What its power law says, and its budget where that was run; None without a surface.
        """
        surfaces = self.surfaces_of(row)
        if surfaces is None:
            return None
        law = surfaces.optimum(flops, only=[row])[0]
        is_run = self.own_budget(row, flops) is not None
        return SurfaceOptimum(law, surfaces.own_optimum(row, flops) if is_run else None)

    def losses(
        self, row: int, flops: float, n_params: Float[np.ndarray, " size"]
    ) -> Float[np.ndarray, "draw size"]:
        """Draws of a loss along a budget: by the surface, or the parabola where there is none.

        Args:
            row: position of a group's loss.
            flops: the budget in FLOP.
            n_params: sizes, counts of parameters.

        Returns:
            Losses; one draw of NaN where there is neither.
        """
        if (surfaces := self.surfaces_of(row)) is not None:
            n_tokens = budget_tokens(self.compute_ratio[self.keys[row][0]], n_params, flops)
            return surfaces.losses(n_params, n_tokens, only=[row])[0]
        at, parabolas = self.own_budget(row, flops), self.parabolas[row]
        if parabolas is None or at is None:
            return np.full((1, len(n_params)), np.nan)
        return parabola_losses(parabolas, at, n_params)

    def optimum(
        self, row: int, flops: float, estimator: Estimator = Estimator.SURFACE
    ) -> Float[np.ndarray, " draw"]:
        """Draws of the size of least loss at a budget.

        Args:
            row: position of a group's loss.
            flops: the budget in FLOP.
            estimator: where the budget was run, parabolas answer by their own minimum and surfaces
                half by their power law and half by what is least at that budget, discrepancy
                included; elsewhere both by their power law.

        Returns:
            Sizes, counts of parameters; NaN where there are no parabolas, or no surface.
        """
        unknown = np.full(self.n_draws, np.nan)
        if estimator is Estimator.SURFACE:
            by_surface = self.surface_optimum(row, flops)
            return unknown if by_surface is None else by_surface.draws
        at = self.own_budget(row, flops)
        parabolas, law = self.parabolas[row], self.power_laws[row]
        if parabolas is not None and at is not None:
            return parabolas.optimum[:, at]
        if law is None:
            return unknown
        # Its own stream, so that it is the same whatever else was fitted or kept.
        stream = zlib.crc32(repr(self.keys[row]).encode())
        return law.at(np.array([flops]), np.random.default_rng((self.seed, stream)))[:, 0]
