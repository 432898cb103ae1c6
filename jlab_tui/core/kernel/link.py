"""What the link to a kernel tells about itself, and the claim that it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..server.record import Owner

LEASE_S: Final = 12.0
"""after so many seconds without a sign from the server, somebody else may hold the session; the Jupyter extension gives a
silent owner 20 s"""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Connected, or connected again."""

    first: bool


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection broke or cannot be made; it is tried again until the link is closed."""

    why: str
    attempts: int


@dataclass(frozen=True, slots=True)
class LinkOver:
    """It will not come back: the kernel is gone, or another process owns the session now."""

    owned: bool
    why: str


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The Jupyter extension has not sent a request to the kernel."""

    msg_id: str
    why: str


@dataclass(frozen=True, slots=True)
class OutputLost:
    """Messages of the kernel that the server no longer has and nobody has seen."""

    messages: int
    size: int
    """about so many bytes; 0 when it is not known"""
    why: str
    """as the Jupyter extension says it: full, stalled, unreadable"""
    last: int
    """number of the last one"""
    unfetched: bool = False
    """they were next when the connection was made"""


LinkChange = LinkUp | LinkDown | LinkOver | RequestRefused | OutputLost


@dataclass(frozen=True, slots=True)
class Lease:
    """Our claim on a session at the Jupyter extension."""

    client: str
    epoch: int
    on_exit: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What the Jupyter extension answered to a claim."""

    epoch: int
    last_seq: int
    """number of the last message in the kernel's recorded stream"""
    adopted: bool
    previous: Owner | None = None


@dataclass(frozen=True, slots=True)
class RecordedKernel:
    """What the Jupyter extension says about a kernel that it records."""

    session: str
    epoch: int
    owner: Owner | None
    owner_connected: bool
    first_seq: int
    last_seq: int
    acked_seq: int
    busy: bool
    running: str = ""
    """msg_id of our request that the kernel executes"""
    requests: frozenset[str] = frozenset()
    """msg_ids that reached the kernel, the latest ones"""
    started_here: bool = False
    """it was started for a session of ours, not by the user"""
    is_private: bool = True
    """no other account of its machine can read its channels"""
    recorded_bytes: int = 0
    """of the messages that were not acknowledged"""

    def bytes_after(self, seq: int) -> int:
        """About so much was recorded after a message: a share by numbers."""
        return self.recorded_bytes * max(0, self.last_seq - seq) // max(1, self.last_seq - self.acked_seq)
