"""Session journals on disk: an append-only writer that keeps the event loop free.

Each file has one writer; the session's next owner writes the next one (see `places`).
"""

from __future__ import annotations

import logging
import os
import queue
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ...core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from ..files import open_own, private_dir
from .journal_reader import read_entries
from .landmarks import EVERY, LandmarkWriter
from .places import has_moved

log = logging.getLogger(__name__)

SYNC_EVERY_S = 1.0
IDLE_S = 5.0
"""how long a writer's thread waits for more before it ends; sessions are idle most of the time"""
_READ_SIZE = 1 << 20
HELD_MAX = 8 << 20
"""bytes that wait while writes fail; output beyond that is dropped and counted"""


class _Synced(Future[None]):
    """Done when everything appended before it is on disk, not only in the page cache."""


@dataclass(frozen=True, slots=True)
class _Line:
    data: bytes
    is_output: bool = False
    names_places: bool = False
    """of lines before it"""


class JournalWriter:
    """Appends entries from a thread of its own, which ends when nothing comes. `end` grows as they reach the file.

    A full or failing disk never stops a run: `failure` says why, and the entries wait for a retry each second. Output
    beyond `held_max` bytes is dropped in whole lines and counted in `lost`; entries about a run's start and end never are.
    """

    def __init__(
        self,
        path: Path,
        on_written: Callable[[int], None] | None = None,
        held_max: int = HELD_MAX,
        on_closed: Callable[[], None] = lambda: None,
        landmarks_every: int = EVERY,
        on_end: Callable[[], None] = lambda: None,
        idle_s: float = IDLE_S,
    ) -> None:
        """The writer's thread calls `on_written(end)` after each write, with the file's size in bytes; after the last one
        `on_closed` if the file says that its session is closed, and at the end `on_end`."""
        self.path = path
        self.end = 0
        self.failure = ""
        self.lost = 0
        self._on_written = on_written
        self._on_closed = on_closed
        self._on_end = on_end
        self._says_closed = False
        self._landmarks = LandmarkWriter(landmarks_every)
        self._inherited = 0
        """bytes of others in front of our lines"""
        self._appended = 0
        self._held_max = held_max
        self._idle_s = idle_s
        self._fd = -1
        self._dirty_since: float | None = None
        """when the oldest unsynced data was written"""
        self._held: deque[bytes] = deque()
        """not written yet; the first may be the rest of a line"""
        self._held_bytes = 0
        self._closed: Future[None] | None = None
        self._waiting: list[_Line] = []
        self._queue: queue.SimpleQueue[_Line | Future[None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """for `_works` and the queue's end"""
        self._works = False
        """whether a thread takes from the queue"""

    def append(self, entry: Entry, *, may_wait: bool = False) -> int:
        """Hand an entry to the writer. Returns the offset of its line, if the file is new and no earlier line is dropped.

        One that `may_wait` goes with whatever is handed over next: to wake the thread costs more than to write a line."""
        line = encode(entry)
        if isinstance(entry.event, SessionOpened | SessionClosed):
            self._says_closed = isinstance(entry.event, SessionClosed)
        start = self._appended
        is_output = isinstance(entry.event, TextPrinted | DataShown | DataUpdated)
        self._waiting.append(_Line(line, is_output=is_output))
        if naming := self._landmarks.note(start, len(line), entry):
            self._waiting.append(_Line(naming, names_places=True))
        self._appended += len(line) + len(naming)
        if not may_wait:
            self.push()
        return start

    def push(self) -> None:
        """Hand over what waits."""
        if self._waiting:
            self._hand_over()

    def read_at(self, offset: int) -> Entry | None:
        """Return the entry that was written at an offset; None if it is not there. Blocks."""
        return next((entry for _, entry in read_entries(self.path, offset)), None)

    def flushed(self) -> Future[None]:
        """Return a future that is done when everything appended so far is in the file."""
        if self._closed is not None:
            return self._closed
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # cancelling the wait does not stop the writer
        self._hand_over(done)
        return done

    def synced(self) -> Future[None]:
        """Return a future that is done, within about a second, when everything appended so far would survive a crash of the
        machine, or when writing failed: `failure` says why."""
        done = _Synced()
        self._hand_over(done)
        return done

    def beat(self) -> bool:
        """Show that the journal's owner lives. Returns whether it may still write. Blocks."""
        try:
            os.utime(self.path)
            # We just changed it, so NFS asks the server.
            return bool(self.path.stat().st_mode & stat.S_IWUSR)
        except FileNotFoundError:
            return not has_moved(self.path)  # into the closed ones, by who took the session over
        except OSError:
            return True  # the file system fails: nobody has sealed it

    def close(self) -> Future[None]:
        """Write the rest, sync and end the thread. A second call does nothing."""
        if self._closed is None:
            self._closed = self.flushed()
            self._hand_over(None)
        return self._closed

    def _hand_over(self, *more: Future[None] | None) -> None:
        waiting, self._waiting = self._waiting, []
        with self._lock:
            for item in (*waiting, *more):
                self._queue.put(item)
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name=f"journal {self.path.name}", daemon=True).start()

    def _may_rest(self) -> bool:
        """Whether the thread ends now; the next entry starts another one."""
        with self._lock:
            self._works = not self._queue.empty()
            return not self._works

    def _work(self) -> None:
        unsynced: list[Future[None]] = []
        is_end = False
        while not is_end:
            pause = self._until_next_look()
            flushed, synced, is_end = self._take(self._idle_s if pause is None else pause)
            unsynced += synced
            if pause is None and not (flushed or synced or is_end or self._held) and self._may_rest():
                return
            if self._held:
                self._write()
            if is_end and self._says_closed and not self._held:
                self._on_closed()
            for future in flushed:
                future.set_result(None)
            if is_end or self._until_next_look() == 0:
                self._sync()
            if self._dirty_since is None:
                for future in unsynced:
                    future.set_result(None)
                unsynced.clear()
        self._end()
        self._on_end()

    def _until_next_look(self) -> float | None:
        """Seconds until a retry or sync is due; None if neither is."""
        if self._dirty_since is not None:
            return max(0.0, self._dirty_since + SYNC_EVERY_S - time.monotonic())
        return SYNC_EVERY_S if self._held else None

    def _take(self, pause: float | None) -> tuple[list[Future[None]], list[Future[None]], bool]:
        """Wait at most `pause` seconds, then take everything from the queue. Returns the futures that wait for a write, those
        that wait for a sync, and whether to end."""
        flushed: list[Future[None]] = []
        synced: list[Future[None]] = []
        try:
            item = self._queue.get(timeout=pause)
            while True:
                match item:
                    case None:
                        return flushed, synced, True
                    case _Line():
                        self._hold(item)
                    case _Synced():
                        synced.append(item)
                    case Future():
                        flushed.append(item)
                if self._held_bytes > _READ_SIZE:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return flushed, synced, False

    def _hold(self, line: _Line) -> None:
        size = len(line.data)
        if line.is_output and self._held_bytes + size > self._held_max and self.failure:
            self.lost += size
        elif not line.names_places or (
            self._has_all() and not self.lost
        ):  # else the places are others by now
            self._held.append(line.data)
            self._held_bytes += size

    def _has_all(self) -> bool:
        """Whether the file has our lines only."""
        try:
            return not (self._inherited if self._fd >= 0 else self.path.stat().st_size)
        except OSError:
            return True  # there is none yet

    def _write(self) -> None:
        try:
            if self._fd < 0:
                self._open()
            while self._held:
                data = b"".join(self._held)
                self._held = deque([data])
                written = os.write(self._fd, data)
                self.end += written
                self._dirty_since = self._dirty_since or time.monotonic()
                self._held_bytes -= written
                self._held = deque([data[written:]] if written < len(data) else [])
            self.failure = ""
        except OSError as error:
            self.failure = f"{error.strerror or error} ({self.path})"
        if self._on_written is not None:
            try:
                self._on_written(self.end)
            except Exception:
                # A failing bell must not stop the writer.
                log.exception("notifying dashboards of %s failed", self.path)
                self._on_written = None

    def _open(self) -> None:
        private_dir(self.path.parent)
        self._fd = open_own(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            self._held.appendleft(b"\n")  # end a torn line
            self._held_bytes += 1
        self.end = self._inherited = size

    def _end(self) -> None:
        self.lost += self._held_bytes
        if self._fd >= 0:
            os.close(self._fd)

    def _sync(self) -> None:
        if self._dirty_since is not None:
            self._dirty_since = None
            try:
                os.fsync(self._fd)
            except OSError as error:
                self.failure = f"{error.strerror or error} ({self.path})"
