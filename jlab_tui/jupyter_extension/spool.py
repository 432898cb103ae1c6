"""Writes the spool in its own thread, so that a file system that hangs blocks nothing else."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from . import segments
from .segment_writer import Record, SegmentWriter

SYNC_S = 1.0
OLD_RECORDINGS_S = 30 * 24 * 3600.0
TRASH = "trash"
TRASH_S = 24 * 3600.0

log = logging.getLogger("jlab_mcp_extension")


class Written(NamedTuple):
    """The outcome of one batch."""

    error: Optional[OSError]
    dropped: List[Tuple[int, int, int]]
    """(first, last, bytes) removed to stay within the bound"""


def _recordings(folder: str) -> List[str]:
    """Return the subfolders that contain only a recording."""
    if not os.path.isdir(folder):
        return []
    found = [e.path for e in os.scandir(folder) if e.is_dir(follow_symlinks=False) and e.name != TRASH]
    return [path for path in found if segments.is_recording(path)]


class SpoolThread:
    """Writes batches from the event loop and reports through `post`, which must be thread-safe."""

    def __init__(self, root: str, max_bytes_per_kernel: int, post: Callable[..., object]) -> None:
        self.root = root
        self.bytes = 0
        """Size of all recordings at the thread's last look."""
        self._max_bytes = max_bytes_per_kernel
        self._post = post
        self._commands: queue.SimpleQueue[Optional[Callable[[], None]]] = queue.SimpleQueue()
        self._writers: Dict[str, SegmentWriter] = {}
        self._acks: Dict[str, int] = {}
        self._failing = False
        self._synced = 0.0
        self._thread = threading.Thread(target=self._run, name="jlab-mcp-spool", daemon=True)

    def start(self) -> None:
        self._commands.put(lambda: self._guarded(self._prune))
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write the queue, then end. Gives up after `timeout` seconds if the file system hangs."""
        self._commands.put(None)
        self._thread.join(timeout)

    def folder(self, kernel_id: str) -> str:
        return os.path.join(self.root, kernel_id)

    def size(self, kernel_id: str) -> int:
        """Return the size of a kernel's files in bytes; for any thread."""
        writer = self._writers.get(kernel_id)
        return writer.size if writer is not None else 0

    def unsafe(self, kernel_id: str) -> List[Record]:
        """Return records that the files may lack; for any thread."""
        writer = self._writers.get(kernel_id)
        return writer.unsafe() if writer is not None else []

    def write(self, kernel_id: str, batch: List[Record], done: Callable[[Written], None]) -> None:
        """Queue one batch and post `done` with its outcome."""
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
                self._sync()
                continue
            if command is None:
                break
            command()
            self.bytes = sum(writer.size for writer in self._writers.values())
            if time.monotonic() - self._synced > SYNC_S:
                self._sync()
        for writer in self._writers.values():
            self._guarded(partial(writer.close, remove=False))

    def _writer(self, kernel_id: str) -> SegmentWriter:
        if kernel_id not in self._writers:
            self._writers[kernel_id] = SegmentWriter(self.folder(kernel_id), self._max_bytes)
        return self._writers[kernel_id]

    def _write(self, kernel_id: str, batch: List[Record], done: Callable[[Written], None]) -> None:
        try:
            dropped = self._writer(kernel_id).write(batch)
        except OSError as error:
            self._failed(kernel_id, error)
            self._post(done, Written(error, []))
            return
        self._failing = False
        self._post(done, Written(None, dropped))

    def _ack(self, kernel_id: str) -> None:
        seq = self._acks.pop(kernel_id)
        if kernel_id in self._writers:
            self._writers[kernel_id].ack(seq)

    def _close(self, kernel_id: str, remove: bool) -> None:
        writer = self._writers.pop(kernel_id, None)
        if writer is not None:
            writer.close(remove)

    def _sync(self) -> None:
        self._synced = time.monotonic()
        for kernel_id, writer in self._writers.items():
            try:
                writer.sync()
            except OSError as error:
                self._failed(kernel_id, error)

    def _failed(self, kernel_id: str, error: OSError) -> None:
        if not self._failing:
            log.warning("jlab-mcp: the recording of kernel %s cannot be written: %s", kernel_id, error)
        self._failing = True

    def _prune(self) -> None:
        """Set aside recordings that nobody fetched for a month, and remove them a day later."""
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        os.utime(self.root)
        now = os.stat(self.root).st_mtime  # by the file server's clock, like the recordings' times
        trash = os.path.join(self.root, TRASH)
        for folder in _recordings(trash):
            since, _, name = os.path.basename(folder).partition(".")
            is_old = now - os.stat(folder).st_mtime > OLD_RECORDINGS_S
            if is_old and since.isdigit() and now - int(since) >= TRASH_S:
                segments.remove_recording(folder)
            elif not is_old and not os.path.exists(self.folder(name)):
                os.rename(folder, self.folder(name))  # set aside by a wrong clock
        for folder in _recordings(self.root):
            if now - os.stat(folder).st_mtime > OLD_RECORDINGS_S:
                os.makedirs(trash, mode=0o700, exist_ok=True)
                os.rename(folder, os.path.join(trash, "%d.%s" % (now, os.path.basename(folder))))

    @staticmethod
    def _guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            log.warning("jlab-mcp: spool: %s", error)
