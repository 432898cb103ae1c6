"""What the feed shows: the cells of one session, or of all by time, behind a line that stands for those not read yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.feed.items import FeedItem, Note
from ..core.feed.timeline import by_time, known_since
from ..services.dashboard.monitor import Source
from .screen_texts import older_line
from .search import OLDER
from .selection import ALL
from .view_state import ViewState


@dataclass(frozen=True, slots=True)
class ShownItems:
    items: list[FeedItem]
    names: dict[str, str]
    """of the sessions, where items of several are shown"""
    since: float = 0.0
    """epoch seconds before which something is missing, where items of several sessions are shown"""


def shown_items(view: ViewState, source: Source) -> ShownItems:
    sessions = source.feed.sessions
    items: Sequence[FeedItem] = ()
    names: dict[str, str] = {}
    older, since = "", 0.0
    if view.session == ALL:
        since = known_since(sessions.values(), source.unopened_since)
        items = by_time(sessions.values(), since)
        names = {feed.session: feed.name for feed in sessions.values()}
        older = older_line(0) if since else ""
    elif view.session in sessions:
        items, unread = sessions[view.session].items, sessions[view.session].unread
        older = older_line(unread) if unread else ""
    head: list[FeedItem] = [Note("", 0.0, older, OLDER)] if older else []
    return ShownItems([*head, *(item for item in items if view.passes(item))], names, since)
