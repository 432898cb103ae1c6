"""Lines cut into rows of a width: how many rows a line takes, and which row of a text is which part of which line."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from rich.cells import cell_len
from rich.segment import Segment

from ..core.scrollback import Scrollback
from .ansi import plain

Row = list[Segment]


def shown_text(text: Scrollback, line: int, limit: int) -> str:
    """A line as it is shown: at most `limit` characters, and how many more there are."""
    raw = text.raw(line)
    if len(raw) <= limit:
        return raw.decode("utf-8", "replace")
    return f"{raw[:limit].decode('utf-8', 'ignore')} … {len(raw) - limit + text.cut_bytes:,} more bytes"


def measure(text: Scrollback, line: int, width: int, limit: int) -> int:
    """Rows that a line takes when it is wrapped at `width`."""
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


def wrap(row: Row, width: int) -> list[Row]:
    """A row cut into rows of at most `width` columns; a wide character is never split."""
    width = max(2, width)  # one wide character at least, or it would never end
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
    """Rows before each line of an expanded text, kept up to date as it grows."""

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
        # The last lines may have been rewritten since.
        first = max(0, len(self._before) - 32)
        total = self._before[first] if first < len(self._before) else 0
        del self._before[first:]
        if first < count and not self.text.has_tabs and self.text.longest(first) <= self.width:
            self._before.extend(range(total, total + count - first))
            self.total = total + count - first
            return
        for line in range(first, count):
            self._before.append(total)
            total += measure(self.text, line, self.width, self._limit)
        self.total = total

    def find(self, row: int) -> tuple[int, int]:
        line = bisect_right(self._before, row) - 1
        return line, row - self._before[line]

    def row_of(self, line: int) -> int:
        return self._before[line] if line < len(self._before) else self.total
