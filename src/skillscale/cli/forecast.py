"""The command ``skillscale forecast``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from skillscale.cli.app import app
from skillscale.cli.inputs import (
    FitFile,
    Force,
    KeepDoubted,
    Normalised,
    ObservedFile,
    OutDir,
    PlanFile,
    Refit,
    Seed,
    Strict,
    Style,
    end,
    interval,
    note_surprise,
    read_fit,
    read_models,
)
from skillscale.cli.output import Format, note, number, print_rows, progress, save_figures
from skillscale.files import require_empty, require_writable
from skillscale.forecasts.forecast import forecast, forecast_rows
from skillscale.formatting import format_points
from skillscale.intervals import INTERVALS
from skillscale.ledger.provenance import options, provenance


@app.command("forecast")
def forecast_command(
    plan: PlanFile,
    fit_file: FitFile = None,
    observed: ObservedFile = None,
    draws: Annotated[int, typer.Option(min=100, help="Posterior draws to use.")] = 1000,
    refit: Refit = True,
    keep_doubted: KeepDoubted = False,
    normalised: Normalised = False,
    strict: Strict = False,
    save: Annotated[
        Path | None,
        typer.Option(help="JSON file to keep the forecast in, for skillscale score and diff."),
    ] = None,
    out: OutDir = None,
    force: Force = False,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Forecast scores: of a fitted family, of a new one, or of one never observed."""
    if save is not None:
        require_writable(save, force=force)
    if out is not None:
        require_empty(out, force=force)
    loaded = read_fit(fit_file)
    planned, seen = read_models(plan, observed, loaded, normalised=normalised)
    with progress("Fitting again") as on_progress:
        result = forecast(
            loaded,
            planned,
            seen,
            n_draws=draws,
            seed=seed,
            refit=refit,
            keep_doubted=keep_doubted,
            on_progress=on_progress,
            on_note=note,
        )
    note_surprise(result)
    if save is not None:
        from skillscale.ledger.entry import make_entry  # imports what fits the baselines

        entry = make_entry(loaded, result, planned, seen, name=save.stem)
        entry.save(save)
        note(f"Kept in {save}, SHA-256 {entry.sha256}")
    if out is not None:
        from skillscale.plots.forecasts import plot_forecast

        save_figures(out, {"forecast": plot_forecast(result, observed=seen)})
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
        beside={"provenance": provenance(loaded) | options(result)},
    )
    end(result, strict=strict)
