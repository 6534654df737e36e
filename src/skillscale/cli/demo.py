"""The whole job on real data: hold out a lineage, fit the rest, forecast, compare.

Which lineage, which models and which budgets are constants below, declared before any result.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
import xarray as xr
from rich.console import Console
from rich.text import Text

from skillscale.checks.fit import check
from skillscale.checks.thinned import thinned
from skillscale.checks.verdict import Check, Verdict
from skillscale.cli.app import app
from skillscale.cli.inputs import Force, Seed
from skillscale.cli.output import print_table, progress
from skillscale.cli.score import in_short
from skillscale.data.shipped import CLASSIC
from skillscale.data.table import Table, load_table
from skillscale.files import require_empty, write_text
from skillscale.forecasts.forecast import forecast
from skillscale.forecasts.weights import RELIABLE_PARETO_K
from skillscale.formatting import (
    format_count,
    format_flops,
    format_interval,
    format_points,
    format_probability,
    format_size_interval,
)
from skillscale.law.spec import Spec
from skillscale.ledger.entry import Entry, make_entry
from skillscale.ledger.judgement import score
from skillscale.ledger.reading import read_entries
from skillscale.optima.deployment import Deployment
from skillscale.optima.optimum import optimum
from skillscale.optima.table import long_rows
from skillscale.posterior.fit import fit
from skillscale.posterior.method import Method
from skillscale.posterior.result import Fit
from skillscale.report.findings import Asked, find
from skillscale.report.fit_page import write_page
from skillscale.report.page import render
from skillscale.report.sections.provenance import Origin

HELD_OUT_LINEAGE = "meta-llama-3"
OBSERVED = "meta-llama-3-8b"
PLANNED = ("meta-llama-3-70b", "meta-llama-3-70b-instruct")
"""The instruct models are a family of their own in the lineage, of which nothing is observed."""
BUDGETS = (1e23, 1e24, 1e25)


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    console: Console | None = None,
    table: Table | None = None,
    method: Method | None = None,
    spec: Spec | None = None,
) -> None:
    """Hold out a lineage of the table, fit the rest, forecast its large models, compare.

    Args:
        out: directory for ``forecast.png``, ``fit.nc``, ``report.html``, ``forecast.json`` and
            ``actual.csv``, made if need be; they are replaced.
        seed: the only source of randomness.
        console: where results are printed; standard output by default. Progress goes to stderr.
        table: models and scores, the held-out lineage among them; the classic table by default.
        method: how the posterior is found; HMC with its defaults by default.
        spec: skills, benchmarks and priors; the declared configuration by default.

    Raises:
        FitFileError: the directory can't be made, or not be written in.

    Example:
        Minutes long, so not among the doctests; a small one is in ``tests/test_demo.py``.

        >>> run_demo(Path("demo"))  # doctest: +SKIP
        Held out: all 6 models of lineage meta-llama-3.
        ...
    """
    console = Console() if console is None else console
    require_empty(out, force=True)
    clock = _Clock()

    table = load_table(CLASSIC) if table is None else table
    rest = table.without_lineages([HELD_OUT_LINEAGE])
    n_held_out = len(table.models) - len(rest.models)
    _say(console, f"Held out: all {n_held_out} models of lineage {HELD_OUT_LINEAGE}.")
    with clock.stage("fit"), progress("Fitting the rest") as on_progress:
        fitted = thinned(fit(rest, spec, method=method, seed=seed, on_progress=on_progress))
    _say(console, f"Fitted to all others: {fitted!r}.")
    fitted.save(out / "fit.nc")

    with clock.stage("checks"):
        checks = check(fitted)
    _print_checks(console, checks)

    observed, planned, actual = _held_out(table, fitted)
    with clock.stage("forecast"):
        forecasts = forecast(
            fitted, planned.reset_index(), observed.reset_index(), seed=seed, refit=False
        )
    _print_forecasts(console, forecasts, planned, observed, actual)

    with clock.stage("optimum"):
        best = optimum(fitted, BUDGETS)
    _print_optimum(console, best)

    with clock.stage("figure"):
        from skillscale.plots.forecasts import plot_forecast

        plot_forecast(forecasts, actual, observed).savefig(out / "forecast.png")
    _say(console, f"\nWritten: {out / 'forecast.png'} (the forecasts), {out / 'fit.nc'} (the fit).")
    plan, seen = planned.reset_index(), observed.reset_index()
    with clock.stage("report"):
        asked = Asked(plan, seen, flops=BUDGETS, seed=seed, refit=False)
        page = write_page(find(fitted, asked, checks=checks), Origin())
        write_text(out / "report.html", render(page))
    _say(console, f"All of it as a page to send: {out / 'report.html'}.")
    _keep(console, make_entry(fitted, forecasts, plan, seen), actual, out)
    _say(console, clock.report())


def _held_out(table: Table, fitted: Fit) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The observed model with its scores, the planned ones, and what those really scored."""
    benchmarks = fitted.design.coords["benchmark"]
    scores = table.wide()[benchmarks]
    observed = table.models.loc[[OBSERVED]].join(scores)
    return observed, table.models.loc[list(PLANNED)], scores.loc[list(PLANNED)]


