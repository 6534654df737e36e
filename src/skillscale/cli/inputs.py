"""What commands take: options that several share, and the files that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import pandas as pd
import typer
import xarray as xr

from skillscale.cli.output import Format, Row, note, number
from skillscale.data.observed import read_observed
from skillscale.data.plan import read_plan
from skillscale.data.shipped import fit_file
from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError, SpecError, TableError
from skillscale.formatting import MISSING, format_points
from skillscale.law.benchmarks import chosen_benchmarks
from skillscale.law.spec import Spec
from skillscale.posterior.storage import read_description

if TYPE_CHECKING:
    from skillscale.forecasts.doubt import Doubt
    from skillscale.posterior.result import Fit
    from skillscale.posterior.stack import Stack

T = TypeVar("T")

N_DOUBTS = 5
"""Scores of a table that are named."""

FitFile = Annotated[
    Path | None,
    typer.Argument(help="A fit, as written by skillscale fit; the shipped one if none."),
]
Style = Annotated[Format, typer.Option("--format", help="How results are printed.")]
Seed = Annotated[int, typer.Option(help="The only source of randomness.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Directory with models.csv, scores.csv, benchmarks.csv; or shipped data: "
        "all (the default) or classic.",
    ),
]
BacktestData = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Directory with models.csv, scores.csv, benchmarks.csv; or shipped data: "
        "classic, that of published comparisons, or all.",
    ),
]
PlanFile = Annotated[
    Path, typer.Option(help="CSV of models to forecast: model,n_params,n_tokens[,family,...].")
]
ObservedFile = Annotated[
    Path | None,
    typer.Option(help="CSV of observed models: model,n_params,n_tokens,<benchmarks...>."),
]
Refit = Annotated[bool, typer.Option(help="Fit again with observed scores that surprise the fit.")]
KeepDoubted = Annotated[
    bool, typer.Option("--keep-doubted", help="Let scores count that contradict the rest.")
]
Normalised = Annotated[
    bool,
    typer.Option("--normalised", help="Observed scores are leaderboard v2's: chance subtracted."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="End in exit code 1 where anything observed is doubted.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]
OutDir = Annotated[Path | None, typer.Option("--out", help="Directory for figures, PNG and SVG.")]
SkillNames = Annotated[
    str | None, typer.Option(help="Skills to maximise, comma-separated; all by default.")
]
BenchmarkNames = Annotated[
    str | None, typer.Option(help="Benchmarks whose expected score to maximise.")
]
Target = Annotated[
    str | None, typer.Option(help="Weighted mean score to maximise, as mmlu=1,gsm8k=2.")
]
ServeTokens = Annotated[
    float, typer.Option(help="Tokens to serve, at 2 FLOP per active parameter each.")
]
MaxTokens = Annotated[float | None, typer.Option(help="Training tokens that there are, a cap.")]
MaxParams = Annotated[float | None, typer.Option(help="Largest size allowed, a cap.")]
TotalPerActive = Annotated[
    float,
    typer.Option(
        help="Total over active parameters of a mixture of experts. Sizes are active "
        "parameters, which is what the law reads and compute counts: experts are free in it."
    ),
]
SpecFile = Annotated[
    Path | None,
    typer.Option("--spec", help="Specification, TOML; `skillscale spec` writes one, explained."),
]


def read_inputs(data: Path | None, spec: Path | None) -> tuple[Table, Spec]:
    """Table and specification that a command was given, or the defaults."""
    return load_table(data), Spec() if spec is None else Spec.read(spec)


def read_fit(path: Path | None) -> Fit:
    """The fit that a command was given, or the shipped one, of which it says so."""
    from skillscale.posterior.result import Fit
    from skillscale.posterior.shipped import shipped_fit

    if path is not None:
        return Fit.load(path)
    fit = shipped_fit()
    _note_shipped(fit.models, fit.provenance)
    return fit


def read_fit_or_stack(path: Path | None) -> Fit | Stack:
    """The fit that a command was given, of several forms if it holds them, or the shipped ones."""
    from skillscale.posterior.shipped import shipped_stack
    from skillscale.posterior.stack import fit_or_stack

    if path is not None:
        return fit_or_stack(path)
    stack = shipped_stack()
    _note_shipped(stack.fit.models, stack.fit.provenance)
    return stack


def read_models_of(path: Path | None) -> pd.DataFrame:
    """The models of that fit, without reading its draws."""
    table, spec, provenance = read_description(path or fit_file())
    models = table.select(benchmarks=chosen_benchmarks(table, spec)).models
    if path is None:
        _note_shipped(models, provenance)
    return models


def _note_shipped(models: pd.DataFrame, provenance: Mapping[str, object]) -> None:
    note(
        f"Note: the shipped fit, of {len(models)} models released until "
        f"{models['release'].max()}, fitted {provenance['date']}. "
        "skillscale fit makes one of your own table."
    )


def read_models(
    plan: Path, observed: Path | None, fit: Fit, *, normalised: bool
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Planned and observed models of a command, or an error with the problems of both files."""
    problems: list[str] = []
    planned = seen = None
    try:
        planned = read_plan(plan)
    except TableError as error:
        problems += error.problems
    try:
        if observed is not None:
            seen = read_observed(observed, fit.table.benchmarks, is_normalised=normalised)
    except TableError as error:
        problems += error.problems
    if planned is None or problems:
        raise TableError(problems)
    for sentence in [] if seen is None else seen.attrs["said"]:
        note(f"Assumed: {sentence}")
    return planned, seen


