"""The fold shows what the journal says, in any order, with anything missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.feed.feed import Feed
from jlab_tui.core.feed.items import Change, DroppedOutput, FeedCell, ImageOutput, Note, TextOutput
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


def test_a_cell_shows_what_was_cut_for_the_model() -> None:
    session = folded(
        OPENED,
        RunStarted("r1", "execute_code", "c1", "print(text)"),
        RunFinished("r1", RunStatus.OK, 0.5, 3),
        ReplyCut("r1", 14_880, 3),
        ReplyCut("unknown", 1),
        NotebookSaved(1.0),
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
    assert "... 96,001 lines left out; the record has them ..." in error.lines


def test_output_without_its_beginning_is_shown_anyway() -> None:
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


def test_a_display_with_text_and_images_is_replaced_as_a_whole_and_not_after_it_was_cleared() -> None:
    page = {"text/html": "<p>Loss</p><img src='data:image/png;base64,AAAA'>"}
    shown: list[Event] = [
        RunStarted("r1", "t", "c", "x"),
        TextPrinted("r1", "stdout", "a\n"),
        DataShown("r1", page, display_id="d"),
    ]
    session = folded(*shown, TextPrinted("r1", "stdout", "b\n"), DataUpdated("r1", "d", {"text/plain": "9"}))
    assert only_cell(session).output_text() == "a\n9\nb\n" and only_cell(session).images == []
    session.apply(Entry(9.0, DataUpdated("r1", "d", page)))
    assert only_cell(session).output_text() == "a\nLoss\nb\n" and len(only_cell(session).images) == 1
    session.apply(Entry(9.0, OutputCleared("r1", wait=False)))
    session.apply(Entry(9.0, DataUpdated("r1", "d", page)))
    assert only_cell(session).outputs == []


def test_a_widget_is_shown_as_it_is_now_wherever_it_stands() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "Bar()"}
    session = folded(
        RunStarted("r1", "t", "c", "x"),
        DataShown("r1", view, view="0 %"),
        DataShown("r1", view | {"text/plain": "as it came"}),
        TextPrinted("r1", "stdout", "a"),
    )
    assert only_cell(session).output_text() == "0 %\nas it came\na\n"
    change = session.apply(Entry(9.0, WidgetsChanged("r1", {}, views={"m": "9 %", "other": "x"})))
    assert change.item is only_cell(session) and only_cell(session).output_text() == "9 %\n9 %\na\n"
    assert session.apply(Entry(9.0, WidgetsChanged("r1", {"m": {}}))).item is None


def test_what_a_widget_captured_is_cleared_alone() -> None:
    session = folded(
        RunStarted("r1", "t", "c", "x"),
        TextPrinted("r1", "stdout", "own\n"),
        TextPrinted("r1", "stdout", "old\n", "w"),
        DataShown("r1", {"image/png": "AAAA"}, into="w"),
        ErrorRaised("r1", "E", "", ("E",), "w"),
        OutputCleared("r1", wait=True, into="w"),
        TextPrinted("r1", "stdout", "more\n"),
    )
    assert len(only_cell(session).outputs) == 5
    session.apply(Entry(9.0, DataShown("r1", {"text/plain": "new"}, into="w")))
    assert only_cell(session).output_text() == "own\nmore\nnew\n" and only_cell(session).images == []
    session.apply(Entry(9.0, OutputDropped("r1", 3, "bytes", "full")))
    session.apply(Entry(9.0, OutputCleared("r1", wait=False)))
    assert only_cell(session).output_text() == "new\n"


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


def test_pictures_that_a_cell_has_replaced_take_nothing_from_the_memory_of_others() -> None:
    feed = Feed(images_kept_bytes=2500)
    picture = {"image/png": "A" * 1000}
    feed.apply("s", Entry(1.0, DataShown("r1", picture, display_id="other")))
    feed.apply("s", Entry(1.0, TextPrinted("r2", "stdout", "loss")))
    feed.apply("s", Entry(1.0, DataShown("r2", picture, display_id="live")))
    for _ in range(20):
        feed.apply("s", Entry(1.0, DataUpdated("r2", "live", picture)))
        assert feed.held == (2, 0)
    for number in range(20):
        feed.apply("s", Entry(1.0, OutputCleared("r2", wait=number % 2 == 0)))
        feed.apply("s", Entry(1.0, DataShown("r2", picture, display_id=f"live {number}")))
        assert feed.held == (2, 0)
    cells = [item for item in feed.sessions["s"].items if isinstance(item, FeedCell)]
    assert [[image.data != "" for image in cell.images] for cell in cells] == [[True], [True]]


def test_of_the_closed_sessions_the_last_ones_and_the_one_on_the_screen_stay_in_memory() -> None:
    feed = Feed()
    for number in range(6):
        session = f"s{number}"
        text = TextPrinted("r", "stdout", "x" * 20_000)
        events: list[Event] = [
            RunStarted("r", "t", "c", "x"),
            text,
            DataShown("r", {"image/png": "A" * 1000}),
        ]
        for event in [*events, RunFinished("r", RunStatus.OK, 1.0), *[SessionClosed("done")][: number < 5]]:
            feed.apply(session, Entry(float(10 - number), event))
    assert feed.held == (6, 6)
    gone = feed.forget_closed(2, "s4")
    assert [view.session for view in gone] == ["s3", "s2"] and list(feed.sessions) == ["s0", "s1", "s4", "s5"]
    gone.clear()
    assert feed.held == (4, 4)
    assert feed.forget_closed(2, "s4") == []
    assert not feed.take_whole(FeedCell("s3", 1.0, "x", run="r"), SessionFeed("s3"))
    assert not feed.take_whole(FeedCell("s4", 1.0, "x", run="r"), SessionFeed("s4"))


def test_pictures_that_are_read_again_count_like_the_others() -> None:
    feed = Feed(images_kept_bytes=1500)
    for run in ("r1", "r2"):
        feed.apply("s", Entry(1.0, DataShown(run, {"image/png": "A" * 1000})))
    first, second = (item for item in feed.sessions["s"].items if isinstance(item, FeedCell))
    whole = folded(DataShown("r1", {"image/png": "A" * 1000}))
    assert first.has_gaps and feed.take_whole(first, whole)
    assert [bool(image.data) for cell in (first, second) for image in cell.images] == [True, False]
    assert feed.held == (1, 0)


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
    st.just(KernelExited("k2")),
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


def notes(session: SessionFeed) -> list[tuple[str, str]]:
    return [(item.text, item.level) for item in session.items if isinstance(item, Note)]


BACK = SessionOpened("s", "train", "/nb/train.ipynb", "", "node", 1.0, client_host="h", client_pid=7)


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (KernelChanged("k2", "it was restarted"), ("Kernel: it was restarted. All variables are lost.", "warning")),
        (KernelChanged("k2", ""), ("Kernel: another kernel. All variables are lost.", "warning")),
        (Notice("full", "error"), ("full", "error")),
        (SessionClosed(""), ("Session closed: closed", "faint")),
        (SessionClosed("shut down"), ("Session closed: shut down", "faint")),
        (NotebookEdited("delete", "c9"), ("Cell deleted", "faint")),
        (HumanActed("restart", by="ada"), ("ada restarted the kernel", "human")),
        (HumanActed("wink", reason="late", outcome="done"), ("someone at a dashboard did: wink (late): done", "human")),
    ],
)  # fmt: skip
def test_what_happens_around_the_cells_is_a_note(event: Event, note: tuple[str, str]) -> None:
    assert notes(folded(OPENED, event)) == [note]


def test_the_exit_notice_of_a_restart_that_is_told_is_no_note() -> None:
    assert notes(folded(OPENED, KernelExited("k"))) == []


def test_a_session_that_its_process_opens_again_is_open_and_has_no_note() -> None:
    session = folded(OPENED, SessionClosed("x"), BACK)
    assert (session.closed, session.kernel_id, session.opened_at, len(session.items)) == ("", "k", 1.0, 1)
    moved = folded(OPENED, KernelChanged("k2", "x"))
    assert (moved.kernel_id, moved.changed_at) == ("k2", 2.0)


def test_a_session_without_a_beginning_goes_by_its_id() -> None:
    session = SessionFeed("s")
    assert (session.name, session.notebook) == ("s", "")
    assert (folded(OPENED).name, folded(OPENED).notebook) == ("train", "/nb/train.ipynb")


def test_a_cell_is_given_all_its_output_again() -> None:
    flood = [TextPrinted("r1", "stdout", "y" * 999 + "\n") for _ in range(50)]
    bar = DataShown("r1", {"text/plain": "0 %"}, display_id="d")
    events: list[Event] = [OPENED, RunStarted("r1", "t", "c", "x"), *flood, bar]
    shown, whole = SessionFeed("s", keep_text_bytes=10_000), SessionFeed.keeping_all("s")
    for number, event in enumerate(events, 1):
        shown.apply(Entry(float(number), event))
        whole.apply(Entry(float(number), event))
    cell = only_cell(shown)
    assert (cell.has_gaps, only_cell(whole).has_gaps) == (True, False)
    assert shown.take_whole(cell, whole)
    assert cell.outputs == only_cell(whole).outputs
    shown.apply(Entry(99.0, DataUpdated("r1", "d", {"text/plain": "100 %"})))
    assert cell.output_text().endswith("100 %\n") and "0 %\n1" not in cell.output_text()
    assert not shown.take_whole(cell, SessionFeed("s")), "the record has no such run"
    assert not whole.take_whole(cell, shown), "the cell is another session's"


def test_output_that_is_cleared_at_once_is_gone_before_the_next() -> None:
    session = folded(
        RunStarted("r", "t", "c", "x"), TextPrinted("r", "stdout", "old\n"), OutputCleared("r", wait=False)
    )
    assert only_cell(session).output_text() == ""


@pytest.mark.parametrize(
    "shown", [DataShown("r", {"text/plain": "new"}), ErrorRaised("r", "E", "", ("new",))]
)
def test_any_output_takes_the_place_of_what_waits_to_be_cleared(shown: Event) -> None:
    begin = (
        RunStarted("r", "t", "c", "x"),
        TextPrinted("r", "stdout", "old\n"),
        OutputCleared("r", wait=True),
    )
    session = folded(*begin, shown, TextPrinted("r", "stdout", "more\n"))
    assert only_cell(session).output_text() == "new\nmore\n"


def test_a_result_between_prints_is_a_block_of_its_own() -> None:
    session = folded(
        RunStarted("r", "t", "c", "x"),
        TextPrinted("r", "stdout", "a"),
        DataShown("r", {"text/plain": "b"}, execution_count=4),
        TextPrinted("r", "stderr", "c"),
        TextPrinted("r", "stdout", "d"),
    )
    cell = only_cell(session)
    assert cell.output_text() == "a\nb\nc\nd\n" and len(cell.outputs) == 3 and cell.execution_count == 4


def test_outputs_dropped_for_other_reasons_are_counted_apart() -> None:
    dropped = [
        OutputDropped("r", 1, "bytes", "full"),
        OutputDropped("r", 1, "images", "full"),
        OutputDropped("r", 1, "images", "slow"),
    ]
    assert len(only_cell(folded(RunStarted("r", "t", "c", "x"), *dropped)).outputs) == 3


@pytest.mark.parametrize("status", RunStatus)
def test_runs_that_failed_are_counted_once(status: RunStatus) -> None:
    finished = RunFinished("r", status, 1.0, 5, "why")
    session = folded(OPENED, RunStarted("r", "t", "c", "x"), finished)
    once = session.failed
    session.apply(Entry(9.0, finished))
    assert (
        once
        == session.failed
        == (status in (RunStatus.ERROR, RunStatus.DIED, RunStatus.JOB_ENDED, RunStatus.LOST))
    )
    cell = only_cell(session)
    assert (cell.status, cell.seconds, cell.cause, cell.execution_count) == (status, 1.0, "why", 5)
    assert session.running is None and session.last is cell


def test_the_end_of_one_run_leaves_the_other_running() -> None:
    session = folded(
        RunStarted("r1", "t", "a", "x"), RunStarted("r2", "t", "b", "y"), RunFinished("r1", RunStatus.OK, 1.0)
    )
    assert session.running is not None and session.running.run == "r2"
    again = folded(
        RunStarted("r1", "t", "a", "x"), RunFinished("r1", RunStatus.OK, 1.0), RunStarted("r1", "t", "a", "x")
    )
    assert only_cell(again).status is RunStatus.OK and again.running is None


def test_a_cell_edited_twice_appears_once_with_its_last_text() -> None:
    session = folded(NotebookEdited("edit", "c", "x = 1"), NotebookEdited("edit", "c", "x = 2"))
    assert (only_cell(session).source, only_cell(session).status, only_cell(session).at) == (
        "x = 2",
        None,
        2.0,
    )


@pytest.mark.parametrize(("action", "kind"), [("markdown", "code"), ("add", "markdown")])
def test_text_cells_are_distinguished_from_code(action: str, kind: str) -> None:
    session = folded(*(NotebookEdited(action, "m", source, cell_type=kind) for source in ("# A", "# B")))
    assert [(i.source, i.is_markdown) for i in session.items if isinstance(i, FeedCell)] == [
        ("# A", True),
        ("# B", True),
    ]
    assert not only_cell(folded(NotebookEdited("add", "c", "x"))).is_markdown


def test_a_cell_that_was_deleted_before_it_was_run_is_run_as_another() -> None:
    session = folded(
        NotebookEdited("edit", "c", "x"), NotebookEdited("delete", "c"), RunStarted("r", "t", "c", "x")
    )
    assert session.cells == 2


def test_a_users_action_appears_at_its_time() -> None:
    session = folded(OPENED, RunStarted("r1", "t", "a", "x"), RunStarted("r2", "t", "b", "y"))
    session.apply(Entry(2.5, HumanActed("interrupt", run="r1", by="ada")))
    assert [item.at for item in session.items] == [2.0, 2.5, 3.0]
    session.apply(Entry(2.7, HumanActed("interrupt", run="r2", by="ada", outcome="done")))
    session.apply(Entry(2.8, HumanActed("interrupt", run="r1", by="ada", outcome="done")))
    assert [text for text, _ in notes(session)] == [
        "ada interrupted the kernel: done",
        "ada interrupted the kernel: done",
    ]
    assert [item.at for item in session.items] == [2.0, 2.5, 2.7, 3.0]


def test_a_users_action_at_the_time_of_another_item_appears_below_it() -> None:
    session = folded(OPENED, RunStarted("r1", "t", "a", "x"))
    session.apply(Entry(2.0, HumanActed("stop", by="ada")))
    assert [type(item) for item in session.items] == [FeedCell, Note]


def test_two_actions_with_outcomes_are_two_notes() -> None:
    acts = [HumanActed("interrupt", run="r1", by="ada", outcome=outcome) for outcome in ("failed", "done")]
    assert [text for text, _ in notes(folded(OPENED, *acts))] == [
        "ada interrupted the kernel: failed",
        "ada interrupted the kernel: done",
    ]


def test_what_a_cell_prints_to_stderr_is_distinguished() -> None:
    session = folded(TextPrinted("r", "stdout", "out\n"), TextPrinted("r", "stderr", "bad\n"))
    (output,) = only_cell(session).outputs
    assert isinstance(output, TextOutput)
    assert [output.scrollback.is_stderr(line) for line in (0, 1)] == [False, True]


def test_a_display_without_a_number_leaves_that_of_its_cell() -> None:
    words = {"text/plain": "7"}
    session = folded(DataShown("r", words, execution_count=3), DataShown("r", words))
    assert only_cell(session).execution_count == 3


def test_lines_that_are_not_understood_are_counted_until_something_else_comes() -> None:
    session = folded(Unknown("a", "t" * 300), Unknown("b", "u"), Notice("x"), Unknown("c", "v"))
    assert [text for text, _ in notes(session)] == [
        "2 lines of the record are not understood, the last: b",
        "x",
        "not understood: c: v",
    ]
    assert notes(folded(Unknown("a", "t" * 300)))[0][0] == f"not understood: a: {'t' * 200}"


def test_each_change_tells_what_to_draw_again() -> None:
    session = SessionFeed("s")
    events: list[Event] = [OPENED, RunStarted("r", "t", "c", "x"), TextPrinted("r", "stdout", "a")]
    changes = [session.apply(Entry(float(number), event)) for number, event in enumerate(events)]
    cell = only_cell(session)
    assert [(change.item, change.is_new) for change in changes] == [
        (None, False),
        (cell, True),
        (cell, False),
    ]
    assert cell.version == 2


def test_a_reply_of_the_kernel_changes_nothing_on_the_screen() -> None:
    session = folded(OPENED, RunStarted("r", "t", "c", "x"))
    assert session.apply(Entry(3.0, RunReplied("r", {}))) == Change("s", None, False)


def test_an_action_on_no_known_session_changes_nothing() -> None:
    feed = Feed()
    feed.apply("s", Entry(1.0, OPENED))
    assert feed.apply_action(Entry(2.0, HumanActed("stop", "other"))) is None
    assert feed.apply_action(Entry(2.0, Notice("x"))) is None
    assert feed.sessions["s"].items == []


def test_the_newest_image_stays_however_large_it_is() -> None:
    feed = Feed(images_kept_bytes=10)
    feed.apply("s", Entry(1.0, DataShown("r", {"image/png": "A" * 100}, display_id="d")))
    feed.apply("s", Entry(1.0, DataShown("r", {"text/plain": "words"})))
    cell = only_cell(feed.sessions["s"])
    assert [image.data for image in cell.images] == ["A" * 100]
    feed.apply("s", Entry(2.0, DataUpdated("r", "d", {"image/png": "B" * 100})))
    assert [image.data for image in cell.images] == ["B" * 100]
    feed.apply("s", Entry(3.0, DataUpdated("r", "none", {"image/png": "B"})))


def test_an_image_that_replaces_words_is_counted_in_its_place() -> None:
    feed = Feed(images_kept_bytes=150)
    events: list[Event] = [
        DataShown("r", {"text/plain": "0 %"}, display_id="d"),
        DataShown("r", {"image/png": "A" * 100}),
        DataUpdated("r", "d", {"image/png": "B" * 100}),
    ]
    for event in events:
        feed.apply("s", Entry(1.0, event))
    assert [image.data for image in only_cell(feed.sessions["s"]).images] == ["B" * 100, ""]


def test_a_run_without_a_time_keeps_that_of_its_cell() -> None:
    session = SessionFeed("s")
    session.apply(Entry(5.0, NotebookEdited("edit", "c", "x")))
    session.apply(Entry(0.0, RunStarted("r", "t", "c", "x")))
    assert only_cell(session).at == 5.0


def test_images_that_fill_their_share_to_the_last_byte_all_stay() -> None:
    feed = Feed(images_kept_bytes=200)
    for data in ("A" * 100, "B" * 100):
        feed.apply("s", Entry(1.0, DataShown("r", {"image/png": data})))
    images = only_cell(feed.sessions["s"]).images
    assert [image.data for image in images] == ["A" * 100, "B" * 100]
    feed.apply("s", Entry(1.0, DataShown("r", {"image/png": "C"})))
    assert [image.data for image in only_cell(feed.sessions["s"]).images] == ["", "B" * 100, "C"]


def test_a_run_that_ends_without_a_number_keeps_that_of_its_beginning() -> None:
    begun: list[Event] = [RunStarted("r", "t", "c", "x"), ExecutionStarted("r", 7)]
    assert only_cell(folded(*begun, RunFinished("r", RunStatus.DIED, 1.0))).execution_count == 7
    assert only_cell(folded(*begun, RunFinished("r", RunStatus.OK, 1.0, 8))).execution_count == 8


def test_a_display_in_two_cells_is_updated_in_both_also_after_one_was_read_again() -> None:
    def bar(run: str) -> DataShown:
        return DataShown(run, {"text/plain": "0 %"}, display_id="d")

    first, second = RunStarted("r1", "t", "c1", "x"), RunStarted("r2", "t", "c2", "y")
    shown, whole = folded(first, bar("r1"), second, bar("r2")), folded(second, bar("r2"))
    one, two = (item for item in shown.items if isinstance(item, FeedCell))
    assert shown.take_whole(two, whole)
    shown.apply(Entry(9.0, DataUpdated("r2", "d", {"text/plain": "9 %"})))
    assert (one.output_text(), two.output_text()) == ("9 %\n", "9 %\n")


COMMENTED = HumanActed("comment", "s", reason="Lower it.", by="ben@h", id="h-1:1")
READ = ReplyHeaded("h-1:1", "Comment from the user: Lower it.", "call")


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([COMMENTED], "ben@h to the agent: Lower it. (not read yet)"),
        ([COMMENTED, READ], "ben@h to the agent: Lower it."),
        ([READ, COMMENTED], "ben@h to the agent: Lower it."),
    ],
)
def test_a_comment_is_shown_with_whether_the_agent_has_read_it(events: list[Event], shown: str) -> None:
    session = SessionFeed("s")
    for number, event in enumerate(events):
        session.apply(Entry(float(number), event))
    (note,) = session.items
    assert isinstance(note, Note) and (note.text, note.level) == (shown, "human")


def test_a_comment_that_was_read_in_a_later_part_of_the_record_is_shown_as_read() -> None:
    older, newer = SessionFeed("s"), SessionFeed("s")
    older.apply(Entry(1.0, COMMENTED))
    newer.apply(Entry(2.0, READ))
    newer.put_before(older)
    assert [item.text for item in newer.items if isinstance(item, Note)] == ["ben@h to the agent: Lower it."]


HELD = RunHeld("r1", "edit_cell", "c", "x = 2", before="x = 1", hold="h-1:a")
RAN = RunStarted("r1", "edit_cell", "c", "x = 3")
DECLINED = RunFinished("r1", RunStatus.DECLINED, 1.0, cause="no")


def entries_of(*events: Event) -> SessionFeed:
    session = SessionFeed("s")
    for number, event in enumerate(events):
        session.apply(Entry(float(number), event))
    return session


def test_held_code_is_a_cell_that_waits_until_it_runs_or_is_declined() -> None:
    session = entries_of(HELD)
    cell = only_cell(session)
    assert session.held is cell and session.running is None
    assert (cell.status, cell.source, cell.before, cell.hold) == (RunStatus.HELD, "x = 2", "x = 1", "h-1:a")
    edited = NotebookEdited("edit", "c", "x = 3", 0)
    assert len(entries_of(HELD, edited, RAN).items) == len(entries_of(HELD, RAN).items) == 1
    session = entries_of(HELD, RAN)
    assert (
        session.held is None and session.running is only_cell(session) and session.running.source == "x = 3"
    )
    session = entries_of(HELD, DECLINED)
    assert session.held is None and only_cell(session).status is RunStatus.DECLINED
    assert entries_of(HELD, DECLINED, HELD).held is None


def test_a_cell_that_is_held_in_an_earlier_part_of_the_record_still_waits() -> None:
    for events, is_held in (((), True), ((RAN,), False)):
        older, newer = entries_of(HELD), entries_of(*events)
        newer.put_before(older)
        assert (newer.held is not None) is is_held


def test_what_a_user_holds_is_a_note_and_decisions_are_seen_at_their_cells() -> None:
    session = entries_of(
        HumanActed("hold", "s", by="ben", id="1"),
        HumanActed("free", "s", reason="1", by="ben", id="2"),
        HumanActed("run", "s", "r1", by="ben", id="3"),
        HumanActed("decline", "s", "r1", by="ben", id="4"),
    )
    notes = [item.text for item in session.items if isinstance(item, Note)]
    assert notes == ["ben holds the next code", "ben holds it no more"]


def test_a_running_cell_tells_its_pace_from_text_and_bars_until_it_ends() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "Bar()"}
    session = folded(
        RunStarted("r1", "t", "c", "x"), *(TextPrinted("r1", "stdout", f"{n}/9\n") for n in (7, 8, 9))
    )
    digest = only_cell(session).digest
    assert digest is not None and (pace := digest.pace(4.0)) is not None and pace.shown == "9/9"
    session.apply(Entry(5.0, DataShown("r1", view, view="a 0/4")))
    for n in (1, 2):
        session.apply(Entry(5.0 + n, WidgetsChanged("r1", {}, views={"m": f"a {n}/4"})))
    assert (pace := digest.pace(7.0)) is not None and pace.shown == "a 2/4"
    session.apply(Entry(9.0, RunFinished("r1", RunStatus.OK, 8.0)))
    assert only_cell(session).digest is None
    session.apply(Entry(10.0, TextPrinted("r1", "stdout", "late 4/9\n")))
    session.apply(Entry(11.0, WidgetsChanged("r1", {}, views={"m": "a 3/4"})))
    assert only_cell(session).digest is None


def test_what_the_record_does_not_tell_is_noted_once_and_the_close_does_not_repeat_it() -> None:
    view = SessionFeed("s")
    told = view.tell("client", 10.0, "Its client left.")
    assert told is not None and told.is_new
    assert view.tell("client", 12.0, "Its client left.") is None, "the same, by another clock"
    again = view.tell("client", 10.5, "Its kernel ended.")
    assert again is not None and not again.is_new and again.item is told.item
    later = view.tell("client", 60.0, "Its kernel ended.")
    assert later is not None and later.is_new, "another client"
    view.apply(Entry(70.0, SessionClosed("Its kernel ended.")))
    assert view.closed == "Its kernel ended."
    assert [item.text for item in view.items if isinstance(item, Note)] == ["Its kernel ended."] * 2
