"""Wraps lines into rows: how many rows a line takes, and which part of which line is at a row."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from ..core.feed.scrollback import Scrollback
from .ansi import plain

Row = list[Segment]


def shown_text(text: Scrollback, line: int, limit: int) -> str:
    """Return a line for the screen: at most `limit` characters, and how many more there are."""
    raw = text.raw(line)
    if len(raw) <= limit:
        return raw.decode("utf-8", "replace")
    return f"{raw[:limit].decode('utf-8', 'ignore')} … {len(raw) - limit + text.cut_bytes:,} more bytes"


def measure(text: Scrollback, line: int, width: int, limit: int) -> int:
    """Return the rows of a line wrapped at `width`."""
    length = text.length(line)
    if length * 8 <= width or (length <= width and not text.has_tabs):
        return 1
    raw = text.raw(line)
    if len(raw) <= width and not text.has_tabs:
        return 1
    if len(raw) <= limit and raw.isascii() and b"\x1b" not in raw and b"\t" not in raw and b"\x00" not in raw:
        return -(-len(raw) // width)
    shown = plain(shown_text(text, line, limit))
    return len(wrap([Segment(shown.expandtabs(8))], width))


def line_rows(text: Scrollback, first: int, last: int, width: int, limit: int) -> list[int]:
    """Return the rows of each line from `first` up to `last`; fast for a million."""
    lengths = text.lengths(first, last)
    longest = max(lengths, default=0)
    if not text.has_tabs and longest <= width:
        return [1] * len(lengths)
    if not text.has_tabs and text.is_plain and longest <= limit:
        rows = [-(-(length - 1) // width) or 1 for length in lengths]
        return [*rows[:-1], measure(text, last - 1, width, limit)]  # the last line may have no newline
    short = width if not text.has_tabs else width // 8
    return [
        1 if length <= short else measure(text, line, width, limit)
        for line, length in enumerate(lengths, first)
    ]


def is_ruler(line: str) -> bool:
    """Whether a line only separates others: it is cut where it does not fit."""
    return set(line.strip()) == {"-"}


def wrap_words(text: str, style: Style, width: int) -> list[Row]:
    """Wrap a sentence between words; cut a word that is longer than a row."""
    rows: list[Row] = []
    line = ""
    for word in text.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            rows += wrap([Segment(line, style)], width)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return rows + wrap([Segment(line, style)], width)


def wrap(row: Row, width: int) -> list[Row]:
    """Cut a row into rows of at most `width` columns, never inside a wide character."""
    width = max(2, width)  # room for one wide character, or it would never end
    if sum(len(segment.text) for segment in row) * 2 <= width:
        return [row]
    rows: list[Row] = [[]]
    room = width
    for segment in row:
        text, style = segment.text, segment.style
        if text.isascii():
            while len(text) > room:
                if room:
                    rows[-1].append(Segment(text[:room], style))
                text = text[room:]
                rows.append([])
                room = width
            if text:
                rows[-1].append(Segment(text, style))
                room -= len(text)
            continue
        start = 0
        for index, char in enumerate(text):
            size = cell_len(char)
            if size > room:
                rows[-1].append(Segment(text[start:index], style))
                rows.append([])
                start, room = index, width
            room -= size
        rows[-1].append(Segment(text[start:], style))
    return rows


class WrapIndex:
    """Rows before each line of an expanded text, updated as it grows."""

    __slots__ = ("_before", "_dropped", "_limit", "text", "total", "width")

    def __init__(self, text: Scrollback, width: int, limit: int) -> None:
        self.text = text
        self.width = width
        self.total = 0
        self._limit = limit
        self._before = array("I")
        self._dropped = text.dropped

    def update(self) -> None:
        count = len(self.text)
        if self.text.dropped != self._dropped or count < len(self._before):
            self._before = array("I")
            self._dropped = self.text.dropped
            self.total = 0
        # The last lines may have changed since.
        first = max(0, len(self._before) - 32)
        total = self._before[first] if first < len(self._before) else 0
        del self._before[first:]
        rows = line_rows(self.text, first, count, self.width, self._limit)
        self._before.extend(accumulate(rows[:-1], initial=total) if rows else ())
        self.total = total + sum(rows)

    def find(self, row: int) -> tuple[int, int]:
        line = bisect_right(self._before, row) - 1
        return line, row - self._before[line]

    def row_of(self, line: int) -> int:
        return self._before[line] if line < len(self._before) else self.total
