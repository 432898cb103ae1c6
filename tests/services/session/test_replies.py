"""Waiting for a run, also for one that another process holds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.core.errors import UnknownRun
from jlab_tui.core.journal.events import Entry, RunStatus, RunTold
from jlab_tui.core.news_desk import LONG_S
from jlab_tui.core.progress.tracks import Pace
from jlab_tui.core.session.run import Run
from jlab_tui.services.session.journal_replay import JournalReplay
from jlab_tui.services.session.replies import Found, Replies
from jlab_tui.services.session.session import Session
from jlab_tui.services.sessions.registry import Sessions
from tests.jupyters import Place
from tests.project import until


class CountingStore(JournalStore):
    """Counts the entries that are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "sessions", folder / "actions", lambda: folder / "fifos", "host")
        self.count = 0
        self.looks: list[int] = []
        """the count before each look"""

    def files(self, session: str) -> list[Path]:
        self.looks.append(self.count)
        return super().files(session)

    def read(
        self, files: Sequence[Path], since: tuple[Path, int] | None = None
    ) -> Iterator[tuple[Path, int, Entry]]:
        for entry in super().read(files, since):
            self.count += 1
            yield entry


class GatedStore(JournalStore):
    """Its disk holds up whoever waits for it, while the gate is closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "sessions", folder / "actions", lambda: folder / "fifos", "host")
        self.gate, self.is_reached = threading.Event(), threading.Event()
        self.gate.set()

    def writer(self, session: str, epoch: int) -> JournalWriter:
        return JournalWriter(super().writer(session, epoch).path, self._written)

    def _written(self, end: int) -> None:
        if not self.gate.is_set():
            self.is_reached.set()
            self.gate.wait()


async def no_notice(run_id: str, pace: Pace | None) -> str:
    return ""


def replies(process: Sessions, journals: JournalStore, look_s: float = 0.01) -> Replies:
    return Replies(process.find_run, process.outputs, journals, no_notice, 20_000, time.time, look_s)


async def no_beat(elapsed: float, last_line: str) -> None: ...


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def held_by_another(place: Place, lines: int = 0) -> tuple[Sessions, Session, str]:
    process = place.process()
    session = await process.open_new("n")
    run = await session.run("hang")
    kernel = place.server.by_id[session.identity.kernel_id]
    for number in range(lines):  # each stream begins a line of the journal
        kernel.says("stream", {"name": ("stdout", "stderr")[number % 2], "text": f"{number}\n"}, run.msg_id)
    await session.journal.flush()
    return process, session, run.id


async def test_what_another_process_has_recorded_is_read_once_and_not_again_at_each_look(
    place: Place,
) -> None:
    first, _, run_id = await held_by_another(place, lines=500)
    journals = CountingStore(place.folder)
    second = place.process(journals=journals)
    waiting = asyncio.create_task(replies(second, journals).wait(run_id, 60.0, no_beat))
    await until(lambda: len(journals.looks) > 20)
    assert journals.count < 600, f"read {journals.count} entries in {len(journals.looks)} looks at 500"
    waiting.cancel()
    await asyncio.wait([waiting])
    await first.release()


async def test_a_wait_ends_at_its_deadline_also_when_a_look_hangs(place: Place) -> None:
    first, _, run_id = await held_by_another(place)
    second = place.process()
    looks = 0
    hangs = asyncio.Event()

    async def find(run_id: str, replay: JournalReplay | None = None) -> Found:
        nonlocal looks
        looks += 1
        if looks > 1:
            hangs.set()
            await asyncio.Event().wait()
        return await second.find_run(run_id, replay)

    waits = Replies(find, second.outputs, place.journals, no_notice, 20_000, time.time, 0.01)
    reply = await asyncio.wait_for(waits.wait(run_id, 0.5, no_beat), 30)
    assert hangs.is_set() and reply.run.status is RunStatus.RUNNING
    await waits.close()
    await first.release()


async def test_a_process_that_waits_takes_over_the_run_of_one_that_exits_and_reports_its_end(
    place: Place,
) -> None:
    first, session, run_id = await held_by_another(place)
    second = place.process()
    waiting = asyncio.create_task(replies(second, place.journals).wait(run_id, 60.0, no_beat))
    place.kill(first)
    await until(lambda: [s.identity.id for s in second.open_sessions] == [session.identity.id])
    kernel = place.server.by_id[session.identity.kernel_id]
    kernel.says("stream", {"name": "stdout", "text": "the end\n"}, session.runs[run_id].msg_id)
    kernel.ends(session.runs[run_id].msg_id)
    reply = await asyncio.wait_for(waiting, 30)
    assert reply.run.status is RunStatus.OK and "the end" in str(reply.parts[0])
    await second.release()


async def test_a_run_that_nobody_knows_is_refused_at_once(place: Place) -> None:
    with pytest.raises(UnknownRun):
        await replies(place.process(), place.journals).wait("nobodys-1", 60.0, no_beat)


async def test_a_notice_about_the_kernel_appears_once(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    place.server.by_id[session.identity.kernel_id].dies("restart", restarting=True)
    run: Run = await session.run("1")
    waits = replies(process, place.journals)
    said = [(await waits.reply(session, run, 5.0, no_beat)).parts for _ in range(2)]
    assert ["Somebody restarted the kernel" in str(parts) for parts in said] == [True, False]
    await process.release()


@pytest.mark.parametrize("seconds", [1.0, 60.0])
async def test_only_the_end_of_a_long_run_is_on_record_as_told(place: Place, seconds: float) -> None:
    process, session, run_id = await held_by_another(place)
    waits, run = replies(process, place.journals), session.runs[run_id]
    assert run.began is not None
    run.began -= seconds
    assert (await waits.wait(run_id, 0.0, no_beat)).run.status is RunStatus.RUNNING
    place.server.by_id[session.identity.kernel_id].ends(run.msg_id)
    await waits.wait(run_id, 30.0, no_beat)
    await session.journal.flush()
    entries = place.journals.read(place.journals.files(session.identity.id))
    told = [entry.event for _, _, entry in entries if isinstance(entry.event, RunTold)]
    assert told == ([RunTold(run_id)] if seconds > LONG_S else [])
    await process.release()


async def test_only_a_reply_that_tells_more_than_the_server_keeps_waits_for_the_disk(place: Place) -> None:
    journals = GatedStore(place.folder)
    process = place.process(journals=journals)
    session = await process.open_new("n")
    waits = replies(process, journals)
    run = await session.run("1")
    journals.gate.clear()
    try:
        assert (
            await asyncio.wait_for(waits.reply(session, run, 30.0, no_beat), 40)
        ).run.status is RunStatus.OK
        await until(journals.is_reached.is_set)
        journals.gate.set()
        run = await session.run("hang")
        journals.is_reached.clear()
        journals.gate.clear()
        place.server.by_id[session.identity.kernel_id].raises(run.msg_id, "KeyboardInterrupt")
        reply = asyncio.create_task(waits.reply(session, run, 30.0, no_beat))
        await until(journals.is_reached.is_set)
        assert run.status is RunStatus.INTERRUPTED and not reply.done()
    finally:
        journals.gate.set()
    await asyncio.wait_for(reply, 40)
    await process.release()
