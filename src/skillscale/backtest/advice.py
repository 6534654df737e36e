"""Does it pay to evaluate what the advice says? Advised and random evaluations, compared.

Of every lineage one family is new: the fit knows nothing of the lineage. Some scores of its
smallest model are known, drawn at random; the scores of its largest are to be forecast. Then true
scores of the smallest model are revealed one after another, those that `next_evaluations` ranks
first or random ones, and the forecasts are judged after each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from skillscale.backtest.folds import Fold, setting_benchmarks
from skillscale.backtest.refits import Refits
from skillscale.backtest.scores import cells, score_draws
from skillscale.backtest.studies import plan_and_seen
from skillscale.data.table import Table
from skillscale.errors import SkillscaleError, known_names
from skillscale.forecasts.next_evaluations import next_evaluations
from skillscale.forecasts.prediction import predict
from skillscale.forecasts.question import ask
from skillscale.posterior.result import Fit

ORDERS = ("advised", "random")
MOST = 10
"""Scores that a model needs for a family to take part."""


class Case(NamedTuple):
    """A new family: what may be revealed, and what is to be forecast."""

    lineage: str
    smallest: str
    largest: str


def advice_cases(table: Table) -> list[Case]:
    """One family per lineage with two sizes or more, that of the widest range of sizes.

    Only models with most of the scores of the table's leaderboards count.

    Args:
        table: models and scores.

    Returns:
        Lineages in alphabetical order, with the smallest and the largest model of the family.

    Example:
        >>> from skillscale import load_table
        >>> [case for case in advice_cases(load_table("classic")) if case.lineage == "llama-2"]
        [Case(lineage='llama-2', smallest='llama-2-7b', largest='llama-2-70b')]
    """
    scores = table.wide()[setting_benchmarks(table, "v1+v2")]
    models = table.models[scores.notna().sum(axis=1) >= min(MOST, scores.shape[1])]
    families = models.sort_values("n_params", kind="stable").groupby("family")
    sizes = families["n_params"].agg(["first", "last"])
    ratio = (sizes["last"] / sizes["first"]).loc[lambda r: r > 1]
    lineage = models.groupby("family")["lineage"].first()
    widest = ratio.groupby(lineage[ratio.index]).idxmax()
    return [
        Case(str(lineage), members.index[0], members.index[-1])
        for lineage, family in widest.items()
        for members in [families.get_group(family)]
    ]


def run_advice(
    refits: Refits,
    *,
    benchmarks: Sequence[str] | None = None,
    lineages: Sequence[str] | None = None,
    n_known: int = 2,
    steps: int = 3,
    starts: int = 3,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Forecast the largest models as scores of the smallest are revealed, advised or at random.

    Args:
        refits: fits of a table with lineages held out.
        benchmarks: whose scores are to be forecast, and whose forecast the advice is to narrow; all
            by default.
        lineages: the lineages to hold out, one after another; all with two sizes by default.
        n_known: scores of the smallest model known at the start, drawn at random.
        steps: scores revealed after that.
        starts: how often scores to start with are drawn, per lineage.
        seed: the only source of randomness.
        on_progress: told the lineages done and all lineages.

    Returns:
        One row per forecast score, as of back-tests (``fold, model, benchmark, actual, median,
        crps, lower_80, upper_80, ...``, fractions), with ``lineage, start, order`` (``advised`` or
        ``random``), ``n_revealed`` and ``revealed``, the benchmark revealed last.

    Raises:
        SkillscaleError: no lineage has two sizes with most of the scores.
        SpecError: the specification does not fit the table, or an anchor is left without scores.
        UnknownNameError: a lineage is not among those, or a benchmark of the specification is not
            in the table.
    """
    cases = advice_cases(refits.table)
    if not cases:
        raise SkillscaleError("no lineage has a family of two sizes with most of the scores.")
    where = "the lineages with two sizes and most of the scores"
    lineages = known_names("lineage", lineages, [case.lineage for case in cases], where)
    cases = [case for case in cases if case.lineage in lineages]
    parts = []
    on_progress(0, len(cases))
    for done, case in enumerate(cases, start=1):
        models = refits.table.models
        fit = refits.without(models.index[models["lineage"] == case.lineage])
        # A lineage draws the same, whichever others are asked for.
        rng = np.random.default_rng([seed, *case.lineage.encode()])
        for start in range(starts):
            names = _scored(case.smallest, refits.table)
            known = [str(name) for name in rng.permutation(names)[:n_known]]
            for order in ORDERS:
                walk = _reveal(fit, case, refits.table, known, order, benchmarks, rng, seed)
                for n_revealed, (revealed, rows) in zip(range(steps + 1), walk, strict=False):
                    rows = rows.assign(start=start, order=order)
                    parts.append(rows.assign(n_revealed=n_revealed, revealed=revealed))
        on_progress(done, len(cases))
    return pd.concat(parts, ignore_index=True)


