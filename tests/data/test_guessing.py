"""Scores below what guessing earns, and scores that guessing was subtracted from."""

from __future__ import annotations

import pandas as pd
import pytest

from skillscale.data.guessing import NORMALISED, least_score
from skillscale.data.new_scores import check_new_scores
from skillscale.data.observed import read_observed
from skillscale.data.table import load_table, validate
from skillscale.errors import TableError
from small import write_table

TABLE = load_table("classic")
BENCHMARKS = TABLE.benchmarks
ROW = "model,n_params,n_tokens,{names}\na-7b,7e9,2e12,{scores}\n"


@pytest.fixture
def observed_in(tmp_path):
    def read(names: str, scores: str, **options: bool) -> pd.Series:
        path = tmp_path / "obs.csv"
        path.write_text(ROW.format(names=names, scores=scores))
        return read_observed(path, BENCHMARKS, **options).iloc[0]

    return read


def test_no_score_of_the_leaderboards_lies_below_guessing():
    least = [least_score(*row) for row in BENCHMARKS[["chance", "n_items"]].to_numpy()]
    assert (TABLE.wide().min() >= least).all()


def test_one_letter_always_is_possible_and_what_lies_far_below_is_not(observed_in):
    assert observed_in("mmlu,gsm8k", "0.231,0")["mmlu"] == 0.231
    with pytest.raises(TableError) as error:
        observed_in("gpqa,mmlu", "0.0638,0")
    text = str(error.value)
    assert "gpqa is far below guessing, which scores 0.25, at line 2 (a-7b) = 0.0638" in text
    assert "If so, write 0.298, or use --normalised" in text
    assert "mmlu is far below guessing" in text
    assert "No answer was counted as right: the parser found none" in text


def test_percentages_that_may_be_normalised_are_not_led_into_the_trap(observed_in):
    with pytest.raises(TableError, match=r"divide by 100 .* may have chance subtracted as well"):
        observed_in("gpqa", "6.38")


@pytest.mark.parametrize("name", NORMALISED)
def test_normalised_scores_come_back(observed_in, name):
    chance = BENCHMARKS.loc[name, "chance"]
    row = observed_in(f"{name},ifeval,mmlu", "0.3,0.5,0.6", is_normalised=True)
    assert row[name] == pytest.approx(chance + (1 - chance) * 0.3)
    assert row[["ifeval", "mmlu"]].tolist() == [0.5, 0.6]


def test_zeros_do_not_come_back(observed_in):
    with pytest.raises(TableError, match="gpqa is zero, which stands for anything up to guessing"):
        observed_in("gpqa,bbh", "0,0.1", is_normalised=True)
    assert observed_in("math_lvl_5,bbh", "0,0.1", is_normalised=True)["math_lvl_5"] == 0


def test_a_table_is_checked_too(tmp_path):
    scores = TABLE.scores.copy()
    is_one = (scores["model"] == "llama-2-7b") & (scores["benchmark"] == "winogrande")
    scores.loc[is_one, "score"] = 0.3
    folder = write_table(TABLE, tmp_path / "data")
    scores.to_csv(folder / "scores.csv", index=False)
    (problem,) = validate(folder)
    assert "score is far below guessing at line" in problem
    assert "(llama-2-7b, winogrande) = 0.3" in problem


@pytest.mark.parametrize(("chance", "is_wrong"), [(0.25, True), (None, False)])
def test_so_are_scores_of_a_new_benchmark(chance, is_wrong):
    models = list(TABLE.models.index[:6])
    scores = pd.DataFrame({"model": models, "mine": [0.1, 0.3, 0.4, 0.5, 0.6, 0.7]})
    options = {"title": None, "chance": chance, "n_items": 500}
    if is_wrong:
        with pytest.raises(TableError, match="mine is far below guessing"):
            check_new_scores(scores, models, [], BENCHMARKS, **options)
    else:
        values, _ = check_new_scores(scores, models, [], BENCHMARKS, **options)
        assert len(values) == 6
