"""The commands ``skillscale next`` and ``skillscale backtest-next``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from skillscale.backtest.advice import run_advice, summarise
from skillscale.backtest.refits import Refits
from skillscale.cli.commands import (
    DataDir,
    FitFile,
    ObservedFile,
    PlanFile,
    Refit,
    Seed,
    SpecFile,
    Style,
    app,
    comma_separated,
    names,
    note_surprise,
    read_inputs,
)
from skillscale.cli.output import Format, Row, messages, number, print_rows, progress
from skillscale.data.observed import read_observed, read_plan
from skillscale.errors import SkillscaleError
from skillscale.forecasts.forecast import REFIT
from skillscale.forecasts.next_evaluations import INTERVAL, next_evaluations
from skillscale.formatting import MISSING, format_points
from skillscale.posterior.fit import Fit


@app.command("next")
def next_command(
    fit_file: FitFile,
    plan: PlanFile,
    observed: ObservedFile = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="Benchmarks whose forecast matters, comma-separated; all by default."),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Sizes that could be trained next, comma-separated.")
    ] = None,
    tokens: Annotated[
        float | None, typer.Option(help="Their tokens; those of the largest observed model.")
    ] = None,
    evaluate: Annotated[
        str | None, typer.Option(help="Benchmarks that can be evaluated; all by default.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Choose so many evaluations, one after another.")
    ] = 1,
    draws: Annotated[int, typer.Option(min=100, help="Posterior draws to use.")] = 1000,
    refit: Refit = True,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Rank what to evaluate or train next by how much it is expected to narrow a forecast."""
    wanted = "--sizes takes numbers separated by commas, such as 3e9,8e9"
    loaded = Fit.load(fit_file)
    with progress("Fitting again") as on_progress:
        ranked = next_evaluations(
            loaded,
            read_plan(plan),
            None if observed is None else read_observed(observed, loaded.table.benchmarks),
            benchmarks=names(benchmark),
            sizes=[] if sizes is None else comma_separated(sizes, float, wanted),
            n_tokens=tokens,
            evaluate=names(evaluate),
            steps=steps,
            n_draws=draws,
            seed=seed,
            refit=REFIT if refit else None,
            on_progress=on_progress,
        )
    note_surprise(ranked)
    if style is Format.TABLE and steps > 1:
        ranked = ranked[ranked["rank"] == 1]
    print_rows(
        _rows(ranked),
        style,
        shown={
            "step" if steps > 1 else "rank": lambda r: str(r["step" if steps > 1 else "rank"]),
            "evaluate": _what,
            f"{INTERVAL} % now": lambda r: format_points(number(r, "width_now")),
            "then": lambda r: format_points(number(r, "width_next")),
            "narrowed": lambda r: f"{100 * number(r, 'narrowed'):.1f} %",
            "error": lambda r: f"{100 * number(r, 'narrowed_se'):.1f} %",
        },
    )


@app.command("backtest-next")
def backtest_next_command(
    benchmark: Annotated[
        str | None,
        typer.Option(help="Benchmarks whose forecast matters, comma-separated; all by default."),
    ] = None,
    lineage: Annotated[
        str | None, typer.Option(help="Lineages to hold out, comma-separated; all by default.")
    ] = None,
    known: Annotated[int, typer.Option(min=1, help="Scores known at the start.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Scores revealed after that.")] = 3,
    starts: Annotated[int, typer.Option(min=1, help="Random starts per lineage.")] = 3,
    data: DataDir = None,
    spec: SpecFile = None,
    out: Annotated[Path | None, typer.Option(help="CSV file for every forecast.")] = None,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Does the advice of skillscale next pay? Reveal true scores as advised, and at random."""
    table, specification = read_inputs(data, spec)
    with progress("Lineages") as on_progress:
        found = run_advice(
            Refits(table, specification, seed=seed),
            benchmarks=names(benchmark),
            lineages=names(lineage),
            n_known=known,
            steps=steps,
            starts=starts,
            seed=seed,
            on_progress=on_progress,
        )
    if out is not None:
        try:
            found.to_csv(out, index=False)
        except OSError as error:
            raise SkillscaleError(f"{out} can't be written: {error.strerror}.") from error
    if style is Format.TABLE:
        messages.print(
            f"{found['lineage'].nunique()} lineages held out; points, means over lineages. A "
            "difference is advised minus random, with its standard error.",
            highlight=False,
        )
        sys.stderr.flush()
    print_rows(
        _rows(summarise(found)),
        style,
        shown={
            "revealed": lambda r: str(r["n_revealed"]),
            "order": lambda r: str(r["order"]),
            f"{INTERVAL} % width": lambda r: f"{number(r, 'width_80'):.2f}",
            "difference": lambda r: _difference("width_80", r),
            "CRPS": lambda r: f"{number(r, 'crps'):.2f}",
            "difference ": lambda r: _difference("crps", r),
            "error": lambda r: f"{number(r, 'mae'):.2f}",
            "difference  ": lambda r: _difference("mae", r),
            f"in {INTERVAL} %": lambda r: f"{100 * number(r, 'inside_80'):.0f} %",
        },
    )


def _rows(frame: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _what(row: Row) -> str:
    if row["kind"] == "size":
        return f"train and evaluate {row['model']}"
    return f"{row['benchmark']} of {row['model']}"


def _difference(name: str, row: Row) -> str:
    value = number(row, f"{name}_difference")
    if value != value:
        return MISSING
    return f"{value:+.2f} ± {number(row, f'{name}_se'):.2f}"
