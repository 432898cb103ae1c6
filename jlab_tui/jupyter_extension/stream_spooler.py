"""Brings one kernel's stream to the disk and back, through the spool's thread. Lives on the event loop."""

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
"""To write as much as SPOOL_BATCH; a disk that takes longer counts as stalled."""
LARGE_PEAK = 16 << 20
TRIM_DELAY_S = 0.5


@dataclass(frozen=True)
class StreamLimits:
    """Bytes per kernel."""

    cache: int = 8 << 20
    """Kept in memory although it is on disk."""
    pause: int = 8 << 20
    """Not on disk yet: above it, the kernel is read no faster than the disk takes it."""
    memory: int = 64 << 20
    """Not on disk while the disk takes nothing: above it, the oldest is dropped and counted."""
    disk: int = 1 << 30


class StreamSpooler:
    """Writes what the stream has, a batch at a time."""

    def __init__(
        self,
        kernel_id: str,
        stream: Stream,
        limits: StreamLimits,
        spool: SpoolThread,
        readers: Executor,
        on_room: Callable[[], None],
    ) -> None:
        """`on_room` is called when the stream may have room again."""
        self._kernel_id = kernel_id
        self._stream = stream
        self._limits = limits
        self._spool = spool
        self._readers = readers
        self._on_room = on_room
        self._loop = asyncio.get_event_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        """Nothing is being written."""
        self._timer: Optional[asyncio.TimerHandle] = None
        self._stall_timer: Optional[asyncio.TimerHandle] = None
        """While something is being written, or is to be written again."""
        self._peak = 0

    @property
    def has_room(self) -> bool:
        """Whether memory takes more: below the mark, or when waiting for the disk is hopeless."""
        return self._stream.unspooled_bytes <= self._limits.pause or self._stream.stalled

    @property
    def recorded_bytes(self) -> int:
        """What was not acknowledged, as the files hold it."""
        return self._spool.size(self._kernel_id) + self._stream.unspooled_bytes

    def grown(self) -> None:
        """The stream has new frames."""
        self._peak = max(self._peak, self._stream.memory_bytes)
        self._schedule(SPOOL_DELAY_S)

    def ack(self, seq: int) -> None:
        """Everything up to `seq` may be forgotten."""
        if self._stream.ack(seq):
            self._spool.ack(self._kernel_id, self._stream.acked)
            self._freed()

    async def read_back(self, after: int, max_bytes: int) -> List[Record]:
        """Records that are on disk only; a file system that hangs holds up this reader and nobody else."""
        folder = self._spool.folder(self._kernel_id)
        unsafe = [record for record in self._spool.unsafe(self._kernel_id) if record[0] > after]
        read = await self._loop.run_in_executor(self._readers, read_spool, folder, after, max_bytes)
        return sorted(dict([*unsafe, *read]).items())

    async def settled(self) -> None:
        """Wait until the stream has a gap for each record that the spool's thread has removed so far."""
        await self._idle.wait()

    def flush(self) -> None:
        """Hand everything that only memory has to the spool, without waiting for the outcome."""
        for timer in (self._timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._stall_timer = None
        batch = self._stream.take_batch(self._stream.memory_bytes + 1)
        if batch:
            self._spool.write(self._kernel_id, batch, lambda _: None)

    def close(self) -> None:
        """Flush; what the owner has acknowledged to the end is removed."""
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
