"""The numbered stream of one kernel: tracks what is in memory, on disk, acknowledged and lost. Pure.

Messages get the numbers 1, 2, 3, ... A record stays in memory until it is acknowledged, or on disk while the cache is
full. While the disk is stalled, memory grows up to a hard cap; then the stream drops the oldest record that is not being
written, and counts it as a gap. While the disk keeps up, it drops nothing: the recorder reads at most one message beyond
what may wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Deque, List, NamedTuple, Optional, Tuple

Record = Tuple[int, bytes]

FULL = "full"
"""The kernel's recording reached its limit on disk."""
STALLED = "stalled"
"""The disk accepted nothing."""


class StreamGap(NamedTuple):
    """Dropped messages, from the first to the last number."""

    first: int
    last: int
    size: int
    """Bytes of the frames."""
    why: str
    """FULL or STALLED"""

    def since(self, first: int) -> StreamGap:
        """Return the rest from a number on, its size estimated by its share of the messages."""
        if first <= self.first:
            return self
        size = self.size * (self.last + 1 - first) // (self.last + 1 - self.first)
        return StreamGap(first, self.last, size, self.why)


class Stream:
    """Numbers frames and decides where to keep them."""

    def __init__(self, cache_bytes: int, memory_cap: int) -> None:
        self.cache_bytes = cache_bytes
        self.memory_cap = memory_cap
        self.stalled = False
        """Whether the disk accepts nothing; set by the stream's user."""
        self.last = 0
        self.acked = 0
        self.gaps: List[StreamGap] = []
        self.dropped_bytes = 0
        self.memory_bytes = 0
        self._memory: OrderedDict[int, bytes] = OrderedDict()
        self._unspooled: Deque[int] = deque()
        """In memory, not on disk and not being written."""
        self._spooled = 0
        self._unspooled_bytes = 0

    @property
    def first(self) -> int:
        """The oldest number that a reader can still get, apart from gaps."""
        return self.acked + 1

    @property
    def unspooled(self) -> bool:
        """Whether records wait for the disk."""
        return bool(self._unspooled)

    @property
    def unspooled_bytes(self) -> int:
        """Bytes that only memory holds."""
        return self._unspooled_bytes

    def append(self, frame: bytes) -> int:
        """Number a frame. Returns its number."""
        self.last += 1
        self._memory[self.last] = frame
        self._unspooled.append(self.last)
        self.memory_bytes += len(frame)
        self._unspooled_bytes += len(frame)
        if self.memory_bytes > self.cache_bytes:
            self._trim()
        return self.last

    def take_batch(self, max_bytes: int) -> List[Record]:
        """Return the oldest records that are not on disk. Call `spooled` or `give_back` with them."""
        batch: List[Record] = []
        size = 0
        while self._unspooled and size < max_bytes:
            seq = self._unspooled.popleft()
            batch.append((seq, self._memory[seq]))
            size += len(self._memory[seq])
        return batch

    def spooled(self, batch: List[Record]) -> None:
        """Note that a batch is on disk."""
        self._unspooled_bytes -= sum(len(frame) for seq, frame in batch if seq in self._memory)
        if batch:
            self._spooled = max(self._spooled, batch[-1][0])
        self._trim()

    def give_back(self, batch: List[Record]) -> None:
        """Note that writing a batch failed; its records wait again."""
        self._unspooled.extendleft(seq for seq, _ in reversed(batch) if seq in self._memory)
        self._trim()

    def ack(self, seq: int) -> bool:
        """Forget everything up to `seq`, which the owner has stored. Returns whether that is new."""
        seq = min(seq, self.last)
        if seq <= self.acked:
            return False
        self.acked = seq
        while self._memory and next(iter(self._memory)) <= seq:
            self._forget(next(iter(self._memory)))
        while self._unspooled and self._unspooled[0] <= seq:
            self._unspooled.popleft()
        self.gaps = [gap.since(seq + 1) for gap in self.gaps if gap.last > seq]
        return True

    def lost_on_disk(self, first: int, last: int, size: int) -> None:
        """Note that the spool removed its oldest records to stay within its bound."""
        if last > self.acked:
            self._add_gap(StreamGap(first, last, size, FULL).since(self.acked + 1))

    def get(self, seq: int) -> Optional[bytes]:
        """Return the frame if it is in memory."""
        return self._memory.get(seq)

    def gap_at(self, seq: int) -> Optional[StreamGap]:
        """Return the gap that covers a number, if any, cut to begin there."""
        for gap in self.gaps:
            if gap.first <= seq <= gap.last:
                return gap.since(seq)
        return None

    def memory_from(self, seq: int) -> int:
        """Return the first number >= `seq` in memory, or the end of the stream plus one."""
        for held in self._memory:
            if held >= seq:
                return held
        return self.last + 1

    def _forget(self, seq: int) -> None:
        size = len(self._memory.pop(seq))
        self.memory_bytes -= size
        if seq > self._spooled:
            self._unspooled_bytes -= size

    def _trim(self) -> None:
        while self.memory_bytes > self.cache_bytes and self._memory:
            oldest = next(iter(self._memory))
            if oldest > self._spooled:
                break
            self._forget(oldest)
        while self.stalled and self.memory_bytes > self.memory_cap and self._unspooled:
            seq = self._unspooled.popleft()
            self._add_gap(StreamGap(seq, seq, len(self._memory[seq]), STALLED))
            self._forget(seq)

    def _add_gap(self, gap: StreamGap) -> None:
        self.dropped_bytes += gap.size
        joined, others = gap, []
        for other in self.gaps:
            is_inside = gap.first <= other.first and other.last <= gap.last
            if is_inside or (other.last + 1 == gap.first and other.why == gap.why):
                joined = joined._replace(first=min(other.first, joined.first), size=other.size + joined.size)
            else:
                others.append(other)
        self.gaps = sorted([*others, joined])
