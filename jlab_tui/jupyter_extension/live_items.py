"""What stands in the page's feed: cells with their outputs, and notes between them. Pure.

A place is (epoch, offset): which file of the session's record, and where in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Union

from .live_outputs import Part, Place

PARTS_MAX = 60
"""outputs of one cell that are kept; the oldest go"""
NOWHERE: Place = (0, 0)


@dataclass
class LiveCell:
    """A run, or a cell that has not run."""

    key: str
    made: Place
    at: float
    source: str = ""
    run: str = ""
    cell_id: str = ""
    tool: str = ""
    status: str = ""
    """of the run; empty if there was none"""
    seconds: float = 0.0
    count: Optional[int] = None
    cause: str = ""
    is_markdown: bool = False
    parts: List[Part] = field(default_factory=list)
    hidden: int = 0
    """outputs that are kept no more"""
    head_changed: Place = NOWHERE
    reshaped: Place = NOWHERE
    """where it last changed in a way that needs all of it drawn again"""
    clears: Dict[str, bool] = field(default_factory=dict)
    """whose output the next one clears: Output widgets, the cell itself as an empty one"""
    made_parts: int = 0

    def add(self, part: Part, place: Place) -> List[Part]:
        """Add an output. Returns those that are kept no more for it."""
        self.made_parts += 1
        part.key = "%s-o%d" % (self.key, self.made_parts)
        part.changed = place
        self.parts.append(part)
        gone, self.parts = self.parts[:-PARTS_MAX], self.parts[-PARTS_MAX:]
        if gone:
            self.hidden += len(gone)
            self.reshaped = place
        return gone

    def clear(self, into: str, place: Place) -> List[Part]:
        """Remove the outputs of a widget, or the cell's own. Returns them."""
        self.clears.pop(into, None)
        gone = [part for part in self.parts if part.into == into]
        self.parts = [part for part in self.parts if part.into != into]
        self.hidden = self.hidden if into else 0
        self.reshaped = place
        return gone


@dataclass
class LiveNote:
    """Something between the cells."""

    key: str
    made: Place
    at: float
    text: str
    level: str = "info"
    act: int = 0
    """the number of a user's act, which is in no place of the record"""
    outcome: int = 0
    """the number of the act that says what came of it"""
    changed: Place = NOWHERE
    comment: str = ""
    """id of the comment that it is"""


LiveItem = Union[LiveCell, LiveNote]
