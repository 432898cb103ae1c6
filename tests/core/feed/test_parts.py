"""A record read in parts from its end shows what it shows when it is read from its beginning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jlab_tui.core.feed.feed import TEXT_ENDS_BYTES, Feed
from jlab_tui.core.feed.items import DroppedOutput, ErrorOutput, FeedCell, Note, Output, TextOutput
from jlab_tui.core.feed.scrollback import FIRST_MAX, Scrollback
from jlab_tui.core.feed.session_feed import MISSED_MOST, SessionFeed
from jlab_tui.core.feed.timeline import by_time, known_since
from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
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
    WidgetsChanged,
)
from jlab_tui.core.journal.window import Window

VIEW = "application/vnd.jupyter.widget-view+json"


def owner(pid: int) -> SessionOpened:
    return SessionOpened("s", "train", "/nb/train.ipynb", "k", "node", 1.0, client_host="h", client_pid=pid)


def in_parts(events: Sequence[Event], cuts: Sequence[int]) -> SessionFeed:
    """Fold the entries of a record in parts that begin at `cuts`, the last part first."""
    entries = [Entry(float(number), event) for number, event in enumerate(events, 1)]
    starts = [0, *sorted({cut for cut in cuts if 0 < cut < len(entries)})]
    ends = [*starts[1:], len(entries)]
    view: SessionFeed | None = None
    for start, end in reversed(list(zip(starts, ends, strict=True))):
        opened = [entry for entry in entries[:start] if isinstance(entry.event, SessionOpened)]
        window = Window(
            tuple(entries[start:end]),
            None,
            unread=start,
            owner=opened[-1] if opened else None,
            first=entries[0],
        )
        part = SessionFeed.of_window("s", window)
        if view is None:
            view = part
        else:
            view.put_before(part)
    assert view is not None
    return view


def seen(output: Output) -> tuple[Any, ...]:
    match output:
        case TextOutput():
            text = output.scrollback
            streams = [text.is_stderr(line) for line in range(len(text))]
            return (text.text(), streams, output.is_stream, output.into)
        case ErrorOutput():
            return (output.ename, output.into)
        case DroppedOutput():
            return (output.count, output.unit, output.why)
        case _:
            return (output.mime,)


def shown(view: SessionFeed) -> list[tuple[Any, ...]]:
    """What a person sees of a session."""
    found: list[tuple[Any, ...]] = []
    for item in view.items:
        if isinstance(item, Note):
            found.append((item.at, item.text, item.level))
            continue
        outputs = [seen(output) for output in item.outputs]
        facts = (item.at, item.source, item.cell_id, item.run, item.tool, item.status, item.seconds)
        more = (
            item.execution_count,
            item.cause,
            item.cut_chars,
            item.cut_images,
            item.is_torn,
            item.has_gaps,
            (item.held_at, item.begun_at, item.ended_at),
        )
        found.append((*facts, *more, item.clear_pending, outputs))
    running = view.running.run if view.running is not None else ""
    last = view.last.run if view.last is not None else ""
    return [*found, (view.closed, view.opened, view.opened_at, running, last, view.cells, view.failed)]


WORDS = st.sampled_from(["a\n", "b", "c\nd", "\rover", "x\ry\n", "\bz", "\n"])
STREAMS = st.sampled_from(["stdout", "stderr"])
NAMES = st.sampled_from(["p", "q"])


@st.composite
def records(draw: st.DrawFn) -> list[Event]:
    """A session's record: cells one after the other, with output of ended ones among later ones."""
    events: list[Event] = [owner(1)]
    count = draw(st.integers(1, 5))
    for number in range(1, count + 1):
        run, cell = f"s-{number}", draw(st.sampled_from([f"c{number}", f"c{number + 1}", ""]))
        if draw(st.booleans()):
            events.append(NotebookEdited("add", f"c{number + draw(st.integers(0, 1))}", f"source {number}"))
        events.append(RunStarted(run, "execute_code", cell, f"code {number}", f"m{number}"))
        if draw(st.booleans()):
            events.append(ExecutionStarted(run, number))
        for _ in range(draw(st.integers(0, 4))):
            about = f"s-{draw(st.integers(1, number))}"
            events.append(draw(outputs_of(about)))
        if number < count or draw(st.booleans()):
            status = draw(st.sampled_from([RunStatus.OK, RunStatus.ERROR]))
            events.append(RunFinished(run, status, 1.0, number, draw(st.sampled_from(["", "why"]))))
        if draw(st.booleans()):
            events.append(ReplyCut(run, 10 * number))
        if draw(st.booleans()):
            among: list[Event] = [Notice("note"), owner(number), SessionClosed("done")]
            events.append(draw(st.sampled_from(among)))
    return events


