"""A journal on a disk that is full for a while."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from pathlib import Path

from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.journal_reader import JournalReader, read_entries
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    OutputDropped,
    RunFinished,
    RunStarted,
    RunStatus,
    TextPrinted,
)
from jlab_tui.core.session.replay import entries_of, replay
from jlab_tui.services.journal.writer import SessionJournal
from tests.project import Mount, until


def events(path: Path) -> list[Event]:
    return [entry.event for _, entry in read_entries(path)]


def started(run: str) -> Entry:
    return Entry(0.0, RunStarted(run, "execute_code", "c", "1", "m"))


def printed(run: str, text: str) -> Entry:
    return Entry(0.0, TextPrinted(run, "stdout", text))


def finished(run: str) -> Entry:
    return Entry(0.0, RunFinished(run, RunStatus.OK, 1.0, 1))


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def test_whoever_stops_waiting_for_a_record_does_not_stop_the_record(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.1.jsonl")
    for number in range(100):
        writer.append(printed("a-1", str(number)))
        writer.flushed().cancel()
    writer.close().result(30)
    assert len(events(writer.path)) == 100


def test_who_waits_for_a_closed_record_is_answered(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.1.jsonl")
    writer.append(started("a-1"))
    writer.close()
    writer.flushed().result(30)
    writer.close().result(30)
    assert len(events(writer.path)) == 1


def threads_of(writer: JournalWriter) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"journal {writer.path.name}"]


def test_an_idle_record_has_no_thread_and_the_next_entry_is_written_all_the_same(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "idle.1.jsonl", idle_s=0.01)
    assert not threads_of(writer)
    for number in range(2):
        writer.append(printed("a-1", str(number)))
        writer.flushed().result(30)
        for thread in threads_of(writer):
            thread.join(30)
        assert not threads_of(writer)
    writer.append(printed("a-1", "last"))
    writer.close().result(30)
    assert len(events(writer.path)) == 3


def test_an_entry_that_may_wait_is_written_in_its_order_with_what_comes_next(tmp_path: Path) -> None:
    writer = JournalWriter(
        tmp_path / "waits.1.jsonl"
    )  # a name of its own: another writer's thread may still end
    assert writer.append(started("a-1"), may_wait=True) == 0
    assert not threads_of(writer), "nothing was woken for it"
    second = writer.append(printed("a-1", "x"), may_wait=True)
    writer.flushed().result(30)
    assert [offset for offset, _ in read_entries(writer.path)] == [0, second]
    writer.append(finished("a-1"), may_wait=True)
    writer.push()
    writer.close().result(30)
    assert [type(event) for event in events(writer.path)] == [RunStarted, TextPrinted, RunFinished]


async def test_what_nobody_waits_for_reaches_the_record_by_itself(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.1.jsonl")
    journal = SessionJournal(writer, time.time)
    journal.record(RunStarted("a-1", "execute_code", "c", "1", "m"))
    await until(lambda: writer.path.exists() and len(events(writer.path)) == 1)
    await journal.close()


def test_nothing_is_lost_on_a_disk_that_is_full_for_a_while(mount: Mount) -> None:
    disk = mount("size=256k")
    path = disk / "a.1.jsonl"
    writer = JournalWriter(path)
    writer.append(started("a-1"))
    writer.flushed().result(30)
    filler = fill(disk)
    texts = [f"{number} " + "x" * 3000 for number in range(10)]
    for text in texts:
        writer.append(printed("a-1", text))
        writer.flushed().result(30)
    assert "No space left" in writer.failure
    filler.unlink()
    writer.append(finished("a-1"))
    writer.close().result(30)
    assert writer.failure == "" and writer.lost == 0
    assert events(path) == [
        started("a-1").event,
        *(printed("a-1", text).event for text in texts),
        finished("a-1").event,
    ]


def test_a_journal_that_never_rests_is_synced_anyway(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.1.jsonl")
    writer.append(started("a-1"))
    kept = writer.synced()
    for number in range(1_000_000):
        if kept.done():
            break
        writer.append(printed("a-1", f"{number}\n"))
        writer.flushed().result(30)
    assert kept.done()
    last = writer.synced()
    assert not last.done()  # nothing is synced at once: that would slow cells down
    writer.close().result(30)
    last.result(30)


def test_output_that_is_too_much_to_wait_is_counted_and_every_run_is_found(mount: Mount) -> None:
    disk = mount("size=256k")
    path = disk / "a.1.jsonl"
    writer = JournalWriter(path, held_max=10_000)
    filler = fill(disk)
    writer.append(started("a-1"))
    writer.flushed().result(30)
    for _ in range(20):
        writer.append(printed("a-1", "x" * 3000))
    writer.append(finished("a-1"))
    offset = writer.append(started("a-2"))
    writer.append(printed("a-2", "second\n"))
    writer.flushed().result(30)
    filler.unlink()
    writer.append(finished("a-2"))
    writer.close().result(30)
    kept = [event for event in events(path) if isinstance(event, TextPrinted) and event.run == "a-1"]
    assert writer.lost > 17 * 3000 and len(kept) < 4
    record = replay("a", ((path, at, entry) for at, entry in read_entries(path)))
    assert not record.unfinished and len(record.runs) == 2
    run = record.runs["a-2"]
    run.offset = offset  # as its own process knows it
    since = entries_of([run], lambda path, offset, _: (entry for _, entry in read_entries(path, offset)))
    assert any(isinstance(entry.event, RunFinished) and entry.event.run == "a-2" for entry in since)


async def test_losses_on_a_full_disk_are_reported_before_anything_more_is_acknowledged(mount: Mount) -> None:
    disk = mount("size=256k")
    path = disk / "a.1.jsonl"
    acknowledged: list[int] = []
    recorder = SessionJournal(
        JournalWriter(path, held_max=10_000), lambda: 0.0, acknowledge=acknowledged.append
    )
    filler = fill(disk)
    recorder.record(RunStarted("a-1", "execute_code", "c", "1", "m"))
    await recorder.flush()
    for seq in range(1, 21):
        recorder.reaching(seq)
        recorder.record(TextPrinted("a-1", "stdout", "x" * 3000))
        await recorder.flush()
    filler.unlink()
    recorder.reaching(21)
    recorder.record(TextPrinted("a-1", "stdout", "THE END\n"))
    await recorder.flush()
    reader = JournalReader(path)
    seen: list[Event] = []
    while not any(isinstance(event, OutputDropped) for event in seen):
        assert not acknowledged
        await asyncio.sleep(0.01)
        seen += [entry.event for entry in reader.read()]
        recorder.saw(21)
    (dropped,) = (event for event in seen if isinstance(event, OutputDropped))
    assert dropped.run == "a-1" and dropped.count > 16 * 3000
    while not acknowledged:
        await asyncio.sleep(0.01)
        recorder.saw(22)
    await recorder.close()
