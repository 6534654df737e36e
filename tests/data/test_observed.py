"""Observed models and plans of a new family."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillscale.data.observed import read_observed
from skillscale.data.plan import read_plan
from skillscale.data.table import load_table
from skillscale.errors import TableError

BENCHMARKS = load_table("classic").benchmarks
DESCRIPTION = [
    "model",
    "family",
    "lineage",
    "tuning",
    "recipe",
    "n_params",
    "n_active_params",
    "n_tokens",
    "release",
    "release_year",
    "developer",
    "hub_name",
    "source",
]


@pytest.fixture
def observed_in(tmp_path):
    def read(text: str) -> pd.DataFrame:
        path = tmp_path / "obs.csv"
        path.write_text(text, encoding="utf-8")
        return read_observed(path, BENCHMARKS)

    return read


@pytest.fixture
def plan_in(tmp_path):
    def read(text: str) -> pd.DataFrame:
        path = tmp_path / "plan.csv"
        path.write_text(text, encoding="utf-8")
        return read_plan(str(path))

    return read


def test_observed_has_every_benchmark_and_every_optional_column(observed_in):
    frame = observed_in("model,n_params,n_tokens,gsm8k,mmlu\nnew-1b,1.2e9,2e12,,0.41\n")
    assert list(frame.columns) == DESCRIPTION + list(BENCHMARKS.index)
    row = frame.iloc[0]
    assert (row["n_params"], row["n_tokens"], row["mmlu"]) == (1.2e9, 2e12, 0.41)
    assert row[["gsm8k", "bbh", "family", "tuning", "release", "release_year"]].isna().all()
    assert frame[list(BENCHMARKS.index)].dtypes.eq(float).all()


def test_columns_may_be_written_in_capitals(observed_in):
    frame = observed_in("model,n_params,n_tokens,MMLU\nnew-1b,1.2e9,2e12,0.41\n")
    assert frame["mmlu"].tolist() == [0.41]
    assert frame.attrs["said"] == ["column 'MMLU' is taken for 'mmlu'."]
    with pytest.raises(TableError, match="column 'MMLU' is unknown"):
        observed_in("model,n_params,n_tokens,MMLU,mmlu\nnew-1b,1.2e9,2e12,0.41,0.41\n")


def test_an_excel_file_is_called_one(tmp_path):
    path = tmp_path / "obs.xlsx"
    path.write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    with pytest.raises(TableError, match=r"obs\.xlsx: this is an Excel file"):
        read_observed(path, BENCHMARKS)


def test_observed_tokens_may_be_unknown(observed_in):
    frame = observed_in("model,n_params,n_tokens,mmlu\nnew-1b,1.2e9,,0.41\n")
    assert math.isnan(frame["n_tokens"].iloc[0])


def test_given_optional_columns_are_kept(observed_in):
    frame = observed_in(
        "model,n_params,n_active_params,n_tokens,family,tuning,release,mmlu\n"
        "new-8x,4e10,1e10,2e12,new,instruct,2025-01,0.7\n"
        "new-1b,1e9,,2e12,,,,0.4\n"
    )
    assert list(frame["n_active_params"]) == [1e10, 1e9]
    assert frame.loc[0, ["family", "lineage", "tuning"]].to_list() == ["new", "new", "instruct"]
    assert frame.loc[0, "release_year"] == pytest.approx(2025 + 0.5 / 12)
    assert frame.loc[1, ["family", "lineage", "tuning", "release"]].isna().all()


def test_empty_optional_columns_are_like_absent_ones(observed_in):
    frame = observed_in("model,n_params,n_tokens,family,lineage,release,mmlu\na,1e9,,,,,0.4\n")
    assert frame.loc[0, ["family", "lineage", "release", "release_year"]].isna().all()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "model,n_params,n_tokens,mmul,mmlu\na,1e9,,0.3,0.4\n",
            "column 'mmul' is unknown. Rename or remove it ('mmul': nearest 'mmlu').",
        ),
        (
            "model,n_params,n_tokens,GSM9K,mmlu\na,1e9,,0.3,0.4\n",
            "column 'GSM9K' is unknown. Rename or remove it ('GSM9K': nearest 'gsm8k').",
        ),
        (
            "model,n_params,n_tokens,mmlu\na,1e9,,0.4\nb,2e9,,\n",
            "no benchmark has a score at line 3 (b).",
        ),
        ("model,n_params,n_tokens\na,1e9,\n", "no benchmark has a score at line 2 (a)."),
        (
            "model,n_params,n_tokens,mmlu\na,1e9,,45.3\n",
            "mmlu is outside [0, 1] at line 2 (a) = 45.3. Scores are fractions and these look "
            "like percentages: divide by 100",
        ),
        (
            "model,n_params,n_tokens,mmlu\na,1e9,,-\n",
            "mmlu is not a finite number at line 2 (a) = '-'.",
        ),
        (
            "model,n_params,n_tokens,mmlu\na,1e9,,0.4\na,1e9,,0.5\n",
            "model repeats an earlier row at line 3 (a).",
        ),
        (
            "model,n_params,n_tokens,mmlu\na,8,,0.4\n",
            "n_params is in the wrong unit at line 2 (a) = 8. 8 looks like billions: write 8e9.",
        ),
        (
            "model,n_params,n_tokens,mmlu\na,8e9,15,0.4\n",
            "n_tokens is in the wrong unit at line 2 (a) = 15.",
        ),
        ("model,n_tokens,mmlu\na,1e12,0.4\n", "column 'n_params' is missing."),
        ("model,n_params,mmlu\na,1e9,0.4\n", "column 'n_tokens' is missing."),
        (
            "model,n_params,n_tokens,tuning,mmlu\na,1e9,,chat,0.4\n",
            "tuning is neither base nor instruct at line 2 (a) = 'chat'.",
        ),
        (
            "model,n_params,n_tokens,release,mmlu\na,1e9,,soon,0.4\n",
            "release is not YYYY-MM at line 2 (a) = 'soon'.",
        ),
        (
            "model,n_params,n_active_params,n_tokens,mmlu\na,1e9,2e9,,0.4\n",
            "n_active_params exceeds n_params at line 2 (a) = 2e9.",
        ),
        (
            "model,n_params,n_tokens,family,lineage,mmlu\na,1e9,,f,x,0.4\nb,2e9,,f,y,0.4\n",
            "a family has two lineages at line 2 (a) = 'x', line 3 (b) = 'y'.",
        ),
        ("", "the file is empty."),
        ("model,n_params,n_tokens,mmlu\n", "there are no rows under the header."),
    ],
)
def test_bad_observed_models_are_reported(observed_in, text, sentence):
    with pytest.raises(TableError) as caught:
        observed_in(text)
    (problem,) = caught.value.problems
    assert problem.startswith(f"obs.csv: {sentence}")


def test_all_problems_of_observed_models_are_found_at_once(observed_in):
    with pytest.raises(TableError, match="6 problems found") as caught:
        observed_in("model,n_params,n_tokens,mmul,mmlu\na,8,x,0.3,45\na,-1,,0.1,0.2\n")
    kinds = "unknown", "repeats", "positive", "wrong unit", "not a finite number", "outside [0, 1]"
    assert all(kind in problem for kind, problem in zip(kinds, caught.value.problems, strict=True))


def test_a_missing_observed_file_is_reported(tmp_path):
    with pytest.raises(TableError, match=r"obs\.csv: the file is missing from "):
        read_observed(tmp_path / "obs.csv", BENCHMARKS)


def test_a_plan_has_every_optional_column(plan_in):
    frame = plan_in("model,n_params,n_tokens\nnew-8b,8e9,15e12\nnew-70b,7e10,15e12\n")
    assert list(frame.columns) == DESCRIPTION
    assert list(frame["n_params"]) == [8e9, 7e10]
    assert list(frame["n_active_params"]) == [8e9, 7e10]
    assert frame[["family", "tuning", "release", "release_year"]].isna().to_numpy().all()
    assert frame["recipe"].tolist() == ["trained", "trained"]


def test_a_plan_may_carry_benchmark_columns(plan_in):
    assert "mmlu" not in plan_in("model,n_params,n_tokens,mmlu\nnew-8b,8e9,15e12,\n").columns


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model,n_params,n_tokens\na,8e9,\n", "n_tokens is missing at line 2 (a)."),
        ("model,n_params\na,8e9\n", "column 'n_tokens' is missing."),
        ("model,n_params,n_tokens\na,,1e12\n", "n_params is missing at line 2 (a)."),
        ("model,n_params,n_tokens\na,8,1e12\n", "n_params is in the wrong unit at line 2 (a) = 8."),
        ("model,n_params,n_tokens\na,8e9,1e12\na,8e9,2e12\n", "model repeats an earlier row"),
        (
            "model,n_params,n_tokens,tunning\na,8e9,1e12,base\n",
            "column 'tunning' is unknown. Rename or remove it ('tunning': nearest 'tuning').",
        ),
    ],
)
def test_bad_plans_are_reported(plan_in, text, sentence):
    with pytest.raises(TableError) as caught:
        plan_in(text)
    (problem,) = caught.value.problems
    assert problem.startswith(f"plan.csv: {sentence}")


def test_a_missing_plan_is_reported(tmp_path):
    with pytest.raises(TableError, match=r"plan\.csv: the file is missing from "):
        read_plan(tmp_path / "plan.csv")


@settings(deadline=None, max_examples=20)
@given(
    scores=st.dictionaries(
        st.sampled_from(list(BENCHMARKS.index)), st.floats(0.45, 1), min_size=1, max_size=15
    ),
    n_params=st.floats(1e6, 1e13),
    n_tokens=st.none() | st.floats(1e9, 1e14),
)
def test_what_is_written_is_read_back(tmp_path_factory, scores, n_params, n_tokens):
    path = tmp_path_factory.mktemp("observed") / "obs.csv"
    written = pd.DataFrame([{"model": "a", "n_params": n_params, "n_tokens": n_tokens} | scores])
    written.to_csv(path, index=False)
    row = read_observed(path, BENCHMARKS).iloc[0]
    assert row["n_params"] == n_params
    assert row["n_tokens"] == n_tokens or n_tokens is None
    assert row[list(BENCHMARKS.index)].dropna().to_dict() == scores
