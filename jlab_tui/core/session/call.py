"""Defines the id of a client's call, which names everything that the call makes.

If the process that served it ends and the call is sent again, it finds what it made and continues from there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, in all its attempts."""

    id: str
    first_sent: float = 0.0
    """when an earlier attempt was sent, epoch seconds; 0 for the first one"""

    @property
    def is_resent(self) -> bool:
        return self.first_sent > 0.0

    @property
    def msg_id(self) -> str:
        """The id of its request to the kernel: a server that knows it does not execute the code again."""
        return self.derived("run")

    @property
    def cell_id(self) -> str:
        """The id of the notebook cell that it adds."""
        return self.derived("cell")[:8]

    @property
    def session_id(self) -> str:
        """The id of the session that it opens."""
        return self.derived("session")[:8]

    def derived(self, what: str) -> str:
        """Return an id for `what` the call makes: 32 hexadecimal digits; empty for a call without an id."""
        return hashlib.sha256(f"{self.id}:{what}".encode()).hexdigest()[:32] if self.id else ""


NO_CALL: Final = Call("")
"""what it makes gets new ids"""
