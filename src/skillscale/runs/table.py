"""Controlled training runs: sizes, tokens and compute, and the losses measured on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from skillscale.data.cells import read_cells
from skillscale.data.problems import find_problems
from skillscale.data.rules import numbers
from skillscale.data.schema import runs_schema
from skillscale.data.shipped import shipped_directory
from skillscale.errors import RunsError, TableError, UnknownNameError, known_names
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.columns import RUN_COLUMNS, recognise
from skillscale.runs.oddities import oddities
from skillscale.runs.sweeps import best_of_cell as best_runs

NOT_MEASURED = ("nan", "inf", "-inf", "+inf", "none", "null", "n/a", "na", "infinity")
"""What exports write in place of a loss that diverged or was not measured, in small letters."""
SHIPPED = ("isoflop", "olmo-ladder", "overtraining", "chinchilla", "llama3", "marin")
BUDGET_TOLERANCE = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Training runs that vary size and tokens under control, with the losses measured on them.

    Attributes:
        runs: one row per run, indexed by ``run``: ``group`` (the corpus or recipe trained on),
            ``n_params`` and ``n_tokens`` (counts; of mixtures of experts the active parameters,
            with all of them in ``n_total_params``), ``flops`` (training FLOP), ``source``.
        losses: a frame (run, loss) in nats per token or bits per byte, NaN where not measured.
        warnings: sentences about what is odd but usable, for whoever reads the results.

    Example:
        >>> runs = load_runs("isoflop")
        >>> runs
        Runs(529 runs of 6 groups, 27 losses, 2e+17 to 4.84e+19 FLOP)
        >>> runs.select(losses=["val_c4", "val_starcoder"], groups=["starcoder"]).losses.head(2)
                                        val_c4  val_starcoder
        run
        starcoder-35202432-946900000    4.9773         1.9506
        starcoder-57950720-575200000    4.9939         1.9437
    """

    runs: pd.DataFrame
    losses: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        flops = self.runs["flops"]
        return (
            f"Runs({len(self.runs)} runs of {len(self.groups)} groups, "
            f"{len(self.loss_names)} losses, {flops.min():.3g} to {flops.max():.3g} FLOP)"
        )

    @property
    def groups(self) -> list[str]:
        """Names of the groups, in order of first appearance."""
        return list(self.runs["group"].unique())

    @property
    def loss_names(self) -> list[str]:
        """Names of the losses, in the order of the file."""
        return list(self.losses.columns)

    @property
    def is_sparse(self) -> bool:
        """Whether sizes are those of active parameters, all of them being more."""
        total = self.runs.get("n_total_params", self.runs["n_params"])
        return bool((total > self.runs["n_params"]).any())

    def is_measured(self, group: str, loss: str) -> Bool[np.ndarray, " run"]:
        """Which runs of a group have a loss.

        Args:
            group: name of the group.
            loss: name of the loss.

        Returns:
            Truth values, in the order of the runs.
        """
        return ((self.runs["group"] == group) & self.losses[loss].notna()).to_numpy()

    def select(
        self,
        *,
        losses: Iterable[str] | None = None,
        groups: Iterable[str] | None = None,
        min_flops: float = 0.0,
        max_flops: float = np.inf,
    ) -> Runs:
        """Keep some losses, groups and budgets, and of the runs those left with a loss.

        Args:
            losses: names to keep, in this order; all of them by default.
            groups: names to keep; all of them by default.
            min_flops: least training compute to keep, in FLOP.
            max_flops: most training compute to keep, in FLOP.

        Returns:
            Runs with the same warnings.

        Raises:
            UnknownNameError: a name is not in these runs.
            RunsError: no run is left.

        Example:
            >>> load_runs("isoflop").select(groups=["starcoder"], max_flops=1e18)
            Runs(25 runs of 1 groups, 27 losses, 2e+17 to 9.56e+17 FLOP)
        """
        kept = self.losses[known_names("loss", _distinct(losses), self.loss_names, "these runs")]
        is_kept = (
            self.runs["group"].isin(known_names("group", groups, self.groups, "these runs"))
            & self.runs["flops"].between(min_flops, max_flops)
            & kept.notna().any(axis=1)
        )
        if not is_kept.any():
            raise RunsError(
                f"No run is left of {self!r} with the losses, groups and compute selected."
            )
        return replace(self, runs=self.runs[is_kept], losses=kept[is_kept])

    def budgets(self, tolerance: float = BUDGET_TOLERANCE) -> pd.Series:
        """Training budget of every run, runs of nearly the same compute sharing one.

        Budgets are shared by all groups, so that they can be compared at one budget.

        Args:
            tolerance: how far apart the compute of two runs of one budget may lie, as a fraction.

        Returns:
            The median ``flops`` of the runs that share the budget, indexed by run, in FLOP.

        Example:
            >>> budgets = load_runs("isoflop").budgets()
            >>> [f"{budget:.3g}" for budget in sorted(budgets.unique())]
            ['2e+17', '4.37e+17', '9.56e+17', '2.09e+18', ..., '4.84e+19']
        """
        flops = self.runs["flops"].sort_values()
        # Chaining neighbours would merge a dense ladder into one budget.
        lowest, start = [], 0.0
        for value in flops:
            start = start if value <= start * (1 + tolerance) else value
            lowest.append(start)
        medians = flops.groupby(np.array(lowest)).transform("median")
        return medians.reindex(self.runs.index).rename("budget")


