"""Any table with a model per row and benchmarks as columns, as a table that can be fitted."""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import Path

import pandas as pd

from skillscale.data.rules import RELEASE_YEARS, number
from skillscale.errors import TableError
from skillscale.imports.aliases import key
from skillscale.imports.benchmark_rows import benchmark_rows
from skillscale.imports.draft import Draft, long_scores
from skillscale.imports.known_models import known_models
from skillscale.imports.model_rows import model_rows
from skillscale.imports.quantities import count, has_decimal_commas, is_absent
from skillscale.imports.report import Report
from skillscale.imports.score_columns import score_columns, score_values
from skillscale.imports.shapes import MODEL, require_once, with_model_per_row
from skillscale.imports.sheet import read_sheet

FACTS: dict[str, tuple[str, ...]] = {
    "model": MODEL,
    "family": ("family", "modelfamily", "series"),
    "lineage": ("lineage",),
    "base_model": ("basemodel", "base", "finetunedfrom"),
    "tuning": ("tuning", "type", "kind", "modeltype", "variant"),
    "n_params": ("nparams", "params", "parameters", "size", "modelsize", "numparams", "totalparams",
                 "totalparameters", "nparameters", "paramcount", "parametercount"),
    "n_active_params": ("nactiveparams", "activeparams", "activeparameters", "activatedparams"),
    "n_tokens": ("ntokens", "tokens", "trainingtokens", "pretrainingtokens", "traintokens",
                 "numtokens", "datasize", "trainingdata", "pretrainingdata"),
    "release": ("release", "released", "releasedate", "date", "month"),
    "developer": ("developer", "organization", "organisation", "org", "company", "provider"),
}  # fmt: skip
"""Keys of columns that describe models, the one that wins first."""
SWITCHES = {"yes", "no", "true", "false", "y", "n", "0", "1", "x", "✓", "✔", "✗", "-", ""}
"""What is in a column that says whether, not which."""
SUMMARY = re.compile(r"\b(?:average|avg|mean|median|total|recovery)\b", re.IGNORECASE)
"""In the names of rows that are of no model."""
COUNTS = ("n_params", "n_active_params", "n_tokens")
UNIT_WORDS = {"k": 3, "m": 6, "b": 9, "bn": 9, "t": 12, "million": 6, "millions": 6, "billion": 9,
              "billions": 9, "trillion": 12, "trillions": 12}  # fmt: skip
UNIT_WITHOUT = {"n_params": ((1e3, 9),), "n_active_params": ((1e3, 9),),
                "n_tokens": ((100, 12), (1e5, 9))}  # fmt: skip
"""Powers of ten of counts below a bound, where no unit is written."""


def read_wide(path: str | Path) -> tuple[Draft, Report]:
    r"""Read a table with a model per row.

    Args:
        path: CSV with any of the usual separators, XLSX or parquet. Benchmarks may stand in rows
            and models in columns, as in model cards, or every score in a row.

    Returns:
        A table, and what was taken for what.

    Raises:
        TableError: no column names models, or none holds scores.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
        >>> _ = path.write_text("Name;Params;Tokens;MMLU;AIME 2025\nant-7b;7B;2T;45,3 %;10,0 %\n")
        >>> draft, report = read_wide(path)
        >>> draft.models[["model", "family", "n_params", "n_tokens"]]
            model family n_params n_tokens
        0  ant-7b    ant    7e+09    2e+12
        >>> draft.scores[["benchmark", "score"]]
           benchmark  score
        0       mmlu  0.453
        1  aime_2025    0.1
    """
    path, report = Path(path), Report()
    cells = with_model_per_row(path.name, read_sheet(path, report), report)
    facts = _facts(path.name, cells, report)
    cells = cells.loc[facts.index]
    columns = score_columns(path.name, cells, facts.attrs["taken"], report)
    wide = score_values(path.name, cells, columns, report)
    wide.index = pd.Index(facts["model"])
    kept = wide.notna().any(axis=1)
    if not kept.any():
        raise TableError([f"{path.name}: no score could be read. {' '.join(report.doubts)}"])
    report.doubt("{} have no score, and are left out.", wide.index[~kept])
    models = model_rows(facts[kept.to_numpy()], path.name, report, is_dump=False)
    wide = wide[wide.index.isin(models["model"])].dropna(axis="columns", how="all")
    if wide.empty:
        raise TableError([f"{path.name}: no model with scores is left. {' '.join(report.doubts)}"])
    titles = {column.benchmark: column.title for column in columns if column.benchmark in wide}
    return Draft(models, long_scores(wide, path.name), benchmark_rows(titles, report)), report


