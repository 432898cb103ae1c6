"""Finds the owner of the other end of a TCP connection on this machine in Linux's tables of connections.

Run by our own processes, and by a bridge's node end.

Format of /proc/net/tcp and tcp6: https://docs.kernel.org/networking/proc_net_tcp.html
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Iterable, Optional, Tuple, Union

TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")
ACCEPT_POLL_S = 0.005
_ESTABLISHED = "01"
_NO_INODE = "0"
Endpoint = Tuple[str, int]
"""address and port"""


class NotAccepted(Exception):
    """No process has taken the far end yet. Linux before 6.17 calls its owner root then, whoever listens."""


async def owner(near: Endpoint, far: Endpoint) -> Optional[int]:
    """Wait until the far end is accepted, then return `owner_of`. Callers limit the wait."""
    while True:
        try:
            return owner_of(await asyncio.get_running_loop().run_in_executor(None, tables), near, far)
        except NotAccepted:
            await asyncio.sleep(ACCEPT_POLL_S)


def tables(paths: Iterable[str] = TABLES) -> str:
    """Return the system's tables of connections, one after the other; empty where there are none."""
    texts = []
    for path in paths:
        try:
            with open(path, encoding="ascii") as file:
                texts.append(file.read())
        except OSError:
            continue  # without IPv6 there is no tcp6
    return "".join(texts)


def owner_of(tables: str, near: Endpoint, far: Endpoint) -> Optional[int]:
    """Return the uid that owns the far end of our connection from `near` to `far`, both on this machine.

    `tables` is the text of /proc/net/tcp and /proc/net/tcp6, one after the other. Returns None if they do not list that end:
    it is on another machine, in another network namespace, or its process has ended. Raises NotAccepted.
    """
    for line in tables.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[3] != _ESTABLISHED:
            continue
        if _endpoint(fields[1]) == _plain(far) and _endpoint(fields[2]) == _plain(near):
            if fields[9] == _NO_INODE:
                raise NotAccepted("the connection waits to be accepted")
            return int(fields[7])
    return None


def _plain(endpoint: Endpoint) -> Tuple[Union[IPv4Address, IPv6Address], int]:
    address = ip_address(endpoint[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address, endpoint[1]


def _endpoint(field: str) -> Optional[Tuple[Union[IPv4Address, IPv6Address], int]]:
    """Write `0100007F:46A0`: the address in 32-bit words, each in the machine's byte order (little-endian)."""
    address, _, port = field.partition(":")
    try:
        raw = bytes.fromhex(address)
        words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
        return _plain((str(ip_address(words)), int(port, 16)))
    except ValueError:
        return None
