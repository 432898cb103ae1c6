"""The dashboard: listens to its source, hands values to widgets, turns keys into actions. It owns nothing outside itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.filter import LineFilter
from textual.screen import Screen
from textual.timer import Timer

from ..core.feed.items import Change
from ..core.server.walltime import Notices
from ..services.dashboard.actions import Actions
from ..services.dashboard.exports import Exports
from ..services.dashboard.monitor import Source
from . import highlight, pixels
from .ansi import one_line
from .keys import KEYS, NUMBERS
from .navigation import Navigation
from .options import DashboardOptions
from .plain_ascii import AsciiFilter
from .run_end_bell import RunEndBell
from .screen_texts import farewell
from .screens import ImageScreen
from .selection import session_to_follow
from .terminal import prepare
from .themes import DAY, NIGHT, Palette
from .widgets.canvas import ImageWanted
from .widgets.detail import Detail
from .widgets.feed_view import CellFocused, FeedView, FollowChanged
from .widgets.footer import KeyClicked, KeyLine
from .widgets.graphs import GraphPanel, Meters
from .widgets.header import Header
from .widgets.prompt import Prompt, PromptAnswered
from .widgets.session_list import SessionChosen, SessionList, SessionTabs
from .widgets.state_panel import StatePanel
from .widgets.strips import StripWidget

CRASHED = 1
"""Textual's exit code after an exception"""
NEWS_S = 0.1
"""seconds between two updates of the list of sessions, the title and the detail"""


