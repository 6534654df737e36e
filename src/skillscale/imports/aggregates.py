"""Scores of benchmarks out of tasks of a harness: the metric as shipped, parts by their items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from skillscale.formatting import and_more
from skillscale.imports.aliases import Alias, Aliases
from skillscale.imports.benchmark_rows import is_shipped
from skillscale.imports.report import Report
from skillscale.imports.results import Task

COUNTED_ALIKE = ("mmlu",)
"""Benchmarks of which the leaderboard's score is the plain mean over parts."""
NOTEWORTHY = 0.005
"""Difference between two ways to weigh parts that is told."""


@dataclass(frozen=True)
class Aggregate:
    """A score of a benchmark.

    Attributes:
        benchmark: its short name.
        task: the task, or how many parts of which.
        metric: what it is the mean of.
        score: as the harness has it, a fraction if all is well.
        shots: examples in the prompt; None where that is not known.
        alias: the name it was known by.
    """

    benchmark: str
    task: str
    metric: str
    score: float
    shots: int | None
    alias: Alias


def aggregates(
    tasks: Mapping[str, Task], names: Aliases, where: str, report: Report
) -> list[Aggregate]:
    """Find the scores of benchmarks among tasks.

    Args:
        tasks: of one model, by name.
        names: what benchmarks are called.
        where: the model, for sentences.
        report: hears what is assumed and what is not taken.

    Returns:
        One score per benchmark, in order of the tasks.
    """
    found: dict[str, list[Aggregate]] = {}
    parts: dict[str, dict[str, tuple[Alias, Task]]] = {}
    unknown, other = [], []
    for task in tasks.values():
        alias = names.find(task.name)
        if alias is not None and not is_shipped(alias.benchmark):
            unknown.append(task.name)
            continue
        if alias is not None:
            made = _whole(task, alias)
            if made is not None:
                found.setdefault(alias.benchmark, []).append(made)
            elif task.metrics or task.unread:
                metrics = ", ".join(task.metrics or task.unread)
                other.append(f"{task.name} ({metrics})")
            continue
        part = names.part(task.name)
        if part is None:
            unknown += [task.name] if task.metrics else []
        else:
            parts.setdefault(part.alias.benchmark, {})[part.name] = part.alias, task
    for benchmark, of_benchmark in parts.items():
        if benchmark in found:
            found[benchmark] = [_with_shots(one, of_benchmark) for one in found[benchmark]]
            continue
        joined = _joined(benchmark, of_benchmark, names.parts[benchmark], where, report)
        if joined is not None:
            found[benchmark] = [joined]
    report.doubt(
        f"{where}: not taken, for want of the metric of the shipped scores: {{}}.",
        [entry for entry in other if not _is_part_of(entry, found, names)],
    )
    report.say(
        f"{where}: tasks that no shipped benchmark is called by are left out: {{}}.", unknown
    )
    return [_nearest(several, where, report) for several in found.values()]


def _is_part_of(entry: str, found: Mapping[str, object], names: Aliases) -> bool:
    """Whether a task is one of a benchmark whose score came from another task."""
    alias = names.find(entry.split(" ")[0])
    return alias is not None and alias.benchmark in found


def _whole(task: Task, alias: Alias) -> Aggregate | None:
    for choice in alias.metrics:
        exact = [_exact(metric, task) for metric in choice]
        if all(metric is not None for metric in exact):
            values = [task.metrics[metric] for metric in exact if metric is not None]
            shown = " and ".join(metric for metric in exact if metric is not None)
            mean = sum(values) / len(values)
            return Aggregate(alias.benchmark, task.name, shown, mean, task.shots, alias)
    return None


def _with_shots(whole: Aggregate, parts: Mapping[str, tuple[Alias, Task]]) -> Aggregate:
    """A group of which only the parts say how many shots there were."""
    shots = {task.shots for _, task in parts.values()}
    if whole.shots is not None or len(shots) > 1:
        return whole
    return replace(whole, shots=shots.pop())


def _exact(metric: str, task: Task) -> str | None:
    """The name of a metric in a task, where a filter that does nothing may be named."""
    return next((name for name in (metric, f"{metric},none") if name in task.metrics), None)


def _joined(
    benchmark: str,
    parts: Mapping[str, tuple[Alias, Task]],
    known: Mapping[str, float],
    where: str,
    report: Report,
) -> Aggregate | None:
    """The mean over the parts of a benchmark, weighted by their questions."""
    measured = {}
    for part, (alias, task) in parts.items():
        made = _whole(task, alias)
        if made is not None:
            measured[part] = made
    absent = [part for part in known if part not in measured]
    if not measured:
        return None
    first = next(iter(measured.values()))
    if absent:
        report.doubt(
            f"{where}: {benchmark} is not taken, for {len(measured)} of its {len(known)} parts "
            f"are there. Missing: {and_more(absent)}."
        )
        return None
    scores = np.array([made.score for made in measured.values()])
    asked = [parts[part][1].n_items for part in measured]
    weights = np.array(
        [known[part] if math.isnan(n) else n for part, n in zip(measured, asked, strict=True)]
    )
    if not np.isfinite(weights).all():
        weights = np.ones(len(weights))
        report.say(f"{where}: parts of {benchmark} count alike, for their questions aren't known.")
    else:
        told = "as the file says" if not any(map(math.isnan, asked)) else "as is known of them"
        report.say(f"{where}: {len(scores)} parts of {benchmark} count by their questions, {told}.")
    score = float(scores @ weights / weights.sum())
    alike = float(scores.mean())
    if benchmark in COUNTED_ALIKE and abs(alike - score) > NOTEWORTHY:
        report.doubt(
            f"{where}: {benchmark} is {score:.4f} with parts counted by their questions; the "
            f"leaderboard counts them alike, which makes {alike:.4f}."
        )
    shots = {made.shots for made in measured.values()}
    return Aggregate(
        benchmark,
        f"{len(scores)} parts, such as {first.task}",
        first.metric,
        score,
        shots.pop() if len(shots) == 1 else None,
        first.alias,
    )


def _nearest(several: list[Aggregate], where: str, report: Report) -> Aggregate:
    """Of several tasks of a benchmark, the one whose prompt is like the leaderboard's."""
    chosen = next((one for one in several if one.shots == one.alias.shots), several[0])
    others = [one.task for one in several if one is not chosen]
    report.say(f"{where}: {chosen.benchmark} is that of {chosen.task}, not that of {{}}.", others)
    return chosen
