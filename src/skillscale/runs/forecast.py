"""Losses of runs to come: what a planned size and token count will reach, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skillscale.data.cells import read_cells
from skillscale.data.problems import find_problems
from skillscale.data.rules import numbers
from skillscale.data.schema import runs_schema
from skillscale.errors import SpecError, TableError, known_names
from skillscale.intervals import central
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.runs.columns import recognise
from skillscale.runs.posterior import TAIL
from skillscale.runs.surfaces import Surfaces

INTERVALS = (50, 80, 90, 95)


def forecast_losses(
    surfaces: Surfaces,
    plan: pd.DataFrame,
    *,
    groups: Sequence[str] | None = None,
    losses: Sequence[str] | None = None,
    intervals: Sequence[int] = INTERVALS,
    seed: int = 0,
) -> pd.DataFrame:
    """Forecast every loss of planned runs.

    Args:
        surfaces: result of `fit_surfaces`.
        plan: one row per run: ``n_params`` and ``n_tokens`` (counts), optionally ``run`` (a name)
            and ``group``.
        groups: recipes to train; all of those fitted by default, or the column ``group`` of the
            plan.
        losses: names of losses; all by default.
        intervals: percentages of the predictive intervals.
        seed: source of randomness.

    Returns:
        One row per planned run, group and loss: ``run, group, loss, n_params, n_tokens, flops``,
        ``median``, ``lower_`` and ``upper_`` per interval (in the unit of the loss, noise
        included), and ``beyond``, the compute over the most that was run in the group. Compute is
        counted as for the runs.

    Raises:
        SpecError: the plan lacks a column or holds a count that is not positive.
        UnknownNameError: a group or loss was not fitted.

    Example:
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.surfaces import fit_surfaces
        >>> from skillscale.runs.table import load_runs
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
        >>> surfaces = fit_surfaces(runs, method=ManyNuts(warmup=50, draws=50))
        >>> plan = pd.DataFrame({"n_params": [1e9], "n_tokens": [2e10]})
        >>> forecast_losses(surfaces, plan)[["run", "loss", "flops"]]
                          run    loss         flops
        0  1000000000-20000000000  val_c4  1.200000e+20
    """
    plan = _checked(plan)
    fitted = list(dict.fromkeys(group for group, _ in surfaces.keys))
    known_names("group", [*(groups or []), *plan["group"].dropna()], fitted, "these surfaces")
    known_names("loss", losses, surfaces.runs.loss_names, "these surfaces")
    rng = np.random.default_rng(seed)
    frames = []
    for row, (group, loss) in enumerate(surfaces.keys):
        is_own = plan["group"].isna() | (plan["group"] == group)
        own = plan[is_own]
        if group not in (groups or fitted) or loss not in (losses or [loss]) or own.empty:
            continue
        sizes, tokens = (own[name].to_numpy(dtype=float) for name in ("n_params", "n_tokens"))
        expected = surfaces.losses(sizes, tokens, seed=seed, only=[row])[0]
        noise = surfaces.numbers["noise"][row, :, None] * rng.standard_t(TAIL, expected.shape)
        drawn = expected * np.exp(noise)
        most = surfaces.runs.runs.loc[surfaces.runs.runs["group"] == group, "flops"].max()
        ratio, _ = surfaces.compute_ratio[group].at(np.log(sizes))
        flops = TRAINING_FLOPS * sizes * tokens * np.exp(ratio)
        frame = own.assign(group=group, loss=loss, flops=flops)
        frame["median"] = np.median(drawn, axis=0)
        for level in intervals:
            ends = central(drawn, level / 100)
            frame[f"lower_{level}"], frame[f"upper_{level}"] = ends
        frames.append(frame.assign(beyond=frame["flops"] / most))
    first = ["run", "group", "loss"]
    table = pd.concat(frames, ignore_index=True)
    return table[[*first, *(name for name in table.columns if name not in first)]]


def read_run_plan(path: str | Path) -> pd.DataFrame:
    r"""Read runs to forecast from a CSV file, sizes and tokens under their usual names.

    Args:
        path: CSV file with columns ``n_params`` (or ``n_active_params``), ``n_tokens`` and, where
            known, ``run`` and ``group``, or their usual names.

    Returns:
        One row per run, with these columns; its ``attrs["said"]`` says what was taken for what.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "plan.csv"
        >>> _ = path.write_text("n_params,n_tokens,group\n1e9,2e10,starcoder\n")
        >>> read_run_plan(path)["n_tokens"].tolist()
        [20000000000.0]
    """
    path = Path(path)
    read, problems = read_cells(path)
    if read is None:
        raise TableError(problems)
    found = recognise(path.name, read, losses=[])
    cells = found.cells
    problems += find_problems(path.name, cells, runs_schema(()), ["run", "group"])
    if problems:
        raise TableError(problems)
    size = "n_active_params" if "n_active_params" in cells else "n_params"
    counts = {"n_params": numbers(cells[size]), "n_tokens": numbers(cells["n_tokens"])}
    named = {name: cells[name] for name in ("run", "group") if name in cells}
    plan = _checked(pd.DataFrame({**counts, **named}))
    plan.attrs["said"] = found.said
    return plan


def _checked(plan: pd.DataFrame) -> pd.DataFrame:
    """The plan with names and groups filled in."""
    for name in ("n_params", "n_tokens"):
        if name not in plan.columns:
            raise SpecError(f"a plan needs the column {name!r}. Found: {', '.join(plan.columns)}.")
        wrong = plan.index[~(plan[name].astype(float) > 0)]
        if len(wrong):
            raise SpecError(
                f"{name} must be positive, and row {wrong[0]} holds {plan[name].loc[wrong[0]]}."
            )
    names = [f"{n:.0f}-{d:.0f}" for n, d in zip(plan["n_params"], plan["n_tokens"], strict=True)]
    return pd.DataFrame(
        {
            "run": plan["run"].to_list() if "run" in plan.columns else names,
            "group": plan["group"].to_list() if "group" in plan.columns else [None] * len(plan),
            "n_params": plan["n_params"].astype(float).to_list(),
            "n_tokens": plan["n_tokens"].astype(float).to_list(),
        }
    )
