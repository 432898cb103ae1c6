"""Old records are tidied in small steps, which stop at any of them and leave nothing half done."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.adapters.journal.places import journal_path
from jlab_tui.adapters.journal.retention import COMPRESS_AFTER_S
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.journal.tidying import Tidying
from jlab_tui.core.journal.events import Entry, Event, SessionClosed, SessionOpened, TextPrinted, encode
from tests.project import drain


@pytest.fixture
def old(tmp_path: Path) -> JournalStore:
    """A closed session of 5 MB that nobody has touched for more than a week."""
    opened = SessionOpened("s", "n", "/n.ipynb", "kernel", "host", 1.0)
    text = [TextPrinted("s-1", "stdout", os.urandom(50_000).hex()) for _ in range(50)]
    path = journal_path(tmp_path / "sessions", "s", 1)
    path.parent.mkdir()
    events: list[Event] = [opened, *text, SessionClosed("done")]
    path.write_bytes(b"".join(encode(Entry(1.0, event)) for event in events))
    at = time.time() - COMPRESS_AFTER_S - 1000
    os.utime(path, (at, at))
    return JournalStore(tmp_path / "sessions", tmp_path / "actions", lambda: tmp_path, "host")


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_compression_stops_at_any_step_leaves_nothing_and_hides_what_it_writes(
    old: JournalStore, tmp_path: Path
) -> None:
    whole = list(old.read(old.files("s")))
    for number in itertools.count():
        steps = old.clear_old(30)
        taken = sum(1 for _ in itertools.islice(steps, number))
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in parts(tmp_path))
        steps.close()
        assert parts(tmp_path) == [] and list(old.read(old.files("s"))) == whole
        if taken < number:
            break
    assert number > 20, "5 MB are many steps"
    assert [path.suffix for path in old.files("s")] == [".gz"]


def test_a_thread_takes_all_steps_and_says_when_it_is_done(old: JournalStore) -> None:
    tidying = Tidying(lambda: old.clear_old(30), share=1.0)
    assert tidying.wait(0), "it has not begun"
    tidying.start()
    assert tidying.wait(60)
    assert [path.suffix for path in old.files("s")] == [".gz"]
    drain(old.clear_old(30))


def test_a_thread_that_is_told_to_stop_closes_its_steps(old: JournalStore) -> None:
    begun, is_closed = threading.Event(), threading.Event()

    def endless() -> Generator[None, Any, None]:
        try:
            while True:
                begun.set()
                yield
        finally:
            is_closed.set()

    tidying = Tidying(endless)
    tidying.start()
    assert begun.wait(60)
    tidying.stop()
    assert tidying.wait(60) and is_closed.is_set()
