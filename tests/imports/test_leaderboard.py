"""Dumps of the Open LLM Leaderboard as tables."""

from __future__ import annotations

import pandas as pd
import pytest

from skillscale.data.table import load_table
from skillscale.errors import SkillscaleError, TableError
from skillscale.imports import known_models as known_module
from skillscale.imports.leaderboard import Chosen, read_leaderboard

V1 = """T,Model,Average ⬆️,ARC,HellaSwag,MMLU,TruthfulQA,Winogrande,GSM8K,Type,Architecture,Precision,Merged,#Params (B),Flagged,MoE,date
🟢,meta-llama/Llama-2-7b-hf,50.9,53.1,78.6,46.9,38.8,74.0,14.5,🟢 pretrained,Llama,float16,True,6,True,True,2023-09-09T10:52:17Z
🟢,meta-llama/Llama-2-13b-hf,55.7,59.4,82.1,55.8,37.4,76.6,22.8,🟢 pretrained,Llama,float16,True,13,True,True,2023-09-09T10:52:17Z
🔶,org/ant-7b-v2,50,53.0,78.0,46.0,38.0,74.0,14.0,🔶 fine-tuned on domain-specific datasets,Llama,4bit,True,7,True,True,2023-10-01T00:00:00Z
🔶,org/ant-7b-v2,50,54.0,79.0,47.0,39.0,75.0,15.0,🔶 fine-tuned on domain-specific datasets,Llama,float16,True,7,True,True,2023-10-02T00:00:00Z
💬,org/ant-13b-v2,50,60.0,2.0,47.0,39.0,75.0,15.0,"💬 chat models (RLHF, DPO, IFT, ...)",Llama,float16,True,0,True,True,2023-11-02T00:00:00Z
🤝,org/mix-7b,50,54.0,79.0,47.0,39.0,75.0,15.0,🤝 base merges and moerges,Llama,float16,False,7,True,True,2023-10-02T00:00:00Z
🔶,org/cheat-7b,90,94.0,99.0,97.0,99.0,95.0,95.0,🔶 fine-tuned on domain-specific datasets,Llama,float16,True,7,False,True,2023-10-02T00:00:00Z
?,org/secret,50,54.0,79.0,47.0,39.0,75.0,15.0,,?,float16,True,0,True,True,
"""  # noqa: E501
V2 = """T,Model,Average ⬆️,IFEval,IFEval Raw,BBH,BBH Raw,MATH Lvl 5,MATH Lvl 5 Raw,GPQA,GPQA Raw,MMLU-PRO,MMLU-PRO Raw,Type,Precision,Not_Merged,#Params (B),Flagged,MoE,Submission Date,Upload To Hub Date,Chat Template
💬,org/bee-7b-it,20,50.0,0.5,24.0,0.46,5.0,0.05,5.0,0.29,21.0,0.29,💬 chat models,bfloat16,True,7,True,True,2024-06-12,2024-05-20,False
💬,org/bee-7b-it,20,60.0,0.6,25.0,0.47,6.0,0.06,6.0,0.30,22.0,0.30,💬 chat models,float16,True,7,True,True,2024-07-12,2024-05-20,True
🟢,org/bee-7b,20,30.0,0.3,25.0,0.47,6.0,0.06,6.0,0.30,22.0,0.30,🟢 pretrained,float16,True,7,True,True,2024-07-12,2024-05-20,False
"""  # noqa: E501
FINAL = """hf_id,precision,architecture,params_b,kind,chat_template,merged,moe,submitted,base_model,ifeval,bbh,math_lvl_5_rescored,math_lvl_5,gpqa,musr,mmlu_pro
Qwen/Qwen2-7B,bfloat16,Qwen2ForCausalLM,7.616,pretrained,0.0,0.0,0.0,2024-06-12,Qwen/Qwen2-7B,0.3148,0.5315,0.2,0.1841,0.3045,0.4436,0.4183
org/wasp-7b,bfloat16,Qwen2ForCausalLM,7.616,finetuned,1.0,0.0,0.0,2024-09-12,Qwen/Qwen2-7B,0.4,0.53,0.2,0.19,0.31,0.44,0.42
org/wasp-7b-more,bfloat16,Qwen2ForCausalLM,15.2,continued,1.0,0.0,0.0,2024-09-12,org/wasp-7b,0.4,0.53,0.2,0.19,0.31,0.44,0.42
org/blend-7b,bfloat16,Qwen2ForCausalLM,7.6,finetuned,1.0,0.0,0.0,2024-10-12,org/wasp-7b (Merge),0.4,0.53,0.2,,0.02,0.44,0.42
org/who,bfloat16,?,-1,,,,,,,0.4,0.53,0.2,,0.31,0.44,0.42
org/who-3b,bfloat16,?,3.0,,,,,,,0.4,0.53,0.2,,0.31,0.44,0.42
"""  # noqa: E501


