"""Sends a stream to one connection from any number on: controls the flow, reads back from disk, reports gaps.

It sends until a window of unreported bytes is full. Bytes in flight delay the answers to the client's pings, which tell
the client that it still owns the kernel. So on a slow connection the window and its pieces shrink until its content
arrives within a second, or to their minimum. A client that reports whole messages gets each message to its end, of any
size, because it would otherwise wait for ever.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Protocol, Tuple

from .framing import PIECE_BYTES, pieces
from .stream import Record, Stream

WINDOW_BYTES = 4 << 20
QUICK_S, SLOW_S = 0.3, 1.0
"""Time from sending a piece to its report: below QUICK_S the window may grow, above SLOW_S it shrinks."""
FETCH_BYTES = 2 << 20
UNREADABLE = "unreadable"
"""The reason of a gap: the files are gone or damaged."""
PACED_BYTES = 64 << 10
"""After a piece of this size, the next one waits until it has left."""

log = logging.getLogger("jlab_mcp_extension")


class Recording(Protocol):
    """What a sender reads: a kernel's stream, and its records that are only on disk."""

    kernel_id: str
    stream: Stream

    async def read_back(self, after: int, max_bytes: int) -> List[Record]: ...

    async def settled(self) -> None: ...


def hello(stream: Stream, since: int, epoch: int) -> str:
    """Return a connection's first text: the available range, and the requested part that was acknowledged and is gone."""
    gap = None
    if since + 1 < stream.first:
        gap = {"from": since + 1, "to": stream.first - 1, "bytes": 0}
    return json.dumps({"hello": {"first": stream.first, "last": stream.last, "epoch": epoch, "gap": gap}})


class Sender:
    """One connection's place in the stream."""

    def __init__(
        self,
        recording: Recording,
        since: int,
        write_bytes: Callable[[bytes], Optional[asyncio.Future[Any]]],
        write_text: Callable[[str], None],
        reports_every: Optional[int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reports_every`: the client reports its bytes at least this often; None if it reports only whole messages."""
        self._recording = recording
        self._next = min(max(since, recording.stream.acked), recording.stream.last) + 1
        self._write_bytes = write_bytes
        self._write_text = write_text
        self._sent = 0
        """Bytes of all pieces so far with their heads, as the client counts them."""
        self._received = 0
        self._ends: Deque[Tuple[int, int]] = deque()
        """For each unreported message: its number, and `_sent` after it."""
        self._by_bytes = reports_every is not None
        self._least = min(reports_every or WINDOW_BYTES, WINDOW_BYTES)
        self._window = self._least
        self._was_full = False
        self._shrunk_at = 0
        """`_sent` when the window last shrank; earlier pieces do not measure the new size."""
        self._sent_at: Deque[Tuple[int, float]] = deque()
        """For each unreported piece: `_sent` after it, and the time."""
        self._now = now
        self._rest: Optional[Iterator[bytes]] = None
        self._flushing = False
        self._fetched: Dict[int, bytes] = {}
        self._fetching: Optional[asyncio.Future[Any]] = None
        self._closed = False

    def received(self, seq: int, size: int = 0) -> None:
        """Note that the client has everything up to `seq`, and `size` bytes of pieces since the connection began."""
        while self._ends and self._ends[0][0] <= seq:
            size = max(size, self._ends.popleft()[1])
        self._received = min(self._sent, max(self._received, size))
        self._fit_window()
        self.pump()

    def _fit_window(self) -> None:
        end, sent_at = 0, 0.0
        while self._sent_at and self._sent_at[0][0] <= self._received:
            end, sent_at = self._sent_at.popleft()
        if not end or not self._by_bytes:
            return
        took = self._now() - sent_at
        if took > SLOW_S and end > self._shrunk_at:
            self._window = max(self._least, self._window // 2)
            self._shrunk_at = self._sent
        elif took < QUICK_S and self._was_full:
            self._window = min(WINDOW_BYTES, self._window * 2)
        self._was_full = False

    def _is_full(self) -> bool:
        full = self._sent - self._received >= self._window
        self._was_full = self._was_full or full
        return full

    def close(self) -> None:
        self._closed = True
        if self._fetching is not None:
            self._fetching.cancel()

    def pump(self) -> None:
        """Send what the window allows."""
        stream = self._recording.stream
        while not self._closed and self._fetching is None and not self._flushing:
            if self._rest is not None:
                if self._by_bytes and self._is_full():
                    return
                self._send_piece(self._rest)
                continue
            if self._is_full():
                return
            seq = self._next
            if seq > stream.last:
                return
            frame = stream.get(seq)
            if frame is None:
                frame = self._fetched.pop(seq, None)
            if frame is not None:
                self._rest = pieces(seq, frame, lambda: min(PIECE_BYTES, self._window // 2))
                self._next = seq + 1
                continue
            gap = stream.gap_at(seq)
            if gap is not None:
                self._skip(gap.last, gap.size, gap.why)
            elif seq <= stream.acked:
                self._skip(stream.acked)
            else:
                self._fetching = asyncio.ensure_future(self._fetch(seq))

    def _send_piece(self, rest: Iterator[bytes]) -> None:
        piece = next(rest, None)
        if piece is None:
            self._rest = None
            self._ends.append((self._next - 1, self._sent))
            return
        self._sent += len(piece)
        self._sent_at.append((self._sent, self._now()))
        written = self._write_bytes(piece)
        if written is None:
            self._closed = True
        elif len(piece) >= PACED_BYTES:
            self._flushing = True
            written.add_done_callback(self._flushed)

    def _flushed(self, _: Any) -> None:
        self._flushing = False
        self.pump()

    def _skip(self, last: int, size: int = 0, why: str = "") -> None:
        self._write_text(json.dumps({"gap": {"from": self._next, "to": last, "bytes": size, "why": why}}))
        self._next = last + 1

    async def _fetch(self, seq: int) -> None:
        try:
            records = await self._recording.read_back(seq - 1, FETCH_BYTES)
            self._fetched = dict(records)
            if seq not in self._fetched:
                await self._recording.settled()  # the file may have been removed just now
            stream = self._recording.stream
            if seq not in self._fetched and stream.gap_at(seq) is None and seq > stream.acked:
                # The files are gone or damaged: continue with the next existing number.
                after = min(self._fetched, default=stream.memory_from(seq))
                self._skip(after - 1, why=UNREADABLE)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception(
                "jlab-mcp: the recording of kernel %s cannot be read back", self._recording.kernel_id
            )
            self._skip(self._recording.stream.memory_from(seq) - 1, why=UNREADABLE)
        finally:
            self._fetching = None
        self.pump()
