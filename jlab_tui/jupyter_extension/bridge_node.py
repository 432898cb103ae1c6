"""The node's end of a bridge: connections that come over stdin and stdout go to the server's Unix socket, or to the port of a
server of an earlier version, once the system says that this account owns its other end.

The login end sends this program through the same pipe (`adapters/link/node_program.py`), so that both are of one version
and no file of the node has to be trusted. Standard library only.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import List, Optional

from .bridge_carrier import Carrier
from .credentials import peer_uid, require_own
from .loopback_owner import owner

LOOK_S = 1.0
PROOF_S = 5.0
EXIT_NO_SERVER = 3
"""nobody serves the socket: the server has ended, or this is another machine"""


async def connect(where: str) -> socket.socket:
    """Connect to the server. Raises OSError, also if it is not this account's."""
    is_path = where.startswith("/")
    if is_path:
        require_own(where)
    host, _, port = where.rpartition(":")
    family = socket.AF_UNIX if is_path else socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(
            opened, where if is_path else (host.strip("[]"), int(port))
        )
        uid = peer_uid(opened) if is_path else await _owner_of_port(opened)
        if uid != os.geteuid() and not (is_path and uid is None):
            raise PermissionError("another account serves %s" % where)
    except BaseException:
        opened.close()
        raise
    return opened


async def _owner_of_port(connection: socket.socket) -> Optional[int]:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    near, far = connection.getsockname()[:2], connection.getpeername()[:2]
    try:
        return await asyncio.wait_for(owner(near, far), PROOF_S)
    except asyncio.TimeoutError:
        raise TimeoutError("nobody accepts connections at port %d" % far[1]) from None


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
