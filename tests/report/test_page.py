"""What a page is made of, as HTML: names are names, and figures are in the page's colours."""

from __future__ import annotations

import re
from html import unescape
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

from invented_findings import CHECKS, invented_plan
from skillscale.report.blocks import Cell, Figures, Fragment, Page, Section, Table, Tone, Words
from skillscale.report.page import render
from skillscale.report.panels import growth, panel, shortened, sizes_axis
from skillscale.report.sections.doubts import doubts_section
from skillscale.report.sections.evaluations import evaluations_section
from skillscale.report.sections.fit import checks_section
from skillscale.report.sections.forecast import variance_section
from skillscale.report.sections.influence import influence_section
from skillscale.report.vector import Paint, as_svg

HOSTILE = '<script>alert(1)</script>"\'&$x$ {{ 7 * 7 }} #000001 id="axes_1"'


def page_of(*sections: Section) -> str:
    return render(Page(HOSTILE, HOSTILE, [HOSTILE], list(sections)))


def found_of(plan, keep_doubted=False):
    asked = SimpleNamespace(observed=plan.family.observed, keep_doubted=keep_doubted)
    return SimpleNamespace(asked=asked, optimum=None)


def test_names_are_escaped_wherever_they_stand():
    plan = invented_plan([f"{HOSTILE}8b", f"{HOSTILE}70b"], seen=HOSTILE)
    figure = Figure()
    figure.text(0, 0, HOSTILE)
    drawing = Figures(HOSTILE, [as_svg(figure, "a", HOSTILE)] * 2, {"first": HOSTILE})
    table = Table(HOSTILE, [HOSTILE], [[Cell(HOSTILE, HOSTILE)]])
    html = page_of(
        influence_section(plan),
        evaluations_section(plan),
        Section("hostile", HOSTILE, [Words(HOSTILE), drawing, table]),
    )
    assert "<script" not in html
    assert "alert(1)" in html
    assert "{{ 7 * 7 }}" in html
    assert "#000001" in html  # in the name; the figure's own is a variable


def test_a_page_asks_no_network_for_anything():
    html = page_of(variance_section(invented_plan()))
    assert "default-src 'none'" in unescape(html)
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', html) == []
    assert "@import" not in html
    assert "url(http" not in html


def test_ids_are_unique_and_all_that_are_referred_to_exist():
    plan = invented_plan()
    html = page_of(variance_section(plan), influence_section(plan), checks_section(CHECKS))
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:xlink:href="#|url\(#|labelledby="|href="#)([^")]+)', html)
    assert set(used) <= set(ids)


def test_figures_are_drawn_in_the_paints_of_the_page_and_in_text():
    plan = invented_plan()
    figure = growth(plan.forecast.sel(benchmark="mmlu"), plan.planned["n_params"], chance=0.25)
    svg = as_svg(figure, "growth", "scores")
    assert "<text" in svg
    assert "mmlu</text>" in svg
    assert "font-family" not in svg
    assert "<style" not in svg
    for paint in (Paint.FG, Paint.MUTED, Paint.WIDE, Paint.MIDDLE, Paint.NARROW):
        assert paint.variable in svg
    assert not re.search(r"#[0-9a-f]{6}", svg)


def test_every_paint_is_defined_light_dark_and_for_print():
    html = page_of()
    for paint in Paint:
        defined = re.findall(rf"{paint.variable[4:-1]}: (#\w+)", html)
        assert len(defined) == 3, paint


def test_doubts_are_told_with_what_becomes_of_them():
    said = {"doubts": ["nova-1b: bbh 75.0 contradicts the rest."], "pareto_k": 0.9}
    plan = invented_plan(**said, outside=["nova-70b: 2 times the largest"], assumed=["no tuning"])
    html = page_of(doubts_section(found_of(plan), plan))
    for told in (*said["doubts"], "left out of this forecast", "2 times the largest", "No tuning"):
        assert told in html
    assert "Pareto k 0.90" in html
    assert "intervals are approximate" in html
    kept = page_of(doubts_section(found_of(plan, keep_doubted=True), plan))
    assert "count in this forecast" in kept


def test_an_empty_list_of_assumptions_is_a_sentence():
    plan = invented_plan()
    html = page_of(doubts_section(found_of(plan), plan))
    assert "Nothing was assumed" in html
    assert "No observed score contradicts the rest" in html
    assert "sentences" not in html.split("</style>")[1]


def test_tables_name_their_rows_columns_and_captions():
    html = page_of(checks_section(CHECKS))
    assert html.count('<th scope="row"') == len(CHECKS)
    assert '<th scope="col"' in html
    label = re.search(r'<table aria-labelledby="([^"]+)"', html)[1]
    assert f'<figcaption id="{label}">' in html
    assert 'tabindex="0"' in html


def test_tones_and_folds_are_marked():
    table = Table("Folded", ["a", "b"], [[Cell("x"), Cell("bad", tone=Tone.BAD)]], folded=True)
    html = page_of(Section("s", "S", [table, Words("careful", Tone.WARNING)]))
    assert "<details>" in html
    assert 'class="number bad"' in html
    assert '<p class="warning">careful</p>' in html


def test_a_fragment_is_markup_as_it_is():
    assert "<b>explorer</b>" in page_of(Section("s", "S", [Fragment("<b>explorer</b>")]))


def test_long_names_are_shortened_in_their_middle():
    assert shortened("nova-8b") == "nova-8b"
    short = shortened("a" * 40 + "-70b", 20)
    assert len(short) == 20
    assert short.endswith("-70b")


@pytest.mark.parametrize(("most", "ticks"), [(3e9, 3), (3e10, 3), (9e11, 3)])
def test_axes_of_sizes_have_ticks_however_few_decades_they_span(most, ticks):
    _, ax = panel()
    sizes_axis(ax, 1e9, most)
    inside = [at for at in ax.xaxis.get_majorticklocs() if 1e9 <= at <= most]
    assert len(inside) >= min(ticks, 2)
