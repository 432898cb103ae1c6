"""Which part of time a timeline shows, and how the cursor moves along its bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .lanes import Bar, TimeAxis, axis_until

SPANS_S = (60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0, 259200.0, 604800.0)


@dataclass(frozen=True, slots=True)
class TimeView:
    """A part of time."""

    span_s: float = 600.0
    end: float | None = None
    """epoch seconds; None follows the clock"""

    def axis(self, now: float, columns: int) -> TimeAxis:
        return axis_until(now if self.end is None else self.end, self.span_s, max(1, columns))

    def zoomed(self, by: int, around: float | None, now: float) -> TimeView:
        """Show less of time, or more where `by` is negative, and keep `around` in its place if it is in view."""
        end = now if self.end is None else self.end
        span_s = _next_span(self.span_s, -by)
        if around is None or not end - self.span_s <= around <= end:
            return TimeView(span_s, self.end)
        return _until(around + (end - around) * span_s / self.span_s, span_s, now)

    def showing(self, at: float, now: float) -> TimeView:
        """Move so that a time is in view."""
        end = now if self.end is None else self.end
        if end - self.span_s <= at <= end:
            return self
        return _until(at + self.span_s / 4, self.span_s, now)


def view_of(first: float, last: float) -> TimeView:
    """Return the smallest view that has both times in it."""
    return TimeView(next((span for span in SPANS_S if span >= last - first), SPANS_S[-1]), last)


def _until(end: float, span_s: float, now: float) -> TimeView:
    return TimeView(span_s, None if end >= now else end)


def _next_span(span_s: float, by: int) -> float:
    place = min(range(len(SPANS_S)), key=lambda n: abs(SPANS_S[n] - span_s))
    return SPANS_S[min(len(SPANS_S) - 1, max(0, place + by))]


def same_bar(bars: Sequence[Bar], cursor: Bar | None) -> Bar | None:
    """Find the bar under the cursor among newer bars: the same part of the run, else the run, else the last one."""
    of_run = [bar for bar in bars if cursor is not None and bar.run == cursor.run]
    same = [bar for bar in of_run if cursor is not None and bar.start == cursor.start]
    found = same or of_run or bars
    return found[-1] if found else None


def bar_beside(bars: Sequence[Bar], cursor: Bar | None, by: int) -> Bar | None:
    """Return the bar so many places on; the first or last one where there are not so many."""
    if not bars:
        return None
    if cursor is None or cursor not in bars:
        return bars[-1]
    return bars[min(len(bars) - 1, max(0, bars.index(cursor) + by))]


def bar_nearest(bars: Sequence[Bar], at: float) -> Bar | None:
    """Return the bar at a time, else the one that begins or ends nearest to it."""

    def distance(bar: Bar) -> float:
        if bar.end is None:
            return max(0.0, bar.start - at)
        return max(0.0, bar.start - at, at - bar.end)

    return min(bars, key=distance, default=None)
