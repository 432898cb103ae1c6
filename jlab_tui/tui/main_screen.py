"""The main screen: hands the source's values to the widgets."""

from __future__ import annotations

from typing import Any

from textual.content import Content
from textual.screen import Screen

from ..core.feed.items import FeedCell, FeedItem, Note
from ..core.server.record import ServerState
from .acting_keys import ActingKeys
from .ansi import one_line
from .format import at
from .gauges import readings
from .screen_texts import empty_lines, feed_notes, feed_title, footer_keys, summary
from .screens import GraphScreen
from .selection import ALL
from .widgets.detail import Detail, DetailState
from .widgets.footer import KeyLine
from .widgets.graphs import GraphPanel, Meters
from .widgets.header import Header, HeaderState
from .widgets.session_list import SessionList, SessionTabs
from .widgets.state_panel import StatePanel

SAMPLES_SHOWN = 600
"""ten minutes of them, one a second"""


class MainScreen(ActingKeys):
    """The main screen: header, graphs, sessions, feed, footer."""

    _title = ""
    _frame = ("", "")

    @property
    def main(self) -> Screen[Any]:
        return self.screen_stack[0]

    def choose(self, session: str) -> None:
        """Show a session, or all of them."""
        self.session = session
        self.source.want(session)
        if session == ALL:
            items: list[FeedItem] = sorted(
                (item for view in self.source.feed.sessions.values() for item in view.items),
                key=lambda i: i.at,
            )
            names = {view.session: view.name for view in self.source.feed.sessions.values()}
        else:
            view = self.session_feed
            items, names = (view.items if view else []), {}
        self.feed.tick_clock(self.options.clock())
        self.feed.show([item for item in items if self._passes(item)], names)
        self._draw_all()

    def _is_shown(self, session: str) -> bool:
        return self.session is not None and self.session in (ALL, session)

    def _passes(self, item: FeedItem | None) -> bool:
        if not self.errors_only or item is None:
            return item is not None
        return (
            item.has_failed
            if isinstance(item, FeedCell)
            else isinstance(item, Note) and item.level == "error"
        )

    def _draw_all(self) -> None:
        self.all_rows = self.source.rows
        server = self.source.server
        self.main.set_class(server is None or server.state is not ServerState.READY, "-not-running")
        now = self.options.clock()
        self.main.query_one(StatePanel).show(server, now, self.options.local)
        self._draw_graphs()
        self._draw_header()
        self._draw_sessions()
        self._draw_feed_frame()
        self._draw_detail()
        self._draw_title()
        keys = footer_keys(server, has_rows=bool(self.all_rows))
        self.main.query_one(KeyLine).show([(k.shown, k.label, k.action) for k in keys])

    def _second(self) -> None:
        if self.screen is not self.main:
            if isinstance(self.screen, GraphScreen):
                self.screen.update_lines()
            return
        now = self.options.clock()
        self.all_rows = self.source.rows
        with self.batch_update():
            self._draw_header()
            self._draw_graphs()
            self._draw_sessions()
            self.main.query_one(StatePanel).show(self.source.server, now, self.options.local)
            self.feed.tick_clock(now)
            if self.cell is not None and self.cell.is_running:
                self._draw_detail()

    def _draw_header(self) -> None:
        now = self.options.clock()
        source = self.source
        flag = "read-only" if self.options.readonly and not self.options.is_replay else ""
        sample = source.samples[-1] if source.samples else None
        time = at(now, self.options.local)
        state = HeaderState(
            source.server, self.all_rows, sample, now if self._has_walltime else 0.0, time, flag
        )
        self.main.query_one(Header).show(state)

    @property
    def _has_walltime(self) -> bool:
        server = self.source.server
        return server is not None and server.record.ends > 0

    def _draw_graphs(self) -> None:
        if self.source.server is None or self.source.server.state is not ServerState.READY:
            return
        samples = list(self.source.samples)[-SAMPLES_SHOWN:]
        self.main.set_class(self.options.is_replay and not samples, "-no-graphs")
        names = {row.kernel_id: one_line(row.name) for row in self.all_rows}
        shown = readings(samples, self.source.gpu_idle_since, names, self.glyphs.separator)
        self.main.set_class(len(shown) < 4, "-no-gpu")
        self.main.query_one(Meters).show(shown)
        for panel, reading in zip(self.main.query(GraphPanel), shown, strict=False):
            panel.show(reading)

    def _draw_sessions(self) -> None:
        now = self.options.clock()
        sessions = self.main.query_one(SessionList)
        height = max(1, 3 * len(self.rows)) + 2
        if sessions.styles.height is None or sessions.styles.height.value != height:
            sessions.styles.height = height
        sessions.show(self.rows, self.session or ALL, now)
        self.main.query_one(SessionTabs).show(self.rows, self.session or ALL)

    def _draw_feed_frame(self) -> None:
        feed, row, dot = self.feed, self.row, f" {self.glyphs.separator} "
        server = self.source.server
        name, path = feed_title(server, row, self.session, feed.size.width)
        title = Content.assemble(
            Content.styled(name, "bold"), Content.styled(f"{dot}{path}" if path else "", "$foreground 60%")
        )
        subtitle = dot.join(
            feed_notes(
                errors_only=self.errors_only,
                found=(feed.match + 1, len(feed.matches)) if feed.needle else None,
                below=None if feed.follows else feed.rows_below,
                follow=self.glyphs.follow,
                is_empty=not feed.items,
            )
        )
        if (frame := (title.plain, subtitle)) != self._frame:
            self._frame = frame
            feed.border_title = title
            feed.border_subtitle = Content(subtitle)
        feed.set_empty(empty_lines(server, self.source.is_loaded, row, self.errors_only))

    def _draw_detail(self) -> None:
        detail = self.main.query_one(Detail)
        if not self.main.has_class("-wide"):
            return
        item = self.feed.current_item
        now = int(self.options.clock()) if isinstance(item, FeedCell) and item.is_running else 0
        version = item.version if item is not None else 0
        detail.show(DetailState(self.row, self.session_feed, item, version, now), self.options.local)

    def _draw_title(self) -> None:
        word = summary(self.source.server, self.all_rows)
        if word != self._title:
            self._title = word
            self.set_pane_title(f"jlab {word}")
