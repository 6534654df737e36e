"""The command ``skillscale skills``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from skillscale.cli.app import app
from skillscale.cli.inputs import FitFile, Force, Style, read_fit
from skillscale.cli.output import (
    Format,
    Row,
    as_text,
    frame_rows,
    number,
    or_none,
    print_json,
    print_rows,
    save_figures,
)
from skillscale.errors import SpecError
from skillscale.files import require_empty
from skillscale.formatting import (
    MISSING,
    format_count,
    format_interval,
    format_points,
    format_probability,
)
from skillscale.posterior.result import Fit
from skillscale.skills.families import efficiencies, instruct_effects, instruct_pairs
from skillscale.skills.item_curves import item_curves
from skillscale.skills.reading import Reading, read_skills
from skillscale.skills.rotation import Rotation
from skillscale.skills.tables import correlations, loadings, model_skills, slopes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Columns = dict[str, Callable[[Row], str]]

N_RANKED = 3
"""First and last families of every skill in an overview."""


class Show(StrEnum):
    """What to print of the skills."""

    OVERVIEW = "overview"
    LOADINGS = "loadings"
    CORRELATIONS = "correlations"
    MODELS = "models"
    FAMILIES = "families"
    INSTRUCT = "instruct"
    PAIRS = "pairs"
    SLOPES = "slopes"
    ALL = "all"


TABLES: dict[Show, Callable[[Fit, Reading], pd.DataFrame]] = {
    Show.LOADINGS: loadings,
    Show.CORRELATIONS: correlations,
    Show.INSTRUCT: instruct_effects,
    Show.PAIRS: instruct_pairs,
    Show.FAMILIES: efficiencies,
    Show.MODELS: model_skills,
    Show.SLOPES: slopes,
}
OVERVIEW = (Show.LOADINGS, Show.CORRELATIONS, Show.INSTRUCT, Show.FAMILIES)
TITLES = {
    Show.LOADINGS: "What every benchmark reads: loading times the spread of the skill over models",
    Show.CORRELATIONS: "Correlations of skills over models; then given size, tokens, date, tuning",
    Show.INSTRUCT: "Effect of instruction tuning, and what it is worth for a typical model",
    Show.PAIRS: "Instruct families less the base they were tuned from",
    Show.FAMILIES: "Efficiencies of families",
    Show.MODELS: "Skills of models",
    Show.SLOPES: "Growth of skills per e-fold",
}


@app.command("skills")
def skills_command(
    fit_file: FitFile = None,
    show: Annotated[
        Show,
        typer.Option(
            help="How benchmarks read skills; how skills correlate; skills of models; efficiencies "
            "of families; effects of instruction tuning, and single instruct families less their "
            "bases (pairs); growth with size and tokens. By default the main ones in short."
        ),
    ] = Show.OVERVIEW,
    rotation: Annotated[
        Rotation | None,
        typer.Option(
            help="How to turn skills to be read: geomin by default where they are exploratory; "
            "named skills are read as named."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory for figures of all of it.")] = None,
    force: Force = False,
    style: Style = Format.TABLE,
) -> None:
    """What the skills are: which benchmarks read them, which families have them."""
    if out is not None:
        require_empty(out, force=force)
    asked = {Show.OVERVIEW: OVERVIEW, Show.ALL: tuple(TABLES)}.get(show, (show,))
    if style is Format.CSV and len(asked) > 1:
        names = ", ".join(TABLES)
        raise SpecError(f"csv holds one table: give --show with one of {names}; found {show}.")
    loaded = read_fit(fit_file)
    reading = read_skills(loaded, rotation)
    needed = asked if out is None else TABLES
    tables = {name: TABLES[name](loaded, reading) for name in needed}
    if out is not None:
        save_figures(out, _figures(loaded, reading, tables))
    if style is Format.JSON:
        print_json({"rotation": reading.rotation, **{name: tables[name] for name in asked}})
        return
    for place, name in enumerate(asked):
        if style is Format.TABLE and len(asked) > 1:
            sys.stdout.write("\n" * (place > 0) + f"{TITLES[name]}\n\n")
        is_short = show is Show.OVERVIEW
        _print(name, tables[name], style, is_short=is_short)


def _figures(
    loaded: Fit, reading: Reading, tables: Mapping[Show, pd.DataFrame]
) -> dict[str, Figure]:
    from skillscale import plots

    figures = {
        "loadings": plots.plot_loadings(tables[Show.LOADINGS]),
        "instruct": plots.plot_instruct_effect(tables[Show.INSTRUCT], tables[Show.PAIRS]),
        "families": plots.plot_efficiencies(tables[Show.FAMILIES]),
        "levels": plots.plot_level_curves(loaded, reading=reading),
        "items": plots.plot_item_curves(item_curves(loaded)),
    }
    if not tables[Show.CORRELATIONS].empty:  # a single skill has no other
        figures["correlations"] = plots.plot_skill_correlations(tables[Show.CORRELATIONS])
        figures["models"] = plots.plot_model_skills(tables[Show.MODELS])
    return figures


def _print(name: Show, table: pd.DataFrame, style: Format, *, is_short: bool) -> None:
    """Print a table; in an overview some cells side by side, and first and last families."""
    if table.empty and style is Format.TABLE:
        sys.stdout.write("There are none in this fit.\n")
        return
    if is_short and name in SIDE_BY_SIDE:
        ids, beside, cell = SIDE_BY_SIDE[name]
        rows: list[Row] = [
            {key: own[key].iloc[0] for key in ids}
            | {str(row[beside]): cell(row) for row in frame_rows(own)}
            for _, own in table.groupby(list(ids), sort=False)
        ]
        print_rows(rows, style, shown={key: partial(as_text, key) for key in rows[0]})
        return
    if is_short and name is Show.FAMILIES:
        last = table.groupby("skill")["rank"].transform("max") - N_RANKED
        table = table[(table["rank"] <= N_RANKED) | (table["rank"] > last)]
    print_rows(frame_rows(table), style, shown=COLUMNS[name])


def _value(key: str, row: Row) -> str:
    return f"{number(row, key):z.2f}"


def _ends(percent: int, prefix: str, row: Row) -> str:
    lower, upper = (number(row, f"{prefix}{end}_{percent}") for end in ("lower", "upper"))
    return format_interval(lower, upper, "{:z.2f}".format)


def _loading(row: Row) -> str:
    """A standardised loading with its interval, nothing where it is fixed at zero."""
    if row["is_fixed"] and number(row, "median") == 0:
        return ""
    return f"{_value('standardised_median', row)} ({_ends(80, 'standardised_', row)})"


def _correlation(row: Row) -> str:
    return f"{_value('median', row)} ({_ends(80, '', row)})"


def _points(row: Row) -> str:
    return f"{format_points(number(row, 'score_median'))} of {row['benchmark']}"


def _count(key: str, row: Row) -> str:
    return format_count(number(row, key))


def _probability(key: str, row: Row) -> str:
    return format_probability(number(row, key))


def _rhat(row: Row) -> str:
    value = or_none(number(row, "rhat"))
    return MISSING if value is None else f"{value:.3f}"


def _summary(prefix: str = "") -> Columns:
    return {
        "median": partial(_value, f"{prefix}median"),
        "80 %": partial(_ends, 80, prefix),
        "95 %": partial(_ends, 95, prefix),
    }


def _names(*keys: str) -> Columns:
    return {key.replace("_", " "): partial(as_text, key) for key in keys}


DIAGNOSTICS: Columns = {"R-hat": _rhat, "ESS": partial(_count, "ess_bulk")}
POSITIVE: Columns = {"P(> 0)": partial(_probability, "prob_positive")}
SIDE_BY_SIDE: dict[Show, tuple[tuple[str, ...], str, Callable[[Row], str]]] = {
    Show.LOADINGS: (("benchmark",), "skill", _loading),
    Show.CORRELATIONS: (("skill", "other"), "given", _correlation),
}
"""What names a row in an overview, what its columns, and how a cell is shown."""
COLUMNS: dict[Show, Columns] = {
    Show.LOADINGS: {
        **_names("benchmark", "skill"),
        "loading": partial(_value, "median"),
        "loading, 80 %": partial(_ends, 80, ""),
        "standardised": partial(_value, "standardised_median"),
        "80 %": partial(_ends, 80, "standardised_"),
        **DIAGNOSTICS,
    },
    Show.CORRELATIONS: {
        **_names("skill", "other", "given"),
        **_summary(),
        "P(beyond 0.9)": partial(_probability, "prob_indistinct"),
        **DIAGNOSTICS,
    },
    Show.INSTRUCT: {
        **_names("skill"),
        **_summary(),
        **POSITIVE,
        "points": _points,
        "points, 80 %": lambda r: format_interval(
            number(r, "score_lower_80"), number(r, "score_upper_80"), format_points
        ),
        **DIAGNOSTICS,
    },
    Show.PAIRS: {**_names("family", "base_family", "skill"), **_summary(), **POSITIVE},
    Show.FAMILIES: {**_names("skill", "rank", "family", "base_family"), **_summary()},
    Show.MODELS: {
        **_names("model", "skill"),
        "size": partial(_count, "n_params"),
        **_summary(),
        **DIAGNOSTICS,
    },
    Show.SLOPES: {**_names("input", "skill"), **_summary(), **DIAGNOSTICS},
}
