"""The command ``skillscale forecast``."""

from __future__ import annotations

from functools import partial
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
from skillscale.files import require_empty
from skillscale.forecasts.forecast import REFIT, forecast, forecast_rows
from skillscale.formatting import format_points
from skillscale.intervals import INTERVALS


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
    out: OutDir = None,
    force: Force = False,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Forecast scores: of a fitted family, of a new one, or of one never observed."""
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
            refit=REFIT if refit else None,
            keep_doubted=keep_doubted,
            on_progress=on_progress,
            on_note=note,
        )
    note_surprise(result)
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
    )
    end(result, strict=strict)
