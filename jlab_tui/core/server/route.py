"""Chooses how connections reach a server, and how the server proves on each route that it is ours.

Whoever is sent the token can run code as its owner. So nothing but a handshake is sent before the proof: the system
vouches for the owner of a Unix socket, Linux's connection table for the owner of a loopback port, and a certificate made
for this launch for a server on another machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ..settings import Mode
from .machine import is_loopback
from .record import ServerRecord

UNPROVED: Final = "JLAB_MCP_ALLOW_UNPROVED"


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """A Unix socket of this machine."""

    path: str
    base_path: str = ""
    """below which the server answers: `base_url` of the user's Jupyter configuration"""


@dataclass(frozen=True, slots=True)
class LoopbackRoute:
    """A port of this machine whose listener belongs to our account."""

    url: str


@dataclass(frozen=True, slots=True)
class TlsRoute:
    """A port whose listener holds the key of this launch's certificate."""

    url: str
    """https"""
    certificate: str
    """base64 of its DER form"""
    addresses: tuple[str, ...] = ()
    """further addresses to try besides the host of `url`"""


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """A port whose listener proves nothing; used only if the user allows it."""

    url: str


@dataclass(frozen=True, slots=True)
class NoRoute:
    """No route to the server proves that it is ours."""

    message: str
    hint: str


Route = SocketRoute | LoopbackRoute | TlsRoute | PlainRoute


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this process can see of the server's machine."""

    sees_socket: bool = False
    """the record's socket exists and belongs to this account"""
    shares_machine: bool = False
    """this process shares the server's loopback addresses"""
    knows_owners: bool = False
    """the system knows who owns the other end of a loopback connection"""
    allows_unproved: bool = False
    """the user set JLAB_MCP_ALLOW_UNPROVED"""


def choose(record: ServerRecord, here: Surroundings) -> Route | NoRoute:
    """Choose the route to a listening server."""
    if record.socket and here.sees_socket:
        return SocketRoute(record.socket, urlsplit(record.url).path.rstrip("/"))
    if record.cert and not (is_loopback(record.url) and not here.shares_machine):
        return TlsRoute(record.url, record.cert, tuple(record.slurm.addresses.split()))
    if here.shares_machine and here.knows_owners:
        return LoopbackRoute(record.url)
    if is_loopback(record.url) and not here.shares_machine:
        return NoRoute(
            f"JupyterLab listens on the loopback address of {record.hostname or record.launcher}, which is another machine.",
            f"Work on {record.hostname or record.launcher}, or start another server here: jlab-mcp stop, then jlab-mcp start",
        )
    if here.allows_unproved:
        return PlainRoute(record.url)
    return _unproved(record)


def _unproved(record: ServerRecord) -> NoRoute:
    what = f"job {record.job_id}" if record.mode is Mode.SLURM else f"PID {record.pid}"
    return NoRoute(
        f"Nothing proves that the server at {record.url} is yours ({what}), so jlab-mcp does not send it the token.",
        f"A server started by this version proves itself: jlab-mcp stop, then jlab-mcp start. "
        f"To use this one anyway, set {UNPROVED}=1; anyone who listens at that address can then act as you.",
    )
