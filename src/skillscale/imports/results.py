"""Files of results as lm-evaluation-harness writes them, versions 0.3 and 0.4."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from skillscale.errors import TableError

STDERR = "stderr"
LIMITS = ("limit", "max_samples")
COMMIT = r"[0-9a-f]{7,40}"
NAMED_BY = ("pretrained", "model", "model_name", "engine", "path")
"""What arguments of a harness's model hold its name."""


@dataclass(frozen=True)
class Task:
    """What a harness measured on a task.

    Attributes:
        name: the task.
        metrics: its numbers, standard errors left out.
        unread: metrics that are no numbers, as the file has them.
        shots: examples in the prompt; None where the file does not say.
        n_items: questions that were asked, NaN where the file does not say.
        of_items: questions that there are, NaN likewise.
    """

    name: str
    metrics: Mapping[str, float]
    unread: Mapping[str, str]
    shots: int | None
    n_items: float
    of_items: float


@dataclass(frozen=True)
class Results:
    """A file of results.

    Attributes:
        file: its path, for sentences.
        model: what the file calls the model; None where it does not.
        n_params: parameters, NaN where the file does not say.
        time: when it was evaluated, seconds of the epoch.
        tasks: by name.
        remarks: what its configuration says that scores depend on.
        has_template: whether prompts were those of a chat.
    """

    file: str
    model: str | None
    n_params: float
    time: float
    tasks: Mapping[str, Task]
    remarks: tuple[str, ...]
    has_template: bool


def result_files(paths: Iterable[Path]) -> list[Path]:
    """The files of results among paths, directories searched through.

    Args:
        paths: files, and directories of which ``results_*.json`` count, or else every JSON.

    Returns:
        Files, those of a directory in order of their names.

    Raises:
        TableError: a path is missing, or a directory without a JSON.

    Example:
        >>> result_files([Path("no-such-place")])
        Traceback (most recent call last):
        skillscale.errors.TableError: 1 problem found:
        - no-such-place: there is no such file or directory.
    """
    files: list[Path] = []
    problems = []
    for path in paths:
        if path.is_file():
            files.append(path)
        elif not path.is_dir():
            problems.append(f"{path}: there is no such file or directory.")
        elif found := sorted(path.rglob("results_*.json")) or sorted(path.rglob("*.json")):
            files += found
        else:
            problems.append(f"{path}: the directory holds no JSON. Name results of a harness.")
    if problems:
        raise TableError(problems)
    return list(dict.fromkeys(files))


