"""The specification: round trips, and every mistake with its message."""

from __future__ import annotations

import re

import pytest

from skillscale.errors import SpecError, UnknownNameError
from skillscale.law.spec import LogNormalPrior, NormalPrior, Priors, Spec

PARTIAL = """
skills = ["knowledge", "reasoning"]
anchors = ["mmlu", "gsm8k"]
benchmarks = ["mmlu", "gsm8k", "bbh"]
reference_params = 3e9
reference_year = 2024

[priors]
tokens_sd = 0.5
slope = { mean = 0.3, sd = 0.2 }
tail = { median = 20 }
"""


def as_toml(values: dict) -> str:
    """Nested plain values as TOML, for what a specification holds."""

    def plain(value):
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(f'"{item}"' for item in value) + "]"
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {plain(v)}" for k, v in value.items()) + " }"
        return str(value).lower() if isinstance(value, bool) else repr(value)

    top = [f"{k} = {plain(v)}" for k, v in values.items() if k != "priors"]
    return "\n".join(
        [*top, "[priors]", *(f"{k} = {plain(v)}" for k, v in values["priors"].items())]
    )


def changed() -> Spec:
    priors = Priors(
        slope=NormalPrior(0.1, 0.25), tail=LogNormalPrior(4.0, 0.125), tokens_growth=-0.5
    )
    return Spec(("a", "b"), ("x", "y"), ("x", "y", "z"), 1e9, 2e12, 2022.5, 2021.0, 2023.0, priors)


@pytest.mark.parametrize("spec", [Spec(), changed(), Spec().explore(1, ["bbh", "mmlu"])])
def test_a_specification_survives_its_plain_values(spec):
    assert Spec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize("spec", [Spec(), changed(), Spec().explore(1, ["bbh", "mmlu"])])
def test_a_specification_survives_a_toml_file(spec, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(as_toml(spec.to_dict()))
    assert Spec.read(path) == spec


def test_a_file_keeps_the_default_of_what_it_leaves_out(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(PARTIAL)
    spec, default = Spec.read(path), Spec()
    assert spec.skills == ("knowledge", "reasoning")
    assert spec.reference_params == 3e9
    assert spec.reference_tokens == default.reference_tokens
    assert spec.reference_year == 2024.0
    assert spec.priors.tokens_sd == 0.5
    assert spec.priors.slope == NormalPrior(0.3, 0.2)
    assert spec.priors.tail == LogNormalPrior(20.0, default.priors.tail.sigma)
    assert spec.priors.loading == default.priors.loading


def test_an_empty_file_is_the_default(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text("")
    assert Spec.read(path) == Spec()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skills": ("a",), "anchors": ()}, "1 skills need 1 anchors, found 0."),
        ({"skills": (), "anchors": ("mmlu",)}, "0 skills need 0 anchors, found 1."),
        ({"skills": ("a", "a"), "anchors": ("x", "y")}, "skills repeat a name: a, a."),
        ({"skills": ("a", "b"), "anchors": ("x", "x")}, "anchors repeat a name: x, x."),
        ({"benchmarks": ("x", "y", "x")}, "benchmarks repeat a name: x, y, x."),
        ({"reference_params": 0.0}, "reference_params must be positive, found 0.0."),
        ({"reference_tokens": -1.0}, "reference_tokens must be positive, found -1.0."),
        ({"reference_tokens": float("nan")}, "reference_tokens must be positive, found nan."),
        (
            {"priors": Priors(loading=LogNormalPrior(0.0, 1.0))},
            "prior loading needs median > 0 and sigma > 0, found LogNormalPrior(median=0.0",
        ),
        (
            {"priors": Priors(tail=LogNormalPrior(8.0, -1.0))},
            "prior tail needs median > 0 and sigma > 0",
        ),
        (
            {"priors": Priors(slope=NormalPrior(0.0, 0.0))},
            "prior slope needs sd > 0, found NormalPrior(mean=0.0, sd=0.0).",
        ),
    ],
)
def test_a_value_out_of_range_is_named(options, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        Spec(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"priors": Priors(slope=NormalPrior(float("nan"), 1.0))},
        {"priors": Priors(tokens_sd=0.0)},
        {"priors": Priors(tokens_sd_within_family=-0.2)},
        {"reference_year": float("nan")},
        {"trend_from": float("nan")},
        {"trend_from": 2027.0},
        {"reference_params": float("inf")},
        {"skills": (), "anchors": ()},
    ],
    ids=[
        "nan mean",
        "no token sd",
        "negative token sd",
        "nan year",
        "nan trend",
        "no trend",
        "infinite size",
        "no skill",
    ],
)
def test_a_value_no_model_can_use_is_refused(options):
    with pytest.raises(SpecError):
        Spec(**options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"skils": ["a"]}, "key 'skils' is not in the specification. Nearest: 'skills'"),
        ({"priors": {"slop": 1}}, "key 'slop' is not in priors. Nearest: 'slope'"),
        (
            {"priors": {"slope": {"median": 1}}},
            "key 'median' is not in prior slope. Nearest: 'mean'",
        ),
        ({"priors": {"slope": 0.4}}, "prior slope is a table of ['mean', 'sd'], found 0.4."),
        ({"priors": {"slope": {"sd": "wide"}}}, "slope.sd is a number, found 'wide'."),
        ({"priors": {"tokens_sd": True}}, "tokens_sd is a number, found True."),
        ({"reference_params": "7B"}, "reference_params is a number, found '7B'."),
        ({"skills": "knowledge"}, "skills is a list of names, found 'knowledge'."),
        ({"anchors": [1, 2]}, "anchors is a list of names, found [1, 2]."),
        ({"priors": {"slope": {"sd": -1}}}, "prior slope needs sd > 0"),
    ],
)
def test_plain_values_that_do_not_fit_are_named(values, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        Spec.from_dict(values)


@pytest.mark.parametrize("priors", [3, "wide", ["slope"]])
def test_priors_that_are_no_table_are_refused(priors):
    with pytest.raises(SpecError, match="priors"):
        Spec.from_dict({"priors": priors})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"none\.toml can't be read: No such file"):
        Spec.read(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"skills = [", b"\xff\xfe\x00"])
def test_a_file_that_is_not_toml_is_named(tmp_path, content):
    path = tmp_path / "spec.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"spec\.toml is not TOML: "):
        Spec.read(path)


def test_skills_are_found_by_name():
    assert Spec().skill_index("commonsense") == 2
    with pytest.raises(UnknownNameError, match="skill 'reasonning' is not in this specification"):
        Spec().skill_index("reasonning")
