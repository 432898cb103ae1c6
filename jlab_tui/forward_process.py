"""`jlab-mcp --forward`: a browser's way to a project's server, one process for each login host and project.

It takes connections at a Unix socket, to which `ssh -L` leads from a laptop, and at a port of 127.0.0.1, from this account only.
Each goes on to the server as this host reaches it, which no browser can: by pinned TLS, or by a bridge. `jlab-mcp url` starts it;
it ends when nobody has used it for a while, or with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from .adapters.background import Tell, first_word
from .adapters.jupyter.dial import Dialer, prove
from .adapters.link.forwards import IDLE_S, START_S
from .adapters.link.host_files import HostFiles, forward_files, remove_old
from .adapters.link.own_socket import accept, accepted, listening
from .adapters.log_file import forward_log
from .core.errors import JlabError, StatusFileError
from .core.link.forward import Forward, format_forward, usual_port
from .core.server.record import ServerRecord
from .core.server.route import LoopbackRoute
from .core.server.status import ServerStatus

_LOOK_S: Final = 2.0
_REACH_S: Final = 60.0
"""longest wait for the server; a new bridge takes a while"""
_PIECE: Final = 1 << 16
_REFUSAL: Final = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
)

log = logging.getLogger(__name__)


class DialerSource(Protocol):
    def dialer(self, record: ServerRecord) -> Dialer: ...


Recall = Callable[[], Awaitable[ServerStatus | None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ForwardProcess:
    """Takes a browser's connections while they are used."""

    def __init__(self, recall: Recall, access: DialerSource, key: str, tell: Tell) -> None:
        """`recall`: the server on record. `tell` reaches the process that waits."""
        self.idle_s = IDLE_S
        """it ends so long after its last use"""
        self._recall = recall
        self._access = access
        self._key = key
        self._tell = tell
        self._connections: set[asyncio.Task[None]] = set()
        self._carried = self._count = 0
        """connections of this account's: at the moment, and so far"""

    async def serve(self) -> None:
        files = forward_files(self._key)
        remove_old(files.socket.parent, time.time())
        with files.held() as is_ours:
            if is_ours:
                await self._serve(files)
            else:
                self._tell("taken")

    async def _serve(self, files: HostFiles) -> None:
        loop, leave = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, leave.set)
        with listening(files.socket) as (at_socket, is_there), _at_loopback(usual_port(self._key)) as at_port:
            files.say(format_forward(Forward(str(files.socket), at_port.getsockname()[1])))
            work = [
                loop.create_task(accept(at_socket, self._take)),
                loop.create_task(self._accept_proved(at_port)),
                loop.create_task(leave.wait()),
            ]
            self._tell("up")
            used, count = loop.time(), 0
            try:
                while is_there() and loop.time() - used < self.idle_s and await self._has_server():
                    if (await asyncio.wait(work, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED))[0]:
                        break
                    if self._carried or self._count != count:
                        used, count = loop.time(), self._count
            finally:
                for task in (*work, *self._connections):
                    task.cancel()
                await asyncio.gather(*work, *self._connections, return_exceptions=True)
        files.remove()

    async def _has_server(self) -> bool:
        try:
            status = await self._recall()
        except StatusFileError:
            return True
        return status is not None and not status.is_over

    async def _accept_proved(self, listener: socket.socket) -> None:
        """Take those connections to the port that this account opened."""
        async for connection in accepted(listener):
            self._start(self._proved(connection))

    async def _proved(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(_REACH_S):
                await prove(LoopbackRoute("the forward"), connection)
        except (OSError, TimeoutError) as error:
            log.warning("refused: %s", error)
            connection.close()
        else:
            await self._carry(connection)

    async def _take(self, connection: socket.socket) -> None:
        self._start(self._carry(connection))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, connection: socket.socket) -> None:
        """Carry one connection of this account's until either side ends it."""
        self._count += 1
        self._carried += 1
        try:
            await self._carry_on(connection)
        finally:
            self._carried -= 1

    async def _carry_on(self, connection: socket.socket) -> None:
        browser = await asyncio.open_connection(sock=connection, limit=_PIECE)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(browser[1].close)
            try:
                async with asyncio.timeout(_REACH_S):
                    server = await self._reach()
            except (OSError, TimeoutError, JlabError) as error:
                why = error.message if isinstance(error, JlabError) else str(error) or "no answer"
                log.warning("the server is not reached: %s", why)
                browser[1].write(f"{_REFUSAL}JupyterLab is not reached: {why}\n".encode())
                return
            stack.callback(server[1].close)
            ways = [asyncio.create_task(_pass_on(browser[0], server[1])),
                    asyncio.create_task(_pass_on(server[0], browser[1]))]  # fmt: skip
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _reach(self) -> Streams:
        status = await self._recall()
        if status is None or status.is_over:
            raise ConnectionError("it has ended")
        dialer = self._access.dialer(status.record)
        opened = await dialer.connect()
        try:
            tls = dialer.ssl_context
            host = status.record.hostname if tls is not None else None
            return await asyncio.open_connection(sock=opened, ssl=tls, server_hostname=host, limit=_PIECE)
        except BaseException:
            opened.close()
            raise


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def _at_loopback(port: int) -> Iterator[socket.socket]:
    """A listener at this port of 127.0.0.1, or at another if it is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        listener.listen(128)
        yield listener


def run_forward(recall: Recall, access: DialerSource, key: str, log_dir: Path) -> int:
    """Start it in the background and wait until it listens. Returns the exit code."""
    log_path = log_dir / forward_log(socket.gethostname(), key)
    said = first_word(log_path, lambda tell: ForwardProcess(recall, access, key, tell).serve(), START_S)
    if said:
        return 0
    sys.stderr.write(f"it ended before it was up; {log_path} may say why\n")
    return 1