def outputs_of(run: str) -> st.SearchStrategy[Event]:
    into = st.sampled_from(["", "", "w"])
    return st.one_of(
        st.builds(TextPrinted, st.just(run), STREAMS, WORDS, into),
        st.builds(lambda name: DataShown(run, {"text/plain": name}, display_id=name), NAMES),
        st.builds(lambda name, text: DataUpdated(run, name, {"text/plain": text}), NAMES, WORDS),
        st.builds(lambda text: DataShown(run, {"text/plain": text, VIEW: {"model_id": "m"}}), WORDS),
        st.builds(lambda text: WidgetsChanged(run, {}, {}, {"m": text}), WORDS),
        st.builds(OutputCleared, st.just(run), st.booleans(), into),
        st.builds(lambda where: ErrorRaised(run, "E", "e", ("E: e",), where), into),
    )


@settings(max_examples=100, derandomize=True)
@given(records(), st.lists(st.integers(1, 60), max_size=4))
def test_a_record_read_in_parts_from_its_end_shows_the_same(events: list[Event], cuts: list[int]) -> None:
    for one, other in zip(shown(in_parts(events, cuts)), shown(in_parts(events, [])), strict=True):
        assert one == other


def test_what_is_not_on_record_is_counted_over_both_parts() -> None:
    lost = [OutputDropped("s-1", 3, "characters", "full"), OutputDropped("s-1", 4, "characters", "full")]
    events: list[Event] = [
        owner(1),
        RunStarted("s-1", "t", "", "1"),
        *lost,
        OutputDropped("s-1", 1, "images", "x"),
    ]
    assert shown(in_parts(events, [3, 4])) == shown(in_parts(events, []))


def test_a_display_that_a_later_part_has_cleared_is_shown_nowhere() -> None:
    display = DataShown("s-1", {"text/plain": "0 %"}, display_id="d")
    cleared, update = OutputCleared("s-1", wait=False), DataUpdated("s-1", "d", {"text/plain": "9 %"})
    view = in_parts([owner(1), RunStarted("s-1", "t", "", "1"), display, cleared], [3])
    assert view.apply(Entry(9.0, update)).item is None
    assert [item.outputs for item in view.items if isinstance(item, FeedCell)] == [[]]


def test_of_what_stands_in_an_unread_part_only_the_last_news_are_kept() -> None:
    names = [f"d{number}" for number in range(MISSED_MOST + 1)]
    shown = [DataShown("s-1", {"text/plain": "old"}, display_id=name) for name in names]
    events: list[Event] = [owner(1), RunStarted("s-1", "t", "", "1"), *shown]
    older = SessionFeed.of_window("s", Window(tuple(Entry(1.0, event) for event in events), None))
    view = SessionFeed.of_window("s", Window((), None, unread=1))
    for name in [names[1], *names, names[1]]:
        view.apply(Entry(2.0, DataUpdated("s-1", name, {"text/plain": "new"})))
    view.put_before(older)
    (cell,) = (item for item in view.items if isinstance(item, FeedCell))
    assert cell.output_text().splitlines() == ["old", *["new"] * MISSED_MOST]


def test_a_line_is_rewritten_by_a_later_part() -> None:
    texts = [TextPrinted("s-1", "stdout", text) for text in ("ab", "\rx")]
    events: list[Event] = [owner(1), RunStarted("s-1", "t", "", "1"), *texts]
    view = in_parts(events, [3])
    assert shown(view) == shown(in_parts(events, []))
    (cell,) = (item for item in view.items if isinstance(item, FeedCell))
    assert cell.output_text() == "xb\n"