def _print_checks(console: Console, checks: list[Check]) -> None:
    rows = [
        {
            "check": c.name,
            "verdict": c.verdict.value,
            "value": f"{c.value:.4g}" if math.isfinite(c.value) else "-",
            "needed": c.threshold,
        }
        for c in checks
    ]
    _say(console, "\nIs the fit to be trusted?", style="bold")
    print_table(rows, console)
    for c in checks:
        if c.verdict is not Verdict.PASS:
            _say(console, f"{c.verdict.value} {c.name}: {c.advice}")
    if any(c.verdict is Verdict.FAIL for c in checks):
        _say(console, "A check FAILed: do not rely on the numbers below.", style="bold red")


def _print_forecasts(
    console: Console,
    forecasts: xr.Dataset,
    planned: pd.DataFrame,
    observed: pd.DataFrame,
    actual: pd.DataFrame,
) -> None:
    _say(
        console,
        f"\nOf the lineage one model is shown: {_describe(observed, OBSERVED)}. Forecast from its "
        "scores, in points:",
    )
    pareto_k = forecasts.attrs["pareto_k"]
    if pareto_k > RELIABLE_PARETO_K:
        _say(
            console,
            f"Its scores surprise the fit (Pareto k {pareto_k:.2f} > {RELIABLE_PARETO_K}): "
            "these intervals are approximate.",
            style="yellow",
        )
    small = format_count(float(observed["n_params"].iloc[0]), 1)
    frames = []
    for model in planned.index:
        frame = forecasts.sel(model=model).drop_dims(["draw", "source"]).to_dataframe()
        frame["actual"] = actual.loc[model]
        frame["observed"] = observed[list(frame.index)].iloc[0]
        frames.append(frame)
        rows = [
            {
                "benchmark": cell["benchmark"],
                f"{small} scored": format_points(cell["observed"]),
                "forecast": format_points(cell["median"]),
                "80 % interval": format_interval(cell["lower_80"], cell["upper_80"], format_points),
                "actual": format_points(cell["actual"]),
                "inside": _which_interval(cell),
            }
            for cell in frame.reset_index().to_dict("records")
        ]
        _say(console, f"\n{_describe(planned, model)}", style="bold")
        print_table(rows, console)
        _say(console, _in_words(frame))
    console.print()
    _say(console, f"Both together. {_in_words(pd.concat(frames))}", style="bold")


def _describe(models: pd.DataFrame, model: str) -> str:
    row = models.loc[model].to_dict()
    size, tokens = format_count(row["n_params"]), format_count(row["n_tokens"])
    return f"{model} ({row['tuning']}, {size} parameters, {tokens} tokens)"


