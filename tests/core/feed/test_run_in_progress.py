"""What the list of sessions shows of a run in progress: its last line, and whether it may wait for ever."""

from __future__ import annotations

from jlab_tui.core.feed.items import FeedCell, TextOutput
from jlab_tui.core.feed.session_feed import SessionFeed
from jlab_tui.core.journal.events import (
    DataShown,
    Entry,
    Event,
    Notice,
    RunFinished,
    RunStarted,
    RunStatus,
    TextPrinted,
)

START = RunStarted("r", "execute_code", "c", "go()")


def folded(*events: Event) -> SessionFeed:
    session = SessionFeed("s")
    for number, event in enumerate(events, 1):
        session.apply(Entry(float(number), event))
    return session


def last_line(*events: Event) -> str:
    running = folded(START, *events).running
    assert running is not None
    return running.last_line


def test_the_last_line_with_text_is_shown_however_long_it_is() -> None:
    assert last_line() == ""
    assert last_line(TextPrinted("r", "stdout", "one\ntwo\n \n")) == "two"
    assert last_line(TextPrinted("r", "stdout", "\n" * 50)) == ""
    assert last_line(TextPrinted("r", "stdout", "x" * 9000)) == "x" * 400
    assert last_line(TextPrinted("r", "stdout", "é" * 300)) == "é" * 200
    picture = DataShown("r", {"image/png": "AAAA"})
    assert last_line(TextPrinted("r", "stdout", "epoch 1\n"), picture) == "epoch 1"


def test_a_run_is_stuck_until_it_shows_life() -> None:
    silent = Notice("Run r has printed nothing for 2 min.", "warning", "input")
    other = Notice("The walltime ends.", "warning")
    assert folded(START, silent).stuck_on == "input"
    assert folded(START, silent, other).stuck_on == "input"
    assert folded(START, silent, TextPrinted("r", "stdout", "at last\n")).stuck_on == ""
    assert folded(START, silent, RunFinished("r", RunStatus.INTERRUPTED, 9.0)).stuck_on == ""


def test_ended_runs_are_counted() -> None:
    assert folded(START).ended == 0
    assert folded(START, RunFinished("r", RunStatus.ERROR, 1.0)).ended == 1


def test_tables_leave_memory_with_the_text_of_their_cell() -> None:
    rows = "".join(f"<tr><th>{n}</th><td>{n * n}</td></tr>" for n in range(100))
    shown = DataShown("r", {"text/html": f"<table>{rows}</table>", "text/plain": "a frame"})
    (cell,) = (item for item in folded(START, shown).items if isinstance(item, FeedCell))
    (output,) = cell.outputs
    assert isinstance(output, TextOutput) and len(output.tables) == 1
    chars = output.tables[0].chars
    assert cell.text_bytes == len(b"a frame") + chars
    cell.drop_middle()
    cell.drop_middle(chars)
    assert len(output.tables) == 1
    cell.drop_middle(chars - 1)
    assert not output.tables and cell.output_text() == "a frame\n"