def _facts(file: str, cells: pd.DataFrame, report: Report) -> pd.DataFrame:
    """What the file says of models, under the names used here."""
    found: dict[str, tuple[str, int]] = {}
    for role, names in FACTS.items():
        ranked = []
        for column in cells.columns:
            stem, power = _unit(column) if role in COUNTS else (column, 0)
            if key(stem) in names and column not in [name for name, _ in found.values()]:
                ranked.append((names.index(key(stem)), column, power))
        if ranked:
            _, column, power = min(ranked)
            if role != "base_model" or not set(cells[column].dropna().str.lower()) <= SWITCHES:
                found[role] = column, power
    if "model" not in found:
        first = str(cells.columns[0])
        if not cells[first].is_unique:
            raise TableError([f"{file}: no column names the models. Call one 'model'."])
        found["model"] = first, 0
        report.say(f"{file}: models are taken to be named by the first column, {first!r}.")
    frame = pd.DataFrame({role: cells[column] for role, (column, _) in found.items()}, dtype=object)
    frame = frame.map(lambda cell: None if is_absent(cell) else cell)
    frame = _named(file, frame, report)
    require_once(file, "models", frame["model"])
    for role, (column, power) in found.items():
        unit = f"times 1e{power}" if power else ""
        report.rows.append({"column": column, "taken_for": role, "unit": unit})
        if role in COUNTS:
            named = frame.set_index("model")[role]
            frame[role] = _counts(file, role, named, power, report).to_numpy()
    if "tuning" in frame:
        frame["tuning"] = frame["tuning"].map(_tuning, na_action="ignore")
    if "release" in frame:
        frame["release"] = _releases(file, frame, report)
    known = known_models()
    is_given = {"n_params", "family", "release"} <= set(frame)
    alike = frame["model"].map(known.alike)
    report.say(
        "models of the shipped table, with its facts where the file has none: {}.",
        frame["model"][alike.notna()] if not is_given else [],
    )
    frame = _with_shipped(frame, alike)
    frame.attrs["taken"] = [column for column, _ in found.values()]
    return frame


def _named(file: str, frame: pd.DataFrame, report: Report) -> pd.DataFrame:
    """Rows that are of a model; sizes that share its name, once or for all, become part of it."""
    frame = frame.copy()
    if "n_params" in frame:
        name, has_size = frame["model"], frame["n_params"].notna()
        name = name.where(name.notna() | ~has_size, name.ffill())
        shared = has_size & name.notna() & name.duplicated(keep=False)
        frame["model"] = name.where(~shared, name + " " + frame["n_params"].astype(str))
        report.say(
            f"{file}: models that share a name are called by their sizes too: {{}}.",
            frame["model"][shared],
        )
    is_summary = frame["model"].astype(str).str.contains(SUMMARY)
    report.say(f"{file}: rows that are not taken for models: {{}}.", frame["model"][is_summary])
    is_unnamed = frame["model"].isna()
    report.doubt(
        f"{file}: a model has no name, and is left out, at line {{}}.",
        [str(line) for line in frame.index[is_unnamed]],
    )
    return frame[~is_unnamed & ~is_summary]