@pytest.fixture
def read(tmp_path):
    """The table and report of a dump, which loads."""

    def reading(text: str, chosen: Chosen | None = None):
        path = tmp_path / "dump.csv"
        path.write_text(text, encoding="utf-8")
        draft, report = read_leaderboard(path, chosen)
        draft.check()
        draft.write(tmp_path)
        return load_table(tmp_path), report

    return reading


def test_v1_percentages_billions_and_known_models(read):
    table, report = read(V1)
    assert list(table.models.index) == [
        "llama-2-7b", "llama-2-13b", "org/ant-7b-v2", "org/ant-13b-v2",
    ]  # fmt: skip
    assert table.wide().loc["llama-2-7b", ["arc_challenge", "gsm8k"]].tolist() == [0.531, 0.145]
    llama = table.models.loc["llama-2-7b"]
    assert llama[["family", "n_tokens", "release"]].tolist() == ["llama-2", 2e12, "2023-08"]
    ant = table.models.loc["org/ant-13b-v2"]
    assert ant[["family", "n_params", "tuning", "release"]].tolist() == [
        "org/ant-v2", 1.3e10, "instruct", "2023-11",
    ]  # fmt: skip
    assert pd.isna(ant["n_tokens"])
    assert any("Merged is true of 7 of 8 rows" in said for said in report.said)


def test_v1_repeats_merges_flags_and_impossible_scores(read):
    table, report = read(V1)
    said, doubts = "\n".join(report.said), "\n".join(report.doubts)
    assert table.wide().loc["org/ant-7b-v2", "mmlu"] == 0.47  # not that of the 4 bits
    assert "1 row of 1 model that has several is left out: org/ant-7b-v2" in said
    assert "1 row left out: merges (--merges keeps them)" in said
    assert "1 row left out: flagged by the leaderboard (--flagged keeps them)" in said
    assert "hellaswag is far below guessing" in doubts
    assert "org/ant-13b-v2 = 0.02" in doubts
    assert "the size of org/secret is not known" in doubts
    everything, _ = read(V1, Chosen(merges=True, flagged=True))
    assert {"org/mix-7b", "org/cheat-7b"} <= set(everything.models.index)


def test_official_and_community_rows_are_told_apart(read):
    official, _ = read(V1, Chosen(is_official=True))
    community, _ = read(V1, Chosen(is_official=False))
    assert list(official.models.index) == ["llama-2-7b", "llama-2-13b"]
    assert not set(official.models.index) & set(community.models.index)


def test_v2_raw_scores_and_the_chat_template(read):
    table, report = read(V2)
    wide = table.wide()
    assert wide.loc["org/bee-7b-it", ["ifeval", "bbh", "gpqa"]].tolist() == [0.6, 0.47, 0.3]
    assert table.models.loc["org/bee-7b-it", "release"] == "2024-05"
    assert table.models.loc["org/bee-7b", "tuning"] == "base"
    assert any("raw scores are taken, not the normalised ones" in said for said in report.said)
    assert "math_lvl_5_rescored" not in wide


def test_v2_after_february_2025_has_math_scored_again(read):
    table, _ = read(V2.replace("2024-07-12", "2025-03-12"))
    assert table.wide().loc["org/bee-7b-it", "math_lvl_5_rescored"] == 0.06


def test_v2_normalised_scores_alone_are_turned_back(read):
    lines = [line.split(",") for line in V2.splitlines()]
    keep = [i for i, name in enumerate(lines[0]) if not name.endswith("Raw")]
    text = "\n".join(",".join(line[i] for i in keep) for line in lines)
    table, report = read(text)
    assert table.wide().loc["org/bee-7b-it", "gpqa"] == pytest.approx(0.25 + 0.75 * 0.06)
    assert any("taken to be normalised" in doubt for doubt in report.doubts)


def test_final_lineage_tokens_and_what_is_not_known(read):
    table, report = read(FINAL, Chosen(merges=True))
    models = table.models
    assert models.loc["org/wasp-7b", ["lineage", "n_tokens"]].tolist() == ["qwen2", 7e12]
    assert models.loc["org/wasp-7b-more", ["lineage", "tuning"]].tolist() == ["qwen2", "base"]
    assert models.loc[["org/wasp-7b-more", "org/blend-7b", "org/who-3b"], "n_tokens"].isna().all()
    assert models.loc["org/who-3b", ["tuning", "release"]].tolist() == ["instruct", "2024-10"]
    assert "org/who" not in models.index
    doubts = "\n".join(report.doubts)
    assert "org/wasp-7b-more 15.2B, 2 times" in doubts
    assert "gpqa is far below guessing, which scores 0.25, and is left out" in doubts
    assert "the type of 2 rows is not said" in doubts
    without, _ = read(FINAL)
    assert "org/blend-7b" not in without.models.index


