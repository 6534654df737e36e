"""Folds: what training may see, what is shown of a new family, and what is to be forecast."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skillscale.backtest import published
from skillscale.data.table import Table
from skillscale.errors import SkillscaleError

CUTS = ("2023-08", "2023-12", "2024-05")
"""First months of the test period in the time-ordered protocol."""
KNOWN = (1, 3, 5, 10)
"""Numbers of known scores in the protocol that leaves benchmarks out."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One question to every method.

    Attributes:
        name: the family, lineage and cut date, or model it is about.
        held_out: models of which training sees nothing.
        seen: scores shown of new models, as a frame (model, benchmark) with NaN elsewhere.
        test: scores to forecast, laid out alike.

    Example:
        >>> seen, test = (pd.DataFrame({"mmlu": [0.5]}, [name]) for name in ("a-7b", "a-70b"))
        >>> Fold("a", frozenset(["a-7b", "a-70b"]), seen, test).n_test
        1
    """

    name: str
    held_out: frozenset[str]
    seen: pd.DataFrame
    test: pd.DataFrame

    @property
    def n_test(self) -> int:
        """Number of scores to forecast."""
        return int(self.test.notna().to_numpy().sum())


def sloth_folds(table: Table, n_seen: int, setting: str) -> list[Fold]:
    """Folds of the published comparison (arXiv:2412.06540, section 5).

    Of every family of a fold the smallest models by published size are seen, and larger ones are
    forecast, among the models with a token count and all scores of the setting. Training sees
    nothing else of their lineage.

    Args:
        table: the classic table.
        n_seen: models seen per family, 1 or 2.
        setting: ``v1``, ``v2`` or ``v1+v2``.

    Returns:
        Folds in the published order, scores as fractions.

    Raises:
        SkillscaleError: there is no such published setting, or the table lacks its models.

    Example:
        >>> from skillscale import load_table
        >>> folds = sloth_folds(load_table("classic"), 1, "v1+v2")
        >>> len(folds), folds[0].name, list(folds[0].seen.index), len(folds[0].test)
        (11, 'bloom', ['bloom-560m'], 3)
    """
    rows = published.folds(n_seen, setting)
    # Models without a token count could not be part of the comparison.
    size = published.covariates().dropna()["n_params"]
    benchmarks = setting_benchmarks(table, setting)
    complete = table.wide()[benchmarks].dropna()
    had = size.index.intersection(published.evaluated_on(setting))
    complete = complete[complete.index.isin(had)]
    families = table.models["family"]
    absent = sorted(set(rows["family"]) - set(families.loc[complete.index]))
    if absent:
        raise SkillscaleError(f"the table lacks families of the comparison: {', '.join(absent)}.")
    folds = []
    for name, of_fold in rows.groupby("fold", sort=False):
        seen, test = [], []
        for family in of_fold["family"]:
            members = complete.index[families.loc[complete.index] == family]
            by_size = size.loc[members].sort_values(kind="stable").index
            seen += list(by_size[:n_seen])
            test += list(by_size[n_seen:])
        lineages = table.models.loc[test, "lineage"]
        held_out = table.models.index[table.models["lineage"].isin(lineages)]
        folds.append(Fold(str(name), frozenset(held_out), complete.loc[seen], complete.loc[test]))
    return folds


def time_ordered_folds(table: Table, n_seen: int, cuts: Sequence[str] = CUTS) -> list[Fold]:
    """Folds that train on models released before a date and forecast families released after it.

    Of each new family the ``n_seen`` smallest models are seen, and all larger ones are forecast.

    Args:
        table: models with releases.
        n_seen: models seen per family; none is allowed.
        cuts: first months of the test period, as ``2024-05``.

    Returns:
        A fold per cut and lineage; all families released from the cut on are held out of it.

    Raises:
        SkillscaleError: a cut is no month, or leaves nothing to train on or nothing to forecast.

    Example:
        >>> from skillscale import load_table
        >>> [f.name for f in time_ordered_folds(load_table("classic"), 2, ["2024-05"])]
        ['qwen2 from 2024-05', 'smollm from 2024-05', 'yi-1.5 from 2024-05']
    """
    wide = table.wide()[setting_benchmarks(table, "v1+v2")]
    models = table.models[wide.notna().any(axis=1)]
    first = models.groupby("family")["release"].transform("min")
    folds: list[Fold] = []
    for cut in map(_month, cuts):
        new = models[first >= cut]
        if len(new) == len(models):
            raise SkillscaleError(f"no family was released before {cut}: nothing to train on.")
        before = len(folds)
        for lineage, relatives in new.groupby("lineage"):
            seen, test = smallest(relatives, n_seen)
            if test:
                name = f"{lineage} from {cut}"
                folds.append(Fold(name, frozenset(new.index), wide.loc[seen], wide.loc[test]))
        if len(folds) == before:
            raise SkillscaleError(f"no family released from {cut} has more than {n_seen} models.")
    return folds


def leave_benchmarks_folds(table: Table, n_known: int, seed: int = 0) -> list[Fold]:
    """Folds that know some scores of one new model and forecast its others.

    Every model with all twelve leaderboard scores is a fold; which are known is drawn at random.
    Training sees nothing else of its lineage.

    Args:
        table: models and scores.
        n_known: scores known.
        seed: the only source of randomness.

    Returns:
        A fold per model, scores as fractions.

    Raises:
        SkillscaleError: nothing would be known, or nothing left to forecast.

    Example:
        >>> from skillscale import load_table
        >>> folds = leave_benchmarks_folds(load_table("classic"), 3)
        >>> int(folds[0].seen.notna().sum().sum()), folds[0].n_test
        (3, 9)
    """
    wide = table.wide()[setting_benchmarks(table, "v1+v2")].dropna()
    if not 0 < n_known < wide.shape[1]:
        raise SkillscaleError(
            f"known scores must be between 1 and {wide.shape[1] - 1}, found {n_known}."
        )
    lineage = table.models["lineage"]
    rng = np.random.default_rng(seed)
    folds = []
    for model, scores in wide.iterrows():
        chosen = rng.permutation(wide.shape[1])[:n_known]
        known = np.isin(np.arange(wide.shape[1]), chosen)[None, :]
        is_relative = lineage == lineage[str(model)]
        one = scores.to_frame().T
        relatives = frozenset(table.models.index[is_relative])
        name = f"{model}, {n_known} known"
        folds.append(Fold(name, relatives, one.where(known), one.where(~known)))
    return folds


def asked_until(folds: Sequence[Fold], table: Table, until: str) -> list[Fold]:
    """The same folds, asked only about families that were released before a month.

    What they hold out stays the same: no later family comes into the training by it. With this a
    configuration can be chosen on earlier families, and judged on those that come after.

    Args:
        folds: of any protocol.
        table: models with releases.
        until: the first month whose families are left out, as ``2024-09``.

    Returns:
        Folds that have something left to forecast.

    Raises:
        SkillscaleError: this is no month, or nothing is left.

    Example:
        >>> from skillscale import load_table
        >>> table = load_table("classic")
        >>> folds = time_ordered_folds(table, 2, ["2024-05"])
        >>> [fold.name for fold in asked_until(folds, table, "2024-06")]
        ['yi-1.5 from 2024-05']
    """
    first = table.models.groupby("family")["release"].transform("min")
    early = first.index[first < _month(until)]
    family = table.models["family"]
    found = []
    for fold in folds:
        test = fold.test[fold.test.index.isin(early)]
        asked = family[fold.seen.index].isin(family[test.index]).to_numpy()
        if len(test):
            found.append(replace(fold, seen=fold.seen[asked], test=test))
    if not found:
        raise SkillscaleError(f"no family that is asked about was released before {until}.")
    return found


def setting_benchmarks(table: Table, setting: str) -> list[str]:
    """Benchmarks of a leaderboard (``v1``, ``v2``) or of both (``v1+v2``).

    Args:
        table: its benchmarks say of which leaderboard they are.
        setting: leaderboards, joined by ``+``.

    Returns:
        Names, in the order of the table; none where it has no such leaderboard.

    Example:
        >>> from skillscale import load_table
        >>> setting_benchmarks(load_table("classic"), "v1")
        ['mmlu', 'arc_challenge', 'hellaswag', 'winogrande', 'truthfulqa', 'gsm8k']
    """
    leaderboard = table.benchmarks["leaderboard"]
    return list(table.benchmarks.index[leaderboard.isin(setting.split("+"))])


def smallest(models: pd.DataFrame, n: int) -> tuple[list[str], list[str]]:
    """The smallest models of every family, and the larger ones.

    Args:
        models: with ``family`` and ``n_params``.
        n: models seen per family; families of no more have nothing to forecast, and are left out.

    Returns:
        Names of models seen and of models to forecast.

    Example:
        >>> sizes = pd.DataFrame({"family": "a", "n_params": [7e9, 1e9]}, ["a-7b", "a-1b"])
        >>> smallest(sizes, 1)
        (['a-1b'], ['a-7b'])
    """
    seen: list[str] = []
    test: list[str] = []
    for _, members in models.groupby("family"):
        by_size = members.sort_values("n_params", kind="stable").index
        if len(by_size) > n:
            seen += list(by_size[:n])
            test += list(by_size[n:])
    return seen, test


def _month(month: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise SkillscaleError(f"a cut is a month such as 2024-05, found {month!r}.")
    return month
