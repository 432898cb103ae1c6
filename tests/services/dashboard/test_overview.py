"""The session list says what a session does now, also when the server's list of kernels is older than the session."""

from __future__ import annotations

from jlab_tui.core.feed.feed import Feed
from jlab_tui.core.journal.events import (
    Entry,
    Notice,
    RunHeld,
    RunStarted,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)
from jlab_tui.core.server.record import KernelInfo, ServerState
from jlab_tui.services.dashboard.overview import SessionRow, SessionState, session_rows


def feed(*, closed: bool = False) -> Feed:
    made = Feed()
    made.apply("s", Entry(100.0, SessionOpened("s", "name", "/n.ipynb", "k", "host", 50.0)))
    made.apply("s", Entry(101.0, RunStarted("s-1", "execute_code", "c", "1")))
    if closed:
        made.apply("s", Entry(102.0, SessionClosed("shut down")))
    return made


def state(
    made: Feed, kernels: tuple[KernelInfo, ...] | None, at: float = 1e12, started: float = 50.0
) -> SessionState:
    (row, *_) = session_rows(made, kernels, None, ServerState.READY, None, at, started)
    return row.state


def test_a_session_that_the_server_does_not_know_is_dead() -> None:
    assert state(feed(), ()) is SessionState.DEAD


def test_a_session_opened_after_the_server_was_asked_is_alive() -> None:
    assert state(feed(), (), at=99.0) is SessionState.BUSY


def test_a_session_of_an_earlier_server_is_over() -> None:
    assert state(feed(), (), started=60.0) is SessionState.CLOSED
    assert state(feed(closed=True), ()) is SessionState.CLOSED


def test_a_running_kernel_is_busy() -> None:
    kernel = KernelInfo("k", "python3", "busy", 1)
    assert state(feed(), (kernel,)) is SessionState.BUSY


def test_a_session_says_what_it_needs_the_user_for() -> None:
    made = feed()
    kernels = (KernelInfo("k", "python3", "busy", 1),)

    def row() -> SessionRow:
        (found, *_) = session_rows(made, kernels, None, ServerState.READY)
        return found

    assert row().needs == "" and row().said == ""
    made.apply("s", Entry(102.0, Notice("Run s-1 has printed nothing", "warning", "input")))
    assert row().needs == "waits for input"
    made.apply("s", Entry(103.0, TextPrinted("s-1", "stdout", "go on\n\n")))
    assert row().needs == "" and row().said == "go on"
    made.apply("s", Entry(104.0, RunHeld("s-2", "execute_code", "c", "2")))
    assert row().needs == "code waits for you"
    made.apply("s", Entry(105.0, SessionClosed("shut down")))
    assert row().needs == ""
