"""The command ``skillscale optimum``."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
import xarray as xr

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
    OutDir,
    ServeTokens,
    SkillNames,
    Strict,
    Style,
    Target,
    TotalPerActive,
    end,
    names,
    numbers,
    read_fit_or_stack,
    weights,
)
from skillscale.cli.output import Format, Row, as_text, note, number, print_rows, save_figures
from skillscale.data.observed import read_observed
from skillscale.errors import SpecError
from skillscale.files import require_empty
from skillscale.formatting import (
    MISSING,
    format_count,
    format_flops,
    format_interval,
    format_points,
    format_probability,
    format_size_interval,
)
from skillscale.optima.cheapest import cheapest
from skillscale.optima.deployment import Deployment
from skillscale.optima.goal import Goal
from skillscale.optima.mixture import plain
from skillscale.optima.optimum import optimum
from skillscale.optima.regret import SAFE_LOSS, regret
from skillscale.optima.table import long_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Columns = dict[str, Callable[[Row], str]]

PERCENT = f"{100 * Goal.interval:.0f} %"
SHOWN_MANTISSAS = (1.0, 2.0, 5.0)
"""Sizes of a decade that a table of regret shows; csv and json hold all."""


@app.command("optimum")
def optimum_command(
    fit_file: FitFile = None,
    flops: Annotated[
        str | None,
        typer.Option(help="Budgets in FLOP, comma-separated, for training and serving."),
    ] = None,
    skill: SkillNames = None,
    benchmark: BenchmarkNames = None,
    target: Target = None,
    family: Annotated[
        str | None,
        typer.Option(help="A family of the fit; a typical base family of its last month if none."),
    ] = None,
    observed: ObservedFile = None,
    keep_doubted: KeepDoubted = False,
    normalised: Normalised = False,
    strict: Strict = False,
    reach: Annotated[
        str | None,
        typer.Option(help="Instead of a budget: scores (as fractions) to reach for least compute."),
    ] = None,
    with_regret: Annotated[
        bool, typer.Option("--regret", help="What other sizes lose, and the compute to make up.")
    ] = False,
    serve_tokens: ServeTokens = 0.0,
    max_tokens: MaxTokens = None,
    max_params: MaxParams = None,
    sizes: Annotated[
        str | None, typer.Option(help="The only sizes allowed, comma-separated.")
    ] = None,
    total_per_active: TotalPerActive = 1.0,
    min_params: Annotated[float, typer.Option(help="Smallest size searched.")] = 1e8,
    min_tokens: Annotated[float, typer.Option(help="Fewest training tokens searched.")] = 1e10,
    out: OutDir = None,
    force: Force = False,
    style: Style = Format.TABLE,
) -> None:
    """Best size and tokens for a skill, a benchmark or a target, and whether the data know it."""
    deployment = Deployment(
        serve_tokens=serve_tokens,
        max_tokens=max_tokens,
        max_params=max_params,
        sizes=tuple(numbers("sizes", sizes)),
        min_params=min_params,
        min_tokens=min_tokens,
        total_per_active=total_per_active,
    )
    if (flops is None) == (reach is None):
        raise SpecError("give one of --flops (a budget) and --reach (a goal).")
    if with_regret and flops is None:
        raise SpecError("--regret goes with --flops: it compares the sizes of a budget.")
    if out is not None:
        require_empty(out, force=force)
    loaded = read_fit_or_stack(fit_file)
    seen = None
    if observed is not None:
        known = plain(loaded).table.benchmarks
        seen = read_observed(observed, known, is_normalised=normalised)
    goal = Goal(
        skills=names(skill),
        benchmarks=names(benchmark),
        target=weights(target),
        family=family,
        observed=seen,
        deployment=deployment,
        keep_doubted=keep_doubted,
        on_note=note,
    )
    budgets, values = numbers("flops", flops), numbers("reach", reach)
    if with_regret:
        result = regret(loaded, budgets, goal)
    else:
        result = optimum(loaded, budgets, goal) if budgets else cheapest(loaded, values, goal)
    if out is not None:
        save_figures(out, _figures(result, with_regret=with_regret))
    if with_regret:
        _print_regret(long_rows(result), deployment, style)
    else:
        columns = _optimum_columns(deployment) if budgets else _cheapest_columns(deployment)
        print_rows(long_rows(result), style, shown=columns | _forms(result))
    note(result.attrs["stands_on"])
    end(result, strict=strict)


def _figures(result: xr.Dataset, *, with_regret: bool) -> dict[str, Figure]:
    """The figure of an answer, by the name of its file."""
    from skillscale import plots

    if with_regret:
        return {"regret": plots.plot_regret(result)}
    if "reach" in result.coords:
        return {"cheapest": plots.plot_cheapest(result)}
    return {"optimum": plots.plot_optimum(result)}


def _print_regret(rows: Sequence[Row], deployment: Deployment, style: Format) -> None:
    """Curves; for people the sizes that lose little first, and fewer sizes."""
    possible = [row for row in rows if number(row, "n_tokens") > 0]
    if style is Format.TABLE:
        cells = {(row["objective"], row["flops"]): row for row in possible}
        print_rows(list(cells.values()), style, shown=SAFE_COLUMNS)
        sys.stdout.write("\n")
        possible = [row for row in possible if deployment.sizes or _is_shown(row)]
    print_rows(possible, style, shown=REGRET_COLUMNS)


def _is_shown(row: Row) -> bool:
    return float(f"{number(row, 'n_params'):.2e}".split("e")[0]) in SHOWN_MANTISSAS


def _optimum_columns(deployment: Deployment) -> Columns:
    columns: Columns = {
        "objective": partial(as_text, "objective"),
        "FLOP": partial(_flops, "flops"),
        **_size_columns(deployment),
        "P(inside)": partial(_probability, "prob_interior"),
    }
    if deployment.max_tokens is not None or deployment.max_params is not None:
        # A cap narrows as well: what the data did to the interval can't be read there.
        return columns | {"P(cap)": partial(_probability, "prob_cap")} | VERDICT
    return columns | {"narrowed": lambda r: f"{100 * number(r, 'narrowing'):.0f} %"} | VERDICT


def _cheapest_columns(deployment: Deployment) -> Columns:
    return {
        "objective": partial(as_text, "objective"),
        "reach": lambda r: f"{number(r, 'reach'):g}",
        "FLOP": partial(_flops, "flops"),
        f"FLOP, {PERCENT}": lambda r: format_interval(
            number(r, "flops_lower"), number(r, "flops_upper"), _compute
        ),
        **_size_columns(deployment),
        "P(reached)": partial(_probability, "prob_reached"),
        **VERDICT,
    }


def _forms(result: xr.Dataset) -> Columns:
    """How far the forms of a stack disagree."""
    return FORMS if "disagreement" in result else {}


def _size_columns(deployment: Deployment) -> Columns:
    columns: Columns = {
        "size": partial(_count, "n_params"),
        f"size, {PERCENT}": format_size_interval,
    }
    if deployment.total_per_active > 1:
        columns["total"] = partial(_count, "n_total_params")
    return columns | {"tokens": partial(_count, "n_tokens"), "per param": _per_param}


def _count(key: str, row: Row) -> str:
    return format_count(number(row, key))


def _probability(key: str, row: Row) -> str:
    return format_probability(number(row, key))


def _flops(key: str, row: Row) -> str:
    return _compute(number(row, key))


def _compute(flops: float) -> str:
    return format_flops(flops) if math.isfinite(flops) else MISSING


def _per_param(row: Row) -> str:
    return format_count(number(row, "tokens_per_param"), digits=2)


def _verdict(row: Row) -> str:
    return f"{row['verdict']}, {row['limit']}" if row["limit"] else str(row["verdict"])


def _points(name: str, row: Row) -> str:
    return format_interval(
        number(row, f"{name}_lower"), number(row, f"{name}_upper"), format_points
    )


def _ratio(value: float) -> str:
    """How often the budget; more tokens never make up for an infinite one."""
    if math.isnan(value):
        return MISSING
    return f"{value:.3g}x" if value < 1e4 else "never"


VERDICT: Columns = {"verdict": _verdict}
FORMS: Columns = {"forms differ": lambda r: _ratio(number(r, "disagreement"))}
SAFE_COLUMNS: Columns = {
    "objective": partial(as_text, "objective"),
    "FLOP": partial(_flops, "flops"),
    "least expected loss at": partial(_count, "least_regret_params"),
    f"less than {100 * SAFE_LOSS:g} point lost": lambda r: format_interval(
        number(r, "safe_lower"), number(r, "safe_upper"), format_count
    ),
}
REGRET_COLUMNS: Columns = {
    "objective": partial(as_text, "objective"),
    "FLOP": partial(_flops, "flops"),
    "size": partial(_count, "n_params"),
    "tokens": partial(_count, "n_tokens"),
    "points lost": lambda r: format_points(number(r, "score_lost")),
    f"points, {PERCENT}": partial(_points, "score_lost"),
    "compute": lambda r: _ratio(number(r, "extra_compute")),
    f"compute, {PERCENT}": lambda r: format_interval(
        number(r, "extra_compute_lower"), number(r, "extra_compute_upper"), _ratio
    ),
}
