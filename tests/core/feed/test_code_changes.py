"""A cell that runs again with other code knows what it had before."""

from __future__ import annotations

import pytest

from jlab_tui.core.feed.code_changes import COMPARED_MAX, changed_lines
from jlab_tui.core.feed.items import FeedCell
from jlab_tui.core.feed.session_feed import SessionFeed
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    NotebookEdited,
    RunFinished,
    RunStarted,
    RunStatus,
    TextPrinted,
)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("a\nb\nc", "a\nx\ny\nc", (2, 1)),
        ("a", "a\nb", (1, 0)),
        ("a\nb", "b\na", (1, 1)),
        ("a\n" * COMPARED_MAX, "b\n" + "a\n" * (COMPARED_MAX - 3), (1, 3)),
        ("a\nb\n" + "x\n" * COMPARED_MAX, "b\na\n" + "x\n" * COMPARED_MAX, (0, 0)),
    ],
)
def test_lines_that_were_added_and_removed_are_counted(
    before: str, after: str, changes: tuple[int, int]
) -> None:
    assert changed_lines(before, after) == changes


def run(number: int, cell: str, source: str, tool: str = "edit_cell") -> list[Event]:
    name = f"r{number}"
    return [RunStarted(name, tool, cell, source), RunFinished(name, RunStatus.OK, 1.0)]


def window(events: list[Event], unread: int = 0) -> SessionFeed:
    entries = tuple(Entry(float(number), event) for number, event in enumerate(events, 1))
    session = SessionFeed("s")
    session.unread = unread
    for entry in entries:
        session.apply(entry)
    return session


def befores(session: SessionFeed) -> list[str]:
    return [item.before for item in session.items if isinstance(item, FeedCell)]


def test_a_cell_that_runs_again_with_other_code_has_what_it_ran_before() -> None:
    events = [*run(1, "c", "a"), *run(2, "d", "z"), *run(3, "c", "b"), *run(4, "c", "b"), *run(5, "", "s")]
    assert befores(window(events)) == ["", "", "a", "", ""]
    again = [*run(1, "c", "a"), RunStarted("r1", "edit_cell", "c", "a")]
    assert befores(window(again)) == [""]


def test_an_edit_that_has_not_run_is_compared_too_and_a_deleted_cell_is_forgotten() -> None:
    events = [*run(1, "c", "a"), NotebookEdited("edit", "c", "b"), *run(2, "c", "b")]
    assert befores(window(events[:3])) == ["", "a"] and befores(window(events)) == ["", "a"]
    events = [*run(1, "c", "a"), NotebookEdited("markdown", "c", "b")]
    assert befores(window(events)) == ["", ""]
    events = [*run(1, "c", "a"), NotebookEdited("delete", "c"), *run(2, "c", "b")]
    assert befores(window(events)) == ["", ""]


def test_what_a_cell_had_in_an_earlier_part_of_the_record_is_known_once_that_is_read() -> None:
    later = window(
        [*run(3, "c", "b"), *run(4, "c", "b2"), *run(5, "d", "z"), TextPrinted("t", "stdout", "x")], unread=9
    )
    older = window([*run(1, "c", "a"), *run(2, "d", "z"), RunStarted("t", "edit_cell", "d", "y")])
    (first, *_) = (item for item in later.items if isinstance(item, FeedCell))
    version = first.version
    later.put_before(older)
    assert first.before == "a" and first.version > version
    assert befores(later) == ["", "", "z", "a", "b", "y"]
