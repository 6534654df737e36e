"""The answer in three sentences: every number in them is one of what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.checks.verdict import Check, Verdict
from skillscale.forecasts.forecast import SOURCES
from skillscale.forecasts.next_evaluations import INTERVAL
from skillscale.formatting import (
    counted,
    format_count,
    format_flops,
    format_interval,
    format_points,
    format_size_interval,
)
from skillscale.intervals import central
from skillscale.optima.identification import Identification
from skillscale.optima.objectives import TARGET
from skillscale.optima.table import long_rows
from skillscale.posterior.stack import Stack
from skillscale.report.blocks import Row
from skillscale.report.findings import Findings, PlanFindings

SOURCE_NAMES = dict(
    zip(
        SOURCES,
        (
            "the sampling of benchmark items, which no law removes",
            "what the law leaves unexplained",
            "what is still open about this family",
            "what is uncertain about the law itself",
        ),
        strict=True,
    )
)


def answer(found: Findings) -> list[str]:
    """Answer in three sentences: the forecast (or the fit), the best size, and how far to trust it.

    Args:
        found: what was found.

    Returns:
        The sentences.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> from skillscale.report.findings import Asked, find
        >>> answer(find(shipped_fit(), Asked()))[0]
        'The fit explains 3,024 scores of 406 models (206 families) on 12 benchmarks by ...'
    """
    of_plan = found.of_plan
    first = describe_fit(found) if of_plan is None else describe_forecast(of_plan)
    if found.optimum is not None:
        second = describe_optimum(found.optimum, _form(found), _target(found))
    else:
        second = describe_data(found) if of_plan is None else describe_variance(of_plan.forecast)
    return [first, second, describe_trust(found)]


def describe_forecast(of: PlanFindings) -> str:
    """What the planned model of most compute will score, on average and on one benchmark."""
    result, family, model = of.forecast, of.family, of.headline
    own = result.sel(model=model)
    means = own["draws"].mean("benchmark").to_numpy()
    middle = format_points(float(np.median(means)))
    lower, upper = (float(end) for end in central(means, INTERVAL / 100))
    interval = format_interval(lower, upper, format_points)
    seen = family.observed
    if seen is not None:
        basis = f"Going by the scores of {_joined(seen['model'])}"
    elif family.is_fitted:
        basis = f"Going by the family {family.name} of the fit"
    else:
        basis = "With no model of its family observed"
    n = result.sizes["benchmark"]
    benchmark, before = _told_benchmark(of)
    cell = own.sel(benchmark=benchmark)
    lower, upper = (float(cell[f"{end}_{INTERVAL}"]) for end in ("lower", "upper"))
    return (
        f"{basis}, {model} ({_described(of.planned, model)}) is forecast to score {middle} points "
        f"on average over {counted(n, 'benchmark')} ({INTERVAL} % interval {interval}), and "
        f"{format_points(float(cell['median']))} on {benchmark} "
        f"({format_interval(lower, upper, format_points)}){before}."
    )


def _told_benchmark(of: PlanFindings) -> tuple[str, str]:
    """A benchmark to tell of, rather an observed one, and what was observed there."""
    names = [str(name) for name in of.forecast["benchmark"].to_numpy()]
    if of.family.observed is not None:
        largest = of.family.observed.sort_values("n_params", kind="stable").iloc[-1]
        model = str(largest["model"])
        for name in names:
            if name in largest and pd.notna(largest[name]) and (model, name) not in of.doubted:
                return name, f", where {model} has {format_points(largest[name])}"
    return names[0], ""


def _form(found: Findings) -> str:
    """What a verdict on optima stands on."""
    if isinstance(found.fit, Stack):
        return f"by {counted(len(found.fit.fits), 'form')} of the law together"
    return f"if the {found.fit.spec.form} form of the law holds"


def _target(found: Findings) -> str:
    """What the weighted mean of benchmarks is called: all of them, where none were chosen."""
    return "the mean of all benchmarks" if found.asked.target is None else "the target"


def describe_optimum(best: xr.Dataset, form: str, target: str = "the target") -> str:
    """Which best sizes the data know at the largest budget, and which they don't."""
    budget = float(best["flops"].max())
    rows = [
        {**row, "objective": target if row["objective"] == TARGET else row["objective"]}
        for row in long_rows(best.sel(flops=[budget]))
    ]
    by_verdict: dict[str, list[Row]] = {verdict: [] for verdict in Identification}
    for row in rows:
        by_verdict[str(row["verdict"])].append(row)
    parts = []
    percent = f"{100 * best.attrs['interval']:.0f} % intervals"
    if known := by_verdict[Identification.IDENTIFIED]:
        parts.append(f"the best size ({percent}) is identified for {_joined(map(_best, known))}")
    if weak := by_verdict[Identification.WEAK]:
        parts.append(f"only weakly for {_joined(map(_best, weak))}")
        if not known:
            parts[-1] = f"the best size ({percent}) is known {parts[-1]}"
    if unknown := by_verdict[Identification.NOT]:
        names = _joined((_name(row) for row in unknown), "or")
        parts.append(
            f"the data do not identify it for {names}"
            if parts
            else f"the data do not identify the best size for {names}"
        )
    served = float(best.attrs.get("serve_tokens", 0))
    serving = f" with {format_count(served)} tokens served" if served else ""
    return f"At {format_flops(budget)} FLOP{serving}, {form}, {'; '.join(parts)}."


