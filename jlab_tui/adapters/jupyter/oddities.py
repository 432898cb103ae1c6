"""Counts what a server sends that we do not understand, and logs each kind once."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

_KINDS = 20
"""kinds to log; beyond that, more lines would not help"""


class Oddities:
    def __init__(self, source: str) -> None:
        """`source`: the sender's name in the log."""
        self.count = 0
        self._source = source
        self._seen: set[str] = set()

    def note(self, kind: str, detail: object = "") -> bool:
        """Count one. Returns whether it was logged as the first of its kind."""
        self.count += 1
        if kind in self._seen or len(self._seen) >= _KINDS:
            return False
        self._seen.add(kind)
        log.warning("%s: %s (%.200s); this is logged once", self._source, kind, detail)
        return True
