"""Commands of ``skillscale``: each reads its input, calls one verb of the API, and prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import pandas as pd
import typer
import xarray as xr
from rich.console import Console

from skillscale.checks.fit import Verdict, check
from skillscale.cli.demo import run_demo
from skillscale.cli.output import Format, Row, messages, number, print_rows, progress
from skillscale.data.observed import read_observed, read_plan
from skillscale.data.table import Table, load_table, validate
from skillscale.errors import SkillscaleError, SpecError
from skillscale.forecasts.forecast import INTERVALS, REFIT, forecast, forecast_rows
from skillscale.forecasts.prediction import RELIABLE_PARETO_K
from skillscale.formatting import MISSING, format_count, format_points
from skillscale.law.design import chosen_benchmarks, make_design
from skillscale.law.priors import describe_priors
from skillscale.law.spec import Spec
from skillscale.posterior.chains import Method
from skillscale.posterior.fit import Fit, fit
from skillscale.posterior.gaussian import Svi
from skillscale.posterior.nuts import Nuts

T = TypeVar("T")

app = typer.Typer(
    help="Bayesian skill scaling laws: forecast benchmark scores, find compute optima.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(help="Tables of models, benchmarks and scores.", no_args_is_help=True)
app.add_typer(data_app, name="data")

FitFile = Annotated[Path, typer.Argument(help="A fit, as written by skillscale fit.")]
Style = Annotated[Format, typer.Option("--format", help="How results are printed.")]
Seed = Annotated[int, typer.Option(help="The only source of randomness.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data", help="Directory with models.csv, scores.csv, benchmarks.csv."),
]
PlanFile = Annotated[
    Path, typer.Option(help="CSV of models to forecast: model,n_params,n_tokens[,family,...].")
]
ObservedFile = Annotated[
    Path | None,
    typer.Option(help="CSV of observed models: model,n_params,n_tokens,<benchmarks...>."),
]
Refit = Annotated[bool, typer.Option(help="Fit again with observed scores that surprise the fit.")]
SpecFile = Annotated[Path | None, typer.Option("--spec", help="Specification, a TOML file.")]


class MethodName(StrEnum):
    """Inference methods by name."""

    NUTS = "nuts"
    SVI = "svi"


@app.command("fit")
def fit_command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to save the fit (.nc).")],
    data: DataDir = None,
    spec: SpecFile = None,
    skills: Annotated[
        int | None, typer.Option(min=1, help="Exploratory skills, so many, instead of named ones.")
    ] = None,
    method: Annotated[MethodName, typer.Option(help="nuts, or svi for a quick look.")] = (
        MethodName.NUTS
    ),
    draws: Annotated[int | None, typer.Option(min=4, help="Draws kept per chain.")] = None,
    chains: Annotated[int | None, typer.Option(min=1, help="Chains (nuts).")] = None,
    without_lineage: Annotated[
        list[str] | None, typer.Option(help="Hold out all models of a lineage; repeatable.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Fit the law to a table of scores: by default the shipped one."""
    if not output.parent.is_dir():
        raise SpecError(f"{output.parent} is no directory: {output} can't be written there.")
    table, specification = read_inputs(data, spec)
    if without_lineage:
        table = table.without_lineages(without_lineage)
    if skills is not None:
        specification = specification.explore(skills, chosen_benchmarks(table, specification))
    try:
        with progress(f"Fitting {len(table.scores)} scores") as on_progress:
            result = fit(
                table,
                specification,
                method=_method(method, draws, chains),
                seed=seed,
                on_progress=on_progress,
            )
    except KeyboardInterrupt as interrupt:
        messages.print(f"Interrupted: {output} was not written.", highlight=False)
        raise typer.Exit(130) from interrupt
    result.save(output)
    messages.print(f"{result!r} saved to {output}", highlight=False)


@app.command("check")
def check_command(fit_file: FitFile, style: Style = Format.TABLE) -> None:
    """Check convergence, fit and influence; exit code 1 if anything FAILs."""
    results = check(Fit.load(fit_file))
    rows: list[Row] = [
        {
            "check": c.name,
            "verdict": str(c.verdict),
            "value": c.value,
            "threshold": c.threshold,
            "advice": c.advice,
        }
        for c in results
    ]
    print_rows(
        rows,
        style,
        shown={
            "check": lambda r: str(r["check"]),
            "verdict": lambda r: str(r["verdict"]),
            "value": lambda r: f"{r['value']:.4g}",
            "threshold": lambda r: str(r["threshold"]),
            "advice": lambda r: "" if r["verdict"] == Verdict.PASS else str(r["advice"]),
        },
    )
    if any(c.verdict is Verdict.FAIL for c in results):
        raise typer.Exit(1)


