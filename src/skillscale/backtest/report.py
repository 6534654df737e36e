"""The result of a back-test, and its summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from skillscale.backtest.accuracy import CELL, accuracy, paired
from skillscale.backtest.bins import with_bins
from skillscale.backtest.clustered import clustered_means
from skillscale.backtest.joint import joint_accuracy, joint_paired
from skillscale.backtest.published import BEST_SLOTH
from skillscale.backtest.scores import OURS
from skillscale.intervals import INTERVALS

GROUPS = ("distance", "outside", "months", "developer", "n_known", "benchmark", "family")
"""What errors and coverage are reported by, beside tuning."""


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A back-test: every forecast, and what it says.

    Attributes:
        protocol: name of the protocol.
        options: what it was run with.
        cells: one row per method and forecast: ``fold, model, family, lineage, tuning, developer,
            benchmark, log_ratio, log_outside, months_after, n_known, actual, method, median, crps,
            log_score, pit`` and the ends of intervals, fractions.
        published: errors as published, by (fold, benchmark), for the ``sloth`` protocol.
        seconds: time it took.
        joint: one row per method and model, and per pair of models, of a fold, as
            `skillscale.backtest.joint.joint_scores` has them; none where folds ask for single
            scores.
        planned: one row per model planned, of a fold, and benchmark, scored or not: our forecast as
            `skillscale.backtest.frozen.planned_forecasts` has it.
        provenance: specification, hash of the data, method, seed, versions and date.

    Example:
        >>> scores = {"fold": ["a", "b"], "actual": [0.5, 0.6], "median": [0.52, 0.56]}
        >>> report = Report("sloth", {}, pd.DataFrame(scores).assign(method=OURS), None, 0.0)
        >>> report
        Report(sloth: 2 folds, 2 scores, 3.00 points off)
        >>> report.by_fold("skillscale").round(2).to_dict()
        {'a': 2.0, 'b': 4.0}
    """

    protocol: str
    options: Mapping[str, object]
    cells: pd.DataFrame
    published: pd.DataFrame | None
    seconds: float
    joint: pd.DataFrame = field(default_factory=pd.DataFrame)
    planned: pd.DataFrame = field(default_factory=pd.DataFrame)
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        ours = self.of(OURS)
        return (
            f"Report({self.protocol}: {ours['fold'].nunique()} folds, {len(ours)} scores, "
            f"{self.mae_points(OURS):.2f} points off)"
        )

    @property
    def published_methods(self) -> list[str]:
        """Methods of which errors are known as published."""
        return [] if self.published is None else list(self.published.columns)

    def of(self, method: str) -> pd.DataFrame:
        """Forecasts of one method, with their ``error``, in points.

        Args:
            method: name of a method in ``cells``.

        Returns:
            Its rows of ``cells``; none for a name that is not there.
        """
        rows = self.cells[self.cells["method"] == method]
        return rows.assign(error=100 * (rows["median"] - rows["actual"]).abs())

    def by_fold(self, method: str) -> pd.Series:
        """Mean absolute error of every fold, in points; also of methods as published.

        Args:
            method: name of a method in ``cells``, or ``published`` and one of
                ``published_methods``.

        Returns:
            Errors by fold.
        """
        if method.startswith("published "):
            assert self.published is not None
            errors = self.published[method.removeprefix("published ")]
            return 100 * errors.groupby("fold").mean()
        return self.of(method).groupby("fold")["error"].mean()

    def mae_points(self, method: str) -> float:
        """Mean over folds of a fold's mean absolute error, in points.

        Args:
            method: as in `by_fold`.

        Returns:
            The error.
        """
        return float(self.by_fold(method).mean())

    def best_sloth(self) -> float:
        """Error, as published, of Sloth with the number of skills that was best in hindsight.

        Returns:
            The error, in points.

        Raises:
            ValueError: no errors of Sloth are known as published.
        """
        names = [name for name in self.published_methods if name in BEST_SLOTH]
        return min(self.mae_points(f"published {name}") for name in names)

    def coverage(self, rows: pd.DataFrame) -> dict[str, float]:
        """Share of scores inside their intervals, by interval.

        Args:
            rows: some of ``cells``.

        Returns:
            Fractions by percentage: ``50``, ``80`` and ``95``.
        """
        return {
            str(level): float(
                rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"]).mean()
            )
            for level in INTERVALS
        }

    def paired(self, other: str) -> dict[str, Any]:
        """What is ours minus what is another method's, with errors clustered by lineage.

        Args:
            other: as in `by_fold`.

        Returns:
            As `pooled_paired`.
        """
        return pooled_paired([self], other)

    def against(self, other: Report) -> dict[str, Any]:
        """What is ours minus what is another report's, with errors clustered by lineage.

        Args:
            other: a back-test of another configuration, of the same protocol and table.

        Returns:
            As `skillscale.backtest.accuracy.paired`.

        Raises:
            SkillscaleError: they have no forecast in common.
        """
        return paired(self.of(OURS), other.of(OURS))

    def groups(self, method: str = OURS) -> dict[str, dict[str, dict[str, Any]]]:
        """Errors and coverage by distance in size and date, developer, benchmark and family.

        Args:
            method: name of a method in ``cells``.

        Returns:
            By what is grouped by (``distance`` in size from the largest model seen of the family,
            ``outside`` the sizes of the training, ``months`` after it; whether the ``developer`` is
            known to it or new; ``n_known, benchmark, family``) and group: as
            `skillscale.backtest.accuracy.accuracy`.
        """
        rows = with_bins(self.of(method))
        return {
            name: {
                str(value): accuracy(group) for value, group in rows.groupby(name, observed=True)
            }
            for name in GROUPS
        }

    def summary(self) -> dict[str, Any]:
        """Everything as plain numbers, as the command line prints it.

        Returns:
            ``protocol, options``; the numbers ``n_folds, n_scores`` of forecasts, and of distinct
            ``n_cells, n_lineages``; our errors averaged over folds, as the published comparison
            does (``mae_points`` and so on, by fold, family and benchmark), ``crps`` (points) and
            ``log_score`` (nats) likewise; ``accuracy``, every cell once, with intervals clustered
            by lineage, and the same by ``groups``; the same of ``baselines``; errors of
            ``published`` methods; ``paired`` differences; ``joint`` forecasts of all methods, and
            their ``joint_paired`` differences, where there are any; and ``seconds``. Where errors
            of Sloth are published, also how ours compare with its best; where scores are forecast
            with their developer new and known, also the difference ``new_minus_known``.
        """
        ours = self.of(OURS)
        baselines = [name for name in self.cells["method"].unique() if name != OURS]
        published = self.published_methods
        result: dict[str, Any] = {
            "protocol": self.protocol,
            "options": dict(self.options),
            "n_folds": int(ours["fold"].nunique()),
            "n_scores": len(ours),
            "n_cells": len(ours.drop_duplicates(CELL)),
            "n_lineages": int(ours["lineage"].nunique()),
            **self._of_method(OURS),
            "mae_points_by_model": float(ours.groupby("model")["error"].mean().mean()),
            "mae_points_by_fold": self.by_fold(OURS).to_dict(),
            "mae_points_by_family": ours.groupby("family")["error"].mean().to_dict(),
            "groups": self.groups(),
            "baselines": {name: self._of_method(name) for name in baselines},
            "published": {name: self.mae_points(f"published {name}") for name in published},
            "paired": {
                name: self.paired(name)
                for name in [*baselines, *(f"published {name}" for name in published)]
            },
            **self._jointly(baselines),
            "seconds": self.seconds,
        }
        new, known = (ours[ours["developer"] == value] for value in ("new", "known"))
        if not new.merge(known, on=CELL).empty:
            same = {"fold": "the same"}
            result["new_minus_known"] = paired(new.assign(**same), known.assign(**same))
        if published:
            result["best_sloth_in_hindsight"] = self.best_sloth()
            result["ratio_to_best_sloth"] = result["mae_points"] / result["best_sloth_in_hindsight"]
        return result

    def _jointly(self, baselines: Sequence[str]) -> dict[str, Any]:
        """How good joint forecasts are, if there are any, and how ours differ from others'."""
        if self.joint.empty:
            return {}
        by_method = dict(iter(self.joint.groupby("method")))
        ours = by_method[OURS]
        return {
            "joint": {name: joint_accuracy(by_method[name]) for name in [OURS, *baselines]},
            "joint_paired": {name: joint_paired(ours, by_method[name]) for name in baselines},
        }

    def _of_method(self, method: str) -> dict[str, Any]:
        rows = self.of(method)
        return {
            "mae_points": self.mae_points(method),
            "mae_points_by_benchmark": self._by_benchmark(rows),
            **self._sharpness(rows),
            "accuracy": accuracy(rows),
        }

    def _by_benchmark(self, rows: pd.DataFrame) -> dict[str, float]:
        by_fold = rows.groupby(["fold", "benchmark"])["error"].mean()
        means = by_fold.groupby("benchmark").mean()
        return {str(name): float(value) for name, value in means.items()}

    def _sharpness(self, rows: pd.DataFrame) -> dict[str, float]:
        """CRPS in points and log score, averaged over folds like errors."""
        means = rows.groupby("fold")[["crps", "log_score"]].mean().mean()
        return {"crps": 100 * float(means["crps"]), "log_score": float(means["log_score"])}


