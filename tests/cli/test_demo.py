"""The demo, on a few benchmarks and a quick approximation, and how it writes numbers."""

from __future__ import annotations

import io
import re

import pandas as pd
import pytest
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

import skillscale as sk
from skillscale.checks.verdict import Check, Verdict
from skillscale.cli import demo
from skillscale.cli.app import app
from skillscale.cli.output import rich_table
from skillscale.errors import SkillscaleError
from skillscale.formatting import (
    format_count,
    format_flops,
    format_interval,
    format_points,
    format_probability,
)
from small import FAMILIES

SPEC = sk.Spec(
    skills=("knowledge", "reasoning"),
    anchors=("mmlu", "gsm8k"),
    benchmarks=("mmlu", "gsm8k", "bbh"),
)
TABLE = sk.load_table("classic").select(
    families=(*FAMILIES, "meta-llama-3", "meta-llama-3-instruct")
)


def printed(write) -> str:
    console = Console(file=io.StringIO(), width=110)
    write(console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "made" / "for_it"


@pytest.fixture(scope="module")
def text(out) -> str:
    method = sk.Svi(draws=200, newton_steps=3)
    options = {"table": TABLE, "method": method, "spec": SPEC}
    return printed(lambda console: demo.run_demo(out, console=console, **options))


@pytest.fixture(scope="module")
def fitted(text, out) -> sk.Fit:
    return sk.Fit.load(out / "fit.nc")


@pytest.mark.long
def test_the_whole_lineage_is_held_out_and_nothing_else(fitted):
    models = TABLE.models
    held_out = models.index[models["lineage"] == demo.HELD_OUT_LINEAGE]
    assert set(models.index) - set(fitted.table.models.index) == set(held_out)
    assert not set(fitted.table.scores["model"]) & set(held_out)


def test_the_observed_model_is_the_smallest_base_model_and_the_planned_are_the_largest():
    models = sk.load_table("classic").models
    lineage = models[models["lineage"] == demo.HELD_OUT_LINEAGE]
    base = lineage[lineage["tuning"] == "base"].sort_values("n_params")
    assert base.index[0] == demo.OBSERVED
    planned = lineage.loc[list(demo.PLANNED)]
    assert (planned["n_params"] == lineage["n_params"].max()).all()
    assert list(planned["tuning"]) == ["base", "instruct"]


@pytest.mark.long
@pytest.mark.parametrize("model", demo.PLANNED)
@pytest.mark.parametrize("benchmark", SPEC.benchmarks)
def test_actual_scores_stand_beside_the_forecast(text, model, benchmark):
    section = text.split(f"\n{model} (")[1]
    row = re.search(rf"^{benchmark} .*$", section, re.MULTILINE)[0].split()
    actual = sk.load_table("classic").wide().loc[model, benchmark]
    assert row[-3] == format_points(actual) or row[-2] == format_points(actual)


@pytest.mark.long
def test_errors_and_coverage_are_told_in_plain_words(text):
    assert len(re.findall(r"Off by \d+\.\d points on average", text)) == 3
    assert "Of 6 actual scores" in text.replace("\n", " ")


@pytest.mark.long
def test_checks_optima_and_files_are_reported(text, out):
    for check in ("sampler", "PSIS-LOO", "posterior predictive coverage"):
        assert check in text
    for budget in ("1e23", "1e24", "1e25"):
        assert text.count(budget) == len(SPEC.skills)
    assert (out / "forecast.png").stat().st_size > 10_000
    assert "report.html" in text
    assert "<h1>Forecast of meta-llama-3-70b" in (out / "report.html").read_text("utf-8")
    assert re.search(r"Took \d+ s \(fit .* Peak memory: \d+\.\d\d GiB", " ".join(text.split()))


@pytest.mark.long
def test_the_forecast_is_kept_and_scored_by_the_command_that_it_names(text, out):
    files = ["score", str(out / "forecast.json"), "--actual", str(out / "actual.csv")]
    words = text.replace("\n", "")
    assert "skillscale " + " ".join(files) in words
    result = CliRunner().invoke(app, files)
    assert result.exit_code == 0
    sentence = result.stdout.splitlines()[0]
    assert sentence.startswith("6 scores known of those forecast: off by ")
    assert sentence.replace(" ", "") in words.replace(" ", "")


def test_a_failed_check_can_not_be_overlooked():
    failed = Check("R-hat, worst", Verdict.FAIL, 1.3, "<= 1.01", "Sample longer.")
    text = printed(lambda console: demo._print_checks(console, [failed]))
    assert "FAIL R-hat, worst: Sample longer." in text
    assert "A check FAILed: do not rely on the numbers below." in text


def test_a_path_that_is_a_file_is_refused_before_the_long_fit(tmp_path):
    path = tmp_path / "taken"
    path.write_text("")
    with pytest.raises(SkillscaleError, match="taken can't be a directory: File exists"):
        demo.run_demo(path)


def test_coverage_counts_only_scores_that_are_known():
    cells = pd.DataFrame(
        {
            "median": [0.5, 0.5, 0.5],
            "lower_80": 0.4,
            "upper_80": 0.6,
            "lower_95": 0.3,
            "upper_95": 0.7,
            "actual": [0.65, 0.5, float("nan")],
            "observed": [0.45, 0.5, 0.5],
        }
    )
    words = demo._in_words(cells)
    assert "Off by 7.5 points on average (10.0 had one repeated" in words
    assert "Of 2 actual scores 1 are inside their 80 % interval (1.6 expected)" in words
    assert "and 2 inside 95 % (1.9 expected)" in words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7e9, "7B"),
        (70e9, "70B"),
        (15e12, "15T"),
        (1.3e12, "1.3T"),
        (560e6, "560M"),
        (999.9e9, "1T"),
        (1500, "1.5K"),
        (12, "12"),
        (0, "0"),
        (float("nan"), "-"),
    ],
)
def test_counts_carry_the_largest_unit_that_fits(value, shown):
    assert format_count(value) == shown


def test_points_probabilities_budgets_and_intervals_are_short():
    assert format_points(0.453) == "45.3"
    assert [format_probability(p) for p in (0, 0.5, 1)] == ["< 1 %", "50 %", "> 99 %"]
    assert [format_flops(f) for f in (1e23, 6.3e22)] == ["1e23", "6.3e22"]
    assert format_interval(1e9, 1e10, format_count) == "1B to 10B"


def test_tables_put_numbers_right_and_take_names_literally():
    rows = [
        {"model": "[red]a", "score": "5.0", "in": Text("80 %", "green")},
        {"model": "b", "score": "45.3", "in": Text("-")},
    ]
    table = rich_table(rows)
    assert [column.justify for column in table.columns] == ["left", "right", "right"]
    assert "[red]a" in printed(lambda console: console.print(table))
    assert printed(lambda console: console.print(rich_table([]))).strip() == ""