@app.command("forecast")
def forecast_command(
    fit_file: FitFile,
    plan: PlanFile,
    observed: ObservedFile = None,
    draws: Annotated[int, typer.Option(min=100, help="Posterior draws to use.")] = 1000,
    refit: Refit = True,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Forecast scores: of a fitted family, of a new one, or of one never observed."""
    loaded = Fit.load(fit_file)
    planned = read_plan(plan)
    seen = None if observed is None else read_observed(observed, loaded.table.benchmarks)
    with progress("Fitting again") as on_progress:
        result = forecast(
            loaded,
            planned,
            seen,
            n_draws=draws,
            seed=seed,
            refit=REFIT if refit else None,
            on_progress=on_progress,
        )
    note_surprise(result)
    print_rows(
        forecast_rows(result),
        style,
        shown={
            "model": lambda r: str(r["model"]),
            "benchmark": lambda r: str(r["benchmark"]),
            "median": lambda r: format_points(number(r, "median")),
            **{f"{level} %": partial(interval, level) for level in INTERVALS},
            "item noise": lambda r: f"{number(r, 'share_item_noise'):.0%}",
            "discrepancy": lambda r: f"{number(r, 'share_discrepancy'):.0%}",
            "family": lambda r: f"{number(r, 'share_family'):.0%}",
            "parameters": lambda r: f"{number(r, 'share_parameters'):.0%}",
        },
    )


@app.command("priors")
def priors_command(
    data: DataDir = None, spec: SpecFile = None, style: Style = Format.TABLE
) -> None:
    """Print every prior with its numbers, before anything is sampled."""
    table, specification = read_inputs(data, spec)
    frame = describe_priors(make_design(table, specification), specification)
    rows: list[Row] = [{str(k): v for k, v in r.items()} for r in frame.to_dict("records")]
    print_rows(
        rows,
        style,
        shown={
            "site": lambda r: str(r["site"]),
            "dims": lambda r: str(r["dims"]),
            "median": lambda r: f"{r['median']:.3g}",
            "90 %": lambda r: f"[{r['lower_90']:.3g}, {r['upper_90']:.3g}]",
            "meaning": lambda r: str(r["meaning"]),
        },
    )


@app.command("families")
def families_command(fit_file: FitFile, style: Style = Format.TABLE) -> None:
    """List the families of a fit, with their lineage, tuning, release and sizes."""
    loaded = Fit.load(fit_file)
    models = loaded.table.models.loc[loaded.design.coords["model"]]
    rows: list[Row] = [
        {
            "family": str(family),
            "lineage": group["lineage"].iloc[0],
            "tuning": group["tuning"].iloc[0],
            "release": group["release"].min(),
            "n_models": len(group),
            "smallest": float(group["n_params"].min()),
            "largest": float(group["n_params"].max()),
        }
        for family, group in models.groupby("family")
    ]
    print_rows(
        rows,
        style,
        shown={
            **{
                name: partial(_text, name)
                for name in ("family", "lineage", "tuning", "release", "n_models")
            },
            "sizes": lambda r: (
                f"{format_count(number(r, 'smallest'))} to {format_count(number(r, 'largest'))}"
            ),
        },
    )


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="Where the figure and the fit go.")] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Hold out a lineage, fit the rest, forecast its large models, and compare."""
    run_demo(out, seed=seed, console=Console(width=None if sys.stdout.isatty() else 110))


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


def read_inputs(data: Path | None, spec: Path | None) -> tuple[Table, Spec]:
    """Table and specification that a command was given, or the defaults."""
    return load_table(data), Spec() if spec is None else Spec.read(spec)


def _method(name: MethodName, draws: int | None, chains: int | None) -> Method:
    given = {"draws": draws, "chains": chains if name is MethodName.NUTS else None}
    kind = Nuts if name is MethodName.NUTS else Svi
    return kind(**{key: value for key, value in given.items() if value is not None})


def comma_separated(text: str, kind: Callable[[str], T], wanted: str) -> list[T]:
    """Parts of an option that lists values, or an error that says what is wanted."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise SpecError(f"{wanted}; found {text!r}.") from error


def names(text: str | None) -> list[str] | None:
    """Names of an option that lists them, separated by commas."""
    return None if text is None else [name.strip() for name in text.split(",")]


def note_surprise(result: xr.Dataset | pd.DataFrame) -> None:
    """Say so where the observed scores surprise the fit."""
    if result.attrs["pareto_k"] > RELIABLE_PARETO_K:
        outcome = (
            "The law was fitted again with them."
            if result.attrs["is_refit"]
            else "Intervals are approximate; leave out --no-refit for the exact ones."
        )
        messages.print(
            f"Note: the observed scores surprise the fit (Pareto k {result.attrs['pareto_k']:.2f} "
            f"> {RELIABLE_PARETO_K}). {outcome}",
            highlight=False,
        )


def interval(level: int, row: Row) -> str:
    """Both ends of an interval of a forecast, in points."""
    lower, upper = (format_points(number(row, f"{end}_{level}")) for end in ("lower", "upper"))
    return MISSING if lower == upper == MISSING else f"[{lower}, {upper}]"


def _text(key: str, row: Row) -> str:
    return str(row[key])


def main() -> None:
    """Run a command: errors about input end in one message and exit code 2."""
    try:
        app(standalone_mode=True)
    except SkillscaleError as error:
        messages.print(f"[bold red]Error:[/] {type(error).__name__}: ", end="", highlight=False)
        messages.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
