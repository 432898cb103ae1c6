"""How a session stands after anything that can happen to it, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.errors import KernelGone, SessionOwned
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    ExecutionStarted,
    KernelChanged,
    KernelExited,
    OutputDropped,
    RunStatus,
    TextPrinted,
)
from jlab_tui.core.kernel.conversation import KernelDeath, OtherActivity, RunEnded
from jlab_tui.core.kernel.link import LinkDown, LinkOver, LinkUp, OutputLost, RequestRefused
from jlab_tui.core.session.protocol import (
    Abandon,
    AwaitServerEnd,
    BatchEnded,
    BatchStarted,
    CloseLink,
    CountLoss,
    DiagnoseServer,
    Effect,
    EndRun,
    KernelMissing,
    KernelUnused,
    LeaveRun,
    LookAtKernel,
    NoticeTaken,
    QueueRun,
    ReadRest,
    RenewLink,
    RestartAsked,
    RestartDone,
    RestartFailed,
    RunAsked,
    RunClosed,
    RunPaused,
    RunSent,
    RunWithdrawn,
    ServerGone,
    ServerStays,
    SessionEvent,
    StartRun,
    WatchUnseen,
    Write,
)
from jlab_tui.core.session.refusals import busy, refusal
from jlab_tui.core.session.replay import replay
from jlab_tui.core.session.run import Run
from jlab_tui.core.session.state import (
    Batch,
    EndedWithKernel,
    EndedWithServer,
    Kernel,
    SessionStatus,
    TakenOver,
    Usable,
)
from jlab_tui.core.session.step import adopted, step

NEW = SessionStatus("s", "k", is_recorded=True)
STOCK = replace(NEW, is_recorded=False)
USERS = replace(NEW, kernel=Kernel(users_own=True))
ASKED = (RunAsked("r", "m"), RunSent("r"))
RUNNING = (*ASKED, ExecutionStarted("r", 1))
RESTART = KernelDeath("the kernel was restarted", restarting=True, asked=True)
SHUTDOWN = KernelDeath("the kernel was shut down", restarting=False, asked=True)
CRASH = KernelDeath("exit code 3", restarting=True)
LAST_CRASH = KernelDeath("exit code 3", restarting=False)
DIED = RunEnded("r", RunStatus.DIED, 1, "the kernel was restarted")
TERMINATED = RunEnded("r", RunStatus.DIED, 1, "signal SIGTERM")
TEXT = TextPrinted("r", "stdout", "x")
GONE_FOR_GOOD = "The job has ended."


def after(*events: SessionEvent, start: SessionStatus = NEW) -> tuple[SessionStatus, list[Effect]]:
    """The state after some events, and what the last of them asks for."""
    state = start
    effects: tuple[Effect, ...] = ()
    for event in events:
        state, effects = step(state, event)
    return state, list(effects)


def end(
    status: RunStatus, cause: str = "", count: int | None = None, *, is_forgotten: bool = False
) -> EndRun:
    return EndRun(RunEnded("r", status, count, cause), "m", is_forgotten)


def changed(cause: str, awaited_by: str = "") -> Write:
    return Write(KernelChanged("k", cause, awaited_by))


EXITED = Write(KernelExited("k"))


# -- runs


def test_a_run_starts_when_the_kernel_says_so_and_ends_once() -> None:
    state, effects = after(*RUNNING)
    assert effects == [StartRun("r", 1, is_news=True)] and state.current == "r" and state.holds_state
    ok = RunEnded("r", RunStatus.OK, 1)
    state, effects = after(*RUNNING, ok)
    assert effects == [EndRun(ok, "m", is_forgotten=False)] and state.current == ""
    assert after(*RUNNING, ok, ok)[1] == []


def test_output_shows_that_a_run_has_started_and_a_late_count_is_taken() -> None:
    assert after(*ASKED, TEXT)[1] == [StartRun("r", None, is_news=True)]
    assert after(*ASKED, TEXT, TEXT)[1] == []
    assert after(*ASKED, TEXT, ExecutionStarted("r", 3))[1] == [StartRun("r", 3, is_news=False)]
    assert after(TEXT)[1] == [] and after(ExecutionStarted("r", 1))[1] == []


def test_a_run_that_is_prepared_blocks_others_and_is_ended_only_by_who_prepares_it() -> None:
    prepared = RunAsked("r", "m")
    assert after(prepared)[0].current == "r"
    for event in (RunClosed("r", RunStatus.LOST, ""), LinkOver(False, ""), RequestRefused("m", "no")):
        state, effects = after(prepared, event)
        assert state.current == "r" and not any(isinstance(effect, EndRun) for effect in effects)
    assert after(prepared, RunWithdrawn("r"))[0].current == ""
    assert after(*ASKED, RunWithdrawn("r"))[0].current == "r", "what was sent cannot be taken back"
    assert not any(isinstance(effect, LeaveRun) for effect in after(prepared, LinkOver(True, "x"))[1])


def test_of_two_open_runs_only_the_one_that_is_meant_moves_on() -> None:
    both = (RunAsked("r", "m"), RunAsked("b", "2"), RunSent("b"))
    state, _ = after(*both)
    assert [run.is_sent for run in state.open] == [False, True]
    state, _ = after(*both, RunSent("r"), ExecutionStarted("b", 1))
    assert [run.has_started for run in state.open] == [False, True]
    state, effects = after(*both, RunSent("r"), RunClosed("b", RunStatus.LOST, ""))
    assert [run.run for run in state.open] == ["r"]
    assert effects == [EndRun(RunEnded("b", RunStatus.LOST, None, ""), "2", is_forgotten=True)]


def test_a_run_waits_for_the_users_own_code() -> None:
    busy, idle = OtherActivity(True, "x = 1"), OtherActivity(False)
    assert after(busy, RunAsked("r", "m"))[1] == [QueueRun("r", True)]
    assert after(*ASKED, busy)[1] == [QueueRun("r", True)]
    assert after(*ASKED, busy, idle)[1] == [QueueRun("r", False)]
    assert after(*RUNNING, busy)[1] == [] and after(RunAsked("r", "m"))[1] == []
    assert not after(busy, CRASH)[0].is_kernel_busy
    assert after(busy)[0].is_kernel_busy and not after(busy, idle)[0].is_kernel_busy
    assert after(busy, *ASKED, CRASH)[1][:2] == [RenewLink(), QueueRun("r", False)]


def test_runs_of_an_earlier_process_continue_or_are_known() -> None:
    def run(status: RunStatus, *, has_started: bool = False) -> Run:
        run = Run("r", "s", "execute_code", "c", "1", "m", 0.0, Path("s.1.jsonl"), 0, generation=2)
        run.status, run.has_started = status, has_started
        return run

    start = replace(NEW, kernel=Kernel(generation=2))
    going = adopted(start, run(RunStatus.RUNNING, has_started=True))
    assert going.current == "r" and step(going, TEXT) == (going, ())
    assert adopted(start, run(RunStatus.OK)).holds_state
    assert not adopted(start, run(RunStatus.LOST)).holds_state
    assert after(RunClosed("r", RunStatus.LOST, "?"), start=going)[1] == [
        end(RunStatus.LOST, "?", is_forgotten=True)
    ]


# -- restarts


@pytest.mark.parametrize(
    ("order", "written"),
    [
        ((RESTART, RestartDone("you")), [changed("restarted by you")]),
        ((RestartDone("you"), RESTART), [changed("restarted by you", "you"), EXITED]),
    ],
    ids=["before", "after"],
)
def test_a_restart_is_its_askers_whenever_the_exit_notice_comes(
    order: Sequence[SessionEvent], written: list[Write]
) -> None:
    state = NEW
    effects: list[Effect] = []
    for event in (*RUNNING, RestartAsked("you"), *order, DIED):
        state, more = step(state, event)
        effects += more
    assert [e for e in effects if isinstance(e, Write)] == written
    assert effects.count(RenewLink()) == 1, "by the exit notice, and not by the answer"
    (ended,) = (e for e in effects if isinstance(e, EndRun))
    assert (ended.end.status, ended.end.cause) == (RunStatus.DIED, "The kernel was restarted by you.")
    assert (state.notice, state.kernel.generation, state.holds_state) == ("", 2, False)


def test_the_kernel_is_empty_as_soon_as_it_is_restarted_and_until_code_runs_in_the_new_one() -> None:
    done = (*RUNNING, RestartAsked("you"), RestartDone("you"))
    assert not after(*done)[0].holds_state
    assert not after(*done, OtherActivity(True, "of before"), OtherActivity(False))[0].holds_state
    assert not after(*done, OtherActivity(True, "of before"))[0].ran_elsewhere("of before")
    state, _ = after(*done, RESTART, OtherActivity(True, "x = 1"))
    assert state.holds_state and state.ran_elsewhere("x = 1") and not state.ran_elsewhere("y = 2")


def test_two_restarts_whose_notices_are_late_are_both_their_askers() -> None:
    twice = (RestartAsked("a"), RestartDone("a"), RestartAsked("b"))
    assert after(*twice, RESTART)[0].kernel.restarted_by == "a"
    assert after(*twice, RESTART, RestartDone("b"), RESTART)[0].kernel.restarted_by == "b"
    assert after(*twice, RestartDone("b"), RESTART, RESTART)[0].notice == ""


def test_a_restart_by_somebody_else_is_reported_once_and_recorded() -> None:
    state, effects = after(*RUNNING, RESTART)
    assert "Somebody restarted the kernel" in state.notice
    assert changed("restarted by somebody else") in effects
    assert after(RESTART, NoticeTaken())[0].notice == ""
    assert after(*RUNNING, RESTART, DIED)[1] == [end(RunStatus.DIED, "the kernel was restarted", 1)]
    ours = (RestartAsked("you"), RESTART)
    assert after(*RUNNING, *ours, DIED)[1] == [end(RunStatus.DIED, "The kernel was restarted by you.", 1)]
    assert after(*RUNNING, *ours, RunEnded("r", RunStatus.OK, 1))[1] == [end(RunStatus.OK, "", 1)]


@pytest.mark.parametrize("order", [(RESTART, RestartFailed("you")), (RestartFailed("you"), RESTART)])
def test_a_restart_that_failed_but_happened_is_reported(order: Sequence[SessionEvent]) -> None:
    state, effects = after(RestartAsked("you"), *order)
    assert "restarted after all (by you)" in state.notice
    assert changed("restarted by you") in effects


def test_a_restart_that_failed_is_forgotten_with_its_generation() -> None:
    failed = (RestartAsked("you"), RestartFailed("you"))
    assert after(*failed, RESTART)[0].kernel.restart is None, "it is said once"
    assert "Somebody" in after(*failed, RESTART, RESTART)[0].notice
    assert after(*failed)[1] == [] and after(RestartFailed("you"))[1] == []
    assert "Somebody" in after(*failed, CRASH, RESTART)[0].notice


def test_a_crash_while_a_restart_is_asked_for_is_not_taken_for_it() -> None:
    state, effects = after(RestartAsked("you"), CRASH)
    assert changed("died: exit code 3") in effects and state.kernel.restarted_by == ""
    assert after(RestartAsked("you"), CRASH, RESTART)[0].kernel.restarted_by == "you"


def test_a_kernel_that_died_and_was_restarted_holds_what_runs_in_it_and_a_later_restart_is_somebody_elses() -> (
    None
):
    """Its process had ended before the restart, so the restart has no exit notice of its own."""
    for over in (CRASH, LAST_CRASH):
        again = (over, RestartAsked("you"), RestartDone("you"), *RUNNING)
        assert after(*again)[0].holds_state
        state, effects = after(*again, RESTART)
        assert "Somebody restarted the kernel" in state.notice
        assert changed("restarted by somebody else") in effects


def test_a_run_of_before_a_restart_says_nothing_of_the_exit_notice_that_is_on_its_way() -> None:
    late = (*ASKED, RestartAsked("you"), RunAsked("q", "m-q"), RunSent("q"), RestartDone("you"))
    assert after(*late, ExecutionStarted("q", 1), RESTART)[0].notice == ""


def test_on_a_stock_server_nothing_but_the_answer_tells_of_a_restart() -> None:
    state, effects = after(*RUNNING, RestartAsked("you"), RestartDone("you"), start=STOCK)
    assert effects == [
        RenewLink(),
        changed("restarted by you"),
        end(RunStatus.DIED, "The kernel was restarted by you.", is_forgotten=True),
    ]
    assert state.kernel.generation == 2
    silent = KernelDeath("", restarting=True)
    state, _ = after(RestartAsked("you"), silent, RestartDone("you"), start=STOCK)
    assert (state.kernel.generation, state.kernel.awaited, state.notice) == (2, (), "")
    state, _ = after(RestartAsked("you"), RestartDone("you"), start=STOCK)
    assert state.kernel.awaited == (), "no notice will come"
    assert "its process ended" in after(silent, start=STOCK)[0].notice


def test_a_restart_makes_a_dead_kernel_usable() -> None:
    for over in (LAST_CRASH, KernelMissing(), LinkOver(False, ""), ServerGone(GONE_FOR_GOOD)):
        assert after(over)[0].why_over
        assert after(over, RestartAsked("you"), RestartDone("you"))[0].availability == Usable()
    assert after(RestartDone("you"))[1] == [changed("restarted by you")]


# -- deaths


@pytest.mark.parametrize(
    ("death", "over", "notice", "recorded"),
    [
        (CRASH, "", "The kernel died (exit code 3) and was restarted", "died: exit code 3"),
        (
            LAST_CRASH,
            "The kernel died (exit code 3) and the server does not restart it again.",
            "",
            "died: exit code 3",
        ),
        (SHUTDOWN, "The kernel of session s was shut down.", "", "shut down"),
        (
            KernelDeath("Jupyter ends idle ones", restarting=False, asked=True, is_by_rule=True),
            "The kernel of session s was shut down: Jupyter ends idle ones.",
            "",
            "shut down",
        ),
    ],
)
def test_a_death_says_what_is_lost_and_whether_the_session_is_over(
    death: KernelDeath, over: str, notice: str, recorded: str
) -> None:
    state, effects = after(death)
    assert effects == [RenewLink(), changed(recorded)]
    assert state.why_over == over and state.notice.startswith(notice)


def test_a_death_that_may_be_the_servers_waits_for_the_server() -> None:
    assert after(*RUNNING, CRASH, TERMINATED)[1] == [AwaitServerEnd(TERMINATED)]
    assert after(*RUNNING, SHUTDOWN, DIED)[1] == [AwaitServerEnd(DIED)]
    assert after(TERMINATED)[1] == []
    assert after(*RUNNING, TERMINATED, ServerStays(TERMINATED))[1] == [
        end(RunStatus.DIED, "signal SIGTERM", 1)
    ]
    job_ended = RunClosed("r", RunStatus.JOB_ENDED, GONE_FOR_GOOD)
    assert after(*RUNNING, TERMINATED, job_ended, ServerStays(TERMINATED))[1] == []


def test_the_end_of_the_server_says_more_than_the_end_of_its_kernel() -> None:
    state, effects = after(*RUNNING, SHUTDOWN, ServerGone(GONE_FOR_GOOD))
    assert state.availability == EndedWithServer(GONE_FOR_GOOD) and effects == [
        CloseLink(),
        ReadRest(GONE_FOR_GOOD),
    ]
    assert after(ServerGone(GONE_FOR_GOOD), ServerGone("again"))[1] == []
    for later in (SHUTDOWN, KernelMissing(), LinkOver(False, "")):
        assert after(ServerGone(GONE_FOR_GOOD), later)[0].why_over == GONE_FOR_GOOD
    assert after(KernelMissing(), SHUTDOWN)[0].why_over == "The kernel of session s was shut down."


def test_the_users_kernel_holds_what_the_user_has_run_until_it_is_restarted() -> None:
    assert after(start=USERS)[0].holds_state and after(start=USERS)[0].ran_elsewhere("anything")
    assert not after(KernelUnused(), start=USERS)[0].holds_state
    assert not after(RESTART, start=USERS)[0].holds_state
    assert not after()[0].holds_state


# -- the link


def test_a_link_that_comes_back_on_a_stock_server_may_have_lost_the_run() -> None:
    again = LinkUp(first=False)
    assert after(*RUNNING, again, start=STOCK)[1] == [WatchUnseen("r")]
    assert after(*RUNNING, LinkUp(first=True), start=STOCK)[1] == []
    assert after(*RUNNING, again)[1] == [] and after(again, start=STOCK)[1] == []


def test_a_link_that_stays_down_asks_why_until_that_is_known() -> None:
    assert after(LinkDown("refused", 1))[1] == []
    assert after(LinkDown("refused", 2))[1] == [DiagnoseServer()]
    assert after(ServerGone(GONE_FOR_GOOD), LinkDown("refused", 2))[1] == []


def test_a_kernel_that_the_server_does_not_know_ends_its_run() -> None:
    state, effects = after(*RUNNING, LinkOver(False, "404"))
    why = "The server no longer knows the kernel of session s."
    assert state.availability == EndedWithKernel(why)
    assert effects == [end(RunStatus.DIED, why, is_forgotten=True)]
    assert after(SHUTDOWN, LinkOver(False, "404"))[0].why_over == "The kernel of session s was shut down."


def test_a_request_that_was_refused_ends_its_run_and_no_other() -> None:
    lost = end(RunStatus.LOST, "It was not sent to the kernel: gone.", is_forgotten=True)
    assert after(*ASKED, RequestRefused("m", "gone"))[1] == [lost, LookAtKernel()]
    assert after(*ASKED, RequestRefused("other", "gone"))[1] == [LookAtKernel()]
    assert after(KernelMissing())[0].why_over == "The kernel of session s is gone."


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        (OutputLost(5, 100, "full", 9, unfetched=True), "before a connection fetched it"),
        (OutputLost(5, 100, "full", 9), "it came faster"),
        (OutputLost(5, 100, "stalled", 9), "the disk of the server's recordings"),
        (OutputLost(5, 100, "unreadable", 9), "could not read its recording"),
        (OutputLost(5, 100, "unread", 9), "jlab-mcp could not read it"),
        (OutputLost(5, 100, "?", 9), "could not keep it"),
    ],
)
def test_lost_output_is_counted_with_its_cause(lost: OutputLost, why: str) -> None:
    (effect,) = after(*RUNNING, lost)[1]
    assert isinstance(effect, CountLoss) and effect.dropped is not None and effect.last == 9
    assert (effect.dropped.run, effect.dropped.count, effect.dropped.unit) == ("r", 100, "bytes")
    assert why in effect.dropped.why
    assert after(lost)[1] == [CountLoss(None, 9)]
    assert after(*RUNNING, replace(lost, size=0))[1] == [
        CountLoss(OutputDropped("r", 5, "messages", effect.dropped.why), 9)
    ]


def test_a_session_that_another_process_takes_over_is_left_alone() -> None:
    state, effects = after(*RUNNING, LinkOver(True, "owned by there:7"))
    why = "Session s was taken over by another process: owned by there:7."
    assert state.availability == TakenOver(why) and state.is_taken_over and state.current == ""
    assert effects == [Abandon(), LeaveRun("r", f"{why} That process continues this run.")]
    for event in (LinkUp(first=False), RunClosed("r", RunStatus.OK, ""), ServerGone("It is gone.")):
        assert step(state, event) == (state, ())


# -- what is said


def test_a_batch_says_why_it_stopped() -> None:
    assert after(BatchStarted())[0].batch == Batch()
    assert after(BatchStarted(), BatchEnded("At cell 3."))[0].batch == Batch(
        is_over=True, stopped="At cell 3."
    )


def test_a_session_that_cannot_be_used_is_refused_with_what_helps() -> None:
    assert refusal(NEW, "n.ipynb") is None
    gone = refusal(after(SHUTDOWN)[0], "n.ipynb")
    assert (
        isinstance(gone, KernelGone) and 'start_session_resume_notebook(notebook_path="n.ipynb")' in gone.hint
    )
    scratch = refusal(after(SHUTDOWN)[0], "")
    assert scratch is not None and scratch.hint.endswith("start_session_resume_notebook.")
    assert isinstance(refusal(after(LinkOver(True, "x"))[0], "n.ipynb"), SessionOwned)


def test_a_refusal_during_a_run_names_the_run() -> None:
    run = Run("s-1", "s", "execute_code", "c", "1", "m", 100.0, Path("s.1.jsonl"), 0)
    error = busy(NEW, run, 107.0)
    assert error is not None and "run s-1 has been running for 7 s." in error.message
    assert 'wait_for_run(run_id="s-1")' in error.hint and "last line" not in error.message
    assert run.outputs is not None
    run.outputs.feed(TextPrinted("s-1", "stdout", "epoch 3\n"))
    error = busy(NEW, run, 107.0)
    assert error is not None and error.message.endswith("Its last line: 'epoch 3'.")
    run.outputs = None
    error = busy(NEW, run, 107.0)
    assert error is not None and error.message.endswith("7 s.")


def test_a_batch_keeps_others_away_and_its_own_runs_continue() -> None:
    going, over = after(BatchStarted())[0], after(BatchStarted(), BatchEnded())[0]
    error = busy(going, None, 0.0)
    assert error is not None and "busy running its cells again" in error.message
    assert busy(going, None, 0.0, in_batch=True) is None
    assert busy(over, None, 0.0) is None and busy(NEW, None, 0.0) is None


# -- any order

RUNS = st.sampled_from(["r", "q"])
EVENTS: st.SearchStrategy[SessionEvent] = st.one_of(
    st.builds(lambda run: RunAsked(run, f"m-{run}"), RUNS),
    st.builds(RunSent, RUNS),
    st.builds(RunWithdrawn, RUNS),
    st.builds(RunClosed, RUNS, st.just(RunStatus.LOST), st.just("closed")),
    st.builds(ExecutionStarted, RUNS, st.integers(1, 3)),
    st.builds(TextPrinted, RUNS, st.just("stdout"), st.just("x")),
    st.builds(RunEnded, RUNS, st.sampled_from([RunStatus.OK, RunStatus.DIED]), st.none(), st.sampled_from(["", "SIGTERM"])),
    st.builds(KernelDeath, st.sampled_from(["", "exit code 1"]), st.booleans(), st.booleans()),
    st.builds(OtherActivity, st.booleans(), st.just("x")),
    st.builds(LinkUp, st.booleans()), st.builds(LinkDown, st.just("down"), st.integers(1, 3)),
    st.builds(LinkOver, st.booleans(), st.just("over")),
    st.builds(RequestRefused, st.sampled_from(["m-r", "m-q"]), st.just("no")),
    st.just(OutputLost(1, 1, "full", 1)),
    st.sampled_from([RestartAsked("a"), RestartDone("a"), RestartFailed("a"), NoticeTaken(), KernelMissing(),
                     KernelUnused(), ServerGone("gone"), BatchStarted(), BatchEnded()]),
    st.builds(lambda run: ServerStays(RunEnded(run, RunStatus.DIED, None, "SIGTERM")), RUNS),
)  # fmt: skip


@given(events=st.lists(EVENTS, max_size=40), is_recorded=st.booleans())
def test_every_run_ends_once_and_an_unusable_session_stays_so_until_a_restart(
    events: list[SessionEvent], is_recorded: bool
) -> None:
    state = replace(NEW, is_recorded=is_recorded)
    sent: set[str] = set()
    for event in events:
        if isinstance(event, RunAsked) and state.find(event.run) is not None:
            continue  # ids are given once
        before = state
        state, effects = step(state, event)
        if isinstance(event, RunAsked):
            sent.discard(event.run)
        sent |= {run.run for run in state.open if run.is_sent}
        for effect in effects:
            if isinstance(effect, EndRun | LeaveRun):
                run = effect.end.run if isinstance(effect, EndRun) else effect.run
                assert run in sent, "only what was sent ends, and once"
                sent.discard(run)
                assert state.find(run) is None
        if before.is_taken_over:
            assert (state, effects) == (before, ()), "nothing is done for a session that was taken over"
        elif before.why_over and not isinstance(event, RestartDone):
            assert state.why_over
        assert state.kernel.generation - before.kernel.generation in (0, 1)
        if state.notice and state.notice != before.notice:
            assert isinstance(event, KernelDeath | RestartFailed), "said for each death, and not again"
    assert sent == {run.run for run in state.open if run.is_sent}, "what has not ended is open"


@given(data=st.data())
def test_who_asked_for_a_restart_is_never_confused_with_somebody_else(data: st.DataObject) -> None:
    """Restarts of ours, one at a time, whose notices come in order and as late as they like; somebody else's have theirs
    when none of ours is on its way. A successor that reads the journal knows the same."""
    state, number, answered = NEW, 0, True
    notices: list[str] = []
    written: list[Event] = []
    said: list[tuple[str, str]] = []
    for _ in range(data.draw(st.integers(0, 25))):
        moves = ["ask"] if answered else ["answer"]
        moves += ["notice"] if notices else (["other"] if answered else ["exit"])
        if state.kernel.restart is not None and state.kernel.restart.has_exited:
            moves = [move for move in moves if move != "exit"]
        match data.draw(st.sampled_from(moves)):
            case "ask":
                number, answered = number + 1, False
                state, effects = step(state, RestartAsked(f"asker {number}"))
            case "answer":
                is_late = state.kernel.restart is not None and not state.kernel.restart.has_exited
                state, effects = step(state, RestartDone(f"asker {number}"))
                awaited = [f"asker {number}"] if is_late else []
                assert changed(f"restarted by asker {number}", *awaited) in effects
                answered = True
                notices += awaited
            case "notice":
                state, effects = step(state, RESTART)
                assert EXITED in effects
                said.append((state.kernel.restarted_by, notices.pop(0)))
            case "exit":
                state, effects = step(state, RESTART)
                said.append((state.kernel.restarted_by, f"asker {number}"))
            case _:
                state, effects = step(state, RESTART)
                assert changed("restarted by somebody else") in effects
                said.append((state.kernel.restarted_by, ""))
        written += [effect.event for effect in effects if isinstance(effect, Write)]
    read = replay("s", [(Path("j"), 0, Entry(1.0, event)) for event in written])
    assert read.awaited == state.kernel.awaited
    assert [found for found, _ in said] == [wanted for _, wanted in said]


# -- runs that wait for the user

HELD = (RunAsked("r", "m"), RunPaused("r"))


def test_a_held_run_keeps_others_out_and_the_kernel_free_until_it_is_sent() -> None:
    state, effects = after(*HELD)
    assert (effects, state.current, state.is_kernel_busy, state.holds_state) == ([], "r", False, False)
    state, _ = after(*HELD, RunSent("r"))
    assert state.is_kernel_busy and after(*HELD, RunSent("r"), ExecutionStarted("r", 1))[1] == [
        StartRun("r", 1, is_news=True)
    ]


@pytest.mark.parametrize(
    ("event", "effects"),
    [
        (RunClosed("r", RunStatus.DECLINED, "no"), [end(RunStatus.DECLINED, "no", is_forgotten=True)]),
        (RunWithdrawn("r"), []),
        (LinkUp(first=False), []),
    ],
)
def test_what_happens_to_a_held_run(event: SessionEvent, effects: list[Effect]) -> None:
    assert after(*HELD, event, start=STOCK)[1] == effects


def test_a_held_run_outlives_a_restart_and_goes_with_its_session() -> None:
    state, _ = after(*HELD, RestartAsked("you"), RestartDone("you"))
    assert state.current == "r"
    state, effects = after(*HELD, LinkOver(True, "owned by another"))
    assert state.current == "" and [type(effect) for effect in effects] == [Abandon, LeaveRun]


def test_a_process_that_continues_a_held_run_holds_it() -> None:
    left = Run("r", "s", "execute_code", "c", "x", "m", 0.0, Path("s.1.jsonl"), 0, status=RunStatus.HELD)
    state = adopted(NEW, left)
    assert state.current == "r" and not state.is_kernel_busy
    error = busy(state, left, 5.0)
    assert error is not None and "the user holds run r and looks at its code" in error.message


def test_a_session_in_which_the_user_runs_code_says_so() -> None:
    own = Run("r", "s", "own_cell", "c", "x", "m", 0.0, Path("s.1.jsonl"), 0)
    error = busy(NEW, own, 5.0)
    assert (
        error is not None and "the user has been running a cell of their own (run r) for 5 s" in error.message
    )
