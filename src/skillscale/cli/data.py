"""The command ``skillscale data``: tables of models, benchmarks and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skillscale.cli.app import app
from skillscale.cli.inputs import Strict, note_doubts
from skillscale.cli.output import note, progress
from skillscale.data.table import Table, load_table, validate
from skillscale.errors import SkillscaleError
from skillscale.law.starter import starter

data_app = typer.Typer(help="Tables of models, benchmarks and scores.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("validate")
def validate_command(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Directory of the three CSV files; the shipped data by default."),
    ] = None,
    doubts: Annotated[
        bool, typer.Option(help="Compare scores with each other as well, by a quick fit.")
    ] = True,
    strict: Strict = False,
) -> None:
    """List every problem of a table at once; exit code 1 if there is one."""
    problems = validate(directory)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    table = load_table(directory)
    where = "shipped data" if directory is None else directory
    typer.echo(f"{where}: {table!r}, no problems.")
    if doubts:
        _compare(table, strict=strict)


def _compare(table: Table, *, strict: bool) -> None:
    """Name the scores that contradict the rest, as a quick fit has it."""
    from skillscale.checks.worst_scores import worst_scores
    from skillscale.posterior.fit import fit
    from skillscale.posterior.svi import Svi

    try:
        with progress("Comparing scores (--no-doubts leaves it out)") as on_progress:
            quick = fit(table, starter(table), method=Svi(), on_progress=on_progress)
    except SkillscaleError as error:
        note(f"Scores could not be compared with each other: {error}")
        return
    found = worst_scores(quick)
    note_doubts(found)
    if found and strict:
        raise typer.Exit(1)
