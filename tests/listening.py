"""A server of a test's own that leaves nothing behind, however its connections stand when the test ends.

`asyncio.start_server` loses those that it accepts while it ends, and a handler that is cancelled before its first step
never closes its connection. Either is blamed on a later test, as a ResourceWarning.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def at_path(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    return listener


@asynccontextmanager
async def listening(
    handler: Handler, listener: socket.socket | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen, by default at a free port of 127.0.0.1, and yield the port.

    A connection is closed when its handler returns; the end of the block aborts those that are left.
    """
    loop = asyncio.get_running_loop()
    handlers: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def handle(connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with contextlib.suppress(OSError, EOFError):  # the client has gone
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
            writers.append(writer := asyncio.StreamWriter(transport, protocol, reader, loop))
            with contextlib.closing(writer):
                await handler(reader, writer)

    def accept(bound: socket.socket) -> None:
        with contextlib.suppress(OSError):
            handlers.append(loop.create_task(handle(bound.accept()[0])))

    with listener or socket.create_server(("127.0.0.1", 0)) as bound:
        bound.listen()
        bound.setblocking(False)
        loop.add_reader(bound, accept, bound)
        try:
            yield bound.getsockname()[1]
        finally:
            loop.remove_reader(bound)
            await asyncio.sleep(0)  # the first step of the handlers that have had none
            for one in handlers:
                one.cancel()
            ended = await asyncio.gather(*handlers, return_exceptions=True)
            for writer in writers:
                writer.transport.abort()
            await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error
