"""Decides when the terminal's bell rings (`start --bell`): at the end of a long run, once for several."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.feed.items import Change, FeedCell

LONG_RUN_S = 60.0
QUIET_S = 10.0
"""seconds of silence after the bell rang"""


class RunEndBell:
    """Watches runs that it saw running; those that ended before the dashboard started never ring."""

    def __init__(self) -> None:
        self._running: dict[int, FeedCell] = {}
        self._rang_at = float("-inf")

    def rings(self, changes: Sequence[Change], now: float) -> bool:
        """Whether to ring for these changes at `now` (seconds)."""
        is_due = False
        for change in changes:
            cell = change.item
            if not isinstance(cell, FeedCell):
                continue
            if cell.is_running:
                self._running[id(cell)] = cell
            elif self._running.pop(id(cell), None) is not None:
                is_due = is_due or cell.seconds >= LONG_RUN_S
        if not is_due or now - self._rang_at < QUIET_S:
            return False
        self._rang_at = now
        return True
