"""The command ``skillscale diff``."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from skillscale.cli.app import app
from skillscale.cli.inputs import Style, comma_separated
from skillscale.cli.output import (
    Format,
    Row,
    as_text,
    frame_rows,
    note,
    number,
    print_json,
    print_rows,
    results,
)
from skillscale.errors import SpecError, known_names
from skillscale.formatting import (
    MISSING,
    format_count,
    format_flops,
    format_interval,
    format_points,
)
from skillscale.ledger.changes import FLOPS, Diff, diff
from skillscale.ledger.entry import Entry
from skillscale.ledger.reading import read_entry
from skillscale.posterior.result import Fit

CAUSES = "causes"
OPTIMA = "optima"
N_SHOWN = 12
"""Rows of a table, and differences of a kind, where several tables are printed."""
NETCDF = b"\x89HDF"


@app.command("diff")
def diff_command(
    a: Annotated[Path, typer.Argument(help="A fit, or a forecast that was kept.")],
    b: Annotated[Path, typer.Argument(help="Another of the same kind.")],
    show: Annotated[
        str | None,
        typer.Option(
            help="One table, all of it: causes; of forecasts: forecasts; of fits: parameters, "
            "scores, optima. By default what moved most in each."
        ),
    ] = None,
    flops: Annotated[
        str, typer.Option(help="Budgets of optima that are compared, comma-separated.")
    ] = ",".join(map(format_flops, FLOPS)),
    style: Style = Format.TABLE,
) -> None:
    """Compare two fits or two forecasts: what moved, by how much, and because of what."""
    budgets = comma_separated(flops, float, "--flops takes numbers separated by commas")
    found = diff(_read(a), _read(b), flops=budgets)
    for sentence in found.said:
        note(f"Note: {sentence}")
    tables = {**found.moved, CAUSES: found.causes}
    asked = known_names("table", show, tables, "this comparison")
    if style is Format.JSON:
        print_json({**{name: tables[name] for name in asked}, "chance": found.chance})
    elif len(asked) == 1:
        (name,) = asked
        print_rows(frame_rows(tables[name]), style, shown=COLUMNS[name])
    elif style is Format.CSV:
        names = ", ".join(tables)
        raise SpecError(f"csv holds one table: give --show with one of {names}.")
    else:
        note(f"a is {a}, b is {b}; what moved did from a to b.")
        _print(found)


def _read(path: Path) -> Fit | Entry:
    """A fit, where the file is one by its name or its first bytes, or a forecast."""
    is_fit = path.suffix == ".nc"
    if path.is_file():
        with path.open("rb") as file:
            is_fit = file.read(len(NETCDF)) == NETCDF
    return Fit.load(path) if is_fit else read_entry(path)


def _print(found: Diff) -> None:
    """Print what moved most, and because of what."""
    console = results()
    for name, table in found.moved.items():
        moved = table if name == OPTIMA else table[table["moved"] != 0]
        if moved.empty:
            console.print(f"None of {len(table)} {name} moved.\n", highlight=False)
            continue
        console.print(f"{TITLES[name]}{_so_many(moved)}:\n", highlight=False)
        print_rows(frame_rows(moved.head(N_SHOWN)), Format.TABLE, shown=COLUMNS[name])
        console.print()
    if found.causes.empty:
        console.print("They differ in nothing that is kept of them.", highlight=False)
        return
    console.print("What differs between a and b:\n", highlight=False)
    parts = []
    for what, own in found.causes.groupby("what", sort=False):
        parts.append(own.head(N_SHOWN))
        if (rest := len(own) - N_SHOWN) > 0:
            parts.append(pd.DataFrame([{"what": what, "key": f"and {rest} more"}]))
    print_rows(frame_rows(pd.concat(parts)), Format.TABLE, shown=COLUMNS[CAUSES])
    note(
        f"By the draws alone a median or mean moves by {found.chance:.2f} standard deviations "
        "(one standard error; more where draws are correlated)."
    )


def _so_many(table: pd.DataFrame) -> str:
    return f", {N_SHOWN} of {len(table)}" if len(table) > N_SHOWN else ""


def _points(key: str, row: Row) -> str:
    return format_points(number(row, key))


def _moved(key: str, row: Row) -> str:
    return f"{100 * number(row, key):+z.1f}"


def _interval(which: str, row: Row) -> str:
    lower, upper = (number(row, f"{end}_80_{which}") for end in ("lower", "upper"))
    return format_interval(lower, upper, format_points)


def _sds(key: str, row: Row) -> str:
    return f"{number(row, key):+z.2f}"


def _mean(which: str, row: Row) -> str:
    return f"{number(row, f'mean_{which}'):z.3f} ± {number(row, f'sd_{which}'):.3f}"


def _size(which: str, row: Row) -> str:
    lower, upper = (number(row, f"n_params_{end}_{which}") for end in ("lower", "upper"))
    inside = format_interval(lower, upper, format_count)
    return f"{format_count(number(row, f'n_params_{which}'))} ({inside})"


def _factor(row: Row) -> str:
    factor = number(row, "moved")
    return MISSING if math.isnan(factor) else f"{factor:.2f}x"


def _names(*keys: str) -> dict[str, Callable[[Row], str]]:
    return {key: partial(as_text, key) for key in keys}


def _short(key: str, row: Row) -> str:
    """A value; of a hash its beginning."""
    text = as_text(key, row)
    return text[:12] if len(text) == 64 else text


TITLES = {
    "forecasts": "Forecasts that moved most",
    "parameters": "Parameters that moved most",
    "scores": "Expected scores of models that moved most",
    OPTIMA: "Best sizes",
}
COLUMNS: dict[str, dict[str, Callable[[Row], str]]] = {
    "forecasts": {
        **_names("model", "benchmark"),
        "a": partial(_points, "median_a"),
        "b": partial(_points, "median_b"),
        "moved": partial(_moved, "moved"),
        "in sd": partial(_sds, "moved_sd"),
        "80 % of a": partial(_interval, "a"),
        "80 % of b": partial(_interval, "b"),
        "wider by": partial(_moved, "width_80_moved"),
    },
    "parameters": {
        **_names("parameter", "of"),
        "a": partial(_mean, "a"),
        "b": partial(_mean, "b"),
        "moved, in sd": partial(_sds, "moved"),
    },
    "scores": {
        **_names("model", "benchmark"),
        "a": partial(_points, "expected_a"),
        "b": partial(_points, "expected_b"),
        "moved": partial(_moved, "moved"),
    },
    OPTIMA: {
        "skill": partial(as_text, "objective"),
        "FLOP": lambda r: format_flops(number(r, "flops")),
        "a (80 %)": partial(_size, "a"),
        "b (80 %)": partial(_size, "b"),
        "moved": _factor,
    },
    CAUSES: {**_names("what", "key"), "a": partial(_short, "a"), "b": partial(_short, "b")},
}
