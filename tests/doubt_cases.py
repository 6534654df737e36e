"""Shipped models as newcomers, with scores as they are and with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import skillscale as sk
from skillscale.data.guessing import NORMALISED, least_score
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


def examined(fit: sk.Fit, case: Case) -> Doubts:
    """What is doubted of a case."""
    plan = case.observed.iloc[[0]][["model", *DESCRIBED]].assign(model="planned", n_tokens=2e12)
    return doubt(fit, ask(fit, plan, case.observed))


def is_refused(table: sk.Table, case: Case) -> bool:
    """Whether a score is so low that the file is an error."""
    described = table.benchmarks[["chance", "n_items"]]
    least = pd.Series({name: least_score(*row) for name, row in described.iterrows()})
    scores = case.observed.reindex(columns=least.index)
    return bool((scores < least).to_numpy().any())


def verdicts(fit: sk.Fit, table: sk.Table, lineage: str, seed: int) -> pd.DataFrame:
    """What is found of every case of a lineage: one row each."""
    benchmarks = fit.design.coords["benchmark"]
    rows = []
    for case in cases(table, lineage, benchmarks, np.random.default_rng(seed)):
        refused = is_refused(table, case)
        found = None if refused else examined(fit, case)
        rows.append(
            {
                "fault": case.fault,
                "model": case.models[-1],
                "tuning": case.observed["tuning"].iloc[0],
                "n_scores": int(case.observed[benchmarks].notna().sum().sum()),
                "is_refused": refused,
                "is_found": found is None or case.is_found(found),
                "n_doubted": 0 if found is None else len(found.scores),
                "n_rows_doubted": 0 if found is None else len(found.rows),
            }
        )
    return pd.DataFrame(rows)


def spilt(fit: sk.Fit, table: sk.Table, lineage: str, seed: int) -> pd.DataFrame:
    """Errors of forecasts of the largest model of every family from its smallest, in points.

    Of benchmarks other than the one whose score of the smallest is wrong: with that score, and with
    the true one.
    """
    benchmarks = fit.design.coords["benchmark"]
    rng = np.random.default_rng([seed, 1])
    rows = []
    own = table.models[table.models["lineage"] == lineage]
    for _, family in own.groupby("family"):
        sizes = family["n_active_params"].sort_values()
        small, large = sizes.index[0], sizes.index[-1]
        truth = table.wide().loc[large, benchmarks]
        if small == large or np.isnan(table.models["n_tokens"][large]):
            continue
        plan = rows_of(table, [large], [])
        for case in cases(table.select(models=[small, large]), lineage, benchmarks, rng):
            if case.fault not in ("protocol", "zero") or case.models != (small,):
                continue
            if is_refused(table, case):
                continue
            errors = {}
            for name, observed in (
                ("true", rows_of(table, [small], benchmarks)),
                ("wrong", case.observed),
            ):
                found = sk.forecast(fit, plan, observed, refit=False)["median"].sel(model=large)
                error = (found.to_series() - truth).drop(case.benchmark).abs().mean()
                errors[f"error_{name}"] = 100 * error
            rows.append({"fault": case.fault, "model": small, **errors})
    return pd.DataFrame(rows, columns=["fault", "model", "error_true", "error_wrong"])


def rates(found: pd.DataFrame, spill: pd.DataFrame) -> dict[str, Any]:
    """How often sound models are doubted and faults are found, and what wrong scores spoil."""
    sound, wrong = found[found["fault"] == "none"], found[found["fault"] != "none"]
    is_doubted = (sound["n_doubted"] > 0) | (sound["n_rows_doubted"] > 0)
    return {
        "models": len(sound),
        "scores_doubted_falsely": float(sound["n_doubted"].sum() / sound["n_scores"].sum()),
        "models_doubted_falsely": float(is_doubted.mean()),
        "faults": {
            fault: {"cases": len(of_fault), "found": float(of_fault["is_found"].mean())}
            for fault, of_fault in wrong.groupby("fault")
        },
        "error_with_a_wrong_score_over_true": {
            fault: {
                "cases": len(of_fault),
                "ratio": float(of_fault["error_wrong"].mean() / of_fault["error_true"].mean()),
            }
            for fault, of_fault in spill.groupby("fault")
        },
    }


def holds(answer: dict[str, Any]) -> None:
    """Few doubts of what is sound; most scores that are wrong found."""
    slack = 3 * np.sqrt(0.1 * 0.9 / answer["models"])
    assert answer["models_doubted_falsely"] < 0.1 + slack
    for fault, least in (("normalised", 0.95), ("protocol", 0.8), ("zero", 0.9)):
        if fault in answer["faults"]:
            of_fault = answer["faults"][fault]
            slack = 3 * np.sqrt(least * (1 - least) / of_fault["cases"])
            assert of_fault["found"] > least - slack, fault
