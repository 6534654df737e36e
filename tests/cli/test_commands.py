"""The command line as a user meets it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import skillscale as sk
from skillscale.checks.verdict import Check, Verdict
from skillscale.cli.app import app, main
from skillscale.cli.inputs import read_inputs
from skillscale.errors import FitFileError, SkillscaleError, SpecError, TableError, UnknownNameError
from small import write_table

ENDS = ("", "_lower", "_upper")
KEYS = [
    "model",
    "family",
    "benchmark",
    "mean",
    "median",
    "lower_50",
    "upper_50",
    "lower_80",
    "upper_80",
    "lower_95",
    "upper_95",
]
BENCHMARKS = ("mmlu", "gsm8k", "bbh")
SPEC = """
skills = ["knowledge", "reasoning"]
anchors = ["mmlu", "gsm8k"]
"""


def run(*arguments: str | Path) -> str:
    """Standard output of a command that must succeed."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    """A folder with a fit made by the command line, observed models and a plan."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "spec.toml").write_text(SPEC)
    data = write_table(table, folder / "data")
    options = ("--data", data, "--spec", folder / "spec.toml", "--method", "svi")
    run("fit", *options, "-o", folder / "fit.nc")
    one = "model,n_params,n_tokens,mmlu,gsm8k,bbh\nnova-1b,1e9,3e12,0.31,0.04,0.31\n"
    (folder / "one.csv").write_text(one)
    (folder / "two.csv").write_text(one + "nova-3b,3e9,3e12,0.50,0.2,0.37\n")
    (folder / "plan.csv").write_text(
        "model,n_params,n_tokens\nnova-8b,8e9,15e12\nnova-70b,70e9,15e12\n"
    )
    return folder


def forecast(folder: Path, *arguments: str) -> dict[tuple[str, str], dict]:
    """Forecast rows by model and benchmark."""
    text = run(
        "forecast", folder / "fit.nc", "--plan", folder / "plan.csv", "--format", "json", *arguments
    )
    return {(row["model"], row["benchmark"]): row for row in json.loads(text)}


def width(row: dict) -> float:
    return row["upper_80"] - row["lower_80"]


def test_forecast_rows_have_the_promised_keys_and_nested_intervals(folder):
    rows = forecast(folder, "--observed", str(folder / "one.csv"))
    assert len(rows) == 2 * len(BENCHMARKS)
    for row in rows.values():
        assert list(row)[: len(KEYS)] == KEYS
        ends = [row[key] for key in KEYS[5:]]
        lower_50, upper_50, lower_80, upper_80, lower_95, upper_95 = ends
        assert 0 <= lower_95 <= lower_80 <= lower_50 <= row["median"]
        assert row["median"] <= upper_50 <= upper_80 <= upper_95 <= 1
        shares = [value for key, value in row.items() if key.startswith("share_")]
        assert sum(shares) == pytest.approx(1)


def test_observing_models_narrows_the_forecast(folder):
    none = forecast(folder)
    one = forecast(folder, "--observed", str(folder / "one.csv"))
    two = forecast(folder, "--observed", str(folder / "two.csv"))
    none, one, two = (sum(width(row) for row in rows.values()) for rows in (none, one, two))
    assert two < one
    assert two < 0.9 * none  # one model may surprise, and then widens as much as it tells


def test_the_same_seed_prints_the_same_forecast_and_another_seed_another(folder):
    arguments = ("--observed", str(folder / "one.csv"))
    assert forecast(folder, *arguments) == forecast(folder, *arguments)
    assert forecast(folder, *arguments) != forecast(folder, *arguments, "--seed", "1")


def test_csv_and_json_hold_the_same_rows(folder):
    budget = ("optimum", folder / "fit.nc", "--flops", "1e23,1e24")
    from_json = json.loads(run(*budget, "--format", "json"))
    from_csv = list(csv.DictReader(io.StringIO(run(*budget, "--format", "csv"))))
    assert len(from_json) == len(from_csv) == 4
    for left, right in zip(from_json, from_csv, strict=True):
        assert left["objective"] == right["objective"]
        assert left["prob_interior"] == pytest.approx(float(right["prob_interior"]))


