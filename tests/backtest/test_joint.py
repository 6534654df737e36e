"""Joint forecasts: scores see what goes together, and intervals of sums need it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scoringrules
from numpy.testing import assert_allclose

from skillscale.backtest.joint import independent, joint_accuracy, joint_paired, joint_scores

BENCHMARKS = list("abcd")


def questions(actual: np.ndarray, models: list[str], fold: str = "f") -> pd.DataFrame:
    """Actual scores (model, benchmark) as the rows of a fold."""
    rows = pd.MultiIndex.from_product([models, BENCHMARKS], names=["model", "benchmark"])
    frame = pd.DataFrame({"actual": actual.ravel()}, rows).reset_index()
    return frame.assign(fold=fold, lineage=fold, tuning="base")


def test_scores_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    actual, draws = rng.uniform(size=(1, 4)), rng.uniform(size=(2000, 4))
    found = joint_scores(questions(actual, ["m"]), draws, "x").iloc[0]
    distance = np.linalg.norm(draws - actual, axis=1).mean()
    among = np.linalg.norm(draws[:, None] - draws[None], axis=2).mean()
    energy = (distance - among / 2) / 2  # over the root of four
    assert found["energy"] == pytest.approx(energy, rel=0.02)

    def variogram(y: np.ndarray) -> np.ndarray:
        return np.sqrt(np.abs(y[..., :, None] - y[..., None, :]))

    off = (variogram(draws).mean(axis=0) - variogram(actual[0])) ** 2
    assert found["variogram"] == pytest.approx(off.sum() / 12)
    one = questions(actual, ["m"]).iloc[:1]
    alone = joint_scores(one, draws[:, :1], "x").iloc[0]
    crps = scoringrules.crps_ensemble(actual[0, 0], draws[:, 0])
    assert alone["energy"] == pytest.approx(crps, rel=0.05)
    assert np.isnan(alone["variogram"])


def simulated(n_folds: int = 250) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two models a fold whose eight errors share a part; forecast so, and as if they did not."""
    rng = np.random.default_rng(1)
    together, apart = [], []
    for i in range(n_folds):
        rows = questions(np.empty((2, 4)), ["m", "n"], f"f{i}")
        rows["model"] += f"-{i}"

        def errors(n: int) -> np.ndarray:
            shared = rng.normal(size=(n, 1))
            return 0.5 + 0.03 * (1.5 * shared + rng.normal(size=(n, 8)))

        rows["actual"] = errors(1)[0]
        together.append(joint_scores(rows, errors(1000), "together"))
        sd = 0.03 * np.sqrt(1 + 1.5**2)
        apart.append(joint_scores(rows, independent(np.full(8, 0.5), np.full(8, sd), i), "apart"))
    return pd.concat(together), pd.concat(apart)


def test_what_goes_together_is_seen():
    together, apart = simulated()
    known, ignored = joint_accuracy(together), joint_accuracy(apart)
    for what in ("models", "pairs"):
        coverage = known[what]["all"]["coverage_80"]
        error = (coverage["upper_95"] - coverage["lower_95"]) / 4
        assert abs(coverage["value"] - 0.8) < 3 * error, what
        assert known[what]["all"]["n_lineages"] == 250
    assert ignored["models"]["all"]["coverage_80"]["value"] < 0.65, "means vary more"
    assert ignored["pairs"]["all"]["coverage_80"]["value"] > 0.9, "and differences less"
    difference = joint_paired(together, apart)["models"]["all"]
    for score in ("energy", "variogram"):
        assert difference[score]["upper_95"] < 0, score


def test_pairs_are_compared_over_the_benchmarks_that_both_have():
    rows = questions(np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]), ["m", "n"])
    rows.loc[rows["model"] == "n", "tuning"] = "instruct"
    rows = rows.drop(index=[0, 5])  # a of the first, b of the second
    draws = np.tile(rows["actual"].to_numpy(), (10, 1))
    found = joint_scores(rows, draws, "x").set_index(["model", "other"])
    pair = found.loc[("m", "n")]
    assert pair["n_benchmarks"] == 2
    assert pair["actual"] == pytest.approx(0.35 - 0.75)
    assert_allclose(pair[["median", "lower_80", "upper_80"]].astype(float), pair["actual"])
    assert pair["tuning"] == "mixed"
    accuracy = joint_accuracy(found.reset_index())
    assert set(accuracy["models"]) == {"all", "base", "tuned"}
    assert set(accuracy["pairs"]) == {"all"}


def test_a_model_of_several_folds_counts_once():
    actual = np.full((1, 4), 0.5)
    folds = [
        joint_scores(questions(actual, ["m"], fold), np.full((10, 4), level), "x")
        for fold, level in (("f", 0.5), ("g", 0.6))
    ]
    found = joint_accuracy(pd.concat(folds))["models"]["all"]
    assert found["n"] == 1
    assert found["mae_points"]["value"] == pytest.approx(5)
    assert found["coverage_80"]["value"] == 0.5
