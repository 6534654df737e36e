"""Commands about a fit: ``fit``, ``check``, ``priors`` and ``spec``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from skillscale.checks.fit import check
from skillscale.checks.leave_one_out import loo
from skillscale.checks.prior import check_prior
from skillscale.checks.stacking import stack
from skillscale.checks.thinned import KEPT, thinned
from skillscale.checks.verdict import Verdict
from skillscale.checks.worst_scores import worst_scores
from skillscale.cli.app import app
from skillscale.cli.inputs import (
    DataDir,
    FitFile,
    Force,
    Seed,
    SpecFile,
    Style,
    naming,
    note_doubts,
    read_fit,
    read_inputs,
)
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
from skillscale.cli.resumption import RESUME, Reached, begin, checkpoint_of
from skillscale.data.table import Table, load_table
from skillscale.errors import SpecError, UnknownNameError
from skillscale.files import require_writable, write_text
from skillscale.formatting import format_interval, format_points
from skillscale.law.benchmarks import chosen_benchmarks
from skillscale.law.design import make_design
from skillscale.law.priors import describe_priors
from skillscale.law.production import Form
from skillscale.law.spec import Spec
from skillscale.law.starter import spec_toml, starter
from skillscale.posterior.checkpoint import discard
from skillscale.posterior.fit import fit
from skillscale.posterior.hmc import DEFAULT, Hmc
from skillscale.posterior.method import Method
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack
from skillscale.posterior.svi import Svi


class MethodName(StrEnum):
    """Inference methods by name."""

    HMC = "hmc"
    SVI = "svi"


@app.command("fit")
def fit_command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to save the fit (.nc).")],
    data: DataDir = None,
    spec: SpecFile = None,
    skills: Annotated[
        int | None, typer.Option(min=1, help="Exploratory skills, so many, instead of named ones.")
    ] = None,
    method: Annotated[MethodName, typer.Option(help="hmc, or svi for a quick look.")] = (
        MethodName.HMC
    ),
    draws: Annotated[
        int | None,
        typer.Option(
            min=4,
            help="Draws sampled per chain; by default as many as effective sample sizes ask for.",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=4, help=f"Draws kept per chain; by default {KEPT} of all chains."),
    ] = None,
    chains: Annotated[int | None, typer.Option(min=1, help="Chains (hmc).")] = None,
    target_accept: Annotated[
        float | None,
        typer.Option(help="Acceptance that steps are tuned for (hmc); more, smaller steps."),
    ] = None,
    form: Annotated[
        list[Form] | None,
        typer.Option(help="Production function; the specification's if none. Several: a stack."),
    ] = None,
    forms: Annotated[
        bool, typer.Option("--forms", help="All production functions, so that optima hold in all.")
    ] = False,
    without_lineage: Annotated[
        list[str] | None, typer.Option(help="Hold out all models of a lineage; repeatable.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(RESUME, help="Go on from where a fit to this file was stopped.")
    ] = False,
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Fit the law to a table of scores: by default the shipped one."""
    require_writable(output, force=force or resume)
    table, specification = read_inputs(data, spec)
    if without_lineage:
        table = table.without_lineages(without_lineage)
    if skills is not None:
        specification = specification.explore(skills, chosen_benchmarks(table, specification))
    specs = _by_form(specification, list(Form) if forms else form or [])
    several = [of_form.form for of_form in specs] if len(specs) > 1 else [None]
    checkpoints = [checkpoint_of(output, resume=resume, force=force, form=name) for name in several]
    asked = _method(method, draws, chains, target_accept)
    with naming(spec, SpecError, UnknownNameError):
        fits = []
        for of_form, checkpoint in zip(specs, checkpoints, strict=True):
            begin(checkpoint, resume=resume)
            label = f"Fitting {len(table.scores)} scores"
            label += f", {of_form.form}" if len(specs) > 1 else ""
            with progress(label) as on_progress:
                reached = Reached(on_progress)
                fits.append(_fitted(table, of_form, asked, seed, output, checkpoint, reached))
    _save(fits, keep, output)
    for checkpoint in checkpoints:
        discard(checkpoint)


def _save(fits: Sequence[Fit], keep: int | None, output: Path) -> None:
    """Keep some draws of a fit or of several forms, and say what is kept."""
    first, *others = fits
    sampled = first.tree["posterior"].sizes["draw"]
    fewer = [thinned(first, keep), *(thinned(f, keep, is_other_form=True) for f in others)]
    result: Fit | Stack = fewer[0]
    if len(fits) > 1:
        found = stack(fits)
        _note_forms(found)
        result = replace(found, fits=dict(zip(found.fits, fewer, strict=True)))
    result.save(output)
    note(f"{result!r} saved to {output}")
    if (kept := fewer[0].tree["posterior"].sizes["draw"]) < sampled:
        note(
            f"Note: {kept} of {sampled} draws of every chain are kept, evenly spaced. "
            f"--keep {sampled} keeps all."
        )


