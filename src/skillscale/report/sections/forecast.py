"""The forecast: a table, a figure per benchmark, and where the variance comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.forecasts.forecast import SOURCES, forecast_rows
from skillscale.forecasts.next_evaluations import INTERVAL
from skillscale.formatting import MISSING, format_count, format_interval, format_points
from skillscale.intervals import INTERVALS
from skillscale.report.blocks import Cell, Figures, Section, Table, Words, make_table
from skillscale.report.findings import Findings
from skillscale.report.panels import growth, variance
from skillscale.report.vector import as_svg

MOST_COLUMNS = 6
"""Models side by side; of more, each has a row."""
N_NEAR = 3
"""Families whose models are shown where the family has no relatives."""


def forecast_section(found: Findings) -> Section:
    """What planned models will score.

    Args:
        found: what was found, with a forecast.

    Returns:
        The section.
    """
    result, planned = found.forecast, found.planned
    assert result is not None and planned is not None
    blocks = [
        Words(_of_models(planned)),
        _matrix(found, result, planned),
        _panels(found, result, planned),
        _intervals(result),
    ]
    return Section("forecast", "Forecast", blocks)


def variance_section(found: Findings) -> Section:
    """Where the variance of the forecast comes from.

    Args:
        found: what was found, with a forecast.

    Returns:
        The section.
    """
    result = found.forecast
    assert result is not None
    shares = result["variance_share"].mean("model").transpose("benchmark", "source").to_pandas()
    key = dict(zip(("first", "second", "third", "fourth"), SHORT.values(), strict=True))
    of = "" if result.sizes["model"] == 1 else f", averaged over {result.sizes['model']} models"
    columns: dict[str, Callable[[Mapping[str, object]], Cell | str]] = {
        "benchmark": lambda row: str(row["benchmark"])
    }
    columns |= {name: partial(_percent, source) for source, name in SHORT.items()}
    rows = shares.reset_index().to_dict("records")
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
            Figures(f"Share of the variance by source{of}", [drawing], key),
            make_table(f"Share of the variance by source{of}", rows, columns, folded=True),
        ],
    )


SHORT = dict(zip(SOURCES, ("item noise", "discrepancy", "family", "law"), strict=True))


def relatives_of(found: Findings) -> tuple[pd.DataFrame, str]:
    """Fitted models to show beside the forecast, with what they are.

    Args:
        found: what was found, with a forecast.

    Returns:
        Their rows in the fit: those of the lineage, or where it has none those of the families
        nearest in what they score.
    """
    models, planned = found.plain.models, found.planned
    assert planned is not None
    own = models[models["lineage"].isin(planned["lineage"])]
    if len(own):
        return own, "models of the lineage, in the fit"
    if found.neighbours is None:
        return own, ""
    names = list(found.neighbours.index[:N_NEAR])
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


def _matrix(found: Findings, result: xr.Dataset, planned: pd.DataFrame) -> Table:
    """Medians with 80 % intervals, models across; a row per model where there are many."""
    models, benchmarks = (list(map(str, result[d].to_numpy())) for d in ("model", "benchmark"))
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
            *(Cell(format_points(float(own[name]))) for own in seen.values()),
            *(_cell(result, model, name) for model in models),
        ]
        for name in benchmarks
    ]
    headings = ["benchmark", *(f"{name}, observed" for name in seen), *models]
    return Table(caption, headings, rows, frozenset({0}))


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
    ends = (float(own[f"{end}_{INTERVAL}"]) for end in ("lower", "upper"))
    median = format_points(float(own["median"]))
    return Cell(median, format_interval(*ends, format_points).replace(" to ", "\N{EN DASH}"))


def _panels(found: Findings, result: xr.Dataset, planned: pd.DataFrame) -> Figures:
    """A panel of scores against size for every benchmark."""
    relatives, what = relatives_of(found)
    benchmarks = found.plain.table.benchmarks
    wide = found.plain.table.wide().reindex(relatives.index)
    observed = found.asked.observed
    every = [planned, relatives] if observed is None else [planned, relatives, observed]
    sizes = pd.concat([models["n_params"].astype(float) for models in every])
    drawings = []
    for benchmark in map(str, result["benchmark"].to_numpy()):
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
    columns: dict[str, Callable[[Mapping[str, object]], Cell | str]] = {
        "model": lambda row: str(row["model"]),
        "benchmark": lambda row: str(row["benchmark"]),
        "median": lambda row: _points(row, "median"),
    }
    for level in INTERVALS:
        columns[f"{level} %"] = partial(_ends, level)
    rows = forecast_rows(result)
    caption = "All intervals of the forecast, in points"
    return make_table(caption, rows, columns, words=["benchmark"], folded=True)


def _points(row: Mapping[str, object], key: str) -> str:
    return format_points(float(str(row[key])))


def _ends(level: int, row: Mapping[str, object]) -> str:
    return f"{_points(row, f'lower_{level}')} to {_points(row, f'upper_{level}')}"


def _percent(source: str, row: Mapping[str, object]) -> str:
    value = float(str(row[source]))
    return f"{100 * value:.0f} %" if np.isfinite(value) else MISSING