def load_runs(
    path: str | Path = "isoflop",
    *,
    losses: Iterable[str] | None = None,
    columns: Mapping[str, str] | None = None,
    best_of_cell: bool | None = None,
) -> Runs:
    r"""Load controlled training runs and check them.

    Args:
        path: CSV file with columns ``n_params``, ``n_tokens`` and one per loss; optionally ``run``,
            ``group``, ``flops`` (else 6 n_params n_tokens), ``n_active_params`` (of mixtures of
            experts: then they are the size) and ``source``. Usual other names of these are known.
            Or the name of runs shipped with the package: ``isoflop``, ``olmo-ladder``,
            ``overtraining``.
        losses: columns that hold losses; by default those named like losses, or, where none is,
            numbers that may be some.
        columns: which column of the file holds what, such as ``{"n_params": "weights"}``.
        best_of_cell: whether of several runs of one size and token count the best counts, as in a
            sweep, or all, as reruns; by default an error where hyper-parameters differ.

    Returns:
        The runs with a loss. Their ``warnings`` say what was taken for what, how many have no loss,
        which losses rise with compute, and in how many ``flops`` is not 6 n_params n_tokens to 5 %.

    Raises:
        TableError: the file holds problems; the error lists all of them.
        UnknownNameError: a loss is no column of the file, or no shipped runs have the name.
        RunsError: runs of one size and token count differ in hyper-parameters.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "runs.csv"
        >>> _ = path.write_text("n_params,n_tokens,web,code\n1e8,2e9,3.4,2.1\n2e8,1e9,3.5,\n")
        >>> runs = load_runs(path)
        >>> runs.runs[["group", "n_params", "n_tokens", "flops"]]
                                 group     n_params      n_tokens         flops
        run
        all-100000000-2000000000   all  100000000.0  2.000000e+09  1.200000e+18
        all-200000000-1000000000   all  200000000.0  1.000000e+09  1.200000e+18
        >>> runs.loss_names
        ['web', 'code']
    """
    path = _shipped(path)
    read, problems = read_cells(path)
    if read is None:
        raise TableError(problems)
    found = recognise(path.name, read, losses=_distinct(losses), named=columns)
    cells, left_out = best_runs(
        path.name,
        _measured_only(found.cells, found.losses),
        found.losses,
        found.hyper_parameters,
        best=best_of_cell,
    )
    problems += find_problems(path.name, cells, runs_schema(found.losses), ["run", "group"])
    if not cells[found.losses].notna().any(axis=None):
        given = ", ".join(map(repr, cells.columns))
        problems.append(
            f"{path.name}: no column holds a loss. Add one column of numbers per loss. "
            f"Found: {given}."
        )
    if problems:
        raise TableError(problems)
    frame = _run_frame(cells)
    measured = cells[found.losses].apply(numbers).set_index(frame.index)
    names = [name for name in cells if name not in (*RUN_COLUMNS, *found.losses)]
    others = cells[names].apply(numbers)
    odd = oddities(path.name, frame, measured, cells.index, others)
    return Runs(runs=frame, losses=measured, warnings=(*found.said, *left_out, *odd)).select()


def _shipped(path: str | Path) -> Path:
    """Path of a runs file, given by itself or by the name of shipped runs."""
    if path in SHIPPED:
        return shipped_directory() / "runs" / f"{str(path).replace('-', '_')}.csv"
    if Path(path).suffix == "" and not Path(path).exists():
        raise UnknownNameError("file or name", str(path), SHIPPED, where="the shipped runs")
    return Path(path)


def _measured_only(cells: pd.DataFrame, losses: list[str]) -> pd.DataFrame:
    """Cells in which a loss that is no number, as of a run that diverged, is empty."""
    kept = cells.copy()
    for name in losses:
        is_lost = cells[name].str.lower().isin(NOT_MEASURED)
        kept[name] = cells[name].mask(is_lost, None)
    return kept


def _run_frame(cells: pd.DataFrame) -> pd.DataFrame:
    """Turn valid cells into typed columns, defaults filled in."""
    cells = cells.assign(**{name: None for name in RUN_COLUMNS if name not in cells.columns})
    counts = cells[["n_params", "n_tokens", "flops"]].apply(numbers)
    counts["n_total_params"] = counts["n_params"]
    active = numbers(cells["n_active_params"])
    counts["n_params"] = active.fillna(counts["n_params"])
    counts["flops"] = counts["flops"].fillna(
        TRAINING_FLOPS * counts["n_params"] * counts["n_tokens"]
    )
    group = cells["group"].fillna("all")
    cell_names = [
        f"{name}-{n_params:.12g}-{n_tokens:.12g}"
        for name, n_params, n_tokens in zip(
            group, counts["n_params"], counts["n_tokens"], strict=True
        )
    ]
    # Lists, so that text columns get the dtype that this version of pandas gives to text.
    columns = {"group": group, **counts, "source": cells["source"]}
    run = cell_names if cells["run"].isna().all() else cells["run"].to_list()
    return pd.DataFrame(
        {name: column.to_list() for name, column in columns.items()},
        index=pd.Index(run, name="run"),
    )


def _distinct(names: str | Iterable[str] | None) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(dict.fromkeys(names))
