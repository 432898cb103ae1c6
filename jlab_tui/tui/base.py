"""State that the parts of the dashboard app share: its source, its options, the selection."""

from __future__ import annotations

from ..core.feed.items import FeedCell
from ..core.feed.session_feed import SessionFeed
from ..services.dashboard.actions import Actions
from ..services.dashboard.exports import Exports
from ..services.dashboard.monitor import Source
from ..services.dashboard.overview import SessionRow
from .format import ASCII, UNICODE, Glyphs
from .options import DashboardOptions
from .selection import named_like, row_of
from .terminal import TerminalApp
from .themes import Palette
from .widgets.feed_view import FeedView


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
        return named_like(self.all_rows, self.name_filter)

    @property
    def row(self) -> SessionRow | None:
        return row_of(self.all_rows, self.session)

    @property
    def session_feed(self) -> SessionFeed | None:
        return self.source.feed.sessions.get(self.session or "")

    @property
    def cell(self) -> FeedCell | None:
        """The cell that keys act on."""
        item = self.feed.current_item
        return item if isinstance(item, FeedCell) else None
