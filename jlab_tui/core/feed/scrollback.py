"""The text that a cell printed, as a terminal would show it: one byte buffer and the starts of its lines.

A million lines cost little more than their bytes. Carriage returns, backspaces and cursor-up (progress bars) rewrite
lines in place; colours stay in the text and are decoded only for the rows that are drawn.

One file, because the cursor, the lines and their starts change together.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from itertools import accumulate, islice, repeat
from operator import sub

KEEP_BYTES = 8 << 20
"""text kept for one block of output; beyond it the block drops and counts the middle"""
HEAD_LINES = 64
FIRST_MAX = 1 << 16
"""characters written into the first line that are kept to go on with a line before it"""
LINE_MAX = 1 << 20
"""bytes kept of one line"""

_DIGITS = 4
"""read of the number of a move, which ends at the edge of what is kept anyway"""
_CURSOR = re.compile(r"\x1b\[\d*[ABGK]")
_TOKEN = re.compile(
    r"(?P<newline>\r*\n)|(?P<back>[\b]+)|(?P<home>\r|\x1b\[[01]?G)|\x1b\[(?P<count>\d*)(?P<move>[ABK])"
)


def _moves_cursor(text: str) -> bool:
    # Three plain searches are ten times faster than one expression, and most text has no match.
    return "\r" in text or "\b" in text or ("\x1b[" in text and _CURSOR.search(text) is not None)


class Scrollback:
    """Append-only lines with a cursor in the last few of them."""

    __slots__ = (
        "_column",
        "_edited",
        "_first",
        "_is_coloured",
        "_is_first",
        "_keep_bytes",
        "_stderr",
        "_streams",
        "_up",
        "buffer",
        "cut_bytes",
        "dropped",
        "gap",
        "has_tabs",
        "is_open",
        "is_plain",
        "starts",
    )

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_bytes = keep_bytes
        self.buffer = bytearray()
        self.starts = array("I")
        self.is_open = False
        """the last line has no newline yet"""
        self.dropped = 0
        """lines dropped from the middle"""
        self.gap = 0
        """number of the line before which they were dropped"""
        self.has_tabs = False
        """a tab was written, so a line's columns may exceed its bytes"""
        self.is_plain = True
        """only ASCII without colours was written, so a byte is a column, except for tabs"""
        self.cut_bytes = 0
        """bytes cut from lines that were too long"""
        self._up = 0
        """lines between the cursor and the last line"""
        self._column: int | None = None
        """cursor's column after a carriage return; None at the end of the line"""
        self._edited: list[str] | None = None
        """characters of the line under the cursor during a rewrite"""
        self._is_coloured = False
        """they contain escape sequences"""
        self._first: str | None = ""
        """what was written into the first line, which may go on a line that this one knows nothing of; None if that is too long
        or the line was left and changed"""
        self._is_first = True
        """nothing has ended that line"""
        self._stderr = False
        self._streams: list[int] = []
        """lines where output switches between stdout and stderr, stderr first"""

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, line: int) -> bytes:
        """Return the bytes of one line without its newline."""
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.buffer)
        raw = bytes(self.buffer[self.starts[line] : end])
        return raw[:-1] if raw.endswith(b"\n") else raw

    def length(self, line: int) -> int:
        """Return the bytes of one line with its newline."""
        return (self.starts[line + 1] if line + 1 < len(self.starts) else len(self.buffer)) - self.starts[
            line
        ]

    def lengths(self, first: int, last: int) -> list[int]:
        """Return the bytes of the lines from `first` up to `last`, with their newlines."""
        ends = self.starts[first + 1 : last + 1]
        if last >= len(self.starts):
            ends.append(len(self.buffer))
        return list(map(sub, ends, self.starts[first:last]))

    def is_stderr(self, line: int) -> bool:
        return bisect_right(self._streams, line) % 2 == 1

    def text(self) -> str:
        return self.buffer.decode("utf-8", "replace")

    def write(self, text: str, *, stderr: bool = False) -> None:
        if not text:
            return
        if stderr != self._stderr:
            self._switch(stderr)
        if self._is_first:
            self._note_first(text)
        if self._up or self._column is not None or _moves_cursor(text):
            self._write_controlled(text)
        else:
            self._append(text)
        self._is_first = self._is_first and "\n" not in text
        if len(self.buffer) > self._keep_bytes * 5 // 4:
            self._shrink()

    def keep(self, keep_bytes: int) -> None:
        """Set how much to keep, and drop the excess at once."""
        self._keep_bytes = keep_bytes
        if len(self.buffer) > keep_bytes * 5 // 4:
            self._shrink()

    def go_on(self, later: Scrollback) -> None:
        """Append what was written afterwards into another scrollback, which is not used any more."""
        self._leave_line()
        later._leave_line()
        is_stderr = later._streams[:1] == [0] if later.starts else self._stderr
        if self.is_open and is_stderr != self._stderr:
            self.buffer += b"\n"
            self.is_open = False
        if (self.is_open or not self.starts) and later._first is not None:
            ends = len(later.starts) > 1 or (bool(later.starts) and not later.is_open)
            self.write(later._first + "\n" * ends, stderr=is_stderr)
            later._drop_first_line()
        if not later.starts:
            return
        if self._is_first:
            self._first, self._is_first = None, False
        lines, size = len(self.starts) - self.is_open, len(self.buffer)
        switches = [*self._streams, *([lines] if self._stderr else []), *(lines + s for s in later._streams)]
        self._streams = []
        for switch in switches:
            if self._streams and self._streams[-1] == switch:
                self._streams.pop()
            else:
                self._streams.append(switch)
        if later.dropped:
            self.gap = self.gap or lines + later.gap
        self.starts.extend(start + size for start in later.starts[self.is_open :])
        self.buffer += later.buffer
        self.is_open = later.is_open
        self.dropped += later.dropped
        self.cut_bytes += later.cut_bytes
        self.has_tabs |= later.has_tabs
        self.is_plain &= later.is_plain
        self._up, self._column, self._stderr = later._up, later._column, later._stderr
        if len(self.buffer) > self._keep_bytes * 5 // 4:
            self._shrink()

    def _note_first(self, text: str) -> None:
        self._first = (self._first or "") + text.partition("\n")[0]
        if len(self._first) > FIRST_MAX:
            self._first, self._is_first = None, False

    def _drop_first_line(self) -> None:
        size = self.length(0) if self.starts else 0
        del self.buffer[:size]
        self.starts = array("I", (start - size for start in self.starts[1:]))
        self._streams = [max(0, line - 1) for line in self._streams]
        self.gap = max(0, self.gap - 1)
        self.is_open = self.is_open and bool(self.starts)

    def _switch(self, stderr: bool) -> None:
        self._is_first = self._is_first and not self.starts
        if self._is_first:
            self._first = ""  # what moved a cursor before any text
        self._stderr = stderr
        if self.is_open:
            self.buffer += b"\n"
            self.is_open = False
        self._up, self._column = 0, None
        at = len(self.starts)
        if self._streams and self._streams[-1] == at:
            self._streams.pop()
        else:
            self._streams.append(at)

    def _note_kind(self, data: bytes) -> None:
        self.has_tabs = self.has_tabs or b"\t" in data
        if self.is_plain and not (data.isascii() and b"\x1b" not in data and b"\x00" not in data):
            self.is_plain = False

    def _append(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self._note_kind(data)
        lines = data.splitlines(keepends=True)
        base = len(self.buffer)
        starts = accumulate(map(len, lines), initial=base)
        self.starts.extend(islice(starts, 1 if self.is_open else 0, len(lines)))
        self.buffer += data
        self.is_open = not data.endswith(b"\n")
        if self.is_open and len(self.buffer) - self.starts[-1] > LINE_MAX:
            self.cut_bytes += len(self.buffer) - self.starts[-1] - LINE_MAX
            del self.buffer[self.starts[-1] + LINE_MAX :]

    def _write_controlled(self, text: str) -> None:
        position = 0
        for match in _TOKEN.finditer(text):
            self._put(text[position : match.start()])
            position = match.end()
            if match["newline"]:
                self._newline()
            elif match["home"]:
                self._column = 0
            elif match["back"]:
                self._column = max(0, self._here() - len(match["back"]))
            else:
                self._move(match["move"], match["count"])
        self._put(text[position:])
        self._leave_line()

    def _move(self, move: str, count: str) -> None:
        steps = int(count[:_DIGITS] or (0 if move == "K" else 1))
        match move:
            case "A":
                self._column = self._here()
                self._leave_line()
                self._up = min(
                    self._up + max(1, steps), max(0, len(self.starts) - (1 if self.is_open else 0))
                )
            case "B":
                self._column = self._here()
                self._leave_line()
                self._up = max(0, self._up - max(1, steps))
            case _:
                keep = 0 if steps == 2 else self._column
                if keep is not None:
                    line = self._characters()
                    del line[keep:]
                    self._is_coloured = self._is_coloured and "\x1b" in line

    def _newline(self) -> None:
        self._leave_line()
        self._is_first = False
        if self._up:
            self._up -= 1
            self._column = 0
            return
        self._column = None
        if not self.is_open:
            self.starts.append(len(self.buffer))
        self.buffer += b"\n"
        self.is_open = False

    def _put(self, part: str) -> None:
        if not part:
            return
        if self._column is None and self._edited is None:
            self._append(part)
            return
        if self._target() >= len(self.starts):
            self._replace(" ")  # the line exists from its first character on
            self._edited, self._is_coloured = [], False
        line, column = self._characters(), self._here()
        if self._is_coloured and self._column is not None:  # unknown columns: replace what the line had
            line[:] = part
        elif "\x1b" in part:
            line[column:] = part
        else:
            line += " " * (column - len(line))
            line[column : column + len(part)] = part
        self._is_coloured = "\x1b" in part or (self._is_coloured and self._column is None)
        if self._column is not None:
            self._column += len(part)
            if not self._up and self._column >= len(line):
                self._column = None

    def _here(self) -> int:
        return len(self._characters()) if self._column is None else self._column

    def _characters(self) -> list[str]:
        """Split the line under the cursor once, however often it is rewritten."""
        if self._edited is None:
            line = self._target()
            text = self.raw(line).decode("utf-8", "replace") if 0 <= line < len(self.starts) else ""
            self._edited = list(text)
            self._is_coloured = "\x1b" in text
        return self._edited

    def _leave_line(self) -> None:
        """Join the line again before the cursor leaves it or a reader needs it."""
        if self._edited is not None:
            edited, self._edited = self._edited, None
            self._replace("".join(edited))

    def _target(self) -> int:
        """Return the number of the line under the cursor; the number of lines when the cursor is on a new one."""
        return len(self.starts) - (1 if self.is_open else 0) - self._up

    def _replace(self, text: str) -> None:
        line = max(0, self._target())
        if line == 0 and not self._is_first:
            self._first = None
        whole = text.encode("utf-8", "replace")
        data = whole[:LINE_MAX]
        self.cut_bytes += len(whole) - len(data)
        self._note_kind(data)
        if line >= len(self.starts):
            if not data:
                return
            self.starts.append(len(self.buffer))
            self.buffer += data
            self.is_open = True
            return
        start = self.starts[line]
        if line + 1 == len(self.starts) and self.is_open:
            self.buffer[start:] = data
            return
        end = self.starts[line + 1] - 1 if line + 1 < len(self.starts) else len(self.buffer) - 1
        self.buffer[start:end] = data
        shift = len(data) - (end - start)
        for later in range(line + 1, len(self.starts)):
            self.starts[later] += shift

    def _shrink(self) -> None:
        """Drop the middle; keep the first lines and the newest three quarters."""
        first = self.gap or min(HEAD_LINES, len(self.starts) // 4)
        last = bisect_right(self.starts, len(self.buffer) - self._keep_bytes * 3 // 4)
        if last <= first or last >= len(self.starts):
            return
        if first == 0:
            self._first, self._is_first = None, False
        start, end = self.starts[first], self.starts[last]
        del self.buffer[start:end]
        kept = array("I", map(sub, self.starts[last:], repeat(end - start)))
        self.starts = self.starts[:first] + kept
        self._streams = [s if s <= first else max(first, s - (last - first)) for s in self._streams]
        self.gap = first
        self.dropped += last - first
