"""Every bad input of a data directory, with the sentence that reports it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillscale.data.cells import read_cells
from skillscale.data.problems import near
from skillscale.data.rules import number
from skillscale.data.schema import RECIPES
from skillscale.data.table import validate
from skillscale.formatting import LISTED

MODELS = """\
model,family,tuning,n_params,n_tokens,release
ant-1b,ant,base,1e9,2e12,2024-03
ant-7b,ant,base,7e9,,2024-03
"""
SCORES = """\
model,benchmark,score
ant-1b,mmlu,0.31
ant-1b,gsm8k,0.04
ant-7b,mmlu,0.62
"""
BENCHMARKS = """\
benchmark,n_items,chance
mmlu,14042,0.25
gsm8k,1319,0
"""


@pytest.fixture
def problems_of(tmp_path):
    """Write a directory, its files given as text or bytes, and validate it."""

    def problems(**files: str | bytes) -> list[str]:
        good = {"models": MODELS, "scores": SCORES, "benchmarks": BENCHMARKS}
        for name, content in (good | files).items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / f"{name}.csv").write_bytes(data)
        return validate(tmp_path)

    return problems


def only(problems: list[str]) -> str:
    assert len(problems) == 1, problems
    return problems[0]


def test_a_good_directory_has_no_problem(problems_of):
    assert problems_of() == []


# Scores


def test_percentages_are_named_by_line_and_recognised(problems_of):
    found = only(problems_of(scores=SCORES + "ant-7b,gsm8k,45.3\n"))
    assert "scores.csv: score is outside [0, 1] at line 5 (ant-7b, gsm8k) = 45.3." in found
    assert "divide by 100" in found


@pytest.mark.parametrize("score", ["-0.1", "1.2", "453"])
def test_other_scores_out_of_range_are_not_called_percentages(problems_of, score):
    found = only(problems_of(scores=SCORES + f"ant-7b,gsm8k,{score}\n"))
    assert f"outside [0, 1] at line 5 (ant-7b, gsm8k) = {score}." in found
    assert "percent" not in found


@pytest.mark.parametrize("cell", ["n/a", "nan", "NaN", "inf", "-inf", "1e999", "0,5 points"])
def test_scores_that_are_no_finite_number_are_quoted(problems_of, cell):
    found = only(problems_of(scores=SCORES + f'ant-7b,gsm8k,"{cell}"\n'))
    assert "scores.csv: score is not a finite number at line 5 (ant-7b, gsm8k) = " in found
    assert cell in found


def test_a_percent_sign_is_answered_with_the_fraction(problems_of):
    found = only(problems_of(scores=SCORES + "ant-7b,gsm8k,45.3%\n"))
    assert found.endswith("For '45.3%' write 0.453.")


def test_an_empty_score_is_missing(problems_of):
    found = only(problems_of(scores=SCORES + "ant-7b,gsm8k,\n"))
    assert "score is missing at line 5 (ant-7b, gsm8k)" in found
    assert "leave out rows" in found


def test_a_repeated_score_is_reported_at_its_second_line(problems_of):
    found = only(problems_of(scores=SCORES + "ant-1b,gsm8k,0.05\n"))
    assert "model and benchmark repeat an earlier row at line 5 (ant-1b, gsm8k)." in found


def test_an_unknown_benchmark_is_answered_with_the_nearest(problems_of):
    found = only(problems_of(scores=SCORES + "ant-7b,gsm8,0.2\n"))
    assert "benchmark is not in benchmarks.csv at line 5 (ant-7b, gsm8)." in found
    assert "'gsm8': nearest 'gsm8k'" in found


def test_an_unknown_model_is_answered_with_the_nearest(problems_of):
    found = only(problems_of(scores=SCORES + "ant-7,gsm8k,0.2\n"))
    assert "model is not in models.csv at line 5 (ant-7, gsm8k)." in found
    assert "'ant-7': nearest 'ant-7b'" in found


def test_very_many_bad_cells_of_a_kind_are_counted_not_listed(problems_of):
    names = [f"ant-{n}b" for n in range(10, 57)]
    models = MODELS + "".join(f"{name},ant,base,1e9,2e12,2024-03\n" for name in names)
    found = only(
        problems_of(models=models, scores=SCORES + "".join(f"{name},mmlu,x\n" for name in names))
    )
    assert found.count("line ") == LISTED
    assert "and 37 more" in found


# Models


def test_a_repeated_model_is_reported(problems_of):
    found = only(problems_of(models=MODELS + "ant-1b,ant,base,1e9,2e12,2024-03\n"))
    assert "models.csv: model repeats an earlier row at line 4 (ant-1b)." in found


def test_a_model_without_a_name_is_reported(problems_of):
    found = only(problems_of(models=MODELS + ",ant,base,1e9,2e12,2024-03\n"))
    assert "models.csv: model is missing at line 4." in found


def test_several_models_without_a_name_are_not_called_repeated(problems_of):
    found = only(problems_of(models=MODELS + 2 * ",ant,base,1e9,2e12,2024-03\n"))
    assert "model is missing at line 4, line 5." in found


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (",2e12", "n_params is missing at line 4 (bee)."),
        ("0,2e12", "n_params is not positive at line 4 (bee) = 0."),
        ("-7e9,2e12", "n_params is not positive at line 4 (bee) = -7e9."),
        ("inf,2e12", "n_params is not a finite number at line 4 (bee) = inf."),
        ("big,2e12", "n_params is not a finite number at line 4 (bee) = 'big'."),
        ("7e9,0", "n_tokens is not positive at line 4 (bee) = 0."),
        ("7e9,unknown", "n_tokens is not a finite number at line 4 (bee) = 'unknown'."),
    ],
)
def test_sizes_and_tokens_are_positive_numbers(problems_of, cells, sentence):
    assert sentence in only(problems_of(models=MODELS + f"bee,bee,base,{cells},2024-03\n"))


@pytest.mark.parametrize(
    ("cells", "sentence", "advice"),
    [
        ("7e9,15", "n_tokens is in the wrong unit", "15 looks like trillions: write 15e12."),
        ("7e9,1.4", "n_tokens is in the wrong unit", "1.4 looks like trillions: write 1.4e12."),
        ("7e9,300", "n_tokens is in the wrong unit", "300 looks like billions: write 300e9."),
        ("7e9,2e6", "n_tokens is in the wrong unit", "2e+06 looks like millions"),
        ("7e9,4e23", "n_tokens is in the wrong unit", "between 1e+08 and 1e+15"),
        ("7,2e12", "n_params is in the wrong unit", "7 looks like billions: write 7e9."),
        ("7000,2e12", "n_params is in the wrong unit", "7000 looks like millions: write 7000e6."),
        ("7e18,2e12", "n_params is in the wrong unit", "between 100000 and 1e+14"),
        ("7B,2e12", "n_params is not a finite number", "For '7B' write 7e9."),
        ("7e9,1.5 T", "n_tokens is not a finite number", "For '1.5 T' write 1.5e12."),
    ],
)
def test_wrong_units_are_guessed(problems_of, cells, sentence, advice):
    found = only(problems_of(models=MODELS + f"bee,bee,base,{cells},2024-03\n"))
    assert f"{sentence} at line 4 (bee) = " in found
    assert advice in found


def test_active_parameters_cannot_exceed_the_total(problems_of):
    models = "model,family,tuning,n_params,n_active_params,n_tokens,release\n"
    rows = "ant-1b,ant,base,1e9,,,2024-03\nant-7b,ant,base,7e9,8e9,,2024-03\n"
    found = only(problems_of(models=models + rows))
    assert "n_active_params exceeds n_params at line 3 (ant-7b) = 8e9." in found


def test_a_family_has_one_lineage(problems_of):
    models = "model,family,lineage,tuning,n_params,n_tokens,release\n"
    rows = "ant-1b,ant,,base,1e9,,2024-03\nant-7b,ant,bee,base,7e9,,2024-03\n"
    found = only(problems_of(models=models + rows))
    assert "a family has two lineages at line 2 (ant-1b), line 3 (ant-7b) = 'bee'." in found
    assert "family 'ant' has 'ant' and 'bee'" in found


def test_a_family_may_mix_base_and_instruct(problems_of):
    assert problems_of(models=MODELS + "ant-7b-it,ant,instruct,7e9,,2024-03\n") == []


def test_tuning_is_base_or_instruct(problems_of):
    found = only(problems_of(models=MODELS + "bee,bee,chat,7e9,,2024-03\n"))
    assert "tuning is neither base nor instruct at line 4 (bee) = 'chat'." in found


def with_column(name: str, *values: str) -> str:
    header, *rows = MODELS.splitlines()
    cells = [f"{row},{value}" for row, value in zip(rows, values, strict=True)]
    return "\n".join([f"{header},{name}", *cells])


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_known_and_may_be_left_open(problems_of, recipe):
    assert problems_of(models=with_column("recipe", recipe, "")) == []


def test_an_unknown_recipe_is_answered_with_those_known(problems_of):
    found = only(problems_of(models=with_column("recipe", "merged", "trained")))
    assert "models.csv: recipe is not known at line 2 (ant-1b) = 'merged'." in found
    assert "Write one of trained, continued, pruned, distilled" in found


def test_a_hub_name_is_that_of_one_model(problems_of):
    assert problems_of(models=with_column("hub_name", "ants/Ant-1B", "ants/Ant-7B")) == []
    assert problems_of(models=with_column("hub_name", "", "")) == []
    found = only(problems_of(models=with_column("hub_name", "ants/Ant", "ants/Ant")))
    assert "hub_name repeats an earlier row at line 3 (ant-7b) = 'ants/Ant'." in found


def test_a_developer_is_any_text(problems_of):
    assert problems_of(models=with_column("developer", "The Ants", "")) == []


@pytest.mark.parametrize("release", ["2024", "2024-13", "2024-3", "Mar-24", "2024-03-01"])
def test_release_is_year_and_month(problems_of, release):
    found = only(problems_of(models=MODELS + f"bee,bee,base,7e9,,{release}\n"))
    assert "release is not YYYY-MM at line 4 (bee) = " in found


@pytest.mark.parametrize("release", ["2014-12", "2204-03"])
def test_an_absurd_release_is_reported(problems_of, release):
    found = only(problems_of(models=MODELS + f"bee,bee,base,7e9,,{release}\n"))
    assert f"release is before 2015 or after 2040 at line 4 (bee) = '{release}'." in found


# Benchmarks


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("arc,1172,", "chance is missing at line 4 (arc)."),
        ("arc,1172,none", "chance is not a finite number at line 4 (arc) = 'none'."),
        ("arc,1172,25", "chance is outside [0, 1) at line 4 (arc) = 25."),
        ("arc,1172,1", "chance is outside [0, 1) at line 4 (arc) = 1."),
        ("arc,1172,-0.1", "chance is outside [0, 1) at line 4 (arc) = -0.1."),
        ("arc,,0.25", "n_items is missing at line 4 (arc)."),
        ("arc,0,0.25", "n_items is not a positive whole number at line 4 (arc) = 0."),
        ("arc,11.5,0.25", "n_items is not a positive whole number at line 4 (arc) = 11.5."),
        ("arc,many,0.25", "n_items is not a finite number at line 4 (arc) = 'many'."),
        ("mmlu,14042,0.25", "benchmark repeats an earlier row at line 4 (mmlu)."),
        (",14042,0.25", "benchmark is missing at line 4."),
    ],
)
def test_benchmarks_have_items_and_chance(problems_of, row, sentence):
    found = only(problems_of(benchmarks=BENCHMARKS + row + "\n"))
    assert f"benchmarks.csv: {sentence}" in found


# Columns


@pytest.mark.parametrize(
    ("file", "column"),
    [
        *(("models", name) for name in MODELS.splitlines()[0].split(",")),
        *(("scores", name) for name in SCORES.splitlines()[0].split(",")),
        *(("benchmarks", name) for name in BENCHMARKS.splitlines()[0].split(",")),
    ],
)
def test_a_missing_column_is_named_with_what_was_found(problems_of, file, column):
    good = {"models": MODELS, "scores": SCORES, "benchmarks": BENCHMARKS}[file]
    found = only(problems_of(**{file: good.replace(column, "Zzz", 1)}))
    assert f"{file}.csv: column '{column}' is missing." in found
    assert "'Zzz'" in found


def test_scores_without_any_expected_column_are_reported(problems_of):
    problems = problems_of(scores="a,b\n1,2\n")
    assert [problem.split(".")[1] for problem in problems] == [
        "csv: column 'model' is missing",
        "csv: column 'benchmark' is missing",
        "csv: column 'score' is missing",
    ]


def test_a_misspelt_optional_column_is_not_ignored(problems_of):
    header, *rows = MODELS.splitlines()
    misspelt = "\n".join([f"{header},n_active_param", *(f"{row},1e9" for row in rows)])
    assert "'n_active_param': nearest 'n_active_params'" in only(problems_of(models=misspelt))


def test_a_repeated_column_is_reported(problems_of):
    rows = [f"{row},{row.split(',')[-1]}" for row in SCORES.splitlines()]
    assert "the header repeats 'score'" in only(problems_of(scores="\n".join(rows)))


def test_ragged_rows_are_named(problems_of):
    found = only(problems_of(scores=SCORES + "ant-7b,gsm8k,0.2,0.3\n"))
    assert "names 3 columns, which does not match line 5 = 4 cells" in found


# Files


@pytest.mark.parametrize("file", ["models", "scores", "benchmarks"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty."),
        ("\n \n,,\n", "the file is empty."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1 holds the byte 0x89, which is not UTF-8 text."),
        (b"PK\x03\x04\x00\x00", "this is an Excel file."),
        ("model,score\n".encode("utf-16-be"), "the file is binary or UTF-16, not text."),
        (b"model\nplain\nna\xefve\n", "line 3 holds the byte 0xef, which is not UTF-8 text."),
        ("model;score\nant-1b;0,5\n", "cells are separated by semicolons."),
        ("model\tscore\nant-1b\t0.5\n", "cells are separated by tabs."),
        ('model,score\nant-1b,0.5\n"ant-7b,0.5\nx,y\n', "the row at line 3 is not CSV ("),
    ],
)
def test_files_that_are_no_table_are_reported(problems_of, file, content, sentence):
    assert only(problems_of(**{file: content})).startswith(f"{file}.csv: {sentence}")


@pytest.mark.parametrize("file", ["models", "scores", "benchmarks"])
def test_a_header_without_rows_is_reported(problems_of, file):
    good = {"models": MODELS, "scores": SCORES, "benchmarks": BENCHMARKS}[file]
    found = only(problems_of(**{file: good.splitlines()[0]}))
    assert found == f"{file}.csv: there are no rows under the header."


@pytest.mark.parametrize("file", ["models", "scores", "benchmarks"])
def test_a_missing_file_is_reported(problems_of, tmp_path, file):
    problems_of()
    (tmp_path / f"{file}.csv").unlink()
    assert only(validate(tmp_path)).startswith(f"{file}.csv: the file is missing from ")


def test_a_file_that_cannot_be_read_is_reported(problems_of, tmp_path):
    problems_of()
    (tmp_path / "scores.csv").unlink()
    (tmp_path / "scores.csv").mkdir()
    assert only(validate(tmp_path)).startswith("scores.csv: the file can't be read (")


def test_a_missing_directory_is_reported(tmp_path):
    assert "there is no such directory" in only(validate(tmp_path / "nowhere"))


def test_a_file_given_as_directory_is_reported(tmp_path):
    (tmp_path / "scores.csv").write_text(SCORES)
    assert "a file, not a directory" in only(validate(str(tmp_path / "scores.csv")))


# All at once, and what is no problem


def test_all_problems_of_all_files_are_found_at_once(problems_of):
    problems = problems_of(
        models=MODELS + "ant-1b,ant,chat,7,15,Mar-24\n" + "bee,,base,-1,x,1999-01\n",
        scores=SCORES + "ant-1b,mmlu,45.3\nwasp,hellaswag,abc\nant-7b,gsm8k,\n",
        benchmarks=BENCHMARKS + "arc,0,25\nmmlu,1,\n",
    )
    expected = [
        r"models.csv: model repeats .* line 4 \(ant-1b\)",
        r"models.csv: family is missing at line 5 \(bee\)",
        r"models.csv: tuning is neither .* line 4 \(ant-1b\) = 'chat'",
        r"models.csv: n_params is not positive at line 5 \(bee\) = -1",
        r"models.csv: n_params is in the wrong unit at line 4 \(ant-1b\) = 7",
        r"models.csv: n_tokens is not a finite number at line 5 \(bee\) = 'x'",
        r"models.csv: n_tokens is in the wrong unit at line 4 \(ant-1b\) = 15",
        r"models.csv: release is not YYYY-MM at line 4 \(ant-1b\) = 'Mar-24'",
        r"models.csv: release is before .* line 5 \(bee\) = '1999-01'",
        r"scores.csv: model and benchmark repeat .* line 5 \(ant-1b, mmlu\)",
        r"scores.csv: model is not in models.csv at line 6 \(wasp, hellaswag\)",
        r"scores.csv: benchmark is not in benchmarks.csv at line 6 \(wasp, hellaswag\)",
        r"scores.csv: score is missing at line 7 \(ant-7b, gsm8k\)",
        r"scores.csv: score is not a finite number at line 6 \(wasp, hellaswag\) = 'abc'",
        r"scores.csv: score is outside \[0, 1\] at line 5 \(ant-1b, mmlu\) = 45.3",
        r"benchmarks.csv: benchmark repeats .* line 5 \(mmlu\)",
        r"benchmarks.csv: n_items is not a positive .* line 4 \(arc\) = 0",
        r"benchmarks.csv: chance is missing at line 5 \(mmlu\)",
        r"benchmarks.csv: chance is outside \[0, 1\) at line 4 \(arc\) = 25",
    ]
    for pattern in expected:
        assert sum(bool(re.match(pattern, problem)) for problem in problems) == 1, pattern
    assert len(problems) == len(expected)


def test_scores_are_not_held_against_a_file_that_cannot_be_read(problems_of):
    assert "models.csv" in only(problems_of(models=b"\xff\xff"))


def test_line_numbers_are_those_of_an_editor(problems_of):
    rows = [
        "model,benchmark,score,source",
        "ant-1b,mmlu,0.31,",
        "",
        'ant-7b,gsm8k,0.2,"two\nlines"',
        "x,mmlu,0.31,",
    ]
    assert "line 6 (x, mmlu)" in only(problems_of(scores="\r\n".join(rows)))


def test_a_byte_order_mark_and_spaces_around_cells_are_harmless(problems_of):
    assert problems_of(scores="\ufeff" + SCORES.replace(",", " , ")) == []


def test_blank_rows_are_harmless(problems_of):
    assert problems_of(scores=SCORES + "\n,,\n\n") == []


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "models.csv"
    path.write_bytes(data)
    cells, problems = read_cells(path)
    assert cells is not None or len(problems) == 1


@settings(deadline=None, max_examples=25)
@given(
    cells=st.lists(
        st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='",')),
        min_size=6,
        max_size=6,
    )
)
def test_no_cells_make_validation_fail(tmp_path_factory, cells):
    path: Path = tmp_path_factory.mktemp("cells")
    (path / "models.csv").write_text(MODELS + ",".join(cells) + "\n", encoding="utf-8")
    (path / "scores.csv").write_text(SCORES + ",".join(cells[:3]) + "\n", encoding="utf-8")
    (path / "benchmarks.csv").write_text(BENCHMARKS + ",".join(cells[:3]) + "\n", encoding="utf-8")
    assert all(re.match(r"(models|scores|benchmarks)\.csv: .*\.$", p) for p in validate(path))


@given(st.floats(allow_nan=False))
def test_number_reads_back_what_python_writes(value):
    assert number(repr(value)) == value


def test_near_names_only_what_is_near():
    assert near(["gsm8", "zzzz", "gsm8"], ["gsm8k", "mmlu"]) == " ('gsm8': nearest 'gsm8k')"
    assert near(["zzzz"], ["gsm8k"]) == ""
