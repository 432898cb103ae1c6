"""A recording plays at its speed, pauses, is sought, and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.feed.playback import SPEEDS, Playback

BEGUN = Playback(1000.0, 1100.0, 1000.0, 50.0)


def test_it_goes_on_with_the_clock_and_stays_at_its_end() -> None:
    assert (BEGUN.position(50.0), BEGUN.position(60.0), BEGUN.position(500.0)) == (1000.0, 1010.0, 1100.0)
    assert not BEGUN.is_over(149.9) and BEGUN.is_over(150.0)


def test_it_pauses_and_plays_on_where_it_was() -> None:
    paused = BEGUN.toggled(60.0)
    assert paused.is_paused and paused.position(500.0) == 1010.0
    going = paused.toggled(500.0)
    assert not going.is_paused and going.position(505.0) == 1015.0


@pytest.mark.parametrize("is_paused", [False, True])
def test_at_its_end_it_plays_from_the_beginning(is_paused: bool) -> None:
    again = Playback(1000.0, 1100.0, 1100.0, 50.0, is_paused=is_paused).toggled(60.0)
    assert not again.is_paused and (again.position(60.0), again.position(61.0)) == (1000.0, 1001.0)


@pytest.mark.parametrize(("to", "at"), [(1042.0, 1042.0), (5.0, 1000.0), (9999.0, 1100.0)])
def test_it_is_sought_within_its_ends(to: float, at: float) -> None:
    assert BEGUN.sought(to, 70.0).position(70.0) == at
    paused = BEGUN.toggled(55.0).sought(to, 70.0)
    assert paused.is_paused and paused.position(99.0) == at


def test_sought_from_its_end_it_waits() -> None:
    back = BEGUN.sought(1042.0, 500.0)
    assert back.is_paused and back.position(600.0) == 1042.0


def test_another_speed_begins_where_it_is() -> None:
    fast = BEGUN.with_speed(1, 60.0)
    assert (fast.speed, fast.position(60.0), fast.position(61.0)) == (2.0, 1010.0, 1012.0)
    slow = fast.with_speed(-2, 61.0)
    assert (slow.speed, slow.position(63.0)) == (0.5, 1013.0)


@pytest.mark.parametrize(("speed", "by", "becomes"), [(3.0, 1, 4.0), (64.0, 1, 64.0), (0.25, -1, 0.25), (100.0, -1, 32.0)])  # fmt: skip
def test_speeds_come_in_steps(speed: float, by: int, becomes: float) -> None:
    assert Playback(0.0, 9.0, 0.0, 0.0, speed).with_speed(by, 0.0).speed == becomes


STEPS = st.lists(
    st.tuples(st.sampled_from(["toggle", "seek", "speed"]), st.floats(0, 1e4), st.integers(-3, 3)),
    max_size=20,
)


@given(STEPS, st.floats(0, 10))
def test_whatever_is_asked_for_the_position_stays_in_the_record(
    steps: list[tuple[str, float, int]], gap: float
) -> None:
    state, now = BEGUN, 50.0
    for kind, to, by in steps:
        now += gap
        before = state.position(now)
        match kind:
            case "toggle":
                state = state.toggled(now)
                assert state.position(now) in (before, state.first)
            case "seek":
                state = state.sought(to, now)
            case _:
                state = state.with_speed(by, now)
                assert state.position(now) == before
        assert state.first <= state.position(now) <= state.last and state.speed in SPEEDS
