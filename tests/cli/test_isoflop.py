"""The command ``skillscale isoflop``, on a small file of simulated runs."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from memoised import memoised
from skillscale.cli.app import app
from skillscale.errors import FitFileError, RunsError, SpecError, TableError, UnknownNameError
from skillscale.law.spec import Spec
from skillscale.runs import isoflop

pytestmark = pytest.mark.long

BUDGETS = np.geomspace(1e18, 1e20, 4)
PLAN = "n_params,n_tokens\n2e9,4e10\n"
SKILLS = "loss,skill\nweb,general\nfacts,knowledge\n"
MIXES = "group,books\nold,0.1\nnew,0.5\nother,0.9\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three recipes, two losses, four budgets of five sizes."""
    rng = np.random.default_rng(0)
    rows = ["group,n_params,n_tokens,web,facts"]
    for group in ("old", "new", "other"):
        for budget in BUDGETS:
            for n_params in np.sqrt(budget / 120) * np.geomspace(0.3, 3, 5):
                n_tokens = budget / 6 / n_params
                web, facts = (
                    (1.7 + 400 / n_params**0.34 + b / n_tokens**0.28) * np.exp(0.002 * noise)
                    for b, noise in zip((410, 300), rng.standard_normal(2), strict=True)
                )
                rows.append(f"{group},{n_params:.6g},{n_tokens:.6g},{web:.5f},{facts:.5f}")
    path = tmp_path_factory.mktemp("isoflop")
    (path / "runs.csv").write_text("\n".join(rows) + "\n")
    (path / "skills.csv").write_text(SKILLS)
    (path / "mixes.csv").write_text(MIXES)
    (path / "plan.csv").write_text(PLAN)
    return path


