"""Chooses the session that a dashboard shows and the kernel on which its keys act. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.feed.items import FeedCell
from ..services.dashboard.actions import Target
from ..services.dashboard.overview import SessionRow, SessionState

ALL = ""
"""id of the view that shows all sessions together"""
IDLE_S = 2.0
"""after it an idle session gives way to a busy one"""
_OVER = (SessionState.CLOSED, SessionState.ENDED, SessionState.DEAD)


def live(rows: Sequence[SessionRow]) -> list[SessionRow]:
    """Return the sessions that still have a kernel."""
    return [row for row in rows if row.state not in _OVER]


def named_like(rows: Sequence[SessionRow], text: str) -> tuple[SessionRow, ...]:
    """Return the sessions with `text` in their name, in any case."""
    return tuple(row for row in rows if text.lower() in row.name.lower())


def row_of(rows: Sequence[SessionRow], session: str | None) -> SessionRow | None:
    return next((row for row in rows if row.session == session), None)


def pick_session(rows: Sequence[SessionRow]) -> str | None:
    """Return the session to show first: the one with the latest changes, busy ones before others."""
    ranked = [row for row in rows if not row.is_foreign] or list(rows)
    if not ranked:
        return None
    best = max(
        ranked,
        key=lambda r: (r.state is SessionState.BUSY, r.state is not SessionState.CLOSED, r.last_seen),
    )
    return best.session


def session_to_follow(rows: Sequence[SessionRow], shown: str | None, now: float = 0.0) -> str | None:
    """Return the session to show after `shown`: the same while it is open, or until something changes after it closed. One that has
    been idle for a moment gives way to one that is busy."""
    row = row_of(rows, shown)
    if row is None:
        return pick_session(rows)
    if row.state is not SessionState.BUSY and now - row.last_seen >= IDLE_S:
        busy = [other for other in rows if other.state is SessionState.BUSY and not other.is_foreign]
        if busy:
            return pick_session(busy)
    if row.state is not SessionState.CLOSED:
        return shown
    since = [r for r in rows if r.state is not SessionState.CLOSED and r.last_seen > row.last_seen]
    return pick_session(since) or shown


def target_of(rows: Sequence[SessionRow], shown: str | None, cell: FeedCell | None) -> Target | None:
    """Return the kernel of the shown session, or of the current cell's session if all are shown. None if it has ended."""
    row = row_of(rows, cell.session if shown == ALL and cell is not None else shown)
    return None if row is None or row.state in _OVER else _target(row)


def targets_of(rows: Sequence[SessionRow]) -> list[Target]:
    """Return the kernels of all sessions that still have one."""
    return [_target(row) for row in live(rows) if not row.is_foreign]


def _target(row: SessionRow) -> Target:
    return Target("" if row.is_foreign else row.session, row.kernel_id, row.name, row.run)
