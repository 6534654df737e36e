"""The command ``skillscale report``."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import join
from typing import Annotated

import typer
from threadpoolctl import threadpool_limits

from skillscale.cli.app import app
from skillscale.cli.inputs import (
    BenchmarkNames,
    FitFile,
    Force,
    KeepDoubted,
    MaxParams,
    MaxTokens,
    Normalised,
    ObservedFile,
    Refit,
    Seed,
    ServeTokens,
    SkillNames,
    Strict,
    Target,
    TotalPerActive,
    end,
    names,
    note_surprise,
    numbers,
    read_fit_or_stack,
    read_models,
    weights,
)
from skillscale.cli.output import note, progress
from skillscale.data import shipped
from skillscale.errors import SpecError
from skillscale.files import require_writable, write_text
from skillscale.optima.deployment import Deployment
from skillscale.optima.mixture import plain
from skillscale.report.blocks import Page
from skillscale.report.findings import Asked, find
from skillscale.report.fit_page import write_page
from skillscale.report.page import render
from skillscale.report.runs_page import runs_page
from skillscale.report.sections.provenance import Origin
from skillscale.runs.estimation import load_isoflop
from skillscale.runs.storage import holds_runs


@app.command("report")
def report_command(
    fit_file: FitFile = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="CSV of models to forecast, as for forecast; else it is of the fit."),
    ] = None,
    observed: ObservedFile = None,
    flops: Annotated[
        str | None, typer.Option(help="Budgets in FLOP whose best sizes matter, comma-separated.")
    ] = None,
    serve_tokens: ServeTokens = 0.0,
    skill: SkillNames = None,
    benchmark: BenchmarkNames = None,
    target: Target = None,
    max_tokens: MaxTokens = None,
    max_params: MaxParams = None,
    total_per_active: TotalPerActive = 1.0,
    sizes: Annotated[
        str | None, typer.Option(help="Sizes that could be trained next, comma-separated.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path(
        "report.html"
    ),
    draws: Annotated[int, typer.Option(min=100, help="Posterior draws of the forecast.")] = 1000,
    refit: Refit = True,
    keep_doubted: KeepDoubted = False,
    normalised: Normalised = False,
    strict: Strict = False,
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Write a report of a forecast, a fit or controlled runs: one HTML file to send."""
    require_writable(output, force=force)
    file = fit_file or shipped.fit_file()
    files = {"fit file": file, "plan file": plan, "observed file": observed}
    origin = Origin(
        command=join(["skillscale", *sys.argv[1:]]),
        files={name: path for name, path in files.items() if path is not None},
    )
    if fit_file is not None and holds_runs(fit_file):
        if plan is not None or observed is not None:
            raise SpecError(f"{fit_file} is a fit of controlled runs: leave out plan and observed.")
        found_runs = load_isoflop(fit_file)
        _write(output, runs_page(found_runs, numbers("flops", flops), seed=seed, origin=origin))
        return
    loaded = read_fit_or_stack(fit_file)
    planned = seen = None
    if plan is not None:
        planned, seen = read_models(plan, observed, plain(loaded), normalised=normalised)
    elif observed is not None:
        raise SpecError("--observed goes with --plan: name the models to forecast.")
    asked = Asked(
        plan=planned,
        observed=seen,
        flops=numbers("flops", flops),
        skills=names(skill),
        benchmarks=names(benchmark),
        target=weights(target),
        deployment=Deployment(
            serve_tokens=serve_tokens,
            max_tokens=max_tokens,
            max_params=max_params,
            total_per_active=total_per_active,
        ),
        sizes=numbers("sizes", sizes),
        n_draws=draws,
        seed=seed,
        keep_doubted=keep_doubted,
        refit=refit,
    )
    # The systems that it solves are small: threads would wait for each other.
    with progress("Fitting again") as on_progress, threadpool_limits(1, user_api="blas"):
        found = find(loaded, asked, on_progress=on_progress, on_note=note)
    if found.of_plan is not None:
        note_surprise(found.of_plan.forecast)
    _write(output, write_page(found, origin))
    if found.of_plan is not None:
        end(found.of_plan.forecast, strict=strict)


def _write(output: Path, page: Page) -> None:
    """Write the page, and print its answer."""
    write_text(output, render(page))
    for sentence in page.answer:
        sys.stdout.write(f"{sentence}\n")
    note(f"Written: {output}.")
