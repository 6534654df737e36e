"""Models with all that a table needs: what is known of them, and what has to be assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from skillscale.data.rules import number, numbers
from skillscale.formatting import counted, format_count
from skillscale.imports.known_models import KnownModels, known_models
from skillscale.imports.quantities import is_tuned, size_in_name, without_size
from skillscale.imports.report import Report

COLUMNS = (
    "model", "family", "lineage", "tuning", "n_params", "n_active_params", "n_tokens", "release",
    "developer", "hub_name", "base_model", "recipe", "source",
)  # fmt: skip
Cells = dict[Any, Any]

OTHER_SIZE = 1.25
"""Sizes further apart than this are not of the same weights."""
ON_THE_HUB = r"[\w.-]+/[\w.-]+"
"""Owner and name."""
MOST_STEPS = 10
"""Fine-tunes of fine-tunes that are followed to what they descend from."""


def model_rows(
    models: pd.DataFrame, source: str, report: Report, *, is_dump: bool = True
) -> pd.DataFrame:
    """The rows of ``models.csv``.

    Args:
        models: one row per model: ``model`` and any of ``known`` (the model of the shipped table
            that it is), ``hub``, ``base_model``, ``kind``, ``is_moe``, and columns of
            ``models.csv``, of which cells may be missing.
        source: where they are from.
        report: hears what is assumed.
        is_dump: whether no model is younger than the last of these whose release is known.

    Returns:
        Text, with what a table needs; models whose size nobody knows are left out.

    Example:
        >>> report = Report()
        >>> models = pd.DataFrame({"model": ["org/ant-7b-chat"], "base_model": ["Qwen/Qwen2-7B"]})
        >>> rows = model_rows(models.assign(release="2024-09"), "dump.csv", report)
        >>> rows[["family", "lineage", "tuning", "n_params", "n_tokens"]]
                   family lineage    tuning n_params n_tokens
        0  org/ant-chat   qwen2  instruct    7e+09     7e12
    """
    known = known_models()
    columns = dict.fromkeys((*COLUMNS, "known", "hub", "kind", "is_moe"))
    frame = models.assign(**{name: None for name in columns if name not in models})
    frame = frame.astype(object).where(frame.notna(), None)
    is_hub = frame["model"].astype(str).str.fullmatch(ON_THE_HUB) & frame["hub"].isna()
    frame["hub"] = frame["hub"].mask(is_hub, frame["model"])
    bases = {
        str(row["hub"] or row["model"]).lower(): row["base_model"]
        for row in frame.to_dict("records")
    }
    rows = [
        _known_row(row, known) if row["known"] else _other_row(row, bases, known)
        for row in frame.to_dict("records")
    ]
    filled = pd.DataFrame(rows).astype(object)
    filled["developer"] = filled["developer"].map(known.developer, na_action="ignore")
    filled = filled.where(filled.notna(), None)
    _say(filled, report)
    filled = filled[filled["n_params"].notna()]
    filled["family"] = _families(filled, report)
    filled["release"] = _releases(filled["model"], filled["release"], report, is_dump)
    filled["source"] = filled["source"].fillna(source)
    kept = [name for name in COLUMNS if name != "recipe" or filled[name].notna().any()]
    return filled[kept].reset_index(drop=True)


def _known_row(row: Cells, known: KnownModels) -> Cells:
    """A model of the shipped table, as it is there, and what a file says beyond it."""
    shipped = known.cells.loc[str(row["known"])].to_dict()
    told = {name: row[name] for name in COLUMNS if row[name] is not None}
    owner = str(row["hub"]).split("/")[0] if row["hub"] and "/" in str(row["hub"]) else None
    facts = dict.fromkeys(COLUMNS) | {"hub_name": row["hub"], "developer": owner} | told
    facts |= {name: cell for name, cell in shipped.items() if name in COLUMNS and cell is not None}
    if str(facts["base_model"]).lower() == str(row["hub"]).lower():
        facts["base_model"] = None
    return facts | {"model": row["model"], "how": "shipped", "ancestor_size": None}


def _other_row(row: Cells, bases: Mapping[str, str | None], known: KnownModels) -> Cells:
    """A model that is not shipped: by the file, by what it descends from, by its name."""
    model, hub, kind = str(row["model"]), row["hub"], row["kind"]
    facts = {name: row[name] for name in COLUMNS}
    facts["hub_name"] = facts["hub_name"] or hub
    if str(row["base_model"]).lower() in (str(hub).lower(), model.lower()):
        facts["base_model"] = None
    if hub and "/" in hub:
        facts["developer"] = facts["developer"] or hub.split("/")[0]
    root, ancestor = _ancestor(str(hub or model), bases, known)
    if facts["recipe"] is None and kind == "continued":
        facts["recipe"] = kind
    how = []
    if facts["lineage"] is None and root is not None:
        facts["lineage"] = root if ancestor is None else known.cells.loc[ancestor, "lineage"]
        how.append("lineage" if ancestor is None else "known lineage")
    if facts["tuning"] is None:
        by_kind = {"pretrained": "base", "continued": "base", "chat": "instruct"}
        by_kind |= {"finetuned": "instruct", "merge": "instruct"}
        facts["tuning"] = by_kind.get(str(kind))
    if facts["tuning"] is None:
        tuned = is_tuned(model) or facts["base_model"] is not None
        facts["tuning"] = "instruct" if tuned else "base"
        how.append("tuning")
    if facts["n_tokens"] is None and ancestor is not None and kind not in ("continued", "merge"):
        facts["n_tokens"] = known.cells.loc[ancestor, "n_tokens"]
        how += ["tokens"] if facts["n_tokens"] is not None else []
    if facts["n_params"] is None and math.isfinite(size_in_name(model)):
        facts["n_params"] = f"{size_in_name(model):.6g}"
        how.append("size")
    size = None if ancestor is None else known.cells.loc[ancestor, "n_params"]
    return facts | {"how": " ".join(how), "ancestor_size": None if row["is_moe"] else size}


def _ancestor(
    name: str, bases: Mapping[str, str | None], known: KnownModels
) -> tuple[str | None, str | None]:
    """What a model descends from: the name of that, and the shipped model if it is one."""
    seen = {name.lower()}
    root = None
    for _ in range(MOST_STEPS):
        base = bases.get((root or name).lower())
        if base is None or base.lower() in seen:
            break
        root = base
        seen.add(base.lower())
        if (alike := known.alike(base)) is not None:
            return root, alike
    return root, None


def _families(rows: pd.DataFrame, report: Report) -> pd.Series:
    """Families where none is given: models of one name apart from size, if of one lineage."""
    by_name = rows["model"].map(without_size)
    family = rows["family"].where(rows["family"].notna(), by_name)
    lineage = rows["lineage"].where(rows["lineage"].notna(), family)
    is_split = lineage.groupby(family).transform("nunique") > 1
    is_free = rows["family"].isna()
    family = family.where(~(is_split & is_free), rows["model"])
    shared = family[is_free & family.duplicated(keep=False)].unique()
    report.say(
        "families are what names of several models share apart from size: {}.",
        shared,
    )
    return family


def _releases(models: pd.Series, releases: pd.Series, report: Report, is_dump: bool) -> pd.Series:
    """Months of release; the last one known where there is none."""
    known = list(releases.dropna())
    if not (known and is_dump):
        known.append(known_models().cells["release"].max())
    last = max(known)
    absent = releases.isna()
    report.say(
        f"the release of {counted(int(absent.sum()), 'model')} is not known, and taken to be "
        f"{last}, the last month there is: {{}}.",
        models[absent],
    )
    return releases.where(~absent, last)


def _say(rows: pd.DataFrame, report: Report) -> None:
    """What was assumed of how many models, and which."""
    said = {
        "known lineage": "lineages are those of what models descend from, for ",
        "tokens": "tokens are those of what models descend from, for ",
        "tuning": "names say whether models are base or tuned (instruct), for ",
        "size": "names say sizes, for ",
    }
    for how, sentence in said.items():
        chosen = rows[rows["how"].str.contains(rf"(?:^| ){how}(?:$| )", regex=True)]
        if how == "size":
            listed = [
                f"{model} {format_count(number(size))}"
                for model, size in zip(chosen["model"], chosen["n_params"], strict=True)
            ]
        else:
            listed = list(chosen["model"])
        report.say(f"{sentence}{counted(len(chosen), 'model')}: {{}}.", listed)
    ratio = numbers(rows["n_params"]) / numbers(rows["ancestor_size"])
    far = ratio.notna() & ~ratio.between(1 / OTHER_SIZE, OTHER_SIZE)
    report.doubt(
        "the size of a model is not that of what it descends from: {}.",
        [
            f"{model} {format_count(number(size))}, {times:.2g} times"
            for model, size, times in zip(
                rows["model"][far], rows["n_params"][far], ratio[far], strict=True
            )
        ],
    )
    report.doubt(
        "the size of {} is not known: left out. Fill in n_params.",
        rows["model"][rows["n_params"].isna()],
    )
