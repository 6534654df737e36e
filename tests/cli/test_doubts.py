"""What commands say of what they are given, and what they never lose."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from skillscale.cli.app import app, main
from skillscale.cli.output import print_table, progress
from skillscale.errors import FitFileError, TableError
from skillscale.files import require_writable

DESCRIBED = "model,n_params,n_tokens,tuning,release"
GOOD = DESCRIBED + ",mmlu,gsm8k,bbh\nnova-3b,3e9,2e12,base,2024-03,0.52,0.26,{}\n"
PLAN = DESCRIBED + "\nnova-8b,8e9,2e12,base,2024-03\n"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory, approximate):
    folder = tmp_path_factory.mktemp("doubts")
    approximate.save(folder / "fit.nc")
    (folder / "good.csv").write_text(GOOD.format(0.37))
    (folder / "bad.csv").write_text(GOOD.format(0.75))
    (folder / "plan.csv").write_text(PLAN)
    return folder


@pytest.fixture
def run(folder):
    def asked(command: str, *options: str, observed: str = "bad.csv"):
        files = [str(folder / "fit.nc"), "--observed", str(folder / observed)]
        if command != "optimum":
            files += ["--plan", str(folder / "plan.csv")]
        return CliRunner().invoke(app, [command, *files, *options, "--format", "json"])

    return asked


QUESTIONS = [
    ("forecast",),
    ("next",),
    ("pass-at-k", "--benchmark", "gsm8k"),
    ("optimum", "--flops", "1e23", "--benchmark", "mmlu"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_every_question_about_observed_models_names_the_doubted_score(run, question):
    result = run(*question)
    assert result.exit_code == 0, result.output
    assert "Doubt: nova-3b: bbh 75.0 contradicts the rest" in result.stderr
    assert "left out" in result.stderr
    json.loads(result.stdout)


@pytest.mark.parametrize(("observed", "code"), [("good.csv", 0), ("bad.csv", 1)])
@pytest.mark.parametrize("question", [QUESTIONS[0], QUESTIONS[-1]], ids=lambda q: q[0])
def test_strict_doubts_end_in_exit_code_one(run, question, observed, code):
    result = run(*question, "--strict", observed=observed)
    assert result.exit_code == code
    assert ("Doubt" in result.stderr) == bool(code)
    doubts = [row.get("doubts") or "" for row in json.loads(result.stdout)]
    assert all(("contradicts" in doubt) == bool(code) for doubt in doubts)


def test_what_agrees_and_is_described_is_answered_without_a_word(run):
    assert run("forecast", observed="good.csv").stderr == ""


def test_problems_of_both_files_come_together(run, folder):
    (folder / "wrong_plan.csv").write_text(PLAN.replace("8e9", "8B"))
    (folder / "wrong.csv").write_text(GOOD.format(1.37))
    result = run("forecast", "--plan", str(folder / "wrong_plan.csv"), observed="wrong.csv")
    assert isinstance(result.exception, TableError)
    assert "For '8B' write 8e9" in str(result.exception)
    assert "bbh is outside [0, 1]" in str(result.exception)


def test_files_are_replaced_only_by_force_and_never_sampled_for_in_vain(
    folder, monkeypatch, capsys
):
    there = folder / "there.nc"
    there.write_text("precious")
    with pytest.raises(FitFileError, match=r"is there already\. Give --force"):
        require_writable(there)
    require_writable(there, force=True)
    with pytest.raises(FitFileError, match="is a directory"):
        require_writable(folder)
    for command in (["fit"], ["add-benchmark", str(folder / "fit.nc"), "--scores", "x.csv"]):
        monkeypatch.setattr(sys, "argv", ["skillscale", *command, "-o", str(there)])
        with pytest.raises(SystemExit, match="2"):
            main()
        assert "is there already" in capsys.readouterr().err.replace("\n", " ")
    assert there.read_text() == "precious"


def test_long_work_says_so_in_lines_where_there_is_no_terminal(capsys):
    with progress("Folds") as on_progress:
        for done in range(41):
            on_progress(done, 40)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" after")[0] for line in lines] == [
        f"Folds: {share}%" for share in (0, 25, 50, 75, 100)
    ]


def test_a_device_that_is_not_there_is_a_sentence(folder):
    command = ["forecast", str(folder / "fit.nc"), "--plan", str(folder / "plan.csv")]
    asked = {**os.environ, "JAX_PLATFORMS": "cuda"}
    done = subprocess.run(
        [sys.executable, "-c", "from skillscale.cli.app import main; main()", *command],
        env=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said.startswith("Error: JAX finds no device for JAX_PLATFORMS=cuda")
    assert "Traceback" not in done.stderr


def test_a_narrow_terminal_says_which_columns_it_has_no_place_for(capsys):
    rows = [{"model": "a-very-long-name", "benchmark": "arc_challenge", "median": "45.3",
             "95 %": "[40.1, 50.2]"}]  # fmt: skip
    print_table(rows, Console(width=42))
    shown = capsys.readouterr()
    assert "arc_challenge" in shown.out
    assert "95 %" not in shown.out
    assert "too narrow for: 95 %" in shown.err.replace("\n", " ")
    print_table(rows, Console(width=80))
    assert "[40.1, 50.2]" in capsys.readouterr().out


def test_a_pipe_is_as_wide_as_need_be(run, folder):
    command = ["forecast", str(folder / "fit.nc"), "--plan", str(folder / "plan.csv")]
    lines = CliRunner().invoke(app, command).stdout.splitlines()
    assert "parameters" in lines[0]
    assert len(lines) == 2 + 3