def read_results(path: Path) -> Results:
    r"""Read a file of results.

    Args:
        path: JSON of lm-evaluation-harness, version 0.3 or 0.4, or of a leaderboard's runs.

    Returns:
        What it says.

    Raises:
        TableError: it can't be read, is no JSON, or holds no results.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results.json"
        >>> task = '{"acc,none": 0.5, "acc_stderr,none": 0.01, "alias": "arc"}'
        >>> _ = path.write_text('{"results": {"arc_challenge": ' + task + '}}')
        >>> read_results(path).tasks["arc_challenge"].metrics
        {'acc,none': 0.5}
    """
    content = _content(path)
    config = _mapping(content, "config") | _mapping(content, "config_general")
    found = _mapping(content, "groups") | _mapping(content, "results")
    tasks = {}
    for name, metrics in found.items():
        if isinstance(metrics, Mapping) and name != "all":
            task = _task(name, metrics, content, config)
            tasks[task.name] = task
    if not tasks:
        raise TableError([f"{path}: 'results' holds no task. Name a file with results per task."])
    return Results(
        str(path),
        _model(content, config),
        _positive(config.get("model_num_parameters")),
        _time(path, content),
        tasks,
        tuple(_remarks(config)),
        str(content.get("chat_template") or config.get("chat_template") or "None") != "None",
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise TableError(
            [
                f"{path}: line {error.lineno}, column {error.colno} is not JSON ({error.msg}). "
                "Name a results file of lm-evaluation-harness, which is whole."
            ]
        ) from error
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise TableError([f"{path}: the file can't be read ({error}). Check it."]) from error
    if isinstance(content, list):
        raise TableError(
            [f"{path}: this is a list, such as of samples. Name the results file beside it."]
        )
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        keys = ", ".join(list(content)[:5]) if isinstance(content, dict) and content else "nothing"
        raise TableError(
            [
                f"{path}: there is no 'results' in it, but {keys}. Name a results file of "
                "lm-evaluation-harness."
            ]
        )
    return content


def _mapping(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def _task(
    written: str, cells: Mapping[str, Any], content: Mapping[str, Any], config: Mapping[str, Any]
) -> Task:
    name, shots = written, None
    if "|" in written:  # suite|task|shots, as the runs of a leaderboard write it
        _, name, *rest = written.split("|")
        shots = int(rest[0]) if rest and rest[0].isdigit() else None
    metrics, unread = {}, {}
    for metric, value in cells.items():
        if STDERR in metric or metric.strip() in ("", "alias", "name", "sample_len"):
            continue
        number = _number(value)
        if math.isnan(number):
            unread[metric] = str(value)
        else:
            metrics[metric] = number
    of_task = _mapping(_mapping(content, "configs"), written)
    for told in (
        _mapping(content, "n-shot").get(written),
        of_task.get("num_fewshot"),
        config.get("num_fewshot"),
    ):
        if shots is None and isinstance(told, int) and not isinstance(told, bool):
            shots = told
    counts = _mapping(content, "n-samples").get(written)
    counts = counts if isinstance(counts, Mapping) else {"effective": counts}
    asked, there_are = (_positive(counts.get(name)) for name in ("effective", "original"))
    return Task(name, metrics, unread, shots, asked, there_are)


def _number(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _positive(value: Any) -> float:
    number = _number(value)
    return number if 0 < number < math.inf else math.nan


def _model(content: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    arguments = _arguments(config)
    named = [content.get("model_name"), config.get("model_name")]
    named = [arguments.get("peft"), *named, *(arguments.get(name) for name in NAMED_BY)]
    given = (name for name in named if isinstance(name, str) and name.strip() not in ("", "None"))
    name = next(given, None)
    revision = str(arguments.get("revision") or config.get("model_revision") or "main")
    is_last = revision in ("main", "None", "") or re.fullmatch(COMMIT, revision)
    return name if name is None or is_last else f"{name}@{revision}"


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    arguments = config.get("model_args")
    if isinstance(arguments, str):
        return dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    return dict(arguments) if isinstance(arguments, Mapping) else {}


def _time(path: Path, content: Mapping[str, Any]) -> float:
    """When a file was made: as it says, as its name says, or as the disk says."""
    date = _positive(content.get("date"))
    if math.isfinite(date):
        return date
    stamp = re.search(r"(\d{4}-\d\d-\d\d)T(\d\d)[-:](\d\d)[-:](\d\d)", path.name)
    if stamp:
        try:
            return datetime.fromisoformat(
                f"{stamp[1]}T{stamp[2]}:{stamp[3]}:{stamp[4]}"
            ).timestamp()
        except ValueError:
            pass
    return path.stat().st_mtime


def _remarks(config: Mapping[str, Any]) -> list[str]:
    remarks = []
    limit = next((config[name] for name in LIMITS if config.get(name) is not None), None)
    if limit is not None:
        share = _number(limit)
        asked = f"{share:.0%} of the" if 0 < share < 1 else f"{limit}"
        remarks.append(f"only {asked} questions of every task were asked (limit)")
    for name in ("load_in_4bit", "load_in_8bit"):
        if str(_arguments(config).get(name)).lower() == "true":
            remarks.append(f"the weights were rounded to {name[8]} bits ({name})")
    for name in ("quantization", "gguf_file", "autogptq", "gptqmodel"):
        if str(value := _arguments(config).get(name)).lower() not in ("none", "false", ""):
            remarks.append(f"the weights were rounded ({name}={value})")
    if str(config.get("system_instruction") or "None") != "None":
        remarks.append("a system instruction was given, as the leaderboard gave none")
    return remarks
