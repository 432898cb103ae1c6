"""Collects where the lines of a journal are that readers of long journals need, for its writer to tell them."""

from __future__ import annotations

from typing import Final

from ...core.journal.events import Entry, Landmarks, encode
from ...core.session.landmarks import Mark, Marker

EVERY: Final = 1 << 20
"""bytes of a journal between two lines that say where others are"""


class LandmarkWriter:
    """The places of one journal's lines."""

    def __init__(self, every: int = EVERY) -> None:
        self._every = every
        self._marker = Marker()
        self._lines: list[int] = []
        self._late: list[int] = []
        self._before = -1
        self._since = 0

    def note(self, offset: int, size: int, entry: Entry) -> bytes:
        """Note the next line of the file. Returns the line that has to follow it, mostly none."""
        mark = self._marker.mark(entry)
        if mark is not Mark.OUTPUT:
            self._lines.append(offset)
        if mark is Mark.LATE:
            self._late.append(offset)
        end = offset + size
        if end - self._since < self._every:
            return b""
        naming = Landmarks(tuple(self._lines), tuple(self._late), self._before)
        line = encode(Entry(entry.at, naming, self._marker.seq))
        self._before, self._since = end, end + len(line)
        self._lines, self._late = [], []
        return line
