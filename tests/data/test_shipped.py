"""The shipped data: what is in it, where it is from, and which part is the classic table."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from skillscale.data.schema import RECIPES
from skillscale.data.table import FILES, load_table, validate

ALL = load_table()
CLASSIC = load_table("classic")
DATA = Path(__file__).parents[2] / "benchmarks_data"
LATER = ALL.models.index.difference(CLASSIC.models.index)
RESCORED = "math_lvl_5_rescored"
V2 = list(ALL.benchmarks.index[ALL.benchmarks["leaderboard"] == "v2"])
FIRST_SCORING = r"; 0\.\d+ in a first scoring$"
MATH_NOT_LICENSED = (
    *(f"qwen2.5-{size}-instruct-1m" for size in ("7b", "14b")),
    *(f"deepseek-r1-distill-qwen-{size}" for size in ("1.5b", "7b", "14b", "32b")),
    *(f"deepseek-r1-distill-llama-{size}" for size in ("8b", "70b")),
    *(f"aceinstruct-{size}" for size in ("1.5b", "7b", "72b")),
    *(f"acemath-{size}-instruct" for size in ("1.5b", "7b", "72b")),
    *("mistral-small-24b-base-2501", "exaone-3.5-32b-instruct", "glm-4-9b-chat-hf"),
    *("helium-1-preview-2b", "lucie-7b"),
)


def cells(file: str) -> list[dict[str, str]]:
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_shipped_data_has_no_problem():
    assert validate() == validate(DATA) == []


def test_all_of_the_shipped_data_has_the_published_counts():
    assert repr(ALL) == "Table(406 models of 206 families, 16 benchmarks, 3531 scores)"
    assert len(LATER) == 218
    assert ALL.models.loc[LATER, "family"].nunique() == 145
    assert ALL.models["release"].max() == "2025-02"


@pytest.mark.parametrize("table", [None, "all", DATA, str(DATA)])
def test_all_of_the_shipped_data_is_the_default_and_a_directory_like_others(table):
    assert load_table(table).hash == ALL.hash


@pytest.mark.parametrize("file", FILES)
def test_every_shipped_row_names_its_source(file):
    assert all(row["source"].strip() for row in cells(file))


def test_every_model_has_a_developer_a_hub_name_and_a_recipe():
    models = ALL.models
    assert models[["developer", "hub_name", "recipe"]].notna().all(axis=None)
    assert models["hub_name"].str.fullmatch(r"[\w.-]+/[\w.-]+").all()
    assert models["hub_name"].str.lower().is_unique
    assert set(models["recipe"]) == set(RECIPES)


def test_an_account_on_the_hub_belongs_to_one_developer():
    account = ALL.models["hub_name"].str.split("/").str[0]
    assert ALL.models["developer"].groupby(account).nunique().eq(1).all()


def test_a_tune_has_the_recipe_of_its_base_unless_it_reasons():
    models = ALL.models
    for tune, base in [
        ("llama-3.2-1b-instruct", "llama-3.2-1b"),
        ("gemma-2-9b-it", "gemma-2-9b"),
        ("solar-10.7b-instruct-v1.0", "solar-10.7b-v1.0"),
        ("qwen2-57b-a14b-instruct", "qwen2-57b-a14b"),
        ("acemath-7b-instruct", "qwen2.5-math-7b"),
    ]:
        assert models.loc[tune, "recipe"] == models.loc[base, "recipe"] != "trained"
    reasoning = models.index[models["recipe"] == "reasoning"]
    assert reasoning.str.contains("qwq|deepseek-r1").all()


def test_the_classic_table_is_a_part_of_all_in_the_same_order():
    assert list(ALL.models.index[:188]) == list(CLASSIC.models.index)
    assert list(ALL.benchmarks.index) == [*CLASSIC.benchmarks.index, RESCORED]
    pd.testing.assert_frame_equal(ALL.models.loc[CLASSIC.models.index], CLASSIC.models)
    pd.testing.assert_frame_equal(
        ALL.wide().loc[CLASSIC.models.index, CLASSIC.benchmarks.index],
        CLASSIC.wide(),
        check_names=False,
    )


def test_new_scores_of_the_classic_table_are_whole_rows_of_the_leaderboard_v2():
    wide = CLASSIC.wide()
    with_v2 = wide[V2].notna()
    assert with_v2.all(axis=1).sum() == with_v2.any(axis=1).sum() == 113 + 17
    assert len(CLASSIC.scores) == 1816 + 17 * len(V2)
    late = ["gpt2", "phi-2", "pythia-1b", "yi-34b-chat"]
    assert with_v2.loc[late].all(axis=None)


def test_corrections_of_math_are_small_upwards_and_say_what_was_there():
    scores = CLASSIC.scores
    corrected = scores[scores["source"].str.contains(FIRST_SCORING)]
    assert len(corrected) == 37
    assert (corrected["benchmark"] == "math_lvl_5").all()
    first = corrected["source"].str.extract(r"; (0\.\d+) in")[0].astype(float)
    assert (corrected["score"] - first).between(0.005, 0.0271).all()
    assert ((first * 100).round(6) % 1 == 0).all(), "the first scoring had two decimals"
    assert ALL.wide().loc["gemma-2-9b", "math_lvl_5"] == 0.1314


def test_math_before_and_after_the_rescoring_are_two_benchmarks():
    wide = ALL.wide()
    later, classic = wide.loc[LATER], wide.loc[CLASSIC.models.index]
    assert later[RESCORED].notna().sum() == 201
    assert classic[RESCORED].notna().sum() == 128
    assert wide.loc["qwen2.5-32b-instruct", ["math_lvl_5", RESCORED]].tolist() == [0, 0.6254]
    assert RESCORED not in CLASSIC.benchmarks.index
    assert RESCORED not in set(CLASSIC.scores["benchmark"])


def test_math_without_a_known_licence_is_left_out():
    wide = ALL.wide()
    assert len(MATH_NOT_LICENSED) == 19
    assert wide.loc[list(MATH_NOT_LICENSED), "math_lvl_5"].isna().all()
    assert wide.loc[list(MATH_NOT_LICENSED), RESCORED].notna().all()
    without = wide.loc[LATER, "math_lvl_5"].isna()
    assert without.sum() == 19 + 5, "and five models that came after the re-scoring"


def test_later_models_have_the_other_scores_of_the_leaderboard_v2():
    wide = ALL.wide().loc[LATER]
    others = [name for name in V2 if name != "math_lvl_5"]
    assert wide[others].notna().all(axis=None)
    assert wide.drop(columns=[*V2, RESCORED]).isna().all(axis=None)
    broken = ["dbrx-base", "olmo-1.7-7b-hf"]
    assert not set(broken) & set(ALL.models.index)
    assert ALL.wide().loc["internlm2-7b", V2].isna().all()


def test_every_figure_of_the_later_models_has_at_most_four_decimals():
    later = set(LATER)
    digits = [
        row["score"].partition(".")[2] for row in cells("scores.csv") if row["model"] in later
    ]
    assert max(map(len, digits)) == 4
