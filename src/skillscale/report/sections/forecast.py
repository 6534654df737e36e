"""The forecast: a table, a figure per benchmark, and where the variance comes from."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.forecasts.forecast import SOURCES, forecast_rows
from skillscale.forecasts.next_evaluations import INTERVAL
from skillscale.formatting import MISSING, format_count, format_points
from skillscale.intervals import INTERVALS
from skillscale.report.blocks import (
    Block,
    Cell,
    Columns,
    Figures,
    Row,
    Section,
    Table,
    Tone,
    Words,
    make_table,
)
from skillscale.report.findings import Findings, PlanFindings
from skillscale.report.panels import growth, shortened, variance
from skillscale.report.vector import as_svg

MOST_COLUMNS = 6
"""Models side by side; of more, each has a row."""
LONGEST = 48
"""Characters of a name above a column."""
N_NEAR = 3
"""Families whose models are shown where the family has no relatives."""


def forecast_section(found: Findings, of: PlanFindings) -> Section:
    """What planned models will score.

    Args:
        found: what was found.
        of: what of it is of the plan.

    Returns:
        The section.
    """
    blocks: list[Block] = [
        Words(_of_models(of.planned)),
        _matrix(found, of),
        _panels(found, of),
        _intervals(of.forecast),
    ]
    return Section("forecast", "Forecast", blocks)


def variance_section(of: PlanFindings) -> Section:
    """Where the variance of the forecast comes from.

    Args:
        of: what was found of the plan.

    Returns:
        The section.
    """
    result = of.forecast
    means = result["variance_share"].mean("model").transpose("benchmark", "source")
    shares = pd.DataFrame(means.to_numpy(), _names(result, "benchmark"), _names(result, "source"))
    key = dict(zip(("first", "second", "third", "fourth"), SHORT.values(), strict=True))
    n = result.sizes["model"]
    caption = "Share of the variance by source" + (f", averaged over {n} models" if n > 1 else "")
    columns: Columns = {"benchmark": lambda row: str(row["benchmark"])}
    columns |= {name: partial(_percent, source) for source, name in SHORT.items()}
    rows = shares.rename_axis("benchmark").reset_index().to_dict("records")
    drawing = as_svg(variance(shares), "variance", "Bars of the table below")
    return Section(
        "variance",
        "What the variance comes from",
        [
            Words(
                "Item noise is that of the benchmark's finite number of items, and no law removes "
                "it. Discrepancy is what the law leaves unexplained of a single score. What is "
                "open about the family shrinks as more of its models are evaluated, and what is "
                "uncertain about the law itself as more families are fitted."
            ),
            Figures(caption, [drawing], key),
            make_table(caption, rows, columns, folded=True),
        ],
    )


SHORT = dict(zip(SOURCES, ("item noise", "discrepancy", "family", "law"), strict=True))


def relatives_of(found: Findings, of: PlanFindings) -> tuple[pd.DataFrame, str]:
    """Fitted models to show beside the forecast, with what they are.

    Args:
        found: what was found.
        of: what of it is of the plan.

    Returns:
        Their rows in the fit: those of the lineage, or where it has none those of the families
        nearest in what they score.
    """
    models = found.plain.models
    own = models[models["lineage"].isin(of.planned["lineage"])]
    if len(own):
        return own, "models of the lineage, in the fit"
    if of.neighbours is None:
        return own, ""
    names = list(of.neighbours.index[:N_NEAR])
    return models[
        models["family"].isin(names)
    ], f"models of the nearest families ({', '.join(names)})"


def _of_models(planned: pd.DataFrame) -> str:
    """Sizes, tokens, dates and tuning that the forecast is of."""
    told = []
    for model, row in planned.head(MOST_COLUMNS).iterrows():
        size = format_count(row["n_params"])
        if row["n_active_params"] < row["n_params"]:
            size += f" ({format_count(row['n_active_params'])} active)"
        tokens = (
            "an unknown number of" if pd.isna(row["n_tokens"]) else format_count(row["n_tokens"])
        )
        told.append(
            f"{model} ({row['tuning']}, {row['release']}, {size} parameters, {tokens} tokens)"
        )
    more = len(planned) - len(told)
    told += [f"{more} more"] if more > 0 else []
    return f"Planned: {', '.join(told)}."


def _matrix(found: Findings, of: PlanFindings) -> Table:
    """Medians with 80 % intervals, models across; a row per model where there are many."""
    result = of.forecast
    models, benchmarks = (_names(result, d) for d in ("model", "benchmark"))
    caption = f"Forecast scores in points: medians, and {INTERVAL} % intervals beneath"
    if len(models) > MOST_COLUMNS:
        rows = [
            [Cell(model), *(_cell(result, model, name) for name in benchmarks)] for model in models
        ]
        return Table(caption, ["model", *benchmarks], rows, frozenset({0}))
    seen = _observed_columns(found, benchmarks)
    rows = [
        [
            Cell(name),
            *(_observed(found, of, model, name, float(own[name])) for model, own in seen.items()),
            *(_cell(result, model, name) for model in models),
        ]
        for name in benchmarks
    ]
    headings = ["benchmark", *(f"{_heading(name)}, observed" for name in seen)]
    headings += map(_heading, models)
    return Table(caption, headings, rows, frozenset({0}))


def _heading(name: str) -> str:
    return shortened(name, LONGEST)


def _observed(found: Findings, of: PlanFindings, model: str, benchmark: str, score: float) -> Cell:
    if (model, benchmark) not in of.doubted:
        return Cell(format_points(score))
    outcome = "doubted" if found.asked.keep_doubted else "doubted, left out"
    return Cell(format_points(score), outcome, Tone.WARNING)


def _observed_columns(found: Findings, benchmarks: list[str]) -> dict[str, pd.Series]:
    """Observed scores by model, the largest models last."""
    observed = found.asked.observed
    if observed is None:
        return {}
    rows = observed.sort_values("n_params", kind="stable").tail(MOST_COLUMNS)
    rows = rows.set_index("model").reindex(columns=benchmarks).astype(float)
    return {str(model): row for model, row in rows.iterrows()}


def _cell(result: xr.Dataset, model: str, benchmark: str) -> Cell:
    own = result.sel(model=model, benchmark=benchmark)
    told = ("median", f"lower_{INTERVAL}", f"upper_{INTERVAL}")
    median, lower, upper = (format_points(float(own[name])) for name in told)
    return Cell(median, f"{lower}\N{EN DASH}{upper}")


def _names(result: xr.Dataset, dim: str) -> list[str]:
    return [str(name) for name in result[dim].to_numpy()]


def _panels(found: Findings, of: PlanFindings) -> Figures:
    """A panel of scores against size for every benchmark."""
    result, planned = of.forecast, of.planned
    relatives, what = relatives_of(found, of)
    benchmarks = found.plain.table.benchmarks
    wide = found.plain.table.wide().reindex(relatives.index)
    observed = found.asked.observed
    every = [planned, relatives] if observed is None else [planned, relatives, observed]
    sizes = pd.concat([models["n_params"].astype(float) for models in every])
    drawings = []
    for benchmark in _names(result, "benchmark"):
        known = None
        if observed is not None and benchmark in observed:
            known = _scored(observed["n_params"], observed[benchmark])
        figure = growth(
            result.sel(benchmark=benchmark),
            planned["n_params"],
            known,
            _scored(relatives["n_params"], wide[benchmark]),
            chance=float(benchmarks["chance"].to_dict()[benchmark]),
            within=(sizes.min(), sizes.max()),
        )
        label = f"{benchmark} against size: {_in_words(result.sel(benchmark=benchmark))}"
        drawings.append(as_svg(figure, f"growth-{benchmark}", label))
    key = {"narrow": "50 % interval", "middle": "80 %", "wide": "95 %"}
    if observed is not None:
        key["observed"] = f"observed ({', '.join(observed['model'].head(N_NEAR))})"
    if len(relatives):
        key["relative"] = what
    key["dotted"] = "guessing"
    return Figures("Scores in points against size, a panel for every benchmark", drawings, key)


def _scored(sizes: pd.Series, scores: pd.Series) -> pd.DataFrame:
    both = pd.DataFrame({"n_params": sizes.astype(float), "score": scores.astype(float)})
    return both.dropna()


def _in_words(result: xr.Dataset) -> str:
    """Medians of a few models, for who can't see the panel."""
    told = [
        f"{model} {format_points(float(result['median'].sel(model=model)))}"
        for model in result["model"].to_numpy()[:MOST_COLUMNS]
    ]
    return ", ".join(told)


def _intervals(result: xr.Dataset) -> Table:
    """All intervals of every score."""
    columns: Columns = {
        "model": lambda row: str(row["model"]),
        "benchmark": lambda row: str(row["benchmark"]),
        "median": lambda row: _points(row, "median"),
    }
    for level in INTERVALS:
        columns[f"{level} %"] = partial(_ends, level)
    rows = forecast_rows(result)
    caption = "All intervals of the forecast, in points"
    return make_table(caption, rows, columns, words=["benchmark"], folded=True)


def _points(row: Row, key: str) -> str:
    return format_points(float(row[key]))


def _ends(level: int, row: Row) -> str:
    return f"{_points(row, f'lower_{level}')} to {_points(row, f'upper_{level}')}"


def _percent(source: str, row: Row) -> str:
    value = float(row[source])
    return f"{100 * value:.0f} %" if np.isfinite(value) else MISSING