def _which_interval(cell: Mapping[Hashable, Any]) -> Text:
    if math.isnan(cell["actual"]):
        return Text("-")
    for percent, style in ((80, "green"), (95, "yellow")):
        if cell[f"lower_{percent}"] <= cell["actual"] <= cell[f"upper_{percent}"]:
            return Text(f"{percent} %", style)
    return Text("no", "bold red")


def _in_words(cells: pd.DataFrame) -> str:
    """How far off the forecasts are, and how often inside their intervals."""
    known = cells.dropna(subset="actual")
    error = (known["median"] - known["actual"]).abs().mean()
    no_change = (known["observed"] - known["actual"]).abs().mean()
    inside = {
        percent: known["actual"].between(known[f"lower_{percent}"], known[f"upper_{percent}"]).sum()
        for percent in (80, 95)
    }
    return (
        f"Off by {format_points(error)} points on average ({format_points(no_change)} had one "
        f"repeated the scores of {OBSERVED}). Of {len(known)} actual scores "
        f"{inside[80]} are inside their 80 % interval ({0.8 * len(known):.1f} expected) and "
        f"{inside[95]} inside 95 % ({0.95 * len(known):.1f} expected)."
    )


def _print_optimum(console: Console, best: xr.Dataset) -> None:
    percent = f"{100 * best.attrs['interval']:.0f} % interval"
    rows = [
        {
            "skill": str(row["objective"]).replace("_", " "),
            "FLOP": format_flops(float(row["flops"])),
            "best size": format_count(float(row["n_params"]), 2),
            "its tokens": format_count(float(row["n_tokens"]), 2),
            percent: format_size_interval(row),
            "P(inside)": format_probability(float(row["prob_interior"])),
            "verdict": row["verdict"],
        }
        for row in long_rows(best)
    ]
    _say(console, "\nBest size for each skill at a training budget", style="bold")
    print_table(rows, console)
    searched = Deployment()
    sizes = format_interval(searched.min_params, searched.most_params, format_count)
    tokens = format_interval(searched.min_tokens, searched.most_tokens, format_count)
    _say(
        console,
        f"P(inside): probability that the best size is inside the range searched, {sizes} "
        f"parameters with {tokens} tokens. Where fewer than nine in ten are, no size is named.",
    )
    _say(console, best.attrs["stands_on"])


def _keep(console: Console, kept: Entry, actual: pd.DataFrame, out: Path) -> None:
    """Write the forecast and the truth, and judge the one by the other."""
    forecasts, truth = out / "forecast.json", out / "actual.csv"
    kept.save(forecasts)
    write_text(truth, actual.to_csv())
    judged = score(read_entries([forecasts]), actual)
    _say(console, f"Kept in {forecasts}; judged by the truth held out: {in_short(judged)}")
    _say(console, f"The same again: skillscale score {forecasts} --actual {truth}")


class _Clock:
    """Seconds spent in every stage."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun

    def report(self) -> str:
        """One sentence: seconds of every stage, their total, and the memory needed."""
        total = time.perf_counter() - self.begun
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        peak = _peak_memory()
        memory = "" if peak is None else f" Peak memory: {peak / 2**30:.2f} GiB."
        return f"Took {total:.0f} s ({stages}).{memory}"


def _peak_memory() -> float | None:
    """Most memory this process has held, in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) if sys.platform == "darwin" else 1024.0 * peak


def _say(console: Console, text: str, style: str | None = None) -> None:
    # Without highlighting: rich would colour numbers inside names.
    console.print(text, style=style, highlight=False, markup=False)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="Where the figure and the fit go.")] = Path("demo"),
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Hold out a lineage, fit the rest, forecast its large models, and compare."""
    require_empty(out, force=force)
    run_demo(out, seed=seed, console=Console(width=None if sys.stdout.isatty() else 110))
