"""Figures as SVG inside a page: text as text, in the page's own colours, light or dark.

Figures are drawn in the colours of `Paint`, which stand for the custom properties of the page's
style and are replaced by them; so one drawing serves both schemes.
"""

from __future__ import annotations

import io
import re
from enum import StrEnum
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text


class Paint(StrEnum):
    """Colours of the page, as they are drawn with."""

    FG = "#000001"
    BG = "#000002"
    MUTED = "#000003"
    LINE = "#000004"
    ACCENT = "#000005"
    ACCENT_2 = "#000006"
    WIDE = "#000007"
    MIDDLE = "#000008"
    NARROW = "#000009"
    FIRST = "#00000a"
    SECOND = "#00000b"
    THIRD = "#00000c"
    FOURTH = "#00000d"
    FIFTH = "#00000e"
    SIXTH = "#00000f"

    @property
    def variable(self) -> str:
        """The custom property that takes its place."""
        return f"var(--{self.name.lower().replace('_', '-')})"


SERIES = (Paint.FIRST, Paint.SECOND, Paint.THIRD, Paint.FOURTH, Paint.FIFTH, Paint.SIXTH)
"""For lines side by side, told apart by the colour-blind."""
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "text.parse_math": False}
"""Of Matplotlib: dollars in names are no formulas."""


def as_svg(figure: Figure, name: str, label: str) -> str:
    """Draw a figure as an SVG element.

    Args:
        figure: drawn in the colours of `Paint`.
        name: of the figure, unique in its page: ids begin with it.
        label: what is read out in its place.

    Returns:
        The element, as wide as the space it is given but never magnified.

    Example:
        >>> figure = Figure(figsize=(2, 1))
        >>> _ = figure.text(0.5, 0.5, "<nova> & $x$", color=Paint.FG)
        >>> svg = as_svg(figure, "first", 'what "nova" scores')
        >>> "&lt;nova&gt; &amp; $x$" in svg, "var(--fg)" in svg, "#000001" in svg
        (True, True, False)
        >>> svg.split(" viewBox")[0]
        '<svg role="img" aria-label="what &quot;nova&quot; scores"'
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    written = io.StringIO()
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    drawn = written.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    # A style that would hold for the whole page; the page's own says the same of its figures.
    drawn = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", drawn, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', drawn))
    return _opened(re.sub(r"<[^>]*>", lambda tag: _of_page(tag[0], name, used), drawn), label)


def _of_page(tag: str, name: str, used: set[str]) -> str:
    """A tag with the page's colours and font, and with ids of its own where these are used."""

    def renamed(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    tag = re.sub(r' id="([^"]*)"', renamed, tag)
    tag = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font: [^;\"]*?([\d.]+px)[^;\"]*", r"font-size: \1", tag)
    tag = re.sub(r"font-family: [^;\"]*;?", "", tag)
    for paint in Paint:
        tag = tag.replace(paint.value, paint.variable)
    return " ".join(tag.split())


def _opened(drawn: str, label: str) -> str:
    """The element with an opening tag of its own."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn)
    assert box is not None
    rest = drawn[drawn.index(">") + 1 :]
    # Points of a figure are pixels of the page at a third more.
    width = f"{float(box[1]) * 4 / 3:.0f}px"
    told = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return (
        f'<svg role="img" aria-label="{told}" viewBox="0 0 {box[1]} {box[2]}" '
        f'style="max-width: {width}" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{rest}'
    )
