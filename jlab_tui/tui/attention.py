"""Which session needs the user first: the order of the list, what is unread, where `.` goes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..services.dashboard.overview import SessionRow, SessionState
from .selection import ALL

CALM_S = 5.0
"""a session that has been idle for less keeps its place among the busy ones, or the list would never rest"""
CHOOSING_S = 10.0
"""after the user's last move in the list its order may change again"""

_NEEDS, _FAILED, _BUSY, _RESTING, _FOREIGN, _OVER = range(6)


def rank(row: SessionRow, now: float) -> int:
    """Return how soon a session wants to be looked at; 0 first."""
    if row.is_foreign:
        return _FOREIGN
    if row.needs:
        return _NEEDS
    match row.state:
        case SessionState.CLOSED | SessionState.ENDED:
            return _OVER
        case SessionState.DEAD if row.is_orphan:
            return _OVER
        case SessionState.FAILED | SessionState.DEAD:
            return _FAILED
        case SessionState.BUSY:
            return _BUSY
        case SessionState.IDLE if row.ended and now - row.last_seen < CALM_S:
            return _BUSY
        case _:
            return _RESTING


def ordered(
    rows: Sequence[SessionRow], before: Sequence[str], now: float, *, is_choosing: bool
) -> tuple[SessionRow, ...]:
    """Return the rows by rank, those of one rank as they came, the history last. While the user chooses, those that were in the
    list `before` keep their places."""
    present = [row for row in rows if not row.is_past]
    if is_choosing:
        places = {session: place for place, session in enumerate(before)}
        present.sort(key=lambda row: places.get(row.session, len(places)))
    else:
        present.sort(key=lambda row: rank(row, now))
    return (*present, *(row for row in rows if row.is_past))


class Unread:
    """How many runs of each session ended since the user last looked at it."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def look(self, rows: Sequence[SessionRow], shown: str | None, *, is_loaded: bool) -> dict[str, int]:
        """Take in the rows while `shown` is on the screen. What a dashboard finds when it begins has been seen."""
        found = {}
        for row in rows:
            if not is_loaded or shown in (ALL, row.session) or row.session not in self._seen:
                self._seen[row.session] = row.ended
            elif row.ended > self._seen[row.session]:
                found[row.session] = row.ended - self._seen[row.session]
        return found


class Attention:
    """The order of the list and what is unread, as they change."""

    def __init__(self) -> None:
        self._unread = Unread()
        self._order: tuple[str, ...] = ()
        self._chosen_at = -CHOOSING_S

    def chooses(self, now: float) -> None:
        """Keep the order for a moment: the user moves in the list."""
        self._chosen_at = now

    def arrange(
        self, rows: Sequence[SessionRow], shown: str | None, now: float, *, is_loaded: bool
    ) -> tuple[tuple[SessionRow, ...], dict[str, int]]:
        """Return the rows in the list's order, and how many runs of each are unread."""
        arranged = ordered(rows, self._order, now, is_choosing=now - self._chosen_at < CHOOSING_S)
        self._order = tuple(row.session for row in arranged)
        return arranged, self._unread.look(rows, shown, is_loaded=is_loaded)


def next_in_need(rows: Sequence[SessionRow], unread: Mapping[str, int], shown: str | None) -> str | None:
    """Return the session after the shown one that needs the user: for a decision, or because a cell failed unseen."""
    wanted = [
        row.session
        for row in rows
        if row.needs or (row.state is SessionState.FAILED and row.session in unread)
    ]
    others = [session for session in wanted if session != shown]
    if not others:
        return None
    sessions = [row.session for row in rows]
    place = sessions.index(shown) if shown in sessions else -1
    return next((session for session in others if sessions.index(session) > place), others[0])
