"""Counters that tell an out-of-memory kill from another SIGKILL."""

from __future__ import annotations

import re
from typing import List, Tuple

OOM_WINDOW_S = 3.0


class OomCounter:
    """Counts recent out-of-memory kills, from counters that only grow."""

    def __init__(self, paths: List[str]) -> None:
        """`paths`: files with a line `oom_kill N`."""
        self._paths = paths
        self._history: List[Tuple[float, int]] = []

    def tick(self, now: float) -> None:
        """Note the counters. Call it about once a second."""
        self._history.append((now, self._read()))
        while len(self._history) > 1 and self._history[1][0] < now - OOM_WINDOW_S:
            self._history.pop(0)

    def recent(self) -> int:
        """Return the kills since the oldest note, a few seconds ago."""
        return max(0, self._read() - self._history[0][1]) if self._history else 0

    def _read(self) -> int:
        total = 0
        for path in self._paths:
            try:
                with open(path, encoding="utf-8") as counters:
                    found = re.search(r"^oom_kill (\d+)$", counters.read(), re.MULTILINE)
            except OSError:
                continue
            if found:
                total += int(found.group(1))
        return total
