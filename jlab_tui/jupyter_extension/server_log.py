"""Bounds the server's log: the length of lines, the rate of each place in the code, and the size of the file.

The log is the standard error of a detached process or a job, so nobody can rename it. It is shortened in place and keeps
the end and the beginning, which shows how the server started.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from typing import Any, Callable, Dict, List, Tuple

LINE_CHARS = 440
"""characters of one line, without the prefix of level, time and name"""
LINES = 60
"""lines of one message or traceback"""
A_MINUTE = 30
"""messages from one place in the code"""
FILE_BYTES = 8 << 20
KEPT_HEAD, KEPT_TAIL = 256 << 10, 4 << 20
_LOOK_EVERY = 64 << 10
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def bound(descriptor: int = 2) -> None:
    """Bound the output of all loggers of this process. Called when the server listens and has made its handlers."""
    limit = LogLimit(time.monotonic, lambda: shorten_file(descriptor))
    named = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    handlers = {handler for logger in (logging.root, *named) for handler in logger.handlers}
    if logging.lastResort is not None:
        handlers.add(logging.lastResort)  # for loggers without a handler, such as asyncio's
    for handler in handlers:
        handler.addFilter(limit)


class LogLimit(logging.Filter):
    """Shortens records, and drops and counts those that one place writes too often.

    Calls `look` after about each 64 kB."""

    def __init__(self, now: Callable[[], float], look: Callable[[], Any]) -> None:
        super().__init__()
        self._now, self._look = now, look
        self._written = 0
        self._places: Dict[Tuple[str, int], Tuple[float, int]] = {}
        """since when, and how many"""

    def filter(self, record: logging.LogRecord) -> bool:
        place = (record.pathname, record.lineno)
        since, count = self._places.get(place, (self._now(), 0))
        more = ""
        if self._now() - since >= 60:
            more = " (%d more were left out)" % (count - A_MINUTE) if count > A_MINUTE else ""
            since, count = self._now(), 0
        self._places[place] = since, count + 1
        if count >= A_MINUTE:
            return False
        if count == A_MINUTE - 1:
            more += " (more of this kind are left out for a minute)"
        self._shorten(record, more)
        return True

    def _shorten(self, record: logging.LogRecord, more: str) -> None:
        try:
            text = record.getMessage()
        except (
            TypeError,
            ValueError,
            KeyError,
        ) as error:  # logging itself would print wrong arguments in full
            text = "%s (%r)" % (record.msg, error)
        record.msg, record.args = shorten(text) + more, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = shorten(logging.Formatter().formatException(record.exc_info))
        self._written += len(record.msg) + len(record.exc_text or "")
        if self._written >= _LOOK_EVERY:
            self._written = 0
            self._look()


def shorten(text: str) -> str:
    """Return text for the log: few short lines without control characters."""
    lines: List[str] = text[: 1 << 20].split("\n")
    if len(lines) > LINES:
        left_out = "... %d lines ..." % (len(lines) - LINES + 1)
        lines = [*lines[:10], left_out, *lines[11 - LINES :]]
    return "\n".join(
        _UNPRINTABLE.sub("?", line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 3] + "...")
        for line in lines
    )


def shorten_file(descriptor: int) -> bool:
    """Remove the middle of a file that is too large. Returns False for a small file, or none.

    If it cannot be read back (no /proc), only its beginning stays."""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= FILE_BYTES:
            return False
        with open("/proc/self/fd/%d" % descriptor, "r+b") as file:
            head = file.read(KEPT_HEAD).rpartition(b"\n")[0]
            file.seek(found.st_size - KEPT_TAIL)
            tail = file.read().partition(b"\n")[2]
            note = b"\n... %d bytes of this log were removed ...\n" % (found.st_size - len(head) - len(tail))
            file.seek(len(head))
            file.write(note + tail)
            file.truncate()
    except FileNotFoundError:
        os.ftruncate(descriptor, KEPT_HEAD)
    except OSError:
        return False
    for shared in {1, 2, descriptor}:  # without O_APPEND, the next line would go to the old end
        if os.path.samestat(os.fstat(shared), found):
            os.lseek(shared, 0, os.SEEK_END)
    return True
