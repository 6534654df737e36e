"""The browser sees what is wrong with a page, or tests of pages would prove nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PAGE = """<!doctype html><html lang="en"><head><title>page</title><style>
body {{ background: #fff; color: #111 }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee }} }}
@media print {{ body {{ background: #fffffe }} }}
</style></head><body><main><h1>Page</h1>{}</main></body></html>"""
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def page(tmp_path: Path) -> Any:
    def write(body: str) -> Path:
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(body))
        return path

    return write


def test_a_good_page_has_nothing_against_it(browser, page, tmp_path):
    browser.open(page("<p>Text.</p>"))
    assert browser.errors() == []
    assert browser.violations() == []
    assert browser.overflow() == 0
    assert browser.picture(tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_errors_of_scripts_and_missing_labels_are_seen(browser, page):
    browser.open(page("<input type='range'><script>nothing()</script>"))
    (error,) = browser.errors()
    assert "nothing is not defined" in error
    assert any(found.startswith("label") for found in browser.violations())


def test_pages_are_shown_dark_and_as_printed_and_as_wide_as_asked(browser, page):
    path = page("<div style='width: 600px'>wide</div>")
    browser.open(path, dark=True)
    assert browser.run(BACKGROUND) == "rgb(17, 17, 17)"
    browser.emulate(is_print=True)
    assert browser.run(BACKGROUND) == "rgb(255, 255, 254)"
    assert browser.overflow() == 0
    browser.open(path, size=(390, 844))
    assert browser.run(BACKGROUND) == "rgb(255, 255, 255)"
    assert browser.overflow() > 200
