"""Draws the runs of a session as one row on a time axis: a sign for the state, the code where it fits, then a line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from ..core.feed.lanes import BarState, Stretch
from .ansi import one_line
from .format import Glyphs, shortened
from .themes import Palette
from .wrapping import Row

LABEL_LEAST = 6
"""columns of the shortest label"""
_HUES = {
    BarState.OK: "success",
    BarState.STOPPED: "accent",
    BarState.RUNNING: "warning",
    BarState.WAITING: "muted",
    BarState.HELD: "accent",
    BarState.FAILED: "error",
}


def bar_mark(state: BarState, glyphs: Glyphs) -> tuple[str, str]:
    """Return glyph and hue of a bar."""
    marks = {
        BarState.OK: glyphs.done,
        BarState.STOPPED: glyphs.gone,
        BarState.RUNNING: glyphs.busy,
        BarState.WAITING: glyphs.starting,
        BarState.HELD: glyphs.pending,
        BarState.FAILED: glyphs.failed,
    }
    return marks[state], _HUES[state]


def lane_row(
    stretches: Sequence[Stretch],
    columns: int,
    palette: Palette,
    glyphs: Glyphs,
    *,
    has_labels: bool = False,
    cursor: tuple[int, int] = (0, -1),
    position: int | None = None,
) -> Row:
    """Return a row of `columns`. `cursor`: first and last column to mark. `position`: the column where a recording is; what comes later is faint."""
    track = palette.style("line")
    chars = [glyphs.dots[0] if not glyphs.is_ascii else "."] * columns
    styles: list[Style] = [track] * columns
    for stretch in stretches:
        mark, hue = bar_mark(stretch.bar.state, glyphs)
        size = stretch.last - stretch.first + 1
        is_thin = stretch.bar.state in (BarState.HELD, BarState.WAITING)
        fill = glyphs.dots[0] if is_thin else glyphs.full
        label = one_line(stretch.bar.label) if has_labels and size >= LABEL_LEAST + 3 else ""
        label = label if label.isascii() else ""  # one character would take two columns, or none
        text = mark + (f" {shortened(label, size - 3, glyphs.ellipsis)} " if label else "")
        is_later = position is not None and stretch.first > position
        style = palette.style("faint" if is_later else hue)
        chars[stretch.first : stretch.last + 1] = text.ljust(size, fill)
        styles[stretch.first : stretch.last + 1] = [style] * size
    for column in range(max(0, cursor[0]), min(columns, cursor[1] + 1)):
        styles[column] += Style(reverse=True)
    if position is not None and 0 <= position < columns:
        chars[position], styles[position] = "|" if glyphs.is_ascii else "┃", palette.style("text", bold=True)
    return joined(chars, styles)


def joined(chars: Sequence[str], styles: Sequence[Style]) -> Row:
    """Return characters with their styles as few segments."""
    found: Row = []
    start = 0
    for place in range(1, len(chars) + 1):
        if place == len(chars) or styles[place] is not styles[start]:
            found.append(Segment("".join(chars[start:place]), styles[start]))
            start = place
    return found
