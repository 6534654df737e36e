"""The command ``skillscale data``: tables of models, benchmarks and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skillscale.cli.app import data_app
from skillscale.data.table import load_table, validate


@data_app.command("validate")
def validate_command(
    directory: Annotated[Path, typer.Argument(help="Directory of the three CSV files.")],
) -> None:
    """List every problem of a table at once; exit code 1 if there is one."""
    problems = validate(directory)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{directory}: {load_table(directory)!r}, no problems.")