class Dashboard(Navigation):
    """Header, graphs, sessions, feed, footer."""

    TITLE = "jlab-mcp"
    CSS_PATH = "styles.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - as in Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (44, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*(key.binding for key in KEYS), *NUMBERS]

    def __init__(self, source: Source, actions: Actions, exports: Exports, options: DashboardOptions) -> None:
        super().__init__(source, actions, exports, options)
        self.register_theme(NIGHT)
        self.register_theme(DAY)
        self.theme = options.theme if options.theme in self.available_themes else "night"
        self._bell = RunEndBell()
        self._notices = Notices()
        self._readings_stale = True
        self._to_ascii = AsciiFilter()
        self._seen: frozenset[str] = frozenset()
        """sessions that are not new any more"""
        self._news_timer: Timer | None = None

    # -- building

    def compose(self) -> ComposeResult:
        palette, glyphs, local = self.palette, self.glyphs, self.options.local
        yield Header(palette, glyphs, id="header")
        yield StatePanel(palette, glyphs, id="state")
        with Horizontal(id="graphs"):
            for number in range(4):
                panel = GraphPanel(palette, glyphs)
                panel.set_class(number >= 2, "gpu")
                yield panel
        yield Meters(palette, glyphs, id="meters")
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
        yield Prompt(id="prompt")  # over the keys while something is asked

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, self._to_ascii] if self.options.ascii else filters

    async def on_mount(self) -> None:
        await self.on_event_loop_ready()
        self.theme_changed_signal.subscribe(self, lambda _theme: self._take_theme())
        self._take_theme()
        self.main.set_class(self.options.ascii, "-ascii")
        self.feed.focus()
        self._draw_all()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """After the first frame: everything that takes too long before it."""
        self.run_worker(self._follow(), group="source")
        if self.options.is_live:
            self.set_interval(1.0, self._second)

    async def _follow(self) -> None:
        await asyncio.to_thread(self._load_rest)
        await self.source.run(self)

    def _load_rest(self) -> None:
        highlight.warm_up()
        self.options.preload()

    def _take_theme(self) -> None:
        self.palette = Palette(self.get_css_variables(), dark=self.current_theme.dark)
        for widget in self.main.query(StripWidget):
            widget.repaint_with(self.palette)
        self.feed.repaint_with(self.palette)

    # -- listener of the source

    def items_changed(self, changes: Sequence[Change]) -> None:
        rings = self._bell.rings(changes, self.options.clock())
        if rings and self.options.bell and self.source.is_loaded:
            self.bell()
        mine = [c for c in changes if self._is_shown(c.session) and self._passes(c.item)]
        if mine:
            self.feed.take(mine)
        if self.session is None and self.source.is_loaded:
            self._tell_news()
        elif self._news_timer is None:
            self._news_timer = self.set_timer(NEWS_S, self._tell_news)

    def _tell_news(self) -> None:
        """Show news outside the feed: in the list of sessions, the title and the detail."""
        if self._news_timer is not None:
            self._news_timer.stop()
            self._news_timer = None
        had_rows = bool(self.all_rows)
        self.all_rows = self.source.rows
        if not self.chosen_by_hand and self.source.is_loaded:
            self._follow_newest()
        self.feed.tick_clock(self.options.clock())
        self._draw_sessions()
        if bool(self.all_rows) != had_rows:
            self._draw_all()
        else:  # the notebook may have a new name, and an empty feed another text
            self._draw_feed_frame()
        self._draw_title()
        self._draw_detail()

    def record_read(self, session: str) -> None:
        if self._is_shown(session) and self.session is not None:
            self.choose(self.session)

    def server_changed(self) -> None:
        self._draw_all()
        server = self.source.server
        notices, ends = (server.notices, server.record.ends) if server is not None else ((), 0.0)
        for notice in self._notices.due(notices, ends, self.options.clock()):
            self.trouble(notice)

    def resources_changed(self) -> None:
        if self._readings_stale:  # the first ones are shown at once, later ones with the next second
            self._readings_stale = False
            self._draw_graphs()
            self._draw_header()

    def trouble(self, sentence: str) -> None:
        self.say(sentence, severity="warning")

    def _follow_newest(self) -> None:
        """Until the user selects one: the newest session, at first the one with the latest news. A closed session is
        replaced at the next news."""
        fresh = [row.session for row in self.all_rows if not row.is_foreign and row.session not in self._seen]
        self._seen = self._seen.union(fresh)
        wanted = (
            fresh[-1]
            if fresh and self.session is not None
            else session_to_follow(self.all_rows, self.session)
        )
        if wanted is not None and wanted != self.session:
            self.choose(wanted)

    # -- messages of widgets

    def on_feed_frame(self) -> None:
        self._draw_feed_frame()

    def on_follow_changed(self, message: FollowChanged) -> None:
        self._draw_feed_frame()

    def on_cell_focused(self, message: CellFocused) -> None:
        self._draw_detail()

    def on_session_chosen(self, message: SessionChosen) -> None:
        self.chosen_by_hand = True
        self.choose(message.session)

    async def on_key_clicked(self, message: KeyClicked) -> None:
        await self.run_action(message.action)

    def on_image_wanted(self, message: ImageWanted) -> None:
        self.run_worker(self._draw_image(message), group="images")

    async def _draw_image(self, message: ImageWanted) -> None:
        output, columns, rows = message.output, message.columns, message.rows
        strips = await asyncio.to_thread(drawn_image, output.data, columns, rows, self.options.ascii)
        self.feed.image_ready(output, columns, rows, strips)
        self.main.query_one(Detail).image_ready(output, columns, rows, strips)
        if isinstance(self.screen, ImageScreen):
            self.screen.image_ready(output, columns, rows, strips)

    def on_prompt_answered(self, message: PromptAnswered) -> None:
        self.feed.focus()
        if message.kind == "reason":
            if not message.is_given_up:
                self.interrupt_because(message.text.strip())
            return
        if message.kind == "filter":
            self.name_filter = message.text.strip()
            self._draw_sessions()
            return
        if message.text:
            found = self.feed.search(message.text)
            if not found:
                self.say(f"“{message.text}” is not in this feed.")
        self._draw_feed_frame()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_all)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Our commands first, by their keys; Textual's own after them."""
        for key in KEYS:
            if key.acts and self.options.readonly:
                continue
            yield SystemCommand(
                f"{key.label} ({key.shown})", key.sentence, lambda action=key.action: self._call(action)
            )
        for command in super().get_system_commands(screen):
            if command.title not in ("Quit", "Keys", "Maximize", "Minimize", "Screenshot"):
                yield command

    def _call(self, action: str) -> None:
        self.run_worker(self.run_action(action), group="commands")


def drawn_image(data: str, columns: int, rows: int, ascii_only: bool) -> list[Any]:
    """Strips of a base64 image; a sentence where it cannot be decoded."""
    from rich.segment import Segment
    from textual.strip import Strip

    try:
        return pixels.strips(pixels.load(data), columns, rows, ascii_only=ascii_only)
    except ValueError as error:
        return [Strip([Segment(f"The image cannot be drawn: {one_line(str(error))[:80]}")])]


def run(source: Source, actions: Actions, exports: Exports, options: DashboardOptions) -> int:
    """Show the dashboard until the user leaves. Returns the exit code; prints what still runs."""
    prepare(os.environ)
    app = Dashboard(source, actions, exports, options)
    app.run()
    app.has_left()
    code = app.return_code or 0
    if code == CRASHED:
        sys.stderr.write(f"{options.details()}\n")
    if options.says_farewell and code in (0, 129, 143):
        text = farewell(app.source.server, app.all_rows)
        if text and code != 129:
            sys.stdout.write(text)
            sys.stdout.flush()
    return code
