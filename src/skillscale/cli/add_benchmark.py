"""The command ``skillscale add-benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skillscale.cli.app import app
from skillscale.cli.inputs import FitFile, Force, Seed, Style, read_fit
from skillscale.cli.output import Format, Row, note, number, print_rows
from skillscale.data.new_scores import FEWEST, read_benchmarks, read_new_scores
from skillscale.files import require_writable
from skillscale.formatting import format_points
from skillscale.posterior.add_benchmark import add_benchmark
from skillscale.skills.benchmark import benchmark_rows


@app.command("add-benchmark")
def add_benchmark_command(
    scores: Annotated[
        Path,
        typer.Option(
            help=f"CSV of scores of fitted models, {FEWEST} at least: model,<new benchmarks...>."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to save the extended fit (.nc).")
    ],
    fit_file: FitFile = None,
    title: Annotated[str | None, typer.Option(help="Name to print.")] = None,
    chance: Annotated[
        float | None,
        typer.Option(help="Score of guessing; that of the fit's table by default, else 0."),
    ] = None,
    n_items: Annotated[
        int | None,
        typer.Option(help="Number of questions; needed where the fit's table has none."),
    ] = None,
    benchmarks: Annotated[
        Path | None,
        typer.Option(help="CSV of what new benchmarks are: benchmark,n_items,chance[,title...]."),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Posterior draws to keep.")] = 1000,
    style: Style = Format.TABLE,
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Add benchmarks to a fit from the scores of a few of its models, without fitting again."""
    require_writable(output, force=force)
    frame = read_new_scores(scores)
    extended = add_benchmark(
        read_fit(fit_file),
        frame,
        title=title,
        chance=chance,
        n_items=n_items,
        benchmarks=None if benchmarks is None else read_benchmarks(benchmarks),
        n_draws=draws,
        seed=seed,
    )
    extended.save(output)
    note(f"{extended!r} saved to {output}")
    rows: list[Row] = [
        row for name in frame.columns if name != "model" for row in benchmark_rows(extended, name)
    ]
    print_rows(
        rows,
        style,
        shown={
            "benchmark": lambda r: str(r["benchmark"]),
            "models": lambda r: str(r["n_models"]),
            "parameter": lambda r: str(r["parameter"]),
            "median": lambda r: _written(r, "median"),
            "80 %": lambda r: f"[{_written(r, 'lower_80')}, {_written(r, 'upper_80')}]",
        },
    )


def _written(row: Row, key: str) -> str:
    """Noise in points, and what has no unit as it is."""
    value = number(row, key)
    return format_points(value) if row["parameter"] == "noise" else f"{value:.2f}"
