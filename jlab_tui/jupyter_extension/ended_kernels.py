"""Why kernels ended: the rule by which one without an owner is shut down, and how the last ones of this server ended."""

from __future__ import annotations

from typing import Any, Dict, Optional

from .claims import Ownerless
from .exit_cause import EndRule

MOST = 500


def rule_of(left: Ownerless, now: float) -> EndRule:
    """Return the rule by which a kernel without an owner is shut down. `now`: Unix time."""
    if left.idle_s:
        detail = "its client was gone, and it had been idle for %g s" % left.idle_s
    else:
        detail = "its client was gone"
    facts = {
        "left_at": now - left.left_s,
        "released": left.released,
        "idle_s": left.idle_s,
        "by": left.by,
    }
    return EndRule("left", detail, facts)


def describe(left: Optional[Ownerless], now: float) -> Optional[Dict[str, Any]]:
    """Return how long a kernel without an owner stays: {at, released, ends_at, stays, idle_s, by}; Unix times."""
    if left is None:
        return None
    return {
        "at": now - left.left_s,
        "released": left.released,
        "ends_at": None if left.ends_in_s is None else now + left.ends_in_s,
        "stays": left.stays,
        "idle_s": left.idle_s,
        "by": left.by,
    }


class EndedKernels:
    """The last kernels of this server that are gone, each with its session, its notebook's path and its obituary."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ended: Dict[str, Dict[str, Any]] = {}

    def add(self, kernel_id: str, session: Optional[str], path: str, obituary: Optional[Dict[str, Any]]) -> None:
        self._ended.pop(kernel_id, None)
        self._ended[kernel_id] = {"session": session, "path": path, "obituary": obituary}
        while len(self._ended) > self._most:
            del self._ended[next(iter(self._ended))]

    def all(self) -> Dict[str, Dict[str, Any]]:
        """Return them by kernel id, the oldest first."""
        return dict(self._ended)
