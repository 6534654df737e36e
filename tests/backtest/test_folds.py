"""Folds: the published ones exactly, and nothing of the answer in what training may see."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skillscale import load_table
from skillscale.backtest import published
from skillscale.backtest.folds import (
    asked_until,
    leave_benchmarks_folds,
    sloth_folds,
    time_ordered_folds,
)
from skillscale.backtest.held_out import new_developer_folds, tuned_held_out_folds
from skillscale.backtest.scores import cells
from skillscale.errors import SkillscaleError

SETTINGS = [(n, setting) for n in (1, 2) for setting in published.SETTINGS]


@pytest.fixture(scope="module")
def shipped():
    return load_table("classic")


@pytest.mark.parametrize(("n_seen", "setting"), SETTINGS)
def test_folds_ask_for_as_many_models_as_the_published_ones(shipped, n_seen, setting):
    folds = sloth_folds(shipped, n_seen, setting)
    rows = pd.read_csv(published.shipped_directory() / "backtest" / "published_errors.csv")
    rows = rows[(rows["n_seen"] == n_seen) & (rows["benchmarks"] == setting)]
    expected = rows.groupby("fold")["n_test_models"].first().to_dict()
    assert {fold.name: len(fold.test) for fold in folds} == expected
    size = published.covariates()["n_params"]
    for fold in folds:
        assert fold.test.notna().all(axis=None)
        families = shipped.models["family"]
        for family, members in fold.test.groupby(families[fold.test.index]):
            seen = [name for name in fold.seen.index if families[name] == family]
            assert len(seen) == n_seen
            assert size[seen].max() <= size[members.index].min()


def test_the_published_experiment_knew_no_later_score_and_no_correction(shipped):
    then = published.as_published(shipped)
    assert list(then.models.index) == list(shipped.models.index)
    now, before = shipped.wide(), then.wide()
    gone = now.notna() & before.isna()
    assert gone.sum().sum() == 17 * 6
    assert set(shipped.benchmarks.loc[gone.columns[gone.any()], "leaderboard"]) == {"v2"}
    changed = before.notna() & (now != before)
    measured_again = {"ifeval": 7, "bbh": 6, "gpqa": 5, "musr": 3, "mmlu_pro": 4}
    expected = dict.fromkeys(now.columns, 0) | measured_again | {"math_lvl_5": 37 + 2}
    assert changed.sum().to_dict() == expected
    assert before.loc["gemma-2-9b", "math_lvl_5"] == 0.11
    then_covariates = published.with_published_covariates(shipped).models
    pd.testing.assert_frame_equal(then.models, then_covariates)


def test_there_are_seventy_three_published_folds(shipped):
    folds = [fold for n, setting in SETTINGS for fold in sloth_folds(shipped, n, setting)]
    assert len(folds) == 73
    assert len({fold.held_out for fold in folds}) < 30, "most folds should share posteriors"


@pytest.mark.parametrize(("n_seen", "setting"), SETTINGS)
def test_training_sees_nothing_of_a_lineage_that_is_asked_for(shipped, n_seen, setting):
    for fold in sloth_folds(shipped, n_seen, setting):
        lineages = set(shipped.models.loc[fold.test.index, "lineage"])
        training = shipped.models.drop(index=list(fold.held_out))
        assert not lineages & set(training["lineage"])
        assert set(fold.seen.index) <= fold.held_out


@pytest.mark.parametrize("n_seen", [0, 1, 2])
def test_time_ordered_training_ends_before_the_cut(shipped, n_seen):
    for fold in time_ordered_folds(shipped, n_seen, ["2023-12", "2024-05"]):
        cut = fold.name.split(" from ")[1]
        training = shipped.models.drop(index=list(fold.held_out))
        scored = training.index.isin(shipped.scores["model"])
        assert (training.loc[scored].groupby("family")["release"].min() < cut).all()
        asked = shipped.models.loc[fold.test.index]
        assert (asked["release"] >= cut).all()
        seen = shipped.models.loc[fold.seen.index].groupby("family").size()
        assert (seen.reindex(asked["family"].unique(), fill_value=0) == n_seen).all()


def test_a_cut_may_be_late_and_questions_end_early():
    everything = load_table("all")
    folds = time_ordered_folds(everything, 1, ["2024-08", "2024-12"])
    early = asked_until(folds, everything, "2024-12")
    first = everything.models.groupby("family")["release"].transform("min")
    assert {fold.name.split(" from ")[1] for fold in folds} == {"2024-08", "2024-12"}
    assert {fold.name.split(" from ")[1] for fold in early} == {"2024-08"}
    held_out = {fold.name: fold.held_out for fold in folds}
    for fold in early:
        assert first[fold.test.index].between("2024-08", "2024-11").all()
        assert fold.held_out == held_out[fold.name], "later families stay out of the training"
        families = everything.models["family"]
        assert set(families[fold.seen.index]) == set(families[fold.test.index])


@pytest.mark.parametrize("n_seen", [0, 1])
@pytest.mark.parametrize("name", ["classic", "all"])
def test_tuned_families_are_held_out_and_their_base_models_fitted(name, n_seen):
    table = load_table(name)
    models = table.models
    folds = tuned_held_out_folds(table, n_seen)
    assert len({fold.held_out for fold in folds}) <= 12
    for fold in folds:
        assert (models.loc[list(fold.held_out), "tuning"] == "instruct").all()
        (lineage,) = models.loc[fold.test.index, "lineage"].unique()
        training = models.drop(index=list(fold.held_out))
        training = training[training.index.isin(table.scores["model"])]
        assert set(training.loc[training["lineage"] == lineage, "tuning"]) == {"base"}
        seen = models.loc[fold.seen.index].groupby("family").size()
        assert (seen == n_seen).all()
    again = tuned_held_out_folds(table, n_seen)
    assert [fold.held_out for fold in again] == [fold.held_out for fold in folds]


@pytest.mark.parametrize("name", ["classic", "all"])
def test_the_same_scores_are_asked_with_their_developer_new_and_known(name):
    table = load_table(name)
    models = table.models
    folds = new_developer_folds(table, 1)
    asked = {}
    for fold in folds:
        rows = cells(fold, table)
        lineage, developer = fold.name.split(", developer ")
        assert set(rows["developer"]) == {developer}
        assert models.loc[fold.test.index, "developer"].nunique() == 1
        training = models.drop(index=list(fold.held_out))
        assert lineage not in set(training["lineage"])
        asked.setdefault(developer, []).extend(zip(rows["model"], rows["benchmark"], strict=True))
    assert sorted(asked["new"]) == sorted(asked["known"])
    assert len(set(asked["new"])) == len(asked["new"])
    sizes = {
        developer: np.mean([len(f.held_out) for f in folds if f.name.endswith(developer)])
        for developer in asked
    }
    assert sizes["new"] == pytest.approx(sizes["known"], rel=0.6), "about as much training"
    assert len({fold.held_out for fold in folds}) <= 12


def test_models_without_a_developer_are_not_asked_about(shipped):
    unknown = shipped.models["developer"].where(shipped.models["lineage"] != "gemma-2", None)
    table = dataclasses.replace(shipped, models=shipped.models.assign(developer=unknown))
    assert not [f for f in new_developer_folds(table, 0) if f.name.startswith("gemma-2,")]
    fold = next(f for f in time_ordered_folds(table, 1) if f.name.startswith("gemma-2 "))
    assert cells(fold, table)["developer"].isna().all()


def test_leaving_benchmarks_out_splits_the_scores_of_one_model(shipped):
    folds = leave_benchmarks_folds(shipped, 3, seed=1)
    for fold in folds:
        (model,) = fold.test.index
        known, asked = fold.seen.loc[model].notna(), fold.test.loc[model].notna()
        assert known.sum() == 3
        assert (known ^ asked).all()
        assert model in fold.held_out
    chosen = {tuple(fold.seen.iloc[0].notna()) for fold in folds}
    assert len(chosen) > 20, "which scores are known should differ between models"


def test_the_same_seed_leaves_out_the_same_benchmarks(shipped):
    first, again, other = (leave_benchmarks_folds(shipped, 5, seed=s) for s in (0, 0, 1))
    pd.testing.assert_frame_equal(first[3].seen, again[3].seen)
    assert not first[3].seen.equals(other[3].seen)


def test_cells_tell_how_far_a_model_is_from_what_was_seen(shipped):
    fold = next(f for f in sloth_folds(shipped, 1, "v1") if f.name == "meta-llama-3")
    rows = cells(fold, shipped).set_index(["model", "benchmark"])
    sizes = shipped.models["n_params"]
    ratio = sizes["meta-llama-3-70b"] / sizes["meta-llama-3-8b"]
    assert rows.loc[("meta-llama-3-70b", "mmlu"), "log_ratio"] == pytest.approx(np.log(ratio))
    assert len(rows) == fold.n_test
    unseen = time_ordered_folds(shipped, 0, ["2024-05"])[0]
    assert cells(unseen, shipped)["log_ratio"].isna().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: sloth_folds(t, 3, "v1"), "no published setting with 3 models seen on v1"),
        (lambda t: sloth_folds(t, 1, "v3"), "no published setting"),
        (lambda t: time_ordered_folds(t, 1, ["2010-01"]), "nothing to train on"),
        (lambda t: time_ordered_folds(t, 1, ["2034-01"]), "no family released from 2034-01"),
        (lambda t: time_ordered_folds(t, 1, ["May 2024"]), "a month such as 2024-05, found 'May"),
        (lambda t: asked_until(sloth_folds(t, 1, "v1"), t, "2024-13"), "found '2024-13'"),
        (lambda t: asked_until(sloth_folds(t, 1, "v1"), t, "2010-01"), "before 2010-01"),
        (lambda t: tuned_held_out_folds(t, 90), "a tuned family of more than 90 models"),
        (lambda t: new_developer_folds(t, 90), "a family of more than 90 models"),
        (lambda t: leave_benchmarks_folds(t, 12), "between 1 and 11, found 12"),
        (lambda t: leave_benchmarks_folds(t, 0), "between 1 and 11, found 0"),
    ],
)
def test_impossible_folds_are_refused(shipped, make, message):
    with pytest.raises(SkillscaleError, match=message):
        make(shipped)
