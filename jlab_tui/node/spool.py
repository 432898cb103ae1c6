"""The one thread that touches the spool's file system. If that hangs, this thread hangs and nothing else does."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from . import segments

SEGMENT_BYTES = 4 << 20
SYNC_S = 1.0
IOV_MAX = 1024
"""Parts that one writev takes (POSIX promises 16, Linux and macOS have 1024)."""
OLD_RECORDINGS_S = 30 * 24 * 3600.0

log = logging.getLogger("jlab_mcp_node")


class Written(NamedTuple):
    """What came of one batch."""

    error: Optional[OSError]
    dropped: List[Tuple[int, int, int]]
    """(first, last, bytes) that were removed to stay within the bound."""


class _Segment(NamedTuple):
    first: int
    last: int
    size: int
    path: str


class Recording:
    """The segment files of one kernel. Used by the spool thread alone."""

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.size = 0
        self._closed: List[_Segment] = []
        self._current: Optional[_Segment] = None
        self._fd = -1
        self._acked = 0
        self._unsynced = False

    def write(self, records: List[Tuple[int, bytes]]) -> List[Tuple[int, int, int]]:
        """Append records; returns the ranges that the bound cost. Raises OSError with the file as before."""
        if self._current is None:
            self._begin(records[0][0])
        current = self._current
        assert current is not None
        parts = segments.encode(records)
        try:
            for first in range(0, len(parts), IOV_MAX):
                _write_all(self._fd, parts[first : first + IOV_MAX])
        except OSError:
            os.ftruncate(self._fd, current.size)
            os.lseek(self._fd, current.size, os.SEEK_SET)
            raise
        self._unsynced = True
        size = sum(map(len, parts))
        self.size += size
        self._current = current._replace(last=records[-1][0], size=current.size + size)
        if self._current.size >= SEGMENT_BYTES:
            self._rotate()
        return self._enforce_bound()

    def ack(self, seq: int) -> None:
        """Remove segments that hold nothing above `seq`."""
        self._acked = max(self._acked, seq)
        kept = []
        for segment in self._closed:
            if segment.last <= self._acked:
                self._remove(segment)
            else:
                kept.append(segment)
        self._closed = kept
        if (
            self._current is not None
            and self._current.last <= self._acked
            and self._current.size > len(segments.MAGIC)
        ):
            current = self._current
            self._rotate()
            self._closed.remove(current)
            self._remove(current)

    def sync(self) -> None:
        if self._unsynced and self._fd >= 0:
            os.fsync(self._fd)
        self._unsynced = False

    def close(self, remove: bool) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._current = None
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, first: int) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        path = os.path.join(self.folder, segments.segment_name(first))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, segments.MAGIC)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        self._current = _Segment(first, first - 1, len(segments.MAGIC), path)
        self.size += len(segments.MAGIC)

    def _rotate(self) -> None:
        assert self._current is not None
        os.close(self._fd)
        self._fd = -1
        self._closed.append(self._current)
        self._current = None

    def _remove(self, segment: _Segment) -> None:
        self.size -= segment.size
        try:
            os.unlink(segment.path)
        except FileNotFoundError:
            pass

    def _enforce_bound(self) -> List[Tuple[int, int, int]]:
        dropped = []
        while self.size > self.max_bytes and self._closed:
            oldest = self._closed.pop(0)
            self._remove(oldest)
            if oldest.last > self._acked:
                dropped.append((oldest.first, oldest.last, oldest.size))
        return dropped


class Spool:
    """Takes batches from the event loop and writes them; answers through `post`, which must be thread-safe."""

    def __init__(self, root: str, max_bytes_per_kernel: int, post: Callable[..., object]) -> None:
        self.root = root
        self.bytes = 0
        """Size of all recordings, as the thread last saw it."""
        self._max_bytes = max_bytes_per_kernel
        self._post = post
        self._commands: queue.SimpleQueue[Optional[Callable[[], None]]] = queue.SimpleQueue()
        self._recordings: Dict[str, Recording] = {}
        self._acks: Dict[str, int] = {}
        self._failing = False
        self._synced = 0.0
        self._thread = threading.Thread(target=self._run, name="jlab-mcp-spool", daemon=True)

    def start(self) -> None:
        self._commands.put(self._prune)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write what is queued, then end; gives up after `timeout` seconds on a file system that hangs."""
        self._commands.put(None)
        self._thread.join(timeout)

    def folder(self, kernel_id: str) -> str:
        return os.path.join(self.root, kernel_id)

    def write(self, kernel_id: str, batch: List[Tuple[int, bytes]], done: Callable[[Written], None]) -> None:
        """Queue one batch; `done` is posted with the outcome."""
        self._commands.put(lambda: self._write(kernel_id, batch, done))

    def ack(self, kernel_id: str, seq: int) -> None:
        waiting = kernel_id in self._acks
        self._acks[kernel_id] = seq
        if not waiting:
            self._commands.put(lambda: self._guarded(lambda: self._ack(kernel_id)))

    def close(self, kernel_id: str, remove: bool) -> None:
        self._commands.put(lambda: self._guarded(lambda: self._close(kernel_id, remove)))

    def _run(self) -> None:
        while True:
            try:
                command = self._commands.get(timeout=SYNC_S)
            except queue.Empty:
                self._guarded(self._sync)
                continue
            if command is None:
                break
            command()
            self.bytes = sum(recording.size for recording in self._recordings.values())
            if time.monotonic() - self._synced > SYNC_S:
                self._guarded(self._sync)
        for recording in self._recordings.values():
            self._guarded(lambda recording=recording: recording.close(remove=False))  # type: ignore[misc]

    def _recording(self, kernel_id: str) -> Recording:
        if kernel_id not in self._recordings:
            self._recordings[kernel_id] = Recording(self.folder(kernel_id), self._max_bytes)
        return self._recordings[kernel_id]

    def _write(self, kernel_id: str, batch: List[Tuple[int, bytes]], done: Callable[[Written], None]) -> None:
        try:
            dropped = self._recording(kernel_id).write(batch)
        except OSError as error:
            if not self._failing:
                log.warning("jlab-mcp: the recording of kernel %s cannot be written: %s", kernel_id, error)
            self._failing = True
            self._post(done, Written(error, []))
            return
        self._failing = False
        self._post(done, Written(None, dropped))

    def _ack(self, kernel_id: str) -> None:
        seq = self._acks.pop(kernel_id)
        if kernel_id in self._recordings:
            self._recordings[kernel_id].ack(seq)

    def _close(self, kernel_id: str, remove: bool) -> None:
        recording = self._recordings.pop(kernel_id, None)
        if recording is not None:
            recording.close(remove)

    def _sync(self) -> None:
        self._synced = time.monotonic()
        for recording in list(self._recordings.values()):
            recording.sync()

    def _prune(self) -> None:
        """Recordings of earlier servers that nobody fetched for a month."""

        def prune() -> None:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            for entry in os.scandir(self.root):
                if (
                    entry.is_dir(follow_symlinks=False)
                    and time.time() - entry.stat().st_mtime > OLD_RECORDINGS_S
                ):
                    shutil.rmtree(entry.path, ignore_errors=True)

        self._guarded(prune)

    @staticmethod
    def _guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            log.warning("jlab-mcp: spool: %s", error)


def _write_all(fd: int, parts: List[bytes]) -> None:
    """Write the parts as they lie: joining them would double a large record in memory."""
    written = os.writev(fd, parts)
    for part in parts:
        if written >= len(part):
            written -= len(part)
            continue
        rest = memoryview(part)[written:]
        written = 0
        while rest:
            rest = rest[os.write(fd, rest) :]
