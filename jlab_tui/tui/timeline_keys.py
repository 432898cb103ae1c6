"""The key that opens the timeline, where it was closed the last time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.feed.lanes import Bar, bars_of
from ..core.feed.time_view import TimeView, view_of
from ..services.dashboard.monitor import Source
from ..services.dashboard.overview import SessionRow
from .ansi import one_line
from .format import Glyphs, session_mark
from .gauges import readings
from .options import DashboardOptions
from .themes import Palette
from .timeline_rows import RunLane
from .timeline_screen import TimelineData, TimelineScreen


class TimelineKeys:
    def __init__(
        self,
        source: Source,
        options: DashboardOptions,
        push_screen: Callable[..., Any],
        show: Callable[[Bar], None],
    ) -> None:
        """`show` shows the cell of a bar."""
        self._source = source
        self._options = options
        self._push_screen = push_screen
        self._show = show
        self._view = TimeView()
        self._was: tuple[str, Bar | None] = ("", None)
        recording = options.recording
        if recording is not None:
            self._view = view_of(recording.playback.first, recording.playback.last)

    def open(self, session: str, run: str, palette: Palette, glyphs: Glyphs) -> None:
        """Open it at a cell. Where that has not run, at the bar where it was left."""
        bars = self._bars(session)
        cursor = next((bar for bar in reversed(bars) if run and bar.run == run), None)
        start = (session, cursor) if cursor is not None else self._was
        view = self._view if start[1] is None else self._view.showing(start[1].start, self._options.clock())
        screen = TimelineScreen(
            lambda: self._read(glyphs),
            (view, start[0] or session, start[1]),
            palette,
            glyphs,
            self._options.local,
        )

        def closed(bar: Bar | None) -> None:
            self._view, where, at = screen.place
            self._was = (where, at)
            if bar is not None:
                self._show(bar)

        self._push_screen(screen, closed)

    def _read(self, glyphs: Glyphs) -> TimelineData:
        source = self._source
        shown = (
            readings(list(source.samples), source.gpu_idle_since, {}, glyphs.separator)
            if source.samples
            else []
        )
        lanes = tuple(self._lane(row, glyphs) for row in source.rows if row.session in source.feed.sessions)
        return TimelineData(lanes, tuple(shown), self._options.clock())

    def _lane(self, row: SessionRow, glyphs: Glyphs) -> RunLane:
        mark, hue = session_mark(row.state, glyphs)
        return RunLane(row.session, one_line(row.name), mark, hue, self._bars(row.session))

    def _bars(self, session: str) -> tuple[Bar, ...]:
        recording = self._options.recording
        if recording is not None:
            return recording.bars
        feed = self._source.feed.sessions.get(session)
        return tuple(bars_of(feed)) if feed is not None else ()
