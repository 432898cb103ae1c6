"""The fold shows what the journal says, in any order, with anything missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.feed.feed import Feed
from jlab_tui.core.feed.items import DroppedOutput, FeedCell, ImageOutput, Note, TextOutput
from jlab_tui.core.feed.session_feed import SessionFeed
from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    HumanActed,
    KernelChanged,
    NotebookEdited,
    Notice,
    OutputCleared,
    OutputDropped,
    ReplyCut,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    Unknown,
    decode,
)

OPENED = SessionOpened("s", "train", "/nb/train.ipynb", "k", "node", 1.0, client_host="h", client_pid=7)


def folded(*events: Event) -> SessionFeed:
    session = SessionFeed("s")
    for number, event in enumerate(events, 1):
        session.apply(Entry(float(number), event))
    return session


def only_cell(session: SessionFeed) -> FeedCell:
    cells = [item for item in session.items if isinstance(item, FeedCell)]
    assert len(cells) == 1
    return cells[0]


def test_a_run_becomes_one_cell_with_its_output_and_its_end() -> None:
    session = folded(
        OPENED,
        RunStarted("r1", "execute_code", "c1", "print(1)"),
        TextPrinted("r1", "stdout", "1\n"),
        TextPrinted("r1", "stdout", "2\n"),
        RunFinished("r1", RunStatus.OK, 0.5, 3),
    )
    cell = only_cell(session)
    assert (cell.source, cell.tool, cell.status, cell.execution_count) == (
        "print(1)",
        "execute_code",
        RunStatus.OK,
        3,
    )
    assert cell.output_text() == "1\n2\n"
    assert session.running is None and session.name == "train"


def test_a_run_has_its_number_from_the_moment_the_kernel_takes_it_up() -> None:
    session = folded(
        OPENED,
        RunStarted("r1", "execute_code", "c1", "x"),
        ExecutionStarted("r1", 7),
        ExecutionStarted("no", 1),
    )
    assert only_cell(session).execution_count == 7 and only_cell(session).is_running


def test_what_was_cut_for_the_model_stands_at_its_cell() -> None:
    session = folded(
        OPENED,
        RunStarted("r1", "execute_code", "c1", "print(text)"),
        RunFinished("r1", RunStatus.OK, 0.5, 3),
        ReplyCut("r1", 14_880, 3),
        ReplyCut("unknown", 1),
    )
    assert (only_cell(session).cut_chars, only_cell(session).cut_images) == (14_880, 3)


def test_an_exception_of_any_length_keeps_its_ends() -> None:
    message = "\n".join(f"line {number}" for number in range(100_000))
    session = folded(
        OPENED, ErrorRaised("r1", "ValueError", message, ("Traceback", f"ValueError: {message}"))
    )
    error = only_cell(session).error
    assert error is not None and len(error.lines) < 5000
    assert (error.lines[0], error.lines[-1]) == ("Traceback", "line 99999")
    assert "... 96,001 lines are left out here; the record has them ..." in error.lines


def test_output_without_its_beginning_is_shown_all_the_same() -> None:
    session = folded(TextPrinted("r9", "stdout", "late\n"), RunFinished("r9", RunStatus.ERROR, 1.0))
    assert only_cell(session).output_text() == "late\n"
    assert only_cell(session).has_failed


def test_a_run_that_another_owner_ends_keeps_its_cell() -> None:
    session = folded(
        OPENED,
        RunStarted("r1", "execute_code", "c1", "x"),
        SessionOpened(
            "s", "train", "/nb/train.ipynb", "k", "node", 1.0, client_host="h2", client_pid=8, epoch=2
        ),
        TextPrinted("r1", "stdout", "on\n"),
        RunFinished("r1", RunStatus.OK, 9.0),
    )
    assert only_cell(session).status is RunStatus.OK
    assert [item.text for item in session.items if isinstance(item, Note)] == [
        "Taken over by the MCP process h2:8"
    ]


def test_clear_output_waits_for_the_next_output_when_asked() -> None:
    session = folded(
        RunStarted("r1", "t", "c", "x"), TextPrinted("r1", "stdout", "old\n"), OutputCleared("r1", wait=True)
    )
    assert only_cell(session).output_text() == "old\n"
    session.apply(Entry(9.0, TextPrinted("r1", "stdout", "new\n")))
    assert only_cell(session).output_text() == "new\n"


def test_an_updated_display_changes_where_it_stands() -> None:
    session = folded(
        RunStarted("r1", "t", "c", "x"),
        DataShown("r1", {"text/plain": "0 %"}, display_id="d"),
        RunFinished("r1", RunStatus.OK, 1.0),
        RunStarted("r2", "t", "c2", "y"),
        DataUpdated("r2", "d", {"text/plain": "100 %"}),
    )
    first = session.items[0]
    assert isinstance(first, FeedCell) and first.output_text() == "100 %\n"


def test_a_cell_that_is_edited_and_then_run_is_one_cell() -> None:
    session = folded(
        NotebookEdited("edit", "c1", "x = 2"),
        RunStarted("r1", "edit_cell", "c1", "x = 2"),
        RunFinished("r1", RunStatus.OK, 0.1, 5),
    )
    assert only_cell(session).status is RunStatus.OK


def test_a_human_action_and_its_outcome_are_one_note() -> None:
    feed = Feed()
    feed.apply("s", Entry(1.0, OPENED))
    feed.apply_action(Entry(2.0, HumanActed("interrupt", "s", by="ben@login1")))
    feed.apply_action(
        Entry(3.0, HumanActed("interrupt", "s", by="ben@login1", outcome="The kernel is idle."))
    )
    (note,) = feed.sessions["s"].items
    assert isinstance(note, Note)
    assert note.text == "ben@login1 interrupted the kernel: The kernel is idle."


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\x00\xff\xfe",
        b"[]",
        b'{"v":1,"k":"text"}',
        b'{"v":9,"k":"hologram","t":1}',
        b"x" * 100_000,
    ],
)
def test_lines_that_are_not_understood_become_one_faint_note(line: bytes) -> None:
    session = SessionFeed("s")
    for _ in range(3):
        session.apply(decode(line))
    assert len(session.items) == 1
    assert isinstance(session.items[0], Note) and session.items[0].level == "faint"


def test_old_images_leave_memory() -> None:
    feed = Feed(images_kept_bytes=2500)
    for number in range(4):
        feed.apply("s", Entry(1.0, DataShown(f"r{number}", {"image/png": "A" * 1000})))
    kept = [
        o.data != ""
        for c in feed.sessions["s"].items
        if isinstance(c, FeedCell)
        for o in c.outputs
        if isinstance(o, ImageOutput)
    ]
    assert kept == [False, False, True, True]


RUNS = st.sampled_from(["r1", "r2", "r3"])
EVENTS = st.one_of(
    st.builds(RunStarted, RUNS, st.just("t"), st.sampled_from(["c1", "c2", ""]), st.text(max_size=5)),
    st.builds(TextPrinted, RUNS, st.sampled_from(["stdout", "stderr"]), st.text(max_size=9)),
    st.builds(
        DataShown,
        RUNS,
        st.dictionaries(st.sampled_from(["text/plain", "image/png", "x"]), st.text(max_size=5)),
    ),
    st.builds(DataUpdated, RUNS, st.just("d"), st.just({"text/plain": "n"})),
    st.builds(OutputCleared, RUNS, st.booleans()),
    st.builds(ErrorRaised, RUNS, st.text(max_size=5), st.text(max_size=5), st.just(("a", "b\nc"))),
    st.builds(OutputDropped, RUNS, st.integers(0, 9), st.just("bytes"), st.text(max_size=3)),
    st.builds(RunFinished, RUNS, st.sampled_from(list(RunStatus)), st.floats(0, 9)),
    st.builds(
        NotebookEdited, st.sampled_from(["add", "edit", "delete", "markdown"]), st.sampled_from(["c1", "c2"])
    ),
    st.builds(KernelChanged, st.just("k2"), st.text(max_size=5)),
    st.builds(Notice, st.text(max_size=5)),
    st.builds(HumanActed, st.text(max_size=5), outcome=st.sampled_from(["", "done"])),
    st.builds(SessionClosed, st.text(max_size=3)),
    st.builds(Unknown, st.text(max_size=5), st.text(max_size=5)),
    st.just(OPENED),
)


def test_what_was_dropped_at_one_place_is_shown_as_one() -> None:
    dropped = [OutputDropped("a-1", count, "characters", "too much") for count in (30, 12)]
    cell = only_cell(folded(OPENED, RunStarted("a-1", "execute_code", "c1", "flood()"), *dropped))
    assert [output.text for output in cell.outputs if isinstance(output, DroppedOutput)] == [
        "42 characters of output were not recorded (too much)"
    ]


@given(st.lists(EVENTS, max_size=40))
def test_no_order_of_events_is_too_strange(events: list[Event]) -> None:
    session = folded(*events)
    assert len(session.items) <= len(events)
    assert session.cells == sum(isinstance(item, FeedCell) for item in session.items)
    for item in session.items:
        if isinstance(item, FeedCell):
            for output in item.outputs:
                if isinstance(output, TextOutput):
                    output.scrollback.text()
