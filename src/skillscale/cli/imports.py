"""The commands ``skillscale import``: files that others wrote, as tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from skillscale.cli.app import app
from skillscale.cli.inputs import Force, Style
from skillscale.cli.output import Format, Row, as_text, note, number, print_rows
from skillscale.data.table import load_table
from skillscale.errors import SkillscaleError, SpecError
from skillscale.files import require_empty, require_writable, write_text
from skillscale.formatting import counted
from skillscale.imports.additions import as_cells, with_added_models, with_additions
from skillscale.imports.draft import Draft, describe
from skillscale.imports.harness import Given, read_harness
from skillscale.imports.leaderboard import Chosen, read_leaderboard
from skillscale.imports.report import Report
from skillscale.imports.wide import read_wide
from skillscale.law.starter import spec_toml, starter

import_app = typer.Typer(
    help="Files that others wrote, as tables: harnesses, leaderboards, tables.",
    no_args_is_help=True,
)
app.add_typer(import_app, name="import")

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be taken for what; write nothing.")
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Where to write observed models (.csv); a directory to add to a table.",
    ),
]

OutputDir = Annotated[
    Path | None, typer.Option("--output", "-o", help="Directory to write the table into.")
]


@import_app.command("lm-eval")
def lm_eval_command(
    paths: Annotated[
        list[Path], typer.Argument(help="Results of lm-evaluation-harness: JSON, directories.")
    ],
    output: OutputFile = None,
    append: Annotated[
        Path | None,
        typer.Option(help="CSV of observed models, or directory of a table, to add to."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the model, if it is one.")] = None,
    n_params: Annotated[
        float | None, typer.Option(help="Its parameters, where the files don't say: 7e9.")
    ] = None,
    n_tokens: Annotated[
        float | None, typer.Option(help="Its pretraining tokens, which no file says: 2e12.")
    ] = None,
    dry_run: DryRun = False,
    force: Force = False,
    style: Style = Format.TABLE,
) -> None:
    """Turn results of lm-evaluation-harness into a file of observed models."""
    _require_output(output, dry_run=dry_run)
    is_table = append is not None and append.is_dir()
    if output is not None and not dry_run and not is_table:
        require_writable(output, force=force or output == append)
    frame, report = read_harness(paths, Given(name, n_params, n_tokens))
    if append is not None and is_table:
        draft = with_added_models(append, frame, "lm-evaluation-harness", report)
        force = force or output == append
        _finish(draft, report, None if dry_run else output, force=force, style=style)
        return
    cells = as_cells(frame) if append is None else with_additions(append, frame)
    _tell(report, style)
    if dry_run or output is None:
        note("Nothing was written (--dry-run).")
        return
    write_text(output, cells.to_csv(index=False, lineterminator="\n"))
    models = counted(len(cells), "model")
    note(f"{models} written to {output}. Next: skillscale forecast --observed {output}")


@import_app.command("leaderboard")
def leaderboard_command(
    file: Annotated[
        Path, typer.Argument(help="Dump of the Open LLM Leaderboard v1 or v2: CSV, parquet.")
    ],
    output: OutputDir = None,
    merges: Annotated[bool, typer.Option("--merges", help="Keep merges of other models.")] = False,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Keep rows that the leaderboard flagged.")
    ] = False,
    is_official: Annotated[
        bool | None,
        typer.Option(
            "--official/--community", help="Those who train base models only, or all others only."
        ),
    ] = None,
    dry_run: DryRun = False,
    force: Force = False,
    style: Style = Format.TABLE,
) -> None:
    """Turn a dump of the Open LLM Leaderboard into a table that can be fitted."""
    _require_output(output, dry_run=dry_run)
    draft, report = read_leaderboard(file, Chosen(merges, flagged, is_official))
    _finish(draft, report, None if dry_run else output, force=force, style=style)


@import_app.command("wide")
def wide_command(
    file: Annotated[
        Path, typer.Argument(help="Scores of models on benchmarks: CSV, Markdown, XLSX, parquet.")
    ],
    output: OutputDir = None,
    dry_run: DryRun = False,
    force: Force = False,
    style: Style = Format.TABLE,
) -> None:
    """Turn a table of any shape into one that can be fitted, and a specification."""
    _require_output(output, dry_run=dry_run)
    draft, report = read_wide(file)
    _finish(draft, report, None if dry_run else output, force=force, style=style)


def _finish(
    draft: Draft, report: Report, output: Path | None, *, force: bool, style: Format
) -> None:
    """Say what was taken for what, check the table, and write it with a specification."""
    _tell(report, style)
    draft.check()
    if output is None:
        note(f"Nothing was written (--dry-run): {describe(draft)}.")
        return
    require_empty(output, force=force)
    draft.write(output)
    note(f"{describe(draft)} written to {output}.")
    try:
        specification = starter(load_table(output))
    except SkillscaleError as error:
        note(f"No specification was written: {error}")
        return
    write_text(output / "spec.toml", spec_toml(specification))
    skills = ", ".join(specification.skills)
    note(f"Specification to start from written to {output / 'spec.toml'}: skills {skills}.")
    note(f"Next: skillscale fit --data {output} --spec {output / 'spec.toml'} -o fit.nc")


def _require_output(output: Path | None, *, dry_run: bool) -> None:
    if output is None and not dry_run:
        raise SpecError("--output (-o) is missing: name what to write, or give --dry-run.")


def _tell(report: Report, style: Format) -> None:
    """What was taken for what to standard output, assumptions and doubts beside it."""
    rows: list[Row] = list(report.rows)
    keys = list(rows[0]) if rows else []
    print_rows(rows, style, shown={key.replace("_", " "): partial(_cell, key) for key in keys})
    for sentence in report.said:
        note(f"Assumed: {sentence}")
    for sentence in report.doubts:
        note(f"Doubt: {sentence}")


def _cell(key: str, row: Row) -> str:
    return f"{number(row, key):.4g}" if isinstance(row[key], float) else as_text(key, row)
