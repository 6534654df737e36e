"""Folds that hold out a part of many lineages at once, so that few fits answer for all of them.

Lineages are dealt into groups at random, with a fixed seed. All models asked about in a group are
held out together, which is one fit, and each lineage is a fold of its own. Training loses a few
relatives of other lineages by it, from which nothing particular to the lineage could be learned: it
answers the same question, from a little less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skillscale.backtest.folds import Fold, setting_benchmarks, smallest
from skillscale.data.table import Table
from skillscale.errors import SkillscaleError

GROUPS = 12
"""Fits of a protocol at most."""


def tuned_held_out_folds(table: Table, n_seen: int, seed: int = 0) -> list[Fold]:
    """Folds that train on the base models of a lineage and forecast its tuned families.

    Lineages with base and tuned families are dealt into at most twelve groups; the tuned families
    of a group are held out together, and their base models stay in the training.

    Args:
        table: models and scores.
        n_seen: smallest models seen of every tuned family; none is allowed.
        seed: the only source of randomness.

    Returns:
        A fold per lineage.

    Raises:
        SkillscaleError: no lineage has a base family, and a tuned one of more models than are seen.

    Example:
        >>> from skillscale import load_table
        >>> folds = {f.name: f for f in tuned_held_out_folds(load_table("classic"), 0)}
        >>> len(folds), len({fold.held_out for fold in folds.values()})
        (16, 12)
        >>> list(folds["meta-llama-3, tuned"].seen.index), len(folds["meta-llama-3, tuned"].test)
        ([], 4)
    """
    wide, models = _scored(table)
    is_tuned = models["tuning"] == "instruct"
    both = set(models.loc[is_tuned, "lineage"]) & set(models.loc[~is_tuned, "lineage"])
    folds = []
    for group in _dealt(sorted(both), GROUPS, seed):
        of_group = models[is_tuned & models["lineage"].isin(group)]
        for lineage, tuned in of_group.groupby("lineage"):
            seen, test = smallest(tuned, n_seen)
            if test:
                held_out = frozenset(of_group.index)
                folds.append(Fold(f"{lineage}, tuned", held_out, wide.loc[seen], wide.loc[test]))
    if not folds:
        raise SkillscaleError(
            f"no lineage has base models and a tuned family of more than {n_seen} models."
        )
    return folds


def new_developer_folds(table: Table, n_seen: int, seed: int = 0) -> list[Fold]:
    """Folds that forecast the same lineages with their developer known, and with it new.

    A lineage is of the developer of its first model, base models before others. Of every developer
    with two lineages or more, each lineage is forecast twice: once without all models of the
    developer, and once without this lineage, while others of the developer stay in the training.
    Developers are dealt into six groups of about as many lineages, and lineages into six groups
    that part those of a developer as far as they can. A group is held out together, so training is
    about as small in both cases. Models without a developer are never asked about.

    Args:
        table: models and scores; models tell their developer.
        n_seen: smallest models seen of every family; none is allowed.
        seed: the only source of randomness.

    Returns:
        Two folds per lineage; column ``developer`` of their `cells` tells one from the other.

    Raises:
        SkillscaleError: no developer has two lineages, or none of their families has more models
            than are seen.

    Example:
        >>> from skillscale import load_table
        >>> folds = new_developer_folds(load_table("classic"), 1)
        >>> [fold.name for fold in folds if fold.name.startswith("gemma,")]
        ['gemma, developer new', 'gemma, developer known']
        >>> len({fold.held_out for fold in folds})
        12
    """
    wide, models = _scored(table)
    by_age = models.sort_values(["tuning", "release"], kind="stable")
    owner = by_age.groupby("lineage")["developer"].first()
    several = owner[owner.map(owner.value_counts()) > 1]
    folds = []
    for is_new, groups in ((True, _whole(several, seed)), (False, _parted(several, seed))):
        for group in groups:
            held_out = models["lineage"].isin(group)
            if is_new:
                held_out |= models["developer"].isin(several[group])
            for lineage in sorted(group):
                own = models["developer"] == several[lineage]
                seen, test = smallest(models[own & (models["lineage"] == lineage)], n_seen)
                if test:
                    name = f"{lineage}, developer {'new' if is_new else 'known'}"
                    of_fold = frozenset(models.index[held_out])
                    folds.append(Fold(name, of_fold, wide.loc[seen], wide.loc[test]))
    if not folds:
        raise SkillscaleError(
            f"no developer has two lineages with a family of more than {n_seen} models."
        )
    return folds


def _scored(table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores on the leaderboards, and the models that have some."""
    wide = table.wide()[setting_benchmarks(table, "v1+v2")]
    return wide, table.models[wide.notna().any(axis=1)]


def _dealt(names: Sequence[str], n_groups: int, seed: int) -> list[list[str]]:
    """Names in groups of about the same size, at random."""
    order = [str(name) for name in np.random.default_rng(seed).permutation(names)]
    return [order[i::n_groups] for i in range(min(n_groups, len(order)))]


def _whole(owner: pd.Series, seed: int) -> list[list[str]]:
    """Lineages in groups that keep those of a developer together."""
    sizes = owner.value_counts().sort_index()
    shuffled = sizes.iloc[np.random.default_rng(seed).permutation(len(sizes))]
    groups: list[list[str]] = [[] for _ in range(min(GROUPS // 2, len(sizes)))]
    for developer in shuffled.sort_values(ascending=False, kind="stable").index:
        min(groups, key=len).extend(owner.index[owner == developer])
    return groups


def _parted(owner: pd.Series, seed: int) -> list[list[str]]:
    """Lineages in groups that part those of a developer."""
    shuffled = owner.iloc[np.random.default_rng(seed).permutation(len(owner))]
    order = list(shuffled.sort_values(kind="stable").index)
    n_groups = min(GROUPS // 2, len(order))
    return [order[i::n_groups] for i in range(n_groups)]