SUMMARY_KEYS = {"median", "rhat", "ess_bulk", "ess_tail"} | {
    f"{end}_{percent}" for end in ("lower", "upper") for percent in (50, 80, 95)
}
SKILLS_KEYS = {
    "loadings": {"benchmark", "skill", "is_fixed"} | {f"standardised_{k}" for k in SUMMARY_KEYS},
    "correlations": {"skill", "other", "given", "prob_indistinct"},
    "instruct": {"skill", "prob_positive", "benchmark"} | {f"score_{k}" for k in SUMMARY_KEYS},
    "pairs": {"family", "lineage", "base_family", "skill", "prob_positive"},
    "families": {"family", "lineage", "tuning", "base_family", "n_models", "skill", "rank"},
    "models": {"model", "family", "tuning", "n_params", "n_tokens", "skill"},
    "slopes": {"input", "skill"},
}


def test_skills_have_the_promised_keys_and_json_holds_what_was_asked_for(folder):
    skills = ("skills", folder / "fit.nc", "--format", "json")
    everything = json.loads(run(*skills, "--show", "all"))
    assert everything.pop("rotation") == "named"
    assert {name: set(rows[0]) - SUMMARY_KEYS for name, rows in everything.items()} == SKILLS_KEYS
    assert all(set(rows[0]) >= SUMMARY_KEYS for rows in everything.values())
    assert set(json.loads(run(*skills))) == {
        *("rotation", "loadings", "correlations", "instruct", "families")
    }
    alone = json.loads(run(*skills, "--show", "slopes"))
    assert alone == {"rotation": "named", "slopes": everything["slopes"]}


def test_skills_print_an_overview_and_one_table_as_csv(folder):
    text = run("skills", folder / "fit.nc")
    assert text.startswith("What every benchmark reads")
    for name in (*BENCHMARKS, "knowledge", "reasoning", "points"):
        assert name in text
    rows = list(
        csv.DictReader(
            io.StringIO(run("skills", folder / "fit.nc", "--show", "families", "--format", "csv"))
        )
    )
    assert set(rows[0]) == SKILLS_KEYS["families"] | SUMMARY_KEYS
    assert [row["rank"] for row in rows[:3]] == ["1", "2", "3"]


def test_csv_of_several_tables_of_skills_asks_for_one(folder):
    with pytest.raises(SpecError, match="csv holds one table: give --show with one of loadings"):
        run("skills", folder / "fit.nc", "--format", "csv")


def test_skills_draw_their_figures_into_a_directory(folder, tmp_path):
    run("skills", folder / "fit.nc", "--out", tmp_path / "figures", "--show", "slopes")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    drawn = ("loadings", "correlations", "instruct", "families", "models", "levels", "items")
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    assert all(p.read_bytes()[1:4] == b"PNG" for p in (tmp_path / "figures").glob("*.png"))


DRAWN = {
    "forecast": ["forecast", "FIT", "--plan", "PLAN", "--observed", "OBSERVED"],
    "next": ["next", "FIT", "--plan", "PLAN", "--sizes", "3e9", "--draws", "200"],
    "pass-at-k": ["pass-at-k", "FIT", "--benchmark", "gsm8k", "--plan", "PLAN", "--draws", "200"],
    "optimum": ["optimum", "FIT", "--flops", "1e23", "--target", "mmlu=1,gsm8k=3"],
    "regret": ["optimum", "FIT", "--flops", "1e23", "--regret", "--sizes", "7e9,13e9"],
    "cheapest": ["optimum", "FIT", "--reach", "0.4", "--benchmark", "mmlu"],
}