@contextmanager
def naming(
    file: str | Path | None, kind: type[SkillscaleError], *others: type[SkillscaleError]
) -> Iterator[None]:
    """Errors that come of what a file holds, if one was given, begin with its name."""
    try:
        yield
    except (kind, *others) as error:
        if file is None or Path(file).name in str(error):
            raise
        raise kind(f"{file}: {error}") from error


def comma_separated(text: str, kind: Callable[[str], T], wanted: str) -> list[T]:
    """Parts of an option that lists values, or an error that says what is wanted."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise SpecError(f"{wanted}; found {text!r}.") from error


def names(text: str | None) -> list[str] | None:
    """Names of an option that lists them, separated by commas."""
    return None if text is None else [name.strip() for name in text.split(",")]


def numbers(option: str, text: str | None) -> list[float]:
    """Numbers of an option that lists them, none if it was not given."""
    wanted = f"--{option} takes numbers separated by commas, such as 1e23,1e24"
    return [] if text is None else comma_separated(text, float, wanted)


def weights(target: str | None) -> dict[str, float] | None:
    """Weights of the benchmarks of a target, if one was given."""

    def pair(part: str) -> tuple[str, float]:
        benchmark, weight = part.split("=")
        return benchmark.strip(), float(weight)

    if target is None:
        return None
    wanted = "--target takes benchmarks with weights, such as mmlu=1,gsm8k=2"
    pairs = comma_separated(target, pair, wanted)
    if len(dict(pairs)) < len(pairs):
        raise SpecError(f"--target repeats a benchmark: {target!r}.")
    return dict(pairs)


def note_doubts(doubts: Sequence[Doubt]) -> None:
    """Name the worst scores of a table."""
    for doubt in doubts[:N_DOUBTS]:
        note(f"Doubt: {doubt}")
    if len(doubts) > N_DOUBTS:
        note(f"{len(doubts) - N_DOUBTS} more scores contradict the rest.")


def note_surprise(result: xr.Dataset | pd.DataFrame) -> None:
    """Say so where the observed scores surprise the fit."""
    from skillscale.forecasts.weights import RELIABLE_PARETO_K  # half a second

    if result.attrs["pareto_k"] > RELIABLE_PARETO_K:
        outcome = (
            "The law was fitted again with them."
            if result.attrs["is_refit"]
            else "Intervals are approximate; leave out --no-refit for the exact ones."
        )
        note(
            f"Note: the observed scores surprise the fit (Pareto k {result.attrs['pareto_k']:.2f} "
            f"> {RELIABLE_PARETO_K}). {outcome}",
        )


def end(result: xr.Dataset | pd.DataFrame, *, strict: bool) -> None:
    """End a command that printed a result: in exit code 1 where that is asked for and doubted."""
    if strict and result.attrs.get("doubts"):
        raise typer.Exit(1)


def interval(level: int, row: Row) -> str:
    """Both ends of an interval of a forecast, in points."""
    lower, upper = (format_points(number(row, f"{end}_{level}")) for end in ("lower", "upper"))
    return MISSING if lower == upper == MISSING else f"[{lower}, {upper}]"
