"""A page as HTML: one file, its style and figures inside, which asks no network for anything."""

from __future__ import annotations

from functools import cache

import jinja2
from markupsafe import Markup

from skillscale.report.blocks import Page

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: nothing that is not in it."""


def render(page: Page) -> str:
    """Write a page.

    Args:
        page: what it says.

    Returns:
        An HTML document.

    Example:
        >>> from skillscale.report.blocks import Section, Words
        >>> section = Section("one", "One", [Words("a < b")])
        >>> html = render(Page("<title>", "of nothing", ["An answer."], [section]))
        >>> "<h1>&lt;title&gt;</h1>" in html, "a &lt; b" in html
        (True, True)
    """
    return environment().get_template("page.html").render(page=page, policy=POLICY)


@cache
def environment() -> jinja2.Environment:
    """The templates, which escape all that is not marked as markup."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("skillscale.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["markup"] = Markup
    return made
