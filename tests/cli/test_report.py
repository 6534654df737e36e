"""The command ``skillscale report``."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from skillscale.cli.app import app
from skillscale.errors import FitFileError, SpecError

DESCRIBED = "model,n_params,n_tokens,tuning,release"
GOOD = DESCRIBED + ",mmlu,gsm8k,bbh\nnova-3b,3e9,2e12,base,2024-02,0.52,0.26,{}\n"
PLAN = DESCRIBED + "\nnova-8b,8e9,2e12,base,2024-02\n"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory, approximate, skilled):
    folder = tmp_path_factory.mktemp("report")
    approximate.save(folder / "fit.nc")
    skilled.save(folder / "runs.nc")
    (folder / "good.csv").write_text(GOOD.format(0.37))
    (folder / "bad.csv").write_text(GOOD.format(0.75))
    (folder / "plan.csv").write_text(PLAN)
    return folder


@pytest.fixture
def run(folder):
    def asked(*options: str, fit: str = "fit.nc"):
        named = [
            str(folder / part) if part.endswith((".csv", ".html")) else part for part in options
        ]
        return CliRunner().invoke(app, ["report", str(folder / fit), *named])

    return asked


def test_a_forecast_is_written_and_its_answer_printed(run, folder):
    plan = ("--plan", "plan.csv", "--observed", "good.csv", "--flops", "1e22")
    result = run(*plan, "-o", "nova.html")
    assert result.exit_code == 0, result.output
    html = (folder / "nova.html").read_text("utf-8")
    sentences = result.stdout.splitlines()
    assert len(sentences) == 3
    assert all(sentence.replace(">", "&gt;").replace("<", "&lt;") in html for sentence in sentences)
    assert "Written: " in result.stderr
    assert "plan.csv (sha256 " in html


def test_doubts_are_on_the_page_and_strict_ones_in_the_exit_code(run, folder):
    plan = ("--plan", "plan.csv", "--observed", "bad.csv")
    result = run(*plan, "-o", "bad.html", "--strict")
    assert result.exit_code == 1
    html = (folder / "bad.html").read_text("utf-8")
    assert "bbh 75.0 contradicts the rest" in html
    assert "doubted, left out" in html
    assert "Doubt: nova-3b: bbh 75.0" in result.stderr


def test_a_fit_and_controlled_runs_have_reports_of_their_own(run, folder):
    assert run("-o", "fit.html").exit_code == 0
    assert run("-o", "runs.html", fit="runs.nc").exit_code == 0
    assert "May the fit be trusted?" in (folder / "fit.html").read_text("utf-8")
    assert "Which skill wants more parameters" in (folder / "runs.html").read_text("utf-8")


def test_what_can_not_be_is_refused_and_nothing_is_written(run, folder):
    there = folder / "there.html"
    there.write_text("precious")
    assert isinstance(run("-o", "there.html").exception, FitFileError)
    assert there.read_text() == "precious"
    for options, fit in (
        (("--observed", "good.csv"), "fit.nc"),
        (("--plan", "plan.csv"), "runs.nc"),
        (("--flops", "many"), "fit.nc"),
        (("--flops", "1e22", "--target", "mmlu"), "fit.nc"),
    ):
        result = run(*options, "-o", "none.html", fit=fit)
        assert isinstance(result.exception, SpecError), options
    assert not (folder / "none.html").exists()
    assert list(folder.glob("*.tmp")) == []
