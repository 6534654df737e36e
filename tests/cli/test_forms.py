"""Several forms of the law from the command line: one file, and optima that hold in all."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import skillscale as sk
from skillscale.cli.app import app
from skillscale.errors import SpecError
from small import write_table

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms")
    table = sk.load_table("classic").select(families=["llama", "llama-2", "pythia"])
    write_table(table, folder / "data")
    (folder / "spec.toml").write_text(
        'skills = ["knowledge"]\nanchors = ["mmlu"]\nbenchmarks = ["mmlu"]\n'
    )
    return folder


def run(folder, *arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def fitted(folder, name, *arguments):
    given = ("--data", folder / "data", "--spec", folder / "spec.toml")
    quickly = ("--method", "svi", "--draws", 100)
    return run(folder, "fit", "-o", folder / name, *given, *quickly, *arguments)


@pytest.fixture(scope="module")
def stacked(folder):
    return fitted(folder, "stack.nc", "--form", "two-term", "--form", "translog")


def test_a_stack_is_written_with_what_the_data_say_of_its_forms(stacked, folder):
    assert "translog: expected log predictive density" in stacked.stderr
    assert "two-term: expected log predictive density" in stacked.stderr
    loaded = sk.Stack.load(folder / "stack.nc")
    assert list(loaded.fits) == ["translog", "two-term"], "the specification's form comes first"
    assert not list(folder.glob("*.checkpoint"))


@pytest.mark.usefixtures("stacked")
def test_optima_of_a_stack_are_those_of_all_its_forms(folder):
    asked = ("optimum", folder / "stack.nc", "--flops", "1e23")
    (row,) = json.loads(run(folder, *asked, "--format", "json").stdout)
    assert row["disagreement"] >= 1
    assert {"prob_interior_translog", "prob_interior_two_term"} <= set(row)
    shown = run(folder, *asked)
    assert "forms differ" in shown.stdout
    assert "Draws are of several forms (translog" in shown.stderr
    for more in (("--reach", "0.5", "--benchmark", "mmlu"), ("--flops", "1e23", "--regret")):
        out = ("--out", folder / "-".join(more))
        said = run(folder, "optimum", folder / "stack.nc", *more, *out).stderr
        assert "Draws are of" in said
        assert "Figures written to" in said


@pytest.mark.usefixtures("stacked")
def test_other_commands_open_a_stack_as_a_plain_fit(folder):
    assert json.loads(run(folder, "families", folder / "stack.nc", "--format", "json").stdout)
    shown = run(folder, "skills", folder / "stack.nc", "--show", "slopes").stdout
    assert "log_params:log_tokens" in shown


def test_one_form_is_a_plain_fit_whose_optima_say_so(folder):
    fitted(folder, "two.nc", "--form", "two-term")
    assert sk.Fit.load(folder / "two.nc").spec.form == "two-term"
    said = run(folder, "optimum", folder / "two.nc", "--flops", "1e23")
    assert "Verdicts hold if the two-term does" in said.stderr
    assert "forms differ" not in said.stdout


def test_exploratory_skills_have_no_other_form(folder):
    options = ("--data", folder / "data", "--spec", folder / "spec.toml", "--forms", "--skills", 1)
    with pytest.raises(SpecError, match="exploratory skills are of the translog only"):
        run(folder, "fit", "-o", folder / "no.nc", *options)
