"""When the runs of a session waited, ran and ended: bars on a lane, and the columns of an axis that they take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ..journal.events import RunStatus
from .items import FAILED, FeedCell
from .session_feed import SessionFeed

LABEL_MAX = 80
"""characters of a bar's label"""
WAIT_S = 1.0
"""shortest wait for the kernel that is a bar of its own"""


class BarState(IntEnum):
    """What a run did; where several fall on one column, the greatest is shown."""

    OK = 1
    STOPPED = 2
    """interrupted, declined, or never started"""
    RUNNING = 3
    WAITING = 4
    """the kernel has not started it yet: it is busy with something else"""
    HELD = 5
    """it waits for the user"""
    FAILED = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a run. Times are epoch seconds."""

    start: float
    end: float | None
    """None while it lasts"""
    state: BarState
    session: str
    run: str
    label: str
    """first line of its code"""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Columns of equal spans."""

    start: float
    """epoch seconds at the left end of the first column"""
    step: float
    """seconds a column"""
    columns: int

    @property
    def end(self) -> float:
        return self.start + self.step * self.columns

    def column_of(self, at: float) -> int:
        """Return the column of a time; -1 before the axis, and for what is no time, `columns` after it."""
        place = (at - self.start) / self.step
        return int(min(place, self.columns)) if place >= 0 else -1

    def time_of(self, column: int) -> float:
        """Return the time at the left end of a column."""
        return self.start + column * self.step


def axis_until(end: float, span_s: float, columns: int) -> TimeAxis:
    """Return the last `span_s` seconds before `end`. Its columns begin at multiples of their width, so that what they show moves
    by whole columns. What is no time counts as 0."""
    step = span_s / columns
    place = end / step
    last = math.floor(place) if math.isfinite(place) else 0
    return TimeAxis((last - columns + 1) * step, step, columns)


def axis_over(first: float, last: float, columns: int) -> TimeAxis:
    """Return an axis over all of a record: at least a second."""
    return TimeAxis(first, max(1.0, last - first) / max(1, columns - 1), columns)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring columns that show the same bar."""

    first: int
    last: int
    bar: Bar


def bars_of(session: SessionFeed, since: float = 0.0) -> list[Bar]:
    """Return the bars of a session's runs that were not over at `since`, oldest first."""
    found: list[Bar] = []
    for item in reversed(session.items):
        if not isinstance(item, FeedCell) or item.status is None:
            continue
        if item.ended_at and item.ended_at < since:
            if item.cell_id:  # runs of the notebook follow each other
                break
            continue
        found += reversed(list(_bars(item, session.changed_at if session.closed else None)))
    return sorted(found, key=lambda bar: bar.start)


def _bars(cell: FeedCell, closed_at: float | None) -> Iterator[Bar]:
    label = next((line.strip() for line in cell.source.splitlines() if line.strip()), "")[:LABEL_MAX]
    end = cell.ended_at or closed_at
    start = cell.at
    if cell.held_at:
        has_started = cell.at > cell.held_at
        yield Bar(cell.held_at, cell.at if has_started else end, BarState.HELD, cell.session, cell.run, label)
        if not has_started:
            return
    if cell.begun_at - cell.at >= WAIT_S and (end is None or cell.begun_at <= end):
        yield Bar(cell.at, cell.begun_at, BarState.WAITING, cell.session, cell.run, label)
        start = cell.begun_at
    yield Bar(start, end, _state(cell), cell.session, cell.run, label)


def _state(cell: FeedCell) -> BarState:
    if cell.status in FAILED:
        return BarState.FAILED
    if cell.status is RunStatus.OK:
        return BarState.OK
    if cell.status is not RunStatus.RUNNING:
        return BarState.STOPPED
    return BarState.RUNNING if cell.begun_at else BarState.WAITING


def stretches(bars: Sequence[Bar], axis: TimeAxis, now: float) -> list[Stretch]:
    """Return what each column shows, from left to right, without those that show nothing. Bars that last reach to `now`."""
    shown: list[Bar | None] = [None] * axis.columns
    for bar in sorted(bars, key=lambda bar: bar.state):
        first = max(0, axis.column_of(bar.start))
        last = min(axis.columns - 1, axis.column_of(max(bar.start, now if bar.end is None else bar.end)))
        for column in range(first, last + 1):
            shown[column] = bar
    found: list[Stretch] = []
    for column, at in enumerate(shown):
        if at is None:
            continue
        if found and found[-1].bar is at and found[-1].last == column - 1:
            found[-1] = Stretch(found[-1].first, column, at)
        else:
            found.append(Stretch(column, column, at))
    return found
