"""How calibrated a back-test was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS
from skillscale.plots.canvas import INK, cycle, legend, panels


def plot_calibration(report: Report, methods: Sequence[str] = (OURS,)) -> Figure:
    """How often actual scores fell inside central intervals, against how often they should.

    Args:
        report: a back-test.
        methods: names of methods in it.

    Returns:
        One line per method, with a band of two binomial standard errors around exact coverage.

    Example:
        >>> import pandas as pd
        >>> scores = {"actual": [0.3, 0.5], "median": [0.4, 0.4], "pit": [0.2, 0.9]}
        >>> report = Report("sloth", {}, pd.DataFrame(scores).assign(method=OURS), None, 0.0)
        >>> (ax,) = plot_calibration(report).axes
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('probability of the interval (%)', 'scores inside it (%)')
    """
    figure, (ax,) = panels(1, 4.4, 0.5)
    levels = np.linspace(0.02, 0.98, 49)
    n = len(report.of(OURS))
    error = 2 * np.sqrt(levels * (1 - levels) / n)
    ax.fill_between(100 * levels, 100 * (levels - error), 100 * (levels + error), color="#e6e6e6")
    ax.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":")
    key: dict[str, Artist] = {}
    for method, colour in zip(methods, cycle(len(methods)), strict=True):
        distance = 2 * (report.of(method)["pit"].to_numpy() - 0.5)
        share = (np.abs(distance)[:, None] < levels).mean(axis=0)
        (key[method],) = ax.plot(100 * levels, 100 * share, color=colour, linewidth=1.8)
    ax.set_xlabel("probability of the interval (%)")
    ax.set_ylabel("scores inside it (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 100)
    ax.set_aspect("equal")
    legend(figure, key)
    return figure
