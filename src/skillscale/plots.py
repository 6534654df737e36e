"""Figures of what a posterior answers. Every function returns a Matplotlib figure of its own.

Colours are told apart by the colour-blind: one blue in three depths for intervals, vermilion for
what a model really scored. Nothing touches Matplotlib's global state; save with ``savefig``.

Example:
    >>> import skillscale as sk
    >>> table = sk.load_table().select(
    ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
    ... )
    >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
    >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))

    What models to come will score:

    >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
    >>> figure = plot_forecast(sk.forecast(fit, plan, n_draws=200))
    >>> figure.axes[0].get_title(), figure.axes[0].get_xlabel()
    ('a-70b', 'score (points)')

    Which size is best for which skill:

    >>> figure = plot_optimum(sk.optimum(fit, flops=[1e22, 1e23]))
    >>> [ax.get_title() for ax in figure.axes]
    ['knowledge', 'reasoning']

    How scores grow with size:

    >>> figure = plot_score_curves(fit, ["mmlu"], families=["llama-2", "qwen1.5"])
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('size (parameters)', 'score (points)')
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from skillscale.backtest.report import Report
from skillscale.backtest.scores import OURS
from skillscale.errors import UnknownNameError
from skillscale.fitting import Fit
from skillscale.forecasting import forecast
from skillscale.formatting import format_count, format_flops

INTERVAL_STYLES = ((95, "#c6dbef", 0.62), (80, "#6baed6", 0.42), (50, "#2171b5", 0.24))
"""Percent, colour and height of nested bars, the widest first."""
ACTUAL = "#d55e00"
OBSERVED = "#8c8c8c"
INK = "#222222"
FAMILY_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
COLUMNS = 2
PANEL_WIDTH = 4.4
CHINCHILLA = 20
"""Tokens per parameter of arXiv:2203.15556: a line to compare optima with."""


def plot_forecast(
    forecast: xr.Dataset,
    actual: pd.DataFrame | None = None,
    observed: pd.DataFrame | None = None,
) -> Figure:
    """Forecast scores of every planned model, one panel per model and one row per benchmark.

    Args:
        forecast: result of `skillscale.forecast`.
        actual: what planned models really scored, where known: one row per model (index, or column
            ``model``), one column per benchmark, fractions.
        observed: models observed already, laid out in the same way. A panel shows those of its
            model's family and, if there are none, all.

    Returns:
        Nested 50, 80 and 95 % intervals, medians, and the scores given as markers.

    Example:
        See the top of this module.
    """
    models = list(forecast["model"].to_numpy())
    benchmarks = list(forecast["benchmark"].to_numpy())
    actual, observed = _by_model(actual, benchmarks), _by_model(observed, benchmarks)
    figure, axes = _panels(len(models), 0.9 + 0.3 * len(benchmarks), 0.6)
    for ax, model in zip(axes, models, strict=True):
        given = forecast.sel(model=model)
        _intervals(ax, given)
        for _, row in _of_family(observed, str(given["family"].item())).iterrows():
            _score_markers(ax, row[benchmarks], "o", facecolor="white", edgecolor=OBSERVED)
        if model in actual.index:
            _score_markers(ax, actual.loc[model, benchmarks], "D", facecolor=ACTUAL)
        ax.set_title(str(model), fontsize=11, color=INK)
        ax.set_xlabel("score (points)")
        ax.set_yticks(range(len(benchmarks)), benchmarks)
        ax.set_ylim(len(benchmarks) - 0.5, -0.5)
        ax.set_xlim(-1, 101)
        ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    _legend(figure, _forecast_key(actual.loc[actual.index.isin(models)], observed))
    return figure


def plot_optimum(optimum: xr.Dataset) -> Figure:
    """Best size against training budget, one panel per skill.

    Args:
        optimum: result of `skillscale.optimum`.

    Returns:
        Per budget, the sizes searched as a grey track. Where the optimum lies inside it: median
        and interval. Where the data can't tell: the interval alone, pale, with an arrow at an end
        that reaches the edge of the search. Where it lies outside: an arrow off the track. An edge
        of the search is never drawn as an optimum.

    Example:
        See the top of this module.
    """
    skills = list(optimum["skill"].to_numpy())
    flops = optimum["flops"].to_numpy()
    lowest, highest = float(optimum["searched_lower"].min()), float(optimum["searched_upper"].max())
    figure, axes = _panels(len(skills), 2.6, 0.6)
    margin = 10**0.4
    edges = np.array([flops.min() / margin, flops.max() * margin])
    for ax, skill in zip(axes, skills, strict=True):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.plot(edges, np.sqrt(edges / (6 * CHINCHILLA)), ":", color=OBSERVED, zorder=1)
        for budget in flops:
            _optimum_mark(ax, optimum.sel(skill=skill, flops=budget))
        ax.set_title(str(skill).replace("_", " "), fontsize=11, color=INK)
        ax.set_xlabel("training budget (FLOP)")
        ax.set_ylabel("best size (parameters)")
        ax.set_xlim(*edges)
        ax.set_ylim(lowest / 5, highest * 5)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
        if len(flops) <= 6:
            ax.set_xticks(flops, [format_flops(budget) for budget in flops])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
    percent = f"{100 * optimum.attrs['interval']:.0f} %"
    blue = INTERVAL_STYLES[2][1]
    _legend(
        figure,
        {
            f"median and {percent} interval": Line2D(
                [], [], color=blue, linewidth=4, marker="o", markerfacecolor="white", markersize=4
            ),
            f"the data can't tell ({percent} interval)": Line2D(
                [], [], color=INTERVAL_STYLES[0][1], linewidth=4
            ),
            "beyond the sizes searched": Line2D([], [], color=ACTUAL, marker="^", linestyle="none"),
            "sizes searched": Line2D([], [], color="#dddddd", linewidth=2),
            f"{CHINCHILLA} tokens per parameter": Line2D([], [], color=OBSERVED, linestyle=":"),
        },
    )
    return figure


def plot_score_curves(
    fit: Fit, benchmarks: Sequence[str], families: Sequence[str] | None = None, *, seed: int = 0
) -> Figure:
    """Forecast score against size for some families, with the scores observed.

    Args:
        fit: a fitted law.
        benchmarks: names of benchmarks, one panel each.
        families: names of families; the three with most sizes by default. Every family is drawn at
            the token count of its largest model.
        seed: source of randomness.

    Returns:
        Median and 80 % predictive interval per family, scores observed as markers.

    Raises:
        UnknownNameError: a benchmark or family is not in the fit.

    Example:
        See the top of this module.
    """
    known = fit.table.models.loc[fit.design.coords["model"]]
    if families is None:
        sizes = known.groupby("family")["n_params"].nunique()
        families = list(sizes.sort_values(ascending=False, kind="stable").index[:3])
    for kind, names, valid in (
        ("benchmark", benchmarks, fit.design.coords["benchmark"]),
        ("family", families, fit.design.coords["family"]),
    ):
        for name in names:
            if name not in valid:
                raise UnknownNameError(kind, name, valid)
    plan = pd.concat([_size_ladder(known[known["family"] == name]) for name in families])
    result = forecast(fit, plan.reset_index(names="model"), seed=seed)
    wide = fit.table.wide()
    figure, axes = _panels(len(benchmarks), 2.8, 0.6)
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        for family, colour in zip(families, _cycle(len(families)), strict=True):
            ladder = plan.index[plan["family"] == family]
            curve = result.sel(model=list(ladder), benchmark=benchmark)
            size = plan.loc[ladder, "n_params"].to_numpy()
            lower, upper = 100 * curve["lower_80"], 100 * curve["upper_80"]
            ax.fill_between(size, lower, upper, color=colour, alpha=0.15, linewidth=0)
            ax.plot(size, 100 * curve["median"], color=colour)
            members = known.index[known["family"] == family]
            points = 100 * wide.loc[members, benchmark]
            ax.plot(known.loc[members, "n_params"], points, "o", color=colour, markersize=5)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_title(str(benchmark), fontsize=11, color=INK)
        ax.set_xlabel("size (parameters)")
        ax.set_ylabel("score (points)")
        ax.grid(color="#e6e6e6", linewidth=0.8)
    key: dict[str, Artist] = {
        _at_tokens(name, plan): Line2D([], [], color=colour, marker="o", markersize=5)
        for name, colour in zip(families, _cycle(len(families)), strict=True)
    }
    _legend(figure, {**key, "80 % interval": Patch(color=OBSERVED, alpha=0.3)})
    return figure


def plot_calibration(report: Report, methods: Sequence[str] = (OURS,)) -> Figure:
    """How often actual scores fell inside central intervals, against how often they should.

    Args:
        report: a back-test.
        methods: names of methods in it.

    Returns:
        One line per method, with a band of two binomial standard errors around exact coverage.
    """
    figure, (ax,) = _panels(1, 4.4, 0.5)
    levels = np.linspace(0.02, 0.98, 49)
    n = len(report.of(OURS))
    error = 2 * np.sqrt(levels * (1 - levels) / n)
    ax.fill_between(100 * levels, 100 * (levels - error), 100 * (levels + error), color="#e6e6e6")
    ax.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":")
    key: dict[str, Artist] = {}
    for method, colour in zip(methods, _cycle(len(methods)), strict=True):
        distance = 2 * (report.of(method)["pit"].to_numpy() - 0.5)
        share = (np.abs(distance)[:, None] < levels).mean(axis=0)
        (key[method],) = ax.plot(100 * levels, 100 * share, color=colour, linewidth=1.8)
    ax.set_xlabel("probability of the interval (%)")
    ax.set_ylabel("scores inside it (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 100)
    ax.set_aspect("equal")
    _legend(figure, key)
    return figure


def _panels(n: int, height: float, legend: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``n`` panels, at most two a row, with axes shared and room for a legend."""
    columns = min(n, COLUMNS)
    rows = -(-n // columns)
    width = 6.4 if columns == 1 else PANEL_WIDTH * columns + 0.6  # a legend needs six inches
    figure = Figure(figsize=(width, rows * height + legend + 0.3), dpi=150, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.ravel())
    for ax in axes[n:]:
        ax.remove()
    for ax in axes[:n]:
        ax.tick_params(length=3, color="#888888", labelsize=9, labelbottom=True)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            ax.spines[side].set_color("#888888")
    return figure, axes[:n]


def _legend(figure: Figure, key: dict[str, Artist]) -> None:
    """Explain the marks below the panels, in rows of three, or of two under a single panel."""
    columns = 2 if len(figure.axes) == 1 else 3
    # Matplotlib fills columns first; people read rows.
    order = [label for column in range(columns) for label in list(key)[column::columns]]
    figure.legend(
        [key[label] for label in order],
        order,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )


def _intervals(ax: Axes, given: xr.Dataset) -> None:
    rows = np.arange(given.sizes["benchmark"])
    for percent, colour, height in INTERVAL_STYLES:
        lower = 100 * given[f"lower_{percent}"].to_numpy()
        upper = 100 * given[f"upper_{percent}"].to_numpy()
        ax.barh(rows, upper - lower, left=lower, height=height, color=colour, zorder=2)
    median = 100 * given["median"].to_numpy()
    ax.plot(median, rows, linestyle="none", marker="|", color="white", markersize=7, zorder=3)


def _score_markers(
    ax: Axes, scores: pd.Series, marker: str, *, facecolor: str, edgecolor: str = "white"
) -> None:
    values = 100 * scores.to_numpy(dtype=float)
    rows = np.arange(len(values))
    ax.plot(
        values,
        rows,
        linestyle="none",
        marker=marker,
        markersize=5.5,
        markerfacecolor=facecolor,
        markeredgecolor=edgecolor,
        zorder=4,
    )


def _forecast_key(actual: pd.DataFrame, observed: pd.DataFrame) -> dict[str, Artist]:
    key: dict[str, Artist] = {
        f"{percent} % interval": Patch(color=colour)
        for percent, colour, _ in reversed(INTERVAL_STYLES)
    }

    def marker(shape: str, face: str, edge: str) -> Line2D:
        return Line2D(
            [], [], linestyle="none", marker=shape, markerfacecolor=face, markeredgecolor=edge
        )

    if not actual.empty:
        key["actual score"] = marker("D", ACTUAL, "white")
    if not observed.empty:
        names = ", ".join(map(str, observed.index)) if len(observed) <= 2 else "observed models"
        key[f"score of {names} (observed)"] = marker("o", "white", OBSERVED)
    return key


def _by_model(scores: pd.DataFrame | None, benchmarks: list[str]) -> pd.DataFrame:
    """Scores indexed by model, with every benchmark and, where given, the family."""
    if scores is None:
        return pd.DataFrame(columns=[*benchmarks, "family"])
    if "model" in scores:
        scores = scores.set_index("model")
    return scores.reindex(columns=[*benchmarks, "family"])


def _of_family(observed: pd.DataFrame, family: str) -> pd.DataFrame:
    same = observed[observed["family"] == family]
    return observed if same.empty else same


def _optimum_mark(ax: Axes, best: xr.Dataset) -> None:
    """One budget of one skill."""
    at = float(best["flops"])
    track = float(best["searched_lower"]), float(best["searched_upper"])
    lower, upper = float(best["n_params_lower"]), float(best["n_params_upper"])
    verdict = str(best["verdict"].item())
    ax.plot([at, at], track, color="#dddddd", linewidth=2, solid_capstyle="butt", zorder=1)
    inside = verdict == "inside the range"
    if inside or verdict == "the data can't tell":
        colour = INTERVAL_STYLES[2 if inside else 0][1]
        ax.plot([at, at], [lower, upper], color=colour, linewidth=4, solid_capstyle="butt")
    if inside:
        size = float(best["n_params"])
        ax.plot(at, size, "o", color="white", markeredgecolor=INTERVAL_STYLES[2][1], markersize=4)
    # An arrow wherever the interval runs into an edge: the search, not the data, ends it there.
    for end, edge, factor, marker in (
        (lower, track[0], 0.7, "v"),
        (upper, track[1], 1.4, "^"),
    ):
        if np.isclose(end, edge, rtol=1e-3):
            ax.plot(at, edge * factor, marker, color=ACTUAL, markersize=7, zorder=3)


def _size_ladder(family: pd.DataFrame, steps: int = 16) -> pd.DataFrame:
    """Models of one family from half its smallest size to four times its largest."""
    largest = family.sort_values("n_params").iloc[-1]
    sizes = np.geomspace(family["n_params"].min() / 2, family["n_params"].max() * 4, steps)
    return pd.DataFrame(
        {"n_params": sizes, "n_tokens": largest["n_tokens"], "family": largest["family"]},
        index=[f"{largest['family']} at {size:.3g}" for size in sizes],
    )


def _at_tokens(family: str, plan: pd.DataFrame) -> str:
    n_tokens = plan.loc[plan["family"] == family, "n_tokens"].iloc[0]
    if np.isnan(n_tokens):
        return f"{family} (tokens not published)"
    return f"{family} at {format_count(n_tokens)} tokens"


def _cycle(n: int) -> list[str]:
    return [FAMILY_COLOURS[i % len(FAMILY_COLOURS)] for i in range(n)]
