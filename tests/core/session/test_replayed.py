"""A session as its journals tell it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    KernelChanged,
    KernelExited,
    NotebookEdited,
    NotebookSaved,
    Notice,
    OutputCleared,
    OutputDropped,
    ReplyCut,
    ReplyHeaded,
    RunFinished,
    RunHeld,
    RunReplied,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    Unknown,
    WidgetsChanged,
)
from jlab_tui.core.notebook.output_items import DataItem
from jlab_tui.core.server.record import Owner
from jlab_tui.core.session.identity import SessionIdentity
from jlab_tui.core.session.replay import ReplayedSession, entries_of, rebuild_all, replay
from jlab_tui.core.session.run import Run

PATH = Path("s.1.jsonl")
OPENED = SessionOpened("s", "name", "/n.ipynb", "k", "host", 1.0, epoch=2)
FIRST = RunStarted("s-1", "execute_code", "c1", "x = 1", "m1")
SECOND = RunStarted("s-12", "execute_code", "c2", "y = 2", "m2")
OK = RunFinished("s-1", RunStatus.OK, 2.0, 5, "")


def told(*events: Event, seqs: Sequence[int] = ()) -> ReplayedSession:
    entries = [Entry(10.0 + n, e, seqs[n] if n < len(seqs) else 0) for n, e in enumerate(events)]
    return replay("s", ((PATH, n, entry) for n, entry in enumerate(entries)))


def shown(run: Run) -> list[str]:
    assert run.outputs is not None
    return [
        str(item.data) if isinstance(item, DataItem) else getattr(item, "text", "?")
        for item in run.outputs.items()
    ]


def test_a_run_is_known_from_its_first_line_on() -> None:
    session = told(OPENED, FIRST, seqs=[0, 7])
    run = session.runs["s-1"]
    assert (run.asked_at, run.journal, run.offset, run.msg_id) == (11.0, PATH, 1, "m1")
    assert session.unfinished == [run] and not run.has_started
    assert (session.count, session.seq, session.last_at, session.epoch) == (1, 7, 11.0, 2)
    assert told(OPENED, FIRST, SECOND, FIRST).count == 12
    assert told(RunStarted("s-x", "t", "", "")).count == 0
    assert [run.id for run in told(OPENED, FIRST, SECOND, OK).unfinished] == ["s-12"]


def test_the_journal_tells_line_by_line_what_the_kernel_did_with_a_run() -> None:
    session = told(OPENED, FIRST, ExecutionStarted("s-1", 5), RunReplied("s-1", {"status": "ok"}))
    run = session.runs["s-1"]
    assert run.has_started and run.execution_count == 5
    assert run.reply == {"status": "ok"} and run.reply_recorded
    run = told(OPENED, FIRST, ExecutionStarted("s-1", 5), OK).runs["s-1"]
    assert (run.status, run.seconds, run.outputs) == (RunStatus.OK, 2.0, None)
    late = told(OPENED, FIRST, OK, TextPrinted("s-1", "stdout", "late")).runs["s-1"]
    assert late.outputs is None and not late.has_started


@pytest.mark.parametrize(
    "output",
    [TextPrinted("s-1", "stdout", "x"), DataShown("s-1", {}), OutputCleared("s-1", False), ErrorRaised("s-1", "E", "e", ())],
)  # fmt: skip
def test_output_shows_that_a_run_has_started(output: Event) -> None:
    assert told(OPENED, FIRST, output).runs["s-1"].has_started
    assert told(OPENED, output).runs == {}


def test_lost_output_is_counted_also_of_a_run_that_has_ended() -> None:
    lost = OutputDropped("s-1", 10, "bytes", "full")
    beyond = OutputDropped("s-1", 7, "characters", "too much")
    run = told(OPENED, FIRST, lost, beyond).runs["s-1"]
    assert run.losses() == ["About 10 bytes of output were lost: full."]
    assert run.outputs is not None and run.outputs.unrecorded == 7
    assert told(OPENED, FIRST, OK, lost, beyond).runs["s-1"].losses()


def test_a_display_is_updated_in_every_run_that_shows_it() -> None:
    show = DataShown("s-1", {"text/plain": "old"}, {}, "d")
    again = DataShown("s-12", {"text/plain": "old"}, {}, "d")
    update = DataUpdated("s-12", "d", {"text/plain": "new"})
    session = told(OPENED, FIRST, show, SECOND, again, update)
    assert [shown(run) for run in session.runs.values()] == [["{'text/plain': 'new'}"]] * 2
    assert session.displays == {"d": {"s-1", "s-12"}}
    assert told(OPENED, FIRST, show, OK, update).runs["s-1"].outputs is None
    assert told(OPENED, FIRST, DataShown("s-1", {})).displays == {}


VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}


def test_widgets_are_known_again_with_what_they_captured() -> None:
    label = {"_model_name": "LabelModel", "value": "x"}
    made, moved = (
        WidgetsChanged("s-1", {"m": label}),
        WidgetsChanged("s-12", {"m": {"value": "y"}}, views={"m": "y"}),
    )
    captured = TextPrinted("s-1", "stdout", "in it", "o")
    session = told(OPENED, FIRST, made, DataShown("s-1", VIEW, view="x"), captured, SECOND, moved)
    assert session.widgets.models.text("m") == "y" and session.widgets.models.views(["m"]) == {}
    assert session.widgets.captured["o"].last_line == "in it"
    first, second = (run.outputs for run in session.runs.values())
    assert first is not None and first.last_line == "y" and not first.elsewhere
    assert second is not None and [item.words for item in second.elsewhere.values()] == ["y"]
    told(OPENED, FIRST, OK, moved)
    runs = [*told(OPENED, FIRST, SECOND).runs.values()]
    shown_there = DataShown("s-1", VIEW, view="x")
    later = (WidgetsChanged("", {}, views={"m": "y"}), WidgetsChanged("", {"m": {}}))
    rebuilt = rebuild_all(runs, entries(made, shown_there, *later))
    assert rebuilt["s-1"].last_line == "y" and rebuilt["s-12"].last_line == ""


def test_a_run_that_waits_goes_to_the_kernel_that_follows() -> None:
    session = told(OPENED, FIRST, ExecutionStarted("s-1", 1), SECOND, KernelChanged("k", "died"))
    assert [run.generation for run in session.runs.values()] == [1, 2] and session.generation == 2


def test_an_exit_notice_is_awaited_until_it_comes_or_code_runs_in_the_new_kernel() -> None:
    late = KernelChanged("k", "restarted by you", "you")
    assert told(OPENED, late, KernelChanged("k", "died")).awaited == ("you",)
    assert told(OPENED, late, KernelChanged("k", "restarted by b", "b"), KernelExited("k")).awaited == ("b",)
    assert told(OPENED, FIRST, late, ExecutionStarted("s-1", 1)).awaited == ()
    assert told(OPENED, FIRST, ExecutionStarted("s-1", 1), late, ExecutionStarted("s-1", 1)).awaited == (
        "you",
    )


def test_messages_are_counted_anew_for_another_kernel() -> None:
    assert told(OPENED, FIRST, KernelChanged("k", "restarted"), seqs=[0, 9, 5]).seq == 9
    assert told(OPENED, FIRST, KernelChanged("other", "moved"), seqs=[0, 9, 9]).seq == 0
    again = SessionOpened("s", "name", "/n.ipynb", "other", "host", 1.0)
    session = told(OPENED, FIRST, again, seqs=[0, 9, 3])
    assert (session.seq, session.epoch, session.opened) == (3, 2, again)


def test_a_closed_session_is_open_again_when_somebody_opens_it() -> None:
    assert told(OPENED, SessionClosed("shut down")).closed == "shut down"
    assert told(OPENED, SessionClosed("shut down"), OPENED).closed == ""


def test_edits_of_text_cells_and_deletions_are_known() -> None:
    text = NotebookEdited("markdown", "t", "# Title", 0, "markdown")
    session = told(OPENED, text, NotebookEdited("delete", "c"), NotebookEdited("edit", "e"))
    assert session.texts == {"t": (11.0, text)} and session.deleted == {"c": (12.0, "")}
    told(OPENED, FIRST, Notice("hello"), Unknown("?", "?"), ReplyCut("s-1", 9))


def test_a_notebook_lacks_what_came_after_its_file_was_last_known_to_hold_everything() -> None:
    events = (OPENED, FIRST, OK)  # at 10, 11, 12 s
    assert not told(*events).is_ahead_of_file, "nothing is known of a file of usual size"
    assert told(*events, NotebookSaved(11.5)).is_ahead_of_file
    assert not told(*events, NotebookSaved(11.5), NotebookSaved(12.0)).is_ahead_of_file
    assert told(*events, NotebookSaved(12.0)).held_until == 12.0
    assert told(*events, NotebookSaved(12.0), TextPrinted("s-1", "stdout", "late")).is_ahead_of_file
    assert not told(*events, NotebookSaved(12.0), Notice("hello")).is_ahead_of_file


def test_a_run_has_changed_when_it_ended_and_when_a_thread_of_it_printed_later() -> None:
    ended = told(OPENED, FIRST, OK)  # begun at 11 s, 2 s long
    assert ended.changed_since(ended.runs["s-1"], 12.9)
    assert not ended.changed_since(ended.runs["s-1"], 13.0)
    late = told(OPENED, FIRST, OK, SECOND, TextPrinted("s-1", "stdout", "late"), ExecutionStarted("s-1"))
    assert late.changed_since(late.runs["s-1"], 13.9) and not late.changed_since(late.runs["s-1"], 14.0)


def test_the_text_of_a_cell_is_known_as_it_was_before_its_last_change_and_after_it() -> None:
    edited = NotebookEdited("edit", "c1", "x = 2")
    again = RunStarted("s-2", "run_cell", "c1", "x = 2", "m2")
    assert told(OPENED, FIRST).sources == {"c1": ("", "x = 1")}
    assert told(OPENED, FIRST, edited, again).sources == {"c1": ("x = 1", "x = 2")}


def entries(*events: Event) -> list[Entry]:
    return [Entry(float(n), event) for n, event in enumerate(events)]


def test_outputs_are_rebuilt_from_the_runs_line_or_else_from_the_beginning() -> None:
    lines = entries(OPENED, FIRST, TextPrinted("s-1", "stdout", "x"))

    def read_runs(path: Path, offset: int, runs: Iterable[str]) -> Iterable[Entry]:
        assert len(list(runs)) == 1
        return lines[offset:]

    for offset in (1, 0, 2, 9):
        run = Run("s-1", "s", "t", "c", "", "m", 0.0, PATH, offset)
        found = rebuild_all([run], entries_of([run], read_runs))
        assert found["s-1"].last_line == "x"
        assert list(entries_of([run], read_runs)) == (lines[1:] if offset == 1 else lines)
    other = Run("s-9", "s", "t", "c", "", "m", 0.0, PATH, 1)
    assert len(list(entries_of([other], read_runs))) == 3


def test_only_what_was_asked_for_is_rebuilt_and_what_was_dropped_is_counted() -> None:
    runs = told(OPENED, FIRST, SECOND).runs
    found = rebuild_all(
        [runs["s-1"]],
        entries(
            DataShown("s-1", {"text/plain": "old"}, {}, "d"),
            TextPrinted("s-12", "stdout", "another's"),
            DataUpdated("s-12", "d", {"text/plain": "new"}),
            DataUpdated("s-1", "e", {"text/plain": "of an earlier cell"}),
            OutputDropped("s-1", 7, "characters", "too much"),
            DataUpdated("s-12", "f", {"text/plain": "of another run's display"}),
            OutputDropped("s-1", 100, "bytes", "full"),
            OutputDropped("s-12", 7, "characters", "too much"),
            Notice("hello"),
        ),
    )
    assert list(found) == ["s-1"] and found["s-1"].unrecorded == 7 and found["s-1"].last_line == ""
    runs["s-1"].outputs = found["s-1"]
    assert shown(runs["s-1"]) == ["{'text/plain': 'new'}"]
    assert list(found["s-1"].elsewhere) == ["e"]


def test_a_sessions_identity_is_written_and_read_back() -> None:
    identity = SessionIdentity("s", "name", "/n.ipynb", "k", "host", "/usr/bin/python3", "/home/ada", True)
    owner = Owner("client", "login1", 7, "conversation", "123")
    opened = identity.opened(owner, 3, 99.0)
    assert SessionIdentity.of(opened) == identity
    assert SessionIdentity.of(opened, "node2").hostname == "node2"
    assert (opened.client, opened.client_host, opened.client_pid) == ("client", "login1", 7)
    assert (opened.client_started, opened.conversation, opened.epoch) == ("123", "conversation", 3)
    assert opened.server_started == 99.0


def test_a_run_that_waits_for_the_user_is_unfinished_until_it_runs_or_is_declined() -> None:
    held = RunHeld("s-1", "edit_cell", "c1", "x = 2", "m1", 0, "x = 1", "h-1:a")
    session = told(OPENED, held)
    (run,) = session.unfinished
    assert (run.id, run.status, run.msg_id, session.held) == ("s-1", RunStatus.HELD, "m1", {"s-1": held})
    assert session.sources == {}
    declined = told(OPENED, held, RunFinished("s-1", RunStatus.DECLINED, 2.0, cause="no"))
    assert not declined.unfinished and declined.runs["s-1"].cause == "no" and declined.sources == {}
    ran = told(OPENED, held, RunStarted("s-1", "edit_cell", "c1", "x = 3", "m1", "The user changed it."))
    (run,) = ran.unfinished
    assert (run.status, run.notes, run.source) == (RunStatus.RUNNING, ["The user changed it."], "x = 3")


def test_what_replies_have_told_of_users_is_kept() -> None:
    headed = ReplyHeaded("h-1:1", "Comment from the user: a", "call")
    assert told(OPENED, headed).headed == [headed]
