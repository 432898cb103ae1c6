"""The session list says what a session does now, also when the server's list of kernels is older than the session."""

from __future__ import annotations

import pytest

from jlab_tui.core.feed.feed import Feed
from jlab_tui.core.journal.events import (
    Entry,
    Notice,
    RunFinished,
    RunHeld,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)
from jlab_tui.core.kernel.leaving import EndedKernel, KernelFates, LeftKernel
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


def ended(cause: str) -> KernelFates:
    return KernelFates(ended={"k": EndedKernel("s", "n.ipynb", cause, "exit code 1", 130.0, left_at=100.0)})


@pytest.mark.parametrize(
    ("cause", "expected", "fate"),
    [
        ("left", SessionState.ENDED, "client left 100h"),
        ("shutdown", SessionState.ENDED, "shut down"),
        ("keeps dying", SessionState.DEAD, "exit code 1"),
    ],
)
def test_a_kernel_that_ended_on_purpose_is_not_called_dead(
    cause: str, expected: SessionState, fate: str
) -> None:
    (row,) = session_rows(
        feed(), (), None, ServerState.READY, fates=ended(cause), clock=lambda at: f"{at:.0f}h"
    )
    assert (row.state, row.fate) == (expected, fate)


def test_sessions_end_with_their_server() -> None:
    (row,) = session_rows(feed(), (), None, ServerState.ENDED)
    assert row.state is SessionState.ENDED


def test_a_kernel_whose_client_has_left_says_how_long_it_stays_wherever_that_client_was() -> None:
    kernel = KernelInfo("k", "python3", "idle", 1)
    fates = KernelFates(left={"k": LeftKernel(100.0, True, 160.0, "", 60.0, "")})
    made = Feed()
    made.apply("s", Entry(100.0, SessionOpened("s", "name", "/n.ipynb", "k", "host", 50.0, client_pid=7)))
    for alive, orphan, elsewhere in ((None, True, True), (False, True, False), (True, False, False)):
        (row,) = session_rows(
            made, (kernel,), None, ServerState.READY, lambda *who, alive=alive: alive, fates=fates,
            clock=lambda at: f"{at:.0f}h",
        )  # fmt: skip
        assert (row.is_orphan, row.is_elsewhere, row.fate) == (orphan, elsewhere, "ends 160h")


def test_a_session_opened_after_the_server_was_asked_is_alive() -> None:
    assert state(feed(), (), at=99.0) is SessionState.BUSY


def test_a_session_of_an_earlier_server_is_over() -> None:
    assert state(feed(), (), started=60.0) is SessionState.CLOSED
    assert state(feed(closed=True), ()) is SessionState.CLOSED


def test_a_running_kernel_is_busy() -> None:
    kernel = KernelInfo("k", "python3", "busy", 1)
    assert state(feed(), (kernel,)) is SessionState.BUSY


def test_a_session_whose_cell_runs_is_busy_although_an_older_list_says_that_its_kernel_starts() -> None:
    made, starting = feed(), (KernelInfo("k", "python3", "starting", 1),)
    made.apply("s", Entry(110.0, TextPrinted("s-1", "stdout", "epoch 0\n")))
    assert state(made, starting, at=109.0) is SessionState.BUSY
    assert state(made, starting, at=111.0) is SessionState.STARTING


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


def test_a_session_is_idle_as_soon_as_its_cell_has_ended_whatever_an_older_list_of_kernels_says() -> None:
    made, busy = feed(), (KernelInfo("k", "python3", "busy", 1),)
    made.apply("s", Entry(110.0, RunFinished("s-1", RunStatus.INTERRUPTED, 9.0)))
    assert state(made, busy, at=109.0) is SessionState.IDLE
    assert state(made, busy, at=111.0) is SessionState.BUSY, "another client runs something"
