"""Doubts: what contradicts the rest is named and left out, and what does not is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skillscale import forecast
from skillscale.errors import TableError
from skillscale.forecasts.assumptions import assumptions, this_month
from skillscale.forecasts.doubts import doubt
from skillscale.forecasts.question import ask
from small import PLAN, SEEN

SAID = {"tuning": "base", "release": "2024-03"}


def doubts_of(fit, observed: pd.DataFrame):
    return doubt(fit, ask(fit, PLAN, observed))


def test_scores_that_agree_are_not_doubted(approximate):
    found = doubts_of(approximate, SEEN)
    assert found.scores == found.rows == ()
    assert not found.is_left_out.any()


def test_a_score_that_contradicts_the_rest_is_named_with_its_range_and_causes(approximate):
    observed = SEEN.assign(bbh=[0.33, 0.75])
    (found,) = doubts_of(approximate, observed).scores
    assert (found.model, found.benchmark) == ("new-3b", "bbh")
    assert found.lower < 0.37 < found.upper < 0.75
    assert found.p_value < 0.01
    text = str(found)
    assert text.startswith("new-3b: bbh 75.0 contradicts the rest, which expects ")
    assert "metric" in text
    assert "trained on" in text


def test_a_benchmark_evaluated_wrongly_on_a_whole_family_is_named_for_every_model(approximate):
    """Scores of its siblings are as wrong, and would vouch for each."""
    observed = SEEN.assign(bbh=[0.72, 0.75])
    found = doubts_of(approximate, observed).scores
    assert {(doubt.model, doubt.benchmark) for doubt in found} == {
        ("new-1b", "bbh"),
        ("new-3b", "bbh"),
    }


def test_no_answer_right_beside_good_scores_points_to_the_parser(approximate):
    observed = pd.DataFrame(
        {"model": ["a"], "n_params": [70e9], "n_tokens": [2e12], "mmlu": 0.75, "gsm8k": 0.0,
         "bbh": 0.58}
    )  # fmt: skip
    (found,) = doubts_of(approximate, observed).scores
    assert found.benchmark == "gsm8k"
    assert found.causes[0].startswith("the answer parser")


def test_exchanged_rows_are_told(approximate):
    observed = pd.DataFrame(
        {
            "model": ["small", "large"],
            "n_params": [1e9, 30e9],
            "n_tokens": 2e12,
            "mmlu": [0.72, 0.35],
            "gsm8k": [0.55, 0.06],
            "bbh": [0.5, 0.32],
        }
    )
    found = doubts_of(approximate, observed)
    assert [row.model for row in found.rows] == ["small, large"]
    assert "exchanged" in str(found.rows[0])
    said = forecast(approximate, PLAN.assign(**SAID), observed.assign(**SAID), refit=False)
    assert said.attrs["changes"][0].startswith("If the row of small, large is wrong so, medians ")


def test_a_doubted_score_counts_in_no_forecast_unless_asked_for(approximate):
    notes: list[str] = []
    bad = SEEN.assign(bbh=[0.33, 0.75])
    without = forecast(approximate, PLAN, bad, n_draws=400, on_note=notes.append)
    blank = forecast(approximate, PLAN, SEEN.assign(bbh=[0.33, np.nan]), n_draws=400)
    kept = forecast(approximate, PLAN, bad, n_draws=400, keep_doubted=True, refit=False)
    pd.testing.assert_series_equal(without["median"].to_series(), blank["median"].to_series())
    assert float(abs(kept["median"] - blank["median"]).sel(benchmark="bbh").max()) > 0.03
    assert without.attrs["doubts"] == kept.attrs["doubts"]
    change, _ = without.attrs["changes"]
    assert change in notes
    assert change.startswith("With bbh of new-3b medians differ by ")
    assert kept.attrs["changes"][0].startswith("Without bbh of new-3b medians differ by ")
    assert blank.attrs["doubts"] == []
    assert any(note.startswith("Doubt: new-3b: bbh") for note in notes)


def test_frames_are_checked_as_files_are(approximate):
    plan = PLAN.assign(n_params=[8e9, -70e9, 400e9]).drop(columns="n_tokens")
    observed = SEEN.assign(mmlu=[42.0, 0.52])
    with pytest.raises(TableError) as error:
        forecast(approximate, plan, observed)
    text = str(error.value)
    assert "plan: column 'n_tokens' is missing" in text
    assert "plan: n_params is not positive at line 2 (new-70b)" in text
    assert "observed: mmlu is outside [0, 1] at line 1 (new-1b) = 42" in text


def test_what_is_not_said_is_assumed_aloud(approximate):
    plan = PLAN.iloc[:1]
    notes: list[str] = []
    attrs = forecast(approximate, plan, n_draws=100, on_note=notes.append).attrs
    assert attrs["assumed"] == [
        "new-8b: no tuning is given, base models are assumed.",
        f"new-8b: no release is given, {approximate.models['release'].max()} is assumed, the last "
        "month of the fit.",
    ]
    last = approximate.models["release"].max()
    assert attrs["changes"][0].startswith(f"Released {this_month()} instead of {last}, medians ")
    assert attrs["changes"][0] in notes
    said = forecast(approximate, plan.assign(**SAID), n_draws=100).attrs
    assert said["assumed"] == said["changes"] == []
    near = forecast(approximate, plan.assign(family="llama2", **SAID), n_draws=100).attrs["assumed"]
    assert near == [
        "family 'llama2' is not in the fit: a new one is assumed. Nearest: 'llama-2', 'llama'."
    ]


def test_rows_of_one_size_and_tokens_are_told(approximate):
    one = SEEN.iloc[[1]]
    twins = pd.concat([one, one.assign(model="new-3b-again")], ignore_index=True)
    answer = forecast(approximate, PLAN.assign(**SAID), twins, n_draws=100)
    (said,) = [said for said in answer.attrs["assumed"] if "share size and tokens" in said]
    assert said.startswith("new-3b, new-3b-again share size and tokens")


def test_rows_of_one_size_are_told_as_checkpoints(approximate):
    checkpoints = SEEN.assign(n_params=3e9, n_tokens=[1e12, 2e12])
    said = assumptions(approximate, PLAN.assign(**SAID), checkpoints.assign(**SAID))
    assert said == [
        "new-1b, new-3b share a size: they count as models trained independently, and the forecast "
        "is too sure if they are checkpoints of one run. Keep the last."
    ]


def test_plans_beyond_the_data_say_how_far_and_absurd_ones_are_refused(approximate):
    last = approximate.models["release"].max()
    plan = PLAN.assign(tuning="base", release=last)
    (far,) = forecast(approximate, plan, n_draws=100).attrs["outside"]
    assert far.startswith("new-400b: 400B parameters, 3.6 times the largest of the fit (111B)")
    later = plan.iloc[:1].assign(release="2026-06")
    (late,) = forecast(approximate, later, n_draws=100).attrs["outside"]
    assert "months after the last model of the fit" in late
    tiny = plan.iloc[:1].assign(n_params=1e6)
    with pytest.raises(TableError, match=r"new-8b has 1M parameters, 1/\d+ of the smallest"):
        forecast(approximate, tiny)


def test_counts_of_observed_models_outside_the_fit_are_told(approximate):
    swapped = SEEN.iloc[:1].assign(n_params=3e12, n_tokens=1.1e9, **SAID)
    far = forecast(approximate, PLAN.iloc[:1].assign(**SAID), swapped, n_draws=100).attrs["outside"]
    assert any(said.startswith("new-1b: 3T parameters, ") for said in far)


def test_families_that_may_be_others_are_told(approximate):
    two = SEEN.assign(model=["nova-1b", "zeta-3b"], **SAID)
    said = assumptions(approximate, PLAN.assign(family="x", **SAID), two)
    assert any("all are taken to be of one new family" in s for s in said)
    plan = PLAN.assign(family="nova-9", **SAID)
    said = assumptions(approximate, plan, SEEN.assign(family="Nova 9", **SAID))
    assert any("taken for different families" in s and "'Nova 9'" in s for s in said)
    said = assumptions(approximate, PLAN.assign(model=["new-1b", "b", "c"], **SAID), SEEN)
    assert any("new-1b is observed with 1.2B parameters and planned with 8B" in s for s in said)
