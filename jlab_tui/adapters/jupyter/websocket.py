"""The bare WebSocket to a kernel: opens it, notes when data arrived last, says why it failed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from .dial import Dialer

_MESSAGE_MAX = 256 << 20


class KernelConnection(ClientConnection):
    """Notes when data arrived last, and acknowledges TCP segments at once: a stock server leaves Nagle's algorithm on, which
    would delay each cell by 40 ms."""

    heard = 0.0
    """when any part of a message arrived (the loop's time)"""
    _option = getattr(socket, "TCP_QUICKACK", None)
    _socket: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        found = transport.get_extra_info("socket")
        if (
            self._option is not None
            and found is not None
            and found.family in (socket.AF_INET, socket.AF_INET6)
        ):
            self._socket = found
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)
        if self._socket is not None and self._option is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, self._option, 1)
            except OSError:
                self._socket = None


async def open_connection(
    dialer: Dialer, path: str, headers: Mapping[str, str], subprotocol: str | None, timeout: float
) -> KernelConnection:
    """Raises OSError, TimeoutError, WebSocketException; PeerUnproved, before sending anything, if a stranger listens."""
    async with asyncio.timeout(timeout):
        opened = await dialer.connect()
    try:
        return await _handshake(dialer, opened, path, headers, subprotocol, timeout)
    except BaseException:
        opened.close()
        raise


async def _handshake(
    dialer: Dialer,
    opened: socket.socket,
    path: str,
    headers: Mapping[str, str],
    subprotocol: str | None,
    timeout: float,
) -> KernelConnection:
    ws = await connect(
        dialer.base.replace("http", "ws", 1) + path,
        sock=opened,
        ssl=dialer.ssl_context,
        additional_headers=headers,
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        open_timeout=timeout,
        close_timeout=0.5,
        ping_interval=None,  # the link sends its own pings
        max_size=_MESSAGE_MAX,
        max_queue=8,
        compression=None,
        proxy=None,
        user_agent_header=None,
        create_connection=KernelConnection,
    )
    assert isinstance(ws, KernelConnection)
    return ws


async def unless_silent(ws: KernelConnection, pong: asyncio.Future[float], patience: float) -> None:
    """Wait for a pong, which queues behind other data. Raises TimeoutError if no data arrives for `patience` seconds."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        while not pong.done():
            left = max(started, ws.heard) + patience - loop.time()
            if left <= 0:
                raise TimeoutError
            await asyncio.wait({pong}, timeout=left)
        await pong
    finally:
        pong.cancel()


async def send_quietly(ws: KernelConnection, text: str) -> None:
    with contextlib.suppress(ConnectionClosed):
        await ws.send(text)


def why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionClosed():
            return "connection lost"
        case InvalidHandshake():
            return f"the server refused the connection ({error})"
        case _:
            return str(error) or type(error).__name__
