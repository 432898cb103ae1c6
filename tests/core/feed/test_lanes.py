"""When runs waited, ran and ended, as bars; and which columns of an axis show them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.feed.lanes import (
    LABEL_MAX,
    Bar,
    BarState,
    Stretch,
    TimeAxis,
    axis_over,
    axis_until,
    bars_of,
    stretches,
)
from jlab_tui.core.feed.session_feed import SessionFeed
from jlab_tui.core.journal.events import (
    DataShown,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    NotebookEdited,
    Notice,
    RunFinished,
    RunHeld,
    RunStarted,
    RunStatus,
    SessionClosed,
    TextPrinted,
)

HELD = RunHeld("s-1", "execute_code", "c1", "x = 1")
STARTED = RunStarted("s-1", "execute_code", "c1", "\n  x = 1\ny")
BEGUN = ExecutionStarted("s-1", 1)


def session(*entries: tuple[float, Event]) -> SessionFeed:
    found = SessionFeed("s")
    for at, event in entries:
        found.apply(Entry(at, event))
    return found


def ended(status: RunStatus, run: str = "s-1") -> RunFinished:
    return RunFinished(run, status, 1.0)


@pytest.mark.parametrize(
    ("entries", "bars"),
    [
        ([(1, STARTED)], [(1, None, BarState.WAITING)]),
        ([(1, STARTED), (2, TextPrinted("s-1", "stdout", "x"))], [(1, 2, BarState.WAITING), (2, None, BarState.RUNNING)]),
        ([(1, STARTED), (2, ErrorRaised("s-1", "E", "e", ()))], [(1, 2, BarState.WAITING), (2, None, BarState.RUNNING)]),
        ([(1, STARTED), (2, DataShown("s-1", {})), (3, ended(RunStatus.OK))], [(1, 2, BarState.WAITING), (2, 3, BarState.OK)]),
        ([(1, STARTED), (4, ended(RunStatus.OK)), (9, TextPrinted("s-1", "stdout", "late"))], [(1, 4, BarState.OK)]),
        ([(1, STARTED), (1, BEGUN)], [(1, None, BarState.RUNNING)]),
        ([(1, STARTED), (1.9, BEGUN)], [(1, None, BarState.RUNNING)]),
        ([(1, STARTED), (3, BEGUN)], [(1, 3, BarState.WAITING), (3, None, BarState.RUNNING)]),
        ([(1, STARTED), (2, BEGUN), (3, BEGUN)], [(1, 2, BarState.WAITING), (2, None, BarState.RUNNING)]),
        ([(1, STARTED), (4, ended(RunStatus.OK))], [(1, 4, BarState.OK)]),
        ([(1, STARTED), (4, ended(RunStatus.ERROR))], [(1, 4, BarState.FAILED)]),
        ([(1, STARTED), (4, ended(RunStatus.DIED))], [(1, 4, BarState.FAILED)]),
        ([(1, STARTED), (4, ended(RunStatus.INTERRUPTED))], [(1, 4, BarState.STOPPED)]),
        ([(1, HELD)], [(1, None, BarState.HELD)]),
        ([(1, HELD), (5, STARTED), (5, BEGUN)], [(1, 5, BarState.HELD), (5, None, BarState.RUNNING)]),
        ([(1, HELD), (5, ended(RunStatus.DECLINED))], [(1, 5, BarState.HELD)]),
        ([(1, STARTED), (2, BEGUN), (7, SessionClosed("x"))], [(1, 2, BarState.WAITING), (2, 7, BarState.RUNNING)]),
        ([(1, NotebookEdited("add", "c1", "x")), (2, Notice("n"))], []),
    ],
)  # fmt: skip
def test_a_run_is_a_bar_for_each_thing_that_it_did(
    entries: list[tuple[float, Event]], bars: list[tuple[float, float | None, BarState]]
) -> None:
    assert [(bar.start, bar.end, bar.state) for bar in bars_of(session(*entries))] == bars


def test_a_bar_knows_its_run_and_the_first_line_of_its_code() -> None:
    (bar,) = bars_of(session((1, STARTED)))
    assert (bar.session, bar.run, bar.label) == ("s", "s-1", "x = 1")
    (bar,) = bars_of(session((1, RunStarted("s-2", "t", "c", "y" * 200))))
    assert bar.label == "y" * LABEL_MAX
    (bar,) = bars_of(session((1, RunStarted("s-2", "t", "c", " \n"))))
    assert bar.label == ""


def cells(count: int, *, cell: str = "c") -> list[tuple[float, Event]]:
    """Runs of ten seconds, one after the other."""
    found: list[tuple[float, Event]] = []
    for n in range(1, count + 1):
        found.append((n * 10.0, RunStarted(f"s-{n}", "t", f"{cell}{n}" if cell else "", "x")))
        found.append((n * 10.0 + 9, ended(RunStatus.OK, f"s-{n}")))
    return found


def test_only_runs_that_a_time_concerns_are_looked_at() -> None:
    some = session(*cells(5))
    assert [bar.run for bar in bars_of(some, 39)] == ["s-3", "s-4", "s-5"]
    assert [bar.run for bar in bars_of(some, 39.1)] == ["s-4", "s-5"]
    assert len(bars_of(some)) == 5


def test_a_long_run_is_found_behind_short_scratch_runs() -> None:
    long: list[tuple[float, Event]] = [
        (1, RunStarted("s-0", "t", "c0", "loop")),
        (2, ExecutionStarted("s-0")),
    ]
    some = session(*long, *cells(3, cell=""), (200, ended(RunStatus.OK, "s-0")))
    assert [bar.run for bar in bars_of(some, 100)] == ["s-0", "s-0"]


def test_the_columns_of_an_axis_do_not_move_with_time() -> None:
    one, other = axis_until(1003.0, 100.0, 10), axis_until(1009.9, 100.0, 10)
    assert one == other == TimeAxis(910.0, 10.0, 10)
    assert axis_until(1010.0, 100.0, 10).start == 920.0
    for no_time in (math.nan, math.inf, -math.inf, 1e308):
        assert axis_until(no_time, 1.0, 10) == axis_until(0.0, 1.0, 10)
    assert one.end == 1010.0 and one.time_of(3) == 940.0
    assert [one.column_of(at) for at in (909.0, 910.0, 919.9, 1009.0, 1010.0, math.inf, -math.inf, math.nan)] == [
        -1, 0, 0, 9, 10, 10, -1, -1
    ]  # fmt: skip


def test_an_axis_over_a_record_has_both_its_ends() -> None:
    axis = axis_over(100.0, 190.0, 10)
    assert (axis.column_of(100.0), axis.column_of(190.0)) == (0, 9)
    assert axis_over(5.0, 5.0, 1) == TimeAxis(5.0, 1.0, 1)


def bar(start: float, end: float | None, state: BarState = BarState.OK, run: str = "r") -> Bar:
    return Bar(start, end, state, "s", run, "")


AXIS = TimeAxis(0.0, 10.0, 5)


@pytest.mark.parametrize(
    ("bars", "shown"),
    [
        ([], []),
        ([bar(0, 9)], [(0, 0)]),
        ([bar(-50, 25)], [(0, 2)]),
        ([bar(25, None)], [(2, 3)]),
        ([bar(60, 70)], []),
        ([bar(-9, -1)], []),
        ([bar(45, 99)], [(4, 4)]),
        ([bar(30, 5)], [(3, 3)]),
    ],
)
def test_a_bar_takes_the_columns_that_it_touches(bars: list[Bar], shown: list[tuple[int, int]]) -> None:
    assert [(s.first, s.last) for s in stretches(bars, AXIS, now=33.0)] == shown


def test_on_a_shared_column_what_needs_the_user_is_shown() -> None:
    fine, failed, later = bar(0, 30), bar(12, 15, BarState.FAILED), bar(28, 45)
    assert stretches([failed, fine, later], AXIS, 50) == [
        Stretch(0, 0, fine),
        Stretch(1, 1, failed),
        Stretch(2, 4, later),
    ]


TIMES = st.one_of(st.floats(), st.floats(-100, 200))
BARS = st.lists(st.builds(bar, TIMES, st.one_of(st.none(), TIMES), st.sampled_from(BarState)))


@given(BARS, st.floats(-50, 50), st.floats(0.1, 20), st.integers(1, 40), st.floats(-100, 200))
def test_whatever_the_bars_stretches_are_on_the_axis_and_do_not_overlap(
    bars: list[Bar], start: float, step: float, columns: int, now: float
) -> None:
    found = stretches(bars, TimeAxis(start, step, columns), now)
    places = [place for stretch in found for place in (stretch.first, stretch.last)]
    assert places == sorted(places) and all(0 <= place < columns for place in places)
    assert all(one.last < other.first for one, other in pairwise(found))
    for one, other in pairwise(found):
        assert one.last + 1 < other.first or one.bar is not other.bar


RUNS = st.lists(
    st.tuples(st.sampled_from([HELD, STARTED, BEGUN, *map(ended, RunStatus), SessionClosed("x")]), TIMES),
    max_size=12,
)


@given(RUNS, st.floats(0, 100))
def test_in_any_order_of_events_bars_come_in_the_order_of_time(
    events: list[tuple[Event, float]], since: float
) -> None:
    bars = bars_of(session(*((at, event) for event, at in events if math.isfinite(at))), since)
    assert [one.start for one in bars] == sorted(one.start for one in bars)
