"""The main screen: header, graphs, sessions, feed, footer. Its widgets show one `ViewState` and the cells of the source.

One file, because Textual looks for the actions of its keys in the screen's class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import var
from textual.screen import Screen
from textual.strip import Strip

from ..core.feed.items import Change, FeedCell, ImageOutput
from ..core.server.gpu_idle import longest_idle
from ..core.server.record import ServerState
from ..services.dashboard.actions import Target
from ..services.dashboard.monitor import Source
from .attention import Attention
from .cell_keys import ends_with_image, images_of, tables_of
from .curves import curves_of
from .difference_screen import DifferenceScreen
from .feed_frame import feed_frame
from .format import ASCII, UNICODE, Glyphs, at
from .graph_drawing import draw_graphs, draw_strip
from .key_context import helpful
from .options import DashboardOptions
from .plots import Plotext
from .presets import lay_out_as
from .screen_texts import empty_lines, feed_notes, feed_title, footer_keys, header_flag
from .screens import GraphScreen, ImageScreen
from .selection import ALL, pick_session, session_to_follow, target_of
from .shown_items import ShownItems, shown_items
from .table_screen import TableScreen
from .themes import Palette
from .view_state import ViewState
from .widgets.detail import Detail, DetailState
from .widgets.feed_view import CellFocused, FeedView, FollowChanged, NotFound, OlderWanted
from .widgets.footer import KeyLine
from .widgets.graphs import GraphPanel, Meters
from .widgets.header import Header, HeaderState
from .widgets.prompt import Prompt
from .widgets.session_list import (
    Choosing,
    HistoryToggled,
    MoreWanted,
    SessionChosen,
    SessionList,
    SessionTabs,
)
from .widgets.state_panel import StatePanel
from .widgets.strips import StripWidget
from .widgets.time_strip import TimeStrip

SLOW_GRAPHS_S = 5
"""seconds between two pictures of the graphs on a slow line"""


class MainScreen(Screen[None]):
    AUTO_FOCUS = "#feed"
    view = var(ViewState(), init=False, always_update=True)  # `reactive` would repaint the whole screen

    def __init__(self, source: Source, options: DashboardOptions) -> None:
        super().__init__()
        self.set_reactive(MainScreen.view, ViewState(server=source.server, has_looked=source.has_looked))
        self._source = source
        self._options = options
        self.glyphs: Glyphs = ASCII if options.ascii else UNICODE
        self.palette = Palette({}, dark=True)
        self._frame = (Content(""), Content(""))
        self._seen: frozenset[str] = frozenset()
        """sessions that are no longer new"""
        self._shown = ShownItems([], {})
        self._attention = Attention()
        self._plotext = Plotext()

    def compose(self) -> ComposeResult:
        palette, glyphs, local = self.palette, self.glyphs, self._options.local
        yield Header(palette, glyphs, id="header")
        yield StatePanel(palette, glyphs, id="state")
        with Horizontal(id="graphs"):
            for number in range(4):
                panel = GraphPanel(palette, glyphs)
                panel.set_class(number >= 2, "gpu")
                yield panel
        yield Meters(palette, glyphs, id="meters")
        yield TimeStrip(palette, glyphs, id="strip")
        yield SessionTabs(palette, glyphs, id="tabs")
        with Horizontal(id="body"):
            sessions = SessionList(palette, glyphs, id="sessions")
            sessions.border_title = "Sessions"
            yield sessions
            yield FeedView(palette, glyphs, local, id="feed")
            detail = Detail(palette, glyphs, id="detail")
            detail.border_title = "Detail"
            yield detail
        yield KeyLine(palette, glyphs, id="keys")
        yield Prompt(id="prompt")  # over the keys while it asks

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._take_theme())
        self._take_theme()
        self.set_class(self._options.ascii, "-ascii")
        self.set_class(self._options.recording is not None, "-replay")
        self.draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def _take_theme(self) -> None:
        self.palette = Palette(self.app.get_css_variables(), dark=self.app.current_theme.dark)
        for widget in self.query(StripWidget):
            widget.repaint_with(self.palette)
        self.feed.repaint_with(self.palette)

    @property
    def feed(self) -> FeedView:
        return self.query_one("#feed", FeedView)

    @property
    def prompt(self) -> Prompt:
        return self.query_one(Prompt)

    @property
    def cell(self) -> FeedCell | None:
        """The cell on which keys act."""
        item = self.feed.current_item
        return item if isinstance(item, FeedCell) else None

    @property
    def target(self) -> Target | None:
        """The kernel on which keys act; None if there is none, or it has ended."""
        return target_of(self.view.sessions, self.view.session, self.cell)

    def draw_images_again(self) -> None:
        """Forget the images as they were drawn."""
        for feed in self.query(FeedView):  # none before the first frame
            feed.draw_images_again()
        for detail in self.query(Detail):
            detail.draw_image_again()

    def image_ready(self, output: ImageOutput, columns: int, rows: int, strips: Sequence[Strip]) -> None:
        self.feed.image_ready(output, columns, rows, strips)
        self.query_one(Detail).image_ready(output, columns, rows, strips)

    def update(self, **changes: Any) -> None:
        """Show another state; sessions may come in any order."""
        if "sessions" in changes:
            changes["sessions"], changes["unread"] = self._attention.arrange(
                changes["sessions"],
                changes.get("session", self.view.session),
                self._options.clock(),
                is_loaded=self._source.is_loaded,
            )
        self.view = replace(self.view, **changes)

    # -- drawing

    def watch_view(self, old: ViewState, new: ViewState) -> None:
        if (old.session, old.errors_only) != (new.session, new.errors_only):
            self.fill_feed()
            draw_strip(self, new, self._source, self._options)
        if old.preset != new.preset:
            lay_out_as(self, new.preset)
        is_second = (old.now, old.measured_at, old.holds_all) != (new.now, new.measured_at, new.holds_all)
        if (
            is_second
            or (old.server, old.has_looked) != (new.server, new.has_looked)
            or old.needs_user != new.needs_user
            or bool(old.sessions) != bool(new.sessions)
        ):
            self._draw_server()
        self._draw_rest()

    def draw(self) -> None:
        """Draw everything but the cells."""
        self._draw_server()
        self._draw_rest()

    def show_time(self) -> None:
        """Show the time of the recording, after it was sought or paused."""
        self.update(now=self._options.clock())
        self.draw()

    def _draw_rest(self) -> None:
        self._draw_sessions()
        self.draw_feed_frame()
        self.draw_detail()

    def fill_feed(self) -> None:
        """Show the cells of the selected session, or of all sessions by time, from their end on."""
        self.feed.tick_clock(self._options.clock())
        self._shown = shown_items(self.view, self._source)
        self.feed.show(self._shown.items, self._shown.names)

    def show_run(self, session: str, run: str) -> None:
        """Show the cell of a run."""
        shown = self.view.session if self.view.session in (ALL, session) else session
        self.select(shown, is_by_hand=True, errors_only=False)
        if not self.feed.go_to_run(run):
            self.notify("This cell is not in the part of the record that was read.", markup=False, timeout=6)

    def grow_feed(self) -> None:
        """Show what was read of them meanwhile, around the same place."""
        self._shown = shown_items(self.view, self._source)
        self.feed.grow(self._shown.items, self._shown.names)
        self.draw_feed_frame()

    def take(self, changes: Sequence[Change]) -> None:
        """Show the changes of shown cells."""
        view = self.view
        mine = [c for c in changes if view.shows(c.session) and c.item is not None and view.passes(c.item)]
        self.feed.take(
            c for c in mine if view.session != ALL or c.item is None or c.item.at >= self._shown.since
        )

    def _draw_server(self) -> None:
        """Draw state, header, graphs and the keys that help."""
        view, source, options = self.view, self._source, self._options
        now = options.clock()
        is_ready = view.server is not None and view.server.state is ServerState.READY
        self.set_class(not is_ready, "-not-running")
        sample = source.samples[-1] if source.samples else None
        used = f"{sample.gpu_hours}." if sample is not None and sample.gpu_hours is not None else ""
        panel = self.query_one(StatePanel)
        panel.is_told = options.story is not None
        panel.show(view.server, now, options.local, used, is_known=view.has_looked)
        if is_ready and (not view.slow_line or int(view.now) % SLOW_GRAPHS_S == 0):
            draw_graphs(self, view, source, options, self.glyphs)
        draw_strip(self, view, source, options)
        ends = self.feed.rows.frame.job_ends = view.server.record.ends if view.server is not None else 0.0
        replays = options.recording is not None
        flag = header_flag(view, is_readonly=options.readonly and not replays, glyphs=self.glyphs)
        idle, seen_at = longest_idle(sample, options.gpu_idle_warn_min), now if ends > 0 else 0.0
        time = at(now, options.local)
        self.query_one(Header).show(
            HeaderState(
                view.server, view.sessions, sample, seen_at, time, flag, idle, is_known=view.has_looked
            )
        )
        self._draw_keys()

    def _draw_keys(self) -> None:
        rows, place = self.feed.rows, self.feed.current
        folds = self.cell is not None and (rows.is_expanded(place) or rows.layout(place).folds)
        keys = footer_keys(
            self.view.server,
            has_rows=bool(self.view.sessions),
            has_kernel=self.target is not None,
            may_act=not self._options.readonly,
            helps=helpful(self.view, self.cell, folds=folds),
            replays=self._options.recording is not None,
        )
        self.query_one(KeyLine).show(keys)

    def _draw_sessions(self) -> None:
        listed, selected = self.view.listed, self.view.session or ALL
        sessions = self.query_one(SessionList)
        sessions.show(listed, selected, self._options.clock(), self.view.past, self.view.unread)
        sessions.fit_height()
        self.query_one(SessionTabs).show(listed, selected, self.view.past, self.view.unread)

    def draw_feed_frame(self) -> None:
        view, feed = self.view, self.feed
        name, path = feed_title(view.server, view.row, view.session, feed.size.width)
        notes = feed_notes(
            errors_only=view.errors_only,
            found=(feed.match + 1, len(feed.matches)) if feed.needle else None,
            is_seeking=feed.is_seeking,
            below=None if feed.follows else feed.rows_below,
            follow=self.glyphs.follow,
            is_empty=not feed.items,
        )
        is_narrow = self.has_class("-narrow")
        frame = feed_frame(name, path, notes, separator=self.glyphs.separator, is_narrow=is_narrow)
        if frame != self._frame:
            self._frame = frame
            feed.border_title, feed.border_subtitle = frame
        is_loaded, is_told = self._source.is_loaded, self._options.story is not None
        feed.set_empty(
            empty_lines(view.server, is_loaded, view.row, view.errors_only, view.past.count, is_told)
        )

    def draw_detail(self) -> None:
        if not self.has_class("-wide"):
            return
        item = self.feed.current_item
        now = int(self._options.clock()) if isinstance(item, FeedCell) and item.is_running else 0
        version = item.version if item is not None else 0
        session = self._source.feed.sessions.get(self.view.session or "")
        state = DetailState(self.view.row, session, item, version, now)
        self.query_one(Detail).show(state, self._options.local)

    # -- messages of widgets

    def on_follow_changed(self, message: FollowChanged) -> None:
        self.draw_feed_frame()

    def on_older_wanted(self, message: OlderWanted) -> None:
        self._source.older(self.view.session or ALL)

    def on_not_found(self, message: NotFound) -> None:
        self.notify(f"“{message.needle}” is not in earlier cells.", markup=False, timeout=6)
        self.draw_feed_frame()

    def on_cell_focused(self, message: CellFocused) -> None:
        self._draw_keys()
        self.draw_detail()

    # -- which session is shown

    def follow_newest(self) -> None:
        """Until the user selects a session, show the newest, at first the one with the latest changes."""
        rows, shown = [row for row in self.view.sessions if not row.is_past], self.view.session
        fresh = [row for row in rows if not row.is_foreign and row.session not in self._seen]
        self._seen = self._seen.union(row.session for row in fresh)
        wanted = (
            max(fresh, key=lambda row: row.last_seen).session
            if fresh and shown is not None
            else session_to_follow(rows, shown, self._options.clock())
        )
        if wanted is not None and wanted != shown:
            self.select(wanted)

    def select(self, session: str, **changes: Any) -> None:
        self._source.want(session)
        self.update(session=session, sessions=self._source.rows, past=self._source.past, **changes)

    def choose(self, session: str, **changes: Any) -> None:
        """Show the session that the user chose."""
        self._attention.chooses(self._options.clock())
        self.select(session, is_by_hand=True, **changes)

    def on_choosing(self, message: Choosing) -> None:
        self._attention.chooses(self._options.clock())

    def on_session_chosen(self, message: SessionChosen) -> None:
        self.choose(message.session)

    def on_history_toggled(self, message: HistoryToggled) -> None:
        self.action_history()

    def on_more_wanted(self, message: MoreWanted) -> None:
        self._source.more_history()

    def action_history(self) -> None:
        """Show the closed sessions below the others, or fold them again."""
        if not self._source.past.count:
            self.notify("No session is closed.", markup=False, timeout=6)
            return
        self._source.toggle_history()
        self.update(sessions=self._source.rows, past=self._source.past)

    def action_number(self, number: int) -> None:
        if number <= len(self.view.listed):
            self.choose(self.view.listed[number - 1].session)

    def action_all(self) -> None:
        other = ALL if self.view.session != ALL else pick_session(self.view.sessions) or ALL
        self.select(other, is_by_hand=True)

    def action_needy(self) -> None:
        """Go to the next session that needs the user, also past a filter that hides it."""
        wanted = self.view.needs_user
        if wanted is None:
            self.notify("No other session needs you.", markup=False, timeout=6)
        elif any(row.session == wanted for row in self.view.listed):
            self.choose(wanted)
        else:
            self.choose(wanted, name_filter="")

    def action_errors(self) -> None:
        self.select(self.view.session or ALL, errors_only=not self.view.errors_only)

    # -- cells

    def action_expand(self) -> None:
        if not self.feed.toggle_fold():
            self.notify("This cell has no hidden lines.", markup=False, timeout=6)
            return
        cell = self.cell
        if cell is not None and cell.has_gaps and self.feed.is_expanded:
            self.run_worker(self._fetch(cell), group="records")

    async def _fetch(self, cell: FeedCell) -> None:
        """Read the lines of an expanded cell that are not in memory."""
        if not await self._source.whole(cell):
            self.notify(
                "The record lacks the rest of this output.", severity="warning", markup=False, timeout=6
            )

    def action_cell(self, by: int) -> None:
        self.feed.move_cell(by)

    def action_view(self) -> None:
        """Show the image or the tables of the cell, whichever come last, on the whole screen."""
        images, tables = images_of(self.cell), tables_of(self.cell)
        if tables and (not images or not ends_with_image(self.cell)):
            self.app.push_screen(TableScreen(tables, self.palette, self.glyphs))
        elif images:
            self.app.push_screen(ImageScreen(images, self.palette, self.glyphs))
        else:
            self.notify("The cell has no image and no table.", markup=False, timeout=6)

    def action_difference(self) -> None:
        """Show how the cell's code differs from what it ran before."""
        if (cell := self.cell) is not None and cell.before and cell.before != cell.source:
            self.app.push_screen(DifferenceScreen(cell, self.palette))
        else:
            self.notify("The cell has not run with other code before.", markup=False, timeout=6)

    # -- search, filter, full screen

    async def action_search(self) -> None:
        await self.prompt.ask("search", "/", self.feed.needle)

    async def action_filter(self) -> None:
        await self.prompt.ask("filter", "sessions:", self.view.name_filter)

    def action_match(self, by: int) -> None:
        if not self.feed.matches and not self.feed.is_seeking:
            self.notify("No match to go to; / searches.", markup=False, timeout=6)
            return
        self.feed.next_match(by)
        self.draw_feed_frame()

    def action_back(self) -> None:
        if self.feed.needle:
            self.feed.search("")
        elif self.has_class("-zoomed"):
            self.remove_class("-zoomed")
        else:
            self.feed.focus()
        self.draw_feed_frame()

    def action_zoom(self) -> None:
        self.toggle_class("-zoomed")

    def action_graphs(self) -> None:
        self.app.push_screen(
            GraphScreen(
                lambda: curves_of(self._source.samples),
                self._plotext,
                self.palette,
                self.glyphs,
                self._options.local,
            )
        )
