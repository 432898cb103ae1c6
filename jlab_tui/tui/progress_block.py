"""The last rows of a running cell: how far it is and when it ends, and how its numbers go."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.segment import Segment

from ..core.progress.digest import Digest
from ..core.progress.sentences import ends_late, rate_words, short
from ..core.progress.series import Series
from ..core.progress.tracks import Pace
from .ansi import one_line
from .blocks import Frame
from .format import at, seconds, shortened
from .wrapping import Row

SERIES_SHOWN = 3
_SPARK_COLUMNS = 12
_VALUES_LEAST = 3
_CLOCK_FROM_S = 60.0
"""time left from which on the end is told as a time of day"""
_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-=+*#@"


class ProgressBlock:
    """A bar with rate and time left, if steps are printed, and a row of numbers, if some are printed again and again."""

    def __init__(self, digest: Digest, frame: Frame, hue: str) -> None:
        self.shows = digest
        self.frame = frame
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self._has_pace = digest.pace(frame.now) is not None
        self._numbers = _numbers(shown_series(digest), frame)
        self.height = self._has_pace + bool(self._numbers)

    def row(self, index: int) -> Row:
        if index == 0 and self._has_pace and (pace := self.shows.pace(self.frame.now)) is not None:
            return [self._bar, *_pace(pace, self.frame)]
        return [self._bar, *self._numbers]


def shown_series(digest: Digest) -> list[Series]:
    """Return the few series that change and are no counters."""
    telling = [one for one in digest.series.telling if not one.is_constant and not one.is_counter]
    return [one for one in telling if len(one.values) >= _VALUES_LEAST][:SERIES_SHOWN]


def spark(values: Sequence[float], columns: int, levels: str = _LEVELS) -> str:
    """Draw values from left to right, the mean of several in one column, from the least to the greatest of the drawn."""
    columns = min(columns, len(values))
    edges = [len(values) * column // max(1, columns) for column in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means, default=0.0), max(means, default=0.0)
    if not high > low:
        return levels[0] * columns
    return "".join(
        levels[min(len(levels) - 1, int((mean - low) / (high - low) * len(levels)))] for mean in means
    )


def _pace(pace: Pace, frame: Frame) -> Row:
    palette, glyphs = frame.palette, frame.glyphs
    columns = max(8, min(24, frame.body // 6))
    full = int(pace.share * columns)
    row = [
        Segment(glyphs.full * full, palette.style("primary")),
        Segment(glyphs.full * (columns - full), palette.style("faint")),
        Segment(f" {100 * pace.share:3.0f}%  ", palette.style(bold=True)),
    ]
    dot, parts = f" {glyphs.separator} ", []
    if pace.left is not None and pace.share < 1.0:
        parts.append(Segment(f"{seconds(pace.left)} left", palette.style("text")))
        if (ends := ends_late(pace, frame.now, frame.job_ends)) is not None:
            late = f"ends about {_clock(ends, frame)}, the job ends {_clock(frame.job_ends, frame)}"
            parts.append(Segment(late, palette.style("warning", bold=True)))
        elif pace.left >= _CLOCK_FROM_S and not pace.is_part:
            parts.append(Segment(f"ends {_clock(frame.now + pace.left, frame)}", palette.style("muted")))
    if not pace.is_share:
        rate = [rate_words(pace.rate)] if pace.rate else []
        parts += [Segment(words, palette.style("muted")) for words in (*rate, one_line(pace.shown))]
    room = frame.body - sum(cell_len(segment.text) for segment in row)
    for number, part in enumerate(parts):
        piece = [Segment(dot, palette.style("faint")), part] if number else [part]
        room -= sum(cell_len(segment.text) for segment in piece)
        if room < 0:
            break
        row += piece
    return row


def _clock(when: float, frame: Frame) -> str:
    is_near = abs(when - frame.now) < 20 * 3600
    return at(when, frame.local, "%H:%M" if is_near else "%a %H:%M")


def _numbers(series: Sequence[Series], frame: Frame) -> Row:
    """Return as many of the series as fit in one row."""
    palette, levels = frame.palette, _ASCII_LEVELS if frame.glyphs.is_ascii else _LEVELS
    row: Row = []
    room = frame.body
    for one in series:
        name, value = (
            shortened(one_line(one.name), 20, frame.glyphs.ellipsis),
            f"{short(one.last)}{one.unit} ",
        )
        drawn = spark(one.values, _SPARK_COLUMNS, levels)
        gap = "   " if row else ""
        room -= cell_len(f"{gap}{name} {value}{drawn}")
        if room < 0:
            break
        row += [
            Segment(f"{gap}{name} ", palette.style("muted")),
            Segment(value, palette.style("text")),
            Segment(drawn, palette.style("primary")),
        ]
    return row
