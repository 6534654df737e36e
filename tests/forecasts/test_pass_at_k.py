"""Forecasts of pass@k, and the files they read."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from skillscale import forecast
from skillscale.cli.app import app
from skillscale.data.items import read_items, unbiased_pass_at_k
from skillscale.errors import SpecError, TableError, UnknownNameError
from skillscale.forecasts.pass_at_k import pass_at_k, pass_rows
from skillscale.intervals import INTERVALS
from skillscale.plots.pass_at_k import plot_pass_at_k
from small import PLAN, SEEN

K = (1, 10, 100)
RNG = np.random.default_rng(0)
ITEMS = pd.DataFrame(
    {"model": "new-1b", "n": 50, "correct": RNG.binomial(50, RNG.beta(0.1, 0.9, 300))}
)


@pytest.fixture(scope="module")
def from_prior(approximate):
    return pass_at_k(approximate, PLAN, SEEN, benchmark="gsm8k", k=K, refit=False)


@pytest.fixture(scope="module")
def from_items(approximate):
    return pass_at_k(approximate, PLAN, SEEN, benchmark="gsm8k", k=K, items=ITEMS, refit=False)


def test_one_attempt_gives_the_plain_forecast(approximate, from_prior):
    plain = forecast(approximate, PLAN, SEEN, refit=False).sel(benchmark="gsm8k", drop=True)
    names = ["mean", "median", "draws"]
    names += [f"{end}_{interval}" for interval in INTERVALS for end in ("lower", "upper")]
    for name in names:
        np.testing.assert_array_equal(from_prior[name].sel(k=1), plain[name])


def test_more_attempts_solve_more_in_every_draw(from_prior, from_items):
    for result in (from_prior, from_items):
        assert bool((result["draws"].diff("k") >= 0).all())
        assert bool((result["median"].diff("k") > 0).all())


def test_items_narrow_the_spread_and_the_forecast(from_prior, from_items):
    ends = {"level": [0.1, 0.9]}
    wide, narrow = (np.log(r["spread"].sel(**ends)).diff("level") for r in (from_prior, from_items))
    assert float(narrow[0]) < 0.5 * float(wide[0])
    assert from_prior.attrs["spread_from"] == "prior"
    assert from_items.attrs["spread_from"] == "items"

    def width(result):
        return (result["upper_80"] - result["lower_80"]).sel(model="new-8b", k=100).item()

    assert width(from_items) < width(from_prior)


def test_single_attempts_leave_the_spread_to_the_prior(approximate, from_prior):
    once = pd.DataFrame({"model": "new-1b", "n": 1, "correct": [0, 1] * 50})
    result = pass_at_k(approximate, PLAN, SEEN, benchmark="gsm8k", k=K, items=once, refit=False)
    assert result.attrs["spread_from"] == "prior"
    np.testing.assert_allclose(result["spread"], from_prior["spread"], rtol=0.02)


def test_the_beta_distribution_is_at_hand_too(approximate, from_items):
    beta = pass_at_k(
        approximate, PLAN, SEEN, benchmark="gsm8k", items=ITEMS, difficulty="beta", refit=False
    )
    assert 0.6 < float(beta["spread"].sel(level=0.5)) < 1.6  # it was one
    assert not beta["median"].equals(from_items["median"])


def test_attempts_may_come_in_any_order(approximate, from_prior):
    turned = pass_at_k(approximate, PLAN, SEEN, benchmark="gsm8k", k=K[::-1], refit=False)
    assert turned["median"].equals(from_prior["median"])


def test_the_estimator_is_right_on_average():
    # Over all ways of sampling four of an item's answers, pairs solve what any pair would.
    p = np.array([0.1, 0.5, 0.9])
    rng = np.random.default_rng(1)
    samples = 20_000
    estimates = []
    for model, chance in enumerate(p):
        items = pd.DataFrame(
            {"model": str(model), "n": 4, "correct": rng.binomial(4, chance, samples)}
        )
        estimates.append(unbiased_pass_at_k(items, np.array([1, 2, 5])).iloc[0])
    found = pd.DataFrame(estimates)
    np.testing.assert_allclose(found[1], p, atol=4 * 0.25 / np.sqrt(samples))
    np.testing.assert_allclose(found[2], 1 - (1 - p) ** 2, atol=4 * 0.3 / np.sqrt(samples))
    assert found[5].isna().all()


def test_rows_hold_forecasts_and_what_was_sampled(from_items):
    rows = pass_rows(from_items)
    assert len(rows) == len(PLAN) * len(K) + len(K)
    assert all(list(row) == list(rows[0]) for row in rows)
    last = rows[-1]
    assert (last["model"], last["k"], last["median"]) == ("new-1b", 100, None)
    assert np.isnan(last["observed"])  # fifty attempts can't tell
    assert rows[-3]["observed"] == pytest.approx(ITEMS["correct"].mean() / 50)
    assert rows[0]["observed"] is None
    assert rows[0]["median"] == from_items["median"].sel(model="new-8b", k=1).item()


def test_a_figure_has_one_panel_per_model(from_items):
    figure = plot_pass_at_k(from_items)
    assert [ax.get_title() for ax in figure.axes] == list(PLAN["model"])
    assert all(ax.get_xscale() == "log" for ax in figure.axes)
    (line, *_) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), 100 * from_items["median"].sel(model="new-8b"))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"benchmark": "gsm9k"}, UnknownNameError, "Nearest: 'gsm8k'"),
        ({"k": (0, 10)}, SpecError, "found 0, 10"),
        ({"k": (1.5,)}, SpecError, "positive whole numbers"),
        ({"k": (10, 10)}, SpecError, "different"),
        ({"k": ()}, SpecError, "different positive whole numbers"),
        ({"difficulty": "gamma"}, SpecError, "choose among beta, logistic-normal"),
    ],
)
def test_bad_arguments_are_refused(approximate, change, error, words):
    with pytest.raises(error, match=words):
        pass_at_k(approximate, PLAN, **({"benchmark": "gsm8k"} | change))


def test_every_problem_of_a_file_of_items_is_listed(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item,n,correct\n1,20,21\n2,0,0\n3,20,1.5\n3,20,x\n")
    with pytest.raises(TableError) as caught:
        read_items(path)
    text = str(caught.value)
    assert "correct exceeds n at line 2 (1) = 21" in text
    assert "n is not a whole number from 1 at line 3 (2) = 0" in text
    assert "correct is not a whole number from 0 at line 4 (3) = 1.5" in text
    assert "correct is not a finite number at line 5 (3) = 'x'" in text
    assert "item repeats an earlier row of its model at line 5 (3)" in text


def test_an_item_may_repeat_under_another_model(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("model,item,n,correct\na,1,20,3\nb,1,20,5\n")
    assert list(read_items(path)["model"]) == ["a", "b"]


def test_the_command_prints_the_same_rows_in_every_format(approximate, tmp_path):
    approximate.save(tmp_path / "fit.nc")
    PLAN.to_csv(tmp_path / "plan.csv", index=False)
    SEEN.to_csv(tmp_path / "obs.csv", index=False)
    ITEMS.reset_index(names="item").to_csv(tmp_path / "items.csv", index=False)

    def run(benchmark: str, *style: str):
        files = ["--plan", "plan.csv", "--observed", "obs.csv", "--items", "items.csv"]
        files = [str(tmp_path / f) if f.endswith("csv") else f for f in files]
        command = ["pass-at-k", str(tmp_path / "fit.nc"), "--benchmark", benchmark, "--no-refit"]
        return CliRunner().invoke(app, command + files + list(style), catch_exceptions=False)

    rows = json.loads(run("gsm8k", "--format", "json").stdout)
    lines = list(csv.DictReader(io.StringIO(run("gsm8k", "--format", "csv").stdout)))
    assert [row["model"] for row in rows] == [line["model"] for line in lines]
    assert rows[0]["median"] == pytest.approx(float(lines[0]["median"]))
    assert list(rows[0])[:4] == ["model", "family", "benchmark", "k"]
    result = run("gsm8k")
    assert "new-70b" in result.stdout
    assert "from the items" in result.stderr
    assert "guesses" not in result.stderr
    assert "guesses are resampled too" in " ".join(run("mmlu").stderr.split())
