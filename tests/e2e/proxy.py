"""A TCP proxy that can cut, reset, silence, hold and slow the connections through it, switched while they are open."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from tests.listening import listening
from tests.project import Project

Cut = Literal["fin", "rst", "silence"]
_BLOCK = 1 << 16
_FLUSH_S = 1.0
"""how long a connection that is closed in order may take to hand on what is on its way"""


class Proxy:
    """Forwards connections to one local port."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.bytes_per_s = 0
        """0: as fast as it goes"""
        self.holds: bytes | None = None
        """a request that begins so is handed on, its answer is not"""
        self.accepted = 0
        self._target = target
        self._down: Cut | None = None
        self._pairs: set[_Pair] = set()

    def cut(self, how: Cut) -> None:
        """Break every open connection, and treat new ones alike until `restore`.

        fin: closed in order. rst: reset. silence: stays open and nothing passes any more, as when a cable is pulled or
        a firewall forgets; such a connection never comes back.
        """
        self._down = how
        for pair in list(self._pairs):
            pair.end(how)

    def restore(self) -> None:
        self._down = None

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        pair = _Pair(self, reader, writer)
        self._pairs.add(pair)
        try:
            if self._down is not None:
                pair.end(self._down)
                await pair.over.wait()
                return
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await pair.forward(self._target)
        finally:
            pair.end("fin")
            await pair.closed()
            self._pairs.discard(pair)


class _Pair:
    """One connection of a client and ours to the target."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.over = asyncio.Event()
        self._proxy = proxy
        self._reader = reader
        self._writers = [writer]
        self._silent = False
        self._is_held = False

    def end(self, how: Cut) -> None:
        if how == "silence":
            self._silent = True
            return
        for writer in self._writers:
            if how == "rst":
                plain = writer.get_extra_info("socket")
                if plain is not None and plain.fileno() >= 0:
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
        self.over.set()

    async def closed(self) -> None:
        """Wait until both sockets are closed; what a peer does not read is dropped after a moment."""
        waiting = [asyncio.ensure_future(writer.wait_closed()) for writer in self._writers]
        try:
            await asyncio.wait(waiting, timeout=_FLUSH_S)
        finally:
            self.end("rst")
            await asyncio.gather(*waiting, return_exceptions=True)

    async def forward(self, target: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target, limit=_BLOCK)
        self._writers.append(writer)
        copies = [
            asyncio.create_task(self._copy(self._reader, writer)),
            asyncio.create_task(self._copy(reader, self._writers[0])),
        ]
        tasks = [*copies, asyncio.create_task(self.over.wait())]
        try:
            await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
            if self._silent:
                await self.over.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(self._at_once()):
            if reader is self._reader and self._proxy.holds is not None:
                self._is_held = data.startswith(self._proxy.holds)
            if self._silent or (self._is_held and reader is not self._reader):
                await self.over.wait()
            if speed := self._proxy.bytes_per_s:
                await asyncio.sleep(len(data) / speed)
            writer.write(data)
            await writer.drain()

    def _at_once(self) -> int:
        """A slow line brings little at a time, and something all the time."""
        speed = self._proxy.bytes_per_s
        return max(1, min(_BLOCK, speed // 10)) if speed else _BLOCK


def behind(project: Project, port: int, home: Path) -> Project:
    """The same project for somebody who reaches its server through a proxy.

    As a login node behind a forwarded port would: same directory, a HOME of its own, whose status file and connection
    file name the proxy and no socket. Process, token and everything else are the server's.
    """
    facts = project.status_file()
    connection = json.loads(Path(facts["CONN_FILE"]).read_text(encoding="utf-8"))
    url = f"http://127.0.0.1:{port}"
    status_dir = home / ".jlab-mcp" / "servers" / project.status_dir.name
    status_dir.mkdir(parents=True)
    there = home / "proxied.connection.json"
    there.write_text(json.dumps({**connection, "port": port, "url": url, "socket": ""}), encoding="utf-8")
    facts |= {"PORT": str(port), "URL": url, "CONN_FILE": str(there), "SOCKET": ""}
    lines = "\n".join(f"{key}={value}" for key, value in facts.items())
    (status_dir / "server-status").write_text(lines + "\n", encoding="utf-8")
    return dataclasses.replace(project, home=home, extra_env=dict(project.extra_env))


@asynccontextmanager
async def proxied(project: Project, home: Path) -> AsyncIterator[tuple[Project, Proxy]]:
    """A proxy in front of a project's server, and the project as seen through it."""
    proxy = Proxy(int(project.status_file()["PORT"]))
    async with listening(proxy.accept) as proxy.port:
        yield behind(project, proxy.port, home), proxy
