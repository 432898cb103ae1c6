"""Which part of time a timeline shows, and where its cursor goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.feed.lanes import Bar, BarState
from jlab_tui.core.feed.time_view import SPANS_S, TimeView, bar_beside, bar_nearest, same_bar, view_of

NOW = 10_000.0


def bar(start: float, end: float | None = None, run: str = "") -> Bar:
    return Bar(start, end, BarState.OK, "s", run or f"s-{start:.0f}", "")


def test_it_follows_the_clock_until_it_is_moved() -> None:
    view = TimeView()
    assert view.axis(NOW, 10).end == 10_020.0 and view.axis(NOW + 60, 10).end == 10_080.0
    moved = view.showing(5000.0, NOW)
    assert moved == TimeView(600.0, 5150.0)
    assert moved.axis(NOW + 60, 0).columns == 1
    assert view.showing(9400.0, NOW) == view == view.showing(NOW, NOW)
    assert moved.showing(NOW, NOW) == view
    assert moved.showing(5150.1, NOW) == TimeView(600.0, 5300.1)
    assert moved.showing(4550.0, NOW) == moved


def test_zooming_keeps_what_is_under_the_cursor_in_its_place() -> None:
    view = TimeView(600.0, 5000.0)
    closer = view.zoomed(1, 4800.0, NOW)
    assert closer == TimeView(300.0, 4900.0)
    assert closer.zoomed(-1, 4800.0, NOW) == view
    assert TimeView(600.0, 9900.0).zoomed(-1, 9500.0, NOW) == TimeView(1800.0)
    assert TimeView().zoomed(1, NOW, NOW) == TimeView(300.0)
    assert view.zoomed(1, None, NOW) == TimeView(300.0, 5000.0) == view.zoomed(1, 5001.0, NOW)
    assert view.zoomed(1, 4399.0, NOW) == TimeView(300.0, 5000.0)
    assert TimeView().zoomed(1, 9300.0, NOW) == TimeView(300.0)


@pytest.mark.parametrize(("span_s", "by", "becomes"), [(60.0, 1, 60.0), (604800.0, -1, 604800.0), (500.0, -1, 1800.0)])  # fmt: skip
def test_zoom_has_steps_and_ends(span_s: float, by: int, becomes: float) -> None:
    assert TimeView(span_s).zoomed(by, None, NOW).span_s == becomes


def test_a_whole_record_is_in_view() -> None:
    assert view_of(100.0, 160.0) == TimeView(60.0, 160.0)
    assert view_of(100.0, 160.1) == TimeView(120.0, 160.1)
    assert view_of(0.0, 1e9) == TimeView(604800.0, 1e9)


BARS = (bar(10, 20, "a"), bar(20, 30, "a"), bar(50, 60, "b"), bar(80, None, "c"))


def test_the_cursor_stays_on_its_bar_when_there_are_newer_ones() -> None:
    assert same_bar(BARS, None) is BARS[-1] and same_bar((), None) is None
    assert same_bar(BARS, bar(10, None, "a")) is BARS[0]
    assert same_bar(BARS, bar(15, None, "a")) is BARS[1]
    assert same_bar(BARS, bar(10, None, "z")) is BARS[-1]
    assert same_bar((), BARS[0]) is None


@pytest.mark.parametrize(
    ("place", "by", "to"), [(1, -1, 0), (1, 1, 2), (0, -1, 0), (3, 1, 3), (2, -9, 0), (0, 9, 3)]
)
def test_the_cursor_goes_from_bar_to_bar_and_stays_among_them(place: int, by: int, to: int) -> None:
    assert bar_beside(BARS, BARS[place], by) is BARS[to]


def test_a_cursor_that_is_nowhere_begins_at_the_last_bar() -> None:
    assert bar_beside(BARS, None, -1) is BARS[-1] is bar_beside(BARS, bar(1), -1)
    assert bar_beside((), None, 1) is None


@pytest.mark.parametrize(("at", "place"), [(0, 0), (15, 0), (25, 1), (39, 1), (41, 2), (71, 3), (500, 3)])
def test_the_nearest_bar_in_time_is_found(at: float, place: int) -> None:
    assert bar_nearest(BARS, at) is BARS[place]
    assert bar_nearest((), at) is None


@given(
    st.sampled_from(SPANS_S), st.one_of(st.none(), st.floats(0, NOW)), st.floats(0, NOW), st.integers(-3, 3)
)
def test_whatever_is_shown_and_zoomed_the_cursor_stays_in_view(
    span_s: float, end: float | None, at: float, by: int
) -> None:
    view = TimeView(span_s, end).showing(at, NOW).zoomed(by, at, NOW)
    shown_until = NOW if view.end is None else view.end
    assert shown_until - view.span_s - 0.001 <= at <= shown_until + 0.001
