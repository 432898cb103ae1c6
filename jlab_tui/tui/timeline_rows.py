"""The timeline as rows: the graphs, the times and one lane a session, all on one axis. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rich.segment import Segment
from textual.strip import Strip

from ..core.feed.lanes import Bar, TimeAxis, stretches
from .ansi import one_line
from .format import Glyphs, LocalTime, at, seconds, shortened
from .gauges import Reading
from .lane_rows import bar_mark, lane_row
from .plots import area
from .themes import Palette
from .wrapping import Row

NAMES = 20
"""columns left of the axis"""
FRESH_PERIODS = 3
"""a measured value holds for so many times what is between two, where columns are narrower than that"""
TICK_EVERY = 16
"""columns between two times, about"""


@dataclass(frozen=True, slots=True)
class RunLane:
    """The runs of one session."""

    session: str
    name: str
    mark: str
    hue: str
    bars: tuple[Bar, ...]


def graph_rows(
    readings: Sequence[Reading], axis: TimeAxis, height: int, palette: Palette, glyphs: Glyphs
) -> list[Strip]:
    """Return an area of `height` rows for each reading, with its name at the left."""
    count = axis.columns * (1 if glyphs.is_ascii else 2)
    found: list[Strip] = []
    for reading in readings:
        values = means(reading.values, reading.times, axis, count)
        colors = palette.gradient(reading.hue, height, warns=reading.warns and height > 1)
        drawn = area(values, axis.columns, height, colors, palette.style("line"), ascii_only=glyphs.is_ascii)
        for number, strip in enumerate(drawn):
            label = f" {reading.label[:6]:<6} {reading.now}" if number == height - 1 else ""
            found.append(Strip([Segment(f"{label[: NAMES - 1]:<{NAMES}}", palette.style("muted")), *strip]))
    return found


def means(
    values: Sequence[float | None], times: Sequence[float], axis: TimeAxis, count: int
) -> list[float | None]:
    """Return the mean of the values in each of `count` equal parts of an axis; the last value where it is still fresh, else None.
    `times` rise."""
    step = axis.step * axis.columns / count
    starts = [axis.start + n * step for n in range(count + 1)]
    edges = [bisect_left(times, start) for start in starts]
    near = times[max(0, edges[0] - 2) : edges[-1]]
    fresh_s = FRESH_PERIODS * median(two - one for one, two in pairwise(near)) if len(near) > 1 else 0.0
    found: list[float | None] = []
    for start, (first, last) in zip(starts, pairwise(edges), strict=False):
        if first == last > 0 and start - times[first - 1] <= fresh_s:
            first -= 1
        known = [value for value in values[first:last] if value is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def tick_row(axis: TimeAxis, local: LocalTime, palette: Palette) -> Row:
    """Return times of day along the axis."""
    count = max(1, axis.columns // TICK_EVERY)
    form = (
        "%H:%M:%S"
        if axis.step * TICK_EVERY < 120
        else "%H:%M"
        if axis.step * axis.columns < 86400
        else "%d %b %H:%M"
    )
    text = ""
    for number in range(count):
        column = axis.columns * number // count
        text = text.ljust(column) + at(axis.time_of(column), local, form)
    return [Segment(" " * NAMES), Segment(text.ljust(axis.columns)[: axis.columns], palette.style("muted"))]


def lane_strip(
    lane: RunLane,
    axis: TimeAxis,
    now: float,
    cursor: Bar | None,
    palette: Palette,
    glyphs: Glyphs,
    *,
    is_current: bool,
) -> Strip:
    """Return one session: its name, and its runs."""
    name = shortened(one_line(lane.name), NAMES - 4, glyphs.ellipsis)
    end = now if cursor is None or cursor.end is None else cursor.end
    marked = (axis.column_of(cursor.start), axis.column_of(end)) if cursor is not None else (0, -1)
    shown = lane_row(
        stretches(lane.bars, axis, now), axis.columns, palette, glyphs, has_labels=True, cursor=marked
    )
    head: Row = [
        Segment(f" {lane.mark} ", palette.style(lane.hue, bold=True)),
        Segment(f"{name:<{NAMES - 3}}", palette.style("text", bold=is_current)),
    ]
    return Strip([*head, *shown])


def bar_line(bar: Bar | None, now: float, local: LocalTime, palette: Palette, glyphs: Glyphs) -> Row:
    """Say in a row what the bar under the cursor is."""
    if bar is None:
        return [Segment(" No run in the part of the records that was read.", palette.style("muted"))]
    mark, hue = bar_mark(bar.state, glyphs)
    lasted = seconds((now if bar.end is None else bar.end) - bar.start)
    word = bar.state.name.lower()
    return [
        Segment(f" {mark} {word}", palette.style(hue, bold=True)),
        Segment(f"  {at(bar.start, local)}  {lasted}  ", palette.style("muted")),
        Segment(one_line(bar.label), palette.style()),
    ]
