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
import small
from memoised import memoised
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
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```(?:csv|json)\n(.*?)```", README, re.DOTALL))


def test_the_readme_shows_commands_and_files():
    assert len(COMMANDS) >= 6
    assert set(FILES) == {"obs.csv", "plan.csv", "actual.csv", "results.json"}


def rows_of_accuracy() -> list[str]:
    """The README's table, from the files that `skillscale backtest --out` wrote."""

    def share(of) -> str:
        of = of["coverage"]["80"]
        return f"{100 * of['value']:.0f} ({100 * of['lower_95']:.0f} to {100 * of['upper_95']:.0f})"

    def row(what, seen, found, error, other) -> str:
        shares = " | ".join(f"{share(found[kind])} %" for kind in ("base", "tuned"))
        n = f"{found['all']['n_cells']:,}"
        return f"| {what} | {seen} | {n} | **{error:.2f}** | {other:.2f} | {shares} |"

    rows = []
    both = ("mae_points", "best_sloth_in_hindsight")
    for what, name in SLOTH:
        sloth = result(name)
        means = (sum(of[key] for of in sloth["settings"]) / len(sloth["settings"]) for key in both)
        rows.append(row(what, "1, 2", sloth["pooled"]["accuracy"], *means))
    for what, name, seen in LATER:
        found = result(f"{name}-{seen}")
        ours, *others = (
            of["accuracy"]["all"]["mae_points"]["value"]
            for of in (found, *found["baselines"].values())
        )
        said = "none" if seen == 0 else seen
        rows.append(row(what, said, found["accuracy"], ours, min(others)))
    return rows


def result(name: str) -> dict:
    path = ROOT / "benchmarks_data" / "backtest" / "results" / name / "summary.json"
    return json.loads(path.read_text())


def test_the_readme_quotes_the_study_of_simulated_leaderboards():
    path = ROOT / "benchmarks_data" / "studies" / "coverage-of-optima-of-skills.json"
    by_truth = json.loads(path.read_text())["answer"].values()
    n = sum(found["leaderboards"] for found in by_truth)
    stack, translog = (
        [100 * sum(of["by"][by][what] for of in by_truth) / len(by_truth) for what in RATES]
        for by in ("stack", "translog")
    )
    said = " ".join(README.split())
    assert f"On {n} leaderboards" in said
    assert f"{stack[0]:.0f} % of the 80 % intervals held" in said
    assert f"{stack[1]:.0f} % of verdicts were falsely" in said
    assert f"by the translog alone {translog[0]:.0f} and {translog[1]:.0f} %" in said


RATES = ("coverage", "false")
SLOTH = [
    ("larger models of a family", "sloth"),
    ("the same, learnt from all data", "sloth-all"),
]
LATER = [
    ("families released later", "time-ordered", 0),
    ("families released later", "time-ordered", 1),
    ("families released later", "time-ordered", 2),
    ("families after August 2024", "late", 0),
    ("families after August 2024", "late", 1),
]


def test_its_accuracy_is_what_the_back_tests_found():
    is_of_it = re.compile(r"\| (larger|the same|families)").match
    table = [line for line in README.splitlines() if is_of_it(line)]
    assert table == rows_of_accuracy()
    worst = [
        max(of["ratio_to_best_sloth"] for of in result(name)["settings"])
        for name in ("sloth-all", "sloth")
    ]
    at_worst = "at worst it is at {:.2f} of the best Sloth, in the first row at {:.2f}"
    assert at_worst.format(*worst) in " ".join(README.split())


def test_it_is_short_and_names_every_chapter():
    assert README.count("\n") <= 250
    chapters = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert chapters == set(re.findall(r"\(notebooks/(\w+\.ipynb)\)", README))


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
    monkeypatch.setattr("skillscale.cli.fit.fit", memoised(skillscale.cli.fit.fit))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    table = sk.load_table("classic")
    small.write_table(table.select(families=small.FAMILIES), tmp_path / "my_table")
    (tmp_path / "small.toml").write_text(SPEC)
    quick_by_command = {
        "fit": ["--method", "svi", "--data", "my_table", "--spec", "small.toml"],
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
