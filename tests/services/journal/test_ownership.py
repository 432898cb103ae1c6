"""On a stock server a session has one owner, known by its journals."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.files import owner_alive, process_start
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.core.errors import SessionOwned
from jlab_tui.core.journal.events import SessionOpened
from jlab_tui.core.journal.lease import BEAT_S, STALE_S, is_held
from jlab_tui.core.kernel.link import LEASE_S
from jlab_tui.core.server.record import Owner
from jlab_tui.services.journal.ownership import OwnerAlive, Ownership
from jlab_tui.services.journal.writer import SessionJournal

OPENED = SessionOpened("s", "n", "/n.ipynb", "kernel", "node", 1.0)
SELF = Owner("self", "here", 1)


@pytest.mark.parametrize(
    ("is_alive", "silent_s", "held"),
    [
        (True, 0.0, True),
        (True, STALE_S + 1, False),  # it hangs, or its id is another's now
        (False, 0.0, False),
        (False, STALE_S + 1, False),
        (None, 0.0, True),
        (None, STALE_S - 1, True),
        (None, STALE_S + 1, False),
        (None, -3600.0, True),  # the file server's clock was set back
    ],
)
def test_an_owner_is_respected_while_it_may_live_and_was_heard(
    is_alive: bool | None, silent_s: float, held: bool
) -> None:
    assert is_held(is_alive, silent_s) is held


def test_an_owner_looks_itself_long_before_others_may_follow_it() -> None:
    assert 2 * BEAT_S < LEASE_S < STALE_S - 2 * BEAT_S


class Journals:
    """The directory of one session's journals, as several processes see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self) -> JournalStore:
        return JournalStore(self.folder / "sessions", self.folder / "actions", lambda: self.folder, "here")

    def holding(self, client: str, alive: OwnerAlive = lambda host, pid, started: None) -> Ownership:
        return Ownership(Owner(client, "here", os.getpid()), self.store(), alive)

    async def opened_by(self, owner: Owner, journal: JournalWriter | None = None) -> SessionJournal:
        recorder = SessionJournal(journal or self.store().writer("s", 1), time.time)
        recorder.record(
            replace(
                OPENED,
                client=owner.client,
                client_host=owner.host,
                client_pid=owner.pid,
                client_started=owner.started,
            )
        )
        await recorder.flush()
        return recorder

    def silent_for(self, seconds: float, epoch: int = 1) -> None:
        at = time.time() - seconds
        os.utime(self.folder / "sessions" / f"s.{epoch}.jsonl", (at, at))


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path)


async def test_a_living_owner_on_another_host_keeps_its_session_as_long_as_it_beats(
    journals: Journals,
) -> None:
    recorder = await journals.opened_by(Owner("first", "there", 7))
    other = journals.holding("other")
    journals.silent_for(STALE_S + 5)
    assert await journals.holding("first").beat("s", recorder._journal) == ""
    with pytest.raises(SessionOwned, match=r"held by another MCP server process \(there:7\)"):
        other.succeed("s")
    assert other.is_held("s")
    journals.silent_for(STALE_S + 5)
    assert not other.is_held("s")
    theirs = await journals.opened_by(Owner("other", "here", 8), _writer(other.succeed("s")))
    assert theirs.path.name == "s.2.jsonl"
    assert await other.beat("s", theirs._journal) == ""
    assert await journals.holding("first").beat("s", recorder._journal) == "owned by here:8"
    assert not other.is_held("s"), "it is ours"
    await asyncio.gather(recorder.close(), theirs.close())


def _writer(journal: object) -> JournalWriter:
    assert isinstance(journal, JournalWriter)
    return journal


async def test_of_two_that_follow_at_once_one_gets_the_session(journals: Journals) -> None:
    await (await journals.opened_by(Owner("first", "there", 7))).close()
    journals.silent_for(STALE_S + 5)
    first = journals.holding("a").succeed("s")
    with pytest.raises(SessionOwned):
        journals.holding("b").succeed("s")
    journals.silent_for(STALE_S + 5, epoch=2)  # it died before it wrote a line
    second = journals.holding("b").succeed("s")
    assert (first.path.name, second.path.name) == ("s.2.jsonl", "s.3.jsonl")
    await asyncio.gather(*(asyncio.wrap_future(j.close()) for j in (first, second)))


async def test_a_dead_owner_of_this_host_is_followed_at_once_also_when_its_id_is_used_again(
    journals: Journals,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = os.uname().nodename
    started = process_start(os.getpid())
    for owner, held in (
        (Owner("a", host, os.getpid(), started=started), True),
        (Owner("b", host, os.getpid(), started=f"{started}0"), False),
        (Owner("c", host, ended.pid), False),
    ):
        folder = Journals(journals.folder / owner.client)
        await (await folder.opened_by(owner)).close()
        assert folder.holding("other", owner_alive).is_held("s") is held, owner


async def test_time_comes_from_the_disk_and_not_from_this_host(journals: Journals) -> None:
    """A journal that was touched 'now' is fresh however wrong this host's clock is."""
    recorder = await journals.opened_by(SELF)
    recorder._journal.beat()
    assert abs(journals.store().silence(recorder.path)) < 20
    listed = sorted(path.name for path in (journals.folder / "sessions").iterdir())
    assert listed == ["s.1.jsonl"]
    await recorder.close()
