"""Reports of controlled runs."""

from __future__ import annotations

import numpy as np
import pytest

from skillscale.formatting import format_count
from skillscale.report.blocks import Figures, Table
from skillscale.report.page import render
from skillscale.report.runs_page import runs_page
from skillscale.runs.best_sizes import optima
from skillscale.runs.storage import holds_runs


@pytest.fixture(scope="module")
def page(skilled):
    return runs_page(skilled)


def table(page, anchor):
    (section,) = [section for section in page.sections if section.anchor == anchor]
    return next(block for block in section.blocks if isinstance(block, Table))


def test_best_sizes_are_those_at_the_largest_budget(page, skilled):
    expected = optima(skilled, [float(skilled.runs.budgets().max())])
    shown = table(page, "optima")
    column = shown.headings.index("best size")
    sizes = [row[column].text for row in shown.rows]
    assert sizes == [
        format_count(size) if np.isfinite(size) else "beyond" for size in expected["n_params"]
    ]


def test_every_loss_has_its_curves_and_every_group_its_best_sizes(page, skilled):
    (curves,) = [section for section in page.sections if section.anchor == "curves"]
    assert len(curves.blocks[0].drawings) == len(skilled.keys)
    (sizes,) = [section for section in page.sections if section.anchor == "optima"]
    (figures,) = [block for block in sizes.blocks if isinstance(block, Figures)]
    assert len(figures.drawings) == len({group for group, _ in skilled.keys})


def test_the_answer_is_three_sentences_of_these_runs(page, skilled):
    assert len(page.answer) == 3
    known = optima(skilled, [float(skilled.runs.budgets().max())])[["group", "loss"]]
    assert f"of {len(known.drop_duplicates())} best sizes" in page.answer[0]
    assert f"of {len(skilled.surfaces.keys)} loss surfaces" in page.answer[2]
    assert "<h1>Best sizes from" in render(page)


def test_a_file_of_runs_is_told_from_a_file_of_a_fit(tmp_path, skilled, approximate):
    skilled.save(tmp_path / "runs.nc")
    approximate.save(tmp_path / "fit.nc")
    (tmp_path / "other.nc").write_text("no netCDF")
    names = ("runs.nc", "fit.nc", "other.nc", "none.nc")
    assert [holds_runs(tmp_path / name) for name in names] == [True, False, False, False]