def _with_shipped(frame: pd.DataFrame, alike: pd.Series) -> pd.DataFrame:
    """What the shipped table says of models that it has, where the file says nothing."""
    cells = known_models().cells
    filled = frame.copy()
    for name in ("family", "lineage", "tuning", *COUNTS, "release"):
        shipped = alike.map(cells[name]).astype(object)
        own = filled[name] if name in filled else pd.Series(None, index=frame.index, dtype=object)
        filled[name] = own.where(own.notna(), shipped)
    if "n_params" in frame:  # Sizes of a file are rounded, and active parameters are not more.
        filled["n_active_params"] = [
            None
            if total is not None and active is not None and number(active) > number(total)
            else active
            for active, total in zip(filled["n_active_params"], filled["n_params"], strict=True)
        ]
    if "family" in frame:  # Families of a file and lineages of the shipped table may not agree.
        filled["lineage"] = frame.get("lineage")
    return filled.where(filled.notna(), None)


def _unit(name: str) -> tuple[str, int]:
    """A header without its unit, and the power of ten that this stands for."""
    found = re.fullmatch(r"(.*?)[\s_]*[(\[]?\s*(?:in )?([A-Za-z]+)\s*[)\]]?", name.strip())
    if found and found[1] and found[2].lower() in UNIT_WORDS:
        return found[1].strip(" _#"), UNIT_WORDS[found[2].lower()]
    return name.strip(" #"), 0


def _counts(file: str, role: str, cells: pd.Series, power: int, report: Report) -> pd.Series:
    """Counts of a column, as text; empty where they are none."""
    decimal_comma = has_decimal_commas(cells.dropna())
    read = cells.map(
        lambda cell: (
            (math.nan, True) if is_absent(cell) else count(cell, decimal_comma=decimal_comma)
        )
    )
    values = read.map(lambda pair: pair[0]).astype(float)
    is_plain = ~read.map(lambda pair: pair[1]) & values.notna()
    wrong = [f"{name} = {cells[name]!r}" for name in cells.index[values.isna() & cells.notna()]]
    report.doubt(f"{file}: {role} is no count, and left empty, for {{}}.", wrong)
    if power:
        values = values.where(~is_plain, values * 10.0**power)
    elif is_plain.any():
        largest = values[is_plain].max()
        power = next((p for bound, p in UNIT_WITHOUT[role] if largest < bound), 0)
        if power:
            report.say(f"{file}: {role} has no unit, and is taken to be in units of 1e{power}.")
            values = values.where(~is_plain, values * 10.0**power)
    return values.map(lambda value: f"{value:.6g}" if math.isfinite(value) else None)


def _tuning(cell: str) -> str | None:
    words = cell.lower()
    if re.search(r"\b(un|non?t?)[ -]?(instruct|chat|tuned|fine|align)", words):
        return "base"
    if re.search(r"instruct|chat|tuned|rlhf|sft|reason|align|\b(it|dpo|ppo|rl|orpo|grpo)\b", words):
        return "instruct"
    return "base" if any(word in words for word in ("base", "pretrain", "foundation")) else None


def _month_in_words(cell: str) -> str:
    """A date with the name of its month as year and month; others as they are."""
    for form in ("%b %Y", "%B %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"):
        try:
            return datetime.strptime(cell, form).strftime("%Y-%m")
        except ValueError:
            continue
    return cell


def _releases(file: str, frame: pd.DataFrame, report: Report) -> pd.Series:
    """Months, whatever follows them; empty where there is none."""
    cells = frame["release"].map(_month_in_words, na_action="ignore")
    # A point and one digit may be a number, rounded: 2024.1 for October.
    found = cells.str.extract(r"^(\d{4})(?:[-/](?=\d)|\.(?=\d\d))(\d{1,2})(?:\D|$)")
    is_month = found[0].astype(float).between(*RELEASE_YEARS) & found[1].astype(float).between(
        1, 12
    )
    report.doubt(
        f"{file}: release is no month (2025-03), and left empty, for {{}}.",
        [
            f"{name} = {cell!r}"
            for name, cell in zip(frame["model"], cells.where(~is_month), strict=True)
            if isinstance(cell, str)
        ],
    )
    months = found[0] + "-" + found[1].str.zfill(2)
    return months.where(is_month, None).astype(object)
