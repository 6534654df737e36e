"""The command ``skillscale isoflop``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd
import typer

from skillscale.cli import isoflop_tables as tables
from skillscale.cli.app import app
from skillscale.cli.inputs import Force, Seed, Style, comma_separated, names, naming
from skillscale.cli.output import Format, frame_rows, note, print_rows, progress, save_figures
from skillscale.errors import RunsError, SpecError, UnknownNameError, known_names
from skillscale.files import require_empty, require_writable, write_text
from skillscale.runs.best_sizes import OFF_LAW, optima
from skillscale.runs.estimation import isoflop, load_isoflop
from skillscale.runs.estimators import IsoFlop
from skillscale.runs.forecast import forecast_losses, read_run_plan
from skillscale.runs.grid import require_groups
from skillscale.runs.laws import coefficients, exponents
from skillscale.runs.mixes import load_mixes, mix_effects
from skillscale.runs.sampling import POORLY_SAMPLED
from skillscale.runs.size_ratios import AGGREGATE, ratios
from skillscale.runs.skills import by_skill, load_skills
from skillscale.runs.table import SHIPPED, Runs, load_runs
from skillscale.runs.validation_sets import misspecification, worst_cases

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = "--columns takes n_params=COLUMN,n_tokens=COLUMN"
SAVED = ".nc"
"""How the name of a saved fit of runs ends."""


class Show(StrEnum):
    """What to print of controlled runs."""

    OPTIMA = "optima"
    EXPONENTS = "exponents"
    COEFFICIENTS = "coefficients"
    RATIOS = "ratios"
    MIXES = "mixes"
    MISSPECIFICATION = "misspecification"
    FORECAST = "forecast"


SPANNED = (
    f"Note: {OFF_LAW}: its runs put the best size elsewhere than the power law over all budgets. "
    "Whether that is the recipe's, or chance that they share, can't be told from them; the "
    "surface's intervals hold both."
)
WITHOUT_FIGURE = (Show.COEFFICIENTS, Show.MIXES)


@app.command("isoflop")
def isoflop_command(
    runs_file: Annotated[
        str,
        typer.Argument(
            metavar="RUNS",
            help="CSV file: n_params, n_tokens, one column per loss, optionally group, flops, run. "
            f"Or shipped runs: {', '.join(SHIPPED)}. Or a fit of runs that -o has written.",
        ),
    ],
    show: Annotated[
        Show,
        typer.Option(
            help="Best sizes; their exponents; coefficients of the surfaces; skills over an "
            "aggregate validation set; what the data mix does; what a wrong validation set costs; "
            "losses of the runs of a --plan."
        ),
    ] = Show.OPTIMA,
    loss: Annotated[
        str | None,
        typer.Option(help="Losses, comma-separated, each for itself; else joined by skill."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Corpora or recipes, comma-separated; all by default.")
    ] = None,
    skills: Annotated[
        Path | None, typer.Option(help="Table of the skill of every loss; the shipped one if none.")
    ] = None,
    flops: Annotated[
        str | None,
        typer.Option(help="Budgets in FLOP; the largest run, or all with csv and json, if none."),
    ] = None,
    max_flops: Annotated[
        float | None, typer.Option(help="Most compute of the runs to fit.")
    ] = None,
    reference: Annotated[
        str, typer.Option(help="Loss or skill to compare with: an aggregate validation set.")
    ] = AGGREGATE,
    mixes: Annotated[
        Path | None,
        typer.Option(help="Table of what every group was trained on; the shipped one if none."),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="CSV file of runs to forecast: n_params, n_tokens[, group].")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            help="Also write what the runs say of skills as a specification for fit --spec."
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Which column holds what: n_params=weights,n_tokens=D; also flops, "
            "n_active_params, run, group. Usual names are known."
        ),
    ] = None,
    best_of_cell: Annotated[
        bool | None,
        typer.Option(
            "--best-of-cell/--all-runs",
            help="Of runs of one size and token count: the best, of a sweep; or all, as reruns.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also save the fit (.nc), which then answers at once."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory for figures of what is shown.")
    ] = None,
    force: Force = False,
    seed: Seed = 0,
    style: Style = Format.TABLE,
) -> None:
    """Best sizes and tokens by skill from controlled runs, with intervals."""
    if (show is Show.FORECAST) != (plan is not None):
        raise SpecError("--show forecast and --plan go together.")
    if mixes is not None and show is not Show.MIXES:
        raise SpecError("--mixes goes with --show mixes.")
    if loss is not None and skills is not None:
        raise SpecError("give one of --loss (single losses) and --skills (losses joined).")
    if out is not None and show in WITHOUT_FIGURE:
        raise SpecError(f"--show {show} has no figure: leave out --out.")
    if output is not None and output.suffix != SAVED:
        raise SpecError(f"a fit of runs is saved as {SAVED}: --output {output.name}{SAVED}.")
    for path in (evidence, output):
        if path is not None:
            require_writable(path, force=force)
    if out is not None:
        require_empty(out, force=force)
    planned = None if plan is None else read_run_plan(plan)
    mixed = load_mixes(mixes) if show is Show.MIXES else None
    with naming(runs_file, RunsError):
        if Path(runs_file).suffix == SAVED:
            fitting = {
                "--skills": skills,
                "--max-flops": max_flops,
                "--columns": columns,
                "--best-of-cell": best_of_cell,
                "--output": output,
            }
            found = _saved(Path(runs_file), loss, group, fitting)
            _require_known(show, planned, found.runs, runs_file)
        else:
            read = load_runs(
                runs_file,
                losses=names(loss),
                columns=None if columns is None else dict(comma_separated(columns, _pair, COLUMNS)),
                best_of_cell=best_of_cell,
            )
            runs = _selected(read, loss, group, skills, max_flops)
            _require_known(show, planned, runs, runs_file)
            with progress("Fitting surfaces") as on_progress:
                found = isoflop(runs, seed=seed, on_progress=on_progress)
        of_plan = () if planned is None else planned.attrs["said"]
        for sentence in (*found.warnings, *_poorly_sampled(found), *of_plan):
            note(f"Note: {sentence}")
        if output is not None:
            found.save(output)
        if evidence is not None:
            _write_evidence(evidence, found, seed)
        budgets = _budgets(flops, found.runs, style)
        with naming(mixes, RunsError, UnknownNameError):
            asked = Question(show, budgets, reference, seed, planned, mixed)
            table, shown = _answer(found, asked)
        if show is Show.OPTIMA and (table["place"] == OFF_LAW).any():
            note(SPANNED)
        if out is not None:
            save_figures(out, _figures(show, found, table))
    if show is Show.MISSPECIFICATION and style is Format.TABLE:
        table = worst_cases(table)
    print_rows(frame_rows(table), style, shown=shown)


class Question(NamedTuple):
    """What is asked of a fit."""

    show: Show
    budgets: list[float]
    reference: str
    seed: int
    planned: pd.DataFrame | None
    mixed: pd.DataFrame | None


def _answer(found: IsoFlop, asked: Question) -> tuple[pd.DataFrame, tables.Columns]:
    """A table, and how it is shown to people."""
    show, budgets, seed = asked.show, asked.budgets, asked.seed
    if show is Show.OPTIMA:
        return optima(found, budgets), tables.of_optima(is_sparse=found.runs.is_sparse)
    if show is Show.EXPONENTS:
        return exponents(found), tables.EXPONENTS
    if show is Show.COEFFICIENTS:
        return coefficients(found), tables.COEFFICIENTS
    if show is Show.RATIOS:
        return ratios(found, budgets, reference=asked.reference, seed=seed), tables.RATIOS
    if asked.mixed is not None:
        return mix_effects(found, asked.mixed, budgets, seed=seed), tables.MIXES
    if asked.planned is not None:
        losses = forecast_losses(found.require_surfaces(), asked.planned, seed=seed)
        return losses, tables.FORECAST
    return misspecification(found, budgets), tables.MISSPECIFICATION


def _saved(
    path: Path, loss: str | None, group: str | None, fitting: Mapping[str, object]
) -> IsoFlop:
    """A fit that was saved, of which some losses and groups may be asked for."""
    given = [option for option, value in fitting.items() if value is not None]
    if given:
        raise SpecError(
            f"{', '.join(given)} decide what is fitted, and {path} is fitted already. Give the "
            "runs, or leave them out."
        )
    return load_isoflop(path).select(losses=names(loss), groups=names(group))


def _require_known(show: Show, planned: pd.DataFrame | None, runs: Runs, runs_file: str) -> None:
    """Require what a question asks of the runs, before anything is fitted."""
    if planned is not None:
        known_names("group", planned["group"].dropna(), runs.groups, runs_file)
    if show is Show.MIXES:
        require_groups(runs)


def _selected(
    runs: Runs,
    loss: str | None,
    group: str | None,
    skills: Path | None,
    max_flops: float | None,
) -> Runs:
    """Runs asked for, with their losses, or these joined by skill."""
    most = math.inf if max_flops is None else max_flops
    runs = runs.select(groups=names(group), max_flops=most)
    if loss is not None:
        return runs
    mapping = load_skills(skills, losses=None if skills is None else runs.loss_names)
    if skills is None and not mapping.index.isin(runs.loss_names).any():
        return runs
    return by_skill(runs, mapping)


def _pair(part: str) -> tuple[str, str]:
    """What a column holds, and its name."""
    kind, _, column = (text.strip() for text in part.partition("="))
    if not (kind and column):
        raise ValueError(part)
    return kind, column


def _budgets(flops: str | None, runs: Runs, style: Format) -> list[float]:
    """Budgets asked for, or those run; for people the largest only."""
    if flops is not None:
        wanted = "--flops takes numbers separated by commas, such as 1e19,1e20"
        return comma_separated(flops, float, wanted)
    run = sorted(float(budget) for budget in runs.budgets().unique())
    return run[-1:] if style is Format.TABLE else run


def _write_evidence(path: Path, found: IsoFlop, seed: int) -> None:
    """What the runs say of skills, as a specification."""
    from skillscale.law.spec import Spec  # half a second
    from skillscale.law.starter import evidence_toml
    from skillscale.runs.as_evidence import slope_evidence

    write_text(path, evidence_toml(slope_evidence(found, Spec(), seed=seed)))


def _figures(show: Show, found: IsoFlop, table: pd.DataFrame) -> dict[str, Figure]:
    """Figures of an answer, by the names of their files."""
    from skillscale import plots

    if show is Show.RATIOS:
        return {"ratios": plots.plot_ratios(table)}
    if show is Show.FORECAST:
        return {"forecast": plots.plot_loss_forecast(table)}
    if show is Show.MISSPECIFICATION:
        return {
            f"misspecification-{_file_name(group)}": plots.plot_misspecification(
                table, group, float(table["flops"].max())
            )
            for group in table["group"].unique()
        }
    figures = {} if found.surfaces is None else {"optima": plots.plot_runs_optimum(found)}
    for group in dict.fromkeys(group for group, _ in found.keys) if show is Show.OPTIMA else ():
        try:
            figures[f"isoflop-{_file_name(group)}"] = plots.plot_isoflop(found, group)
        except RunsError as error:
            note(f"Note: no curves of {group}. {error}")
    return figures


def _file_name(group: str) -> str:
    return re.sub(r"[^\w.-]+", "-", group)


def _poorly_sampled(found: IsoFlop) -> list[str]:
    """A sentence on the surfaces that were not sampled well, if there are any."""
    if (surfaces := found.surfaces) is None:
        return []
    poor = surfaces.diagnostics[surfaces.diagnostics["rhat"] > POORLY_SAMPLED]
    if poor.empty:
        return []
    worst = poor.sort_values("rhat").iloc[-1]
    return [
        f"{len(poor)} of {len(surfaces.keys)} surfaces were not sampled well (R-hat up to "
        f"{worst['rhat']:.2f}, {worst['loss']} of {worst['group']}). Their intervals are "
        "approximate."
    ]
