"""Folds the printed text of one run into its counts and its series, in bounded time and memory, as the text comes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from .series import SeriesTable, pairs
from .tracks import Pace, Tracks

PIECE: Final = 64 * 1024
"""characters that one call looks at; of a longer text, both ends"""
BURST: Final = 4 << 20
"""characters that may be looked at without a pause; then `PER_S` a second, and the rest is only counted"""
PER_S: Final = 1 << 20
STEPS_LINES: Final = 64
"""last lines of a piece in which counts are looked for: only where they are now matters"""
_STEPS_CHARS: Final = 8_000
OPEN_MAX: Final = 4000
"""characters kept of a line that has not ended"""
_TORN: Final = " " * OPEN_MAX
"""stands for a line whose beginning nobody looked at"""
_COLOUR: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_BREAK: Final = re.compile(r"[\r\n]")
_HINTS: Final = ("/", "%", " of ")


@dataclass(slots=True)
class Digest:
    """What the text of one run tells so far."""

    series: SeriesTable = field(default_factory=SeriesTable)
    tracks: Tracks = field(default_factory=Tracks)
    lines: int = 0
    """that have ended, as `read_output` counts them where no line is very long"""
    skipped: int = 0
    """of them nobody looked at: the text came too fast"""
    _open: str = ""
    """a line that has not ended"""
    _open_at: float = 0.0
    """when its last part came"""
    _stream: str = ""
    _at: float = 0.0
    _allowance: float = BURST

    def feed(self, text: str, at: float, stream: str = "") -> None:
        """Take in printed text that came at a time (epoch seconds; 0 if unknown)."""
        if stream != self._stream:
            self._end_line()
            self._stream = stream
        if len(text) <= PIECE:
            self._feed(text, at)
            return
        self._feed(text[: PIECE // 2], at)
        behind = text.find("\n", len(text) - PIECE // 2) + 1
        self._pass(text.count("\n", PIECE // 2, behind or len(text)))
        if behind:
            self._open = ""
            self._feed(text[behind:], at)

    def show(self, words: str, at: float) -> None:
        """Take in the new text of something that is shown in place, such as a widget's bar."""
        for line in words[:OPEN_MAX].splitlines():
            self._look(line + "\n", self.lines, at)

    def skip(self, lines: int) -> None:
        """Count lines that are shown and not printed."""
        self._end_line()
        self.lines += lines

    def pace(self, now: float) -> Pace | None:
        """Return how far the run is, by what has come until now; None if it does not say."""
        if not self._open:
            return self.tracks.look(now)
        tracks = self.tracks.copy()
        tracks.feed(_plain(self._open), self._open_at)
        return tracks.look(now)

    def copy(self) -> Digest:
        """Return a copy to read while this one is fed."""
        return replace(self, series=self.series.copy(), tracks=self.tracks.copy())

    def whole(self) -> Digest:
        """Return a copy that has taken in the line that has not ended, too."""
        copied = self.copy()
        copied._end_line()
        return copied

    def _feed(self, text: str, at: float) -> None:
        if self._open and text[:1] in ("\r", "\n"):  # a bar that is drawn anew: the old one has its own time
            self._take(text[0], self._open_at)
            text = text[1:]
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        if end:
            self._take(text[:end], at)
        if (room := OPEN_MAX - len(self._open)) > 0:
            self._open += text[end : end + room]
            self._open_at = at

    def _take(self, text: str, at: float) -> None:
        """Take in text up to the end of a line; its first line continues the open one."""
        self._allowance = min(BURST, self._allowance + PER_S * max(0.0, at - self._at) * (self._at > 0))
        self._at = max(at, self._at)
        if self._allowance < len(text):
            self._pass(text.count("\n"))
            self._open = ""
            return
        self._allowance -= len(text)
        line = self.lines
        self.lines += text.count("\n")
        if len(self._open) < OPEN_MAX:
            text = self._open + text
        else:  # the rest of a line of which too much came
            found = _BREAK.search(text)
            assert found is not None
            line += found[0] == "\n"
            text = text[found.end() :]
        self._open = ""
        self._look(_plain(text), line, at)

    def _end_line(self) -> None:
        if self._open:
            self._take("\n", self._open_at)

    def _pass(self, lines: int) -> None:
        """Count lines that nobody looks at; the open one is theirs."""
        self.lines += lines
        self.skipped += lines
        self._open = _TORN

    def _look(self, text: str, line: int, at: float) -> None:
        if "=" in text or ":" in text:
            place = 0
            for start, name, unit, value in pairs(text):
                line += text.count("\n", place, start)
                place = start
                self.series.add(name, unit, value, line)
        if any(hint in text for hint in _HINTS):
            for part in _BREAK.split(text[-_STEPS_CHARS:])[-STEPS_LINES:]:
                if any(hint in part for hint in _HINTS):
                    self.tracks.feed(part, at)


def _plain(text: str) -> str:
    return _COLOUR.sub("", text) if "\x1b" in text else text
