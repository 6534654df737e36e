"""Tables of any shape with a model per row."""

from __future__ import annotations

import pytest

from skillscale.data.table import load_table
from skillscale.errors import SkillscaleError, TableError
from skillscale.imports.wide import read_wide

POINTS = """Model,Params,Tokens,MMLU (5-shot),GSM-8K,AIME 2025,My Eval,Average,mmlu_stderr,Released
ant-1b,1.5B,2T,45.3,10.0,0.0,20,30,0.4,2025-03
ant-7b-instruct,7B,2T,60.1 %,50.5,3.3,40,30,0.4,2025-03
bee-3b,3B,n/a,55.0 ± 0.4,-,1.0,30,30,0.4,2024-11-05
"""


@pytest.fixture
def read(tmp_path):
    """The table and report of a file, which loads."""

    def reading(text: str, name: str = "scores.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        draft, report = read_wide(path)
        draft.check()
        folder = tmp_path / "out"
        folder.mkdir(exist_ok=True)
        draft.write(folder)
        return load_table(folder), report

    return reading


def test_percentages_counts_and_names(read):
    table, report = read(POINTS)
    assert list(table.benchmarks.index) == ["mmlu", "gsm8k", "aime_2025", "my_eval"]
    wide = table.wide()
    assert wide["mmlu"].tolist() == [0.453, 0.601, 0.55]
    assert wide.loc["bee-3b"].isna().tolist() == [False, True, False, False]
    models = table.models
    assert models["n_params"].tolist() == [1.5e9, 7e9, 3e9]
    assert models["release"].tolist() == ["2025-03", "2025-03", "2024-11"]
    assert models["tuning"].tolist() == ["base", "instruct", "base"]
    assert models["n_tokens"].isna().tolist() == [False, False, True]
    said = "\n".join(report.said)
    assert "not taken for scores: Average, mmlu_stderr" in said
    assert "my_eval: nothing is known of it" in said
    assert table.benchmarks.loc["aime_2025", ["n_items", "chance"]].tolist() == [30, 0]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_separators_and_decimal_commas(read, separator):
    text = POINTS.replace(",", separator).replace(".", ",").replace("1,5B", "1.5B")
    table, report = read(text)
    plain, _ = read(POINTS)
    assert table.wide().equals(plain.wide())
    assert table.models["n_params"].tolist() == plain.models["n_params"].tolist()
    assert any("commas stand before decimals" in said for said in report.said)


def test_units_in_headers_and_without(read):
    table, _ = read("name,#Params (B),Training tokens (T),mmlu\nant,7.1,15,0.6\nbee,70,15,0.7\n")
    assert table.models[["n_params", "n_tokens"]].to_numpy().tolist() == [
        [7.1e9, 1.5e13], [7e10, 1.5e13],
    ]  # fmt: skip
    table, report = read("name,params,tokens,mmlu\nant,7.1,15,0.6\nbee,70,15,0.7\n")
    assert table.models["n_tokens"].tolist() == [1.5e13, 1.5e13]
    assert any("n_params has no unit, and is taken to be in units of 1e9" in s for s in report.said)
    table, _ = read('name,params,mmlu\nant,"7,100,000,000",0.6\n')
    assert table.models["n_params"].tolist() == [7.1e9]


def test_models_of_the_shipped_table_bring_their_facts(read):
    table, report = read("model,mmlu,gpqa diamond\nLlama-2-7b-hf,45.1,28.0\n")
    model = table.models.iloc[0]
    assert model[["family", "n_params", "n_tokens", "release"]].tolist() == [
        "llama-2", 7e9, 2e12, "2023-08",
    ]  # fmt: skip
    assert "gpqa_diamond" in table.benchmarks.index
    assert any("models of the shipped table" in said for said in report.said)


def test_what_can_not_be_read_is_named_and_left_out(read):
    table, report = read(
        "model,params,mmlu,gsm8k,gpqa\nant,7B,45,10,2\nbee,many,50,x,30\ncat,1B,,,\ndog,2B,55,30,31\n"
    )
    doubts = "\n".join(report.doubts)
    assert list(table.models.index) == ["ant", "dog"]
    assert "n_params is no count, and left empty, for bee = 'many'" in doubts
    assert "the size of bee is not known: left out" in doubts
    assert "gsm8k is no number, and left out, at line 3 = 'x'" in doubts
    assert "gpqa at line 2 = 2 (percent) is far below guessing" in doubts
    assert "cat have no score" in doubts


def test_shots_and_columns_of_one_benchmark_are_doubted(read):
    table, report = read("model,params,ARC-C (0-shot),arc_challenge\nant,7B,45,47\nbee,9B,50,52\n")
    doubts = "\n".join(report.doubts)
    assert table.wide()["arc_challenge"].tolist() == [0.45, 0.5]
    assert "ARC-C (0-shot) 0 rather than 25" in doubts
    assert "arc_challenge (beside ARC-C (0-shot))" in doubts


def test_low_percentages_beside_others(read):
    table, report = read("model,params,mmlu,gsm8k,hellaswag\nant,1B,30,0.8,40\nbee,2B,31,1.1,45\n")
    assert table.wide()["gsm8k"].tolist() == [0.008, 0.011]
    assert any("gsm8k have no value above 1 where others" in d or "gsm8k have no value" in d
               for d in report.doubts)  # fmt: skip


@pytest.mark.parametrize("name", ["mmlu_stderr", "MMLU (stderr)", "acc_stderr,none", "MMLU ±"])
def test_a_standard_error_is_never_a_score(read, name):
    text = f'model,params,mmlu,"{name}"\nant,7B,45.0,0.4\nbee,9B,50.0,0.5\n'
    table, _ = read(text)
    assert table.scores["score"].tolist() == [0.45, 0.5]
    assert list(table.benchmarks.index) == ["mmlu"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model,mmlu\nant-7b,45\nant-7b,46\n", "models repeat earlier rows at line 3"),
        ("model,notes\nant-7b,good\n", "no column holds scores"),
        ("a,mmlu\nx,45\nx,46\n", "no column names the models"),
        ("model,mmlu\nant-7b,none\n", "no score could be read"),
        ("model,mmlu\nant,45\n", "no model with scores is left"),
        ('{"results": {}}', "skillscale import lm-eval"),
    ],
)
def test_other_files_are_told_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=sentence):
        read_wide(path)


