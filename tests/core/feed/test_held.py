"""Memory holds the newest up to a number of bytes, and counts only what somebody has."""

from __future__ import annotations

from jlab_tui.core.feed.held import Held


class Thing:
    """Something that can be held."""


def test_the_oldest_are_named_when_there_is_too_much_and_the_newest_stays() -> None:
    held: Held[Thing] = Held(100)
    things = [Thing() for _ in range(4)]
    for thing in things:
        held.add(thing, 60)
    assert list(held.excess()) == things[:3] and len(held) == 1
    big = Thing()
    held.add(big, 500)
    assert list(held.excess()) == things[3:] and list(held.excess()) == []


def test_what_nobody_has_any_more_does_not_count() -> None:
    held: Held[Thing] = Held(100)
    first = Thing()
    held.add(first, 60)
    for _ in range(50):
        held.add(Thing(), 60)
        assert list(held.excess()) == [] and len(held) == 1
    last = Thing()
    held.add(last, 60)
    (out,) = held.excess()
    assert out is first
    del first, out  # was taken out already
    assert len(held) == 1 and list(held.excess()) == []
