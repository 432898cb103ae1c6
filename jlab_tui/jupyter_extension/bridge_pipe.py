"""Carries many connections over one pipe, without I/O: it is fed bytes, says what arrived, and holds what to write.

Both ends of a bridge run it: the login end opens connections, the node end accepts them. Each end first writes a line with
the protocol's version; what comes before it, such as a shell's greeting, is passed over. Then frames follow: kind (1 byte),
number of the connection (4 bytes), length of the body (4 bytes, big-endian), body.

Each end may send WINDOW bytes of a connection that the other has not yet written on. So a connection whose reader is slow
waits alone, and what it can make the other end hold is bounded.
"""

from __future__ import annotations

import re
import struct
from typing import Dict, List, NamedTuple, Optional, Union

VERSION = 1
WINDOW = 1 << 20
PIECE = 1 << 16
"""bytes of one frame's body, so that connections take turns"""
CONNECTIONS = 1000
"""at once"""
NOISE = 1 << 16
"""bytes before the greeting, at most"""

_GREETING = b"\0jlab-mcp bridge %d\n"
_GREETED = re.compile(rb"\0jlab-mcp bridge (\d{1,4})\n")
_GREETING_MAX = 24
_HEAD = struct.Struct("!BII")
_AMOUNT = struct.Struct("!I")
OPEN, DATA, END, RESET, CREDIT, PING, PONG = range(1, 8)
_EMPTY = (OPEN, END, RESET, PING, PONG)


class PipeBroken(Exception):
    """The other end does not keep to the protocol; nothing of the pipe can be used any more."""


class Opened(NamedTuple):
    """The other end opened a connection."""

    number: int


class Arrived(NamedTuple):
    number: int
    data: bytes


class Ended(NamedTuple):
    """The other end sends no more on this connection."""

    number: int


class Over(NamedTuple):
    """Both ends have sent all: the connection is closed."""

    number: int


class Reset(NamedTuple):
    """The other end broke the connection off."""

    number: int


class Room(NamedTuple):
    """All that was to be sent is on its way, so more may be read."""

    number: int


Event = Union[Opened, Arrived, Ended, Over, Reset, Room]


class _Connection:
    def __init__(self) -> None:
        self.credit = WINDOW
        """bytes that we may send"""
        self.waiting = b""
        """what was to be sent beyond that"""
        self.held = 0
        """bytes received and not yet credited to the other end"""
        self.written = 0
        """those of them that were written on"""
        self.is_ending = self.has_ended = self.is_heard_out = False


