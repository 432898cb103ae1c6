"""All journals of a project: what a session's end leaves open, and clearing old ones away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

from jlab_tui.adapters.journal.retention import COMPRESS_AFTER_S
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.core.journal.events import Entry, Event, Notice, SessionClosed, SessionOpened, TextPrinted
from tests.project import drain, until

OPENED = SessionOpened("s", "n", "/n.ipynb", "kernel", "host", 1.0)


def store_in(folder: Path) -> JournalStore:
    return JournalStore(folder / "sessions", folder / "actions", lambda: folder, "host")


def open_ends(fifo: Path) -> int:
    """How often this process has it open."""
    found = 0
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += fd.readlink() == fifo
    return found


async def test_a_closed_journal_leaves_no_file_open(tmp_path: Path) -> None:
    fifo = tmp_path / "host-1.fifo"
    os.mkfifo(fifo)
    dashboard = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    store = store_in(tmp_path)

    for number in range(3):
        writer = store.writer(f"s{number}", 1)
        writer.append(Entry(1.0, Notice("rings the bell")))
        await asyncio.wrap_future(writer.close())
    assert os.read(dashboard, 4096).count(b"\n") == 3
    await until(lambda: open_ends(fifo) == 1, what="only the dashboard has it open")
    os.close(dashboard)


async def test_closed_journals_are_removed_after_a_month_and_open_ones_stay(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    journals: dict[str, list[Event]] = {"over": [OPENED, SessionClosed("done")], "open": [OPENED]}
    for session, events in journals.items():
        writer = store.writer(session, 1)
        for event in events:
            writer.append(Entry(1.0, event))
        await asyncio.wrap_future(writer.close())
    drain(store.clear_old(30, time.time() + 31 * 86400, keep_newest=0))
    assert [head.session for head in store.heads().known] == ["open"] and store.files("over") == []


async def test_an_old_journal_is_compressed_beside_another_process_that_does_the_same(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    writer = store.writer("s", 1)
    events: list[Event] = [OPENED, TextPrinted("s-1", "stdout", "text"), SessionClosed("done")]
    for event in events:
        writer.append(Entry(1.0, event))
    await asyncio.wrap_future(writer.close())
    others = tmp_path / "sessions" / "closed" / ".s.1.jsonl.gz"
    others.write_bytes(b"half of it")
    drain(store.clear_old(30, time.time() + COMPRESS_AFTER_S + 1000))
    assert others.read_bytes() == b"half of it"
    others.unlink()
    (packed,) = (tmp_path / "sessions" / "closed").iterdir()
    assert packed.name == "s.1.jsonl.gz"
    assert [entry.event for _, _, entry in store.read([packed])] == events
