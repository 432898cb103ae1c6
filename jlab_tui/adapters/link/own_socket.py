"""A listening Unix socket that only this account, and root, can use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ...jupyter_extension.credentials import peer_uid

_SHORT_S: Final = 0.5

log = logging.getLogger(__name__)


async def accepted(listener: socket.socket) -> AsyncIterator[socket.socket]:
    """Yield each connection. Those that a process without free descriptors cannot take wait until it has some."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError as error:
            log.warning("no connection can be taken right now: %s", error)
            await asyncio.sleep(_SHORT_S)
        else:
            yield connection


@contextlib.contextmanager
def listening(path: Path) -> Iterator[tuple[socket.socket, Callable[[], bool]]]:
    """A listening socket, 0600, for the time of the block; also tells whether its file is still there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        path.unlink(missing_ok=True)  # left by a killed process
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
        inode = path.lstat().st_ino

        def is_there() -> bool:
            with contextlib.suppress(OSError):
                return path.lstat().st_ino == inode
            return False

        try:
            yield listener, is_there
        finally:
            if is_there():
                path.unlink(missing_ok=True)


async def accept(listener: socket.socket, take: Callable[[socket.socket], Awaitable[Any]]) -> None:
    """Hand each connection of this account's to `take`, and close the others, until cancelled."""
    async for connection in accepted(listener):
        if peer_uid(connection) in (os.geteuid(), 0, None):
            await take(connection)
        else:
            connection.close()
