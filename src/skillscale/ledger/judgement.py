"""Did forecasts hold? They and those of simpler laws, beside what models really scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from scipy import stats

from skillscale.backtest.accuracy import CELL, INSIDE, each_cell_once
from skillscale.backtest.clustered import clustered_means
from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS, score_normal
from skillscale.data.plan import NEW_FAMILY
from skillscale.data.problems import near
from skillscale.errors import SkillscaleError
from skillscale.formatting import and_more
from skillscale.intervals import INTERVALS
from skillscale.ledger.actual import check_actual
from skillscale.ledger.distribution import score_quantiles
from skillscale.ledger.entry import PROTOCOL, Entry

POOLED = "all"
"""What all forecasts together are called."""
LEVEL = 0.95
"""Of the intervals of coverage."""
MEANS = ("mae_points", "bias_points", "crps", "log_score")


@dataclass(frozen=True, eq=False, repr=False)
class Judgement:
    """Forecasts beside what models really scored.

    Attributes:
        cells: one row per forecast, method and score: ``forecast, date, fold, model, family,
            lineage, tuning, benchmark, actual, method, median, crps`` (a fraction), ``log_score``
            (nats), ``pit`` and the ends of intervals, fractions. The lineage of a family without a
            name is that of its forecast.
        said: sentences about what does not count, and why.
    """

    cells: pd.DataFrame
    said: list[str]

    def __repr__(self) -> str:
        n = self.cells["forecast"].nunique()
        return f"Judgement({n} forecasts, {self.n_scores} scores)"

    @property
    def n_scores(self) -> int:
        """Number of scores that were forecast and are known now, each once."""
        return len(self.cells.drop_duplicates(CELL))

    @property
    def n_lineages(self) -> int:
        """Number of lineages that they are of."""
        return int(self.cells["lineage"].nunique())

    @property
    def methods(self) -> list[str]:
        """Names of methods, ours first."""
        return list(self.cells["method"].unique())

    @cached_property
    def report(self) -> Report:
        """The same as a back-test, for what looks at these."""
        return Report(PROTOCOL, {}, self.cells, None, 0.0)

    def summary(self, *, seed: int = 0) -> pd.DataFrame:
        """How good forecasts were: of every forecast, and pooled.

        Args:
            seed: source of randomness of the bootstrap.

        Returns:
            One row per forecast and method, then of all together: ``forecast, date, method,
            is_pooled, n_scores, n_lineages``; means ``mae_points, bias_points`` (forecast minus
            actual), ``crps`` (points), ``log_score`` (nats) and ``coverage_50`` and so on
            (fractions), each with the ends ``_lower`` and ``_upper`` of a 95 % interval. Of one
            forecast those of coverage are binomial and others NaN. Pooled, every score counts once,
            however many forecasts there are of it, and intervals are those of a bootstrap over
            lineages: NaN where there is one.
        """
        rows = []
        for (name, date, method), own in self.cells.groupby(
            ["forecast", "date", "method"], sort=False
        ):
            once = _each_once(own)
            about = {"forecast": name, "date": date, "method": method, "is_pooled": False}
            rows.append(about | _counts(once) | _of_one(once))
        for method, own in self.cells.groupby("method", sort=False):
            once = _each_once(own)
            about = {"forecast": POOLED, "date": "", "method": method, "is_pooled": True}
            rows.append(about | _counts(once) | _pooled(once, seed))
        return pd.DataFrame(rows)


def score(entries: Sequence[Entry], actual: pd.DataFrame) -> Judgement:
    """Judge forecasts by what models really scored.

    A score that was known when a forecast was made never counts, nor does the same forecast a
    second time.

    Args:
        entries: forecasts, as `make_entry` makes or `read_entries` reads them.
        actual: ``model`` (or the index) and one column per benchmark, or ``model, benchmark,
            score``; fractions, checked as observed models are. As `read_actual` gives them, too.

    Returns:
        All forecasts that an actual score is known for.

    Raises:
        TableError: the frame of scores holds problems; the error lists all of them.
        SkillscaleError: no forecast has an actual score.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.ledger.entry import make_entry
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> fit = shipped_fit()
        >>> entry = make_entry(fit, sk.forecast(fit, plan, n_draws=200), plan, name="a")
        >>> found = score([entry], pd.DataFrame({"mmlu": [0.79], "gsm8k": [0.81]}, ["a-70b"]))
        >>> found.summary()[["forecast", "method", "n_scores"]].head(2).to_numpy().tolist()
        [['a', 'skillscale', 2], ['a', 'flops', 2]]
        >>> found.said[0]
        'a: 10 of 12 forecasts have no actual score yet (a-70b: arc_challenge, hellaswag, ...).'
        >>> score([entry], pd.DataFrame({"mmlu": [79.0]}, ["a-70b"]))
        Traceback (most recent call last):
        skillscale.errors.TableError: 1 problem found:
        - actual: mmlu is outside [0, 1] at line 1 (a-70b) = 79.0. Scores are fractions ...
    """
    if not entries:
        raise SkillscaleError("there are no forecasts. Name files of skillscale forecast --save.")
    known = actual if "actual" in actual else check_actual(actual, entries)
    entries, said = _different(entries)
    said = [*known.attrs.get("said", []), *said, *_unasked(entries, known)]
    parts = []
    for entry in entries:
        found, words = _judged(entry, known)
        said += words
        parts.append(found)
    cells = pd.concat(parts, ignore_index=True)
    if cells.empty:
        asked, names = _names(entries, "model"), list(dict.fromkeys(known["model"]))
        raise SkillscaleError(
            f"no forecast has an actual score yet. They are of {and_more(asked)}; scores are of "
            f"{and_more(names) or 'none'}{near([n for n in names if n not in asked], asked)}."
        )
    several = cells[cells["method"] == OURS].groupby(CELL)["forecast"].nunique() > 1
    if several.any():
        said.append(
            f"{int(several.sum())} scores were forecast more than once: pooled, each counts once, "
            "with the mean over its forecasts."
        )
    return Judgement(cells.assign(lineage=_lineages(cells)), said)


def _different(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Entries without those that repeat another, the earliest first, and a word about the rest."""
    kept: dict[str, Entry] = {}
    said = []
    for entry in sorted(entries, key=lambda entry: (entry.date, entry.name)):
        if entry.sha256 in kept:
            first = kept[entry.sha256].name
            said.append(f"{entry.name} is the same forecast as {first}, and counts once.")
        else:
            kept[entry.sha256] = entry
    return list(kept.values()), said


