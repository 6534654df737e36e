"""Saving and loading: everything comes back, and every broken file is told from the others."""

from __future__ import annotations

import json
import re
import shutil

import h5py
import numpy as np
import pytest
import xarray as xr
from pandas.testing import assert_frame_equal

from skillscale import Fit
from skillscale.errors import FitFileError
from skillscale.posterior.fingerprint import fingerprint
from skillscale.posterior.storage import SCHEMA, rounded


@pytest.fixture(scope="module")
def saved(sampled, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "fit.nc"
    sampled.save(path)
    return path


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copy(saved, tmp_path / "fit.nc")


def test_a_fit_survives_its_file(sampled, saved):
    loaded = Fit.load(saved)
    assert set(loaded.tree.children) == set(sampled.tree.children)
    for group in ("posterior", "sample_stats"):
        ours, theirs = loaded.tree[group].to_dataset(), sampled.tree[group].to_dataset()
        assert set(ours) == set(theirs)
        assert ours.equals(rounded(theirs)), group
    assert loaded.spec == sampled.spec
    assert loaded.provenance == sampled.provenance
    assert loaded.table.hash == sampled.table.hash
    assert repr(loaded) == repr(sampled)


def test_the_table_survives_with_its_types(sampled, saved):
    loaded = Fit.load(saved).table
    for name in ("models", "scores", "benchmarks"):
        assert_frame_equal(getattr(loaded, name), getattr(sampled.table, name))


def test_a_loaded_fit_computes_the_same_scores(sampled, saved):
    ours, theirs = Fit.load(saved).expected_scores(50), sampled.expected_scores(50)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert len(np.unique(sampled.expected_scores(50))) > 1


def test_a_fit_and_its_file_have_one_fingerprint(sampled, saved):
    assert fingerprint(Fit.load(saved)) == fingerprint(sampled) != fingerprint(sampled.thin(10))


def test_digits_left_out_are_hundredths_of_what_is_unknown(sampled):
    posterior = sampled.tree["posterior"].to_dataset()
    fewer = rounded(posterior)
    for name, values in posterior.items():
        off = np.abs(fewer[name] - values).max(("chain", "draw"))
        assert (off <= 0.02 * values.std(("chain", "draw"))).all(), name
        is_many = bool({"model", "family"} & set(values.dims))
        assert bool((off > 0).any()) == is_many, name
    assert rounded(fewer).equals(fewer)


def test_a_loaded_fit_can_be_saved_over_its_own_file(sampled, copy):
    loaded = Fit.load(copy)
    loaded.save(copy)
    assert Fit.load(copy).expected_scores(5).shape == sampled.expected_scores(5).shape


def test_a_fit_by_svi_has_no_sampler_statistics(approximate, tmp_path):
    approximate.save(tmp_path / "svi.nc")
    assert list(Fit.load(tmp_path / "svi.nc").tree.children) == ["posterior"]


def fails_to_load(path, message):
    with pytest.raises(FitFileError, match=re.escape(message)):
        Fit.load(path)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    fails_to_load(
        tmp_path / "none.nc", "none.nc: no such file. Make one with: skillscale fit -o none.nc"
    )


def test_a_folder_is_no_fit(tmp_path):
    fails_to_load(tmp_path, "no such file")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
def test_a_truncated_file_is_refused(copy, share):
    from pathlib import Path

    content = Path(copy).read_bytes()
    Path(copy).write_bytes(content[: int(share * len(content))])
    fails_to_load(copy, "can't be read as netCDF")


def test_a_text_file_is_refused(tmp_path):
    (tmp_path / "fit.nc").write_text("model,score\n")
    fails_to_load(tmp_path / "fit.nc", "can't be read as netCDF")


def test_a_foreign_netcdf_file_is_refused(tmp_path):
    xr.Dataset({"rain": ("day", [1.0, 2.0])}).to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    fails_to_load(tmp_path / "rain.nc", "is a netCDF file, but no skillscale fit.")


@pytest.mark.parametrize("schema", [0, SCHEMA - 1, SCHEMA + 1])
def test_another_schema_is_named(copy, schema):
    with h5py.File(copy, "r+") as file:
        file.attrs["skillscale_schema"] = schema
    fails_to_load(copy, f"has schema {schema}, this version of skillscale reads schema {SCHEMA}.")


def test_a_schema_that_is_no_number_is_refused(copy):
    with h5py.File(copy, "r+") as file:
        file.attrs["skillscale_schema"] = "one"
    with pytest.raises(FitFileError, match="schema"):
        Fit.load(copy)


def test_data_that_does_not_match_its_hash_is_refused(copy):
    with h5py.File(copy, "r+") as file:
        provenance = json.loads(file.attrs["provenance"])
        file.attrs["provenance"] = json.dumps(provenance | {"data_hash": "0" * 64})
    fails_to_load(copy, "its data does not match the hash stored with it.")


def test_a_changed_score_does_not_match_the_hash(copy):
    with h5py.File(copy, "r+") as file:
        stored = file["table/scores"]
        text = stored[()].decode()
        changed = re.sub(r"0\.4", "0.5", text, count=1)
        assert changed != text
        stored[()] = changed
    fails_to_load(copy, "its data does not match the hash stored with it.")


@pytest.mark.parametrize("name", ["spec", "provenance"])
def test_a_file_without_its_specification_is_incomplete(copy, name):
    with h5py.File(copy, "r+") as file:
        del file.attrs[name]
    fails_to_load(copy, "is incomplete")


@pytest.mark.parametrize("group", ["posterior", "table"])
def test_a_file_without_a_group_is_incomplete(copy, group):
    with h5py.File(copy, "r+") as file:
        del file[group]
    fails_to_load(copy, "is incomplete")


def test_a_specification_that_is_not_json_is_incomplete(copy):
    with h5py.File(copy, "r+") as file:
        file.attrs["spec"] = "skills"
    fails_to_load(copy, "is incomplete")


def test_a_folder_that_does_not_exist_is_named(approximate, tmp_path):
    with pytest.raises(FitFileError, match=r"fit\.nc can't be written: No such file"):
        approximate.save(tmp_path / "nowhere" / "fit.nc")


@pytest.mark.parametrize("error", [OSError("disk full"), RuntimeError("lost"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_and_no_other(approximate, copy, monkeypatch, error):
    from pathlib import Path

    path = Path(copy)
    before = path.read_bytes()

    def fails_halfway(self, target, **options):
        Path(target).write_bytes(b"half")
        raise error

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fails_halfway)
    with pytest.raises(FitFileError if isinstance(error, OSError) else type(error)):
        approximate.save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values * np.nan, "posterior/slope holds what are no finite numbers"),
        (lambda values: values[..., :1], r"posterior/slope does not match the table \(chain"),
        (None, "posterior/slope is missing"),
    ],
)
def test_draws_are_held_to_the_table(copy, change, message):
    with xr.open_datatree(copy, engine="h5netcdf") as opened:
        tree = opened.load()
    posterior = tree["posterior"].to_dataset()
    changed = posterior.drop_vars("slope")
    if change is not None:
        values = change(posterior["slope"].to_numpy())
        dims = (
            posterior["slope"].dims
            if values.shape[-1] > 1
            else (*posterior["slope"].dims[:-1], "one")
        )
        changed["slope"] = (dims, values)
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    damaged = xr.DataTree.from_dict(groups | {"posterior": changed, "/": tree.to_dataset()})
    damaged.to_netcdf(copy, engine="h5netcdf")
    with pytest.raises(FitFileError, match=message):
        Fit.load(copy)
