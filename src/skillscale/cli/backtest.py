"""The command ``skillscale backtest``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import joblib
import typer

from skillscale.backtest.folds import CUTS, KNOWN
from skillscale.backtest.frozen import freeze as write_frozen
from skillscale.backtest.left_out_benchmarks import N_MODELS, by_n_models
from skillscale.backtest.protocols import Covariates, backtest, backtest_published
from skillscale.backtest.report import Report
from skillscale.backtest.settings import joined, pooled
from skillscale.backtest.studies import Protocol
from skillscale.cli.app import app
from skillscale.cli.backtest_tables import print_new_benchmarks, print_report, print_settings
from skillscale.cli.inputs import (
    BacktestData,
    Force,
    Seed,
    SpecFile,
    Style,
    comma_separated,
    read_inputs,
)
from skillscale.cli.output import Format, note, or_none, progress, save_figures
from skillscale.data.shipped import CLASSIC
from skillscale.errors import SkillscaleError
from skillscale.files import require_empty, require_writable, write_text

PATIENCE = "10s"
"""How long a Dask scheduler may take to answer."""
DIGITS, FULL = 6, 17
"""Of numbers in the summary that is kept, and of all that a number has."""


@app.command("backtest")
def backtest_command(
    protocol: Annotated[Protocol, typer.Option(help="Which folds.")],
    n_seen: Annotated[
        int, typer.Option(min=0, help="Smallest models seen of every new family.")
    ] = 1,
    benchmarks: Annotated[
        str, typer.Option(help="Setting of the sloth protocol: v1, v2 or v1+v2.")
    ] = "v1+v2",
    all_settings: Annotated[
        bool,
        typer.Option("--all-settings", help="All six settings of the sloth protocol together."),
    ] = False,
    covariates: Annotated[
        Covariates | None,
        typer.Option(help="Sizes, tokens, scores; as published by default for the sloth protocol."),
    ] = None,
    cuts: Annotated[
        str, typer.Option(help="First months of the time-ordered test periods, comma-separated.")
    ] = ",".join(CUTS),
    until: Annotated[
        str | None,
        typer.Option(help="Ask only about families released before this month, as 2024-09."),
    ] = None,
    known: Annotated[
        str, typer.Option(help="Numbers of known scores for leave-benchmarks, comma-separated.")
    ] = ",".join(map(str, KNOWN)),
    data: BacktestData = Path(CLASSIC),
    spec: SpecFile = None,
    models: Annotated[
        str,
        typer.Option(help="Numbers of models with a score for new-benchmark, comma-separated."),
    ] = ",".join(map(str, N_MODELS)),
    jobs: Annotated[int, typer.Option(min=1, help="Processes to use.")] = 2,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler to run folds on.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for a summary, every forecast and a figure."),
    ] = None,
    freeze: Annotated[
        Path | None,
        typer.Option(help="JSON file for all forecasts, dated and hashed, without actual scores."),
    ] = None,
    force: Force = False,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Forecast what is known already from what would have been known before, and compare."""
    if all_settings and until is not None:
        raise SkillscaleError("--until can't be given with --all-settings: leave it out.")
    if all_settings and protocol is not Protocol.SLOTH:
        raise SkillscaleError("--all-settings goes with --protocol sloth: others have none.")
    if freeze is not None:
        if all_settings or protocol is Protocol.NEW_BENCHMARK:
            raise SkillscaleError(
                "--freeze needs planned models, of one setting: leave out --all-settings, and "
                "choose another protocol than new-benchmark."
            )
        require_writable(freeze, force=force)
    if out is not None:
        require_empty(out, force=force)
    table, specification = read_inputs(data, spec)
    known_scores = comma_separated(
        known, int, "--known takes whole numbers separated by commas, such as 1,3,5"
    )
    n_models = comma_separated(
        models, int, "--models takes whole numbers separated by commas, such as 5,10,20"
    )
    try:
        with on_cluster(cluster), progress("Folds") as on_progress:
            common: dict[str, Any] = {
                "covariates": covariates,
                "table": table,
                "spec": specification,
                "seed": seed,
                "jobs": jobs,
                "on_progress": on_progress,
            }
            if all_settings:
                reports = backtest_published(**common)
            else:
                report = backtest(
                    protocol,
                    n_seen=n_seen,
                    setting=benchmarks,
                    cuts=[cut.strip() for cut in cuts.split(",")],
                    until=until,
                    known=known_scores,
                    n_models=n_models,
                    **common,
                )
                reports = [report]
    except KeyboardInterrupt as interrupt:
        note("Interrupted: nothing was written.")
        raise typer.Exit(130) from interrupt
    if all_settings:
        report = joined(reports)
    if out is not None:
        _write(report, _figures(reports), out)
    if freeze is not None:
        note(f"Frozen in {freeze}, SHA-256 {write_frozen(report, freeze)}")
    if style is Format.CSV:
        report.cells.to_csv(sys.stdout, index=False)
    elif style is Format.JSON:
        sys.stdout.write(_text(_figures(reports)))
    elif all_settings:
        print_settings(reports)
    elif report.protocol == Protocol.NEW_BENCHMARK:
        print_new_benchmarks(report)
    else:
        print_report(report)


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Run folds on the Dask cluster of a scheduler's address; without one, here."""
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise SkillscaleError(
            "--cluster needs Dask: install it with pip install 'skillscale[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, TimeoutError) as error:
        raise SkillscaleError(f"no Dask scheduler answers at {address}.") from error
    with client, joblib.parallel_config("dask"):
        yield


def _figures(reports: Sequence[Report]) -> dict[str, Any]:
    """What a back-test found, of one setting or of all those of the published comparison."""
    if len(reports) > 1:
        return {"settings": [report.summary() for report in reports], "pooled": pooled(reports)}
    (report,) = reports
    if report.protocol != Protocol.NEW_BENCHMARK:
        return report.summary()
    return report.summary() | {"by_n_models": by_n_models(report)}


def _write(report: Report, figures: Mapping[str, Any], out: Path) -> None:
    from skillscale.plots.calibration import plot_calibration

    summary = {"provenance": report.provenance, **figures}
    write_text(out / "summary.json", _text(summary, DIGITS))
    write_text(out / "forecasts.csv", report.cells.to_csv(index=False))
    if len(report.joint):
        write_text(out / "joint.csv", report.joint.to_csv(index=False))
    save_figures(out, {"calibration": plot_calibration(report)})


def _text(figures: Mapping[str, Any], digits: int = FULL) -> str:
    return json.dumps(_plain(figures, digits), indent=1) + "\n"


def _plain(value: Any, digits: int) -> Any:
    """Numbers of so many digits, and none where there is no number: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(inner, digits) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, digits) for inner in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{digits}g}")
    return or_none(value)