def test_xlsx_is_read_or_the_extra_is_named(tmp_path):
    path = tmp_path / "scores.xlsx"
    path.write_bytes(b"PK\x03\x04 cut short")
    try:
        import openpyxl
    except ImportError:
        with pytest.raises(SkillscaleError, match=r"pip install 'skillscale\[import\]'"):
            read_wide(path)
        return
    with pytest.raises(TableError, match="no whole XLSX file"):
        read_wide(path)
    book = openpyxl.Workbook()
    for row in (["Model", "Params", "MMLU"], ["ant", "7B", 45.3], ["bee", "9B", 50]):
        book.active.append(row)
    book.save(path)
    draft, _ = read_wide(path)
    assert draft.scores["score"].tolist() == ["0.453", "0.5"]


CARD = """# Ant

Some | prose with a bar.

| Benchmark | [Ant 7B](https://ants.example) | **Ant 70B** | Llama-3.1-8B |
|:---|:-:|---:|---|
| # Params | 7B | 70B | 8B |
| MMLU (5-shot) | **45.1** | 70.2 | 66.6 |
| HellaSwag<br>acc_norm | 70.0 | - | `82.0` |
| Average | 50 | 60 | 70 |

More prose.
"""


def test_a_model_card_has_benchmarks_in_rows(read):
    table, report = read(CARD, "card.md")
    wide = table.wide()
    assert list(wide.index) == ["Ant 7B", "Ant 70B", "Llama-3.1-8B"]
    assert wide["mmlu"].tolist() == [0.451, 0.702, 0.666]
    assert wide["hellaswag"].isna().tolist() == [False, True, False]
    assert table.models["n_params"].tolist() == [7e9, 7e10, 8e9]
    assert table.models["family"].tolist()[:2] == ["Ant", "Ant"]
    said = "\n".join(report.said)
    assert "the table in Markdown is read, from line 5" in said
    assert "benchmarks stand in rows and models in columns" in said
    assert "not taken for scores: Average" in said


def test_a_turned_table_may_lack_the_header_of_its_names(read):
    table, _ = read(",ant-7b,ant-70b\nMMLU,45.1,70.2\nGSM8K,20,50\n")
    assert table.wide()["gsm8k"].to_dict() == {"ant-7b": 0.2, "ant-70b": 0.5}
    numbered, _ = read(",model,params,mmlu\n0,ant-7b,7B,45.1\n1,ant-70b,70B,70.2\n")
    assert list(numbered.models.index) == ["ant-7b", "ant-70b"]


