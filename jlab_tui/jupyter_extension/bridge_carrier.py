"""Moves bytes between the pipe of a bridge and its connections, at either end."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Callable, Coroutine, Dict, List, Optional, Set

from .bridge_pipe import Arrived, Ended, Event, Opened, Over, Pipe, PipeBroken, Reset, Room

PING_S = 15.0
"""pause between two pings of the login end"""
DEAD_S = 50.0
"""so long without a sign of the other end: the line is cut, though nothing says so"""


class _Side(asyncio.Protocol):
    """One connection of this end."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        self.number = number
        self._carrier = carrier
        self._transport: Optional[asyncio.Transport] = None
        self._early: List[Event] = []
        """what arrived before the connection was there"""
        self._unwritten = 0
        """bytes that wait for a slow reader"""
        self._is_full = False
        self._waits = False
        """for the other end's credit"""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        early, self._early = self._early, []
        for event in early:
            self.hear(event)
        self.look()

    def look(self) -> None:
        """Read only while what is read can be sent."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._waits or self._carrier.is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._waits = not self._carrier.pipe.send(self.number, data)
        self._carrier.flush()
        if self._waits:
            self.look()

    def eof_received(self) -> bool:
        is_over = self._carrier.pipe.end(self.number)
        self._carrier.flush()
        return not is_over

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._carrier.pipe.written(self.number, self._unwritten)
        self._unwritten = 0
        self._carrier.flush()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._carrier.lost(self.number)

    def hear(self, event: Event) -> None:
        transport = self._transport
        if transport is None:
            self._early.append(event)
        elif isinstance(event, Arrived):
            transport.write(event.data)
            if self._is_full:
                self._unwritten += len(event.data)
            else:
                self._carrier.pipe.written(self.number, len(event.data))
        elif isinstance(event, Ended):
            if transport.can_write_eof() and not transport.is_closing():
                transport.write_eof()
        elif isinstance(event, Over):
            transport.close()
        elif isinstance(event, Room):
            self._waits = False
            self.look()
        else:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Carrier(asyncio.Protocol):
    """One end of a bridge: its pipe and its connections. `run` lasts as long as the pipe does."""

    def __init__(
        self, *, opens: bool, connect: Optional[Callable[[], Coroutine[Any, Any, socket.socket]]] = None
    ) -> None:
        """`connect`: how the node end reaches the server; returns a connected socket."""
        self.pipe = Pipe(opens=opens)
        self.is_full = False
        """whether the pipe takes no more at the moment"""
        self.is_up = asyncio.Event()
        """set when the other end has greeted"""
        self._opens = opens
        self._connect = connect
        self._sides: Dict[int, _Side] = {}
        self._tasks: Set[asyncio.Task[None]] = set()
        self._writer: Optional[asyncio.WriteTransport] = None
        self._heard = 0.0

    @property
    def size(self) -> int:
        """Number of connections."""
        return len(self._sides)

    @property
    def count(self) -> int:
        """Number of connections so far."""
        return self.pipe.count

    async def run(self, source: int, target: int, first: bytes = b"") -> str:
        """Carry between two file descriptors, which it closes; `first` is written before all else. Returns why it ended."""
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = loop.create_future()
        self._heard = loop.time()
        reader, _ = await loop.connect_read_pipe(lambda: self, os.fdopen(source, "rb", 0))
        writer, _ = await loop.connect_write_pipe(lambda: _Outflow(self), os.fdopen(target, "wb", 0))
        self._writer = writer
        writer.write(first)
        self.flush()
        watch = loop.create_task(self._watch())
        try:
            return await self._ended
        finally:
            watch.cancel()
            reader.close()
            if not writer.is_closing():
                writer.abort()
            for task in self._tasks:
                task.cancel()
            for side in list(self._sides.values()):
                side.abort()
            self._sides.clear()
            await asyncio.gather(watch, *self._tasks, return_exceptions=True)

    def end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)

    def flush(self) -> None:
        if self._writer is not None and (data := self.pipe.take()):
            self._writer.write(data)

    def filled(self, is_full: bool) -> None:
        """The pipe takes no more for now, or again."""
        self.is_full = is_full
        for side in self._sides.values():
            side.look()

    def accept(self) -> asyncio.Protocol:
        """Return the protocol of a new connection of the login end."""
        number = self.pipe.open()
        if number is None:
            return _Refusal()
        self.flush()
        return self._side(number)

    def _side(self, number: int) -> _Side:
        side = self._sides[number] = _Side(self, number)
        return side

    def lost(self, number: int) -> None:
        """A connection of this end is gone."""
        if self._sides.pop(number, None) is not None:
            self.pipe.reset(number)
            self.flush()

    # -- the pipe's own protocol -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        try:
            events = self.pipe.feed(data)
        except PipeBroken as broken:
            self.end(str(broken))
            return
        if self.pipe.is_up:
            self.is_up.set()
        for event in events:
            self._hear(event)
        self.flush()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self.end("the pipe was closed")

    def _hear(self, event: Event) -> None:
        if isinstance(event, Opened):
            side = self._side(event.number)
            task = asyncio.get_running_loop().create_task(self._reach(side))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        side_of = self._sides.get(event.number)
        if side_of is not None:
            if isinstance(event, Reset):
                del self._sides[event.number]
            side_of.hear(event)

    async def _reach(self, side: _Side) -> None:
        """Connect to the server for a connection that the other end opened."""
        assert self._connect is not None
        try:
            connected = await self._connect()
            if side.number not in self._sides:  # broken off meanwhile
                connected.close()
                return
            await asyncio.get_running_loop().create_connection(lambda: side, sock=connected)
        except OSError:
            self.lost(side.number)

    async def _watch(self) -> None:
        """End when the other end is silent for too long; the login end asks it for a sign."""
        loop = asyncio.get_running_loop()
        while loop.time() - self._heard < DEAD_S:
            await asyncio.sleep(PING_S)
            if self._opens and self.pipe.is_up:
                self.pipe.ping()
                self.flush()
        self.end("the other end has been silent for %.0f s" % DEAD_S)


class _Outflow(asyncio.BaseProtocol):
    """The writing side of the pipe."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def pause_writing(self) -> None:
        self._carrier.filled(True)

    def resume_writing(self) -> None:
        self._carrier.filled(False)

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._carrier.end("the pipe was closed")


class _Refusal(asyncio.Protocol):
    """Closes a connection at once: too many are open."""

    def connection_made(self, transport: Any) -> None:
        transport.abort()
