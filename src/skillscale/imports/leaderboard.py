"""Dumps of the Open LLM Leaderboard as a table that can be fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skillscale.data.rules import numbers
from skillscale.errors import TableError
from skillscale.formatting import counted
from skillscale.imports.benchmark_rows import benchmark_rows, why_impossible
from skillscale.imports.draft import Draft, long_scores
from skillscale.imports.dump import benchmarks_of, read_dump
from skillscale.imports.known_models import known_models
from skillscale.imports.model_rows import model_rows
from skillscale.imports.quantities import size_in_name
from skillscale.imports.repeats import without_repeats
from skillscale.imports.report import Report

ROUNDED = 1.0
"""Billions by which a size in whole billions may be off."""


@dataclass(frozen=True)
class Chosen:
    """Which rows of a dump are wanted.

    Attributes:
        merges: whether merges of other models are.
        flagged: whether models that the leaderboard flagged are.
        is_official: models of those who train base models only (True), of the community only
            (False), or both (None).
    """

    merges: bool = False
    flagged: bool = False
    is_official: bool | None = None


def read_leaderboard(path: str | Path, chosen: Chosen | None = None) -> tuple[Draft, Report]:
    r"""Read a dump of the Open LLM Leaderboard.

    Args:
        path: CSV or parquet, of v1, v2, or compiled.
        chosen: which rows are wanted; by default all but merges and flagged ones.

    Returns:
        A table, and what was taken for what.

    Raises:
        TableError: the file is no such dump, or no row of it is wanted.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "dump.csv"
        >>> head = "Model,Type,Precision,#Params (B),ARC,MMLU\n"
        >>> _ = path.write_text(head + "meta-llama/Llama-2-7b-hf,pretrained,float16,6,53.1,43.8")
        >>> draft, report = read_leaderboard(path)
        >>> draft.models[["model", "family", "n_params", "n_tokens"]]
                model   family n_params n_tokens
        0  llama-2-7b  llama-2      7e9     2e12
        >>> draft.scores["score"].tolist()
        ['0.531', '0.438']
    """
    path, report = Path(path), Report()
    chosen = Chosen() if chosen is None else chosen
    runs = read_dump(path, report)
    names = benchmarks_of(runs)
    known = known_models()
    matched = known.matched(runs["hub"])
    runs["known"] = runs["hub"].map(matched).astype(object)
    runs["model"] = runs["hub"].map(lambda hub: matched.get(hub, hub))
    runs = _wanted(runs, chosen, report)
    if runs.empty:
        raise TableError([f"{path.name}: no row is left. {' '.join(report.said)}"])
    runs = without_repeats(runs, report)
    runs["n_params"] = _sizes(runs, report)
    runs["release"] = _months(runs)
    report.say(
        "mixtures of experts that are not shipped count all of their parameters as active: {}.",
        runs["model"][runs["is_moe"] & runs["known"].isna()],
    )
    wide = _possible(runs.set_index("model")[names], report)
    wide = wide[wide.notna().any(axis=1)]
    models = model_rows(runs[runs["model"].isin(wide.index)], path.name, report)
    wide = wide.loc[wide.index.isin(models["model"])].dropna(axis="columns", how="all")
    if models.empty:
        raise TableError([f"{path.name}: no row is left. {' '.join(report.doubts)}"])
    n_known = int(runs["known"].notna().sum())
    report.say(f"{n_known} of {len(runs)} models are known from the shipped table, with its facts.")
    report.say("releases of others are their months of upload, else of submission.")
    titles = {str(name): str(name) for name in wide.columns}
    draft = Draft(models, long_scores(wide, path.name), benchmark_rows(titles, report))
    return draft, report


def _wanted(runs: pd.DataFrame, chosen: Chosen, report: Report) -> pd.DataFrame:
    """Leave out merges, flagged rows, and official or community models, and say how many."""
    official = _is_official(runs)
    n_official = int(official.sum())
    report.say(
        f"{n_official} rows are official (of those who train base models, by the owner on the hub "
        f"and the type), {len(runs) - n_official} of the community."
    )
    left_out = {
        "merges (--merges keeps them)": runs["is_merge"] & (not chosen.merges),
        "flagged by the leaderboard (--flagged keeps them)": runs["is_flagged"]
        & (not chosen.flagged),
        "of the community": ~official & (chosen.is_official is True),
        "official": official & (chosen.is_official is False),
    }
    kept = pd.Series(True, index=runs.index)
    for what, is_out in left_out.items():
        if count := int((kept & is_out).sum()):
            report.say(f"{counted(count, 'row')} left out: {what}.")
        kept &= ~is_out
    untyped = int((runs["kind"].isna() & kept).sum())
    if untyped:
        report.doubt(
            f"the type of {counted(untyped, 'row')} is not said: merges among them can't be told "
            "from others, and those of the community are taken to be tuned (instruct)."
        )
    kind = runs["kind"].where(runs["kind"].notna() | official, "finetuned")
    kind = kind.where(~runs["is_merge"], "merge")
    return runs.assign(kind=kind)[kept]


def _is_official(runs: pd.DataFrame) -> pd.Series:
    """Rows whose owner on the hub trains base models: known ones, or typed as pretrained here."""
    owner = runs["hub"].str.lower().str.split("/").str[0].where(runs["hub"].str.contains("/"))
    own = runs["base_model"].isna() | runs["base_model"].str.lower().eq(runs["hub"].str.lower())
    trained = runs["kind"].eq("pretrained") & own & ~runs["is_merge"]
    told = runs["official"].map(lambda cell: str(cell).lower() in ("true", "1", "1.0"))
    return ((owner.isin(known_models().owners()) | trained | told) & ~runs["is_merge"]) | runs[
        "known"
    ].notna()


def _sizes(runs: pd.DataFrame, report: Report) -> pd.Series:
    """Parameters as the dump says; by the name where that is more precise, or all there is."""
    billions = numbers(runs["billions"])
    billions = billions.where(billions > 0)
    named = runs["model"].map(size_in_name) / 1e9
    are_whole = bool((billions.dropna() % 1 == 0).all())
    finer = named.notna() & (named - billions).abs().le(ROUNDED) if are_whole else billions.isna()
    if are_whole and billions.notna().any():
        is_other = runs["known"].isna()
        report.say(
            "sizes are in whole billions; where a name says one no further than a billion off, "
            f"that is taken ({counted(int((finer & is_other).sum()), 'model')})."
        )
    sizes = billions.where(~finer, named)
    return sizes.map(lambda size: f"{size * 1e9:.6g}" if math.isfinite(size) else None)


def _months(runs: pd.DataFrame) -> pd.Series:
    """Months of upload, else of submission."""
    dates = runs["uploaded"].where(runs["uploaded"].notna(), runs["submitted"])
    months = dates.astype("string").str[:7]
    return months.where(months.str.fullmatch(r"\d{4}-\d\d").fillna(False)).astype(object)


def _possible(wide: pd.DataFrame, report: Report) -> pd.DataFrame:
    """Leave out scores that their benchmark can't have, and name them."""
    kept = wide.copy()
    for name in wide:
        reasons: dict[str, list[str]] = {}
        for model, value in wide[name].dropna().items():
            why = why_impossible(str(name), float(value))
            if why is not None:
                kept.loc[model, name] = np.nan
                reasons.setdefault(why.split(";")[0], []).append(f"{model} = {value:.4g}")
        for why, listed in reasons.items():
            report.doubt(f"{name} {why}, and is left out, for {', '.join(listed)}.")
    return kept
