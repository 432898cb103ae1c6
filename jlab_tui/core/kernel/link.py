"""The events of a link to a kernel, and the claim that the link relies on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .leaving import LeftKernel

LEASE_S: Final = 12.0
"""after so many seconds without a sign from the server, somebody else may hold the session; the Jupyter extension gives a
silent owner 20 s"""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Connected, or connected again."""

    first: bool


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection broke or failed; the link retries until it is closed."""

    why: str
    attempts: int


@dataclass(frozen=True, slots=True)
class LinkOver:
    """The link is down for good: the kernel is gone, or another process owns the session now."""

    owned: bool
    why: str


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The Jupyter extension did not send a request to the kernel."""

    msg_id: str
    why: str


@dataclass(frozen=True, slots=True)
class OutputLost:
    """Messages of the kernel that the server dropped before anybody received them."""

    messages: int
    size: int
    """approximate number of bytes; 0 if unknown"""
    why: str
    """the Jupyter extension's word: full, stalled, unreadable; or `unread`, if they arrived and make no sense"""
    last: int
    """number of the last one"""
    unfetched: bool = False
    """they were the next ones when the connection opened"""


LinkChange = LinkUp | LinkDown | LinkOver | RequestRefused | OutputLost


@dataclass(frozen=True, slots=True)
class Lease:
    """Our claim on a session, held by the Jupyter extension."""

    client: str
    """empty: a watcher's, which claims nothing"""
    epoch: int
    on_exit: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The Jupyter extension's answer to a claim."""

    epoch: int
    last_seq: int
    """number of the last message in the kernel's recorded stream"""


@dataclass(frozen=True, slots=True)
class RecordedKernel:
    """The Jupyter extension's report on a kernel that it records."""

    owner_connected: bool
    last_seq: int
    acked_seq: int
    running: str = ""
    """msg_id of our request that the kernel executes"""
    requests: frozenset[str] = frozenset()
    """msg_ids that reached the kernel, the latest ones"""
    started_here: bool = False
    """started for one of our sessions, not by the user"""
    is_private: bool = True
    """no other account on its machine can read its channels"""
    session: str = ""
    """that has claimed it last"""
    recorded_bytes: int = 0
    """of the unacknowledged messages"""
    cut_after_s: float | None = None
    """when it was last ended, it had not ended by itself after so long, and got a signal"""
    left: LeftKernel | None = None
    """None while its client is there"""

    @property
    def how_cut(self) -> str:
        """Return a sentence on a kernel that was given no more time to end; empty if it ended by itself."""
        if self.cut_after_s is None:
            return ""
        return (
            f"It had not ended by itself after {self.cut_after_s:g} s and was killed: what its code does at its exit "
            "(atexit, such as a tracker's upload) may be incomplete."
        )

    def bytes_after(self, seq: int) -> int:
        """Estimate the bytes recorded after a message, in proportion to the number of messages."""
        return self.recorded_bytes * max(0, self.last_seq - seq) // max(1, self.last_seq - self.acked_seq)