@pytest.mark.parametrize("name", DRAWN)
def test_answers_are_drawn_in_both_formats_and_said_to_be(folder, tmp_path, name):
    files = {"FIT": "fit.nc", "PLAN": "plan.csv", "OBSERVED": "two.csv"}
    command = [str(folder / files[part]) if part in files else part for part in DRAWN[name]]
    out = tmp_path / "figures"
    plain, drawn = (
        CliRunner().invoke(app, [*command, *more], catch_exceptions=False)
        for more in ([], ["--out", str(out)])
    )
    assert drawn.stdout == plain.stdout
    assert f"Figures written to {out} as PNG and SVG: {name}." in drawn.stderr
    assert {path.name for path in out.iterdir()} == {f"{name}.png", f"{name}.svg"}
    assert (out / f"{name}.png").read_bytes()[1:4] == b"PNG"
    svg = (out / f"{name}.svg").read_text("utf-8")
    assert "</text>" in svg, "text is text"
    assert ("mmlu 25 %, gsm8k 75 %" in svg) == (name == "optimum")
    assert ("nova-3b, observed" in svg) == (name == "forecast")
    with pytest.raises(FitFileError, match="holds files already"):
        CliRunner().invoke(app, [*command, "--out", str(out)], catch_exceptions=False)
    again = CliRunner().invoke(app, [*command, "--out", str(out), "--force"])
    assert again.exit_code == 0
    assert (out / f"{name}.svg").read_text("utf-8") == svg, "the same figure gives the same file"


def test_figures_can_not_go_where_a_file_is(folder):
    with pytest.raises(SkillscaleError, match="can't be a directory"):
        run("skills", folder / "fit.nc", "--out", folder / "fit.nc")


OPTIMUM_KEYS = {
    "objective",
    *(f"{name}{end}" for name in ("n_params", "n_tokens", "tokens_per_param") for end in ENDS),
    *(f"prob_{at}" for at in ("interior", "lower_bound", "upper_bound", "cap", "harm")),
    "n_total_params",
    "narrowing",
    "limit",
    "verdict",
    "searched_lower",
    "searched_upper",
}


def optima(folder: Path, *arguments: str) -> list[dict]:
    return json.loads(run("optimum", folder / "fit.nc", *arguments, "--format", "json"))


def test_optima_have_the_promised_keys(folder):
    (budget,) = optima(folder, "--flops", "1e23", "--skill", "reasoning")
    tokens = {"searched_tokens_lower", "searched_tokens_upper"}
    assert set(budget) == OPTIMUM_KEYS | tokens | {"flops", "flops_spent"}
    (goal,) = optima(folder, "--reach", "0.4", "--benchmark", "mmlu")
    assert set(goal) == OPTIMUM_KEYS | {"reach", "prob_reached"} | {f"flops{end}" for end in ENDS}


def test_regret_has_the_promised_keys_and_no_size_without_tokens(folder):
    rows = optima(folder, "--flops", "1e23", "--regret", "--skill", "reasoning")
    assert set(rows[0]) == {
        *("objective", "flops", "n_params", "n_tokens"),
        *(f"{n}{end}" for n in ("score_lost", "skill_lost", "extra_compute") for end in ENDS),
        *("least_regret_params", "safe_lower", "safe_upper"),
    }
    assert all(row["n_tokens"] > 0 and row["score_lost"] >= 0 for row in rows)


def test_objectives_of_all_kinds_go_together(folder):
    rows = optima(
        *(folder, "--flops", "1e23", "--skill", "reasoning", "--benchmark", "mmlu, bbh"),
        *("--target", "mmlu=1,gsm8k=2", "--family", "llama-2"),
    )
    assert [row["objective"] for row in rows] == ["reasoning", "mmlu", "bbh", "target"]


def test_deployment_is_heeded(folder):
    (row,) = optima(
        *(folder, "--flops", "1e24", "--skill", "reasoning", "--sizes", "7e9,13e9"),
        *("--serve-tokens", "1e13", "--max-tokens", "1e12", "--total-per-active", "8"),
    )
    assert row["n_params_lower"] in (7e9, 13e9)
    assert row["n_tokens_upper"] == pytest.approx(1e12)
    assert row["limit"] == "limited by tokens"
    assert row["n_total_params"] == pytest.approx(8 * row["n_params"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--flops", "1e23,1e24"], ["verdict", "narrowed", "1e24"]),
        (["--flops", "1e23", "--max-tokens", "1e12"], ["P(cap)"]),
        (["--flops", "1e23", "--total-per-active", "8"], ["total"]),
        (["--reach", "0.4", "--benchmark", "mmlu"], ["P(reached)", "0.4"]),
        (["--flops", "1e23", "--regret"], ["less than 1 point lost", "10B", "compute"]),
    ],
)
def test_tables_of_optima_cut_nothing(folder, arguments, words):
    text = run("optimum", folder / "fit.nc", *arguments)
    assert all(word in text for word in words)
    assert "…" not in text


