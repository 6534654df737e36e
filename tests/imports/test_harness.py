"""Results of lm-evaluation-harness as observed models."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_files import version_3, version_4, write_json
from skillscale.data.observed import read_observed
from skillscale.data.table import load_table
from skillscale.errors import TableError
from skillscale.imports.additions import as_cells, with_added_models, with_additions
from skillscale.imports.aliases import load_aliases
from skillscale.imports.harness import Given, read_harness
from skillscale.imports.report import Report

PARTS = load_aliases().parts


@pytest.fixture
def row(tmp_path):
    """The only row, and the report, of one file."""

    def read(content, given=None):
        frame, report = read_harness([write_json(tmp_path / "results.json", content)], given)
        return frame.iloc[0], report

    return read


@pytest.mark.parametrize(
    ("task", "metrics", "benchmark", "score"),
    [
        ("arc_challenge", {"acc,none": 0.3, "acc_norm,none": 0.4}, "arc_challenge", 0.4),
        (
            "arc_challenge",
            {"acc": 0.3, "acc_norm": 0.4, "acc_norm_stderr": 0.01},
            "arc_challenge",
            0.4,
        ),
        ("hellaswag", {"acc,none": 0.5, "acc_norm,none": 0.6}, "hellaswag", 0.6),
        ("winogrande", {"acc,none": 0.6, "acc_stderr,none": 0.02}, "winogrande", 0.6),
        ("mmlu", {"acc,none": 0.45, "alias": "mmlu"}, "mmlu", 0.45),
        (
            "gsm8k",
            {"exact_match,strict-match": 0.2, "exact_match,flexible-extract": 0.3},
            "gsm8k",
            0.2,
        ),
        ("gsm8k", {"acc": 0.2, "acc_stderr": 0.01}, "gsm8k", 0.2),
        ("truthfulqa_mc", {"mc1": 0.3, "mc2": 0.4, "mc2_stderr": 0.1}, "truthfulqa", 0.4),
        ("truthfulqa-mc", {"mc1": 0.3, "mc2": 0.4}, "truthfulqa", 0.4),
        ("truthfulqa_mc2", {"acc,none": 0.4}, "truthfulqa", 0.4),
        (
            "leaderboard_ifeval",
            {"prompt_level_strict_acc,none": 0.3, "inst_level_strict_acc,none": 0.5},
            "ifeval",
            0.4,
        ),
        ("leaderboard_math_hard", {"exact_match,none": 0.1}, "math_lvl_5", 0.1),
        ("leaderboard_bbh", {"acc_norm,none": 0.4}, "bbh", 0.4),
        ("leaderboard_gpqa", {"acc_norm,none": 0.3}, "gpqa", 0.3),
        ("leaderboard_mmlu_pro", {"acc,none": 0.3}, "mmlu_pro", 0.3),
        ("humaneval", {"pass@1,create_test": 0.3}, "humaneval", 0.3),
        ("harness|arc:challenge|25", {"acc": 0.3, "acc_norm": 0.4}, "arc_challenge", 0.4),
        ("harness|truthfulqa:mc|0", {"mc1": 0.3, "mc2": 0.4}, "truthfulqa", 0.4),
    ],
)
def test_the_metric_is_the_shipped_one(row, task, metrics, benchmark, score):
    found, report = row(version_4({task: metrics}))
    assert found[benchmark] == pytest.approx(score)
    assert report.rows[0]["taken_for"] == benchmark


@pytest.mark.parametrize("prefix", ["hendrycksTest-", "mmlu_", "harness|hendrycksTest-"])
def test_parts_count_by_their_questions(row, prefix):
    suffix = "|5" if "|" in prefix else ""
    parts = PARTS["mmlu"]
    scores = dict(zip(parts, np.linspace(0.3, 0.6, len(parts)), strict=True))
    tasks = {f"{prefix}{part}{suffix}": {"acc": score} for part, score in scores.items()}
    found, report = row(version_3(tasks))
    weights = np.array([parts[part] for part in scores])
    assert found["mmlu"] == pytest.approx(np.average([*scores.values()], weights=weights), abs=1e-6)
    assert any("57 parts of mmlu count by their questions" in said for said in report.said)


def test_parts_count_by_the_questions_that_a_file_says(row):
    scores = {"main": 0.3, "diamond": 0.4, "extended": 0.5}
    tasks = {f"leaderboard_gpqa_{part}": {"acc_norm,none": score} for part, score in scores.items()}
    counts = {task: {"original": 10, "effective": 10} for task in tasks}
    counts["leaderboard_gpqa_main"] = {"original": 30, "effective": 30}
    found, _ = row(version_4(tasks, **{"n-samples": counts}))
    assert found["gpqa"] == pytest.approx((30 * 0.3 + 10 * 0.4 + 10 * 0.5) / 50)


def test_a_benchmark_with_parts_missing_is_not_taken(row):
    tasks = {"hendrycksTest-anatomy": {"acc": 0.4}, "winogrande": {"acc": 0.6}}
    found, report = row(version_3(tasks))
    assert "mmlu" not in found
    assert "mmlu is not taken, for 1 of its 57 parts are there" in report.doubts[0]


def test_a_group_counts_rather_than_its_parts_and_has_their_shots(row):
    tasks = {"mmlu": {"acc,none": 0.5}, "mmlu_anatomy": {"acc,none": 0.2}}
    content = version_4(
        tasks, groups={"mmlu": {"acc,none": 0.5}}, **{"n-shot": {"mmlu_anatomy": 5}}
    )
    found, report = row(content)
    assert found["mmlu"] == 0.5
    assert report.rows[0]["shots"] == 5


def test_other_numbers_of_shots_are_doubted(row):
    content = version_4(
        {"arc_challenge": {"acc_norm,none": 0.4}, "winogrande": {"acc,none": 0.6}},
        **{"n-shot": {"arc_challenge": 0, "winogrande": 5}},
    )
    _, report = row(content)
    doubts = [doubt for doubt in report.doubts if "shots" in doubt]
    assert len(doubts) == 1
    assert "arc_challenge 0 rather than 25" in doubts[0]
    assert "winogrande" not in doubts[0]


def test_name_size_and_tokens_come_from_file_options_or_shipped_table(row):
    tasks = {"winogrande": {"acc,none": 0.6}}
    found, _ = row(version_4(tasks, config={"model_num_parameters": 7241732096}))
    assert found["model"] == "org/ant-7b"
    assert found["n_params"] == 7241732096
    assert math.isnan(found["n_tokens"])

    found, report = row(version_3(tasks, name="EleutherAI/pythia-6.9b"))
    assert (found["n_params"], found["n_tokens"]) == (6.9e9, 3e11) or found["n_tokens"] == 3e11
    assert any("pythia-6.9b of the shipped table" in said for said in report.said)

    found, _ = row({"results": tasks}, Given("mine", 1e9, 2e12))
    assert found[["model", "n_params", "n_tokens"]].tolist() == ["mine", 1e9, 2e12]

    found, report = row(version_3(tasks, name="/data/ckpt/wasp-3b-chat"))
    assert found[["model", "n_params", "tuning"]].tolist() == ["wasp-3b-chat", 3e9, "instruct"]
    assert any("what the name says, 3B" in said for said in report.said)


def test_arguments_of_a_model_may_be_a_mapping(row):
    config = {"model_args": {"pretrained": "org/bee-1b", "load_in_4bit": True}, "limit": 10}
    found, report = row({"results": {"winogrande": {"acc,none": 0.6}}, "config": config})
    assert found["model"] == "org/bee-1b"
    assert any("rounded to 4 bits" in doubt for doubt in report.doubts)
    assert any("only 10 questions" in doubt for doubt in report.doubts)


def test_directories_are_searched_and_the_newest_result_of_a_task_counts(tmp_path):
    folder = tmp_path / "out" / "org__ant-7b"
    old = version_4({"winogrande": {"acc,none": 0.5}, "hellaswag": {"acc_norm,none": 0.6}})
    new = version_4({"winogrande": {"acc,none": 0.7}}, date=1.8e9)
    write_json(folder / "results_2030-01-01T00-00-00.json", old)
    write_json(folder / "results_2020-01-01T00-00-00.json", new)
    write_json(
        tmp_path / "out" / "org__bee" / "results_1.json",
        version_3({"winogrande": {"acc": 0.6}}, name="org/bee-1b"),
    )
    write_json(folder / "samples_winogrande.json", [1, 2])
    frame, report = read_harness([tmp_path / "out"])
    scores = frame.set_index("model")
    assert scores.loc["org/ant-7b", ["winogrande", "hellaswag"]].tolist() == [0.7, 0.6]
    assert scores.loc["org/bee-1b", "winogrande"] == 0.6
    assert any("the newest counts" in said and "winogrande" in said for said in report.said)


@pytest.mark.parametrize(
    ("value", "why"),
    [(45.3, "is above 1"), (-0.1, "is below 0"), (0.05, "is far below guessing")],
)
def test_impossible_scores_are_left_out_and_named(row, value, why):
    tasks = {"leaderboard_gpqa": {"acc_norm,none": value}, "winogrande": {"acc,none": 0.6}}
    found, report = row(version_4(tasks))
    assert "gpqa" not in found
    assert any(f"gpqa = {value:.4g}" in doubt and why in doubt for doubt in report.doubts)


def test_metrics_that_are_no_numbers_are_named(row):
    tasks = {"hellaswag": {"acc_norm": math.nan}, "winogrande": {"acc": "0.6"}, "piqa": {"acc": 1}}
    found, report = row(version_3(tasks))
    assert found["winogrande"] == 0.6
    assert any("hellaswag acc_norm = 'nan'" in doubt for doubt in report.doubts)
    assert any("piqa" in said for said in report.said)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "there is no 'results' in it, but nothing"),
        ('{"results": {}}', "'results' holds no task"),
        ('{"results": []}', "there is no 'results' in it, but results"),
        ("[]", "this is a list"),
        ("3", "there is no 'results' in it"),
        ('{"results": ', "line 1, column 13 is not JSON"),
        ("model,mmlu", "line 1, column 1 is not JSON"),
        ('{"results": {"piqa": {"acc,none": 0.7}}}', "no score of a shipped benchmark was found"),
        (
            '{"results": {"mmlu_pro": {"exact_match,custom-extract": 0.7}}}',
            "for want of the metric",
        ),
    ],
)
def test_other_files_are_told_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(TableError) as error:
        read_harness([path])
    assert sentence in str(error.value)
    assert "results.json" in str(error.value)


def test_a_missing_path_and_several_models_with_one_name_are_errors(tmp_path):
    with pytest.raises(TableError, match="no such file or directory"):
        read_harness([tmp_path / "nowhere"])
    tasks = {"winogrande": {"acc": 0.6}}
    files = [write_json(tmp_path / f"{n}.json", version_3(tasks, name=n)) for n in ("ant", "bee")]
    with pytest.raises(TableError, match="are of one model, and 2 were found: ant, bee"):
        read_harness(files, Given("mine"))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["arc_challenge", "winogrande", "gsm8k", "mmlu", "ifeval", "x"]),
        st.dictionaries(
            st.sampled_from(["acc", "acc,none", "acc_norm,none", "exact_match,strict-match", "mc2",
                             "prompt_level_strict_acc,none", "inst_level_strict_acc,none"]),
            st.floats(0.55, 1), min_size=1,
        ),
        min_size=1,
    )
)  # fmt: skip
def test_a_standard_error_is_never_a_score(tmp_path_factory, tasks):
    path = tmp_path_factory.mktemp("property") / "results.json"
    with_errors = {}
    for task, metrics in tasks.items():
        with_errors[task] = dict(metrics)
        for metric in metrics:
            name, comma, kind = metric.partition(",")
            with_errors[task][f"{name}_stderr{comma}{kind}"] = 0.53
    write_json(path, version_4(with_errors))
    try:
        frame, _ = read_harness([path])
    except TableError:
        return
    scores = frame.drop(columns=["model", "n_params", "n_tokens"]).to_numpy(float)
    assert not np.isclose(scores, 0.53).any()


def test_what_is_written_is_a_file_of_observed_models(tmp_path):
    tasks = {"winogrande": {"acc,none": 0.6}, "gsm8k": {"exact_match,strict-match": 0.0}}
    frame, _ = read_harness([write_json(tmp_path / "r.json", version_4(tasks))])
    as_cells(frame).to_csv(tmp_path / "obs.csv", index=False)
    observed = read_observed(tmp_path / "obs.csv", load_table().benchmarks)
    assert observed.loc[0, ["model", "n_params", "winogrande", "gsm8k"]].tolist() == [
        "org/ant-7b", 7e9, 0.6, 0.0,
    ]  # fmt: skip


def test_scores_are_added_to_observed_models(tmp_path):
    path = tmp_path / "obs.csv"
    path.write_text("model,n_params,n_tokens,mmlu,extra\norg/ant-7b,7.0e9,2e12,0.45,x\n")
    tasks = {"winogrande": {"acc,none": 0.6}, "mmlu": {"acc,none": 0.45}}
    file = write_json(tmp_path / "r.json", version_4(tasks))
    cells = with_additions(path, read_harness([file])[0])
    assert cells.to_dict("records") == [
        {"model": "org/ant-7b", "n_params": "7.0e9", "n_tokens": "2e12", "mmlu": "0.45",
         "extra": "x", "winogrande": "0.6"}
    ]  # fmt: skip
    file = write_json(tmp_path / "r.json", version_4({"mmlu": {"acc,none": 0.5}}))
    with pytest.raises(TableError, match=r"mmlu at line 2 \(org/ant-7b\) = 0.45, but .* has 0.5"):
        with_additions(path, read_harness([file])[0])


def test_scores_are_added_to_a_table(tmp_path):
    tasks = {"winogrande": {"acc,none": 0.6}, "mmlu": {"acc,none": 0.45}}
    new, _ = read_harness([write_json(tmp_path / "r.json", version_4(tasks))])
    directory = Path(__file__).parents[2] / "benchmarks_data"
    report = Report()
    draft = with_added_models(directory, new, "mine", report)
    draft.check()
    draft.write(tmp_path)
    table = load_table(tmp_path)
    assert table.wide().loc["org/ant-7b", "winogrande"] == 0.6
    assert any("the release of 1 model is not known" in said for said in report.said)

    tasks = {"winogrande": {"acc,none": 0.5}}
    content = version_3(tasks, name="EleutherAI/pythia-6.9b")
    new, _ = read_harness([write_json(tmp_path / "r.json", version_4(tasks) | content)])
    new["model"] = "EleutherAI/pythia-6.9b"
    with pytest.raises(TableError, match=r"pythia-6.9b has 0.\d+ on winogrande, .* has 0.5"):
        with_added_models(directory, new, "mine", report)


def results(arguments: str, task: str = "winogrande", **config) -> dict:
    """Results of one task."""
    return {"results": {task: {"acc": 0.6}}, "config": {"model_args": arguments, **config}}


def test_checkpoints_are_models_of_their_own(tmp_path):
    final = "pretrained=EleutherAI/pythia-1b"
    files = {
        "a": results(f"{final},revision=step1000"),
        "b": results(f"{final},revision=main", "piqa") | {"results": {"winogrande": {"acc": 0.5}}},
        "c": results("pretrained=/data/nova-1b/checkpoint-5000"),
        "d": results("pretrained=/data/vega-7b/checkpoint-5000,peft=None"),
        "e": results("pretrained=org/ant-3b,revision=0123456789abcdef0123456789abcdef01234567"),
    }
    for name, content in files.items():
        write_json(tmp_path / f"results_{name}.json", content)
    frame, _ = read_harness([tmp_path])
    found = frame.set_index("model")
    assert set(found.index) == {
        "EleutherAI/pythia-1b@step1000",
        "EleutherAI/pythia-1b",
        "nova-1b-checkpoint-5000",
        "vega-7b-checkpoint-5000",
        "org/ant-3b",
    }
    assert found["n_tokens"].notna().sum() == 1, "a checkpoint has not seen all tokens"
    assert found.loc["vega-7b-checkpoint-5000", "n_params"] == 7e9


def test_json_that_is_not_read_is_named(tmp_path):
    write_json(tmp_path / "results_1.json", results("pretrained=org/ant-3b"))
    write_json(tmp_path / "gsm8k.json", results("pretrained=org/ant-3b", "gsm8k"))
    _, report = read_harness([tmp_path])
    assert any("is not read" in doubt and "gsm8k.json" in doubt for doubt in report.doubts)


def test_a_shipped_model_brings_its_tuning(row):
    found, report = row(results("pretrained=HuggingFaceH4/zephyr-7b-beta"))
    assert found["tuning"] == "instruct"
    assert any("as zephyr-7b-beta of the shipped table is" in said for said in report.said)


@pytest.mark.parametrize(
    ("arguments", "config", "doubt"),
    [
        ("pretrained=org/ant-3b", {"limit": 0.1}, "only 10% of the questions"),
        ("pretrained=org/ant-3b", {"max_samples": 100}, "only 100 questions"),
        ("pretrained=org/ant-3b,gguf_file=Q2_K.gguf", {}, "rounded (gguf_file=Q2_K.gguf)"),
        ("pretrained=org/ant-3b", {"system_instruction": "Be kind."}, "a system instruction"),
        ("pretrained=org/ant-7B-AWQ", {"model_num_parameters": 1.13e9}, "packed weights?"),
    ],
)
def test_runs_unlike_the_leaderboards_are_doubted(row, arguments, config, doubt):
    found, report = row(results(arguments, **config))
    assert any(doubt in said for said in report.doubts)
    assert found["n_params"] in (3e9, 7e9)


def test_prompts_of_both_kinds_are_told(tmp_path):
    plain = results("pretrained=org/ant-3b")
    write_json(tmp_path / "results_1.json", plain)
    chat = results("pretrained=org/ant-3b", "piqa") | {"chat_template": "{% for m in messages %}"}
    write_json(tmp_path / "results_2.json", chat)
    _, report = read_harness([tmp_path])
    assert any("some of its results are with a chat template" in said for said in report.doubts)


def test_a_count_above_the_name_is_that_of_the_model(row):
    found, report = row(results("pretrained=org/ant-1B", model_num_parameters=1.67e9))
    assert found["n_params"] == 1.67e9
    assert not any("packed" in doubt for doubt in report.doubts)
