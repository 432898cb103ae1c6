"""A directory that is listed only when it may have changed."""

from __future__ import annotations

import os
from pathlib import Path


class WatchedDirectory:
    """Compares its modification time at each look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = (-2, -2)

    def may_differ(self) -> bool:
        """Whether it changed since the last look or the one before: more may come within one tick of a file system's clock."""
        try:
            now = self.path.stat().st_mtime_ns
        except OSError:
            now = -1
        before, self._seen = self._seen, (self._seen[1], now)
        return before != (now, now)

    def names(self) -> list[str]:
        """Return the names in it; none if it is missing."""
        try:
            return os.listdir(self.path)
        except OSError:
            return []
