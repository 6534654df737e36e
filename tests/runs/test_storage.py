"""Fits of controlled runs that are saved and read back."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pandas as pd
import pytest

from skillscale.errors import FitFileError, RunsError, UnknownNameError
from skillscale.runs.best_sizes import optima
from skillscale.runs.estimation import isoflop, load_isoflop
from skillscale.runs.forecast import forecast_losses
from skillscale.runs.laws import exponents
from skillscale.runs.size_ratios import ratios
from skillscale.runs.storage import SCHEMA


@pytest.fixture(scope="module")
def saved(skilled, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "runs.nc"
    skilled.save(path)
    return path


@pytest.fixture
def damaged(saved, tmp_path):
    """A copy that a test may change."""
    path = tmp_path / "damaged.nc"
    path.write_bytes(saved.read_bytes())
    return path


def test_a_saved_fit_answers_as_before(skilled, saved):
    loaded = load_isoflop(saved)
    plan = pd.DataFrame({"n_params": [1e9], "n_tokens": [2e10]})
    for ask in (
        lambda found: optima(found, [1e18, 1e21]),
        exponents,
        lambda found: ratios(found, [1e19]),
        lambda found: forecast_losses(found.surfaces, plan),
        lambda found: found.surfaces.diagnostics,
        lambda found: found.runs.losses,
    ):
        pd.testing.assert_frame_equal(ask(loaded), ask(skilled))
    assert (loaded.disputed, loaded.warnings) == (skilled.disputed, skilled.warnings)
    assert repr(loaded) == repr(skilled)


def test_parabolas_alone_are_saved_too(runs_of, tmp_path):
    rows = ["n_params,n_tokens,loss"]
    for budget in (1e18, 3e18):
        for size, loss in ((5e7, 3.3), (1e8, 3.2), (2e8, 3.31)):
            rows.append(f"{size:g},{budget / 6 / size:g},{loss * (1e18 / budget) ** 0.05:.4f}")
    found = isoflop(runs_of("\n".join(rows) + "\n"))
    assert found.surfaces is None
    found.save(tmp_path / "small.nc")
    pd.testing.assert_frame_equal(optima(load_isoflop(tmp_path / "small.nc")), optima(found))


def test_some_losses_and_groups_of_a_fit_keep_their_draws(skilled):
    some = skilled.select(groups=["web", "stack"], losses=["code", "general"])
    assert set(some.keys) == {(g, k) for g in ("web", "stack") for k in ("code", "general")}
    whole = optima(skilled, [1e18, 1e21])
    kept = whole[whole["group"].isin(["web", "stack"]) & whole["loss"].isin(["code", "general"])]
    pd.testing.assert_frame_equal(optima(some, [1e18, 1e21]), kept.reset_index(drop=True))
    with pytest.raises(UnknownNameError, match="'wep' is not in this fit of runs"):
        skilled.select(groups=["wep"])


def test_what_is_no_fit_of_runs_is_refused_by_name(tmp_path, damaged):
    with pytest.raises(FitFileError, match=r"no such file\. Make one with: skillscale isoflop"):
        load_isoflop(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("n_params,n_tokens,loss\n")
    with pytest.raises(FitFileError, match="can't be read as netCDF"):
        load_isoflop(tmp_path / "text.nc")
    with h5py.File(damaged, "a") as file:
        del file.attrs["skillscale_runs_schema"]
    with pytest.raises(FitFileError, match="no fit of controlled runs"):
        load_isoflop(damaged)


def test_a_file_of_another_schema_says_which(damaged):
    with h5py.File(damaged, "a") as file:
        file.attrs["skillscale_runs_schema"] = SCHEMA + 1
    with pytest.raises(FitFileError, match=f"has schema {SCHEMA + 1}, this version .* {SCHEMA}"):
        load_isoflop(damaged)


def _without_draws(file):
    del file["surfaces/coordinates"]


def _infinite(file):
    file["surfaces/weights"][0, 0, 0] = np.inf


def _fewer_keys(file):
    keys = json.loads(file["text/keys"].asstr()[()])
    file["text/keys"][()] = json.dumps(keys[:-1])


def _no_runs(file):
    file["text/runs"][()] = "{"


@pytest.mark.parametrize("damage", [_without_draws, _infinite, _fewer_keys, _no_runs])
def test_a_damaged_file_is_refused(damaged, damage):
    with h5py.File(damaged, "a") as file:
        damage(file)
    with pytest.raises(FitFileError, match="is incomplete"):
        load_isoflop(damaged)


def test_losses_that_were_not_fitted_together_can_not_be_kept(skilled):
    some = skilled.select(groups=["web"], losses=["code"])
    with pytest.raises((RunsError, UnknownNameError)):
        some.select(losses=["general"])
