"""Chooses how connections reach a server, and how the server proves on each route that it is ours.

Whoever is sent the token can run code as its owner. So nothing but a handshake is sent before the proof: the system
vouches for the owner of a Unix socket, Linux's connection table for the owner of a loopback port, and a certificate made
for this launch for a server on another machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never
from urllib.parse import urlsplit

from ..link.bridge import BridgeTarget, LinkFacts, Way, Word
from ..settings import Link, Mode
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
class BridgeRoute:
    """The Unix socket of a bridge on this machine, which leads to the server's own on its node."""

    target: BridgeTarget
    ways: tuple[Way, ...]
    """those to try, in order"""
    base_path: str = ""
    """see `SocketRoute`"""


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


Route = SocketRoute | BridgeRoute | LoopbackRoute | TlsRoute | PlainRoute


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
    link: Link = Link.AUTO
    """JLAB_MCP_LINK"""
    bridge: Word | None = None
    """what the bridge of this machine to the server last said of itself"""


def choose(record: ServerRecord, here: Surroundings) -> Route | NoRoute:
    """Choose the route to a listening server."""
    if record.socket and here.sees_socket:
        return SocketRoute(record.socket, _base_path(record))
    is_elsewhere = is_loopback(record.url) and not here.shares_machine
    without_port = not record.url or is_elsewhere or here.link in (Link.SRUN, Link.SSH)
    if (ways := ways_of(record, here.link)) and (
        without_port or (here.bridge is not None and here.bridge.works)
    ):
        return BridgeRoute(record.target, ways, _base_path(record))
    if record.cert and not is_elsewhere:
        return TlsRoute(record.url, record.cert, tuple(record.slurm.addresses.split()))
    if here.shares_machine and here.knows_owners:
        return LoopbackRoute(record.url)
    if ways and not (here.bridge is not None and here.allows_unproved):
        return BridgeRoute(record.target, ways, _base_path(record))  # its node end proves the port there
    if is_elsewhere:
        return NoRoute(
            f"JupyterLab listens on the loopback address of {record.hostname or record.launcher}, which is another machine.",
            f"Work on {record.hostname or record.launcher}, or start another server here: jlab-mcp stop, then jlab-mcp start",
        )
    if here.allows_unproved:
        return PlainRoute(record.url)
    return _unproved(record)


def ways_of(record: ServerRecord, link: Link) -> tuple[Way, ...]:
    """Return the ways to a job's node, in order; none if nothing proves the server there, or the user wants its port only."""
    target = record.target
    if not (target.socket and target.job_id and target.node):
        return ()
    match link:
        case Link.SRUN | Link.SSH:
            return (Way(link),)
        case Link.TCP | Link.AUTO if record.link is not None:
            return (record.link,)
        case Link.AUTO:
            return (Way.SRUN, Way.SSH)
        case Link.TCP:
            return ()
        case _:
            assert_never(link)


def describe(route: Route | NoRoute, word: Word | None) -> LinkFacts:
    """Say how this host reaches a server, and why not otherwise. `word`: of the server's bridge on this host."""
    match route:
        case SocketRoute():
            return LinkFacts("socket")
        case LoopbackRoute():
            return LinkFacts("loopback")
        case NoRoute():
            return LinkFacts("none")
        case TlsRoute() | PlainRoute():
            if word is None or word.works:
                return LinkFacts("tcp")
            return LinkFacts("none", f"tcp: {word.instead}; {word.why}")
        case BridgeRoute(ways=ways):
            if word is None:
                return LinkFacts(" or ".join(ways))
            return LinkFacts(word.way, word.instead) if word.works else LinkFacts("none", word.why)
        case _:
            assert_never(route)


def _base_path(record: ServerRecord) -> str:
    return urlsplit(record.url).path.rstrip("/")


def _unproved(record: ServerRecord) -> NoRoute:
    what = f"job {record.job_id}" if record.mode is Mode.SLURM else f"PID {record.pid}"
    return NoRoute(
        f"Nothing proves that the server at {record.url} is yours ({what}), so jlab-mcp does not send it the token.",
        f"A server started by this version proves itself: jlab-mcp stop, then jlab-mcp start. "
        f"To use this one anyway, set {UNPROVED}=1; anyone who listens at that address can then act as you.",
    )
