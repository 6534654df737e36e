"""The verb that fits surfaces and parabolas to controlled runs, and reads its saved results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from skillscale.errors import RunsError
from skillscale.formatting import and_more
from skillscale.runs.agreement import disputed
from skillscale.runs.estimators import INTERVAL, N_DRAWS, IsoFlop
from skillscale.runs.grid import (
    LEAST_RUNS,
    require_sizes,
    runs_by_loss,
    surface_keys,
    too_few_runs,
)
from skillscale.runs.parabola import FARTHEST, LEAST_SIZES, Parabolas, fit_parabolas
from skillscale.runs.power_law import PowerLaw, fit_power_law
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.storage import read
from skillscale.runs.surfaces import Surfaces, fit_surfaces
from skillscale.runs.table import Runs


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
    surfaces = None
    if surface_keys(runs):
        surfaces = fit_surfaces(
            runs, pooled=pooled, method=method, seed=seed, on_progress=on_progress
        )
    found = with_parabolas(runs, surfaces, seed)
    if surfaces is None:
        return found
    apart = disputed(surfaces, found.parabolas[: len(surfaces.keys)], INTERVAL)
    return replace(found, disputed=apart, warnings=(*found.warnings, *_parted(apart)))


def with_parabolas(runs: Runs, surfaces: Surfaces | None, seed: int) -> IsoFlop:
    """Fit parabolas and their power laws beside surfaces, without asking whether both agree.

    Args:
        runs: controlled runs.
        surfaces: their surfaces, where any loss has the runs.
        seed: the only source of randomness.

    Returns:
        Draws of optima by both estimators, none disputed.

    Raises:
        RunsError: no loss has the runs of a surface, or the sizes of a parabola, in any group.
    """
    rng = np.random.default_rng(seed)
    budgets = runs.budgets().to_numpy()
    large = () if surfaces is None else surfaces.keys
    n_draws = N_DRAWS if surfaces is None else surfaces.n_draws
    small = [key for key in runs_by_loss(runs) if key not in large]
    found = {key: _parabolas_of(runs, budgets, *key, n_draws, rng) for key in [*large, *small]}
    alone = [key for key in small if found[key] is not None]
    keys = (*large, *alone)
    if not keys:
        raise too_few_runs(runs)
    parabolas = tuple(found[key] for key in keys)
    laws = tuple(None if p is None else _power_law(p, n_draws, rng) for p in parabolas)
    warnings = (*_warnings(runs), *_without_surface(alone))
    return IsoFlop(runs, keys, surfaces, parabolas, laws, (), warnings, seed)


def load_isoflop(path: str | Path) -> IsoFlop:
    """Read a fit of runs that `IsoFlop.save` has written.

    Args:
        path: the file.

    Returns:
        The fit, with the same draws.

    Raises:
        FitFileError: the file is missing, truncated, no fit of runs, or of another schema.

    Example:
        >>> import tempfile
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> path = Path(tempfile.mkdtemp()) / "runs.nc"
        >>> found.save(path)
        >>> loaded = load_isoflop(path)
        >>> bool((loaded.optimum(0, 1e19) == found.optimum(0, 1e19)).all())
        True
        >>> loaded.select(losses=["val_c4"]).keys
        (('starcoder', 'val_c4'),)
    """
    stored = read(Path(path))
    found = with_parabolas(stored.runs, stored.surfaces, stored.seed)
    return replace(found, disputed=stored.disputed, warnings=stored.warnings)


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
    kept = runs.is_measured(group, loss)
    values, sizes = runs.losses[loss].to_numpy(), runs.runs["n_params"].to_numpy()
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
