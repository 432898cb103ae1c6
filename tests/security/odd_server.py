"""A real server behind a proxy that can answer every request with something odd, while kernels' channels go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.listening import listening


class OddServer:
    """Hands connections on to one local port. It is of our own account, as its clients demand."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.body: bytes | None = None
        """the answer to every request; None: the server's own"""
        self.health_is_odd = False
        """else `/api/status` says that a Jupyter server is there"""
        self.answered = 0
        """requests that got the odd answer since `answer`"""
        self._target = target
        self._requests: set[asyncio.StreamWriter] = set()

    def answer(self, body: bytes | None, *, health_too: bool = False) -> None:
        self.body, self.health_is_odd, self.answered = body, health_too, 0
        for writer in self._requests:
            writer.close()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_request = b"upgrade: websocket" not in head.lower()
        if is_request:
            self._requests.add(writer)
        try:
            if is_request and self.body is not None:
                await self._answer(head, reader, writer, self.body)
            else:
                await self._hand_on(head, reader, writer)
        finally:
            self._requests.discard(writer)

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> None:
        is_health = b" /api/status" in head and not self.health_is_odd
        said = b'{"kernels": 1}' if is_health else body
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        writer.write(
            b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
        )
        await writer.drain()
        self.answered += not is_health

    async def _hand_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        back.write(head)
        copies = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
        try:
            await asyncio.wait(copies, return_when="FIRST_COMPLETED")
        finally:
            back.transport.abort()
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def odd_server(target: int) -> AsyncIterator[OddServer]:
    odd = OddServer(target)
    async with listening(odd.accept) as odd.port:
        yield odd
