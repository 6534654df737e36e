"""The command ``skillscale backtest``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import joblib
import typer

from skillscale.backtest.folds import CUTS, KNOWN
from skillscale.backtest.left_out_benchmarks import N_MODELS, by_n_models
from skillscale.backtest.protocols import Covariates, backtest, backtest_published
from skillscale.backtest.report import GROUPS, Report, joined, pooled
from skillscale.backtest.scores import OURS
from skillscale.backtest.studies import Protocol
from skillscale.cli.app import app
from skillscale.cli.inputs import (
    DataDir,
    Force,
    Seed,
    SpecFile,
    Style,
    comma_separated,
    read_inputs,
)
from skillscale.cli.output import (
    Format,
    Row,
    note,
    or_none,
    print_table,
    progress,
    results,
    save_figures,
)
from skillscale.errors import SkillscaleError
from skillscale.files import require_empty, write_text
from skillscale.formatting import format_probability

N_WORST = 5
PATIENCE = "10s"
"""How long a Dask scheduler may take to answer."""


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
    known: Annotated[
        str, typer.Option(help="Numbers of known scores for leave-benchmarks, comma-separated.")
    ] = ",".join(map(str, KNOWN)),
    data: DataDir = None,
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
        Path | None, typer.Option(help="Directory for every forecast and a calibration figure.")
    ] = None,
    force: Force = False,
    style: Style = Format.TABLE,
    seed: Seed = 0,
) -> None:
    """Forecast what is known already from what would have been known before, and compare."""
    if all_settings and protocol is not Protocol.SLOTH:
        raise SkillscaleError("--all-settings goes with --protocol sloth: others have none.")
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
                    known=known_scores,
                    n_models=n_models,
                    **common,
                )
    except KeyboardInterrupt as interrupt:
        note("Interrupted: nothing was written.")
        raise typer.Exit(130) from interrupt
    if all_settings:
        report = joined(reports)
    if out is not None:
        _write(report, out)
    if style is Format.CSV:
        report.cells.to_csv(sys.stdout, index=False)
    elif style is Format.JSON:
        figures = (
            {"settings": [r.summary() for r in reports], "pooled": pooled(reports)}
            if all_settings
            else _figures(report)
        )
        json.dump(_finite(figures), sys.stdout, indent=1)
        sys.stdout.write("\n")
    elif all_settings:
        _print_settings(reports)
    elif report.protocol == Protocol.NEW_BENCHMARK:
        _print_new_benchmarks(report)
    else:
        _print(report)


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


def _print(report: Report) -> None:
    summary = report.summary()
    console = results()
    console.print(
        f"{summary['n_folds']} folds, {summary['n_scores']} scores; errors in points, "
        "averaged over folds. A difference is ours minus theirs, with its 95 % interval.",
        highlight=False,
    )
    rows = [_line("skillscale", summary, None)]
    for name, of_method in summary["baselines"].items():
        rows.append(_line(name, of_method, summary["paired"][name]))
    for name, error in summary["published"].items():
        paired = summary["paired"][f"published {name}"]
        rows.append(_line(f"{name} (as published)", {"mae_points": error}, paired))
    print_table(rows, console)
    for name in GROUPS[:-1]:
        groups = summary["groups"][name]
        console.print()
        print_table([_group(name, value, g) for value, g in groups.items()], console)
    worst = sorted(summary["mae_points_by_fold"].items(), key=lambda item: -item[1])[:N_WORST]
    console.print("\nWorst folds: " + ", ".join(f"{name} {error:.1f}" for name, error in worst))


def _figures(report: Report) -> dict[str, Any]:
    if report.protocol != Protocol.NEW_BENCHMARK:
        return report.summary()
    return report.summary() | {"by_n_models": by_n_models(report)}


def _print_new_benchmarks(report: Report) -> None:
    console = results()
    console.print(
        "Errors in points, averaged over benchmarks, which are left out of the fit and added from "
        "some models. The ratio is that of our error to the better baseline's of each benchmark.",
        highlight=False,
    )
    found = by_n_models(report)
    rows = [
        {
            "models": n,
            "method": method,
            **_accuracy(numbers),
            "ratio": f"{of_n['ratio']:.2f}" if method == OURS else "",
        }
        for n, of_n in found.items()
        for method, numbers in sorted(of_n["methods"].items(), key=lambda item: item[0] != OURS)
    ]
    print_table([{k: v for k, v in row.items() if k != "log score"} for row in rows], console)
    names = next(iter(found.values()))["ratio_by_benchmark"]
    console.print("\nRatios by benchmark and models:", highlight=False)
    ratios = [
        {
            "benchmark": name,
            **{n: f"{of_n['ratio_by_benchmark'][name]:.2f}" for n, of_n in found.items()},
        }
        for name in names
    ]
    print_table(ratios, console)


def _print_settings(reports: Sequence[Report]) -> None:
    together = pooled(reports)
    console = results()
    console.print(
        "Errors in points, averaged over folds; the best Sloth is that of the published errors, "
        "its number of skills chosen in hindsight.",
        highlight=False,
    )
    print_table([_setting(report.summary()) for report in reports], console)
    console.print(
        f"\nMean ratio {together['ratio_to_best_sloth']:.3f}. Of {together['n_scores']} scores "
        + ", ".join(f"{100 * p:.1f} % in {level} %" for level, p in together["coverage"].items())
        + f". {together['seconds']:.0f} s.",
        highlight=False,
    )
    console.print("\nOurs minus theirs, over the folds with one model seen:", highlight=False)
    paired = together["paired"].items()
    print_table([{"method": name, **_difference(other)} for name, other in paired], console)


def _setting(summary: Mapping[str, Any]) -> Row:
    return {
        "seen": summary["options"]["n_seen"],
        "benchmarks": summary["options"]["benchmarks"],
        "folds": summary["n_folds"],
        "best Sloth": f"{summary['best_sloth_in_hindsight']:.2f}",
        "ratio": f"{summary['ratio_to_best_sloth']:.2f}",
        **_accuracy(summary),
    }


def _line(name: str, numbers: Mapping[str, Any], paired: Mapping[str, float] | None) -> Row:
    return {"method": name, **_accuracy(numbers), **_difference(paired)}


def _accuracy(numbers: Mapping[str, Any]) -> Row:
    coverage = numbers.get("coverage", {})
    return {
        "MAE": f"{numbers['mae_points']:.2f}",
        "CRPS": f"{numbers['crps']:.2f}" if "crps" in numbers else "",
        "log score": f"{numbers['log_score']:.2f}" if "log_score" in numbers else "",
        **{
            f"in {level} %": format_probability(coverage[level]) if coverage else ""
            for level in ("50", "80", "95")
        },
    }


def _difference(paired: Mapping[str, float] | None) -> Row:
    if paired is None:
        return {"difference": "", "95 % interval": ""}
    return {
        "difference": f"{paired['difference']:+.2f}",
        "95 % interval": f"{paired['lower_95']:+.2f} to {paired['upper_95']:+.2f}",
    }


def _group(name: str, value: str, group: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value,
        "scores": str(group["n"]),
        "MAE": f"{group['mae_points']:.2f}",
        **{f"in {level} %": format_probability(p) for level, p in group["coverage"].items()},
    }


def _write(report: Report, out: Path) -> None:
    from skillscale.plots.calibration import plot_calibration

    write_text(out / "forecasts.csv", report.cells.to_csv(index=False))
    save_figures(out, {"calibration": plot_calibration(report)})


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return or_none(value)
