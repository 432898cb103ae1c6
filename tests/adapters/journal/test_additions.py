"""What is appended to a project's journals from some moment on."""

from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.adapters.journal.additions import Additions
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    ExecutionStarted,
    HumanActed,
    RunFinished,
    RunStatus,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.news_desk import KINDS

OPENED = SessionOpened("s", "n", "/n.ipynb", "k", "h", 1.0)
ENDED = RunFinished("s-1", RunStatus.OK, 60.0)


def append(path: Path, *events: Event) -> None:
    with path.open("ab") as file:
        file.writelines(encode(Entry(1.0, event)) for event in events)


def read(additions: Additions, names: list[str] | None = None) -> list[tuple[str, Event]]:
    return [(session, entry.event) for session, entry in additions.read(names)]


def test_what_was_there_before_is_passed_over_but_for_who_opened_a_session_that_goes_on(
    tmp_path: Path,
) -> None:
    old, quiet = tmp_path / "s.1.jsonl", tmp_path / "q.1.jsonl"
    append(old, OPENED, RunFinished("s-0", RunStatus.OK, 60.0))
    append(quiet, OPENED)
    additions = Additions(tmp_path, tmp_path / "actions", KINDS)
    additions.begin()
    assert read(additions) == []
    append(old, ENDED)
    append(tmp_path / "new.1.jsonl", OPENED)
    assert read(additions) == [("new", OPENED), ("s", OPENED), ("s", ENDED)]
    assert read(additions) == []


def test_a_bell_names_the_journal_that_is_read(tmp_path: Path) -> None:
    additions = Additions(tmp_path, tmp_path / "actions", KINDS)
    additions.begin()
    append(tmp_path / "s.1.jsonl", OPENED)
    append(tmp_path / "t.1.jsonl", OPENED)
    assert read(additions, []) == read(additions, ["../s.1.jsonl", "", "gone.1.jsonl"]) == []
    assert read(additions, ["s.1.jsonl"]) == [("s", OPENED)]
    assert read(additions) == [("t", OPENED)]


def test_only_the_last_text_is_read_and_nothing_of_other_kinds(tmp_path: Path) -> None:
    additions = Additions(tmp_path, tmp_path / "actions", KINDS)
    additions.begin()
    texts = [TextPrinted("s-1", "stdout", f"line {i}\n") for i in range(100)]
    append(tmp_path / "s.1.jsonl", OPENED, ExecutionStarted("s-1"), *texts, ENDED, texts[0], texts[1])
    assert read(additions) == [("s", OPENED), ("s", texts[-1]), ("s", ENDED), ("s", texts[1])]


@pytest.mark.parametrize("names", [None, ["s.1.jsonl"]])
def test_a_journal_that_was_moved_away_is_read_to_its_end(tmp_path: Path, names: list[str] | None) -> None:
    path = tmp_path / "s.1.jsonl"
    additions = Additions(tmp_path, tmp_path / "actions", KINDS)
    additions.begin()
    append(path, OPENED)
    assert read(additions) == [("s", OPENED)]
    append(path, ENDED)
    (tmp_path / "closed").mkdir()
    path.rename(tmp_path / "closed" / path.name)
    assert read(additions, names) == [("s", ENDED)]
    assert read(additions, names) == read(additions) == []


def test_a_torn_line_waits_and_a_packed_journal_says_nothing(tmp_path: Path) -> None:
    additions = Additions(tmp_path / "later", tmp_path / "actions", KINDS)
    additions.begin()
    assert read(additions) == []
    (tmp_path / "later").mkdir()
    path = tmp_path / "later" / "s.1.jsonl"
    line = encode(Entry(1.0, OPENED))
    path.write_bytes(line[:20])
    path.with_name("p.1.jsonl.gz").write_bytes(b"x")
    assert read(additions) == []
    path.write_bytes(line)
    assert read(additions) == [("s", OPENED)]


def test_what_users_do_comes_after_who_opened_their_session(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    append(tmp_path / "s.1.jsonl", OPENED, ENDED)
    append(tmp_path / "actions" / "h-1.jsonl", HumanActed("comment", "s", id="old"))
    additions = Additions(tmp_path, tmp_path / "actions", KINDS)
    additions.begin()
    new, stopped, lost = (
        HumanActed("comment", "s", id="new"),
        HumanActed("stop"),
        HumanActed("comment", "gone", id="x"),
    )
    append(tmp_path / "actions" / "h-1.jsonl", new, stopped, lost)
    assert [(session, entry.event) for session, entry in additions.acts()] == [
        ("s", OPENED),
        ("s", new),
        ("gone", lost),
    ]
    assert list(additions.acts()) == []
