"""State that the parts of the dashboard app share: its source, its options, the selection."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.feed.items import FeedCell
from ..core.feed.session_feed import SessionFeed
from ..services.dashboard.actions import Actions, Target
from ..services.dashboard.exports import Exports
from ..services.dashboard.monitor import Source
from ..services.dashboard.overview import SessionRow, SessionState
from .format import ASCII, UNICODE, Glyphs
from .options import DashboardOptions
from .terminal import TerminalApp
from .themes import Palette
from .widgets.feed_view import FeedView
from .widgets.session_list import ALL


class DashboardBase(TerminalApp):
    """What is shown and selected."""

    def __init__(self, source: Source, actions: Actions, exports: Exports, options: DashboardOptions) -> None:
        super().__init__(ansi_color=False)
        self.source = source
        self.actions = actions
        self.exports = exports
        self.options = options
        self.glyphs: Glyphs = ASCII if options.ascii else UNICODE
        self.palette = Palette({}, dark=True)
        self.session: str | None = None
        """selected session; `ALL` for all of them; None before there is one"""
        self.chosen_by_hand = False
        self.errors_only = False
        self.name_filter = ""
        self.all_rows: tuple[SessionRow, ...] = ()

    @property
    def feed(self) -> FeedView:
        return self.screen_stack[0].query_one("#feed", FeedView)

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        """Rows of the list: all, or those whose name holds the filter."""
        wanted = self.name_filter.lower()
        return tuple(row for row in self.all_rows if wanted in row.name.lower()) if wanted else self.all_rows

    @property
    def row(self) -> SessionRow | None:
        return next((row for row in self.all_rows if row.session == self.session), None)

    @property
    def session_feed(self) -> SessionFeed | None:
        return self.source.feed.sessions.get(self.session or "")

    @property
    def cell(self) -> FeedCell | None:
        """The cell that keys act on."""
        item = self.feed.current_item
        return item if isinstance(item, FeedCell) else None

    def target(self) -> Target | None:
        """The kernel of the chosen session, or of the current cell's session where all are shown."""
        row = self.row
        if row is None and self.session == ALL and self.cell is not None:
            row = next((r for r in self.all_rows if r.session == self.cell.session), None)
        if row is None or row.state in (SessionState.CLOSED, SessionState.DEAD):
            return None
        return Target("" if row.is_foreign else row.session, row.kernel_id, row.name, row.run)


def pick_session(rows: Sequence[SessionRow]) -> str | None:
    """The session to show first: the one where most recently something happened, running ones before others."""
    ranked = [row for row in rows if not row.is_foreign] or list(rows)
    if not ranked:
        return None
    best = max(
        ranked,
        key=lambda r: (r.state is SessionState.BUSY, r.state is not SessionState.CLOSED, r.last_seen),
    )
    return best.session


def session_to_follow(rows: Sequence[SessionRow], shown: str | None) -> str | None:
    """The session to show instead of `shown`; `shown` itself as long as it is open, or nothing has happened since."""
    row = next((row for row in rows if row.session == shown), None)
    if row is None:
        return pick_session(rows)
    if row.state is not SessionState.CLOSED:
        return shown
    since = [r for r in rows if r.state is not SessionState.CLOSED and r.last_seen > row.last_seen]
    return pick_session(since) or shown