def test_tables_name_skills_families_and_priors(folder):
    assert "llama-2-chat" in run("families", folder / "fit.nc")
    assert "discrepancy_spread" in run("priors", "--spec", folder / "spec.toml")


@pytest.mark.slow
def test_priors_are_checked_against_the_scores(folder):
    options = ("priors", "--check", "--data", folder / "data", "--spec", folder / "spec.toml")
    rows = json.loads(run(*options, "--format", "json"))
    assert [row["benchmark"] for row in rows] == list(sk.load_table(folder / "data").wide())
    assert {row["verdict"] for row in rows} <= {"PASS", "REVIEW"}
    assert all(row["smallest_5"] < row["largest_95"] for row in rows)
    shown = run(*options)
    assert all(word in shown for word in ("verdict", "smallest", "ruled out", "mmlu"))
    narrow = folder / "narrow.toml"
    narrow.write_text(SPEC + "\n[priors.intercept]\nmean = -9.0\nsd = 0.1\n")
    command = ["priors", "--check", "--data", str(folder / "data"), "--spec", str(narrow)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "FAIL" in result.stdout


def test_the_version_is_told():
    assert run("--version") == f"skillscale {sk.__version__}\n"


def test_check_exits_with_one_exactly_when_something_fails(folder, monkeypatch):
    command = ["check", str(folder / "fit.nc"), "--format", "json"]
    result = CliRunner().invoke(app, command)
    verdicts = [row["verdict"] for row in json.loads(result.stdout)]
    assert result.exit_code == int("FAIL" in verdicts)
    failing = [Check("x", Verdict.FAIL, 0.0, "", "")]
    monkeypatch.setattr("skillscale.cli.fit.check", lambda fit: failing)
    assert CliRunner().invoke(app, command).exit_code == 1


def test_without_a_directory_all_shipped_data_is_validated():
    said = run("data", "validate", "--no-doubts")
    assert said == f"shipped data: {sk.load_table()!r}, no problems.\n"


def test_shipped_tables_are_chosen_by_name_and_all_is_the_default():
    default, classic, everything = (
        read_inputs(None if name is None else Path(name), None)[0]
        for name in (None, "classic", "all")
    )
    assert default.hash == everything.hash == sk.load_table().hash
    assert classic.hash == sk.load_table("classic").hash


def test_validate_lists_every_problem_and_exits_with_one(tmp_path):
    table = sk.load_table("classic")
    for name in ("models", "scores", "benchmarks"):
        frame = getattr(table, name)
        frame.to_csv(tmp_path / f"{name}.csv", index=name != "scores")
    assert "no problems" in run("data", "validate", tmp_path, "--no-doubts")
    text = (tmp_path / "scores.csv").read_text().replace("bloom,mmlu,0.3085", "bloom,mmlu,30.85")
    (tmp_path / "scores.csv").write_text(text + "nobody,mmlu,0.5,\n")
    result = CliRunner().invoke(app, ["data", "validate", str(tmp_path)])
    assert result.exit_code == 1
    assert "30.85" in result.stdout
    assert "nobody" in result.stdout


def test_validate_names_scores_that_contradict_the_rest(folder, table, tmp_path):
    scores = table.scores.copy()
    is_wrong = (scores["model"] == "llama-2-70b") & (scores["benchmark"] == "bbh")
    scores.loc[is_wrong, "score"] = 0.9
    data = write_table(dataclasses.replace(table, scores=scores), tmp_path)
    result = CliRunner().invoke(app, ["data", "validate", str(data), "--strict"])
    assert result.exit_code == 1
    assert "no problems" in result.stdout
    assert "Doubt: llama-2-70b: bbh 90.0 contradicts the rest" in result.stderr


def test_a_specification_to_start_from_is_that_of_the_table(folder, tmp_path):
    written = tmp_path / "spec.toml"
    run("spec", "--data", folder / "data", "-o", written)
    assert sk.Spec.read(written) == sk.Spec(
        skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k")
    )
    assert tomllib.loads(run("spec", "--skills", "2"))["exploratory"]
    assert "is there already" in str(
        CliRunner().invoke(app, ["spec", "-o", str(written)]).exception
    )


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["optimum", "FIT", "--flops", "lots"], SpecError, "numbers separated by commas"),
        (["optimum", "FIT", "--flops", "-1"], SpecError, "must be positive"),
        (["optimum", "FIT", "--flops", "1e23", "--skill", "cooking"], UnknownNameError, "cooking"),
        (["optimum", "FIT"], SpecError, "one of --flops .* and --reach"),
        (["optimum", "FIT", "--flops", "1e23", "--reach", "1"], SpecError, "one of --flops"),
        (["optimum", "FIT", "--reach", "0.5", "--regret"], SpecError, "--regret goes with --flops"),
        (["optimum", "FIT", "--reach", "80", "--benchmark", "mmlu"], SpecError, "0.8 for 80"),
        (["optimum", "FIT", "--flops", "1e23", "--target", "mmlu"], SpecError, "mmlu=1,gsm8k=2"),
        (["optimum", "FIT", "--flops", "1e23", "--target", "mmlu=1,mmlu=2"], SpecError, "repeats"),
        (
            ["optimum", "FIT", "--flops", "1e23", "--sizes", "7B"],
            SpecError,
            "--sizes takes numbers",
        ),
        (["optimum", "FIT", "--flops", "1e23", "--family", "qwen9"], UnknownNameError, "qwen9"),
        (["optimum", "FIT", "--flops", "1e23", "--serve-tokens", "-1"], SpecError, "negative"),
        (["forecast", "FIT", "--plan", "absent.csv"], TableError, "absent.csv"),
        (["fit", "--data", "no/where", "-o", "x.nc"], TableError, "no/where"),
        (["fit", "--data", "clasic", "-o", "x.nc"], UnknownNameError, "Nearest: 'classic'"),
        (["fit", "-o", "nowhere/x.nc"], FitFileError, "nowhere"),
        (["fit", "--without-lineage", "qwen9", "-o", "x.nc"], UnknownNameError, "qwen2"),
    ],
)
def test_bad_input_is_one_clear_error(folder, arguments, error, words):
    arguments = [str(folder / "fit.nc") if a == "FIT" else a for a in arguments]
    with pytest.raises(error, match=words):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_an_observed_model_that_is_in_the_fit_is_refused(folder, tmp_path):
    path = tmp_path / "seen.csv"
    path.write_text("model,n_params,n_tokens,mmlu\nllama-2-7b,7e9,2e12,0.44\n")
    with pytest.raises(TableError, match="llama-2-7b is in the fit already"):
        forecast(folder, "--observed", str(path))


def test_errors_end_in_a_message_and_exit_code_two(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["skillscale", "check", "absent.nc"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "absent.nc: no such file" in capsys.readouterr().err


def test_an_interrupted_fit_says_so_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("skillscale.cli.fit.fit", interrupted)
    result = CliRunner().invoke(app, ["fit", "-o", str(tmp_path / "fit.nc")])
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_fit_is_saved_thinned_unless_all_is_asked_for(sampled, tmp_path, monkeypatch):
    monkeypatch.setattr("skillscale.cli.fit.fit", lambda *args, **kwargs: sampled)
    sizes = sampled.tree["posterior"].sizes
    monkeypatch.setattr("skillscale.checks.thinned.KEPT", 10 * sizes["chain"])
    kept = {}
    for name, options in {"thin": (), "all": ("--keep", "100000")}.items():
        path = tmp_path / f"{name}.nc"
        said = CliRunner().invoke(app, ["fit", "-o", str(path), *options]).stderr
        kept[name] = sk.Fit.load(path).tree["posterior"].sizes["draw"]
        assert (f"10 of {sizes['draw']} draws of every chain are kept" in said) == (name == "thin")
    assert kept == {"thin": 10, "all": sizes["draw"]}
