"""Forecasts of a real fit, kept: what is in them, and what was known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skillscale as sk
from skillscale.ledger.entry import LEVELS, Entry, make_entry
from skillscale.ledger.judgement import score
from skillscale.ledger.reading import read_entry
from skillscale.posterior.fingerprint import fingerprint
from skillscale.posterior.shipped import shipped_fit

pytestmark = pytest.mark.long
FITTED, NEW = "qwen2.5", "nova"
"""A lineage of the fit, asked about by another name."""
SEEN = ["nova-0.5b", "nova-1.5b"]
PLANNED = ["nova-1.5b", "nova-72b", "llama-2-70b"]
"""One that is observed as well, one that is new, and one of the fit."""
COLUMNS = ["family", "lineage", "tuning", "n_params", "n_tokens", "release"]


@pytest.fixture(scope="module")
def fit():
    return shipped_fit()


@pytest.fixture(scope="module")
def asked(fit):
    table = sk.load_table()
    models = table.models[COLUMNS].replace(FITTED, NEW, regex=True)
    models = models.join(table.wide()[fit.design.coords["benchmark"]])
    models.index = models.index.str.replace(FITTED, NEW)
    observed, models = models.loc[SEEN], models[COLUMNS]
    return models.loc[PLANNED].reset_index(), observed.reset_index()


@pytest.fixture(scope="module")
def result(fit, asked):
    return sk.forecast(fit, *asked, n_draws=200, seed=3)


@pytest.fixture(scope="module")
def entry(fit, asked, result) -> Entry:
    return make_entry(fit, result, *asked, name="qwen")


def cell(entry: Entry, model: str, benchmark: str) -> int:
    rows = entry.forecasts
    (found,) = np.flatnonzero((rows["model"] == model) & (rows["benchmark"] == benchmark))
    return int(found)


def test_quantiles_are_those_of_the_draws(entry, result):
    row = cell(entry, "nova-72b", "ifeval")
    draws = result["draws"].sel(model="nova-72b", benchmark="ifeval").to_numpy()
    expected = np.quantile(draws, np.array(LEVELS) / 100)
    assert entry.quantiles[row] == pytest.approx(expected, abs=1e-6)
    assert entry.forecasts["mean"][row] == pytest.approx(draws.mean(), abs=1e-6)
    assert entry.forecasts["n_known"][row] == 2 * 6


def test_what_was_known_is_marked_whether_observed_or_fitted(entry):
    known = entry.forecasts.set_index(["model", "benchmark"])["is_known"]
    assert known["nova-1.5b", "ifeval"]
    assert not known["nova-1.5b", "mmlu"]
    assert not known["nova-72b"].any()
    assert known["llama-2-70b"].all()


def test_where_it_is_from_is_kept(entry, fit, asked, result):
    plan, observed = asked
    document = entry.document
    assert document["provenance"]["fit_hash"] == fingerprint(fit)
    assert document["provenance"]["data_hash"] == fit.table.hash
    assert document["provenance"]["spec"]["anchors"] == list(fit.spec.anchors)
    assert (document["options"]["seed"], document["options"]["n_draws"]) == (3, 200)
    assert entry.frame("plan")["model"].tolist() == plan["model"].tolist()
    kept = entry.frame("observed").set_index("model")
    expected = observed.set_index("model")
    assert (kept["ifeval"] == expected["ifeval"]).all()
    assert "mmlu" not in kept  # nobody evaluated it
    assert entry.said["assumed"] == result.attrs["assumed"]


def test_baselines_know_what_the_forecast_knew(entry, asked):
    _, observed = asked
    row = cell(entry, "nova-72b", "bbh")
    mean, sd = entry.baselines()["last_observed"]
    assert mean[row] == pytest.approx(observed.set_index("model").loc["nova-1.5b", "bbh"])
    assert 0 < sd[row] < 0.5
    flops, of_family = (entry.baselines()[name][0] for name in ("flops", "flops_family"))
    assert flops[row] != of_family[row]


def test_a_forecast_is_judged_from_its_file_alone(entry, result, tmp_path):
    entry.save(tmp_path / "qwen.json")
    wide = sk.load_table().wide().drop(columns=["humaneval"])
    wide.index = wide.index.str.replace(FITTED, NEW)
    found = score([read_entry(tmp_path / "qwen.json")], wide.loc[[*SEEN, *PLANNED[1:]]])
    ours = found.cells[found.cells["method"] == "skillscale"]
    assert set(ours["model"]) == {"nova-72b"}
    assert set(ours["benchmark"]) == {"ifeval", "bbh", "math_lvl_5", "gpqa", "musr", "mmlu_pro"}
    for row in ours.to_dict("records"):
        of_cell = result.sel(model=row["model"], benchmark=row["benchmark"])
        for name in ("median", "lower_50", "upper_80", "lower_95"):
            assert row[name] == pytest.approx(float(of_cell[name]), abs=1e-6)
        draws = of_cell["draws"].to_numpy()
        assert row["pit"] == pytest.approx((draws < row["actual"]).mean(), abs=0.05)
        crps = (
            np.abs(draws - row["actual"]).mean()
            - np.abs(np.subtract.outer(draws, draws)).mean() / 2
        )
        assert row["crps"] == pytest.approx(crps, rel=0.05)


def test_without_observed_models_baselines_are_those_of_an_average_family(fit):
    plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
    entry = make_entry(fit, sk.forecast(fit, plan, n_draws=200), plan)
    assert entry.document["observed"] == []
    assert entry.document["options"]["pareto_k"] is None
    mean, _ = entry.baselines()["last_observed"]
    expected = fit.table.wide()["mmlu"].mean()
    assert mean[cell(entry, "a-70b", "mmlu")] == pytest.approx(expected, abs=1e-5)
