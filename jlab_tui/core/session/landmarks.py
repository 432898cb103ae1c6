"""Decides which lines of a long journal a reader needs who skips the output of runs that have ended.

A journal of hundreds of megabytes is almost all output. To continue a session, only the rest of it is needed
(`core.session.replay`); to read one run, its own lines, and what came later for it: text of its threads, or a display
that another run has updated. Now and then the journal's writer appends a `Landmarks` line that says where these lines are.
"""

from __future__ import annotations

from enum import Enum, auto

from ..display.widgets import view_of
from ..journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    KernelChanged,
    OutputCleared,
    OutputDropped,
    RunFinished,
    RunStarted,
    SessionOpened,
    TextPrinted,
    WidgetsChanged,
)


class Mark(Enum):
    """Who needs a line."""

    OUTPUT = auto()
    """only readers of the run in progress"""
    KEPT = auto()
    """who continues the session, too"""
    LATE = auto()
    """readers of runs that have ended, too"""


class Marker:
    """Follows the entries of one journal."""

    def __init__(self) -> None:
        self.seq = 0
        """number of the last message of the kernel's stream that is covered"""
        self._running: set[str] = set()
        self._displays: dict[str, str] = {}
        """the run that showed a display id; empty when several did"""

    def mark(self, entry: Entry) -> Mark:
        """Take the next entry."""
        is_new = isinstance(entry.event, SessionOpened | KernelChanged)
        self.seq = entry.seq if is_new else max(self.seq, entry.seq)
        match event := entry.event:
            case RunStarted():
                self._running.add(event.run)
            case RunFinished():
                self._running.discard(event.run)
            case DataUpdated() if self._displays.get(event.display_id) != event.run:
                return Mark.LATE
            case WidgetsChanged() if event.views:
                return Mark.LATE
            case TextPrinted() | ErrorRaised() | OutputCleared() | DataShown() | DataUpdated():
                return self._mark_output(event)
            case OutputDropped() | WidgetsChanged() if event.run not in self._running:
                return Mark.LATE
            case _:
                pass
        return Mark.KEPT

    def _mark_output(
        self, event: TextPrinted | ErrorRaised | OutputCleared | DataShown | DataUpdated
    ) -> Mark:
        has_display = isinstance(event, DataShown) and bool(event.display_id)
        if isinstance(event, DataShown) and has_display:
            run = self._displays.setdefault(event.display_id, event.run)
            self._displays[event.display_id] = event.run if run == event.run else ""
        if event.run not in self._running:
            return Mark.LATE
        is_kept = has_display or (isinstance(event, DataShown) and bool(view_of(event.data)))
        is_captured = not isinstance(event, DataUpdated) and bool(event.into)
        return Mark.KEPT if is_kept or is_captured else Mark.OUTPUT