@pytest.fixture(scope="module", autouse=True)
def _fitted_once():
    """The same runs are asked many questions."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("skillscale.cli.isoflop.isoflop", memoised(isoflop))
        yield


def run(*arguments):
    return CliRunner().invoke(app, ["isoflop", *map(str, arguments)], catch_exceptions=False)


SHOWS = {
    "optima": {"group", "loss", "flops", "estimator", "n_params_lower", "tokens_per_param"},
    "exponents": {"params_exponent", "params_exponent_upper", "n_params", "tokens_coefficient"},
    "coefficients": {"estimator", "floor", "size_coefficient", "tokens_exponent_upper", "turn"},
    "ratios": {"group", "loss", "flops", "ratio", "prob_larger", "verdict"},
    "mixes": {"share", "loss", "effect", "prob_larger"},
    "misspecification": {"true_general", "assumed_knowledge", "error", "loss_paid"},
    "forecast": {"run", "group", "loss", "median", "lower_90", "beyond"},
}


@pytest.fixture(scope="module")
def arguments(folder):
    """What every question is asked with."""

    def of(show):
        asked = [folder / "runs.csv", "--skills", folder / "skills.csv", "--show", show]
        asked += ["--mixes", folder / "mixes.csv"] if show == "mixes" else []
        return asked + (["--plan", folder / "plan.csv"] if show == "forecast" else [])

    return of


@pytest.mark.parametrize("show", SHOWS)
def test_every_question_is_answered_as_json_and_as_a_table(arguments, show):
    answer = run(*arguments(show), "--format", "json")
    rows = json.loads(answer.stdout)
    assert SHOWS[show] <= set(rows[0])
    table = run(*arguments(show))
    assert table.exit_code == 0
    assert max(map(len, table.stdout.splitlines())) <= 120
    for name in rows[0].keys() & {"loss", "group"}:
        assert rows[0][name] in table.stdout


def test_losses_joined_by_skill_go_by_its_name_in_a_csv(arguments):
    answer = run(*arguments("exponents"), "--format", "csv").stdout
    assert {row["loss"] for row in csv.DictReader(io.StringIO(answer))} == {"general", "knowledge"}


def test_mixes_go_with_their_question(folder, arguments):
    with pytest.raises(SpecError, match="--mixes goes with --show mixes"):
        run(*arguments("exponents"), "--mixes", folder / "mixes.csv")


@pytest.mark.slow
def test_single_losses_groups_and_budgets_can_be_chosen(folder):
    answer = run(
        *(folder / "runs.csv", "--loss", "web", "--group", "old,new", "--flops", "1e19,1e22"),
        *("--format", "json"),
    )
    rows = json.loads(answer.stdout)
    assert {row["group"] for row in rows} == {"old", "new"}
    assert {row["loss"] for row in rows} == {"web"}
    assert {row["place"] for row in rows if row["flops"] == 1e22} == {"at a budget not run"}


def test_what_runs_say_of_skills_can_go_into_a_fit(folder, arguments, tmp_path):
    (folder / "named.csv").write_text("loss,skill\nweb,knowledge\nfacts,reasoning\n")
    path = tmp_path / "evidence.toml"
    answer = run(folder / "runs.csv", "--skills", folder / "named.csv", "--evidence", path)
    assert answer.exit_code == 0
    assert [known.skill for known in Spec.read(path).evidence] == ["knowledge", "reasoning"]


@pytest.mark.slow
def test_compute_that_contradicts_sizes_is_told_with_its_ratio(folder):
    rows = (folder / "runs.csv").read_text().splitlines()
    rows = [rows[0] + ",flops", *(f"{row},{7e18:g}" for row in rows[1:])]
    (folder / "odd.csv").write_text("\n".join(rows) + "\n")
    answer = run(folder / "odd.csv", "--loss", "web", "--show", "exponents")
    assert "ratio" in answer.stderr


@pytest.mark.parametrize(
    ("extra", "error", "words"),
    [
        (["--loss", "webb"], UnknownNameError, "'web'"),
        (["--loss", "web", "--group", "odl"], UnknownNameError, "'old'"),
        (["--show", "forecast"], SpecError, "--plan"),
        (["--loss", "web", "--flops", "many"], SpecError, "1e19"),
    ],
)
def test_what_can_not_be_answered_is_refused_by_name(folder, extra, error, words):
    with pytest.raises(error, match=words):
        run(folder / "runs.csv", *extra)


def test_a_mapping_that_names_unknown_losses_is_refused_with_its_lines(folder):
    (folder / "wrong.csv").write_text("loss,skill\nweb,general\nfcats,knowledge\n")
    with pytest.raises(TableError, match="line 3"):
        run(folder / "runs.csv", "--skills", folder / "wrong.csv")


def test_budgets_without_a_parabola_are_named(folder):
    rows = (folder / "runs.csv").read_text().splitlines()
    (folder / "few.csv").write_text("\n".join([rows[0], *rows[4:]]) + "\n")
    answer = run(folder / "few.csv", "--loss", "web", "--show", "exponents")
    assert "fewer than 3 sizes: group 'old' at 1e+18 FLOP (2)" in answer.stderr


def test_one_recipe_says_nothing_of_mixes(folder):
    with pytest.raises(RunsError, match="data mix"):
        run(folder / "runs.csv", "--loss", "web", "--group", "old", "--show", "mixes")


# Saved fits and figures


@pytest.fixture(scope="module")
def saved(folder, arguments):
    path = folder / "runs.nc"
    answer = run(*arguments("optima"), "-o", path)
    assert answer.exit_code == 0
    return path


@pytest.mark.parametrize("show", SHOWS)
def test_a_saved_fit_answers_every_question_as_the_runs_do(folder, arguments, saved, show):
    asked = [saved, "--show", show, "--format", "csv"]
    asked += ["--mixes", folder / "mixes.csv"] if show == "mixes" else []
    asked += ["--plan", folder / "plan.csv"] if show == "forecast" else []
    assert run(*asked).stdout == run(*arguments(show), "--format", "csv").stdout


def test_some_losses_of_a_saved_fit_can_be_chosen(saved):
    rows = json.loads(run(saved, "--loss", "general", "--group", "old", "--format", "json").stdout)
    assert {(row["group"], row["loss"]) for row in rows} == {("old", "general")}


def test_what_decides_a_fit_is_refused_with_a_saved_one(folder, saved):
    with pytest.raises(SpecError, match=r"--skills, --max-flops decide what is fitted"):
        run(saved, "--skills", folder / "skills.csv", "--max-flops", "1e19")


def test_a_saved_fit_is_not_replaced_unasked(folder, arguments, saved):
    with pytest.raises(FitFileError, match="is there already"):
        run(*arguments("optima"), "-o", saved)


FIGURES = {
    "optima": {"optima", "isoflop-old", "isoflop-new", "isoflop-other"},
    "exponents": {"optima"},
    "ratios": {"ratios"},
    "misspecification": {f"misspecification-{group}" for group in ("old", "new", "other")},
    "forecast": {"forecast"},
}


@pytest.mark.parametrize("show", FIGURES)
def test_answers_are_drawn(folder, saved, tmp_path, show):
    asked = [saved, "--show", show, "--out", tmp_path / "figures"]
    asked += ["--plan", folder / "plan.csv"] if show == "forecast" else []
    assert run(*asked).exit_code == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(files) == {f"{name}.{kind}" for name in FIGURES[show] for kind in ("png", "svg")}
    assert all(files[f"{name}.png"].startswith(b"\x89PNG") for name in FIGURES[show])


def test_a_group_without_budgets_of_three_sizes_is_told_and_not_drawn(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["n_params,n_tokens,loss"]
    for n, d in np.exp(rng.uniform(np.log([1e8, 2e9]), np.log([2e9, 8e10]), (14, 2))):
        rows.append(f"{n:.5g},{d:.5g},{1.7 + 400 / n**0.34 + 410 / d**0.28:.5f}")
    (tmp_path / "ladder.csv").write_text("\n".join(rows) + "\n")
    answer = run(tmp_path / "ladder.csv", "--out", tmp_path / "figures")
    assert answer.exit_code == 0
    assert "no curves of all" in answer.stderr
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"optima.png", "optima.svg"}


def test_a_fit_of_runs_is_saved_under_a_name_that_is_known_again(folder, tmp_path):
    with pytest.raises(SpecError, match=r"runs\.fit\.nc"):
        run(folder / "runs.csv", "-o", tmp_path / "runs.fit")


def test_questions_without_a_figure_say_so_before_anything_is_fitted(folder, tmp_path):
    with pytest.raises(SpecError, match="--show coefficients has no figure"):
        run(folder / "runs.csv", "--show", "coefficients", "--out", tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
