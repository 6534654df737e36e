"""The command ``skillscale backtest-next``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from skillscale.backtest.advice import run_advice, summarise
from skillscale.backtest.refits import Refits
from skillscale.cli.app import app
from skillscale.cli.inputs import BacktestData, Seed, SpecFile, Style, names, read_inputs
from skillscale.cli.output import Format, Row, frame_rows, note, number, print_rows, progress
from skillscale.data.shipped import CLASSIC
from skillscale.errors import SkillscaleError
from skillscale.forecasts.next_evaluations import INTERVAL
from skillscale.formatting import MISSING


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
    data: BacktestData = Path(CLASSIC),
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
        note(
            f"{found['lineage'].nunique()} lineages held out; points, means over lineages. A "
            "difference is advised minus random, with its standard error.",
        )
        sys.stderr.flush()
    print_rows(
        frame_rows(summarise(found)),
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


def _difference(name: str, row: Row) -> str:
    value = number(row, f"{name}_difference")
    if value != value:
        return MISSING
    return f"{value:+.2f} ± {number(row, f'{name}_se'):.2f}"
