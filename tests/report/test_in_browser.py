"""Reports as a reader meets them: in a browser, light and dark, on a phone, and on paper."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import pairwise

import pytest

from skillscale.report.findings import Asked, find
from skillscale.report.fit_page import write_page
from skillscale.report.page import render
from skillscale.report.runs_page import runs_page
from skillscale.report.sections.provenance import Origin
from small import PLAN, SEEN

PHONE = (390, 844)
PAGES = ("plan", "fit", "runs")
NAME = "a-very-long-name-" * 6
MOST_BYTES = 3 * 10**6
PATIENCE = 300
"""Seconds that axe may take, of pages with hundreds of curves and on cores that are shared."""
LEVELS = "return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))"
SCROLLING = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('main *')]
    .filter(e => !e.closest('.scroll') && !e.closest('svg') && !e.closest('.skillscale-explorer'))
    .filter(e => e.getBoundingClientRect().right > wide + 1)
    .filter(e => getComputedStyle(e).position != 'absolute')
    .map(e => e.tagName + '.' + e.className);
"""
INK = "return getComputedStyle(document.querySelector('svg text')).fill"


@pytest.fixture(scope="module")
def pages(tmp_path_factory, approximate, skilled):
    folder = tmp_path_factory.mktemp("reports")
    plan = PLAN.assign(model=[f"{NAME}8b", "<script>70b", 'a"400b'])
    of_plan = find(approximate, Asked(plan, SEEN, flops=[1e22, 1e23]))
    of_fit = find(approximate, replace(of_plan.asked, plan=None, observed=None, flops=[]))
    made = {
        "plan": write_page(of_plan, Origin()),
        "fit": write_page(of_fit, Origin()),
        "runs": runs_page(skilled),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(render(page), "utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("name", PAGES)
def test_it_opens_from_a_disk_without_a_complaint_and_is_small(browser, pages, name):
    browser.open(pages[name])
    assert browser.errors() == []
    assert pages[name].stat().st_size < MOST_BYTES


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_keeps_anyone_from_reading_it(browser, pages, name, dark):
    browser.open(pages[name], dark=dark)
    browser.driver.set_script_timeout(PATIENCE)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.violations() == []


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_nothing_scrolls_sideways_but_tables(browser, pages, name):
    browser.open(pages[name], size=PHONE)
    assert browser.overflow() == 0
    assert browser.run(SCROLLING) == []


@pytest.mark.parametrize("name", PAGES)
def test_headings_are_in_order(browser, pages, name):
    browser.open(pages[name])
    levels = browser.run(LEVELS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_figures_follow_the_scheme(browser, pages):
    inks = []
    for dark in (False, True):
        browser.open(pages["plan"], dark=dark)
        inks.append(browser.run(INK))
    assert len(set(inks)) == 2


@pytest.mark.parametrize("name", PAGES)
def test_it_prints(browser, pages, name):
    browser.open(pages[name])
    browser.emulate(is_print=True)
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000


def test_what_is_folded_on_a_screen_is_printed(browser, pages):
    browser.open(pages["plan"])
    height = "return document.querySelector('details figure').getBoundingClientRect().height"
    browser.emulate(is_print=True)
    assert browser.run(height) > 100
