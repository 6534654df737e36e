"""The fit itself: its data, its skills, its families, and whether it may be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.checks.verdict import Check
from skillscale.formatting import format_count, format_points
from skillscale.posterior.result import Fit
from skillscale.report.blocks import (
    TONES,
    Block,
    Cell,
    Columns,
    Figures,
    Section,
    Table,
    Words,
    as_written,
    make_table,
)
from skillscale.report.panels import Standing, standings
from skillscale.report.vector import as_svg
from skillscale.skills.reading import Reading

STRONG = 2.5
"""A loading per standard deviation of the skill that has the full shade."""
BEST = 15
"""Families that are ranked."""


def checks_section(checks: Sequence[Check]) -> Section:
    """The verdict of `check`.

    Args:
        checks: what it says.

    Returns:
        The section.
    """
    columns: Columns = {
        "check": lambda r: str(r["name"]),
        "verdict": lambda r: Cell(str(r["verdict"]), tone=TONES[r["verdict"]]),
        "value": lambda r: "-" if math.isnan(float(r["value"])) else f"{r['value']:.4g}",
        "to pass": lambda r: (
            str(r["threshold"])
            .replace("<=", "\N{LESS-THAN OR EQUAL TO}")
            .replace(">=", "\N{GREATER-THAN OR EQUAL TO}")
        ),
        "advice": lambda r: "" if str(r["verdict"]) == "PASS" else str(r["advice"]),
    }
    rows = [vars(one) for one in checks]
    caption = "Checks of the fit: convergence, fit to the data, and influence of single scores"
    table = make_table(caption, rows, columns, words=["verdict", "to pass", "advice"])
    return Section("checks", "May the fit be trusted?", [table])


def data_section(law: Fit) -> Section:
    """What was fitted.

    Args:
        law: the fit.

    Returns:
        The section.
    """
    models, table = law.models, law.table
    benchmarks = law.design.coords["benchmark"]
    scores = table.wide().reindex(index=models.index, columns=benchmarks)
    rows = [
        {
            "benchmark": name,
            "title": table.benchmarks["title"].to_dict().get(name, ""),
            "models": int(scores[name].notna().sum()),
            "items": format_count(float(table.benchmarks["n_items"].to_dict()[name])),
            "chance": format_points(float(table.benchmarks["chance"].to_dict()[name])),
            "median score": format_points(float(scores[name].median())),
            "best score": format_points(float(scores[name].max())),
        }
        for name in benchmarks
    ]
    columns: Columns = as_written(rows[0])
    years = models["release"].str[:4].value_counts().sort_index()
    by_year = [{"year": year, "models": str(n)} for year, n in years.items()]
    by_year_columns: Columns = as_written(by_year[0])
    unpublished = int(models["n_tokens"].isna().sum())
    tuned = int((models["tuning"] == "instruct").sum())
    words = (
        f"{len(models)} models of {models['family'].nunique()} families and "
        f"{models['lineage'].nunique()} lineages, {tuned} of them tuned; the token counts of "
        f"{unpublished} are not published and inferred. Scores that were not observed are absent, "
        "and nothing is imputed."
    )
    blocks: list[Block] = [
        Words(words),
        make_table("Benchmarks, scores in points", rows, columns, words=["title"]),
        make_table("Models by year of release", by_year, by_year_columns, folded=True),
    ]
    return Section("data", "The data", blocks)


def skills_section(law: Fit, reading: Reading) -> Section:
    """What the skills are: how benchmarks read them.

    Args:
        law: the fit.
        reading: its skills, as they are read.

    Returns:
        The section.
    """
    how = (
        f"Skills have no names and are read in a {reading.rotation} rotation."
        if law.spec.exploratory
        else "Skills are named by anchors, benchmarks that read one skill alone. Names are names: "
        "what a skill is, the benchmarks that read it say."
    )
    return Section("skills", "What the skills are", [Words(how), _loadings(law, reading)])


def families_section(law: Fit, reading: Reading) -> Section:
    """Which families have the skills.

    Args:
        law: the fit.
        reading: its skills, as they are read.

    Returns:
        The section.
    """
    draws = reading.draws["efficiency"]
    median = _medians(draws, "family")
    z = (median - median.mean()) / median.std(ddof=0)
    rows = [
        Standing(str(name), z[name].to_numpy(), math.nan, math.nan, math.nan) for name in z.columns
    ]
    label = "efficiency: standard deviations of families from their mean"
    tuning = law.models.groupby("family")["tuning"].first()
    first = z.mean(axis=1).sort_values(ascending=False, kind="stable").index[:BEST]
    columns = ["family", "tuning", *(str(name).replace("_", " ") for name in z.columns)]
    cells = [
        [
            Cell(str(family)),
            Cell(str(tuning[family])),
            *(
                Cell(_signed(value), shade=_shade(value / 3))
                for value in z.loc[family].astype(float)
            ),
        ]
        for family in first
    ]
    caption = (
        f"The {len(cells)} families of the highest efficiency on average over skills, in standard "
        "deviations of families from their mean; date and tuning are part of it"
    )
    figure = as_svg(standings(rows, label), "families", "Efficiencies of all families by skill")
    blocks: list[Block] = [
        Figures(f"Efficiencies of {len(z)} families", [figure], {"tick": "a family of the fit"}),
        Table(caption, columns, cells, frozenset({0, 1})),
    ]
    return Section("families", "Who has them", blocks)


def _loadings(law: Fit, reading: Reading) -> Table:
    loading = reading.draws["loading"] * reading.draws["model_skill"].std("model")
    median = _medians(loading, "benchmark")
    skills = list(median.columns)
    strongest = np.abs(median.to_numpy()).argmax(axis=1)
    order = pd.Series(strongest, median.index).sort_values(kind="stable").index
    cells = [
        [
            Cell(str(benchmark)),
            *(
                Cell(_signed(value) if value else "-", shade=_shade(value / STRONG))
                for value in median.loc[benchmark]
            ),
        ]
        for benchmark in order
    ]
    caption = (
        "How benchmarks read skills: loading times the spread of the skill over models, by the "
        "skill that each reads most; the stronger the shade, the more"
    )
    headings = ["benchmark", *(str(name).replace("_", " ") for name in skills)]
    return Table(caption, headings, cells, frozenset({0}))


def _medians(draws: xr.DataArray, of: str) -> pd.DataFrame:
    """Posterior medians, one row per name and one column per skill."""
    found = draws.median(("chain", "draw")).transpose(of, "skill")
    index, columns = (pd.Index(found[dim].to_numpy()) for dim in (of, "skill"))
    return pd.DataFrame(found.to_numpy(), index, columns)


def _signed(value: float) -> str:
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")


def _shade(share: float) -> float:
    return float(np.clip(share, 0.0, 1.0))