class Pipe:
    """One end of the pipe."""

    def __init__(self, *, opens: bool) -> None:
        """`opens`: this end opens connections, the other accepts them."""
        self._opens = opens
        self._connections: Dict[int, _Connection] = {}
        self._last = 0
        """number of the newest connection"""
        self._out = [_GREETING % VERSION]
        self._in = bytearray()
        self._trouble = ""
        self.is_up = False
        """whether the other end has greeted"""

    @property
    def size(self) -> int:
        """Number of open connections."""
        return len(self._connections)

    @property
    def count(self) -> int:
        """Number of connections so far."""
        return self._last

    def take(self) -> bytes:
        """Return what to write to the pipe, and forget it."""
        taken, self._out = b"".join(self._out), []
        return taken

    # -- what the other end sends ------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> List[Event]:
        """Take what came through the pipe; return what it says. Raises PipeBroken."""
        if self._trouble:
            raise PipeBroken(self._trouble)
        self._in += data
        events: List[Event] = []
        try:
            if self.is_up or self._greeted():
                self._frames(events)
        except PipeBroken as broken:
            self._trouble = str(broken)
            raise
        return events

    def _greeted(self) -> bool:
        found = _GREETED.search(self._in, 0, NOISE + _GREETING_MAX)
        if found is None:
            if len(self._in) > NOISE + _GREETING_MAX:
                raise PipeBroken("the other end does not greet")
            return False
        if int(found.group(1)) != VERSION:
            raise PipeBroken("the other end speaks version %d, not %d" % (int(found.group(1)), VERSION))
        del self._in[: found.end()]
        self.is_up = True
        return True

    def _frames(self, events: List[Event]) -> None:
        at = 0
        while len(self._in) - at >= _HEAD.size:
            kind, number, size = _HEAD.unpack_from(self._in, at)
            if size > PIECE:
                raise PipeBroken("a frame of %d bytes" % size)
            start = at + _HEAD.size
            if len(self._in) < start + size:
                break
            at = start + size
            self._frame(kind, number, bytes(memoryview(self._in)[start:at]), events)
        del self._in[:at]

    def _frame(self, kind: int, number: int, body: bytes, events: List[Event]) -> None:
        if bool(body) is (kind in _EMPTY):
            raise PipeBroken("a frame of kind %d with %d bytes" % (kind, len(body)))
        if kind == PING:
            self._write(PONG, 0)
        elif kind == OPEN:
            self._opened(number, events)
        elif kind != PONG:
            connection = self._connections.get(number)
            if connection is not None:
                self._about(connection, kind, number, body, events)
            elif number > self._last:
                raise PipeBroken("connection %d was never opened" % number)
            # Else the two ends closed it at the same time.

    def _opened(self, number: int, events: List[Event]) -> None:
        if self._opens or number <= self._last:
            raise PipeBroken("connection %d cannot be opened" % number)
        self._last = number
        if len(self._connections) >= CONNECTIONS:
            self._write(RESET, number)
            return
        self._connections[number] = _Connection()
        events.append(Opened(number))

    def _about(
        self, connection: _Connection, kind: int, number: int, body: bytes, events: List[Event]
    ) -> None:
        if kind == RESET:
            del self._connections[number]
            events.append(Reset(number))
        elif kind == CREDIT:
            self._credited(connection, number, body, events)
        elif connection.is_heard_out or kind not in (DATA, END):
            raise PipeBroken("a frame of kind %d on connection %d" % (kind, number))
        elif kind == DATA:
            connection.held += len(body)
            if connection.held > WINDOW:
                raise PipeBroken("more than connection %d may send" % number)
            events.append(Arrived(number, body))
        else:
            connection.is_heard_out = True
            events.append(Ended(number))
            if self._forgotten(number, connection):
                events.append(Over(number))

    def _credited(self, connection: _Connection, number: int, body: bytes, events: List[Event]) -> None:
        if len(body) != _AMOUNT.size:
            raise PipeBroken("a credit of %d bytes" % len(body))
        connection.credit += _AMOUNT.unpack(body)[0]
        if connection.credit > WINDOW:
            raise PipeBroken("more credit than connection %d has used" % number)
        if connection.waiting:
            self._push(connection, number)
            if not connection.waiting and not connection.is_ending:
                events.append(Room(number))
            if self._ended(number, connection):
                events.append(Over(number))

    # -- what this end does ------------------------------------------------------------------------------------------

    def open(self) -> Optional[int]:
        """Open a connection and return its number; None if too many are open."""
        if len(self._connections) >= CONNECTIONS:
            return None
        self._last += 1
        self._connections[self._last] = _Connection()
        self._write(OPEN, self._last)
        return self._last

    def send(self, number: int, data: bytes) -> bool:
        """Send data. Returns whether more may be read; if not, wait for `Room`."""
        connection = self._connections.get(number)
        if connection is None or connection.is_ending:
            return True
        connection.waiting += data
        self._push(connection, number)
        return not connection.waiting

    def end(self, number: int) -> bool:
        """Send no more on a connection, once all is sent. Returns whether it is over at once; else `Over` says so later."""
        connection = self._connections.get(number)
        if connection is None:
            return True
        connection.is_ending = True
        return self._ended(number, connection)

    def reset(self, number: int) -> None:
        """Break a connection off."""
        if self._connections.pop(number, None) is not None:
            self._write(RESET, number)

    def written(self, number: int, size: int) -> None:
        """So many bytes of what arrived were written on: the other end may send as many more."""
        connection = self._connections.get(number)
        if connection is None or connection.is_heard_out:
            return
        connection.written += size
        if connection.written >= WINDOW // 4:
            self._write(CREDIT, number, _AMOUNT.pack(connection.written))
            connection.held -= connection.written
            connection.written = 0

    def ping(self) -> None:
        """Ask whether the other end lives; it answers, and whatever comes is a sign of it."""
        self._write(PING, 0)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _push(self, connection: _Connection, number: int) -> None:
        data, at = connection.waiting, 0
        while connection.credit and at < len(data):
            piece = data[at : at + min(PIECE, connection.credit)]
            self._write(DATA, number, piece)
            connection.credit -= len(piece)
            at += len(piece)
        connection.waiting = data[at:]

    def _ended(self, number: int, connection: _Connection) -> bool:
        """Say the end once all is sent; return whether the connection is over."""
        if not connection.is_ending or connection.has_ended or connection.waiting:
            return False
        connection.has_ended = True
        self._write(END, number)
        return self._forgotten(number, connection)

    def _forgotten(self, number: int, connection: _Connection) -> bool:
        """Forget a connection that is over; return whether it was."""
        is_over = connection.has_ended and connection.is_heard_out
        if is_over:
            del self._connections[number]
        return is_over

    def _write(self, kind: int, number: int, body: bytes = b"") -> None:
        self._out.append(_HEAD.pack(kind, number, len(body)))
        if body:
            self._out.append(body)
