"""Results of lm-evaluation-harness as a file of observed models."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from skillscale.errors import TableError
from skillscale.formatting import format_count
from skillscale.imports.aggregates import Aggregate, aggregates
from skillscale.imports.aliases import load_aliases
from skillscale.imports.benchmark_rows import described, why_impossible
from skillscale.imports.known_models import known_models
from skillscale.imports.quantities import is_tuned, size_in_name
from skillscale.imports.report import Report
from skillscale.imports.results import Results, Task, read_results, result_files

CHECKPOINT = re.compile(
    r"((global[-_]?)?step|checkpoint|ckpt|iter|epoch)[-_]?\d*|hf|final|last|best|model|weights|merged",
    re.IGNORECASE,
)
"""Last parts of paths that name no model."""
PACKED = 1.3
"""A count so many times below the named size is of packed weights; names round down, not up."""


@dataclass(frozen=True, eq=False)
class Given:
    """What is said of a model on the command line.

    Attributes:
        name: what it is called; None for what the files call it.
        n_params: parameters; None for what is known.
        n_tokens: pretraining tokens; None for what is known.
    """

    name: str | None = None
    n_params: float | None = None
    n_tokens: float | None = None


def read_harness(
    paths: Sequence[str | Path], given: Given | None = None
) -> tuple[pd.DataFrame, Report]:
    r"""Read results of lm-evaluation-harness.

    Args:
        paths: files of results, and directories of them.
        given: what is known of the model, where the files are of one.

    Returns:
        One row per model: ``model, n_params, n_tokens``, ``tuning`` where a name says it, and the
        shipped benchmarks that were found; and what was taken for what.

    Raises:
        TableError: a file can't be read, or no shipped benchmark is in any.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results.json"
        >>> _ = path.write_text('{"results": {"winogrande": {"acc": 0.6, "acc_stderr": 0.01}}}')
        >>> read_harness([path], Given("mine", 7e9, 2e12))[0]
          model      n_params      n_tokens  winogrande
        0  mine  7.000000e+09  2.000000e+12         0.6
    """
    given = Given() if given is None else given
    report = Report()
    problems: list[str] = []
    read: list[Results] = []
    files = result_files([Path(path) for path in paths])
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    beside = sorted({file for folder in folders for file in folder.rglob("*.json")} - {*files})
    report.doubt(
        "JSON beside results_*.json is not read; name what holds results: {}.", map(str, beside)
    )
    for file in files:
        try:
            read.append(read_results(file))
        except TableError as error:
            problems += error.problems
    if problems and (len(problems) == len(paths) or not read):
        raise TableError(problems)
    for problem in problems:
        report.doubt(f"{problem} Left out.")
    by_model = _by_model(read, given, report)
    rows = [_row(model, files, given, report) for model, files in by_model.items()]
    order = [str(name) for name in described().index if any(str(name) in row for row in rows)]
    if not order:
        raise TableError(
            [
                f"{', '.join(map(str, paths))}: no score of a shipped benchmark was found. "
                + " ".join([*report.doubts, *report.said])
            ]
        )
    kept = [row for row in rows if any(name in row for name in order)]
    report.doubt(
        "no shipped benchmark was found for {}, left out.",
        [str(row["model"]) for row in rows if row not in kept],
    )
    facts = ["model", "n_params", "n_tokens"]
    facts += ["tuning"] if any("tuning" in row for row in kept) else []
    frame = pd.DataFrame(kept).reindex(columns=[*facts, *order])
    _doubt_absent(frame, report)
    return frame, report


def _doubt_absent(frame: pd.DataFrame, report: Report) -> None:
    """Name the models of which size or tokens are not known."""
    for name in ("n_params", "n_tokens"):
        option = f"--{name.replace('_', '-')}"
        report.doubt(
            f"{name} of {{}} is not known, and empty: fill it in, or give {option} with one model.",
            frame["model"][frame[name].isna()],
        )


def _by_model(read: list[Results], given: Given, report: Report) -> dict[str, list[Results]]:
    """Files by the name of their model, the newest last."""
    by_model: dict[str, list[Results]] = {}
    for results in sorted(read, key=lambda one: (one.time, one.file)):
        by_model.setdefault(results.model or _named_by_file(results, given), []).append(results)
    is_given = any((given.name, given.n_params, given.n_tokens))
    if is_given and len(by_model) > 1:
        found = ", ".join(by_model)
        raise TableError(
            [
                f"--name, --n-params and --n-tokens are of one model, and {len(by_model)} were "
                f"found: {found}. Import them one at a time, or fill in the file."
            ]
        )
    named: dict[str, list[Results]] = {}
    for written, files in by_model.items():
        name = given.name or written
        if given.name is None and re.match(r"[./~\\]", written):
            name = _name_of_path(Path(written))
            report.say(f"{written} is a path; the model is called {name}.")
        if given.name is None and files[0].model is None:
            report.say(f"{files[0].file} names no model, which is called {name}: see --name.")
        named.setdefault(name, []).extend(files)
    return named


def _name_of_path(path: Path) -> str:
    """What a path calls a model: of a checkpoint, with the folder of its run."""
    name = path.name or str(path)
    return f"{path.parent.name}-{name}" if CHECKPOINT.fullmatch(name) and path.parent.name else name


def _named_by_file(results: Results, given: Given) -> str:
    """What to call a model of a file that does not say."""
    path = Path(results.file).absolute()
    stem = path.parent.name if re.match(r"results(_|$)", path.stem) else path.stem
    return given.name or stem.replace("__", "/") or path.stem


def _row(model: str, files: list[Results], given: Given, report: Report) -> dict[str, str | float]:
    tasks: dict[str, tuple[Results, Task]] = {}
    replaced: dict[str, str] = {}
    for results in files:
        for name, task in results.tasks.items():
            if name in tasks and tasks[name][1].metrics != task.metrics:
                replaced[name] = results.file
            tasks[name] = results, task
    for file in dict.fromkeys(replaced.values()):
        of_file = [name for name, other in replaced.items() if other == file]
        report.say(f"{model}: of several results the newest counts, {file}, for {{}}.", of_file)
    if len({results.has_template for results in files}) > 1:
        report.doubt(f"{model}: some of its results are with a chat template, and some without.")
    for results in files:
        for remark in results.remarks:
            report.doubt(f"{results.file}: {remark}.")
    _doubt_tasks(model, tasks, report)
    row = {"model": model, **_facts(model, files, given, report)}
    found = aggregates(
        {name: task for name, (_, task) in tasks.items()}, load_aliases(), model, report
    )
    for score in found:
        why = why_impossible(score.benchmark, score.score)
        report.rows.append(_shown(model, score, why))
        if why is not None:
            report.doubt(
                f"{model}: {score.benchmark} = {score.score:.4g} ({score.task}, {score.metric}) "
                f"{why}. Left out."
            )
            continue
        row[score.benchmark] = round(score.score, 6)
    _doubt_protocol(model, [score for score in found if score.benchmark in row], report)
    return row


def _shown(model: str, score: Aggregate, why: str | None) -> dict[str, str | float | int | None]:
    return {
        "model": model,
        "task": score.task,
        "metric": score.metric,
        "taken_for": score.benchmark if why is None else None,
        "score": score.score,
        "shots": score.shots,
        "shots_of_leaderboard": score.alias.shots,
    }


def _doubt_tasks(model: str, tasks: dict[str, tuple[Results, Task]], report: Report) -> None:
    """Name tasks of which only some questions were asked, and numbers that are none."""
    part = [
        f"{name} ({task.n_items:g} of {task.of_items:g})"
        for name, (_, task) in tasks.items()
        if task.n_items < task.of_items
    ]
    report.doubt(f"{model}: only some questions were asked: {{}}.", part)
    unread = [
        f"{name} {metric} = {value!r}"
        for name, (_, task) in tasks.items()
        for metric, value in task.unread.items()
        if load_aliases().find(name) or load_aliases().part(name)
    ]
    report.doubt(f"{model}: no number, and left out: {{}}.", unread)


def _doubt_protocol(model: str, scores: list[Aggregate], report: Report) -> None:
    """Say where prompts had another number of examples than the leaderboard's."""
    compared = [score for score in scores if score.alias.shots is not None]
    report.say(
        f"{model}: how many shots there were is not said. The leaderboard's scores have: {{}}.",
        [f"{score.benchmark} {score.alias.shots}" for score in compared if score.shots is None],
    )
    report.doubt(
        f"{model}: shots differ from the leaderboard's, and scores may differ by points: {{}}.",
        [
            f"{score.benchmark} {score.shots} rather than {score.alias.shots}"
            for score in compared
            if score.shots is not None and score.shots != score.alias.shots
        ],
    )
    for score in scores:
        if score.alias.note:
            report.say(f"{score.benchmark}: {score.alias.note}.")


