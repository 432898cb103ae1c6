"""What a server says that has no meaning: counted, and each kind logged once."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

_KINDS = 20
"""so many are logged; a server that finds more of them is not worth more lines"""


class Oddities:
    def __init__(self, source: str) -> None:
        """`source` names what says them, for the log."""
        self.count = 0
        self._source = source
        self._seen: set[str] = set()

    def note(self, kind: str, detail: object = "") -> bool:
        """Count one. Returns whether it is the first of its kind."""
        self.count += 1
        if kind in self._seen or len(self._seen) >= _KINDS:
            return False
        self._seen.add(kind)
        log.warning("%s: %s (%.200s); this is logged once", self._source, kind, detail)
        return True
