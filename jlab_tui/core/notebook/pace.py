"""Decides when a notebook file is written, so that what is written is bounded by what changed, not by the file's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

LARGE: Final = 10_000_000
"""bytes above which a file follows once the session is idle, and never for more output alone"""
RATE: Final = 2e6
"""most bytes a second written into a large file"""
_OUTPUT_RATE: Final = 0.5e6
"""the same into any file for more output of a cell that runs: the rest is for the saves at its begin and end"""
QUIET_S: Final = 3.0
"""seconds without a change after which a large file is written"""
PAUSE_S: Final = 0.2
"""between two saves of a small file"""
_GATHER_S: Final = 0.05
"""a change waits for more: a short cell is saved once, not while it runs, and not while the reply about it is on its way"""
RETRY_S: Final = 2.0
"""after a save that failed"""
_DUTY: Final = 4.0
"""a save that took t seconds is followed by a pause of at least 4 t, also in a hurry: it must not slow down cells that
follow each other fast"""
_DUTY_MOST_S: Final = 10.0
"""a save may seem long since this process was stopped meanwhile"""


class NotebookChange(Enum):
    """What a change of the notebook is."""

    OUTPUT = "output"
    """more output of a cell, and nothing else"""
    BEGIN = "begin"
    """a run begins"""
    CELL = "cell"
    """a cell was added, edited or deleted, or its run has ended"""


@dataclass(slots=True)
class SavePace:
    """The changes of one notebook that its file lacks. Times are seconds of one clock."""

    first: float | None = None
    """when the first change came that the file lacks; None while it holds everything"""
    last: float = 0.0
    """when the last one came"""
    cells_since: float | None = None
    """when the first change came that is more than output"""
    is_urgent: bool = False
    """a run has ended, or a cell is another one"""
    saved_at: float = -math.inf
    took: float = 0.0
    """seconds of the last save"""
    retry_at: float = -math.inf

    @property
    def has_changes(self) -> bool:
        """Whether the file lacks something."""
        return self.first is not None

    def changed(self, now: float, change: NotebookChange) -> bool:
        """Note a change. Returns whether a save may be due earlier than before."""
        is_new = self.first is None or change is not NotebookChange.OUTPUT
        self.first = now if self.first is None else self.first
        self.last = now
        if change is not NotebookChange.OUTPUT and self.cells_since is None:
            self.cells_since = now
        self.is_urgent |= change is NotebookChange.CELL
        return is_new

    def begins(self) -> None:
        """A save begins, with all changes so far."""
        self.first = self.cells_since = None
        self.is_urgent = False

    def saved(self, now: float, took: float) -> None:
        """A save that took `took` seconds has succeeded."""
        self.saved_at, self.took, self.retry_at = now, took, -math.inf

    def failed(self, now: float) -> None:
        """A save has failed: the file lacks what it lacked before."""
        self.first = now if self.first is None else self.first
        self.cells_since = now if self.cells_since is None else self.cells_since
        self.retry_at = now + RETRY_S

    def due(self, size: int, *, is_running: bool) -> float:
        """Return when to save a file of `size` bytes next; infinite while nothing that came so far makes it due.
        `is_running`: a cell runs."""
        if self.first is None:
            return math.inf
        rest = self.saved_at + min(_DUTY * self.took, _DUTY_MOST_S)
        if size > LARGE:
            return max(rest, self.retry_at, self._due_large(size / RATE, is_running))
        if self.is_urgent and self.cells_since is not None:
            return max(rest, min(self.last + _GATHER_S, self.cells_since + PAUSE_S))
        if self.cells_since is None:
            rest = max(rest, self.saved_at + size / _OUTPUT_RATE)
        return max(self.first + _GATHER_S, rest + PAUSE_S, self.retry_at)

    def _due_large(self, spacing: float, is_running: bool) -> float:
        idle = math.inf if is_running else max(self.last + QUIET_S, self.saved_at + spacing)
        since = math.inf if self.cells_since is None else self.cells_since
        return min(idle, max(since, self.saved_at) + spacing)
