"""Moves one kernel's stream to disk and back through the spool's thread. Runs on the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Callable, List, Optional

from .heap import trim_heap
from .segments import read_spool
from .spool import SpoolThread, Written
from .stream import Record, Stream

SPOOL_BATCH = 4 << 20
SPOOL_DELAY_S = 0.05
SPOOL_RETRY_S = 2.0
STALLED_S = 5.0
"""To write SPOOL_BATCH bytes; a slower disk counts as stalled."""
LARGE_PEAK = 16 << 20
TRIM_DELAY_S = 0.5


@dataclass(frozen=True)
class StreamLimits:
    """Bytes per kernel."""

    cache: int = 8 << 20
    """Kept in memory although on disk."""
    pause: int = 8 << 20
    """Not on disk yet: above it, we read the kernel no faster than the disk writes."""
    memory: int = 64 << 20
    """Not on disk while the disk is stalled: above it, we drop and count the oldest."""
    disk: int = 1 << 30


class StreamSpooler:
    """Writes the stream in batches."""

    def __init__(
        self,
        kernel_id: str,
        stream: Stream,
        limits: StreamLimits,
        spool: SpoolThread,
        readers: Executor,
        on_room: Callable[[], None],
    ) -> None:
        """Calls `on_room` when the stream may have room again."""
        self._kernel_id = kernel_id
        self._stream = stream
        self._limits = limits
        self._spool = spool
        self._readers = readers
        self._on_room = on_room
        self._loop = asyncio.get_event_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        """Set while nothing is being written."""
        self._timer: Optional[asyncio.TimerHandle] = None
        self._stall_timer: Optional[asyncio.TimerHandle] = None
        """Set while a batch is being written, or waits for a retry."""
        self._peak = 0

    @property
    def has_room(self) -> bool:
        """Whether memory takes more: below the mark, or if waiting for the disk is hopeless."""
        return self._stream.unspooled_bytes <= self._limits.pause or self._stream.stalled

    @property
    def recorded_bytes(self) -> int:
        """Size of the unacknowledged records as files."""
        return self._spool.size(self._kernel_id) + self._stream.unspooled_bytes

    def grown(self) -> None:
        """Note that the stream has new frames."""
        self._peak = max(self._peak, self._stream.memory_bytes)
        self._schedule(SPOOL_DELAY_S)

    def ack(self, seq: int) -> None:
        """Forget everything up to `seq`."""
        if self._stream.ack(seq):
            self._spool.ack(self._kernel_id, self._stream.acked)
            self._freed()

    async def read_back(self, after: int, max_bytes: int) -> List[Record]:
        """Return records that are only on disk. A file system that hangs blocks only this reader."""
        folder = self._spool.folder(self._kernel_id)
        unsafe = [record for record in self._spool.unsafe(self._kernel_id) if record[0] > after]
        read = await self._loop.run_in_executor(self._readers, read_spool, folder, after, max_bytes)
        return sorted(dict([*unsafe, *read]).items())

    async def settled(self) -> None:
        """Wait until the stream has a gap for each record that the spool's thread removed so far."""
        await self._idle.wait()

    def flush(self) -> None:
        """Hand the spool everything that is only in memory, without waiting for the outcome."""
        for timer in (self._timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._stall_timer = None
        batch = self._stream.take_batch(self._stream.memory_bytes + 1)
        if batch:
            self._spool.write(self._kernel_id, batch, lambda _: None)

    def close(self) -> None:
        """Flush, and remove the recording if the owner has acknowledged all of it."""
        self.flush()
        self._spool.close(self._kernel_id, remove=self._stream.acked == self._stream.last)

    def _schedule(self, delay: float) -> None:
        if self._idle.is_set() and self._timer is None and self._stream.unspooled:
            self._timer = self._loop.call_later(delay, self._write_batch)

    def _write_batch(self) -> None:
        self._timer = None
        batch = self._stream.take_batch(SPOOL_BATCH)
        if not batch:
            return
        self._idle.clear()
        if self._stall_timer is None and not self._stream.stalled:
            steps = 1 + sum(len(frame) for _, frame in batch) // SPOOL_BATCH
            self._stall_timer = self._loop.call_later(STALLED_S * steps, self._on_stalled)
        self._spool.write(self._kernel_id, batch, lambda written: self._on_written(batch, written))

    def _on_stalled(self) -> None:
        self._stall_timer = None
        self._stream.stalled = True
        self._on_room()

    def _on_written(self, batch: List[Record], written: Written) -> None:
        self._idle.set()
        if written.error is not None:
            self._stream.give_back(batch)
            self._schedule(SPOOL_RETRY_S)
            return
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        self._stream.stalled = False
        self._stream.spooled(batch)
        for first, last, size in written.dropped:
            self._stream.lost_on_disk(first, last, size)
        self._schedule(0 if self._stream.memory_bytes > SPOOL_BATCH else SPOOL_DELAY_S)
        self._freed()

    def _freed(self) -> None:
        if self.has_room:
            self._on_room()
        if self._peak > LARGE_PEAK and self._stream.memory_bytes <= self._limits.cache:
            self._peak = 0
            self._loop.call_later(TRIM_DELAY_S, trim_heap)
