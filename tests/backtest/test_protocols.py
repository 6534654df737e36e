"""Back-tests: no leak, honest scores, and summaries that can be checked by hand."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import process_executor
from numpy.testing import assert_allclose
from scipy import integrate, stats
from typer.testing import CliRunner

from skillscale import load_table
from skillscale.backtest import workers
from skillscale.backtest.folds import time_ordered_folds
from skillscale.backtest.frozen import read_frozen
from skillscale.backtest.protocols import backtest
from skillscale.backtest.refits import Refits
from skillscale.backtest.report import Report
from skillscale.backtest.scores import score_draws, score_normal
from skillscale.backtest.settings import pooled
from skillscale.backtest.studies import Study, run_studies
from skillscale.cli.app import app
from skillscale.cli.backtest import on_cluster
from skillscale.cli.backtest_tables import print_report
from skillscale.errors import SkillscaleError
from skillscale.forecasts.prediction import Prediction
from skillscale.plots.calibration import plot_calibration
from small import BACKTEST_BENCHMARKS, BACKTEST_FAMILIES, QUICK, SPEC


@pytest.fixture(scope="module")
def small():
    return load_table("classic").select(benchmarks=BACKTEST_BENCHMARKS, families=BACKTEST_FAMILIES)


@pytest.fixture(scope="module")
def refits(small) -> Refits:
    return Refits(small, SPEC, QUICK)


def run(refits: Refits, **options) -> Report:
    folds = time_ordered_folds(refits.table, 1, ["2024-05"])
    study = Study("time-ordered", {}, folds, list(refits.table.benchmarks.index))
    return run_studies([study], refits, **options)[0]


@pytest.fixture(scope="module")
def report(refits) -> Report:
    return run(refits)


@pytest.mark.slow
def test_scores_to_forecast_are_never_read(small, refits):
    """Turned upside down they change nothing, nor where the sampler starts."""
    folds = time_ordered_folds(small, 1, ["2024-05"])
    scores = small.scores.copy()
    hidden = scores["model"].isin(name for fold in folds for name in fold.test.index)
    assert hidden.sum() == 8
    scores.loc[hidden, "score"] = 1 - scores.loc[hidden, "score"]
    tampered = dataclasses.replace(small, scores=scores)
    other = Refits(tampered, SPEC, QUICK)
    medians = [
        run(r).cells.set_index(["method", "model", "benchmark"])["median"] for r in (refits, other)
    ]
    pd.testing.assert_series_equal(*medians, atol=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report_in_any_number_of_processes(refits, report):
    again = run(refits, jobs=2)
    assert again.cells["model"].equals(report.cells["model"])
    assert_same_forecasts(again, report)


def test_nothing_is_kept_or_changed_in_the_process_that_asks(report):
    assert len(report.cells)
    assert workers._first_of_equal.cache_info().currsize == 0
    assert process_executor._USE_PSUTIL, "as joblib has it"


def assert_same_forecasts(one: Report, other: Report) -> None:
    """Equal but for last digits, which may take another draw where weights are resampled."""
    columns = ["actual", "median", "lower_80", "upper_80"]
    assert_allclose(one.cells[columns], other.cells[columns], atol=0.002)


def test_a_refit_has_nothing_of_what_was_held_out(small, refits):
    held_out = [name for name in small.models.index if name.startswith("opt")]
    rest = refits.without(held_out)
    assert "opt" not in rest.design.coords["family"]
    assert not set(held_out) & set(rest.table.models.index)
    assert rest.tree.posterior["model"].to_numpy().tolist() == rest.design.coords["model"]
    assert rest.expected_scores().shape[1:] == (4, len(rest.table.models))


def test_draws_are_judged_as_their_distribution_should_be():
    rng = np.random.default_rng(0)
    n = 40_000
    location, scale, degrees = (np.full((n, 1, 1), v) for v in (0.5, 0.1, 8.0))
    score = 0.5 + 0.1 * rng.standard_t(8.0, (n, 1, 1))
    models = pd.DataFrame(index=["m"])
    prediction = Prediction(models, ["b"], score, location, scale, degrees, {}, 0.0, 0)
    rows = pd.DataFrame({"model": ["m"], "benchmark": ["b"], "actual": [0.63]})
    found = score_draws(rows, prediction).iloc[0]
    law = stats.t(8.0, 0.5, 0.1)

    def squared_step(y: float) -> float:
        return float((law.cdf(y) - (y >= 0.63)) ** 2)

    crps = integrate.quad(squared_step, -2, 0.63)[0] + integrate.quad(squared_step, 0.63, 3)[0]
    assert found["crps"] == pytest.approx(crps, rel=0.02)
    assert found["log_score"] == pytest.approx(law.logpdf(0.63))
    assert found["pit"] == pytest.approx(law.cdf(0.63))
    assert found["median"] == pytest.approx(0.5, abs=0.003)
    assert found["upper_80"] == pytest.approx(law.ppf(0.9), abs=0.005)


@pytest.mark.slow
def test_tuned_families_and_new_developers_are_forecast_unseen(small, capsys):
    options = {"table": small, "spec": SPEC, "method": QUICK, "n_seen": 0, "baselines": ["flops"]}
    tuned = backtest("tuned-held-out", **options)
    assert set(tuned.of("skillscale")["tuning"]) == {"instruct"}
    assert set(tuned.of("skillscale")["n_known"]) == {0}
    assert set(tuned.summary()["accuracy"]) == {"all", "tuned"}
    developers = backtest("new-developer", **options)
    summary = developers.summary()
    new, known = (summary["groups"]["developer"][value]["all"] for value in ("new", "known"))
    assert new["n_cells"] == known["n_cells"] == summary["n_cells"]
    assert summary["n_scores"] == 2 * summary["n_cells"]
    difference = new["crps"]["value"] - known["crps"]["value"]
    assert summary["new_minus_known"]["all"]["crps"]["value"] == pytest.approx(difference)
    assert len(developers.planned) == len(developers.planned.drop_duplicates())
    print_report(developers)
    assert "With the developer new, minus with it known" in capsys.readouterr().out


def made_up(errors: dict[str, list[float]], method: str = "skillscale") -> pd.DataFrame:
    rows = [
        {
            "fold": fold,
            "model": f"{fold}-{i}",
            "family": fold,
            "lineage": fold,
            "tuning": "instruct" if fold.endswith("chat") else "base",
            "developer": "known",
            "benchmark": "b",
            "log_ratio": np.log(5),
            "log_outside": np.log(1.5),
            "months_after": 4.0,
            "n_known": 1,
            "actual": 0.5,
            "error": error,
        }
        for fold, values in errors.items()
        for i, error in enumerate(values)
    ]
    frame = pd.DataFrame(rows)
    mean = 0.5 + frame.pop("error").to_numpy() / 100
    return score_normal(frame, method, mean, np.full(len(mean), 0.02))


def test_summaries_weigh_folds_alike():
    cells = pd.concat([made_up({"a": [1, 3], "b": [6]}), made_up({"a": [4, 4], "b": [5]}, "flops")])
    report = Report("time-ordered", {}, cells, None, 0.0)
    summary = report.summary()
    assert summary["mae_points"] == pytest.approx((2 + 6) / 2)
    assert summary["mae_points_by_model"] == pytest.approx((1 + 3 + 6) / 3)
    assert summary["baselines"]["flops"]["mae_points"] == pytest.approx(4.5)
    assert summary["accuracy"]["all"]["mae_points"]["value"] == pytest.approx((1 + 3 + 6) / 3)
    difference = summary["paired"]["flops"]["all"]["mae_points"]["value"]
    assert difference == pytest.approx(((1 - 4) + (3 - 4) + (6 - 5)) / 3)
    # Two points are a standard deviation: 1 is inside 50 %, 3 is outside 80 %, 6 is outside 95 %.
    coverage = {k: of["value"] for k, of in summary["accuracy"]["all"]["coverage"].items()}
    assert coverage == pytest.approx({"50": 1 / 3, "80": 1 / 3, "95": 2 / 3})
    assert summary["groups"]["distance"]["3x to 10x"]["all"]["n_cells"] == 3
    assert summary["groups"]["outside"]["up to 2x"]["all"]["n_cells"] == 3
    assert summary["groups"]["months"]["3 to 6"]["all"]["n_cells"] == 3
    json.dumps(summary)


def test_a_calibrated_forecast_follows_the_diagonal():
    rng = np.random.default_rng(0)
    cells = made_up({"a": list(2 * rng.normal(size=2000))})
    figure = plot_calibration(Report("x", {}, cells, None, 0.0))
    line = figure.axes[0].lines[-1]
    assert_allclose(line.get_ydata(), line.get_xdata(), atol=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "guess"}, "no protocol 'guess'"),
        ({"protocol": "sloth", "covariates": "guess"}, "no covariates 'guess'"),
        ({"protocol": "sloth", "baselines": ["magic"]}, "no baseline magic"),
        ({"protocol": "sloth", "n_seen": 3}, "no published setting"),
    ],
)
def test_impossible_back_tests_are_refused(options, message):
    with pytest.raises(SkillscaleError, match=message):
        backtest(**options)


def test_the_command_prints_every_figure(report, monkeypatch, tmp_path):
    monkeypatch.setattr("skillscale.cli.backtest.backtest", lambda *_, **__: report)
    arguments = ["backtest", "--protocol", "time-ordered"]
    out = ["--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, *out, "--format", "json"])
    summary = json.loads(result.stdout)
    assert {"mae_points", "mae_points_by_family", "mae_points_by_benchmark", "crps", "accuracy",
            "baselines", "published", "paired"} <= set(summary)  # fmt: skip
    assert set(summary["accuracy"]) == {"all", "base", "tuned"}
    assert set(summary["accuracy"]["tuned"]["coverage"]) == {"50", "80", "95"}
    assert (tmp_path / "out" / "calibration.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "out" / "forecasts.csv")) == len(report.cells)
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written.pop("provenance") == json.loads(json.dumps(report.provenance))
    assert written["options"] == summary["options"]
    assert written["mae_points"] == pytest.approx(summary["mae_points"], rel=1e-5)
    table = CliRunner().invoke(app, arguments).stdout
    assert f"{summary['accuracy']['tuned']['mae_points']['value']:.2f}" in table
    assert f"of {summary['n_cells']} scores of {summary['n_lineages']} lineages" in table
    assert "flops_family" in table


@pytest.fixture
def settings() -> list[Report]:
    """Sloth was published to be 4 points off with one model seen, and 2 with two."""
    reports = []
    for n_seen, published in ((1, 0.04), (2, 0.02)):
        ours = made_up({"a": [1, 3], "b": [1]})
        cells = pd.concat([ours, made_up({"a": [3], "b": [3]}, "flops")])
        index = pd.MultiIndex.from_product([["a", "b"], ["b"]], names=["fold", "benchmark"])
        errors = pd.DataFrame({"sloth_trained_link_3": published}, index)
        reports.append(Report("sloth", {"n_seen": n_seen, "benchmarks": "v1"}, cells, errors, 1.0))
    return reports


def test_settings_are_pooled(settings):
    found = pooled(settings)
    assert found["ratio_to_best_sloth"] == pytest.approx((1.5 / 4 + 1.5 / 2) / 2)
    assert found["n_scores"] == 6
    coverage = {k: of["value"] for k, of in found["accuracy"]["all"]["coverage"].items()}
    assert coverage == pytest.approx({"50": 2 / 3, "80": 2 / 3, "95": 1})
    assert found["accuracy"]["all"]["n_cells"] == 3, "each of both settings once"
    assert found["paired"]["flops"]["all"]["mae_points"]["value"] == pytest.approx(-2)
    published = found["paired"]["published sloth_trained_link_3"]["all"]
    assert published["mae_points"]["value"] == pytest.approx(-2.5)
    assert published["n_folds"] == published["n_lineages"] == 2


def test_the_command_prints_all_settings(settings, monkeypatch, tmp_path):
    monkeypatch.setattr("skillscale.cli.backtest.backtest_published", lambda **_: settings)
    arguments = ["backtest", "--protocol", "sloth", "--all-settings"]
    table = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)], catch_exceptions=False)
    assert "Mean ratio 0.56" in table.stdout
    assert len(pd.read_csv(tmp_path / "forecasts.csv")) == 10
    result = CliRunner().invoke(app, [*arguments, "--format", "json"])
    figures = json.loads(result.stdout)
    written = json.loads((tmp_path / "summary.json").read_text())
    assert set(written) == {"provenance", *figures}
    assert [of["options"]["n_seen"] for of in figures["settings"]] == [1, 2]
    assert figures["pooled"]["n_scores"] == 6


def test_the_command_freezes_forecasts(report, monkeypatch, tmp_path):
    monkeypatch.setattr("skillscale.cli.backtest.backtest", lambda *_, **__: report)
    path = tmp_path / "frozen.json"
    arguments = ["backtest", "--protocol", "time-ordered", "--freeze", str(path)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    found = read_frozen(path)
    assert found.sha256 in result.stderr
    assert found.provenance["spec"] == json.loads(json.dumps(SPEC.to_dict()))
    assert (
        found.provenance["data_hash"]
        == load_table("classic")
        .select(benchmarks=BACKTEST_BENCHMARKS, families=BACKTEST_FAMILIES)
        .hash
    )
    cells = ["fold", "model", "benchmark"]
    ours = report.of("skillscale").merge(found.forecasts, on=cells)
    assert len(ours) == len(report.of("skillscale"))
    assert_allclose(ours["median"], ours["q50"], atol=1e-6)
    assert_allclose(ours["lower_80"], ours["q10"], atol=1e-6)
    again = CliRunner().invoke(app, arguments)
    assert "--force" in str(again.exception), "a frozen file is not replaced by accident"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "sloth", "--all-settings", "--freeze", "x.json"], "--freeze needs planned"),
        (["--protocol", "sloth", "--all-settings", "--until", "2024-05"], "--until can't be given"),
        (["--protocol", "new-benchmark", "--freeze", "x.json"], "--freeze needs planned models"),
        (["--protocol", "new-benchmark", "--until", "2024-05"], "until can't be given with new-b"),
        (["--protocol", "time-ordered", "--cuts", "2024"], "a month such as 2024-05, found '2024'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, message):
    result = CliRunner().invoke(app, ["backtest", *arguments])
    assert isinstance(result.exception, SkillscaleError)
    assert message in str(result.exception)


def test_only_the_sloth_protocol_has_settings():
    arguments = ["backtest", "--protocol", "time-ordered", "--all-settings"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SkillscaleError)
    assert "--all-settings" in str(result.exception)


def test_a_cluster_that_does_not_answer_is_an_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("skillscale.cli.backtest.PATIENCE", "0.5s")
    command = ["backtest", "--protocol", "sloth", "--cluster", "tcp://127.0.0.1:1"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, SkillscaleError)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_that_loses_a_worker_gives_the_same_report(refits, report):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 3, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        lost = []

        def lose_a_worker(done: int, total: int) -> None:
            if done and not lost:
                lost.append(cluster.workers[0].pid)
                os.kill(lost[0], signal.SIGKILL)

        with on_cluster(cluster.scheduler_address):
            again = run(refits, jobs=3, on_progress=lose_a_worker)
    assert lost
    assert_same_forecasts(again, report)
