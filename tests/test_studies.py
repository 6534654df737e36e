"""Long studies: they go on where they were stopped, and a part of each holds what it should."""

from __future__ import annotations

import json

import numpy as np
import pytest

import study
from skillscale.data.shipped import shipped_directory
from study import BACKTESTS, STUDIES, Study, carry_out, holds_scores

SEED = 16
N_PARTS = {"hostile-files": 3, "leave-benchmarks": 3}
"""Where one part, such as a single odd family, says little."""


@pytest.fixture
def counting() -> tuple[Study, list[str]]:
    done: list[str] = []

    def run(part: str) -> dict:
        if part == "c" and "c" not in done:
            done.append("c")
            raise KeyboardInterrupt
        done.append(part)
        return {"value": ord(part)}

    counted = Study(
        "counting",
        "How many?",
        lambda: ["a", "b", "c"],
        run,
        lambda results: {"total": sum(result["value"] for result in results)},
        lambda answer: None,
    )
    return counted, done


def test_a_study_that_was_stopped_goes_on_where_it_was(counting, tmp_path):
    counted, done = counting
    with pytest.raises(KeyboardInterrupt):
        carry_out(counted, tmp_path / "kept", tmp_path / "results")
    assert not (tmp_path / "results").exists(), "nothing half-written"
    carry_out(counted, tmp_path / "kept", tmp_path / "results")
    assert done == ["a", "b", "c", "c"]
    written = json.loads((tmp_path / "results" / "counting.json").read_text())
    assert written["answer"] == {"total": sum(map(ord, "abc"))}
    assert {"date", "commit", "seconds", "question"} <= set(written)


def test_other_code_begins_anew(counting, tmp_path, monkeypatch):
    counted, done = counting
    done.append("c")
    carry_out(counted, tmp_path / "kept", tmp_path / "results")
    monkeypatch.setattr(study, "code", lambda: "other")
    carry_out(counted, tmp_path / "kept", tmp_path / "results")
    assert done[1:] == [*"abc", *"abc"]


@pytest.mark.parametrize("path", sorted(study.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_stored_results_are_of_a_study_and_hold(path):
    (found,) = (study for study in STUDIES if study.name == path.stem)
    written = json.loads(path.read_text())
    assert written["question"] == found.question
    found.check(written["answer"])


@pytest.mark.parametrize(
    "path",
    sorted((shipped_directory() / "backtest" / "results").glob("*/summary.json")),
    ids=lambda path: path.parent.name,
)
def test_stored_back_tests_hold(path):
    written = json.loads(path.read_text())
    accuracy = written.get("pooled", written)["accuracy"]["all"]
    coverage = {level: of["value"] for level, of in accuracy["coverage"].items()}
    holds_scores({"coverage": coverage, "settings": written.get("settings", [written])})


@pytest.mark.slow
@pytest.mark.parametrize("long", [*STUDIES, *BACKTESTS], ids=lambda long: long.name)
def test_parts_of_every_study_hold_what_they_should(long, monkeypatch):
    monkeypatch.setattr(study, "JOBS", 1)  # beside other tests
    parts = long.parts()
    n_parts = N_PARTS.get(long.name, 1)
    some = np.random.default_rng(SEED).choice(len(parts), n_parts, replace=False)
    long.check(long.summarise([json.loads(json.dumps(long.run(parts[i]))) for i in some]))
