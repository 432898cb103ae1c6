"""Writes the segment files of one kernel. No error loses a record: the next file repeats what one file lost.

A network file system may accept a record and refuse it later, on fsync or close (a full quota, a replaced server). So
records stay in memory until the file is synchronised, and after any error a new file starts.
"""

from __future__ import annotations

import bisect
import contextlib
import os
from typing import Any, List, NamedTuple, Optional, Tuple

from . import segments

SEGMENT_BYTES = 4 << 20
IOV_MAX = 1024
"""Most parts of one writev (POSIX guarantees 16, Linux and macOS have 1024)."""

Record = Tuple[int, bytes]


class _Segment(NamedTuple):
    first: int
    last: int
    size: int
    path: str


class SegmentWriter:
    """For the spool thread only, except `unsafe`."""

    def __init__(self, folder: str, max_bytes: int, system: Any = os) -> None:
        """`system`: the module os, or a stand-in."""
        self.folder = folder
        self.max_bytes = max_bytes
        self.size = 0
        self._os = system
        self._closed: List[_Segment] = []
        """In the order of their numbers."""
        self._current: Optional[_Segment] = None
        self._synced: Optional[_Segment] = None
        """The current one, up to what is surely on disk."""
        self._fd = -1
        self._acked = 0
        self._unsafe: List[Record] = []
        """Records that may not be on disk: those of the current segment, or of none."""

    def write(self, records: List[Record]) -> List[Tuple[int, int, int]]:
        """Append records. Returns (first, last, bytes) of what it removed to stay within the bound. On OSError it takes none."""
        self._take(records)
        return self._enforce_bound()

    def ack(self, seq: int) -> None:
        """Remove segments without numbers above `seq`."""
        self._acked = max(self._acked, seq)
        if self._current is None:
            self._unsafe = [record for record in self._unsafe if record[0] > self._acked]
        kept = []
        for segment in self._closed:
            if segment.last <= self._acked:
                self._remove(segment)
            else:
                kept.append(segment)
        self._closed = kept
        current = self._current
        if current is not None and current.first <= current.last <= self._acked:
            self._unsafe = []
            self._close()
            self._remove(current)

    def sync(self) -> None:
        """Synchronise the current file; the second time in a row close it, until there is more. Raises OSError."""
        if self._current is None:
            self._take([])
        if self._unsafe or self._fd < 0:
            self._sync_current()
        else:
            self._rest()

    def _rest(self) -> None:
        """Give the descriptor back: most kernels are silent most of the time, and those that have ended for ever."""
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            self._os.close(fd)

    def unsafe(self) -> List[Record]:
        """Records that the files may lack, oldest first; for any thread."""
        return self._unsafe

    def close(self, remove: bool) -> None:
        """Raises OSError."""
        if remove:
            self._close()
            with contextlib.suppress(OSError):
                segments.remove_recording(self.folder)
        else:
            self.sync()
            self._end()

    def _take(self, records: List[Record]) -> None:
        again = self._unsafe if self._current is None else []
        batch = [*again, *records]
        if not batch:
            return
        try:
            self._append(batch)
        except OSError:
            if again:
                self._lose()
            else:
                with contextlib.suppress(OSError):
                    self._end()
            raise
        self._unsafe = [*self._unsafe, *records]
        try:
            if again:
                # The file system refused accepted data: synchronise each batch at once until it works again.
                self._sync_current()
            if self._current is not None and self._current.size >= SEGMENT_BYTES:
                self._end()
        except OSError:
            self._unsafe = self._unsafe[: len(self._unsafe) - len(records)]
            raise

    def _append(self, batch: List[Record]) -> None:
        if self._current is None:
            self._begin(batch[0][0])
        current = self._current
        assert current is not None
        parts = segments.encode(batch)
        try:
            if self._fd < 0:
                flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = self._os.open(current.path, flags)
            for first in range(0, len(parts), IOV_MAX):
                self._write_all(parts[first : first + IOV_MAX])
        except OSError:
            with contextlib.suppress(OSError):
                self._os.ftruncate(self._fd, current.size)
            raise
        size = sum(map(len, parts))
        self.size += size
        self._current = current._replace(last=batch[-1][0], size=current.size + size)

    def _write_all(self, parts: List[bytes]) -> None:
        """Write the parts one by one, because joining would copy a large record."""
        written = self._os.writev(self._fd, parts)
        for part in parts:
            if written >= len(part):
                written -= len(part)
                continue
            rest = memoryview(part)[written:]
            written = 0
            while rest:
                rest = rest[self._os.write(self._fd, rest) :]

    def _begin(self, first: int) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        path = os.path.join(self.folder, segments.segment_name(first))
        fd = self._os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._os.write(fd, segments.MAGIC)
        except OSError:
            with contextlib.suppress(OSError):
                self._os.close(fd)
            with contextlib.suppress(OSError):
                self._os.unlink(path)
            raise
        self._fd = fd
        self._current = self._synced = _Segment(first, first - 1, len(segments.MAGIC), path)
        self.size += len(segments.MAGIC)

    def _sync_current(self) -> None:
        if self._current is None:
            return
        if self._unsafe:
            try:
                self._os.fsync(self._fd)
            except OSError:
                self._lose()
                raise
        self._synced, self._unsafe = self._current, []

    def _end(self) -> None:
        """Finish the current segment. Raises OSError; then the next one repeats what this one may have lost."""
        self._sync_current()
        if self._current is not None:
            ended = self._current
            self._close()
            self._keep(ended)

    def _lose(self) -> None:
        """Abandon the current segment after an error; the next one repeats `_unsafe`."""
        if self._current is None or self._synced is None:
            return
        self.size -= self._current.size - self._synced.size
        self._close()
        with contextlib.suppress(OSError):
            self._os.truncate(self._synced.path, self._synced.size)
        self._keep(self._synced)

    def _close(self) -> None:
        """Close the file and ignore errors: unsynchronised records are removed or written again.

        Forgets the descriptor first, because the next opened file may get its number, even if closing fails.
        """
        fd, self._fd = self._fd, -1
        self._current = None
        if fd >= 0:
            with contextlib.suppress(OSError):
                self._os.close(fd)

    def _keep(self, segment: _Segment) -> None:
        if segment.last < segment.first:
            self._remove(segment)
        else:
            bisect.insort(self._closed, segment)

    def _remove(self, segment: _Segment) -> None:
        self.size -= segment.size
        with contextlib.suppress(OSError):
            self._os.unlink(segment.path)

    def _enforce_bound(self) -> List[Tuple[int, int, int]]:
        dropped = []
        while self.size > self.max_bytes and self._closed:
            oldest = self._closed.pop(0)
            self._remove(oldest)
            if oldest.last > self._acked:
                dropped.append((oldest.first, oldest.last, oldest.size))
        return dropped
