"""The command ``skillscale isoflop``."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from skillscale.cli.app import Force, Seed, Style, app, comma_separated, names, naming
from skillscale.cli.output import (
    Format,
    Row,
    as_text,
    frame_rows,
    note,
    number,
    print_rows,
    progress,
)
from skillscale.errors import RunsError, SpecError, UnknownNameError, known_names
from skillscale.files import require_writable, write_text
from skillscale.formatting import (
    MISSING,
    format_count,
    format_flops,
    format_interval,
    format_probability,
)
from skillscale.law.spec import Spec
from skillscale.law.starter import evidence_toml
from skillscale.runs.as_evidence import slope_evidence
from skillscale.runs.best_sizes import exponents, optima
from skillscale.runs.estimators import INTERVAL, IsoFlop, isoflop
from skillscale.runs.forecast import forecast_losses, read_run_plan
from skillscale.runs.grid import require_groups
from skillscale.runs.mixes import load_mixes, mix_effects
from skillscale.runs.size_ratios import AGGREGATE, ratios
from skillscale.runs.skills import by_skill, load_skills
from skillscale.runs.table import Runs, load_runs
from skillscale.runs.validation_sets import misspecification, worst_cases

Columns = dict[str, Callable[[Row], str]]

PERCENT = f"{100 * INTERVAL:.0f} %"
POORLY_SAMPLED = 1.05
COLUMNS = "--columns takes n_params=COLUMN,n_tokens=COLUMN"


class Show(StrEnum):
    """What to print of controlled runs."""

    OPTIMA = "optima"
    EXPONENTS = "exponents"
    RATIOS = "ratios"
    MIXES = "mixes"
    MISSPECIFICATION = "misspecification"
    FORECAST = "forecast"


@app.command("isoflop")
def isoflop_command(
    runs_file: Annotated[
        str,
        typer.Argument(
            metavar="RUNS",
            help="CSV file: n_params, n_tokens, one column per loss, optionally group, flops, run. "
            "Or shipped runs: isoflop, olmo-ladder, overtraining.",
        ),
    ],
    show: Annotated[
        Show,
        typer.Option(
            help="Best sizes; exponents; skills over an aggregate validation set; what the data "
            "mix does; what a wrong validation set costs; losses of the runs of a --plan."
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
    max_flops: Annotated[float, typer.Option(help="Most compute of the runs to fit.")] = float(
        "inf"
    ),
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
    if evidence is not None:
        require_writable(evidence, force=force)
    planned = None if plan is None else read_run_plan(plan)
    mixed = load_mixes(mixes) if show is Show.MIXES else None
    with naming(runs_file, RunsError):
        read = load_runs(
            runs_file,
            losses=names(loss),
            columns=None if columns is None else dict(comma_separated(columns, _pair, COLUMNS)),
            best_of_cell=best_of_cell,
        )
        runs = _selected(read, loss, group, skills, max_flops)
        if planned is not None:
            known_names("group", planned["group"].dropna(), runs.groups, runs_file)
        if show is Show.MIXES:
            runs = require_groups(runs)
        with progress("Fitting surfaces") as on_progress:
            found = isoflop(runs, seed=seed, on_progress=on_progress)
        for sentence in (*found.warnings, *_poorly_sampled(found)):
            note(f"Note: {sentence}")
        if evidence is not None:
            write_text(evidence, evidence_toml(slope_evidence(found, Spec(), seed=seed)))
        budgets = _budgets(flops, runs, style)
        if show is Show.OPTIMA:
            table, shown = optima(found, budgets), OPTIMA
        elif show is Show.EXPONENTS:
            table, shown = exponents(found), EXPONENTS
        elif show is Show.RATIOS:
            table, shown = ratios(found, budgets, reference=reference, seed=seed), RATIOS
        elif mixed is not None:
            with naming(mixes, RunsError, UnknownNameError):
                table, shown = mix_effects(found, mixed, budgets, seed=seed), MIXES
        elif show is Show.MISSPECIFICATION:
            table, shown = _misspecified(found, budgets, style), MISSPECIFICATION
        else:
            assert planned is not None
            table, shown = forecast_losses(found.require_surfaces(), planned, seed=seed), FORECAST
    print_rows(frame_rows(table), style, shown=shown)


def _selected(
    runs: Runs,
    loss: str | None,
    group: str | None,
    skills: Path | None,
    max_flops: float,
) -> Runs:
    """Runs asked for, with their losses, or these joined by skill."""
    runs = runs.select(groups=names(group), max_flops=max_flops)
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


def _misspecified(found: IsoFlop, budgets: list[float], style: Format) -> pd.DataFrame:
    """All mixes for programs, the worst for people."""
    table = misspecification(found, budgets)
    return worst_cases(table) if style is Format.TABLE else table


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


def _sized(key: str, write: Callable[[float], str], row: Row) -> str:
    return write(number(row, key))


def _ends(key: str, write: Callable[[float], str], row: Row) -> str:
    return format_interval(number(row, f"{key}_lower"), number(row, f"{key}_upper"), write)


def _count(value: float) -> str:
    """A count; where a loss falls on and on, its optimum is beyond any."""
    if value == 0:
        return "below"
    return "beyond" if value == math.inf else format_count(value)


def _decimal(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def _factor(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else MISSING


def _change(value: float) -> str:
    return f"{100 * value:+.0f} %"


def _small_change(value: float) -> str:
    return f"{100 * value:.2f} %"


def _mix(kind: str, row: Row) -> str:
    """A mix in words: the skills that have a part in it."""
    parts = {k.removeprefix(f"{kind}_"): number(row, k) for k in row if k.startswith(f"{kind}_")}
    return " + ".join(
        skill if weight == 1 else f"{weight:g} {skill}" for skill, weight in parts.items() if weight
    )


PLACE: Columns = {"group": partial(as_text, "group"), "loss": partial(as_text, "loss")}
BUDGET: Columns = {"FLOP": partial(_sized, "flops", format_flops)}
OPTIMA: Columns = {
    **PLACE,
    **BUDGET,
    "by": partial(as_text, "estimator"),
    "size": partial(_sized, "n_params", _count),
    f"size, {PERCENT}": partial(_ends, "n_params", _count),
    "tokens": partial(_sized, "n_tokens", _count),
    "place": partial(as_text, "place"),
}
EXPONENTS: Columns = {
    **PLACE,
    "by": partial(as_text, "estimator"),
    "a": partial(_sized, "params_exponent", _decimal),
    f"a, {PERCENT}": partial(_ends, "params_exponent", _decimal),
    "1 - a": partial(_sized, "tokens_exponent", _decimal),
}
RATIOS: Columns = {
    **PLACE,
    **BUDGET,
    "ratio": partial(_sized, "ratio", _factor),
    PERCENT: partial(_ends, "ratio", _factor),
    "P(> 1)": partial(_sized, "prob_larger", format_probability),
    "verdict": partial(as_text, "verdict"),
}
MIXES: Columns = {
    "share of": partial(as_text, "share"),
    "loss": partial(as_text, "loss"),
    **BUDGET,
    "size, all over none": partial(_sized, "effect", _factor),
    PERCENT: partial(_ends, "effect", _factor),
    "P(> 1)": partial(_sized, "prob_larger", format_probability),
}
MISSPECIFICATION: Columns = {
    "group": partial(as_text, "group"),
    **BUDGET,
    "what matters": partial(_mix, "true"),
    "what was assumed": partial(_mix, "assumed"),
    "parameters": partial(_sized, "error", _change),
    PERCENT: partial(_ends, "error", _change),
    "loss paid": partial(_sized, "loss_paid", _small_change),
}
FORECAST: Columns = {
    "run": partial(as_text, "run"),
    **PLACE,
    **BUDGET,
    "median": partial(_sized, "median", _decimal),
    PERCENT: lambda r: format_interval(number(r, "lower_90"), number(r, "upper_90"), _decimal),
    "compute over the most run": partial(_sized, "beyond", _factor),
}
