"""The timeline, full screen: graphs and one lane a session on one axis, with a cursor that leads to the cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip

from ..core.feed.lanes import Bar
from ..core.feed.time_view import TimeView, bar_beside, bar_nearest, same_bar
from .format import Glyphs, LocalTime, span
from .gauges import Reading
from .themes import Palette
from .timeline_rows import NAMES, RunLane, bar_line, graph_rows, lane_strip, tick_row
from .widgets.strips import StripWidget

_KEYS = ("arrows move", "+ - zoom", "enter shows the cell", "esc closes")
GRAPH_MOST = 6
"""rows of a graph"""


@dataclass(frozen=True, slots=True)
class TimelineData:
    """What the timeline shows at one moment."""

    lanes: tuple[RunLane, ...] = ()
    readings: tuple[Reading, ...] = ()
    now: float = 0.0


class LaneClicked(Message):
    """The user clicked a lane, at a time (epoch seconds)."""

    def __init__(self, lane: int, at: float) -> None:
        super().__init__()
        self.lane = lane
        self.at = at


class TimelineView(StripWidget):
    """All lanes that have room, the current one among them."""

    data = TimelineData()
    view = TimeView()
    current = 0
    """place of the lane with the cursor"""
    cursor: Bar | None = None
    local: LocalTime
    _first = 0
    _top = 0
    """row of the first lane"""

    def build(self, width: int, height: int) -> list[Strip]:
        data, palette, glyphs = self.data, self.palette, self.glyphs
        axis = self.view.axis(data.now, width - NAMES)
        rows: list[Strip] = []
        for_graphs = height - 3 - min(len(data.lanes), max(1, height // 2))
        if data.readings and (each := min(GRAPH_MOST, for_graphs // len(data.readings))) > 0:
            rows += graph_rows(data.readings, axis, each, palette, glyphs)
        rows.append(Strip(tick_row(axis, self.local, palette)))
        room = max(1, height - len(rows) - 2)
        self._first = min(self._first, self.current)
        self._first = max(self._first, self.current - room + 1)
        self._top = len(rows)
        for place, lane in enumerate(data.lanes[self._first : self._first + room], self._first):
            is_current = place == self.current
            cursor = self.cursor if is_current else None
            rows.append(lane_strip(lane, axis, data.now, cursor, palette, glyphs, is_current=is_current))
        rows += [Strip.blank(width)] * (height - len(rows) - 1)
        return [*rows, Strip(bar_line(self.cursor, data.now, self.local, palette, glyphs))]

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.x < NAMES:
            return
        lane = self._first + offset.y - self._top
        if offset.y >= self._top and lane < len(self.data.lanes):
            axis = self.view.axis(self.data.now, self.content_size.width - NAMES)
            self.post_message(LaneClicked(lane, axis.time_of(offset.x - NAMES) + axis.step / 2))


ReadTimeline = Callable[[], TimelineData]


class TimelineScreen(Screen[Bar]):
    """Dismissed with the bar whose cell is to be shown, or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,T", "close", "Close", id="timeline.close"),
        Binding("left,h", "move(-1)", "Previous cell", id="timeline.previous"),
        Binding("right,l", "move(1)", "Next cell", id="timeline.next"),
        Binding("up,k", "lane(-1)", "Session above", id="timeline.above"),
        Binding("down,j", "lane(1)", "Session below", id="timeline.below"),
        Binding("home,g", "move(-1000000)", "First cell", id="timeline.first"),
        Binding("end,G", "move(1000000)", "Last cell", id="timeline.last"),
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", id="timeline.in"),
        Binding("minus", "zoom(-1)", "Zoom out", id="timeline.out"),
        Binding("enter", "choose", "Show the cell", id="timeline.choose"),
    ]

    def __init__(
        self,
        read: ReadTimeline,
        start: tuple[TimeView, str, Bar | None],
        palette: Palette,
        glyphs: Glyphs,
        local: LocalTime,
    ) -> None:
        """`start`: the part of time, the session and the bar that it shows first."""
        super().__init__()
        self._read = read
        self._glyphs = glyphs
        self._view = TimelineView(palette, glyphs)
        self._view.view, self._session, self._view.cursor = start
        self._view.local = local
        self._view.add_class("full")

    @property
    def place(self) -> tuple[TimeView, str, Bar | None]:
        """The part of time, the session and the bar on the screen."""
        return self._view.view, self._session, self._view.cursor

    def compose(self) -> ComposeResult:
        yield self._view

    def on_mount(self) -> None:
        self.update_bars()

    def update_bars(self) -> None:
        """Show what is new."""
        view = self._view
        view.data = data = self._read()
        sessions = [lane.session for lane in data.lanes]
        view.current = sessions.index(self._session) if self._session in sessions else 0
        view.cursor = same_bar(self._bars(), view.cursor)
        self._show()

    def _bars(self) -> Sequence[Bar]:
        lanes = self._view.data.lanes
        return lanes[self._view.current].bars if lanes else ()

    def _show(self) -> None:
        dot = f" {self._glyphs.separator} "
        title = f"Timeline{dot}{span(self._view.view.span_s)}"
        self._view.retitle(Content(title), Content(dot.join(_KEYS)))
        self._view.redraw()

    def _put(self, cursor: Bar | None) -> None:
        view = self._view
        view.cursor = cursor
        if cursor is not None:
            view.view = view.view.showing(cursor.start, view.data.now)
        self._show()

    def action_move(self, by: int) -> None:
        self._put(bar_beside(self._bars(), self._view.cursor, by))

    def action_lane(self, by: int) -> None:
        view = self._view
        if not view.data.lanes:
            return
        at = view.cursor.start if view.cursor is not None else view.data.now
        view.current = min(len(view.data.lanes) - 1, max(0, view.current + by))
        self._session = view.data.lanes[view.current].session
        self._put(bar_nearest(self._bars(), at))

    def on_lane_clicked(self, message: LaneClicked) -> None:
        self._view.current = message.lane
        self._session = self._view.data.lanes[message.lane].session
        self._put(bar_nearest(self._bars(), message.at))

    def action_zoom(self, by: int) -> None:
        view = self._view
        at = view.cursor.start if view.cursor is not None else None
        view.view = view.view.zoomed(by, at, view.data.now)
        self._show()

    def on_mouse_scroll_up(self) -> None:
        self.action_zoom(1)

    def on_mouse_scroll_down(self) -> None:
        self.action_zoom(-1)

    def action_choose(self) -> None:
        self.dismiss(self._view.cursor)

    def action_close(self) -> None:
        self.dismiss(None)
