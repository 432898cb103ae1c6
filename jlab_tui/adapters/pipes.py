"""Lines through pipes, without asyncio, whose import takes as much memory as the whole relay."""

from __future__ import annotations

import os
import select
from typing import Final

LINE_MAX: Final = 16 << 20
"""bytes of one line; who reads for a pipe in which so much waits stops reading"""
_CHUNK: Final = 1 << 16


class LineCutter:
    """Cuts a pipe's data into lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._skipped = b""
        """the beginning of a line that is too long, until it ends"""

    def feed(self, data: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return the whole lines, and the beginnings of too long ones, which are dropped."""
        lines: list[bytes] = []
        dropped: list[bytes] = []
        *ended, rest = data.split(b"\n")
        for part in ended:
            if self._skipped:
                dropped.append(self._skipped)
                self._skipped = b""
            elif (line := b"".join([*self._parts, part])).strip():
                lines.append(line + b"\n")
            self._parts, self._size = [], 0
        if rest and not self._skipped:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > LINE_MAX:
                self._parts, self._size, self._skipped = [], 0, b"".join(self._parts[:2])[:_CHUNK]
        return lines, dropped


class Outlet:
    """Writes lines to a pipe without waiting for its reader. Drops them once the reader is gone."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._waiting: list[memoryview] = []
        self.size = 0
        """bytes that wait"""
        self.is_closed = False
        """by the reader, or here"""
        self._was_blocking = os.get_blocking(fd)
        os.set_blocking(fd, False)

    def send(self, line: bytes) -> None:
        if not self.is_closed:
            self._waiting.append(memoryview(line))
            self.size += len(line)
            self.flush()

    def flush(self) -> None:
        while self._waiting:
            try:
                written = os.write(self.fd, self._waiting[0])
            except BlockingIOError:
                return
            except OSError:
                self._drop()
                return
            self.size -= written
            if written == len(self._waiting[0]):
                del self._waiting[0]
            else:
                self._waiting[0] = self._waiting[0][written:]

    def close(self) -> None:
        self._drop()
        if self.fd >= 0:
            # A terminal's other programs share this setting.
            os.set_blocking(self.fd, self._was_blocking)
            os.close(self.fd)
            self.fd = -1

    def _drop(self) -> None:
        self._waiting, self.size, self.is_closed = [], 0, True


def read_some(fd: int) -> bytes | None:
    """Read what is there: nothing at the end or if the writer broke off, None if there is nothing yet."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def has_reader(fd: int) -> bool:
    """Whether somebody may still read what is written to `fd`."""
    poll = select.poll()
    poll.register(fd, 0)
    return not any(flags & (select.POLLERR | select.POLLNVAL) for _, flags in poll.poll(0))
