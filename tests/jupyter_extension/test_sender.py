"""How much a connection has on its way: what is sent waits for reports, and on a slow line for less of them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

from jlab_tui.core.kernel.link import LEASE_S
from jlab_tui.jupyter_extension.framing import PIECE_BYTES
from jlab_tui.jupyter_extension.sender import WINDOW_BYTES, Recording, Sender
from jlab_tui.jupyter_extension.stream import Stream

LEAST = 16_384
"""bytes at which the client reports"""


class Line:
    """A connection of so many bytes a second, in a time of its own. Its client reports every `LEAST` bytes."""

    def __init__(self, frame: bytes, speed: float) -> None:
        self.at = 0.0
        self.sent = self.received = self.unreported = 0
        self.most = 0
        """bytes that were on their way"""
        self._speed = speed
        self._pieces: deque[int] = deque()
        stream = SimpleNamespace(first=1, last=1, acked=0, get=lambda seq: frame, gap_at=lambda seq: None)
        recorder = cast(Recording, SimpleNamespace(stream=stream))
        self.sender = Sender(recorder, 0, self._write, lambda text: None, LEAST, now=lambda: self.at)

    def _write(self, piece: bytes) -> asyncio.Future[Any]:
        self.sent += len(piece)
        self._pieces.append(len(piece))
        self.most = max(self.most, self.sent - self.received)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def carry(self) -> None:
        """Carry a piece."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        size = self._pieces.popleft()
        self.at += size / self._speed
        self.received += size
        self.unreported += size
        if self.unreported >= LEAST:
            self.unreported = 0
            self.sender.received(0, self.received)


FRAME = bytes(20_000_000)


async def test_a_slow_line_has_at_most_a_seconds_worth_on_its_way() -> None:
    line = Line(FRAME, 150_000)
    line.sender.pump()
    while line.received < 3_000_000:
        await line.carry()
    line.most = 0
    while line.received < 6_000_000:
        await line.carry()
    assert line.most <= 150_000 * 2 + PIECE_BYTES


async def test_a_very_slow_line_keeps_a_ping_waiting_much_shorter_than_a_lease_lasts() -> None:
    line = Line(FRAME, 10_000)
    line.sender.pump()
    while line.received < 300_000:
        await line.carry()
    assert line.most / 10_000 < LEASE_S / 3


async def test_a_fast_line_is_filled() -> None:
    line = Line(FRAME, 1e9)
    line.sender.pump()
    while line.received < 15_000_000:
        await line.carry()
    assert line.most > WINDOW_BYTES * 0.9


async def test_a_line_that_becomes_fast_is_filled_again() -> None:
    line = Line(FRAME, 50_000)
    line.sender.pump()
    while line.received < 2_000_000:
        await line.carry()
    line.most = 0
    await line.carry()
    assert line.most <= LEAST * 2
    line._speed = 1e9
    while line.received < 18_000_000:
        await line.carry()
    assert line.most > WINDOW_BYTES * 0.9


async def test_a_file_that_is_removed_while_it_is_read_is_reported_with_its_size_and_cause() -> None:
    stream = Stream(cache_bytes=0, memory_cap=1 << 20)
    for _ in range(3):
        stream.append(bytes(100))
    stream.spooled(stream.take_batch(1000))
    said: list[Any] = []
    told = asyncio.Event()

    async def read_back(after: int, max_bytes: int) -> list[tuple[int, bytes]]:
        return []

    async def settled() -> None:
        if not stream.gaps:
            stream.lost_on_disk(1, 2, 200)

    def say(text: str) -> None:
        said.append(json.loads(text)["gap"])
        if len(said) == 2:
            told.set()

    recorder = cast(Recording, SimpleNamespace(stream=stream, read_back=read_back, settled=settled))
    sender = Sender(recorder, 0, lambda piece: None, say, LEAST)
    sender.pump()
    await asyncio.wait_for(told.wait(), 30)
    assert said == [
        {"from": 1, "to": 2, "bytes": 200, "why": "full"},
        {"from": 3, "to": 3, "bytes": 0, "why": "unreadable"},
    ]
