"""Whether runs form the grid that an analysis needs: sizes and groups per budget, runs per loss."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from skillscale.errors import RunsError
from skillscale.formatting import and_more
from skillscale.runs.table import Runs

LEAST_RUNS = 8
"""Runs of a loss in a group that a surface asks for at least."""


def require_sizes(runs: Runs, n_sizes: int = 3) -> Runs:
    """Keep the budgets at which a group trained enough sizes, and say which are left out.

    Args:
        runs: the runs. Select one loss first where not every run has all of them.
        n_sizes: least number of distinct sizes; a parabola needs three.

    Returns:
        The runs at those budgets; ``warnings`` names the groups and budgets left out.

    Raises:
        RunsError: no group has a budget with enough sizes.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> require_sizes(load_runs("isoflop"), 5).warnings
        ("Left out, with fewer than 5 sizes: group 'starcoder' at 2e+17 FLOP (4).",)
    """
    group, budgets = runs.runs["group"], runs.budgets()
    found = runs.runs["n_params"].groupby([group, budgets]).transform("nunique")
    places = [f"group {g!r} at {b:.3g} FLOP" for g, b in zip(group, budgets, strict=True)]
    advice = "Train more sizes at one budget, or fit a loss surface: it needs no budgets."
    return _with_enough(runs, found, n_sizes, "sizes", places, advice)


def require_groups(runs: Runs, n_groups: int = 2) -> Runs:
    """Keep the budgets at which enough groups trained, and say which are left out.

    Args:
        runs: the runs.
        n_groups: least number of groups; comparing data mixes needs two.

    Returns:
        The runs at those budgets; ``warnings`` names the budgets left out.

    Raises:
        RunsError: no budget has enough groups.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> len(require_groups(load_runs("overtraining")).runs)
        101
    """
    group, budgets = runs.runs["group"], runs.budgets()
    found = group.groupby(budgets).transform("nunique")
    places = [f"{b:.3g} FLOP with {g!r}" for g, b in zip(group, budgets, strict=True)]
    advice = (
        "One corpus or recipe says nothing about the data mix: name what each run was trained on "
        "in the column group, and train several at the same budget."
    )
    return _with_enough(runs, found, n_groups, "groups", places, advice)


def _with_enough(
    runs: Runs, found: pd.Series, least: int, what: str, places: list[str], advice: str
) -> Runs:
    """Keep the runs whose budget has enough of something."""
    is_enough = found >= least
    few = {place: n for place, n in zip(places, found, strict=True) if n < least}
    listed = and_more([f"{place} ({n})" for place, n in few.items()])
    sentence = f"with fewer than {least} {what}: {listed}."
    if not is_enough.any():
        raise RunsError(f"All budgets are left out, {sentence} {advice}")
    warnings = (*runs.warnings, f"Left out, {sentence}") if few else runs.warnings
    return replace(
        runs, runs=runs.runs[is_enough], losses=runs.losses[is_enough], warnings=warnings
    )


def runs_by_loss(runs: Runs) -> dict[tuple[str, str], int]:
    """How many runs measured each loss in each group.

    Args:
        runs: controlled runs.

    Returns:
        Counts by group and loss.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> runs_by_loss(load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"]))
        {('starcoder', 'val_c4'): 84}
    """
    return {
        (group, loss): int(runs.is_measured(group, loss).sum())
        for group in runs.groups
        for loss in runs.loss_names
    }


def surface_keys(runs: Runs) -> list[tuple[str, str]]:
    """Group and loss of every surface that has enough runs.

    Args:
        runs: controlled runs.

    Returns:
        Pairs of group and loss; none where no loss has the runs.
    """
    return [key for key, n in runs_by_loss(runs).items() if n >= LEAST_RUNS]


def too_few_runs(runs: Runs) -> RunsError:
    """The error of runs that no surface can be fitted to.

    Args:
        runs: controlled runs.

    Returns:
        The error, to be raised.
    """
    return RunsError(
        f"a surface needs {LEAST_RUNS} runs of a loss in a group, and the most here is "
        f"{max(runs_by_loss(runs).values())}. Add runs, or join groups that are one recipe."
    )
