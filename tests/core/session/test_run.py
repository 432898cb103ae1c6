"""How a run ends, and how its end is described."""

from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.core.journal.events import ErrorRaised, OutputDropped, RunFinished, RunStatus
from jlab_tui.core.kernel.conversation import NO_REPLY, RunEnded
from jlab_tui.core.session.run import Run


def test_one_lost_message_is_one() -> None:
    one = run()
    one.count_loss(OutputDropped("s-1", 1, "messages", "jlab-mcp could not read it"))
    assert one.losses() == ["1 message of output was lost: jlab-mcp could not read it."]


def run() -> Run:
    return Run("s-1", "s", "execute_code", "c", "1", "m", 100.0, Path("s.1.jsonl"), 0)


@pytest.mark.parametrize(
    ("seen", "told", "wanted"),
    [(3, None, 3), (None, 4, 4), (3, 4, 4), (3, 0, 0), (None, None, None)],
)
def test_a_runs_end_has_its_time_and_the_count_that_was_seen_last(
    seen: int | None, told: int | None, wanted: int | None
) -> None:
    one = run()
    one.execution_count = seen
    assert one.ending(RunEnded("s-1", RunStatus.OK, told), 107.2504) == RunFinished(
        "s-1", RunStatus.OK, 7.25, wanted
    )


def test_a_run_that_was_interrupted_before_its_first_line_says_so() -> None:
    end = RunEnded("s-1", RunStatus.LOST, None, NO_REPLY)
    one = run()
    assert one.ending(end, 101.0) == RunFinished("s-1", RunStatus.LOST, 1.0, None, NO_REPLY)
    assert one.notes == []
    one.interrupted_by = "you"
    assert one.ending(end, 101.0) == RunFinished("s-1", RunStatus.INTERRUPTED, 1.0)
    assert "before the first line" in one.notes[0]
    other = RunEnded("s-1", RunStatus.LOST, None, "The connection broke.")
    assert one.ending(other, 101.0).status is RunStatus.LOST


@pytest.mark.parametrize(
    ("exception", "by", "elsewhere", "status"),
    [
        ("CancelledError", "you", False, RunStatus.INTERRUPTED),
        ("CancelledError", "", True, RunStatus.INTERRUPTED),
        ("CancelledError", "", False, RunStatus.ERROR),
        ("ValueError", "you", True, RunStatus.ERROR),
    ],
)
def test_a_cell_that_awaits_was_interrupted_if_somebody_did_and_else_cancels_itself(
    exception: str, by: str, elsewhere: bool, status: RunStatus
) -> None:
    one = run()
    assert one.outputs is not None
    one.outputs.feed(ErrorRaised("s-1", exception, "", ()))
    one.interrupted_by, one.interrupted_elsewhere = by, elsewhere
    assert one.ending(RunEnded("s-1", RunStatus.ERROR, 1), 101.0).status is status


BY_SIGNAL = "Command 'b'sleep 600'' died with <Signals.SIGINT: 2>."


@pytest.mark.parametrize(
    ("end", "exception", "by", "ended"),
    [
        (RunEnded("s-1", RunStatus.OK, 1, "It failed.", True), "", "you", (RunStatus.INTERRUPTED, "")),
        (RunEnded("s-1", RunStatus.OK, 1, "It failed.", True), "", "", (RunStatus.OK, "It failed.")),
        (RunEnded("s-1", RunStatus.OK, 1, "It failed."), "", "you", (RunStatus.OK, "It failed.")),
        (RunEnded("s-1", RunStatus.ERROR, 1), BY_SIGNAL, "you", (RunStatus.INTERRUPTED, "")),
        (RunEnded("s-1", RunStatus.ERROR, 1), BY_SIGNAL, "", (RunStatus.ERROR, "")),
        (RunEnded("s-1", RunStatus.ERROR, 1), "It returned 3.", "you", (RunStatus.ERROR, "")),
        (RunEnded("s-1", RunStatus.ERROR, 1), "", "you", (RunStatus.ERROR, "")),
    ],
)
def test_a_shell_command_that_an_interrupt_ended_is_no_success_and_no_failure(
    end: RunEnded, exception: str, by: str, ended: tuple[RunStatus, str]
) -> None:
    one = run()
    assert one.outputs is not None
    if exception:
        one.outputs.feed(ErrorRaised("s-1", "CalledProcessError", exception, ()))
    one.interrupted_by = by
    finished = one.ending(end, 101.0)
    assert (finished.status, finished.cause) == ended


def test_a_run_that_has_ended_grows_no_older() -> None:
    one = run()
    assert (one.elapsed(103.0), one.elapsed(99.0)) == (3.0, 0.0)
    one.reply = {"status": "ok"}
    one.finish(RunFinished("s-1", RunStatus.DIED, 3.0, 7, "It died."))
    assert one.elapsed(200.0) == 3.0 and not one.reply
    assert (one.status, one.execution_count, one.cause) == (RunStatus.DIED, 7, "It died.")


def test_losses_are_summed_by_cause_and_text_beyond_the_cap_is_no_loss() -> None:
    one = run()
    for dropped in (
        OutputDropped("s-1", 1000, "bytes", "it was full"),
        OutputDropped("s-1", 500, "bytes", "it was full"),
        OutputDropped("s-1", 2, "messages", "it was full"),
        OutputDropped("s-1", 9, "characters", "of the record only"),
    ):
        one.count_loss(dropped)
    assert one.losses() == [
        "About 1,500 bytes of output were lost: it was full.",
        "About 2 messages of output were lost: it was full.",
    ]
