"""What is drawn in a figure."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure


def markers(figure: Figure, marker: str) -> list[tuple[float, float]]:
    """Positions of all marks of one shape."""
    return [
        (float(x), float(y))
        for ax in figure.axes
        for line in ax.lines
        if line.get_marker() == marker
        for x, y in line.get_xydata()
        if np.isfinite([x, y]).all()
    ]


def assert_text_is_legible(figure: Figure) -> None:
    """All text lies inside the figure, and none over another."""
    figure.draw_without_rendering()
    texts = [text for ax in figure.axes for text in (ax.title, ax.xaxis.label, ax.yaxis.label)]
    for ax in figure.axes:
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            # Labels of ticks beyond the axis exist, but are not drawn.
            texts += [
                tick.label1
                for tick in axis.get_major_ticks()
                if min(limits) <= tick.get_loc() <= max(limits) and tick.label1.get_visible()
            ]
    texts = [text for text in texts if text.get_text() and text.get_visible()]
    texts += figure.legends[0].get_texts()
    boxes = [text.get_window_extent() for text in texts]
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text.get_text()!r} is cut off"
    for i, box in enumerate(boxes):
        for other, text in zip(boxes[i + 1 :], texts[i + 1 :], strict=True):
            assert not box.overlaps(other), f"{texts[i].get_text()!r} over {text.get_text()!r}"


def assert_log_axes_have_ticks(figure: Figure) -> None:
    """Every logarithmic axis has two ticks or more inside its limits, with different words."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            if axis.get_scale() == "log":
                inside = [at for at in axis.get_majorticklocs() if limits[0] <= at <= limits[1]]
                words = axis.get_major_formatter().format_ticks(inside)
                assert len(set(words)) == len(inside) >= 2, f"{words} between {limits}"
