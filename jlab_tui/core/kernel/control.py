"""Parses the text frames that the Jupyter extension sends beside a kernel's messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..json_values import mapping, parse_json, text, whole


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a connection: which messages are available, and the epoch of the session's owner."""

    first: int
    last: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Known:
    """This request had already arrived."""

    msg_id: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The extension did not send this request to the kernel."""

    msg_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Missing:
    """These messages are lost."""

    first: int
    last: int
    size: int
    """approximate number of bytes"""
    why: str
    """empty if they were acknowledged"""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping of the protocol."""


@dataclass(frozen=True, slots=True)
class UserAct:
    """What a user asks of the session: a line of a dashboard's actions file."""

    line: str


Control = Hello | Known | NotSent | Missing | Pong | UserAct


def parse_control(frame: str) -> Control:
    """Parse a text frame. Raises ValueError for an unknown one."""
    match parse_json(frame):
        case {"hello": {"first": int(), "last": int(), "epoch": int()} as hello}:
            return Hello(*(_position(hello, name) for name in ("first", "last", "epoch")))
        case {"known": str(msg_id)}:
            return Known(msg_id)
        case {"refused": str(msg_id), **rest}:
            return NotSent(msg_id, text(rest.get("reason")) or "refused")
        case {"gap": dict(gap)}:
            first, last = _position(gap, "from"), _position(gap, "to")
            return Missing(first, last, whole(gap.get("bytes")), text(gap.get("why")))
        case {"pong": _}:
            return Pong()
        case {"act": str(line)}:
            return UserAct(line)
        case odd:
            raise ValueError(
                f"a text frame with {', '.join(list(mapping(odd))[:3])[:60] or type(odd).__name__}"
            )


def _position(of: Any, name: str) -> int:
    found = whole(of.get(name), -1)
    if found < 0:
        raise ValueError(f"{name} is no position in a stream")
    return found
