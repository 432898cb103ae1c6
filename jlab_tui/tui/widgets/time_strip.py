"""One row with the runs of the shown session on the graphs' time axis; in a replay, all of the record and where it is."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from ...core.feed.lanes import Bar, TimeAxis, axis_over, axis_until, stretches
from ...core.feed.playback import Playback
from ..format import clock, span
from ..lane_rows import lane_row
from ..wrapping import Row
from .strips import StripWidget

LIVE_LABEL = 8
"""columns left of the lane"""


class BarChosen(Message):
    """The user clicked the bar of a run."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self.bar = bar


class TimeSought(Message):
    """The user clicked a time of the recording."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at


@dataclass(frozen=True, slots=True)
class StripState:
    """The strip's content."""

    bars: tuple[Bar, ...] = ()
    now: float = 0.0
    span_s: float = 600.0
    playback: Playback | None = None
    is_playing: bool = False


class TimeStrip(StripWidget):
    """The lane of the shown session."""

    state = StripState()
    _label = ""

    def show(self, state: StripState) -> None:
        if state != self.state:
            self.state = state
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        state = self.state
        self._label = self._head(width)
        axis = self._axis(width)
        lane = lane_row(
            stretches(state.bars, axis, state.now),
            axis.columns,
            self.palette,
            self.glyphs,
            position=axis.column_of(state.now) if state.playback is not None else None,
        )
        style = self.palette.style("muted" if state.playback is None else "text")
        row: Row = [Segment(self._label, style), *lane]
        return [Strip(row)]

    def _head(self, width: int) -> str:
        playback = self.state.playback
        if playback is None:
            return f" {span(self.state.span_s)}".ljust(LIVE_LABEL)[: max(0, width - 1)]
        is_over = self.state.now >= playback.last
        word = "playing" if self.state.is_playing else "ended" if is_over else "paused"
        speed = f"{playback.speed:g}{self.glyphs.times}"
        whole = clock(playback.last - playback.first)
        gone = clock(self.state.now - playback.first).rjust(len(whole))
        return f" {word:<7} {speed:>5} {gone}/{whole} "[: max(0, width - 1)]

    def _axis(self, width: int) -> TimeAxis:
        state, columns = self.state, max(1, width - len(self._label))
        if state.playback is not None:
            return axis_over(state.playback.first, state.playback.last, columns)
        return axis_until(state.now, state.span_s, columns)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.x < len(self._label):
            return
        axis, column = self._axis(self.content_size.width), offset.x - len(self._label)
        if self.state.playback is not None:
            self.post_message(TimeSought(axis.time_of(column)))
            return
        for stretch in stretches(self.state.bars, axis, self.state.now):
            if stretch.first <= column <= stretch.last:
                self.post_message(BarChosen(stretch.bar))