def _best(row: Row) -> str:
    """An objective with its best size, where nine draws in ten have one, and the interval."""
    interval = format_size_interval(row)
    size = float(row["n_params"])
    if np.isnan(size):
        return f"{_name(row)} ({interval})"
    return f"{_name(row)} at {format_count(size)} ({interval})"


def _name(row: Row) -> str:
    return str(row["objective"]).replace("_", " ")


def describe_variance(result: xr.Dataset) -> str:
    """The largest source of variance, with its share on average."""
    shares = result["variance_share"].mean(["model", "benchmark"])
    ranked = shares.sortby(shares, ascending=False)
    told = [
        f"{100 * float(ranked.sel(source=source)):.0f} % is {SOURCE_NAMES[str(source)]}"
        for source in ranked["source"].to_numpy()[:2]
    ]
    return f"Of the variance of a forecast score, {told[0]} and {told[1]}, on average."


def describe_trust(found: Findings) -> str:
    """What the checks say, what was doubted, and what to evaluate next."""
    parts = [f"the fit {_of_checks(found.checks)}"]
    of_plan = found.of_plan
    if of_plan is not None:
        doubts = len(of_plan.forecast.attrs["doubts"])
        if doubts:
            parts.append(
                f"{counted(doubts, 'observation')} contradict{'s' * (doubts == 1)} the rest"
            )
        elif found.asked.observed is not None:
            parts.append("nothing observed contradicts the rest")
    if of_plan is not None and of_plan.evaluations is not None:
        best = of_plan.evaluations.iloc[0]
        now, then = (format_points(float(best[key])) for key in ("width_now", "width_next"))
        parts.append(
            f"{what_to_do(best)} next would narrow the {INTERVAL} % intervals most, from {now} "
            f"to {then} points on average"
        )
    sentence = _joined(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def what_to_do(row: Row | pd.Series) -> str:
    """An evaluation in words."""
    if row["kind"] == "size":
        return f"training and evaluating a model of {format_count(row['n_params'])} parameters"
    return f"evaluating {row['benchmark']} of {row['model']}"


def _of_checks(checks: Sequence[Check]) -> str:
    passed = sum(check.verdict is Verdict.PASS for check in checks)
    said = f"passes {passed} of {counted(len(checks), 'check')}"
    told = [
        f"{what} {_joined(names)}"
        for verdict, what in ((Verdict.FAIL, "FAIL:"), (Verdict.REVIEW, "to review:"))
        if (names := [check.name for check in checks if check.verdict is verdict])
    ]
    return f"{said} ({'; '.join(told)})" if told else said


def describe_fit(found: Findings) -> str:
    """What a fit is of."""
    law = found.plain
    coords = law.design.coords
    skills = (
        "" if law.spec.exploratory else f": {_joined(s.replace('_', ' ') for s in law.spec.skills)}"
    )
    named = counted(len(law.spec.skills), "unnamed skill" if law.spec.exploratory else "skill")
    return (
        f"The fit explains {len(law.observed_index[0]):,} scores of {len(law.models)} models "
        f"({len(coords['family'])} families) on {counted(len(coords['benchmark']), 'benchmark')} "
        f"by {named}{skills}."
    )


def describe_data(found: Findings) -> str:
    """How far the models of a fit reach: a forecast within is one that the data speak of."""
    models = found.plain.models
    sizes = format_interval(models["n_params"].min(), models["n_params"].max(), format_count)
    tokens = format_interval(models["n_tokens"].min(), models["n_tokens"].max(), format_count)
    first, last = models["release"].min(), models["release"].max()
    return (
        f"Its models have {sizes} parameters and {tokens} training tokens and were released from "
        f"{first} to {last}: trust forecasts within."
    )


def _described(planned: pd.DataFrame, model: str) -> str:
    row = planned.loc[[model]].iloc[0]
    size = f"{format_count(row['n_params'])} parameters"
    if row["n_active_params"] < row["n_params"]:
        size += f", {format_count(row['n_active_params'])} of them active"
    if pd.isna(row["n_tokens"]):
        return size
    return f"{size}, {format_count(row['n_tokens'])} tokens"


def _joined(names: Iterable[object], last: str = "and") -> str:
    """Names in one phrase; of many the first three, and how many more."""
    listed = [str(name) for name in names]
    if len(listed) > MOST_NAMED:
        listed = [*listed[: MOST_NAMED - 1], f"{len(listed) - MOST_NAMED + 1} more"]
    return f" {last} ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


MOST_NAMED = 6
"""Names that a sentence lists."""
