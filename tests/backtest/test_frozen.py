"""Frozen forecasts: all that was planned, no actual score, and no change unseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skillscale.backtest.folds import Fold
from skillscale.backtest.frozen import LEVELS, freeze, planned_forecasts, read_frozen
from skillscale.backtest.report import Report
from skillscale.errors import FitFileError, SkillscaleError
from skillscale.files import versions
from skillscale.forecasts.prediction import Prediction

ACTUAL = 0.123457


@pytest.fixture
def report() -> Report:
    """Two models planned on two benchmarks, of which one score is known."""
    models = pd.DataFrame(
        {"family": "a", "lineage": "a", "tuning": "base"}, index=["a-7b", "a-70b"]
    )
    benchmarks = ["mmlu", "gsm8k"]
    draws = np.random.default_rng(0).beta(4, 4, (4000, 2, 2))
    prediction = Prediction(models, benchmarks, draws, draws, draws, draws, {}, 0.0, 0)
    test = pd.DataFrame({"mmlu": [ACTUAL, np.nan]}, index=models.index)
    fold = Fold("a from 2024-05", frozenset(models.index), test[:0], test)
    provenance = {
        "spec": {"anchors": ["mmlu"]},
        "data_hash": "0" * 64,
        "seed": 3,
        "versions": versions(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    planned = planned_forecasts(fold, prediction)
    options = {"cuts": ("2024-05",), "n_seen": 0}
    return Report(
        "time-ordered", options, pd.DataFrame(), None, 0.0, planned=planned, provenance=provenance
    )


def test_what_is_read_is_what_was_frozen(report, tmp_path):
    path = tmp_path / "frozen.json"
    sha256 = freeze(report, path)
    found = read_frozen(path)
    assert found.sha256 == sha256
    assert found.protocol == "time-ordered"
    assert found.options == {"cuts": ["2024-05"], "n_seen": 0}
    assert found.provenance == report.provenance
    pd.testing.assert_frame_equal(
        found.forecasts, report.planned, check_dtype=False, check_like=True
    )
    assert freeze(report, tmp_path / "again.json") == sha256


def test_everything_planned_is_in_it_scored_or_not_and_no_actual_score(report, tmp_path):
    path = tmp_path / "frozen.json"
    freeze(report, path)
    forecasts = read_frozen(path).forecasts
    assert len(forecasts) == 4
    quantiles = forecasts[[f"q{level:g}" for level in LEVELS]].to_numpy()
    assert (np.diff(quantiles) > 0).all()
    assert_allclose(forecasts["q50"], 0.5, atol=0.02)
    assert_allclose(forecasts["mean"], 0.5, atol=0.02)
    assert (forecasts["n_draws"] == 4000).all()
    assert "actual" not in path.read_text()
    assert str(ACTUAL) not in path.read_text()


@pytest.mark.parametrize("where", ["quantiles", "seed", "sha256", "more"])
def test_a_change_is_found(report, tmp_path, where):
    path = tmp_path / "frozen.json"
    freeze(report, path)
    document = json.loads(path.read_text())
    if where == "quantiles":
        document["forecasts"][0]["quantiles"][0] += 1e-6
    elif where == "seed":
        document["provenance"]["seed"] = 4
    else:
        document[where] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(SkillscaleError, match="was changed after it was frozen"):
        read_frozen(path)


def test_layout_of_the_file_is_no_change(report, tmp_path):
    path = tmp_path / "frozen.json"
    freeze(report, path)
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert len(read_frozen(path).forecasts) == 4


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json", "\u00e9"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(SkillscaleError, match=r"other\.json can't be read as frozen forecasts"):
        read_frozen(path)


def test_nothing_is_left_where_nothing_can_be_frozen(report, tmp_path):
    with pytest.raises(SkillscaleError, match="plans no models"):
        freeze(Report("new-benchmark", {}, pd.DataFrame(), None, 0.0), tmp_path / "frozen.json")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FitFileError):
        freeze(report, tmp_path / "none" / "frozen.json")