def test_late_output_of_an_ended_run_leaves_the_running_one_running() -> None:
    ended = RunFinished("s-1", RunStatus.OK, 1.0)
    events: list[Event] = [owner(1), RunStarted("s-1", "t", "", "1"), ended, RunStarted("s-2", "t", "", "2")]
    late = TextPrinted("s-1", "stdout", "late\n")
    view = in_parts([*events, late], [3, 4])
    assert view.running is not None and view.running.run == "s-2"
    alone = in_parts([*events, late, TextPrinted("s-2", "stdout", "now\n")], [4, 5])
    assert shown(alone) == shown(in_parts([*events, late, TextPrinted("s-2", "stdout", "now\n")], []))


def test_a_torn_cell_says_so_and_all_of_it_comes_from_the_record() -> None:
    events: list[Event] = [
        owner(1),
        RunStarted("s-1", "execute_code", "c", "code"),
        TextPrinted("s-1", "stdout", "early\n"),
        TextPrinted("s-1", "stdout", "late\n"),
    ]
    entries = [Entry(float(number), event) for number, event in enumerate(events, 1)]
    view = SessionFeed.of_window("s", Window(tuple(entries[3:]), None, unread=3, owner=entries[0]))
    cell = view.running
    assert cell is not None and cell.is_torn and cell.has_gaps and view.name == "train"
    whole = SessionFeed.keeping_all("s")
    for entry in entries:
        whole.apply(entry)
    assert view.take_whole(cell, whole)
    assert (cell.source, cell.output_text(), cell.has_gaps) == ("code", "early\nlate\n", False)
    view.put_before(SessionFeed.of_window("s", Window(tuple(entries[:3]), None)))
    assert [item.output_text() for item in view.items if isinstance(item, FeedCell)] == ["early\nlate\n"]


def test_a_record_without_a_beginning_is_shown_all_the_same() -> None:
    empty = SessionFeed.of_window("s", Window((), None))
    assert (empty.name, empty.items, empty.since, empty.unread) == ("s", [], 0.0, 0)


@given(st.lists(st.tuples(WORDS, st.booleans()), max_size=8), st.integers(0, 8))
@example([("ab", False), ("\rxy\n", False)], 1)
@example([("ab", False), ("\rx", False)], 1)
@example([("\r", True), ("b", True), ("x\n", True)], 1)
@example([("b", True), ("x\ry\n", True)], 1)
@example([("a", False), ("b\n", True)], 1)
@example([("a\n", True), ("b\n", True)], 1)
def test_text_goes_on_where_an_earlier_part_ended(writes: list[tuple[str, bool]], cut: int) -> None:
    parts = Scrollback(), Scrollback(), Scrollback()
    for number, (text, is_stderr) in enumerate(writes):
        parts[number >= cut].write(text, stderr=is_stderr)
        parts[2].write(text, stderr=is_stderr)
    first, rest, whole = parts
    first.go_on(rest)
    for scrollback in (first, whole):
        scrollback.write("then\n")
    assert first.text() == whole.text() and len(first) == len(whole)
    assert [first.is_stderr(n) for n in range(len(first))] == [whole.is_stderr(n) for n in range(len(whole))]


@pytest.mark.parametrize(
    "later",
    ["xy\n\x1b[Az\n", "x" * (FIRST_MAX + 1), "\r".join(["x"] * FIRST_MAX)],
    ids=["changed when it was left", "long", "a long bar"],
)
def test_a_first_line_of_which_too_little_is_known_is_appended_as_it_stands(later: str) -> None:
    first, rest = Scrollback(), Scrollback()
    first.write("ab")
    rest.write(later)
    stands = rest.text()
    first.go_on(rest)
    assert first.text() == "ab" + stands


