"""The commands of ``skillscale import`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness_files import version_4, write_json
from skillscale.cli.app import app
from skillscale.data.table import load_table
from skillscale.errors import FitFileError, SpecError, TableError
from skillscale.law.spec import Spec

WIDE = "Model;Params;Tokens;MMLU;AIME\nant-1b;1B;2T;30,1;0,0\nant-7b;7B;2T;45,3;3,3\n"


def run(*arguments: str | Path):
    result = CliRunner().invoke(app, ["import", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def results(tmp_path):
    tasks = {"winogrande": {"acc,none": 0.6, "acc_stderr,none": 0.01}}
    return write_json(tmp_path / "in" / "results_1.json", version_4(tasks))


def test_lm_eval_writes_observed_models(tmp_path, results):
    out = tmp_path / "obs.csv"
    result = run("lm-eval", results.parent, "-o", out, "--n-tokens", "2e12")
    assert out.read_text() == "model,n_params,n_tokens,winogrande\norg/ant-7b,7e+09,2e+12,0.6\n"
    assert "winogrande" in result.stdout
    assert "Assumed: org/ant-7b: n_params is what the name says, 7B." in result.stderr
    with pytest.raises(FitFileError, match="is there already"):
        run("lm-eval", results, "-o", out)
    run("lm-eval", results, "-o", out, "--append", out)
    assert out.read_text().count("\n") == 2


def test_a_dry_run_writes_nothing(tmp_path, results):
    (tmp_path / "wide.csv").write_text(WIDE)
    before = sorted(tmp_path.rglob("*"))
    assert "Nothing was written" in run("lm-eval", results, "--dry-run").stderr
    out = tmp_path / "out"
    assert (
        "Nothing was written" in run("wide", tmp_path / "wide.csv", "-o", out, "--dry-run").stderr
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_has_to_be_named(results):
    with pytest.raises(SpecError, match="name what to write, or give --dry-run"):
        run("lm-eval", results)


def test_wide_writes_a_table_and_a_specification(tmp_path):
    (tmp_path / "wide.csv").write_text(WIDE)
    out = tmp_path / "out"
    run("wide", tmp_path / "wide.csv", "-o", out)
    table = load_table(out)
    assert table.wide().loc["ant-7b"].tolist() == [0.453, 0.033]
    assert Spec.read(out / "spec.toml").anchors == ("mmlu",)
    with pytest.raises(FitFileError, match="holds files already"):
        run("wide", tmp_path / "wide.csv", "-o", out)


def test_leaderboard_writes_a_table(tmp_path):
    dump = tmp_path / "dump.csv"
    dump.write_text("Model,Type,#Params (B),date,MMLU\norg/a-7b,pretrained,7,2024-01-02,50\n")
    result = run("leaderboard", dump, "-o", tmp_path / "out", "--official", "--format", "json")
    assert {row["column"]: row["taken_for"] for row in json.loads(result.stdout)}["MMLU"] == "mmlu"
    assert load_table(tmp_path / "out").models.loc["org/a-7b", "release"] == "2024-01"


def test_nothing_is_written_where_the_table_would_not_load(tmp_path):
    rows = "".join(f"ant-{n}b,{n}B,{60 - 4 * n}\n" for n in range(1, 13))
    (tmp_path / "falling.csv").write_text(f"model,params,my_loss\n{rows}")
    with pytest.raises(TableError, match="falls as models grow"):
        run("wide", tmp_path / "falling.csv", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
