"""What models really scored, where a table of it is wrong."""

from __future__ import annotations

import pytest

from kept_forecasts import kept
from skillscale.errors import TableError
from skillscale.ledger.actual import read_actual


def read(tmp_path, text: str):
    path = tmp_path / "actual.csv"
    path.write_text(text)
    return read_actual(path, [kept()])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("model,mmlu\nnova-8b,66\n", "mmlu is outside [0, 1] at line 2 (nova-8b) = 66. Scores are"),
        ("model,mmlu\nnova-8b,66%\n", "For '66%' write 0.66"),
        ("model,mmlu\nnova-8b,0.05\n", "mmlu is far below guessing, which scores 0.25"),
        ("model,mmlu\nnova-8b,0.6\nnova-8b,0.7\n", "model repeats an earlier row at line 3"),
        ("mmlu\n0.6\n", "column 'model' is missing"),
        ("model,mmlu\n", "there are no rows under the header"),
        ("", "the file is empty"),
        ("model,mmlu,gsm_8k\nnova-8b,0.6,0.5\n", "column 'gsm_8k' is unknown"),
        ("model,benchmark,score\nnova-8b,mmlu,66\n", "score is outside [0, 1]"),
        ("model,benchmark,score\nnova-8b,mmlu,0.05\n", "score is far below guessing"),
        ("model,benchmark,score\nn,mmlu,0.6\nn,mmlu,0.7\n", "repeat an earlier row at line 3"),
        ("model,benchmark,score\nnova-8b,mmlu,\n", "score is missing"),
    ],
)
def test_tables_that_are_wrong_are_refused_in_one_sentence(tmp_path, text, found):
    with pytest.raises(TableError) as caught:
        read(tmp_path, text)
    assert found in str(caught.value)


def test_what_describes_models_may_be_there(tmp_path):
    rows = read(tmp_path, "model,n_params,release,mmlu,gsm8k\nnova-8b,8e9,2026-12,0.66,\n")
    assert rows.to_dict("records") == [{"model": "nova-8b", "benchmark": "mmlu", "actual": 0.66}]


def test_columns_of_other_benchmarks_are_said_and_not_read(tmp_path):
    rows = read(tmp_path, "model,mmlu,aime,notes\nnova-8b,0.66,hard,fine\n")
    assert len(rows) == 1
    assert "is in columns aime, notes, which are left out" in rows.attrs["said"][0]
