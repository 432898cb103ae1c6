"""The node's end of a bridge: connections that come over stdin and stdout go to the server's Unix socket.

The login end sends this program through the same pipe (`adapters/link/node_program.py`), so that both are of one version
and no file of the node has to be trusted. Standard library only.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import List

from .bridge_carrier import Carrier
from .credentials import peer_uid, require_own

LOOK_S = 1.0
EXIT_NO_SERVER = 3
"""nobody serves the socket: the server has ended, or this is another machine"""


async def connect(path: str) -> socket.socket:
    """Connect to the server's socket. Raises OSError, also if it is not this account's."""
    require_own(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, path)
        if peer_uid(opened) not in (os.geteuid(), None):
            raise PermissionError("another account serves %s" % path)
    except BaseException:
        opened.close()
        raise
    return opened


async def gone(path: str) -> str:
    """Wait until nobody serves the socket any more; return what the system says then. A connection of its own tells it."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            with await connect(path) as held:
                await loop.sock_recv(held, 1)
            await asyncio.sleep(LOOK_S)  # a server that serves may close it, too
    except OSError as error:
        return error.strerror or str(error)


async def carry(path: str) -> int:
    """Carry until the pipe or the server ends. Returns the exit code."""
    loop = asyncio.get_running_loop()
    try:
        (await connect(path)).close()
    except OSError as error:
        return ended(path, error.strerror or str(error))
    carrier = Carrier(opens=False, connect=lambda: connect(path))
    carrying = loop.create_task(carrier.run(os.dup(0), os.dup(1)))
    watching = loop.create_task(gone(path))
    await asyncio.wait({carrying, watching}, return_when=asyncio.FIRST_COMPLETED)
    is_gone = watching.done()
    for task in (carrying, watching):
        task.cancel()
    await asyncio.gather(carrying, watching, return_exceptions=True)
    return ended(path, watching.result()) if is_gone else 0


def ended(path: str, why: str) -> int:
    """Say that nobody serves the socket; return the exit code."""
    sys.stderr.write("%s: %s\n" % (path, why))
    return EXIT_NO_SERVER


def main(argv: List[str]) -> int:
    return asyncio.run(carry(argv[1]))
