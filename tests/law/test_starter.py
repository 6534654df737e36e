"""Specifications to start from."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from skillscale import Spec, load_table
from skillscale.errors import SpecError
from skillscale.law.design import make_design
from skillscale.law.slope_evidence import SlopeEvidence
from skillscale.law.spec import Priors
from skillscale.law.starter import meanings, spec_toml, starter

EVIDENCE = SlopeEvidence("knowledge", 1.6, 0.6, 0.95, 0.25)


@pytest.mark.parametrize(
    "spec",
    [Spec(), Spec().explore(3, ["mmlu", "bbh", "gsm8k"]), Spec(evidence=(EVIDENCE, EVIDENCE))],
    ids=["declared", "exploratory", "evidence"],
)
def test_what_is_written_is_read_again_the_same(spec, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(spec_toml(spec))
    assert Spec.read(path) == spec


@pytest.mark.parametrize("described", [Spec, Priors, SlopeEvidence])
def test_every_key_has_a_meaning(described):
    assert list(meanings(described)) == [field.name for field in dataclasses.fields(described)]


def test_comments_name_no_key_that_is_not_there():
    written = spec_toml(Spec())
    assert set(tomllib.loads(written)) | {"evidence"} == {f.name for f in dataclasses.fields(Spec)}


def test_skills_are_kept_as_far_as_their_anchors_have_scores():
    table = load_table("classic").select(benchmarks=["mmlu", "ifeval", "bbh"])
    assert starter(table).skills == ("knowledge", "instruction_following")


def test_a_table_of_other_benchmarks_gets_skills_of_its_own_that_can_be_fitted():
    table = load_table("classic").select(
        benchmarks=["bbh", "math_lvl_5", "musr", "gpqa", "mmlu_pro"]
    )
    spec = starter(table)
    assert len(spec.skills) == 3
    assert spec.skills == tuple(f"{anchor}_skill" for anchor in spec.anchors)
    assert make_design(table, spec).coords["skill"] == list(spec.skills)


def test_a_table_without_an_anchor_for_half_of_its_models_is_refused():
    table = load_table("classic").select(benchmarks=["humaneval"])
    with pytest.raises(SpecError, match="none can anchor a skill"):
        starter(dataclasses.replace(table, scores=table.scores.iloc[:0]))
