"""What the README tells a user to type works as printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import skillscale as sk
import skillscale.cli.fit
import skillscale.cli.isoflop
import small
from memoised import memoised
from real_grids import rows_of_forecasts, rows_of_grids
from simulated_grids import rows_of_coverage
from skillscale.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
SPEC = """
skills = ["knowledge", "reasoning"]
anchors = ["mmlu", "gsm8k"]
benchmarks = ["mmlu", "hellaswag", "gsm8k", "ifeval", "bbh", "musr"]
"""
FAMILIES = (
    "codellama",
    "yi",
    "starcoder2",
    "meta-llama-3",
    "mixtral-8x-v0.1",
    "opt",
    *small.FAMILIES,
)
"""Those of the models that it names are among them."""
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```(?:csv|json)\n(.*?)```", README, re.DOTALL))


def test_the_readme_shows_commands_and_files():
    assert len(COMMANDS) >= 6
    assert set(FILES) == {
        *("obs.csv", "plan.csv", "new.csv", "llama.csv", "card.csv", "results.json", "actual.csv"),
    }


def test_its_comparison_says_what_the_study_found():
    study = json.loads((ROOT / "benchmarks_data" / "studies" / "sloth.json").read_text())
    for setting in study["answer"]["settings"]:
        options = setting["options"]
        row = f"| {options['n_seen']} | {options['benchmarks']} | {setting['n_folds']} |"
        assert f"{row} **{setting['mae_points']:.2f}** |" in README
    inside = [f"{100 * share:.1f}" for share in study["answer"]["coverage"].values()]
    assert "{}, {} and {} % were inside".format(*inside) in README


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("losses-beyond", rows_of_forecasts),
        ("published-grids", rows_of_grids),
        ("coverage-of-optima", rows_of_coverage),
    ],
)
def test_its_tables_of_controlled_runs_say_what_the_studies_found(name, rows):
    study = json.loads((ROOT / "benchmarks_data" / "studies" / f"{name}.json").read_text())
    for row in rows(study["answer"]):
        assert f"\n{row}\n" in README


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_its_commands_have_the_options_they_are_given(command):
    program, name, *arguments = command
    assert program == "skillscale"
    group = typer.main.get_command(app)
    context = group.make_context("skillscale", [name, *arguments])
    called, found, rest = group.resolve_command(context, [name, *arguments])
    found.make_context(called, rest, parent=context).close()


@pytest.mark.slow
def test_its_commands_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb in (skillscale.cli.fit.fit, skillscale.cli.isoflop.isoflop):
        monkeypatch.setattr(f"skillscale.cli.{verb.__name__}.{verb.__name__}", memoised(verb))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    table = sk.load_table("classic")
    small.write_table(table.select(families=FAMILIES), tmp_path / "my_table")
    (tmp_path / "small.toml").write_text(SPEC)
    quick_by_command = {
        "fit": ["--method", "svi", "--data", "my_table", "--spec", "small.toml"],
        "isoflop": ["--group", "starcoder"],
        "data": ["--no-doubts"],
    }
    for program, *arguments in COMMANDS:
        assert program == "skillscale"
        # The commands are the README's; only the data are fewer here, and the sampler is quick.
        quick = quick_by_command.get(arguments[0], [])
        result = CliRunner().invoke(app, [*arguments, *quick], catch_exceptions=False)
        assert result.exit_code in ((0, 1) if arguments[0] == "check" else (0,)), result.output


def test_every_name_it_calls_the_interface_exists():
    listed = re.search(r"`([^`]*)` are the\s+whole interface", README)
    assert listed is not None
    for name in re.split(r",\s+", listed[1]):
        target: object = sk
        for part in name.split("."):
            target = getattr(target, part)
        assert callable(target)


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_its_links_lead_somewhere(path):
    assert (ROOT / path).exists()
