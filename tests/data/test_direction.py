"""Scores that fall as models improve are no scores."""

from __future__ import annotations

import pandas as pd
import pytest

from skillscale.data.direction import falling
from skillscale.data.table import load_table, validate
from skillscale.errors import TableError
from skillscale.posterior.add_benchmark import add_benchmark
from small import write_table

TABLE = load_table("classic")


def test_no_benchmark_that_is_shipped_falls():
    assert falling(TABLE.wide(), TABLE.models["n_active_params"]) == {}


@pytest.mark.parametrize("name", ["gsm8k", "humaneval", "truthfulqa"])
def test_an_error_rate_beside_scores_is_refused(tmp_path, name):
    folder = write_table(TABLE, tmp_path / "data")
    scores = TABLE.scores.copy()
    is_turned = scores["benchmark"] == name
    scores.loc[is_turned, "score"] = 1 - scores.loc[is_turned, "score"]
    scores.to_csv(folder / "scores.csv", index=False)
    problems = validate(folder)
    if name == "truthfulqa":  # hardly rises with size either
        assert problems == []
    else:
        (problem,) = problems
        assert problem.startswith(f"scores.csv: {name} falls as models grow")
        assert "write 1 minus an error rate" in problem


def test_so_it_is_when_it_is_added_to_a_fit(approximate):
    models = approximate.models.index
    humaneval = TABLE.wide()["humaneval"].reindex(models).dropna()
    frame = pd.DataFrame({"model": humaneval.index, "bad": 1 - humaneval.to_numpy()})
    with pytest.raises(TableError, match="bad falls as models grow"):
        add_benchmark(approximate, frame, n_items=164)
