"""How a session stands in a list of many, from two lines of each of its journals."""

from __future__ import annotations

import typing

import pytest

from jlab_tui.core.journal.events import (
    Entry,
    Event,
    RunFinished,
    RunHeld,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.journal.summary import KIND, TELLING, SessionHead, head_of

OPENED = Entry(10.0, SessionOpened("s", "first", "/a.ipynb", "k", "node7", 1.0))
AGAIN = Entry(50.0, SessionOpened("s", "second", "/a.ipynb", "k", "node7", 1.0, epoch=2))
HELD = Entry(15.0, RunHeld("s-1", "execute_code", "c", "x"))
STARTED = Entry(20.0, RunStarted("s-1", "execute_code", "c", "x = 1"))
FINISHED = Entry(30.0, RunFinished("s-1", RunStatus.OK, 1.0))
CLOSED = Entry(40.0, SessionClosed("asked"))


def head(opened: Entry, running: str = "", *, is_closed: bool = False, at: float) -> SessionHead:
    assert isinstance(opened.event, SessionOpened)
    return SessionHead("s", opened.event, running, is_closed, at)


@pytest.mark.parametrize(
    ("journals", "seen"),
    [
        ([(OPENED, OPENED)], head(OPENED, at=10.0)),
        ([(OPENED, HELD)], head(OPENED, "s-1", at=15.0)),
        ([(OPENED, STARTED)], head(OPENED, "s-1", at=20.0)),
        ([(OPENED, FINISHED)], head(OPENED, at=30.0)),
        ([(OPENED, CLOSED)], head(OPENED, is_closed=True, at=40.0)),
        ([(OPENED, None)], head(OPENED, at=0.0)),
        ([(AGAIN, AGAIN), (OPENED, STARTED)], head(AGAIN, "s-1", at=50.0)),
        ([(AGAIN, AGAIN), (OPENED, CLOSED)], head(AGAIN, is_closed=True, at=50.0)),
        ([(AGAIN, None), (OPENED, STARTED)], head(AGAIN, "s-1", at=20.0)),
        ([(AGAIN, FINISHED), (OPENED, STARTED)], head(AGAIN, at=30.0)),
        ([(AGAIN, STARTED), (OPENED, CLOSED)], head(AGAIN, "s-1", at=20.0)),
        ([(None, AGAIN), (OPENED, STARTED)], head(OPENED, "s-1", at=50.0)),
        ([(FINISHED, AGAIN), (OPENED, STARTED)], head(OPENED, "s-1", at=50.0)),
    ],
)
def test_the_last_owner_that_did_anything_decides_a_sessions_state(
    journals: list[tuple[Entry | None, Entry | None]], seen: SessionHead
) -> None:
    assert head_of("s", journals) == seen


@pytest.mark.parametrize("journals", [[], [(None, None)], [(None, CLOSED)], [(STARTED, STARTED)]])
def test_a_session_whose_opening_is_not_recorded_is_in_no_list(
    journals: list[tuple[Entry | None, Entry | None]],
) -> None:
    assert head_of("s", journals) is None


def test_the_kind_of_a_line_is_found_without_reading_all_of_it() -> None:
    def kind(entry: Entry) -> bytes:
        found = KIND.match(encode(entry))
        assert found is not None
        return found.group(1)

    telling = [kind(entry) for entry in (OPENED, HELD, STARTED, FINISHED, CLOSED)]
    assert tuple(telling) == TELLING
    assert kind(Entry(-1.5e20, TextPrinted("s-1", "stdout", '{"k":"closed"'))) == b"text"
    assert len(typing.get_args(Event)) > len(TELLING)