def summarise(found: pd.DataFrame) -> pd.DataFrame:
    """Means over lineages, in points, by how many scores were revealed and in which order.

    Args:
        found: result of `run_advice`.

    Returns:
        ``n_revealed, order, n_lineages, width_80, crps, mae, inside_80`` (a fraction), and for
        advised ones the paired differences from random ones with their standard errors over
        lineages: ``width_80_difference, width_80_se``, and so on.

    Example:
        >>> row = {"lineage": "llama", "n_revealed": 0, "crps": 0.02, "median": 0.5, "actual": 0.52}
        >>> ends = {"lower_80": 0.4, "upper_80": 0.6}
        >>> rows = [row | ends | {"order": order} for order in ORDERS]
        >>> summarise(pd.DataFrame(rows))[["order", "n_lineages", "inside_80"]]
             order  n_lineages  inside_80
        0  advised           1        1.0
        1   random           1        1.0
    """
    measured = found.assign(
        width_80=100 * (found["upper_80"] - found["lower_80"]),
        crps=100 * found["crps"],
        mae=100 * (found["median"] - found["actual"]).abs(),
        inside_80=found["actual"].between(found["lower_80"], found["upper_80"]).astype(float),
    )
    names = ["width_80", "crps", "mae", "inside_80"]
    by_lineage = measured.groupby(["n_revealed", "order", "lineage"])[names].mean()
    means = by_lineage.groupby(level=["n_revealed", "order"]).mean()
    advised, random = (by_lineage.xs(order, level="order") for order in ORDERS)
    by_step = pd.DataFrame(advised - random)[names[:3]].groupby(level="n_revealed")
    paired = by_step.mean().add_suffix("_difference").join(by_step.sem().add_suffix("_se"))
    paired = pd.concat({ORDERS[0]: paired}, names=["order"]).swaplevel()
    counts = by_lineage.groupby(level=["n_revealed", "order"]).size().rename("n_lineages")
    return means.join(counts).join(paired).reset_index()


def _reveal(
    fit: Fit,
    case: Case,
    table: Table,
    known: Sequence[str],
    order: str,
    benchmarks: Sequence[str] | None,
    rng: np.random.Generator,
    seed: int,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The forecast as it stands, then after every score revealed; with what was revealed last."""
    wide = table.wide()[setting_benchmarks(table, "v1+v2")]
    targets = wide.loc[[case.largest]]
    if benchmarks is not None:
        targets = targets[list(benchmarks)]
    scores = wide.loc[[case.smallest]]
    known, revealed = list(known), ""
    while True:
        fold = Fold(case.lineage, frozenset(), scores[known], targets)
        plan, observed = plan_and_seen(fold, table)
        yield (
            revealed,
            score_draws(cells(fold, table), predict(fit, ask(fit, plan, observed), seed=seed)),
        )
        left = [name for name in _scored(case.smallest, table) if name not in known]
        if not left:
            return
        if order == "random":
            revealed = str(rng.choice(left))
        else:
            ranked = next_evaluations(
                fit,
                plan,
                observed,
                benchmarks=list(targets.columns[targets.notna().iloc[0]]),
                evaluate=left,
                seed=seed,
                refit=False,
            )
            revealed = str(ranked["benchmark"].iloc[0])
        known.append(revealed)


def _scored(model: str, table: Table) -> list[str]:
    row = table.wide().loc[model, setting_benchmarks(table, "v1+v2")]
    return [str(name) for name, score in row.items() if pd.notna(score)]
