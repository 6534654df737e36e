"""The table: shipped data, selection, hash and the round trip through a directory."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillscale.data.rules import decimal_year
from skillscale.data.table import Table, load_table, validate
from skillscale.errors import TableError, UnknownNameError

SHIPPED = load_table("classic")
NEW = ("recipe", "developer", "hub_name")
DATA = Path(__file__).parents[2] / "benchmarks_data"


def write(table: Table, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    table.models.drop(columns="release_year").to_csv(directory / "models.csv")
    table.scores.to_csv(directory / "scores.csv", index=False)
    table.benchmarks.to_csv(directory / "benchmarks.csv")
    return directory


def shuffled(table: Table, seed: int) -> Table:
    return Table(
        models=table.models.sample(frac=1, random_state=seed),
        scores=table.scores.sample(frac=1, random_state=seed),
        benchmarks=table.benchmarks.sample(frac=1, random_state=seed),
    )


def test_the_classic_table_has_the_published_counts():
    assert len(SHIPPED.models) == 188
    assert len(SHIPPED.scores) == 1918
    assert len(SHIPPED.benchmarks) == 15
    assert SHIPPED.models["family"].nunique() == 68
    assert repr(SHIPPED) == "Table(188 models of 68 families, 15 benchmarks, 1918 scores)"


def test_an_unknown_name_is_answered_with_the_nearest_table():
    with pytest.raises(UnknownNameError, match=r"'clasic' is not in .* Nearest: 'classic'"):
        load_table("clasic")


def test_a_path_that_is_not_there_is_no_name():
    with pytest.raises(TableError, match="there is no such directory"):
        load_table(Path("no") / "classic")


def test_a_directory_is_loaded_whole_whatever_its_rows_are_marked_as(tmp_path):
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    assert load_table(tmp_path).hash == load_table().hash


def test_counts_are_counts_and_scores_are_fractions():
    assert SHIPPED.models["n_params"].between(5e7, 2e11).all()
    assert (SHIPPED.models["n_active_params"] <= SHIPPED.models["n_params"]).all()
    assert SHIPPED.scores["score"].between(0, 1).all()
    assert SHIPPED.benchmarks["chance"].between(0, 1, inclusive="left").all()


def test_unpublished_tokens_are_nan():
    unpublished = SHIPPED.models.index[SHIPPED.models["n_tokens"].isna()]
    assert len(unpublished) == 8
    assert set(unpublished) >= {"gpt2", "mixtral-8x7b-v0.1", "qwen1.5-110b"}


def test_release_year_is_the_middle_of_the_month():
    assert SHIPPED.models.loc["gemma-2-9b", "release_year"] == pytest.approx(2024 + 6.5 / 12)


@given(st.integers(2015, 2040), st.integers(1, 12))
def test_decimal_year_stays_in_its_year_and_rises_by_month(year, month):
    here = decimal_year(f"{year}-{month:02d}")
    assert math.floor(here) == year
    if month < 12:
        assert decimal_year(f"{year}-{month + 1:02d}") - here == pytest.approx(1 / 12)


def test_wide_has_a_cell_per_model_and_benchmark():
    wide = SHIPPED.wide()
    assert wide.shape == (188, 15)
    assert list(wide.index) == list(SHIPPED.models.index)
    assert list(wide.columns) == list(SHIPPED.benchmarks.index)
    assert int(wide.notna().to_numpy().sum()) == 1918
    assert wide.loc["yi-6b", "mmlu"] == 0.6411


def test_select_keeps_only_what_was_asked():
    few = SHIPPED.select(benchmarks=["mmlu", "gsm8k"], models=["yi-6b", "yi-34b"])
    assert set(few.models.index) == {"yi-6b", "yi-34b"}
    assert list(few.benchmarks.index) == ["mmlu", "gsm8k"]
    assert len(few.scores) == 4


def test_select_keeps_the_models_of_families():
    few = SHIPPED.select(families=["yi", "llama"], models=["yi-6b", "llama-2-7b"])
    assert list(few.models.index) == ["yi-6b"]
    assert set(SHIPPED.select(families=["yi", "llama"]).models["family"]) == {"yi", "llama"}


def test_select_drops_models_left_without_a_score():
    v2 = SHIPPED.benchmarks.index[SHIPPED.benchmarks["leaderboard"] == "v2"]
    few = SHIPPED.select(benchmarks=v2)
    assert len(few.models) == 130
    assert set(few.models.index) == set(few.scores["model"])


def test_select_takes_a_single_name_as_one_name():
    assert SHIPPED.select(benchmarks="mmlu").hash == SHIPPED.select(benchmarks=["mmlu"]).hash


def test_select_without_arguments_keeps_everything():
    assert SHIPPED.select().hash == SHIPPED.hash


def test_without_models_removes_them_and_their_scores():
    rest = SHIPPED.without_models(["gpt2", "gpt2-large"])
    assert len(rest.models) == 186
    assert not rest.scores["model"].isin(["gpt2", "gpt2-large"]).any()
    assert len(SHIPPED.models) == 188


@pytest.mark.parametrize(
    ("ask", "nearest"),
    [
        (lambda: SHIPPED.select(families=["lama"]), "family 'lama' .* Nearest: .*'llama'"),
        (lambda: SHIPPED.select(benchmarks=["mmul"]), "benchmark 'mmul' .* Nearest: .*'mmlu'"),
        (lambda: SHIPPED.select(models=["yi-6"]), "model 'yi-6' .* Nearest: .*'yi-6b'"),
        (lambda: SHIPPED.without_models(["gpt-2"]), "model 'gpt-2' .* Nearest: .*'gpt2'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(ask, nearest):
    with pytest.raises(UnknownNameError, match=nearest):
        ask()


def test_a_table_survives_the_round_trip_through_a_directory(tmp_path):
    again = load_table(write(SHIPPED, tmp_path))
    pd.testing.assert_frame_equal(again.models, SHIPPED.models)
    pd.testing.assert_frame_equal(again.scores, SHIPPED.scores)
    pd.testing.assert_frame_equal(again.benchmarks, SHIPPED.benchmarks)
    assert again.hash == SHIPPED.hash


def test_optional_columns_may_be_left_out(tmp_path):
    bare = Table(
        models=SHIPPED.models.drop(columns=["lineage", "n_active_params", *NEW, "source"]),
        scores=SHIPPED.scores.drop(columns="source"),
        benchmarks=SHIPPED.benchmarks[["n_items", "chance"]],
    )
    table = load_table(write(bare, tmp_path))
    assert (table.models["lineage"] == table.models["family"]).all()
    assert (table.models["n_active_params"] == table.models["n_params"]).all()
    assert (table.models["recipe"] == "trained").all()
    assert table.models[["developer", "hub_name"]].isna().all(axis=None)
    assert list(table.benchmarks["title"]) == list(table.benchmarks.index)


def test_a_readers_own_columns_are_ignored(tmp_path):
    write(SHIPPED, tmp_path)
    SHIPPED.scores.assign(note="mine").to_csv(tmp_path / "scores.csv", index=False)
    assert load_table(tmp_path).hash == SHIPPED.hash


def test_models_without_any_score_are_kept(tmp_path):
    kept = Table(
        SHIPPED.models, SHIPPED.scores[SHIPPED.scores["model"] != "gpt2"], SHIPPED.benchmarks
    )
    assert "gpt2" in load_table(write(kept, tmp_path)).models.index


def test_hash_is_sixty_four_hex_digits():
    assert len(SHIPPED.hash) == 64
    int(SHIPPED.hash, 16)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31))
def test_hash_does_not_depend_on_row_order(seed):
    assert shuffled(SHIPPED, seed).hash == SHIPPED.hash


@settings(deadline=None, max_examples=10)
@given(row=st.integers(0, 1917), change=st.sampled_from([1e-12, 1e-4, -1e-4]))
def test_hash_sees_every_score(row, change):
    scores = SHIPPED.scores.copy()
    scores.loc[row, "score"] += change
    assert Table(SHIPPED.models, scores, SHIPPED.benchmarks).hash != SHIPPED.hash


@pytest.mark.parametrize(
    ("frame", "column", "value"),
    [
        ("models", "family", "other"),
        ("models", "lineage", "other"),
        ("models", "tuning", "other"),
        ("models", "n_params", 1e9),
        ("models", "n_active_params", 1e6),
        ("models", "n_tokens", np.nan),
        ("models", "release", "2030-01"),
        ("benchmarks", "chance", 0.9),
        ("benchmarks", "n_items", 7),
    ],
)
def test_hash_sees_every_column_a_fit_reads(frame, column, value):
    frames = {name: getattr(SHIPPED, name).copy() for name in ("models", "scores", "benchmarks")}
    frames[frame].loc[frames[frame].index[0], column] = value
    assert Table(**frames).hash != SHIPPED.hash


def test_hash_does_not_see_sources():
    assert (
        Table(
            SHIPPED.models.assign(source="x", developer="x", hub_name="x"),
            SHIPPED.scores,
            SHIPPED.benchmarks,
        ).hash
        == SHIPPED.hash
    )


def test_loading_a_broken_directory_raises_with_all_its_problems(tmp_path):
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    SHIPPED.scores.assign(score=SHIPPED.scores["score"] * 100).to_csv(
        tmp_path / "scores.csv", index=False
    )
    (tmp_path / "benchmarks.csv").unlink()
    with pytest.raises(TableError, match="2 problems found") as caught:
        load_table(tmp_path)
    assert list(caught.value.problems) == validate(tmp_path)
