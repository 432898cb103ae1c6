"""A browser's way to a server: what it carries, whom it refuses, when it ends."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.link.host_files import forward_files
from jlab_tui.adapters.link.own_socket import accept, listening
from jlab_tui.core.link.forward import parse_forward
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.server.route import SocketRoute
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.core.settings import Mode
from jlab_tui.forward_process import ForwardProcess
from tests.project import until

from .test_carrying import echoing

READY = ServerStatus(ServerRecord(ServerState.READY, Mode.SLURM, hostname="gpu1"), "running", "ready")


@dataclass
class Server:
    """The server on record, of which a test decides whether it is there."""

    path: Path
    status: ServerStatus | None = READY

    async def recall(self) -> ServerStatus | None:
        return self.status

    def dialer(self, record: ServerRecord) -> Dialer:
        return Dialer(SocketRoute(str(self.path)))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int = 5) -> bytes:
    writer.write(b"hello")
    try:
        return await reader.readexactly(size)
    finally:
        writer.close()
        await writer.wait_closed()


async def served(server: Server) -> tuple[ForwardProcess, str, asyncio.Task[None]]:
    """A forward that is up, its key, and its work."""
    key, told = secrets.token_hex(6), list[str]()
    process = ForwardProcess(server.recall, server, key, told.append)
    work = asyncio.create_task(process.serve())
    await until(lambda: told == ["up"])
    return process, key, work


async def test_it_carries_connections_of_its_socket_and_port_and_ends_when_nobody_uses_it(
    folder: Path,
) -> None:
    async with echoing(folder / "server"):
        process, key, serving = await served(Server(folder / "server"))
        files = forward_files(key)
        found = parse_forward(files.last_word())
        assert found is not None and found.socket == str(files.socket)
        assert await answer(*await asyncio.open_unix_connection(found.socket)) == b"hello"
        assert await answer(*await asyncio.open_connection("127.0.0.1", found.port)) == b"hello"
        process.idle_s = 0.1
        async with asyncio.timeout(40):
            await serving
    assert not any(path.exists() for path in (files.socket, files.word, files.lock))


async def test_it_says_to_the_browser_why_the_server_is_not_reached_and_ends_with_it(folder: Path) -> None:
    server = Server(folder / "nothing")
    _, key, serving = await served(server)
    reader, writer = await asyncio.open_unix_connection(str(forward_files(key).socket))
    said = await answer(reader, writer, 12)
    assert said == b"HTTP/1.1 503"
    server.status = None
    async with asyncio.timeout(40):
        await serving


async def test_connections_wait_for_a_process_that_has_no_descriptors_left(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[bytes] = []

    async def take(connection: socket.socket) -> None:
        with connection:
            taken.append(connection.recv(5))

    with (
        socket.socket(socket.AF_UNIX) as client,
        listening(folder / "s") as (listener, _),
    ):
        client.connect(str(folder / "s"))
        client.sendall(b"hello")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        os.close(free := os.dup(client.fileno()))
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            accepting = asyncio.create_task(accept(listener, take))
            await until(lambda: "no connection can be taken" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await until(lambda: taken == [b"hello"])
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