def pooled_paired(reports: Sequence[Report], other: str, *, seed: int = 0) -> dict[str, Any]:
    """What is ours minus what is another method's over several reports, as `paired` has it.

    Of methods as published only the errors of folds are known: then differences are those of folds,
    of all models together.

    Args:
        reports: back-tests that have both methods.
        other: as in `Report.by_fold`.
        seed: source of randomness of the bootstrap.

    Returns:
        As `skillscale.backtest.accuracy.paired`; for a method as published, for ``all`` only, with
        ``n_folds, n_lineages`` and ``mae_points``.

    Example:
        >>> scores = pd.DataFrame({"fold": ["a", "b"], "model": ["a-7b", "b-7b"], "actual": 0.5})
        >>> scores = scores.assign(benchmark="mmlu", lineage=["a", "b"], tuning="base", crps=0.01)
        >>> scores = scores.assign(log_score=1.0, median=[0.52, 0.54], **{
        ...     f"{end}_{level}": 0.5 for end in ("lower", "upper") for level in INTERVALS
        ... })
        >>> both = [scores.assign(method=OURS), scores.assign(method="flops", median=0.6)]
        >>> report = Report("sloth", {}, pd.concat(both), None, 0.0)
        >>> found = pooled_paired([report], "flops")["all"]
        >>> round(found["mae_points"]["value"], 2), found["n_lineages"]
        (-7.0, 2)
    """
    if not other.startswith("published "):
        # Settings have folds of the same name.
        cells = pd.concat(
            report.cells.assign(fold=f"{i}: " + report.cells["fold"].astype(str))
            for i, report in enumerate(reports)
        )
        ours, theirs = (cells[cells["method"] == name] for name in (OURS, other))
        return paired(ours, theirs, seed=seed)
    parts = []
    for report in reports:
        difference = (report.by_fold(OURS) - report.by_fold(other)).dropna()
        lineage = report.of(OURS).groupby("fold")["lineage"].first()
        parts.append(pd.DataFrame({"mae_points": difference, "lineage": lineage}).dropna())
    folds = pd.concat(parts)
    return {
        "all": {
            "n_folds": len(folds),
            "n_lineages": int(folds["lineage"].nunique()),
            **clustered_means(folds[["mae_points"]], folds["lineage"], seed=seed),
        }
    }