def _facts(
    model: str, files: list[Results], given: Given, report: Report
) -> dict[str, str | float]:
    """Size and tokens: as given, as a file says, as shipped, or as the name says."""
    known = known_models()
    alike = known.alike(files[0].model or model)
    n_params, n_tokens = given.n_params, given.n_tokens
    named = size_in_name(model) if alike is None else float(str(known.cells["n_params"][alike]))
    if n_params is None:
        told = [results.n_params for results in files if math.isfinite(results.n_params)]
        n_params = told[-1] if told else None
        if n_params is not None and n_params * PACKED < named:
            report.doubt(
                f"{model}: its results count {format_count(n_params)} parameters, where it has "
                f"{format_count(named)} by its name, which is taken (packed weights?)."
            )
            n_params = named
    if alike is not None:
        shipped = known.cells.loc[alike]
        filled = []
        if n_params is None:
            n_params = float(str(shipped["n_params"]))
            filled.append(f"n_params ({format_count(n_params)})")
        if n_tokens is None and isinstance(shipped["n_tokens"], str):
            n_tokens = float(shipped["n_tokens"])
            filled.append(f"n_tokens ({format_count(n_tokens)})")
        report.say(f"{model} is taken for {alike} of the shipped table, for {{}}.", filled)
    if n_params is None and math.isfinite(size_in_name(model)):
        n_params = size_in_name(model)
        report.say(f"{model}: n_params is what the name says, {format_count(n_params)}.")
    facts: dict[str, str | float] = {
        "n_params": math.nan if n_params is None else n_params,
        "n_tokens": math.nan if n_tokens is None else n_tokens,
    }
    if alike is not None and known.cells["tuning"][alike] == "instruct":
        facts["tuning"] = "instruct"
        report.say(f"{model} is taken to be tuned (instruct), as {alike} of the shipped table is.")
    elif is_tuned(files[0].model or model):
        facts["tuning"] = "instruct"
        report.say(f"{model} is taken to be tuned (instruct), as its name says.")
    return facts
