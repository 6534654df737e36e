"""Forecasts kept, scored and compared on the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kept_forecasts import kept
from skillscale.cli.app import app
from skillscale.data.shipped import shipped_directory
from skillscale.errors import FitFileError, SkillscaleError, SpecError, TableError, UnknownNameError

ACTUAL = "model,mmlu,gsm8k\nnova-8b,0.62,0.8\nnova-70b,0.6,\n"


def run(*arguments: str | Path):
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def folder(tmp_path) -> Path:
    kept().save(tmp_path / "a.json")
    kept(mean=0.7, date="2027-01-01").save(tmp_path / "b.json")
    (tmp_path / "actual.csv").write_text(ACTUAL)
    return tmp_path


def score(folder: Path, *arguments: str | Path):
    return run("score", folder / "a.json", "--actual", folder / "actual.csv", *arguments)


def test_score_says_how_good_a_forecast_was(folder):
    result = score(folder)
    assert result.stdout.startswith(
        "3 scores known of those forecast: off by 7.3 points on average (12.3 by flops), "
        "2 inside their 80 % interval (2.4 expected) and 2 inside their 95 % interval"
    )
    (row,) = [line for line in result.stdout.splitlines() if " skillscale " in line]
    assert row.split()[:6] == ["a", "2026-12-01", "skillscale", "3", "7.3", "-7.3"]
    assert "67 % (9 to 99)" in row
    assert "Outside their 80 % interval: 1 of 3." in result.stdout
    assert "+20.0  no" in result.stdout
    assert "Note: a: 3 of 6 forecasts have no actual score yet" in result.stderr
    assert "binomial" in result.stderr


def test_scores_are_the_same_in_every_format(folder):
    whole = json.loads(score(folder, "--format", "json").stdout)
    assert set(whole) == {"summary", "scores", "said"}
    summary = list(csv.DictReader(io.StringIO(score(folder, "--format", "csv").stdout)))
    assert [row["method"] for row in whole["summary"]] == [row["method"] for row in summary]
    assert float(summary[0]["mae_points"]) == whole["summary"][0]["mae_points"]
    assert whole["summary"][0]["mae_points_lower"] is None
    single = score(folder, "--format", "csv", "--show", "scores").stdout
    assert len(list(csv.DictReader(io.StringIO(single)))) == len(whole["scores"]) == 2 * 3


def test_a_folder_of_forecasts_is_scored_together(folder):
    result = run("score", folder, "--actual", folder / "actual.csv")
    names = [line.split()[0] for line in result.stdout.splitlines() if " skillscale " in line]
    assert names == ["a", "b", "all"]
    assert "3 scores were forecast more than once" in result.stderr


def test_score_writes_its_scores_and_a_figure(folder):
    out = folder / "out"
    score(folder, "--out", out)
    assert (out / "calibration.png").stat().st_size > 10_000
    assert len((out / "scores.csv").read_text().splitlines()) == 1 + 2 * 3
    with pytest.raises(FitFileError, match="holds files already"):
        score(folder, "--out", out)
    score(folder, "--out", out, "--force")


def test_scores_in_percent_and_changed_forecasts_are_refused(folder):
    (folder / "actual.csv").write_text(ACTUAL.replace("0.62", "62"))
    with pytest.raises(TableError, match="look like percentages"):
        score(folder)
    (folder / "a.json").write_text((folder / "a.json").read_text().replace("0.6", "0.7"))
    with pytest.raises(SkillscaleError, match="was changed after it was frozen"):
        score(folder)


def test_diff_says_what_moved_and_because_of_what(folder):
    result = run("diff", folder / "a.json", folder / "b.json")
    assert "Forecasts that moved most:" in result.stdout
    (row,) = [line for line in result.stdout.splitlines() if "nova-8b" in line and "mmlu" in line]
    assert row.split()[2:6] == ["60.0", "70.0", "+10.0", "+2.00"]
    assert "date  date  2026-12-01  2027-01-01" in result.stdout
    whole = json.loads(run("diff", folder / "a.json", folder / "b.json", "--format", "json").stdout)
    assert set(whole) == {"forecasts", "causes", "chance"}
    with pytest.raises(SpecError, match="csv holds one table: give --show with one of forecasts"):
        run("diff", folder / "a.json", folder / "b.json", "--format", "csv")
    one = run("diff", folder / "a.json", folder / "b.json", "--format", "csv", "--show", "causes")
    assert one.stdout.splitlines()[0] == "what,key,a,b"
    with pytest.raises(UnknownNameError, match="optima"):
        run("diff", folder / "a.json", folder / "b.json", "--show", "optima")


def test_diff_of_what_is_the_same_says_so(folder):
    result = run("diff", folder / "a.json", folder / "a.json")
    assert "None of 6 forecasts moved." in result.stdout
    assert "They differ in nothing that is kept of them." in result.stdout


def test_diff_tells_fits_from_forecasts_by_what_they_are(folder):
    renamed = folder / "fit.bin"
    renamed.write_bytes((shipped_directory() / "fit.nc").read_bytes())
    with pytest.raises(SkillscaleError, match="a fit and a forecast can't be compared"):
        run("diff", renamed, folder / "a.json")
    with pytest.raises(FitFileError, match="no such file"):
        run("diff", folder / "none.nc", folder / "a.json")


@pytest.mark.long
def test_a_forecast_is_kept_told_from_where_and_scored(tmp_path):
    (tmp_path / "plan.csv").write_text("model,n_params,n_tokens\nnova-8b,8e9,15e12\n")
    (tmp_path / "actual.csv").write_text("model,mmlu\nnova-8b,0.62\n")
    kept_in = tmp_path / "nova.json"
    forecast = ("forecast", "--plan", tmp_path / "plan.csv", "--draws", "200", "--seed", "4")
    result = run(*forecast, "--save", kept_in, "--format", "json")
    document = json.loads(kept_in.read_text())
    assert f"Kept in {kept_in}, SHA-256 {document['sha256']}" in result.stderr
    rows = json.loads(result.stdout)
    assert {row["provenance"]["seed"] for row in rows} == {4}
    assert {row["provenance"]["fit_hash"] for row in rows} == {document["provenance"]["fit_hash"]}
    assert rows[0]["provenance"]["date"] == document["provenance"]["date"]
    assert document["options"]["seed"] == 4
    with pytest.raises(FitFileError, match="is there already"):
        run(*forecast, "--save", kept_in)
    again = run(*forecast, "--save", kept_in, "--force", "--format", "csv")
    assert "provenance" not in again.stdout
    assert json.loads(kept_in.read_text())["sha256"] == document["sha256"]
    said = run("score", kept_in, "--actual", tmp_path / "actual.csv").stdout
    assert said.startswith("1 score known of those forecast")