def test_a_benchmark_twice_in_a_turned_table_is_refused(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("Benchmark,ant-7b\nMMLU,45.1\nMMLU,46.1\n")
    with pytest.raises(TableError, match=r"repeat earlier rows at line 3 \(MMLU\)"):
        read_wide(path)


@pytest.mark.parametrize(
    ("header", "benchmark"),
    [
        ("hellaswag_acc_norm", "hellaswag"),
        ("HellaSwag (acc norm)", "hellaswag"),
        ("ARC-C acc_norm (25-shot)", "arc_challenge"),
        ("winogrande/acc", "winogrande"),
        ("gsm8k_exact_match", "gsm8k"),
        ("MMLU-Pro [accuracy]", "mmlu_pro"),
        ("truthfulqa_mc1", "truthfulqa_mc1"),
        ("winogrande_acc_norm", "winogrande_acc_norm"),
    ],
)
def test_headers_say_the_metric(read, header, benchmark):
    table, report = read(f"model,params,{header}\nant-7b,7B,61.0\nant-70b,70B,72.0\n")
    assert list(table.benchmarks.index) == [benchmark]
    assert not any("another metric" in doubt for doubt in report.doubts)


def test_accuracy_that_is_not_normalised_is_doubted_or_left_out(read):
    raw = "model,params,hellaswag_acc\nant-7b,7B,51.0\nant-70b,70B,62.0\n"
    table, report = read(raw)
    assert list(table.benchmarks.index) == ["hellaswag"]
    assert any("hellaswag_acc rather than acc_norm" in doubt for doubt in report.doubts)
    both = "model,params,hellaswag_acc,hellaswag_acc_norm\nant-7b,7B,51.0,70.5\n"
    table, report = read(both)
    assert table.wide().loc["ant-7b", "hellaswag"] == 0.705
    assert any("hellaswag_acc (beside hellaswag_acc_norm)" in doubt for doubt in report.doubts)


def test_an_unknown_release_is_the_last_month_anywhere(read):
    table, _ = read("model,params,release,mmlu\nant-7b,7B,2023-02,0.5\nbee-7b,7B,,0.5\n")
    assert table.models["release"].tolist() == ["2023-02", "2025-02"]


def test_a_score_per_row(read):
    text = (
        "Model,Params,Task,Score\nant-7b,7B,MMLU,45.1\nant-7b,7B,GSM8K,20\n"
        "ant-70b,70B,MMLU,70.2\nant-70b,70B,My Eval,33\n"
    )
    table, report = read(text)
    wide = table.wide()
    assert wide.loc["ant-7b", ["mmlu", "gsm8k"]].tolist() == [0.451, 0.2]
    assert wide.loc["ant-70b", ["mmlu", "my_eval"]].tolist() == [0.702, 0.33]
    assert table.models["n_params"].tolist() == [7e9, 7e10]
    assert any("a score stands in every row, 'Score' on 'Task'" in said for said in report.said)


def test_two_scores_of_a_model_on_one_benchmark_are_refused(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("model,benchmark,score\nant,mmlu,0.4\nant,mmlu,0.5\n")
    with pytest.raises(TableError, match=r"repeat earlier rows at line 3 \(ant, mmlu\)"):
        read_wide(path)


def test_a_developer_has_one_name_however_a_file_writes_it(read):
    rows = ["Qwen/Qwen9-8B,8B,", "mistralai/Bee-7B,7B,MISTRAL AI", "nova-1b,1B,Nova Labs"]
    table, _ = read("Model,Params,Organization,MMLU\n" + "".join(f"{r},60\n" for r in rows))
    assert table.models["developer"].to_list() == ["Alibaba", "Mistral AI", "Nova Labs"]


@pytest.mark.parametrize(
    ("name", "n_params"),
    [("opt-13b", 1.3e10), ("opt-1.3b", 1.316e9), ("Qwen2-57B", 5.7e10), ("Falcon-1.1B", 1.1e9),
     ("Llama-3-18B", 1.8e10), ("Llama 2 7B", 7e9)],
)  # fmt: skip
def test_a_point_in_a_name_is_no_digit(read, name, n_params):
    table, _ = read(f"model,mmlu\n{name},0.5\n")
    assert table.models["n_params"].item() == pytest.approx(n_params, rel=0.02)


def test_footnotes_of_a_card_are_no_digits(read):
    card = """| Benchmark | Nova-7B | Nova-13B<sup>2</sup> |
|---|---|---|
| MMLU | 45.3<sup>1</sup> | 50 |
| GSM8K<sup>1</sup> | 14.6<sup>2</sup> | 20 |
| HumanEval | 7<sup>3</sup> | 10 |
"""
    table, _ = read(card, "card.md")
    assert table.wide().loc["Nova-7B"].to_dict() == {
        "mmlu": 0.453,
        "gsm8k": 0.146,
        "humaneval": 0.07,
    }
    assert list(table.models.index) == ["Nova-7B", "Nova-13B"]
    assert read("model,mmlu\nnova-7b,45.3_4\nnova-1b,40\n")[0].models.index.to_list() == ["nova-1b"]


@pytest.mark.parametrize(
    "header", ["HumanEval (pass@10)", "GSM8K (maj@8)", "MMLU (STEM)", "HellaSwag [German]"]
)
def test_what_brackets_say_is_doubted(read, header):
    _, report = read(f"model,params,{header},ARC\nnova-7b,7B,20,30\n")
    (doubt,) = [said for said in report.doubts if "brackets" in said]
    assert f"{header} is taken for" in doubt
    _, plain = read("model,params,HumanEval (pass@1),GSM8K (5-shot),BBH (%)\nnova-7b,7B,20,3,4\n")
    assert not [said for said in plain.doubts if "brackets" in said]


def test_another_metric_in_brackets_makes_another_benchmark(read):
    table, _ = read("model,params,TruthfulQA (MC1),TruthfulQA (MC2)\nnova-7b,7B,20,30\n")
    assert list(table.benchmarks.index) == ["truthfulqa_mc1", "truthfulqa"]
    assert table.wide()["truthfulqa"].item() == 0.3


def test_rows_of_one_name_are_told_apart_by_size_and_others_left_out(read):
    text = "Model,Size,MMLU\nLlama 9,7B,45.3\n,13B,50.5\nLlama 10,7B,45\nAverage,,47\n,,1\n"
    table, report = read(text)
    assert table.models["n_params"].to_dict() == {
        "Llama 9 7B": 7e9, "Llama 9 13B": 1.3e10, "Llama 10": 7e9,
    }  # fmt: skip
    said = " ".join([*report.said, *report.doubts])
    assert "called by their sizes too: Llama 9 7B, Llama 9 13B" in said
    assert "not taken for models: Average" in said
    assert "left out, at line 6" in said


def test_cards_may_say_category_shots_and_metric(read):
    table, report = read(
        "Category,Benchmark,# Shots,Metric,Nova 8B,Nova 70B\n"
        "General,MMLU,5,macro_avg,66.7,79.5\nMath,GSM8K,8,em,57.2,83.1\n"
    )
    assert table.wide().loc["Nova 8B"].to_dict() == {"mmlu": 0.667, "gsm8k": 0.572}
    assert any("GSM8K (8-shot) (em) 8 rather than 5" in doubt for doubt in report.doubts)


def test_a_score_per_row_may_say_shots_and_metric(read):
    table, report = read(
        "model,task,metric,n_shot,value\nnova-7b,hellaswag,acc,0,0.6\n"
        "nova-7b,gsm8k,exact_match,8,0.3\nnova-7b,truthfulqa,mc1,0,0.4\n"
    )
    assert set(table.benchmarks.index) == {"hellaswag", "gsm8k", "truthfulqa_mc1"}
    doubts = " ".join(report.doubts)
    assert "rather than 10" in doubts
    assert "rather than acc_norm" in doubts


def test_cells_of_both_units_are_read_as_they_are_written(read):
    table, report = read("model,GSM8K\nnova-7b,0.452\nnova-13b,53.1%\n")
    assert table.wide()["gsm8k"].to_list() == [0.452, 0.531]
    assert any("percent sign" in doubt for doubt in report.doubts)


@pytest.mark.parametrize(
    ("said", "tuning"),
    [("untuned", "base"), ("Base (not instruction-tuned)", "base"), ("IT", "instruct"),
     ("DPO", "instruct"), ("aligned", "instruct"), ("chat", "instruct")],
)  # fmt: skip
def test_words_of_tuning(read, said, tuning):
    assert read(f"model,type,mmlu\nnova-7b,{said},45\n")[0].models["tuning"].item() == tuning


def test_a_rounded_number_is_no_month(read):
    table, report = read("model,release,mmlu\nnova-7b,2024.1,45\nnova-1b,2024.05,40\n")
    assert table.models["release"].to_list()[1] == "2024-05"
    assert any("no month" in doubt and "2024.1" in doubt for doubt in report.doubts)
