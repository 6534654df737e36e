"""What all settings of the published comparison say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from skillscale.backtest.accuracy import accuracy
from skillscale.backtest.report import Report, pooled_paired
from skillscale.backtest.scores import OURS


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
    first = reports[0]
    cells = pd.concat([_with_setting(report.cells, report) for report in reports])
    joint = pd.concat([_with_setting(report.joint, report) for report in reports])
    return Report(
        first.protocol,
        first.options,
        cells,
        None,
        first.seconds,
        joint,
        provenance=first.provenance,
    )


def pooled(reports: Sequence[Report]) -> dict[str, Any]:
    """What all settings of the published comparison say together.

    Args:
        reports: result of `backtest_published`.

    Returns:
        ``n_scores`` of forecasts; ``accuracy`` over all their cells, each once, with intervals
        clustered by lineage; ``ratio_to_best_sloth``, the mean over settings; and ``paired``
        differences in the settings with one model seen.
    """
    together = joined(reports)
    ours = together.of(OURS)
    one_seen = [report for report in reports if report.options["n_seen"] == 1]
    others = [name for name in together.cells["method"].unique() if name != OURS]
    others += [f"published {name}" for name in one_seen[0].published_methods]
    return {
        "n_scores": len(ours),
        "accuracy": accuracy(ours),
        "ratio_to_best_sloth": float(
            np.mean([report.mae_points(OURS) / report.best_sloth() for report in reports])
        ),
        "paired": {name: pooled_paired(one_seen, name) for name in others},
        "seconds": together.seconds,
    }


def _with_setting(rows: pd.DataFrame, report: Report) -> pd.DataFrame:
    n_seen, setting = cast("int", report.options["n_seen"]), str(report.options["benchmarks"])
    return rows.assign(n_seen=n_seen, setting=setting)