def test_a_first_line_that_was_dropped_is_not_written_again() -> None:
    first, rest = Scrollback(1000), Scrollback(1000)
    first.write("ab")
    rest.write("line\n" + "x" * 1300 + "\n")
    rest.write("y" * 100 + "\n")
    stands = rest.text()
    assert rest.dropped and not rest.gap
    first.go_on(rest)
    assert first.text() == "ab" + stands


def test_the_middle_of_text_is_dropped_as_if_it_had_come_at_once() -> None:
    first, rest = Scrollback(1000), Scrollback(1000)
    for number in range(400):
        rest.write(f"later {number:04d}\n")
    assert rest.dropped
    first.write("earlier\n")
    first.go_on(rest)
    assert first.raw(0) == b"earlier" and first.text().endswith("later 0399\n")
    assert first.dropped + len(first) == 401 and 0 < first.gap < len(first)
    assert first.raw(0) == b"earlier"
    many = Scrollback(1000)
    many.write("short\n" * 200)
    dropped = first.dropped
    first.go_on(many)
    assert first.dropped > dropped and first.dropped + len(first) == 601
    before = first.text()
    first.go_on(Scrollback())
    assert first.text() == before


def test_of_much_text_only_the_ends_of_the_cells_read_first_stay_in_memory() -> None:
    feed = Feed(text_kept_bytes=100_000)
    block = "".join(f"{line:05d}\n" for line in range(8000))
    for number in range(4):
        run = f"s-{number}"
        events: list[Event] = [RunStarted(run, "t", "c", "x"), TextPrinted(run, "stdout", block)]
        for event in [*events, RunFinished(run, RunStatus.OK, 1.0)]:
            feed.apply("s", Entry(1.0, event))
    small: list[Event] = [RunStarted("s-4", "t", "c", "x"), RunFinished("s-4", RunStatus.OK, 1.0)]
    for event in small:
        feed.apply("s", Entry(1.0, event))
    cells = [item for item in feed.sessions["s"].items if isinstance(item, FeedCell)]
    assert [cell.has_gaps for cell in cells] == [True, True, False, False, False]
    assert cells[0].text_bytes < 2 * TEXT_ENDS_BYTES and cells[0].output_text().endswith("07999\n")


def test_parts_count_for_the_same_limits() -> None:
    feed = Feed(text_kept_bytes=100_000)
    block = "".join(f"{line:05d}\n" for line in range(12_000))

    def part(number: int, *, is_over: bool) -> SessionFeed:
        run = f"s-{number}"
        events: list[Event] = [
            RunStarted(run, "t", "c", "x"),
            TextPrinted(run, "stdout", block),
            Notice("note"),
        ]
        events += [RunFinished(run, RunStatus.OK, 1.0)] if is_over else []
        entries = tuple(Entry(float(number), event) for event in events)
        return SessionFeed.of_window("s", Window(entries, None, unread=number))

    for number, is_over in ((3, False), (2, True), (1, True), (0, True)):
        feed.take(part(number, is_over=is_over))
    cells = [item for item in feed.sessions["s"].items if isinstance(item, FeedCell)]
    assert [cell.run for cell in cells] == ["s-0", "s-1", "s-2", "s-3"]
    assert [cell.has_gaps for cell in cells] == [False, True, True, False], "what runs stays whole"


def test_all_sessions_are_known_since_the_latest_time_before_which_something_is_missing() -> None:
    def session(name: str, since: float, unread: int) -> SessionFeed:
        entries = [Entry(since + number, Notice(f"{name}{number}")) for number in range(3)]
        return SessionFeed.of_window(name, Window(tuple(entries), None, unread=unread))

    feed = Feed()
    feed.take(session("n", 1.0, 0))
    assert len(feed.sessions["n"].items) == 3
    sessions = [session("a", 10.0, 5), session("b", 11.5, 5), session("c", 1.0, 0)]
    assert known_since(sessions) == 11.5 and known_since(sessions[2:]) == 0.0
    assert known_since(sessions, 12.0) == 12.0
    assert [item.at for item in by_time(sessions, 11.5)] == [11.5, 12.0, 12.5, 13.5]
