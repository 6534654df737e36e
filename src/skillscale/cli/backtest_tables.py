"""How back-tests are printed: errors and coverage with their intervals, base and tuned apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skillscale.backtest.joint import SCORES
from skillscale.backtest.left_out_benchmarks import by_n_models
from skillscale.backtest.report import GROUPS, Report
from skillscale.backtest.scores import OURS
from skillscale.backtest.settings import pooled
from skillscale.cli.output import Row, print_table, results
from skillscale.formatting import format_probability
from skillscale.intervals import INTERVALS

N_WORST = 5
ENDS = ("lower_95", "upper_95")
JOINT = {
    "models": "Scores of a model together, and its mean over benchmarks",
    "pairs": "Differences of the means of two models of a fold",
}
HOW = "Intervals are 95 % ones of a bootstrap over lineages, every cell once."
"""How what is printed was found."""


def print_report(report: Report) -> None:
    """Print what a back-test says: methods, then groups of our forecasts."""
    summary = report.summary()
    console = results()
    console.print(
        f"{summary['n_folds']} folds, {summary['n_scores']} forecasts of {summary['n_cells']} "
        f"scores of {summary['n_lineages']} lineages; errors in points. {HOW}",
        highlight=False,
    )
    methods = {OURS: summary, **summary["baselines"]}
    lines = [row for name, of in methods.items() for row in _lines("method", name, of["accuracy"])]
    print_table(lines, console)
    for name in GROUPS[:-1]:
        groups = summary["groups"][name].items()
        if groups:
            console.print()
            print_table([row for value, of in groups for row in _lines(name, value, of)], console)
    if summary["paired"]:
        console.print("\nOurs minus theirs, of the same forecasts:", highlight=False)
        print_table(_differences(summary["paired"]), console)
    if "new_minus_known" in summary:
        console.print("\nWith the developer new, minus with it known:", highlight=False)
        print_table(_differences({OURS: summary["new_minus_known"]}), console)
    for what, shown in JOINT.items():
        if what in summary.get("joint", {}).get(OURS, {}):
            console.print(f"\n{shown}:", highlight=False)
            print_table(_joint_lines(what, summary), console)
    worst = sorted(summary["mae_points_by_fold"].items(), key=lambda item: -item[1])[:N_WORST]
    console.print("\nWorst folds: " + ", ".join(f"{name} {error:.1f}" for name, error in worst))


def print_new_benchmarks(report: Report) -> None:
    """Print errors of benchmarks left out, by the models shown."""
    console = results()
    console.print(
        "Errors in points, averaged over benchmarks, which are left out of the fit and added from "
        "some models. The ratio is that of our error to the better baseline's of each benchmark.",
        highlight=False,
    )
    found = by_n_models(report)
    rows = [
        {
            "models": n,
            "method": method,
            **_averages(numbers),
            "ratio": f"{of_n['ratio']:.2f}" if method == OURS else "",
        }
        for n, of_n in found.items()
        for method, numbers in sorted(of_n["methods"].items(), key=lambda item: item[0] != OURS)
    ]
    print_table(rows, console)
    console.print(f"\nOurs by models shown. {HOW}", highlight=False)
    groups = report.groups()["n_known"].items()
    print_table([row for n, of in groups for row in _lines("shown", n, of)], console)
    names = next(iter(found.values()))["ratio_by_benchmark"]
    console.print("\nRatios by benchmark and models:", highlight=False)
    ratios = [
        {
            "benchmark": name,
            **{n: f"{of_n['ratio_by_benchmark'][name]:.2f}" for n, of_n in found.items()},
        }
        for name in names
    ]
    print_table(ratios, console)


def print_settings(reports: Sequence[Report]) -> None:
    """Print the settings of the published comparison, and what they say together."""
    together = pooled(reports)
    console = results()
    console.print(
        "Errors in points, averaged over folds; the best Sloth is that of the published errors, "
        "its number of skills chosen in hindsight.",
        highlight=False,
    )
    print_table([_setting(report.summary()) for report in reports], console)
    console.print(
        f"\nMean ratio {together['ratio_to_best_sloth']:.3f}. {together['n_scores']} forecasts, "
        f"{together['seconds']:.0f} s. {HOW}",
        highlight=False,
    )
    print_table(_lines("method", OURS, together["accuracy"]), console)
    console.print("\nOurs minus theirs, with one model seen:", highlight=False)
    print_table(_differences(together["paired"]), console)


def _setting(summary: Mapping[str, Any]) -> Row:
    coverage = summary["accuracy"]["all"]["coverage"]
    return {
        "seen": summary["options"]["n_seen"],
        "benchmarks": summary["options"]["benchmarks"],
        "folds": summary["n_folds"],
        "best Sloth": f"{summary['best_sloth_in_hindsight']:.2f}",
        "ratio": f"{summary['ratio_to_best_sloth']:.2f}",
        **_averages({**summary, "coverage": {k: of["value"] for k, of in coverage.items()}}),
    }


def _averages(numbers: Mapping[str, Any]) -> Row:
    return {
        "MAE": f"{numbers['mae_points']:.2f}",
        "CRPS": f"{numbers['crps']:.2f}",
        **{
            f"in {level} %": format_probability(numbers["coverage"][str(level)])
            for level in INTERVALS
        },
    }


def _lines(heading: str, name: str, accuracy: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Rows of one method or group: of all models, base and tuned ones."""
    return [
        {
            heading: name,
            "models": kind,
            "scores": of_kind["n_cells"],
            "lineages": of_kind["n_lineages"],
            "MAE": _points(of_kind["mae_points"]),
            "CRPS": _points(of_kind["crps"]),
            **{f"in {level} %": _share(of_kind["coverage"][str(level)]) for level in INTERVALS},
        }
        for kind, of_kind in accuracy.items()
    ]


def _joint_lines(what: str, summary: Mapping[str, Any]) -> list[Row]:
    """Rows of joint forecasts of all methods, of models or of pairs."""
    return [
        {
            "method": name,
            "tuning": kind,
            what: found["n"],
            "lineages": found["n_lineages"],
            **{score: _points(found[score]) for score in SCORES if score in found},
            "MAE": _points(found["mae_points"]),
            "in 80 %": _share(found["coverage_80"]),
        }
        for name, of_method in summary["joint"].items()
        for kind, found in of_method[what].items()
    ]


def _differences(paired: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Row]:
    return [
        {
            "method": name,
            "models": kind,
            "lineages": found["n_lineages"],
            "MAE": _points(found["mae_points"], sign="+"),
            "CRPS": _points(found["crps"], sign="+") if "crps" in found else "",
            "in 80 %": _share(found["coverage"]["80"], sign="+") if "coverage" in found else "",
        }
        for name, by_kind in paired.items()
        for kind, found in by_kind.items()
    ]


def _points(estimate: Mapping[str, float], sign: str = "") -> str:
    value, lower, upper = (f"{estimate[key]:{sign}.2f}" for key in ("value", *ENDS))
    return value if lower == upper else f"{value} ({lower} to {upper})"


def _share(estimate: Mapping[str, float], sign: str = "") -> str:
    share = estimate["value"]
    value = f"{100 * share:{sign}.0f} %" if sign else format_probability(share)
    lower, upper = (f"{100 * estimate[end]:{sign}.0f}" for end in ENDS)
    return value if lower == upper else f"{value} ({lower} to {upper})"
