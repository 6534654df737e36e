"""Dumps of the Open LLM Leaderboard, v1, v2 and compiled ones, in one form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from skillscale.data.guessing import NORMALISED, raw_score
from skillscale.data.rules import number
from skillscale.errors import TableError
from skillscale.imports.aliases import column_of, key, load_aliases
from skillscale.imports.benchmark_rows import described
from skillscale.imports.quantities import NO_SCORE, is_absent
from skillscale.imports.report import Report
from skillscale.imports.score_cells import in_one_unit, read_scores
from skillscale.imports.sheet import read_sheet

COLUMNS: dict[str, tuple[str, ...]] = {
    "hub": ("fullname", "hfid", "modelname", "model"),
    "precision": ("precision",),
    "billions": ("paramsb", "params"),
    "kind": ("type", "kind", "t"),
    "merged": ("notmerged", "merged"),
    "flagged": ("flagged",),
    "moe": ("moe",),
    "chat_template": ("chattemplate",),
    "base_model": ("basemodel",),
    "submitted": ("submissiondate", "submitted", "date"),
    "uploaded": ("uploadtohubdate",),
    "official": ("officialproviders",),
}
"""Keys of columns, the one that wins first."""
RESCORED = "2025-02"
"""Month in which all of MATH was scored again."""
KINDS = {
    "continu": "continued", "pretrained": "pretrained", "chat": "chat", "fine": "finetuned",
    "merge": "merge", "🟩": "continued", "🟢": "pretrained", "💬": "chat", "🔶": "finetuned",
    "🤝": "merge",
}  # fmt: skip


def read_dump(path: Path, report: Report) -> pd.DataFrame:
    r"""Read a dump of the Open LLM Leaderboard.

    Args:
        path: CSV or parquet.
        report: hears what was taken for what.

    Returns:
        One row per run of the leaderboard: ``hub`` (name on the hub), ``precision``,
        ``billions`` (of parameters), ``kind`` (pretrained, continued, chat, finetuned, merge or
        empty), ``is_merge``, ``is_flagged``, ``is_moe``, ``chat_template``, ``base_model``,
        ``submitted``, ``uploaded`` (dates), ``official``; then raw scores by benchmark, fractions.

    Raises:
        TableError: the file is no such dump.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "dump.csv"
        >>> _ = path.write_text("Model,Type,ARC,MMLU\norg/ant-7b,pretrained,45.0,40.0\n")
        >>> read_dump(path, Report())[["hub", "kind", "arc_challenge", "mmlu"]]
                  hub        kind  arc_challenge  mmlu
        2  org/ant-7b  pretrained           0.45   0.4
    """
    cells = read_sheet(path, report)
    taken = {role: column_of(cells.columns, names) for role, names in COLUMNS.items()}
    if taken["hub"] is None:
        raise TableError(
            [f"{path.name}: no column names the models (Model, fullname, hf_id). Is it a dump?"]
        )
    frame = pd.DataFrame(
        {role: None if name is None else cells[name] for role, name in taken.items()},
        index=cells.index,
        dtype=object,
    )
    for role, name in taken.items():
        if name is not None:
            report.rows.append({"column": name, "taken_for": _shown_role(role), "unit": ""})
    frame["hub"] = frame["hub"].map(_name_in, na_action="ignore")
    frame["kind"] = frame["kind"].map(_kind, na_action="ignore")
    frame["is_moe"] = _switch(frame["moe"], taken["moe"], path.name, report)
    frame["is_flagged"] = _switch(frame["flagged"], taken["flagged"], path.name, report)
    merged = _switch(frame["merged"], taken["merged"], path.name, report)
    in_base = frame["base_model"].str.contains(r"\(Merge\)", na=False)
    frame["is_merge"] = merged | in_base | frame["kind"].eq("merge")
    frame["base_model"] = frame["base_model"].map(_base_name, na_action="ignore")
    scores = _scores(path.name, cells, taken.values(), _last_month(frame), report)
    return pd.concat([frame, scores], axis=1)[frame["hub"].notna()]


def benchmarks_of(frame: pd.DataFrame) -> list[str]:
    """The benchmarks among the columns of a dump that was read, in their order."""
    return [str(name) for name in frame.columns if name in described().index]


def _shown_role(role: str) -> str:
    return {"hub": "name on the hub", "billions": "n_params"}.get(role, role)


def _name_in(cell: str) -> str:
    """The name that a cell links, or is."""
    linked = re.search(r"huggingface\.co/([\w.-]+/[\w.-]+)", cell)
    return linked[1] if linked else re.sub(r"<[^>]+>", "", cell).strip()


def _base_name(cell: str) -> str | None:
    name = re.sub(r"\s*\(Merge\)\s*$", "", _name_in(cell))
    return None if is_absent(name) or name.lower() in ("removed", "unknown") else name


def _kind(cell: str) -> str | None:
    return next((kind for word, kind in KINDS.items() if word in cell.lower()), None)


def _last_month(frame: pd.DataFrame) -> str:
    return str(frame["submitted"].dropna().astype(str).str[:7].max())


def _switch(cells: pd.Series, name: str | None, file: str, report: Report) -> pd.Series:
    """A column of yes and no: dumps write the opposite of what some are called."""
    is_yes = cells.map(lambda cell: str(cell).lower() in ("true", "1", "1.0", "yes"))
    is_known = cells.notna()
    if name is None or not is_known.any():
        return pd.Series(False, index=cells.index)
    # Few rows are merges, flagged or mixtures of experts: what most are is the opposite.
    if is_yes[is_known].mean() > 0.5:
        if "not" not in name.lower():
            report.say(
                f"{file}: {name} is true of {is_yes.sum()} of {is_known.sum()} rows, and taken to "
                "say the opposite of its name, as in the dumps of the leaderboard."
            )
        return ~is_yes & is_known
    return is_yes if "not" not in name.lower() else ~is_yes & is_known


def _scores(
    file: str, cells: pd.DataFrame, others: Iterable[str | None], month: str, report: Report
) -> pd.DataFrame:
    names = load_aliases()
    others = set(others)
    found: dict[str, pd.Series] = {}
    left_out = []
    aliases = {
        str(name): alias
        for name in cells
        if name not in others and not NO_SCORE.search(str(name))
        if (alias := names.find(re.sub(r"\s*raw$", "", str(name), flags=re.IGNORECASE)))
    }
    read = _in_units(file, cells[list(aliases)], report)
    for name, alias in aliases.items():
        is_raw = key(name).endswith("raw")
        raws = [other for other in cells.columns if key(other) == f"{key(name)}raw"]
        if raws:
            left_out.append(name)
            continue
        benchmark = alias.benchmark
        if benchmark == "math_lvl_5" and is_raw and month >= RESCORED:
            benchmark = "math_lvl_5_rescored"
            report.say(f"{file}: {name} is that of {month}, after MATH was scored again.")
        values, unit = read[name]
        if benchmark in NORMALISED and not is_raw and unit == "percent":
            values = _raw_again(file, name, benchmark, values, report)
        report.rows.append({"column": name, "taken_for": benchmark, "unit": unit})
        found[benchmark] = values.round(6)
    if not found:
        raise TableError(
            [f"{file}: no column is called like a benchmark. Found: {', '.join(cells.columns)}."]
        )
    report.say(f"{file}: raw scores are taken, not the normalised ones of {{}}.", left_out)
    return pd.DataFrame(found, index=cells.index)


def _in_units(file: str, cells: pd.DataFrame, report: Report) -> dict[str, tuple[pd.Series, str]]:
    """Fractions of every column, and the unit they are written in, which raw columns share."""
    read, is_percent = read_scores(file, cells, report)
    for is_raw in (True, False):
        alike = [name for name in read if key(name).endswith("raw") == is_raw]
        is_percent |= in_one_unit(file, read, is_percent, alike, report)
    return {
        name: (values / 100, "percent") if is_percent[name] else (values, "fraction")
        for name, values in read.items()
    }


def _raw_again(
    file: str, name: str, benchmark: str, values: pd.Series, report: Report
) -> pd.Series:
    """Raw scores of normalised ones, where a dump of v2 has no others."""
    chance = number(described()["chance"][benchmark])
    below = np.isfinite(values) & values.le(0)
    report.doubt(
        f"{file}: there is no raw column of {name}; its percentages are taken to be normalised, "
        f"and turned back with a chance of {chance:g}. {int(below.sum())} zeros are left out."
    )
    return raw_score(values.where(~below), chance)
