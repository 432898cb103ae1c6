"""Defines the bridge of a login host: what it leads to, and what it last said of itself, with their JSON forms."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from ..json_values import mapping, number, parse_json, text


class Way(StrEnum):
    """What carries a bridge's pipe to the node."""

    SRUN = "srun"
    """a step of the job"""
    SSH = "ssh"
    """the node's own ssh server"""


@dataclass(frozen=True, slots=True)
class BridgeTarget:
    """What a bridge leads to: where one run of a server listens on its node."""

    node: str
    socket: str
    """path of its Unix socket, another for each run; `ADDRESS:PORT` of a server of an earlier version, which has none"""
    job_id: str
    cluster: str = ""
    """as `--clusters` takes it; empty for the login host's own"""

    @property
    def key(self) -> str:
        """12 hexadecimal digits by which every process of the account finds the same bridge."""
        named = "\0".join((self.cluster, self.job_id, self.node, self.socket))
        return hashlib.sha256(named.encode()).hexdigest()[:12]


class Phase(StrEnum):
    UP = "up"
    IDLE = "idle"
    """it ended because nobody used it; the next who needs it starts it again"""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Word:
    """What the bridge last said of itself."""

    phase: Phase
    way: Way
    at: float
    """epoch seconds"""
    why: str = ""
    """why it is not up, one line"""
    instead: str = ""
    """why nothing else reaches the server from this host; empty if nothing else was tried"""

    @property
    def works(self) -> bool:
        return self.phase is not Phase.FAILED


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """How this host reaches a server."""

    way: str
    """`tcp`, a `Way` or another word; `none` if it does not"""
    why: str = ""
    """why not otherwise, or why not at all"""

    @property
    def is_bridge(self) -> bool:
        return self.way in tuple(Way)

    def __str__(self) -> str:
        return f"{self.way} ({self.why})" if self.why else self.way


def format_target(target: BridgeTarget) -> str:
    return json.dumps(asdict(target))


def parse_target(given: str) -> BridgeTarget:
    """Raises ValueError."""
    raw = mapping(parse_json(given))
    return BridgeTarget(**{name: text(raw.get(name)) for name in ("node", "socket", "job_id", "cluster")})


def format_word(word: Word) -> str:
    return json.dumps(asdict(word)) + "\n"


def parse_word(given: str) -> Word | None:
    """Return what a bridge wrote; None for anything else."""
    try:
        raw = mapping(parse_json(given))
        return Word(
            Phase(raw.get("phase", "")),
            Way(raw.get("way", "")),
            number(raw.get("at")) or 0.0,
            text(raw.get("why")),
            text(raw.get("instead")),
        )
    except ValueError:
        return None
