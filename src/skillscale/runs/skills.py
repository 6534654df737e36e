"""Skills of controlled runs: losses joined by what they measure, and optima compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from skillscale.data.cells import read_cells
from skillscale.data.problems import checked_cells
from skillscale.data.schema import skills_schema
from skillscale.data.shipped import shipped_directory
from skillscale.errors import RunsError, TableError
from skillscale.formatting import LISTED
from skillscale.runs.table import Runs


def by_skill(runs: Runs, skills: pd.Series) -> Runs:
    """Join the losses that measure one skill: their mean, over the runs that have all of them.

    Means of losses are what a validation set made of them would show, so their optimum is that of
    the skill, and the noise that a run has in all of them counts once.

    Args:
        runs: controlled runs.
        skills: the skill of every loss, indexed by loss, as `load_skills` returns it; losses of
            other runs are passed over.

    Returns:
        The same runs with one loss per skill.

    Raises:
        RunsError: none of the losses has a skill, or no run has all losses of one.

    Example:
        >>> from skillscale.runs.table import load_runs
        >>> from skillscale.runs.skills import load_skills
        >>> runs = load_runs("isoflop")
        >>> by_skill(runs, load_skills(losses=runs.loss_names)).loss_names
        ['general', 'knowledge', 'code', 'reasoning', 'commonsense']
    """
    known = skills[skills.index.isin(runs.loss_names)]
    if known.empty:
        raise RunsError(
            f"no loss of these runs has a skill. Map some of {', '.join(runs.loss_names)}."
        )
    means = {
        skill: runs.losses[list(members.index)].mean(axis=1, skipna=False)
        for skill, members in known.groupby(known, sort=False)
    }
    return replace(runs, losses=pd.DataFrame(means)).select()


def load_skills(
    path: str | Path | None = None, *, losses: Iterable[str] | None = None
) -> pd.Series:
    r"""Load the table that says which skill each loss measures, and check it.

    Args:
        path: CSV file with columns ``loss`` and ``skill`` (empty where a loss counts for none);
            the table shipped with the package by default.
        losses: losses to keep, those of some runs; all of the table by default. The table may name
            no others, except losses of the shipped runs.

    Returns:
        The skill of every loss that has one, indexed by ``loss``, in the order of the table.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> skills = load_skills(losses=["val_c4", "val_starcoder", "task_boolq"])
        >>> skills.to_dict()
        {'val_c4': 'general', 'val_starcoder': 'code'}
        >>> list(load_skills().unique())
        ['general', 'knowledge', 'code', 'reasoning', 'commonsense']
    """
    shipped = shipped_directory() / "runs" / "skills.csv"
    path = shipped if path is None else Path(path)
    losses = None if losses is None else list(losses)
    known = None if losses is None else [*losses, *_shipped_losses(shipped)]
    cells = checked_cells(path, lambda _: skills_schema(known), ["loss"])
    mapped = cells.dropna(subset=["skill"])
    mapped = mapped if losses is None else mapped[mapped["loss"].isin(losses)]
    if mapped.empty:
        raise TableError([f"{path.name}: no loss has a skill. {_wanted(losses)}"])
    index = pd.Index(mapped["loss"].to_list(), name="loss")
    return pd.Series(mapped["skill"].to_list(), index=index, name="skill")


def _shipped_losses(shipped: Path) -> list[str]:
    cells, _ = read_cells(shipped)
    return [] if cells is None else cells["loss"].to_list()


def _wanted(losses: list[str] | None) -> str:
    if losses is None:
        return "Write one in the column skill, such as knowledge, code, reasoning or general."
    listed = ", ".join(map(repr, losses[:LISTED]))
    return f"Map at least one loss of these runs: {listed}."