def test_names_on_the_hub_win_over_names(read, monkeypatch):
    cells = known_module.known_models().cells.copy()
    cells.loc["llama-2-7b", "hub_name"] = "org/ant-7b-v2"
    known = known_module.KnownModels(
        cells, {"org/ant-7b-v2": "llama-2-7b"}, known_module.known_models().by_name
    )
    assert known.matched(["org/ant-7b-v2", "meta-llama/Llama-2-7b-hf"]) == {
        "org/ant-7b-v2": "llama-2-7b"
    }
    assert known.owners() == {"org"}


@pytest.mark.parametrize("leaderboard", ["v1", "v2"])
def test_the_shipped_table_written_as_a_dump_comes_back(read, leaderboard):
    table = load_table()
    names = table.benchmarks.index[table.benchmarks["leaderboard"] == leaderboard]
    wide = table.wide()[names].dropna(how="all")
    models = table.models.loc[wide.index]
    shown = {"v1": lambda scores: (100 * scores).round(6), "v2": lambda scores: scores}
    renamed = {name: f"{name} Raw" for name in names if leaderboard == "v2"}
    dump = shown[leaderboard](wide).rename(columns=renamed)
    dump.insert(0, "Model", models["hub_name"])
    dump["#Params (B)"] = models["n_params"] // 1e9
    back, report = read(dump.to_csv(index=False))
    assert set(back.models.index) == set(wide.index)
    same = [name for name in names if name != "math_lvl_5"]
    pd.testing.assert_frame_equal(
        back.wide().loc[wide.index, same], wide[same], atol=1e-6, check_names=False
    )
    facts = ["family", "lineage", "tuning", "n_params", "n_tokens", "release", "hub_name"]
    pd.testing.assert_frame_equal(back.models.loc[wide.index, facts], models[facts])
    assert not [doubt for doubt in report.doubts if "left out" in doubt]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "no column names the models"),
        ("Model,b\norg/a,2\n", "no column is called like a benchmark"),
        ("", "the file is empty"),
        ("Model,Type,MMLU,Merged\norg/a-7b,merge,50,\n", "no row is left"),
    ],
)
def test_other_files_are_told_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "dump.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=sentence):
        read_leaderboard(path)


def test_parquet_is_read_or_the_extra_is_named(tmp_path):
    path = tmp_path / "dump.parquet"
    path.write_bytes(b"PAR1 cut short")
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        with pytest.raises(SkillscaleError, match=r"pip install 'skillscale\[import\]'"):
            read_leaderboard(path)
        return
    with pytest.raises(TableError, match="no whole parquet file"):
        read_leaderboard(path)
    (tmp_path / "dump.csv").write_text(FINAL)
    pd.read_csv(tmp_path / "dump.csv").to_parquet(path)
    draft, _ = read_leaderboard(path)
    same, _ = read_leaderboard(tmp_path / "dump.csv")
    assert draft.scores["score"].tolist() == same.scores["score"].tolist()


HEAD = "Model,Type,Precision,#Params (B),ARC,MMLU,GSM8K\n"


def test_a_model_that_is_named_exactly_is_that(read):
    table, _ = read(HEAD + "facebook/opt-13b,pretrained,float16,13,39.9,24.9,1.7\n")
    assert table.models["n_params"].to_dict() == {"opt-13b": 1.3e10}


def test_signs_and_notes_in_cells_are_read_or_named(read):
    table, report = read(HEAD + "org/ant-7b,pretrained,float16,7,51.2%,45.1 %,55.1*\n")
    assert table.wide().loc["org/ant-7b"].to_dict() == {"arc_challenge": 0.512, "mmlu": 0.451}
    assert any("GSM8K is no number" in doubt and "55.1*" in doubt for doubt in report.doubts)


def test_low_percentages_beside_others(read):
    rows = "EleutherAI/pythia-70m,pretrained,float16,0.07,21.5,25.9,0.3\n"
    table, report = read(HEAD + rows + "org/ant-410m,pretrained,float16,0.41,26.2,27.3,0.99\n")
    assert table.wide()["gsm8k"].to_list() == [0.003, 0.0099]
    assert any("taken to be percentages as well" in doubt for doubt in report.doubts)