def _unasked(entries: Sequence[Entry], known: pd.DataFrame) -> list[str]:
    """Sentences about models and benchmarks that no forecast is of."""
    said = []
    observed = {record["model"] for e in entries for record in e.document.get("observed", [])}
    for what in CELL:
        asked = _names(entries, what)
        others = [name for name in dict.fromkeys(known[what]) if name not in {*asked, *observed}]
        if others:
            said.append(
                f"no forecast is of {what}{'s' * (len(others) > 1)} {and_more(others)}"
                f"{near(others, asked)}."
            )
    if seen := [name for name in dict.fromkeys(known["model"]) if name in observed]:
        said.append(f"{and_more(seen)} were observed: what was known then does not count.")
    return said


def _names(entries: Sequence[Entry], what: str) -> list[str]:
    """Models or benchmarks that forecasts are of."""
    return list(dict.fromkeys(str(name) for entry in entries for name in entry.forecasts[what]))


def _judged(entry: Entry, known: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Forecasts of an entry that an actual score is known for, and a word about the others."""
    forecasts = entry.forecasts.assign(forecast=entry.name, date=entry.date)
    if "is_known" not in forecasts and entry.document["protocol"] == "leave-benchmarks":
        raise SkillscaleError(
            f"{entry.name} was frozen by a version that did not keep which scores were known. "
            "Freeze it again."
        )
    is_known = forecasts.get("is_known", pd.Series(False, forecasts.index)).to_numpy(bool)
    actual = forecasts[CELL].merge(known, how="left", on=CELL)["actual"].to_numpy(float)
    forecasts = forecasts.assign(actual=actual)
    has_actual = forecasts["actual"].notna().to_numpy()
    said = []
    if n_known := int((is_known & has_actual).sum()):
        said.append(f"{entry.name}: {n_known} scores were known when it was made, and don't count.")
    waiting = forecasts[~is_known & ~has_actual]
    if len(waiting):
        n_asked = int((~is_known).sum())
        models, benchmarks = (and_more(list(waiting[name].unique())) for name in CELL)
        said.append(
            f"{entry.name}: {len(waiting)} of {n_asked} forecasts have no actual score yet "
            f"({models}: {benchmarks})."
        )
    counted = has_actual & ~is_known
    rows = forecasts[counted].reset_index(drop=True)
    parts = [score_quantiles(rows, entry.levels, entry.quantiles[counted])]
    for name, (mean, sd) in entry.baselines().items():
        parts.append(score_normal(rows, name, mean[counted], sd[counted]))
    return pd.concat(parts, ignore_index=True), said


def _lineages(cells: pd.DataFrame) -> pd.Series:
    """Lineages; those without a name are told apart by their models.

    A plan that names no family is of a new one. Of two forecasts these are different families,
    unless they share a model.
    """
    is_new = cells["lineage"] == NEW_FAMILY
    label: dict[str, str] = {}
    for name, models in cells[is_new].groupby("forecast", sort=False)["model"].unique().items():
        first = next((label[model] for model in models if model in label), f"{NEW_FAMILY}: {name}")
        label |= dict.fromkeys(models, first)
    return cells["lineage"].where(~is_new, cells["model"].map(label))


def _each_once(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of one method, each once: means over its forecasts, with their bias."""
    bias = 100 * (rows["median"] - rows["actual"])
    return each_cell_once(rows).assign(bias_points=bias.groupby([rows[key] for key in CELL]).mean())


def _counts(once: pd.DataFrame) -> dict[str, Any]:
    return {"n_scores": len(once), "n_lineages": int(once["lineage"].nunique())}


def _of_one(once: pd.DataFrame) -> dict[str, float]:
    """Means of one forecast; coverage with a binomial interval."""
    found: dict[str, float] = {}
    for name in MEANS:
        found |= _with_ends(name, float(once[name].mean()))
    for level, name in INSIDE.items():
        ends = binomial_interval(float(once[name].sum()), len(once))
        found |= _with_ends(f"coverage_{level}", float(once[name].mean()), *ends)
    return found


def binomial_interval(k: float, n: int) -> tuple[float, float]:
    """Interval of a share that holds the true one in 95 % or more (Clopper and Pearson 1934).

    Args:
        k: how many were inside; a fraction where means over several forecasts were.
        n: of how many that are independent.

    Returns:
        Its ends.

    Example:
        >>> [round(end, 2) for end in binomial_interval(12, 12)]
        [0.74, 1.0]
    """
    beyond = (1 - LEVEL) / 2
    lower = stats.beta.ppf(beyond, k, n - k + 1) if k > 0 else 0.0
    upper = stats.beta.isf(beyond, k + 1, n - k) if k < n else 1.0
    return float(lower), float(upper)


def _pooled(once: pd.DataFrame, seed: int) -> dict[str, float]:
    """Means over all forecasts, with intervals of a bootstrap over lineages."""
    columns = [*MEANS, *INSIDE.values()]
    found = clustered_means(once[columns], once["lineage"], seed=seed)
    names = [*MEANS, *(f"coverage_{level}" for level in INTERVALS)]
    return {
        key: value
        for name, column in zip(names, columns, strict=True)
        for key, value in _with_ends(name, *found[column].values()).items()
    }


def _with_ends(
    name: str, value: float, lower: float = float("nan"), upper: float = float("nan")
) -> dict[str, float]:
    return {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
