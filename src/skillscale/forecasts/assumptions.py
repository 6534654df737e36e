"""What a forecast assumes where a user has not said it, in sentences beside the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches

import pandas as pd

from skillscale.data.plan import NEW_FAMILY
from skillscale.formatting import format_count
from skillscale.posterior.result import Fit

SAME_SIZE = 1.1
"""Times that counts of one model may differ by."""
ALIKE = 0.7
"""Least similarity of names that may be meant for one another."""


def assumptions(fit: Fit, plan: pd.DataFrame, observed: pd.DataFrame | None = None) -> list[str]:
    """Say what is assumed of the models of new families, and which names were not recognised.

    Args:
        fit: the fit that is asked.
        plan: models to forecast, as in `forecast`.
        observed: models with scores, likewise.

    Returns:
        Sentences; none where everything was said.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = {"model": ["b"], "family": "llama2", "n_params": 90e9, "n_tokens": 2e12}
        >>> assumptions(fit, pd.DataFrame(plan).assign(tuning="base", release="2024-01"))
        ["family 'llama2' is not in the fit: a new one is assumed. Nearest: 'llama-2', 'llama'."]
    """
    known = fit.models
    frames = [frame for frame in (observed, plan) if frame is not None]
    columns = ["model", "family", "lineage", "tuning", "release", "n_params", "n_tokens"]
    given = pd.concat([frame.reindex(columns=columns).astype(object) for frame in frames])
    unnamed = given[given["family"].isna()]
    given["family"] = given["family"].fillna(NEW_FAMILY)
    fresh = given[~given["family"].isin(known["family"])]
    found = [*_unknown_names(fresh, known), *_one_family(unnamed), *_spellings(fresh)]
    no_tuning = fresh[fresh["tuning"].isna()]
    if len(no_tuning):
        found.append(f"{_listed(no_tuning)}: no tuning is given, base models are assumed.")
    no_release = fresh[fresh["release"].isna()]
    if len(no_release):
        found.append(
            f"{_listed(no_release)}: no release is given, {known['release'].max()} is assumed, the "
            "last month of the fit."
        )
    without = given[given["n_tokens"].isna()]
    if len(without):
        found.append(f"{_listed(without)}: no tokens are given, a wide range of counts is assumed.")
    return found + ([] if observed is None else [*_twins(observed), *_sizes(observed, plan)])


def with_release(fit: Fit, models: pd.DataFrame, month: str) -> pd.DataFrame:
    """Models of new families of which no release is given, released in a month.

    Args:
        fit: the fit that is asked.
        models: as in `forecast`.
        month: ``YYYY-MM``.

    Returns:
        The same frame where every release is given.
    """
    given = models.reindex(columns=["family", "release"]).astype(object)
    is_open = ~given["family"].isin(fit.models["family"]) & given["release"].isna()
    if not is_open.any():
        return models
    return models.assign(release=given["release"].mask(is_open, month))


def this_month() -> str:
    """The current month, as releases are written."""
    return f"{datetime.now(UTC):%Y-%m}"


def _listed(models: pd.DataFrame) -> str:
    return ", ".join(models["model"].drop_duplicates())


def _unknown_names(fresh: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """Families and lineages that are not in the fit, but look like one that is."""
    found = []
    for column in ("family", "lineage"):
        names = list(known[column].unique())
        for name in fresh[column].dropna().unique():
            if name in names or (column == "lineage" and name in set(fresh["family"])):
                continue
            near = get_close_matches(str(name).lower(), names, cutoff=ALIKE)
            near += [n for n in names if str(name).lower() in n or n in str(name).lower()]
            if near:
                shown = ", ".join(repr(n) for n in list(dict.fromkeys(near))[:3])
                found.append(
                    f"{column} {name!r} is not in the fit: a new one is assumed. Nearest: {shown}."
                )
    return found


def _one_family(unnamed: pd.DataFrame) -> list[str]:
    """Models without a family whose names begin differently."""
    stems = unnamed["model"].astype(str).str.lower().str.extract(r"^([a-z]*)", expand=False)
    if stems.nunique() < 2:
        return []
    return [
        f"{_listed(unnamed)}: no family is given, and all are taken to be of one new family. Name "
        "families in a column family if they are not."
    ]


def _spellings(fresh: pd.DataFrame) -> list[str]:
    """New families that may be one, written in two ways."""
    names = pd.Series(fresh["family"].unique(), dtype=object).astype(str)
    alike = names.groupby(names.str.lower().str.replace(r"[^a-z0-9]", "", regex=True))
    return [
        f"{' and '.join(map(repr, rows))} are taken for different families: scores of one say "
        "nothing of the other. Write them alike if they are one."
        for _, rows in alike
        if len(rows) > 1
    ]


def _sizes(observed: pd.DataFrame, plan: pd.DataFrame) -> list[str]:
    """Models that are observed and planned, of different sizes."""
    if "n_params" not in observed or "n_params" not in plan:
        return []
    one, other = (m.drop_duplicates("model").set_index("model") for m in (observed, plan))
    both = one.index.intersection(other.index)
    sizes = zip(one.loc[both, "n_params"], other.loc[both, "n_params"], strict=True)
    return [
        f"{model} is observed with {format_count(seen)} parameters and planned with "
        f"{format_count(planned)}. Give them different names if they are not one model."
        for model, (seen, planned) in zip(both, sizes, strict=True)
        if max(seen, planned) > SAME_SIZE * min(seen, planned)
    ]


def _twins(observed: pd.DataFrame) -> list[str]:
    """Rows that may not be independent models: of one size and token count, or of one run."""

    def alike(*keys: str) -> list[pd.DataFrame]:
        known = observed.dropna(subset=["n_params", "n_tokens"])
        groups = known.groupby([name for name in keys if name in known], dropna=False)
        return [rows for _, rows in groups if len(rows) > 1]

    twins = alike("n_params", "n_tokens", "tuning")
    of_a_size = alike("family", "n_params", "tuning")
    runs = [rows for rows in of_a_size if rows["n_tokens"].nunique() > 1]
    said = "they count as models trained independently, and the forecast is too sure if they are"
    return [
        f"{_listed(rows)} share size and tokens: {said} one model evaluated twice, or merged or "
        "tuned from one. Keep one row of each."
        for rows in twins
    ] + [
        f"{_listed(rows)} share a size: {said} checkpoints of one run. Keep the last."
        for rows in runs
    ]
