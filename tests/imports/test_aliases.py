"""Names of benchmarks, their parts, and what is known of other benchmarks."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillscale.data.cells import require_cells
from skillscale.data.rules import number
from skillscale.data.shipped import shipped_directory
from skillscale.data.table import load_table
from skillscale.imports.aliases import key, load_aliases
from skillscale.imports.benchmark_rows import described
from skillscale.imports.quantities import count, is_tuned, plain, score, size_in_name, without_size

ALIASES = require_cells(shipped_directory() / "aliases.csv")
PARTS = require_cells(shipped_directory() / "subtasks.csv")


def test_every_alias_is_of_a_benchmark_that_is_described():
    assert set(ALIASES["benchmark"]) <= set(described().index)
    assert set(load_table().benchmarks.index) <= set(ALIASES["benchmark"])


def test_no_name_is_of_two_benchmarks():
    repeated = [name for name, times in Counter(ALIASES["alias"].map(key)).items() if times > 1]
    assert repeated == []


def test_parts_add_up_to_their_benchmark():
    totals = PARTS["n_items"].map(number).groupby(PARTS["benchmark"]).sum()
    n_items = described().loc[totals.index, "n_items"].map(number)
    assert totals.to_dict() == n_items.to_dict()


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        ("MMLU", "mmlu"), ("hendrycksTest", "mmlu"), ("ARC", "arc_challenge"),
        ("ARC-Challenge", "arc_challenge"), ("HellaSwag", "hellaswag"),
        ("TruthfulQA", "truthfulqa"),
        ("Winogrande", "winogrande"), ("GSM8K", "gsm8k"), ("GSM-8K", "gsm8k"), ("IFEval", "ifeval"),
        ("BBH", "bbh"), ("MATH Lvl 5", "math_lvl_5"), ("GPQA", "gpqa"), ("MUSR", "musr"),
        ("MMLU-PRO", "mmlu_pro"), ("HumanEval", "humaneval"), ("EQ-Bench v2", "eq_bench_v2"),
        ("GPQA Diamond", "gpqa_diamond"), ("AIME 2025", "aime_2025"),
        ("HumanEval+", "humaneval_plus"),
        ("LiveCodeBench", "livecodebench"), ("XWinograd", "xwinograd"),
    ],
)  # fmt: skip
def test_usual_names_are_known(name, benchmark):
    found = load_aliases().find(name)
    assert found is not None
    assert found.benchmark == benchmark


def test_parts_are_known_by_every_name_of_their_benchmark():
    names = load_aliases()
    assert names.part("leaderboard_math_algebra_hard").name == "algebra_hard"
    assert names.part("mmlu_world_religions").alias.benchmark == "mmlu"
    assert names.part("mmlu_pro_law").alias.benchmark == "mmlu_pro"
    assert names.part("mmlu_other") is None


@given(st.floats(0.1, 999), st.sampled_from([("K", 3), ("M", 6), ("B", 9), ("T", 12)]))
def test_counts_are_read_in_their_unit(value, unit):
    letter, power = unit
    for text in (f"{value:.4g}{letter}", f"{value:.4g} {letter.lower()}"):
        found, has_unit = count(text)
        assert found == pytest.approx(float(f"{value:.4g}") * 10**power)
        assert has_unit


@given(st.text(max_size=12))
def test_any_text_is_read_as_a_number_or_as_none(text):
    plain(text), plain(text, decimal_comma=True), count(text), score(text)
    size_in_name(text), without_size(text), is_tuned(text)


def test_sizes_in_names():
    assert size_in_name("stablelm-2-1_6b") == 1.6e9
    assert size_in_name("org/Qwen2.5-0.5B-Instruct") == 5e8
    assert size_in_name("OLMoE-1B-7B-0924") != size_in_name("OLMoE-1B-7B-0924")
    assert without_size("org/Qwen2.5-0.5B-Instruct") == "org/Qwen2.5-Instruct"
