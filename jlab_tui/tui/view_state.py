"""Holds everything on the main screen except the feed's cells, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.feed.items import FeedCell, FeedItem, Note
from ..core.server.status import ServerStatus
from ..services.dashboard.overview import NO_PAST, PastSessions, SessionRow
from .attention import next_in_need
from .presets import PRESETS
from .selection import ALL, named_like, row_of


@dataclass(frozen=True, slots=True)
class ViewState:
    server: ServerStatus | None = None
    has_looked: bool = False
    """whether there is no server where `server` is None"""
    sessions: tuple[SessionRow, ...] = ()
    """in the order of the list"""
    unread: Mapping[str, int] = field(default_factory=dict)
    """runs that ended since the user last looked at their session"""
    past: PastSessions = NO_PAST
    session: str | None = None
    """selected session; `ALL` for all of them; None before there is one"""
    is_by_hand: bool = False
    """whether the user selected it, so that changes select no other"""
    errors_only: bool = False
    name_filter: str = ""
    measured_at: float = 0.0
    """epoch seconds of the newest sample in the graphs"""
    holds_all: bool = False
    """all code waits for the user"""
    now: float = 0.0
    """epoch seconds in the header"""
    preset: str = PRESETS[0]
    """which parts of the screen are shown"""
    slow_line: int = 0
    """bytes a second to a terminal on a slow line; 0 if it is not slow"""

    @property
    def listed(self) -> tuple[SessionRow, ...]:
        """The rows of the list: all, or those with the filter in their name."""
        return named_like(self.sessions, self.name_filter)

    @property
    def needs_user(self) -> str | None:
        """The session to which `.` goes."""
        return next_in_need(self.sessions, self.unread, self.session)

    @property
    def row(self) -> SessionRow | None:
        return row_of(self.sessions, self.session)

    def shows(self, session: str) -> bool:
        """Whether the feed shows this session."""
        return self.session is not None and self.session in (ALL, session)

    def passes(self, item: FeedItem | None) -> bool:
        """Whether the feed shows this item of a shown session."""
        if not self.errors_only or item is None:
            return item is not None
        if isinstance(item, FeedCell):
            return item.has_failed
        return isinstance(item, Note) and item.level == "error"
