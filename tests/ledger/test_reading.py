"""Files and folders of forecasts: complete, copied, changed, foreign."""

from __future__ import annotations

import json

import pytest

from kept_forecasts import kept
from skillscale.errors import FitFileError, SkillscaleError
from skillscale.ledger.reading import read_entries, read_entry


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "2026-12-nova.json"
    kept().save(path)
    return path


def test_what_is_read_is_what_was_kept(path):
    found = read_entry(path)
    assert found.name == "2026-12-nova"
    assert found.document == kept().document
    assert found.sha256 == kept().sha256


@pytest.mark.parametrize("where", ["quantile", "baseline", "date", "plan", "sha256"])
def test_a_change_is_found_also_in_a_folder(path, where):
    document = json.loads(path.read_text())
    if where == "quantile":
        document["forecasts"][0]["quantiles"][3] += 1e-6
    elif where == "baseline":
        document["forecasts"][0]["baselines"]["flops"]["mean"] = 0.1
    elif where == "date":
        document["provenance"]["date"] = "2020-01-01"
    elif where == "plan":
        document["plan"][0]["n_params"] = 9e9
    else:
        document["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    for named in (path, path.parent):
        with pytest.raises(SkillscaleError, match="was changed after it was frozen"):
            read_entries([named])


def test_a_number_that_json_does_not_have_is_no_forecast(path):
    path.write_text(path.read_text().replace('"seed": 0', '"seed": NaN'))
    with pytest.raises(SkillscaleError, match="can't be read as frozen forecasts"):
        read_entry(path)


def test_another_schema_asks_for_another_version(tmp_path):
    kept(schema=2).save(tmp_path / "later.json")
    with pytest.raises(SkillscaleError, match="has schema 2, this version of skillscale reads"):
        read_entry(tmp_path / "later.json")


def test_folders_pass_over_what_is_no_forecast_aloud(path):
    (path.parent / "scores.json").write_text('{"summary": []}')
    (path.parent / "actual.csv").write_text("model,mmlu\n")
    notes: list[str] = []
    assert len(read_entries([path.parent], on_note=notes.append)) == 1
    assert notes == [f"{path.parent / 'scores.json'} is no forecast, and passed over."]
    with pytest.raises(SkillscaleError, match="can't be read as frozen forecasts"):
        read_entries([path.parent / "scores.json"])


def test_broken_files_of_a_folder_are_not_passed_over(path):
    (path.parent / "half.json").write_text(path.read_text()[:500])
    with pytest.raises(SkillscaleError, match=r"half\.json can't be read"):
        read_entries([path.parent])


def test_a_file_named_twice_is_read_once_and_equal_names_are_told_apart(path, tmp_path):
    assert len(read_entries([path, path.parent])) == 1
    other = tmp_path / "other"
    other.mkdir()
    kept(mean=0.5).save(other / path.name)
    names = [entry.name for entry in read_entries([path, other])]
    assert names == [str(path), str(other / path.name)]


def test_a_folder_without_forecasts_or_that_is_none_is_refused(tmp_path):
    with pytest.raises(SkillscaleError, match="holds no forecasts"):
        read_entries([tmp_path])
    with pytest.raises(SkillscaleError, match="can't be read as frozen forecasts"):
        read_entries([tmp_path / "none"])
    with pytest.raises(FitFileError):
        kept().save(tmp_path / "none" / "a.json")
