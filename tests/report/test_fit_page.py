"""Reports of a small fit: with and without a plan, observed models, budgets, names of skills."""

from __future__ import annotations

import pandas as pd
import pytest

from skillscale import Stack
from skillscale.errors import SpecError
from skillscale.formatting import format_points
from skillscale.report.blocks import Table
from skillscale.report.findings import Asked, find
from skillscale.report.fit_page import fit_page, write_page
from skillscale.report.page import render
from skillscale.report.sections.provenance import Origin
from small import PLAN, SEEN

DATED = {"tuning": "base", "release": "2024-02"}


@pytest.fixture(scope="module")
def found(approximate):
    asked = Asked(PLAN.assign(**DATED), SEEN.assign(**DATED), flops=[1e22, 1e23])
    return find(approximate, asked)


@pytest.fixture(scope="module")
def page(found):
    return write_page(found, Origin("skillscale report", made="2026-12-01"))


def section(page, anchor):
    (one,) = [section for section in page.sections if section.anchor == anchor]
    return one


def tables(page, anchor):
    return [block for block in section(page, anchor).blocks if isinstance(block, Table)]


def test_a_report_of_a_plan_has_all_its_sections(page):
    anchors = [section.anchor for section in page.sections]
    assert anchors[:7] == ["forecast", "doubts", "variance", "why", "family", "optima", "next"]
    assert anchors[-2:] == ["checks", "provenance"]
    assert page.title == "Forecast of new-8b, new-70b and new-400b"
    assert len(page.answer) == 3


def test_the_table_holds_medians_of_the_forecast_beside_what_was_observed(page, found):
    matrix = tables(page, "forecast")[0]
    assert list(matrix.headings) == [
        "benchmark",
        "new-1b, observed",
        "new-3b, observed",
        *PLAN["model"],
    ]
    (row,) = [row for row in matrix.rows if row[0].text == "gsm8k"]
    assert [cell.text for cell in row[1:3]] == ["12.0", "26.0"]
    medians = found.of_plan.forecast["median"].sel(benchmark="gsm8k").to_numpy()
    assert [cell.text for cell in row[3:]] == [format_points(float(m)) for m in medians]


def test_best_sizes_are_those_of_the_optimum_and_unknown_ones_have_none(page, found):
    best = tables(page, "optima")[0]
    verdict, size = best.headings.index("verdict"), best.headings.index("best size")
    assert len(best.rows) == found.optimum["verdict"].size
    for row, told in zip(best.rows, found.optimum["verdict"].to_numpy().ravel(), strict=True):
        assert row[verdict].text == told
        if told == "not identified":
            assert row[size].text == "-"


def test_what_moves_the_forecast_is_every_observed_score(page):
    (table,) = tables(page, "why")
    left_out = [row[0].text for row in table.rows]
    assert left_out[0] == "all observed scores"
    assert sorted(left_out[1:]) == sorted(
        ["mmlu of new-1b", "mmlu of new-3b", "gsm8k of new-1b", "gsm8k of new-3b", "bbh of new-3b"]
    )


def test_the_nearest_families_are_named(page, found):
    near = list(found.of_plan.neighbours.index)
    assert near[0] in tables(page, "family")[0].headings
    assert near[0] in section(page, "family").blocks[0].text


def test_provenance_has_date_command_seed_and_hashes(page, found, approximate):
    (terms,) = section(page, "provenance").blocks
    assert terms.entries["made"] == "2026-12-01"
    assert terms.entries["command"] == "skillscale report"
    assert terms.entries["hash of the data"] == approximate.table.hash
    assert {"hash of the plan", "hash of the observed", "seed of this report"} <= set(terms.entries)


def test_the_same_findings_make_the_same_page(found, page):
    again = write_page(found, Origin("skillscale report", made="2026-12-01"))
    assert render(again) == render(page)


def test_without_a_plan_the_report_is_of_the_fit(approximate):
    page = fit_page(approximate)
    anchors = [section.anchor for section in page.sections if section.anchor != "explore"]
    assert anchors == ["data", "skills", "families", "checks", "provenance"]
    assert page.title == f"Skills of {len(approximate.models)} models"
    assert "on 3 benchmarks by 2 skills: knowledge and reasoning" in page.answer[0]


def test_with_nothing_observed_sizes_to_train_are_ranked(approximate):
    found = find(approximate, Asked(PLAN.assign(**DATED)))
    assert set(found.of_plan.evaluations["kind"]) == {"size"}
    html = render(write_page(found, Origin()))
    assert "No score of the new family is known" in html
    assert "training and evaluating a model of 2.4B parameters" in html


def test_relatives_of_a_fitted_family_are_left_out_one_by_one(approximate):
    plan = pd.DataFrame({"model": ["x"], "family": ["llama-2"], "n_params": 9e10, "n_tokens": 2e12})
    found = find(approximate, Asked(plan))
    names = set(found.of_plan.influence["name"])
    lineage = approximate.models[approximate.models["lineage"] == "llama-2"]
    assert names == {"", *lineage.index}
    assert found.of_plan.neighbours.index[0] == "llama-2"


def test_observed_models_without_a_plan_are_refused():
    with pytest.raises(SpecError, match="name the models to forecast"):
        Asked(observed=SEEN)
    with pytest.raises(SpecError, match="sizes must be positive"):
        Asked(PLAN, sizes=[0.0])


def test_a_stack_tells_its_forms(approximate):
    told = {"elpd": [9.0], "difference": [0.0], "error": [0.0], "weight": [1.0]}
    told |= {"is_open": [True], "high_k": [0.1]}
    stack = Stack({"translog": approximate}, pd.DataFrame(told, index=["translog"]))
    page = fit_page(stack, Asked(flops=[1e23]))
    assert "by 1 form of the law together" in page.answer[1]
    forms = tables(page, "optima")[1]
    assert [row[0].text for row in forms.rows] == ["translog"]
