"""The command ``skillscale score``."""

from __future__ import annotations

import math
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from skillscale.backtest.scores import OURS
from skillscale.cli.app import app
from skillscale.cli.inputs import Force, Style, interval
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
    save_figures,
)
from skillscale.files import require_empty, write_text
from skillscale.formatting import format_points, format_probability
from skillscale.intervals import INTERVALS
from skillscale.ledger.actual import read_actual
from skillscale.ledger.judgement import POOLED, Judgement, score
from skillscale.ledger.reading import read_entries

USUAL = 80
"""Percent of the interval whose misses are listed."""


class Show(StrEnum):
    """What to print."""

    SUMMARY = "summary"
    SCORES = "scores"


@app.command("score")
def score_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Forecasts that skillscale forecast --save or backtest --freeze wrote, or folders."
        ),
    ],
    actual: Annotated[
        Path,
        typer.Option(
            help="CSV of what models scored: model,<benchmarks...>; or model,benchmark,score."
        ),
    ],
    show: Annotated[
        Show, typer.Option(help="How good forecasts were; or every score beside its forecast.")
    ] = Show.SUMMARY,
    out: Annotated[
        Path | None, typer.Option(help="Directory for every score and a calibration figure.")
    ] = None,
    force: Force = False,
    style: Style = Format.TABLE,
) -> None:
    """Did forecasts hold? Kept ones beside what models really scored, and beside simpler laws."""
    if out is not None:
        require_empty(out, force=force)
    entries = read_entries(paths, on_note=_say)
    found = score(entries, read_actual(actual, entries))
    for sentence in found.said:
        _say(sentence)
    if out is not None:
        _write(found, out)
    if style is Format.JSON:
        parts = {"summary": found.summary(), "scores": found.cells, "said": found.said}
        print_json(parts)
    elif show is Show.SCORES:
        _print_scores(found.cells, style)
    elif style is Format.CSV:
        print_rows(frame_rows(found.summary()), style, shown={})
    else:
        _print(found)


def in_short(found: Judgement) -> str:
    """How far off forecasts were, and how often inside their intervals, in a sentence."""
    summary = found.summary()
    pooled = frame_rows(summary[summary["is_pooled"]])
    ours, n = pooled[0], found.n_scores
    inside = [
        f"{n * number(ours, f'coverage_{percent}'):.3g} inside their {percent} % interval "
        f"({percent / 100 * n:.1f} expected)"
        for percent in (80, 95)
    ]
    laws = [law for law in pooled[1:] if law["n_scores"] == n]  # back-tests are frozen without
    errors = [f"{number(law, 'mae_points'):.1f} by {law['method']}" for law in laws]
    others = f" ({', '.join(errors)})" if errors else ""
    return (
        f"{n} score{'s' * (n != 1)} known of those forecast: off by "
        f"{number(ours, 'mae_points'):.1f} points on average{others}, {' and '.join(inside)}."
    )


def _print(found: Judgement) -> None:
    """Print how good forecasts were, and which scores lay outside."""
    summary = found.summary()
    if found.cells["forecast"].nunique() == found.n_lineages == 1:
        summary = summary[~summary["is_pooled"]]  # the same again
    console = results()
    console.print(in_short(found), highlight=False)
    console.print()
    print_rows(
        frame_rows(summary),
        Format.TABLE,
        shown={
            "forecast": partial(as_text, "forecast"),
            "made": partial(as_text, "date"),
            "method": partial(as_text, "method"),
            "scores": partial(as_text, "n_scores"),
            "MAE": partial(_value, "mae_points", "z.1f"),
            "bias": partial(_value, "bias_points", "+z.1f"),
            "CRPS": partial(_value, "crps", "z.1f"),
            "log score": partial(_value, "log_score", "z.2f"),
            **{f"in {percent} %": partial(_share, percent) for percent in INTERVALS},
        },
    )
    ours = found.cells[found.cells["method"] == OURS]
    missed = ours[~ours["actual"].between(ours[f"lower_{USUAL}"], ours[f"upper_{USUAL}"])]
    outside = f"{len(missed)} of {len(ours)}." if len(missed) else "none."
    console.print(f"\nOutside their {USUAL} % interval: {outside}", highlight=False)
    if len(missed):
        _print_scores(missed, Format.TABLE)
    note(
        "Errors in points, log scores in nats. Coverage of one forecast has binomial 95 % "
        "intervals, which take its scores for independent; those of a family are not, so the "
        f"truth is wider. Of {POOLED} together every score counts once, and 95 % intervals are of "
        "a bootstrap over lineages, where there are two."
    )


def _print_scores(cells: pd.DataFrame, style: Format) -> None:
    """Print scores beside their forecasts, the most surprising first; for people ours alone."""
    if style is Format.TABLE:
        cells = cells[cells["method"] == OURS]
        cells = cells.sort_values("pit", key=lambda pit: -(pit - 0.5).abs(), kind="stable")
    print_rows(
        frame_rows(cells),
        style,
        shown={
            "forecast": partial(as_text, "forecast"),
            "model": partial(as_text, "model"),
            "benchmark": partial(as_text, "benchmark"),
            "median": lambda r: format_points(number(r, "median")),
            "80 %": partial(interval, 80),
            "95 %": partial(interval, 95),
            "actual": lambda r: format_points(number(r, "actual")),
            "off": lambda r: f"{100 * (number(r, 'actual') - number(r, 'median')):+.1f}",
            "inside": _inside,
        },
    )


def _inside(row: Row) -> str:
    """The narrowest interval that a score is in."""
    for percent in INTERVALS:
        if (
            number(row, f"lower_{percent}")
            <= number(row, "actual")
            <= number(row, f"upper_{percent}")
        ):
            return f"{percent} %"
    return "no"


def _value(key: str, how: str, row: Row) -> str:
    """A mean, with its interval where there is one."""
    value, lower, upper = (number(row, f"{key}{end}") for end in ("", "_lower", "_upper"))
    text = format(value, how)
    return text if math.isnan(lower) else f"{text} ({format(lower, how)} to {format(upper, how)})"


def _share(percent: int, row: Row) -> str:
    key = f"coverage_{percent}"
    value, lower, upper = (number(row, f"{key}{end}") for end in ("", "_lower", "_upper"))
    text = format_probability(value)
    return text if math.isnan(lower) else f"{text} ({100 * lower:.0f} to {100 * upper:.0f})"


def _write(found: Judgement, out: Path) -> None:
    from skillscale.plots.calibration import plot_calibration

    write_text(out / "scores.csv", found.cells.to_csv(index=False))
    save_figures(out, {"calibration": plot_calibration(found.report, found.methods)})


def _say(sentence: str) -> None:
    note(f"Note: {sentence}")
