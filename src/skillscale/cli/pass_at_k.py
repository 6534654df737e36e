"""The command ``skillscale pass-at-k``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import xarray as xr

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
    comma_separated,
    end,
    interval,
    note_surprise,
    read_fit,
    read_models,
)
from skillscale.cli.output import Format, note, number, print_rows, progress, save_figures
from skillscale.data.items import read_items
from skillscale.files import require_empty
from skillscale.forecasts.difficulty import Difficulty
from skillscale.forecasts.pass_at_k import ATTEMPTS, pass_at_k, pass_rows
from skillscale.formatting import format_points
from skillscale.intervals import INTERVALS

MEANING = {
    Difficulty.BETA: "concentration",
    Difficulty.LOGISTIC_NORMAL: "standard deviation of the items' logits",
}


@app.command("pass-at-k")
def pass_at_k_command(
    benchmark: Annotated[str, typer.Option(help="A benchmark with free-form answers.")],
    plan: PlanFile,
    fit_file: FitFile = None,
    observed: ObservedFile = None,
    k: Annotated[str, typer.Option(help="Numbers of attempts, comma-separated.")] = ",".join(
        map(str, ATTEMPTS)
    ),
    items: Annotated[
        Path | None,
        typer.Option(help="CSV of per-item results: item,n,correct[,model]; else a wide prior."),
    ] = None,
    difficulty: Annotated[
        Difficulty, typer.Option(help="How the probability of solving varies between items.")
    ] = Difficulty.LOGISTIC_NORMAL,
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
    """Forecast how much of a benchmark is solved by at least one of k attempts."""
    attempts = comma_separated(
        k, int, "--k takes whole numbers separated by commas, such as 1,10,100"
    )
    if out is not None:
        require_empty(out, force=force)
    loaded = read_fit(fit_file)
    planned, seen = read_models(plan, observed, loaded, normalised=normalised)
    sampled = None if items is None else read_items(items)
    with progress("Fitting again") as on_progress:
        result = pass_at_k(
            loaded,
            planned,
            seen,
            benchmark=benchmark,
            k=attempts,
            items=sampled,
            difficulty=difficulty,
            n_draws=draws,
            seed=seed,
            refit=refit,
            keep_doubted=keep_doubted,
            on_progress=on_progress,
            on_note=note,
        )
    note_surprise(result)
    _note_spread(result)
    if out is not None:
        from skillscale.plots.pass_at_k import plot_pass_at_k

        save_figures(out, {"pass-at-k": plot_pass_at_k(result)})
    print_rows(
        pass_rows(result),
        style,
        shown={
            "model": lambda r: str(r["model"]),
            "k": lambda r: str(r["k"]),
            "median": lambda r: format_points(number(r, "median")),
            **{f"{level} %": partial(interval, level) for level in INTERVALS},
            "observed": lambda r: format_points(number(r, "observed")),
        },
    )
    end(result, strict=strict)


def _note_spread(result: xr.Dataset) -> None:
    """What the intervals rest on beside the law."""
    lower, middle, upper = (float(result["spread"].sel(level=level)) for level in (0.1, 0.5, 0.9))
    meaning = MEANING[Difficulty(result.attrs["difficulty"])]
    found = f"Spread of difficulty ({meaning}): {middle:.2g}, 80 % {lower:.2g} to {upper:.2g}, "
    found += (
        "from the items, and assumed to be that of the planned models."
        if result.attrs["spread_from"] == "items"
        else "a wide prior. Items that an observed model tried several times (--items) narrow it."
    )
    note(found)
    if result.attrs["chance"] > 0:
        note(
            f"Note: guessing scores {100 * result.attrs['chance']:g} points on "
            f"{result.attrs['benchmark']}, and guesses are resampled too: with many attempts every "
            "item counts as solved. Pass@k is meant for free-form answers.",
        )
