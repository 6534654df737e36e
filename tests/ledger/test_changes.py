"""What moved between two fits or two forecasts, and because of what."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kept_forecasts import kept
from skillscale import Fit
from skillscale.errors import SkillscaleError
from skillscale.ledger.causes import causes_of_fits
from skillscale.ledger.changes import diff
from small import SPEC


def test_forecasts_move_by_what_their_quantiles_do():
    a = kept("a", mean=0.6, sd=0.05)
    b = kept("b", mean={"mmlu": 0.7, "gsm8k": 0.6, "bbh": 0.58}, sd=0.05)
    moved = diff(a, b).moved["forecasts"]
    assert list(moved["benchmark"].unique()) == ["mmlu", "bbh", "gsm8k"]
    assert moved["moved"].to_numpy() == pytest.approx([0.1, 0.1, -0.02, -0.02, 0, 0], abs=1e-6)
    assert moved["moved_sd"].to_numpy() == pytest.approx([2, 2, -0.4, -0.4, 0, 0], abs=1e-4)
    assert moved["width_80_moved"].to_numpy() == pytest.approx(0, abs=1e-5)


def test_causes_are_settings_and_cells_that_differ():
    a = kept("a", observed=[{"model": "nova-1b", "n_params": 1e9, "mmlu": 0.38, "bbh": 0.3}])
    b = kept(
        "b",
        observed=[
            {"model": "nova-1b", "n_params": 1e9, "mmlu": 0.40, "gsm8k": 0.1},
            {"model": "nova-3b", "n_params": 3e9, "mmlu": 0.5},
        ],
        options=a.document["options"] | {"seed": 1, "pareto_k": 0.3},
        provenance=a.document["provenance"] | {"data_hash": "1" * 64, "spec": {"skills": ["x"]}},
    )
    assert diff(a, b).causes.to_numpy().tolist() == [
        ["data", "data_hash", "0" * 64, "1" * 64],
        ["specification", "skills", ["knowledge"], ["x"]],
        ["seed", "seed", 0, 1],
        ["observed", "nova-1b, mmlu", 0.38, 0.4],
        ["observed", "nova-1b, bbh", 0.3, None],
        ["observed", "nova-1b, gsm8k", None, 0.1],
        ["observed", "nova-3b", None, "2 values"],
    ]
    assert diff(a, a).causes.empty


def test_what_only_one_forecast_has_is_said():
    found = diff(kept("a"), kept("b", ["nova-8b", "ant-8b"], benchmarks=["mmlu"]))
    assert len(found.moved["forecasts"]) == 1
    assert found.said == ["a alone has 5 more forecasts.", "b alone has 1 more forecasts."]
    with pytest.raises(SkillscaleError, match="a and b have no model and benchmark in common"):
        diff(kept("a"), kept("b", ["ant-8b"]))


def test_a_fit_does_not_move_from_itself(approximate):
    found = diff(approximate, approximate)
    assert found.causes.empty
    for name in ("parameters", "scores"):
        assert (found.moved[name]["moved"] == 0).all()
    assert list(found.moved["optima"]["objective"]) == list(SPEC.skills)
    assert set(found.moved["optima"]["moved"].dropna()) <= {1.0}


def test_halves_of_a_fit_differ_by_chance_alone(approximate):
    n = approximate.tree["posterior"].sizes["draw"]
    halves = [
        dataclasses.replace(approximate, tree=approximate.tree.isel(draw=slice(start, None, 2)))
        for start in (0, 1)
    ]
    found = diff(*halves, flops=[])
    moved = found.moved["parameters"]["moved"]
    assert found.chance == pytest.approx(np.sqrt(4 / n))
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(found.chance, rel=0.25)
    assert list(found.causes["what"]) == ["fit"]


def test_scores_and_models_that_differ_are_named(approximate):
    table = approximate.table
    scores = table.scores.copy()
    last = scores.iloc[-1]
    scores.loc[scores.index[-1], "score"] = last["score"] + 0.01
    other = dataclasses.replace(table, scores=scores).without_models(["gpt2"])
    causes = causes_of_fits(approximate, dataclasses.replace(approximate, table=other))
    rows = {(what, key): (a, b) for what, key, a, b in causes.to_numpy()}
    assert rows["scores", f"{last['model']}, {last['benchmark']}"][0] == last["score"]
    assert rows["models", "gpt2"][1] is None
    assert "values" in rows["scores", "gpt2"][0]


def test_a_fit_and_a_forecast_can_not_be_compared():
    with pytest.raises(SkillscaleError, match="a fit and a forecast can't be compared"):
        diff(kept(), Fit(None, None, SPEC, {}))
