"""Journals of closed sessions lie apart; nothing of them is lost on the way, whoever ends, reads or moves meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jlab_tui.adapters.journal.directory import DirectoryRecords
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.journal_reader import JournalReader, read_ends
from jlab_tui.adapters.journal.places import (
    all_journals,
    closed_journals,
    journal_path,
    move_closed,
    open_journals,
)
from jlab_tui.adapters.journal.retention import COMPRESS_AFTER_S
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.core.journal.events import Entry, Event, Notice, SessionClosed, SessionOpened, encode
from tests.project import drain

CLOSED = SessionClosed("shut down")


def opened(session: str = "s", epoch: int = 1) -> SessionOpened:
    return SessionOpened(session, "n", "/n.ipynb", "kernel", "host", 1.0, epoch=epoch)


def store_in(folder: Path) -> JournalStore:
    return JournalStore(folder / "sessions", folder / "actions", lambda: folder, "host")


async def write(writer: JournalWriter, *events: Event) -> None:
    for event in events:
        writer.append(Entry(1.0, event))
    await asyncio.wrap_future(writer.close())


def put(path: Path, *events: Event) -> None:
    """Write a journal as another version did, where it did."""
    path.parent.mkdir(exist_ok=True)
    data = b"".join(encode(Entry(1.0, event)) for event in events)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def told(store: JournalStore, session: str = "s") -> list[Event]:
    return [entry.event for _, _, entry in store.read(store.files(session))]


async def test_names_tell_which_sessions_are_closed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await write(store.writer("going", 1), opened("going"))
    await write(store.writer("over", 1), opened("over"))
    await write(store.writer("over", 2), opened("over", 2), CLOSED)
    sessions = tmp_path / "sessions"
    assert list(open_journals(sessions)) == ["going"] and list(closed_journals(sessions)) == ["over"]
    assert [head.session for head in store.heads().known] == ["going"]
    assert told(store, "over") == [opened("over"), opened("over", 2), CLOSED]


async def test_a_closed_session_comes_back_with_its_next_epoch_and_closes_again(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await write(store.writer("s", 1), opened(), CLOSED)
    again = store.writer("s", 1)
    await write(again, opened(epoch=2))
    sessions = tmp_path / "sessions"
    assert again.path == journal_path(sessions, "s", 2)
    (head,) = store.heads().known
    assert not head.is_closed and not closed_journals(sessions)
    assert told(store) == [opened(), CLOSED, opened(epoch=2)]
    last = store.successor("s", store.files("s"))
    assert last is not None
    await write(last, opened(epoch=3), CLOSED)
    assert not open_journals(sessions) and told(store)[2:] == [opened(epoch=2), opened(epoch=3), CLOSED]


@pytest.mark.parametrize("moved", range(4))
async def test_a_process_that_ends_while_it_moves_files_leaves_a_whole_session(
    tmp_path: Path, moved: int
) -> None:
    sessions, store = tmp_path / "sessions", store_in(tmp_path)
    for epoch in (1, 2, 3):
        put(journal_path(sessions, "s", epoch), opened(epoch=epoch), *[CLOSED][: epoch == 3])
    files = store.files("s")
    move_closed(files[:moved])
    before = told(store)
    assert before == [opened(), opened(epoch=2), opened(epoch=3), CLOSED]
    assert [head.is_closed for head in store.heads().known] == [True] * (moved < 3)
    drain(store.clear_old(30))
    assert not open_journals(sessions) and list(closed_journals(sessions)) == ["s"]
    assert told(store) == before


def test_two_processes_move_the_same_files_at_once(tmp_path: Path) -> None:
    sessions, store = tmp_path / "sessions", store_in(tmp_path)
    for number in range(50):
        put(journal_path(sessions, f"s{number}", 1), opened(f"s{number}"), Notice(str(number)))
        put(journal_path(sessions, f"s{number}", 2), opened(f"s{number}", 2), CLOSED)
    with ThreadPoolExecutor(4) as pool:
        for files in all_journals(sessions).values():
            for moving in [pool.submit(move_closed, files) for _ in range(4)]:
                moving.result(30)
    assert not open_journals(sessions)
    for number in range(50):
        name = f"s{number}"
        assert told(store, name) == [opened(name), Notice(str(number)), opened(name, 2), CLOSED]


def test_no_file_takes_the_place_of_another_and_none_of_its_session_moves_then(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    put(journal_path(sessions, "s", 1), opened())
    put(journal_path(sessions, "s", 2), opened(epoch=2), CLOSED)
    put(journal_path(sessions / "closed", "s", 1), opened(), Notice("on record"))
    move_closed([journal_path(sessions, "s", epoch) for epoch in (1, 2)])
    assert [path.name for path in open_journals(sessions)["s"]] == ["s.1.jsonl", "s.2.jsonl"]
    assert Notice("on record") in told(store_in(tmp_path))


async def test_who_comes_too_late_for_a_session_that_was_closed_meanwhile_does_not_get_it(
    tmp_path: Path,
) -> None:
    store = store_in(tmp_path)
    await write(store.writer("s", 1), opened())
    seen = store.files("s")
    other = store_in(tmp_path).successor("s", seen)
    assert other is not None
    await write(other, opened(epoch=2), Notice("the other's"), CLOSED)
    assert store.successor("s", seen) is None
    assert not open_journals(tmp_path / "sessions") and Notice("the other's") in told(store)


async def test_an_owner_whose_journal_was_moved_knows_that_it_may_not_write(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    frozen = store.writer("s", 1)
    frozen.append(Entry(1.0, opened()))
    await asyncio.wrap_future(frozen.flushed())
    assert frozen.beat()
    other = store_in(tmp_path).successor("s", store.files("s"))
    assert other is not None
    await write(other, opened(epoch=2), CLOSED)
    assert not frozen.beat()
    await asyncio.wrap_future(frozen.close())


async def test_a_record_that_cannot_be_written_to_its_end_stays_open(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    (tmp_path / "sessions").mkdir()
    writer = store.writer("s", 1)
    writer.path.symlink_to(tmp_path / "elsewhere")
    await write(writer, opened(), CLOSED)
    assert writer.failure and not (tmp_path / "sessions" / "closed").exists()


async def test_who_reads_a_journal_reads_on_after_it_was_moved_and_compressed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    writer = store.writer("s", 1)
    reader = JournalReader(writer.path)
    places: list[tuple[Path, int]] = []
    found: list[Event] = []

    def read_on() -> None:
        found.extend(entry.event for entry in reader.read())
        new = store.read(store.files("s"), places[-1] if places else None)
        places.extend((path, offset) for path, offset, _ in new if (path, offset) not in places)

    writer.append(Entry(1.0, opened()))
    await asyncio.wrap_future(writer.flushed())
    read_on()
    writer.append(Entry(2.0, Notice("the last words")))
    await write(writer, CLOSED)
    read_on()
    assert found == [opened(), Notice("the last words"), CLOSED] and len(places) == 3
    drain(store.clear_old(30, time.time() + COMPRESS_AFTER_S + 1000))
    (packed,) = store.files("s")
    assert packed.name == "s.1.jsonl.gz"
    read_on()
    assert len(found) == len(places) == 3
    assert [e.event for e in store.read_runs(*places[1], [])] == found[1:]
    assert [entry.event for entry in read_ends(writer.path)[0]] == found


def test_closed_records_of_an_earlier_version_are_moved_and_open_ones_and_the_users_files_stay(
    tmp_path: Path,
) -> None:
    sessions, store = tmp_path / "sessions", store_in(tmp_path)
    put(journal_path(sessions, "a", 1), opened("a"), CLOSED)
    put(sessions / "b.1.jsonl.gz", opened("b"), CLOSED)
    put(journal_path(sessions, "b", 2), opened("b", 2), CLOSED)
    put(journal_path(sessions, "going", 1), opened("going"))
    put(sessions / "data.1.jsonl", CLOSED)
    before = {name: told(store, name) for name in ("a", "b", "going")}
    drain(store.clear_old(30))
    assert list(closed_journals(sessions)) == ["a", "b"]
    assert list(open_journals(sessions)) == ["data", "going"]
    assert {name: told(store, name) for name in before} == before


def test_a_compressed_session_is_closed_for_a_dashboard_too(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    put(journal_path(sessions, "s", 1), opened(), CLOSED)
    os.utime(journal_path(sessions, "s", 1), (1.0, 1.0))
    records = DirectoryRecords(sessions, tmp_path / "actions")
    plain = records.window(records.files("s"), None, 1)
    drain(store_in(tmp_path).clear_old(99_999, COMPRESS_AFTER_S * 2))
    packed = records.window(records.files("s"), None, 1)
    assert [path.suffix for path in records.files("s")] == [".gz"]
    assert packed.entries == plain.entries and isinstance(packed.entries[-1].event, SessionClosed)
    assert records.look({}).closed == 1 and records.look({}).open == {}