def _by_form(spec: Spec, forms: Sequence[str]) -> list[Spec]:
    """A specification per form, its own form first, which is what the file is opened as."""
    names = list(dict.fromkeys(forms)) or [spec.form]
    names.sort(key=lambda name: name != spec.form)
    return [replace(spec, form=str(name)) for name in names]


def _fitted(
    table: Table,
    spec: Spec,
    method: Method,
    seed: int,
    output: Path,
    checkpoint: Path,
    reached: Reached,
) -> Fit:
    """A fit that can be interrupted and taken up again."""
    try:
        return fit(
            table, spec, method=method, seed=seed, on_progress=reached, checkpoint=checkpoint
        )
    except KeyboardInterrupt as interrupt:
        note(reached.interrupted(output, checkpoint))
        raise typer.Exit(130) from interrupt


def _note_forms(found: Stack) -> None:
    """What the data say of every form."""
    for name, row in found.comparison.iterrows():
        note(
            f"{name}: expected log predictive density {row['difference']:+.1f} +- "
            f"{row['error']:.1f}, weight {100 * row['weight']:.0f} %"
            f"{'' if row['is_open'] else ', rejected'}"
        )


@app.command("check")
def check_command(fit_file: FitFile = None, style: Style = Format.TABLE) -> None:
    """Check convergence, fit and influence; exit code 1 if anything FAILs."""
    loaded = read_fit(fit_file)
    left_out = loo(loaded)
    results = check(loaded, left_out)
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
    note_doubts(worst_scores(loaded, left_out=left_out))
    if any(c.verdict is Verdict.FAIL for c in results):
        raise typer.Exit(1)


@app.command("priors")
def priors_command(
    data: DataDir = None,
    spec: SpecFile = None,
    with_check: Annotated[
        bool,
        typer.Option("--check", help="What they predict, beside the scores; exit code 1 on FAIL."),
    ] = False,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Print every prior with its numbers, before anything is sampled."""
    table, specification = read_inputs(data, spec)
    with naming(spec, SpecError, UnknownNameError):
        design = make_design(table, specification)
    if with_check:
        _print_prior_check(check_prior(table, specification, seed=seed), style)
        return
    frame = describe_priors(design, specification)
    print_rows(
        frame_rows(frame),
        style,
        shown={
            "site": lambda r: str(r["site"]),
            "dims": lambda r: str(r["dims"]),
            "median": lambda r: f"{r['median']:.3g}",
            "90 %": lambda r: f"[{r['lower_90']:.3g}, {r['upper_90']:.3g}]",
            "meaning": lambda r: str(r["meaning"]),
        },
    )


def _print_prior_check(found: pd.DataFrame, style: Format) -> None:
    """What the prior expects of the smallest, middle and largest models, and what was seen."""

    def expected(size: str, row: Row) -> str:
        lower, upper = (number(row, f"{size}_{percent}") for percent in (5, 95))
        return format_interval(lower, upper, format_points)

    def share(key: str, row: Row) -> str:
        return f"{number(row, key):.0%}"

    print_rows(
        frame_rows(found.reset_index()),
        style,
        shown={
            "benchmark": partial(as_text, "benchmark"),
            "verdict": partial(as_text, "verdict"),
            **{size: partial(expected, size) for size in ("smallest", "middle", "largest")},
            "seen": lambda r: format_interval(
                number(r, "observed_lowest"), number(r, "observed_highest"), format_points
            ),
            "ruled out": lambda r: f"{r['n_ruled_out']} of {r['n_scores']}",
            "at floor": partial(share, "at_floor"),
            "at ceiling": partial(share, "at_ceiling"),
            "reason": partial(as_text, "reason"),
        },
    )
    if (found["verdict"] == Verdict.FAIL).any():
        raise typer.Exit(1)


@app.command("spec")
def spec_command(
    data: DataDir = None,
    skills: Annotated[int | None, typer.Option(min=1, help="Exploratory skills, so many.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it (.toml).")
    ] = None,
    force: Force = False,
) -> None:
    """Print a specification to start from: every key with its value and meaning."""
    if output is not None:
        require_writable(output, force=force)
    table = load_table(data)
    if skills is None:
        specification = starter(table)
    else:
        specification = Spec().explore(skills, chosen_benchmarks(table, Spec()))
    text = spec_toml(specification)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
        note(f"Specification written to {output}: skills {', '.join(specification.skills)}.")


def _method(
    name: MethodName, draws: int | None, chains: int | None, target_accept: float | None
) -> Method:
    given = {"draws": draws, "chains": chains, "target_accept": target_accept}
    named = {key: value for key, value in given.items() if value is not None}
    if name is MethodName.HMC:
        return replace(DEFAULT if draws is None else Hmc(), **named)  # type: ignore[arg-type]
    if extra := [key for key in named if key != "draws"]:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in extra)
        raise SpecError(f"{options}: of --method hmc only.")
    return Svi(**named)  # type: ignore[arg-type]
