"""Shipped models as newcomers, with scores as they are and with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

import skillscale as sk
from skillscale.data.guessing import NORMALISED
from skillscale.forecasts.doubts import Doubts, doubt
from skillscale.forecasts.question import ask

DESCRIBED = ["family", "lineage", "tuning", "release", "n_params", "n_active_params", "n_tokens"]
FEWEST = 4
"""Scores of a case with a fault."""
PROTOCOL = 0.18
"""What another metric and prompt may add to a score, such as ARC's of a model card."""
HIGHEST = 0.95
ABOVE = 0.15
"""Above chance, in the score that a parser loses."""
APART = 8.0
"""Ratio of the sizes of two models whose rows are exchanged."""


class Case(NamedTuple):
    """An observed file.

    Attributes:
        fault: what is wrong with it; ``none`` if nothing is.
        observed: its rows.
        models: whose rows the fault is in.
        benchmark: whose score, where it is in one.
    """

    fault: str
    observed: pd.DataFrame
    models: tuple[str, ...]
    benchmark: str | None = None

    def is_found(self, found: Doubts) -> bool:
        """Whether a doubt names the score, or the row."""
        named = [*found.scores, *found.rows]
        if self.benchmark is not None:
            return any(d.model in self.models and d.benchmark == self.benchmark for d in named)
        return any(model in d.model.split(", ") for d in named for model in self.models)


def rows_of(table: sk.Table, models: list[str], benchmarks: list[str]) -> pd.DataFrame:
    """An observed file of shipped models."""
    described = table.models.loc[models, DESCRIBED].join(table.wide().loc[models, benchmarks])
    return described.rename_axis("model").reset_index()


def cases(
    table: sk.Table, lineage: str, benchmarks: list[str], rng: np.random.Generator
) -> Iterator[Case]:
    """Every model of a lineage alone, as it is and with each fault; exchanged rows of a family."""
    own = table.models[table.models["lineage"] == lineage]
    chance = table.benchmarks["chance"]
    for model in own.index:
        row = rows_of(table, [model], benchmarks)
        scores = row[benchmarks].iloc[0].dropna()
        yield Case("none", row, (model,))
        if len(scores) < FEWEST:
            continue
        yield Case(
            "size", row.assign(**{n: row[n] / 4 for n in ("n_params", "n_active_params")}), (model,)
        )
        choices = [name for name in scores.index if chance[name] > 0]
        if choices:
            name = str(rng.choice(choices))
            wrong = min(scores[name] + PROTOCOL, HIGHEST)
            yield Case("protocol", row.assign(**{name: wrong}), (model,), name)
        lost = [name for name in scores.index if scores[name] >= chance[name] + ABOVE]
        if lost:
            name = str(rng.choice(lost))
            yield Case("zero", row.assign(**{name: 0.0}), (model,), name)
        normalised = [name for name in scores.index if name in NORMALISED]
        if normalised:
            shown = (scores - chance[scores.index]) / (1 - chance[scores.index])
            changed = {name: max(shown[name], 0.0) for name in normalised}
            yield Case("normalised", row.assign(**changed), (model,))
        if "ifeval" in scores.index:
            other = "base" if row["tuning"].iloc[0] == "instruct" else "instruct"
            yield Case("tuning", row.assign(tuning=other), (model,))
    for _, family in own.groupby("family"):
        sizes = family["n_active_params"].sort_values()
        small, large = sizes.index[0], sizes.index[-1]
        rows = rows_of(table, [small, large], benchmarks)
        n_scores = rows[benchmarks].notna().sum(axis=1).min()
        if sizes.iloc[-1] >= APART * sizes.iloc[0] and n_scores >= FEWEST:
            rows[benchmarks] = rows[benchmarks].iloc[::-1].to_numpy()
            yield Case("exchanged", rows, (small, large))


def examined(fit: sk.Fit, case: Case, level: float | None = None) -> Doubts:
    """What is doubted of a case."""
    options = {} if level is None else {"level": level}
    plan = case.observed.iloc[[0]][["model", *DESCRIBED]].assign(model="planned", n_tokens=2e12)
    return doubt(fit, ask(fit, plan, case.observed), **options)
