"""The commands ``skillscale next`` and ``skillscale backtest-next``."""

from __future__ import annotations

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
    comma_separated,
    end,
    names,
    note_surprise,
    read_fit,
    read_models,
)
from skillscale.cli.output import (
    Format,
    Row,
    frame_rows,
    note,
    number,
    print_rows,
    progress,
    save_figures,
)
from skillscale.files import require_empty
from skillscale.forecasts.next_evaluations import INTERVAL, next_evaluations
from skillscale.formatting import format_points


@app.command("next")
def next_command(
    plan: PlanFile,
    fit_file: FitFile = None,
    observed: ObservedFile = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="Benchmarks whose forecast matters, comma-separated; all by default."),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Sizes that could be trained next, comma-separated.")
    ] = None,
    tokens: Annotated[
        float | None, typer.Option(help="Their tokens; those of the largest observed model.")
    ] = None,
    evaluate: Annotated[
        str | None, typer.Option(help="Benchmarks that can be evaluated; all by default.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Choose so many evaluations, one after another.")
    ] = 1,
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
    """Rank what to evaluate or train next by how much it is expected to narrow a forecast."""
    wanted = "--sizes takes numbers separated by commas, such as 3e9,8e9"
    if out is not None:
        require_empty(out, force=force)
    loaded = read_fit(fit_file)
    planned, seen = read_models(plan, observed, loaded, normalised=normalised)
    with progress("Fitting again") as on_progress:
        ranked = next_evaluations(
            loaded,
            planned,
            seen,
            benchmarks=names(benchmark),
            sizes=[] if sizes is None else comma_separated(sizes, float, wanted),
            n_tokens=tokens,
            evaluate=names(evaluate),
            steps=steps,
            n_draws=draws,
            seed=seed,
            refit=refit,
            keep_doubted=keep_doubted,
            on_progress=on_progress,
            on_note=note,
        )
    note_surprise(ranked)
    if out is not None:
        from skillscale.plots.next_evaluations import plot_next_evaluations

        save_figures(out, {"next": plot_next_evaluations(ranked)})
    if style is Format.TABLE and steps > 1:
        ranked = ranked[ranked["rank"] == 1]
    print_rows(
        frame_rows(ranked),
        style,
        shown={
            "step" if steps > 1 else "rank": lambda r: str(r["step" if steps > 1 else "rank"]),
            "evaluate": _what,
            f"{INTERVAL} % now": lambda r: format_points(number(r, "width_now")),
            "then": lambda r: format_points(number(r, "width_next")),
            "narrowed": lambda r: f"{100 * number(r, 'narrowed'):.1f} %",
            "error": lambda r: f"{100 * number(r, 'narrowed_se'):.1f} %",
        },
    )
    end(ranked, strict=strict)


def _what(row: Row) -> str:
    if row["kind"] == "size":
        return f"train and evaluate {row['model']}"
    return f"{row['benchmark']} of {row['model']}"
