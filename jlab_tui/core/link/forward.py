"""Defines a browser's way to a project's server from one host, with the JSON form that its processes leave for each other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ..json_values import mapping, parse_json

_PORTS = range(20_000, 30_000)


@dataclass(frozen=True, slots=True)
class Forward:
    """Where a browser's connections to the server are taken."""

    socket: str
    """path of a Unix socket of this host, for `ssh -L`"""
    port: int
    """port of this host's 127.0.0.1"""


def forward_key(status_dir: str) -> str:
    """Return 12 hexadecimal digits by which every process of the account finds the way to a project's server."""
    return hashlib.sha256(status_dir.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def usual_port(key: str) -> int:
    """Return the port that a project's forward takes if it is free, so that a browser finds it again."""
    return _PORTS[int(key, 16) % len(_PORTS)]


def format_forward(forward: Forward) -> str:
    return json.dumps({"socket": forward.socket, "port": forward.port}) + "\n"


def parse_forward(given: str) -> Forward | None:
    """Return what a forward wrote; None for anything else."""
    try:
        raw = mapping(parse_json(given))
    except ValueError:
        return None
    socket, port = raw.get("socket"), raw.get("port")
    if not isinstance(socket, str) or not isinstance(port, int) or not 0 < port < 65536:
        return None
    return Forward(socket, port)
