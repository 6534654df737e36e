"""How calibrated a back-test was."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from skillscale.backtest.accuracy import CELL
from skillscale.backtest.clustered import clustered_means
from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS
from skillscale.plots.canvas import INK, cycle, legend, panels

PERCENT = range(2, 99, 2)
"""Probabilities of the intervals that are looked at."""


def plot_calibration(report: Report, methods: Sequence[str] = (OURS,)) -> Figure:
    """How often actual scores fell inside central intervals, against how often they should.

    Args:
        report: a back-test.
        methods: names of methods in it.

    Returns:
        One line per method, with a band for the first: what a bootstrap over lineages finds in
        95 %, every score once.

    Example:
        >>> import pandas as pd
        >>> scores = {"model": ["a", "b"], "lineage": ["a", "b"], "actual": [0.3, 0.5]}
        >>> scores |= {"median": [0.4, 0.4], "pit": [0.2, 0.9]}
        >>> cells = pd.DataFrame(scores).assign(benchmark="mmlu", method=OURS)
        >>> (ax,) = plot_calibration(Report("sloth", {}, cells, None, 0.0)).axes
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('probability of the interval (%)', 'scores inside it (%)')
    """
    figure, (ax,) = panels(1, 4.8)
    (exact,) = ax.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":")
    key: dict[str, Artist] = {"as often as they should": exact}
    for method, colour in zip(methods, cycle(len(methods)), strict=True):
        share = 100 * _shares(report.of(method))
        if method == methods[0]:
            ends = share["lower_95"], share["upper_95"]
            band = ax.fill_between(share.index, *ends, color=colour, alpha=0.15, linewidth=0)
            key[f"{method}, 95 % over lineages"] = band
        (key[method],) = ax.plot(share.index, share["value"], color=colour, linewidth=1.8)
    ax.set_xlabel("probability of the interval (%)")
    ax.set_ylabel("scores inside it (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 100)
    ax.set_aspect("equal")
    legend(figure, key)
    return figure


def _shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of scores inside an interval, by its percentage, with the ends of a 95 % interval."""
    distance = 2 * (rows["pit"] - 0.5).abs()
    inside = pd.DataFrame({str(percent): distance < percent / 100 for percent in PERCENT})
    cells = inside.join(rows[[*CELL, "lineage"]]).groupby(CELL)
    found = clustered_means(cells[list(inside)].mean(), cells["lineage"].first())
    return pd.DataFrame(found).T.rename(index=int)
