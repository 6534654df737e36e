"""What moves a forecast: each observed score and each relative left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skillscale.forecasts.forecast import forecast
from skillscale.forecasts.influence import MOST_SCORES, Kind, influences
from skillscale.forecasts.neighbours import neighbours
from skillscale.posterior.one_family import production
from skillscale.posterior.subset import without_models
from small import PLAN, SEEN

DATED = {"tuning": "base", "release": "2024-02"}
FITTED = pd.DataFrame({"model": ["x"], "family": "llama-2", "n_params": 9e10, "n_tokens": 2e12})


def test_a_score_is_left_out_as_if_it_had_never_been_observed(approximate):
    plan, seen = PLAN.assign(**DATED), SEEN.assign(**DATED)
    frame = influences(approximate, plan, seen).set_index("name")
    row = frame.loc["gsm8k of new-3b"]
    rest = seen.assign(gsm8k=[seen["gsm8k"].iloc[0], np.nan])
    ends = [
        forecast(approximate, plan, of, refit=False)["median"].sel(
            model=row["model"], benchmark=row["benchmark"]
        )
        for of in (seen, rest)
    ]
    assert [row["median_with"], row["median_without"]] == pytest.approx([*map(float, ends)])


def test_all_scores_together_come_first_and_signs_are_of_what_a_score_adds(approximate):
    low = SEEN.assign(**DATED, mmlu=[0.3, 0.35], gsm8k=[0.02, 0.05], bbh=[0.3, 0.31])
    frame = influences(approximate, PLAN.assign(**DATED), low)
    assert frame["kind"].iloc[0] == Kind.SCORES
    assert frame["change"].iloc[0] < -0.02
    sizes = frame.loc[frame["kind"] == Kind.SCORE, "size"]
    assert sizes.is_monotonic_decreasing


def test_many_scores_are_left_out_by_benchmark_and_by_model(approximate):
    many = pd.concat([SEEN.assign(**DATED)] * 4, ignore_index=True)
    many["model"] = [f"new-{i}" for i in range(len(many))]
    many["n_params"] *= 1 + 0.01 * np.arange(len(many))
    assert many[["mmlu", "gsm8k", "bbh"]].notna().to_numpy().sum() > MOST_SCORES
    frame = influences(approximate, PLAN.assign(**DATED), many, keep_doubted=True)
    names = frame.groupby("kind")["name"].agg(set)
    assert names[Kind.BENCHMARK] == {"mmlu", "gsm8k", "bbh"}
    assert names[Kind.MODEL] == set(many["model"])


def test_a_family_that_is_left_out_stays_in_its_lineage(approximate):
    frame = influences(approximate, FITTED)
    lineage = approximate.models[approximate.models["lineage"] == "llama-2"]
    assert set(frame.loc[frame["kind"] == Kind.RELATIVE, "name"]) == set(lineage.index)
    largest = frame[frame["kind"] == Kind.RELATIVE].iloc[0]
    assert largest["name"].startswith("llama-2")
    assert frame["kind"].iloc[0] == Kind.RELATIVES


def test_without_scores_and_relatives_there_is_nothing_to_leave_out(approximate):
    assert influences(approximate, PLAN.assign(**DATED)).empty


def test_a_family_is_its_own_nearest_neighbour(approximate):
    for family in ("llama-2", "pythia"):
        near = neighbours(approximate, production(approximate, family))
        assert near.index[0] == family
        assert near["distance"].iloc[0] == pytest.approx(0, abs=1e-6)
        assert near["distance"].is_monotonic_increasing
        assert near["distance"].iloc[1] > 0


def test_models_are_forgotten_and_the_law_is_not(approximate):
    rest = without_models(approximate, ["llama-2-7b"])
    assert "llama-2-7b" not in rest.models.index
    kept = rest.tree["posterior"]["slope"].to_numpy()
    assert np.array_equal(kept, approximate.tree["posterior"]["slope"].to_numpy())


def test_relatives_that_alone_have_scores_of_an_anchor_stay(approximate):
    table = approximate.table
    own = table.models.index[table.models["lineage"] == "llama-2"]
    scores = table.scores
    is_kept = (scores["benchmark"] != "gsm8k") | scores["model"].isin(own)
    frame = influences(replace(approximate, table=replace(table, scores=scores[is_kept])), FITTED)
    assert set(frame["kind"]) == {Kind.RELATIVE}
    assert set(frame["name"]) == set(own)
