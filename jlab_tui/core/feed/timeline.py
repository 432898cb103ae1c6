"""The cells of all sessions by time, as far back as all of them are known."""

from __future__ import annotations

from collections.abc import Collection

from .items import FeedItem
from .session_feed import SessionFeed


def known_since(sessions: Collection[SessionFeed], unopened: float = 0.0) -> float:
    """Return the time (epoch seconds) since which nothing is missing; 0 if nothing is missing at all.

    `unopened`: the latest change of a session of which nothing has been read yet.
    """
    return max([unopened, *(session.since for session in sessions if session.unread)])


def by_time(sessions: Collection[SessionFeed], since: float) -> list[FeedItem]:
    """Return the items of all sessions since a time, oldest first."""
    items = [item for session in sessions for item in session.items if item.at >= since]
    return sorted(items, key=lambda item: item.at)
