"""How much a connection has on its way: what is sent waits for reports, and on a slow line for less of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from jlab_tui.node.framing import PIECE_BYTES, PIECE_HEAD
from jlab_tui.node.recorder import Recorder
from jlab_tui.node.sender import WINDOW_BYTES, WINDOW_LEAST, Sender


class Line:
    """A connection of so many bytes a second, in a time of its own. Its client reports every 128 kB."""

    def __init__(self, frame: bytes, speed: float) -> None:
        self.at = 0.0
        self.sent = self.received = self.reported = 0
        self.most = 0
        """bytes that were on their way"""
        self._speed = speed
        stream = SimpleNamespace(first=1, last=1, acked=0, get=lambda seq: frame, gap_at=lambda seq: None)
        recorder = cast(Recorder, SimpleNamespace(stream=stream))
        self.sender = Sender(recorder, 0, self._write, lambda text: None, by_bytes=True, now=lambda: self.at)

    def _write(self, piece: bytes) -> asyncio.Future[Any]:
        self.sent += len(piece)
        self.most = max(self.most, self.sent - self.received)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def carry(self) -> None:
        """Carry a piece; the client reports it."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        size = min(PIECE_BYTES + PIECE_HEAD.size, self.sent - self.received)
        self.at += size / self._speed
        self.received += size
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
    assert line.most <= WINDOW_LEAST + 2 * PIECE_BYTES
    line._speed = 1e9
    while line.received < 18_000_000:
        await line.carry()
    assert line.most > WINDOW_BYTES * 0.9
