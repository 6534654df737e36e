"""The result of a back-test, and its summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy import stats

from skillscale.backtest.published import BEST_SLOTH
from skillscale.backtest.scores import OURS
from skillscale.intervals import INTERVALS

NONE_SEEN = "none seen"
DISTANCES = {"up to 3x": 3.0, "3x to 10x": 10.0, "more than 10x": np.inf}
"""How much larger than the largest model seen of the family."""
SIZES = {"within": 1.0, "up to 2x": 2.0, "more than 2x": np.inf}
"""How far outside the sizes of the training."""
MONTHS = {"before": 0.0, "up to 3": 3.0, "3 to 6": 6.0, "more than 6": np.inf}
"""How long after the last model of the training."""
GROUPS = ("tuning", "distance", "outside", "months", "n_known", "benchmark", "family")
RESAMPLES = 5000


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A back-test: every forecast, and what it says.

    Attributes:
        protocol: name of the protocol.
        options: what it was run with.
        cells: one row per method and score: ``fold, model, family, lineage, tuning, benchmark,
            log_ratio, log_outside, months_after, n_known, actual, method, median, crps, log_score,
            pit`` and the ends of intervals, fractions.
        published: errors as published, by (fold, benchmark), for the ``sloth`` protocol.
        seconds: time it took.

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

    def paired(self, other: str, *, seed: int = 0) -> dict[str, float]:
        """Our error minus another method's, fold by fold, with a bootstrap interval over folds.

        Args:
            other: as in `by_fold`.
            seed: source of randomness of the bootstrap.

        Returns:
            As `pooled_paired`.
        """
        return pooled_paired([self], other, seed=seed)

    def groups(self, method: str = OURS) -> dict[str, dict[str, dict[str, Any]]]:
        """Errors and coverage by tuning, distance in size and date, benchmark and family.

        Args:
            method: name of a method in ``cells``.

        Returns:
            By what is grouped by (``tuning``; ``distance`` in size from the largest model seen of
            the family, ``outside`` the sizes of the training, ``months`` after it; ``n_known,
            benchmark, family``) and group: ``n`` scores, ``mae_points``, and ``coverage``
            (fractions).
        """
        rows = self.of(method)
        rows = rows.assign(
            distance=_binned(np.exp(rows["log_ratio"]), DISTANCES).fillna(NONE_SEEN),
            outside=_binned(np.exp(rows["log_outside"]), SIZES),
            months=_binned(rows["months_after"], MONTHS),
        )
        return {
            name: {
                str(value): {
                    "n": len(group),
                    "mae_points": float(group["error"].mean()),
                    "coverage": self.coverage(group),
                }
                for value, group in rows.groupby(name)
            }
            for name in GROUPS
        }

    def summary(self) -> dict[str, Any]:
        """Everything as plain numbers, as the command line prints it.

        Returns:
            ``protocol, options, n_folds, n_scores``; our errors (``mae_points`` and so on, by fold,
            family and benchmark), ``crps`` (points), ``log_score`` (nats), ``coverage`` with its
            binomial error (fractions), and all of it by ``groups``; the same of ``baselines``;
            errors of ``published`` methods; ``paired`` differences; and ``seconds``. Where errors
            of Sloth are published, also how ours compare with its best.
        """
        ours = self.of(OURS)
        baselines = [name for name in self.cells["method"].unique() if name != OURS]
        published = self.published_methods
        coverage = self.coverage(ours)
        result: dict[str, Any] = {
            "protocol": self.protocol,
            "options": dict(self.options),
            "n_folds": int(ours["fold"].nunique()),
            "n_scores": len(ours),
            "mae_points": self.mae_points(OURS),
            "mae_points_by_model": float(ours.groupby("model")["error"].mean().mean()),
            "mae_points_by_fold": self.by_fold(OURS).to_dict(),
            "mae_points_by_family": ours.groupby("family")["error"].mean().to_dict(),
            "mae_points_by_benchmark": self._by_benchmark(ours),
            **self._sharpness(ours),
            "coverage": coverage,
            "coverage_error": _binomial_errors(coverage, len(ours)),
            "groups": self.groups(),
            "baselines": {
                name: {
                    "mae_points": self.mae_points(name),
                    "mae_points_by_benchmark": self._by_benchmark(self.of(name)),
                    **self._sharpness(self.of(name)),
                    "coverage": self.coverage(self.of(name)),
                }
                for name in baselines
            },
            "published": {name: self.mae_points(f"published {name}") for name in published},
            "paired": {
                name: self.paired(name)
                for name in [*baselines, *(f"published {name}" for name in published)]
            },
            "seconds": self.seconds,
        }
        if published:
            result["best_sloth_in_hindsight"] = self.best_sloth()
            result["ratio_to_best_sloth"] = result["mae_points"] / result["best_sloth_in_hindsight"]
        return result

    def _by_benchmark(self, rows: pd.DataFrame) -> dict[str, float]:
        by_fold = rows.groupby(["fold", "benchmark"])["error"].mean()
        means = by_fold.groupby("benchmark").mean()
        return {str(name): float(value) for name, value in means.items()}

    def _sharpness(self, rows: pd.DataFrame) -> dict[str, float]:
        """CRPS in points and log score, averaged over folds like errors."""
        means = rows.groupby("fold")[["crps", "log_score"]].mean().mean()
        return {"crps": 100 * float(means["crps"]), "log_score": float(means["log_score"])}


def _binned(values: pd.Series, bins: Mapping[str, float]) -> pd.Series:
    """Name of the bin of every value, by the upper ends of bins."""
    found = pd.cut(values, [-np.inf, *bins.values()], labels=list(bins))
    return found.astype(object)


def joined(reports: Sequence[Report]) -> Report:
    """Forecasts of several settings as one report, with the columns ``n_seen`` and ``setting``.

    Args:
        reports: of the published comparison, one at least.

    Returns:
        A report with the options of the first, and without published errors.

    Example:
        >>> scores = {"fold": ["a"], "actual": [0.5], "median": [0.52], "method": [OURS]}
        >>> reports = [
        ...     Report("sloth", {"n_seen": n, "benchmarks": "v1"}, pd.DataFrame(scores), None, 0.0)
        ...     for n in (1, 2)
        ... ]
        >>> joined(reports).cells[["fold", "n_seen", "setting"]].to_numpy().tolist()
        [['a', 1, 'v1'], ['a', 2, 'v1']]
    """
    cells = [
        report.cells.assign(
            n_seen=cast("int", report.options["n_seen"]), setting=str(report.options["benchmarks"])
        )
        for report in reports
    ]
    first = reports[0]
    return Report(first.protocol, first.options, pd.concat(cells), None, first.seconds)


def pooled(reports: Sequence[Report]) -> dict[str, Any]:
    """What all settings of the published comparison say together.

    Args:
        reports: result of `backtest_published`.

    Returns:
        ``n_scores, coverage, coverage_error`` over all their scores, ``ratio_to_best_sloth``, the
        mean over settings, and ``paired``, over the folds of the settings with one model seen.
    """
    together = joined(reports)
    ours = together.of(OURS)
    coverage = together.coverage(ours)
    one_seen = [report for report in reports if report.options["n_seen"] == 1]
    others = [name for name in together.cells["method"].unique() if name != OURS]
    others += [f"published {name}" for name in one_seen[0].published_methods]
    return {
        "n_scores": len(ours),
        "coverage": coverage,
        "coverage_error": _binomial_errors(coverage, len(ours)),
        "ratio_to_best_sloth": float(
            np.mean([report.mae_points(OURS) / report.best_sloth() for report in reports])
        ),
        "paired": {name: pooled_paired(one_seen, name) for name in others},
        "seconds": together.seconds,
    }


def pooled_paired(reports: Sequence[Report], other: str, *, seed: int = 0) -> dict[str, float]:
    """Our error minus another method's over the folds of several reports.

    The interval is that of the bootstrap over folds, bias-corrected and accelerated (Efron 1987).

    Args:
        reports: back-tests that have both methods.
        other: as in `Report.by_fold`.
        seed: source of randomness of the bootstrap.

    Returns:
        ``difference, lower_95, upper_95`` (points; ends are NaN with one fold), and ``n_folds``.

    Example:
        >>> scores = pd.DataFrame({"fold": ["a", "b"], "actual": 0.5, "median": [0.52, 0.54]})
        >>> both = [scores.assign(method=OURS), scores.assign(method="flops", median=0.6)]
        >>> report = Report("sloth", {}, pd.concat(both), None, 0.0)
        >>> found = pooled_paired([report], "flops")
        >>> round(found["difference"], 2), found["n_folds"]
        (-7.0, 2)
    """
    parts = [(r.by_fold(OURS) - r.by_fold(other)).dropna().to_numpy() for r in reports]
    difference = np.concatenate(parts)
    return _bootstrap_mean(difference, seed) | {"n_folds": len(difference)}


def _binomial_errors(coverage: Mapping[str, float], n: int) -> dict[str, float]:
    return {level: float(np.sqrt(share * (1 - share) / n)) for level, share in coverage.items()}


def _bootstrap_mean(values: np.ndarray, seed: int) -> dict[str, float]:
    if len(values) < 2:
        return {"difference": float(values.mean()), "lower_95": np.nan, "upper_95": np.nan}
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, rng=np.random.default_rng(seed)
    ).confidence_interval
    return {
        "difference": float(values.mean()),
        "lower_95": float(interval.low),
        "upper_95": float(interval.high),
    }
