"""The monitor brings every line of every journal once, survives what fails around it, and says so once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.journal.actions_files import ActionsFiles
from jlab_tui.adapters.journal.bell import Bell, BellReader
from jlab_tui.adapters.journal.directory import DirectoryRecords
from jlab_tui.adapters.journal.journal_reader import JournalReader
from jlab_tui.adapters.journal.places import all_journals, move_closed
from jlab_tui.core.errors import JlabError, ServerUnreachable, UsageError
from jlab_tui.core.feed.items import Change, FeedCell, Note
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    HumanActed,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.journal.window import Looked
from jlab_tui.core.kernel.leaving import EndedKernel, KernelFates, LeftKernel
from jlab_tui.core.server.record import KernelInfo, Mode, ServerRecord, ServerState
from jlab_tui.core.server.resources import GpuSample, Measured, Sample
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.services.dashboard.actions import RecordedActions, Target
from jlab_tui.services.dashboard.history import STEP
from jlab_tui.services.dashboard.monitor import Monitor
from jlab_tui.services.dashboard.overview import CLOSED_SHOWN, OwnerAlive, SessionState

HOST = "here"
READY = ServerStatus(ServerRecord(ServerState.READY, Mode.LOCAL), "", "", reachable=True)


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.troubles: list[str] = []
        self.read: list[str] = []
        self.looks = 0

    def items_changed(self, changes: Sequence[Change]) -> None:
        self.changes += changes

    def record_read(self, session: str) -> None:
        self.read.append(session)

    def server_changed(self) -> None:
        self.looks += 1

    def resources_changed(self) -> None:
        pass

    def feed_replaced(self) -> None:
        pass

    def trouble(self, sentence: str) -> None:
        self.troubles.append(sentence)


class Node:
    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.samples: list[Sample] = []
        self.asked: list[float] = []
        self.known = KernelFates()
        self.user: tuple[KernelInfo, ...] = (KernelInfo("k-user", "python3", "busy", 1, "x.ipynb"),)

    async def look(self) -> ServerStatus:
        return READY

    async def fates(self, record: ServerRecord) -> KernelFates:
        return self.known

    async def measured(self, record: ServerRecord, history_s: float, *, kernels: bool) -> Measured:
        self.asked.append(history_s)
        if self.failure is not None:
            raise self.failure
        return Measured(self.samples, self.user if kernels else None)


class Place:
    """Journals on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sessions, self.actions = directory / "sessions", directory / "actions"
        self.sessions.mkdir()
        self.actions.mkdir()
        self.bell = Bell(directory / "fifos", HOST)

    def write(self, name: str, *events: Event, folder: str = "sessions", at: float = 5.0) -> None:
        path = self.directory / folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            for event in events:
                file.write(encode(Entry(at, event)))

    def monitor(self, node: Node, owner_alive: OwnerAlive | None = None) -> Monitor:
        return Monitor(
            node,
            node,
            DirectoryRecords(self.sessions, self.actions),
            lambda on_news: BellReader(self.directory / "fifos", HOST, on_news),
            owner_alive,
            details=lambda: "Details: /logs/dashboard.log",
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def running(monitor: Monitor) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(monitor.run(heard))
    try:
        await until(lambda: monitor.is_loaded)
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def opened(session: str, kernel: str = "k") -> SessionOpened:
    return SessionOpened(session, session, f"/nb/{session}.ipynb", kernel, HOST, 1.0)


async def test_that_there_is_no_server_is_news_once(place: Place) -> None:
    class Empty(Node):
        async def look(self) -> ServerStatus | None:  # type: ignore[override]
            return None

    monitor = place.monitor(Empty())
    assert not monitor.has_looked
    async with running(monitor) as heard:
        await until(lambda: monitor.has_looked)
        assert (monitor.server, heard.looks) == (None, 1)


async def test_all_epochs_are_read_and_news_come_by_bell_and_without(place: Place) -> None:
    place.write("a.1.jsonl", opened("a"), RunStarted("a-1", "t", "c", "x"))
    place.write("a.2.jsonl", TextPrinted("a-1", "stdout", "from epoch 2\n"))
    monitor = place.monitor(Node())
    async with running(monitor):
        cell = monitor.feed.sessions["a"].items[0]
        assert isinstance(cell, FeedCell) and cell.output_text() == "from epoch 2\n"
        place.write("a.2.jsonl", TextPrinted("a-1", "stdout", "rung\n"))
        place.bell.ring({"session": "a"})
        await until(lambda: cell.output_text().endswith("rung\n"))
        place.write("b.1.jsonl", opened("b"))
        await until(lambda: "b" in monitor.feed.sessions)
    assert list((place.directory / "fifos").iterdir()) == []


async def test_closed_sessions_are_only_counted_until_they_are_wanted(place: Place) -> None:
    text = [TextPrinted("old-1", "stdout", "x" * 200_000 + "\n") for _ in range(20)]
    run = RunStarted("old-1", "t", "c", "long()")
    place.write("old.1.jsonl", opened("old"), run, *text, SessionClosed("done"))
    place.write("new.1.jsonl", opened("new"), RunStarted("new-1", "t", "c", "now()"))
    place.write("me.jsonl", HumanActed("interrupt", "old", "old-1", by="ben"), folder="actions")
    place.write("closed/older.1.jsonl", opened("older"), SessionClosed("done"))
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        assert [row.session for row in monitor.rows if not row.is_foreign] == ["new"]
        assert (monitor.past.count, monitor.past.left, monitor.past.is_open) == (2, 2, False)
        assert set(monitor.feed.sessions) == {"new"}
        monitor.want("old")
        await until(lambda: "old" in heard.read)
        view = monitor.feed.sessions["old"]
        assert view.cells == 1 and [row.session for row in monitor.rows if not row.is_foreign] == [
            "new",
            "old",
        ]
        texts = [item.text for item in view.items if isinstance(item, Note)]
        assert any("ben interrupted" in text for text in texts)


async def test_the_history_is_read_in_steps_newest_first(place: Place) -> None:
    for number in range(STEP + 5):
        place.write(f"closed/s{number:02d}.1.jsonl", opened(f"s{number:02d}"), SessionClosed("done"))
        os.utime(place.sessions / "closed" / f"s{number:02d}.1.jsonl", (number, number))
    place.write("over.1.jsonl", opened("over"), SessionClosed("done"))  # not moved yet
    monitor = place.monitor(Node())
    async with running(monitor):
        assert monitor.past.count == STEP + 6
        monitor.toggle_history()
        await until(lambda: monitor.past.left == 6)
        past = [row for row in monitor.rows if row.is_past]
        assert [row.name for row in past] == ["over", *(f"s{n:02d}" for n in range(STEP + 4, 5, -1))]
        assert all(row.state is SessionState.CLOSED and row.is_partial for row in past)
        monitor.more_history()
        await until(lambda: monitor.past.left == 0)
        assert monitor.rows[-1].name == "s00"
        monitor.want("s00")
        await until(lambda: "s00" in monitor.feed.sessions)
        assert [row.session for row in monitor.rows].count("s00") == 1
        monitor.toggle_history()
        assert [row.session for row in monitor.rows if not row.is_foreign] == ["s00"], "it is on the screen"


async def test_a_closed_session_that_continues_is_open_again(place: Place) -> None:
    place.write("old.1.jsonl", opened("old"), RunStarted("old-1", "t", "c", "a()"), SessionClosed("done"))
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        assert monitor.past.count == 1 and not monitor.feed.sessions
        place.write("old.2.jsonl", opened("old"), RunStarted("old-2", "t", "c", "b()"))
        place.bell.ring({"session": "old", "journal": "old.2.jsonl", "kind": "run"})
        await until(lambda: heard.read == ["old"])
        assert monitor.feed.sessions["old"].cells == 2 and monitor.past.count == 0
        place.write("old.3.jsonl", opened("old"), RunStarted("old-3", "t", "c", "c()"))
        place.bell.ring({"session": "old", "journal": "old.3.jsonl"})
        await until(lambda: monitor.feed.sessions["old"].cells == 3)


async def test_sessions_that_came_and_went_are_let_go_of_and_come_back_from_the_history(place: Place) -> None:
    place.write("stays.1.jsonl", opened("stays"))
    monitor = place.monitor(Node())
    names = [f"s{number:02d}" for number in range(CLOSED_SHOWN + 8)]

    def is_closed(session: str) -> bool:
        view = monitor.feed.sessions.get(session)
        return view is not None and bool(view.closed)

    async with running(monitor) as heard:
        monitor.want(names[0])
        for number, name in enumerate(names):
            journal = f"{name}.1.jsonl"
            place.write(journal, opened(name), RunStarted(f"{name}-1", "t", "c", "x"), at=5.0 + number)
            place.bell.ring({"session": name, "journal": journal})
            await until(lambda: name in monitor.feed.sessions)  # noqa: B023
            place.write(journal, SessionClosed("done"), at=5.0 + number)
            place.bell.ring({"session": name, "journal": journal})
            await until(lambda: is_closed(name))  # noqa: B023
            move_closed([place.sessions / journal])
        last = {"stays", *names[8:]}
        await until(lambda: set(monitor.feed.sessions) == last | {names[0]})
        await until(lambda: monitor.past.count == len(names))
        shown = [row.session for row in monitor.rows if not row.is_foreign]
        assert len(shown) == CLOSED_SHOWN + 1
        monitor.want(names[1])
        await until(lambda: names[1] in monitor.feed.sessions)
        heard.read.clear()
        monitor.want("")
        await until(lambda: "" in heard.read)
        assert set(names) < set(monitor.feed.sessions), "all are shown together"
        monitor.want("stays")
        await until(lambda: set(monitor.feed.sessions) == last)


def big(session: str, cells: int) -> list[Event]:
    """Cells that print 40 kB each."""
    found: list[Event] = []
    for number in range(cells):
        run = f"{session}-{number}"
        text = TextPrinted(run, "stdout", "".join(f"{number:05d} {line:05d}\n" for line in range(3400)))
        found += [RunStarted(run, "t", f"c{number}", "loop()"), text, RunFinished(run, RunStatus.OK, 1.0)]
    return found


async def test_a_long_record_is_read_from_its_end_and_further_back_on_demand(place: Place) -> None:
    place.write("a.1.jsonl", opened("a"), *big("a", 60))
    place.write("a.2.jsonl", opened("a"), *big("b", 40))
    place.write("me.jsonl", HumanActed("interrupt", "a", "a-0", by="ben"), folder="actions")
    size = sum(path.stat().st_size for path in place.sessions.iterdir())
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        view = monitor.feed.sessions["a"]
        (row,) = [row for row in monitor.rows if row.session == "a"]
        assert row.has_older and 0 < view.cells < 40 and size // 2 < view.unread < size
        last = view.last
        place.write("a.2.jsonl", RunStarted("b-40", "t", "c40", "now()"))
        place.bell.ring({"session": "a", "journal": "a.2.jsonl"})
        await until(lambda: view.running is not None)
        while view.unread:
            heard.read.clear()
            monitor.older("a")
            await until(lambda: "a" in heard.read)
        cells = [item for item in view.items if isinstance(item, FeedCell)]
        assert [cell.run for cell in cells] == [f"a-{n}" for n in range(60)] + [f"b-{n}" for n in range(41)]
        assert last in cells and view.opened_at == 5.0 and not any(cell.is_torn for cell in cells)
        heard.read.clear()
        monitor.older("a")
        await until(lambda: "a" in heard.read)
        assert view.cells == 101


async def test_all_sessions_are_read_by_time_only_as_far_as_wanted(place: Place) -> None:
    for number in range(8):
        name = f"closed/s{number}.1.jsonl"
        place.write(
            name, opened(f"s{number}"), *big(f"s{number}", 30), SessionClosed("done"), at=100.0 * number + 50
        )
        os.utime(place.sessions / name, (100.0 * number + 60, 100.0 * number + 60))
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        monitor.want("")
        await until(lambda: "" in heard.read)
        known = set(monitor.feed.sessions)
        assert "s7" in known and len(known) < 8 and monitor.unopened_since > 0
        assert not [row for row in monitor.rows if not row.is_foreign], "the list stays as it is"
        while monitor.unopened_since or any(view.unread for view in monitor.feed.sessions.values()):
            heard.read.clear()
            monitor.older("")
            await until(lambda: "" in heard.read)
        assert sum(view.cells for view in monitor.feed.sessions.values()) == 240


async def test_a_session_that_closes_is_shown_once_although_its_files_move(place: Place) -> None:
    place.write("a.1.jsonl", opened("a"), RunStarted("a-1", "t", "c", "a()"))
    place.write("a.2.jsonl", opened("a"), TextPrinted("a-1", "stdout", "early\n"))
    place.write("old.1.jsonl", opened("old"), SessionClosed("done"))
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        view = monitor.feed.sessions["a"]
        place.write("a.2.jsonl", TextPrinted("a-1", "stdout", "late\n"), SessionClosed("done"))
        for files in all_journals(place.sessions).values():
            move_closed(files)
        await until(lambda: bool(view.closed))
        place.write("b.1.jsonl", opened("b"))
        await until(lambda: "b" in monitor.feed.sessions)
        assert [item.output_text() for item in view.items if isinstance(item, FeedCell)] == ["early\nlate\n"]
        assert "old" not in monitor.feed.sessions and set(heard.read) == {"a", "b"}
        assert [row.state for row in monitor.rows if row.session == "a"] == [SessionState.CLOSED]


async def test_everything_that_a_cell_put_out_comes_from_its_record(place: Place) -> None:
    """Also while it runs, and what is printed meanwhile is neither lost nor doubled."""
    block = "".join(f"{n:07d}\n" for n in range(100_000))
    place.write("a.1.jsonl", opened("a"), RunStarted("a-1", "t", "c", "loop()"))
    for _ in range(16):
        place.write("a.1.jsonl", TextPrinted("a-1", "stdout", block))
    monitor = place.monitor(Node())
    async with running(monitor):
        (cell,) = [item for item in monitor.feed.sessions["a"].items if isinstance(item, FeedCell)]

        def has_gaps() -> bool:
            return cell.has_gaps

        assert has_gaps()
        place.write("a.1.jsonl", TextPrinted("a-1", "stdout", "before\n"))
        assert await monitor.whole(cell)
        place.write("a.1.jsonl", TextPrinted("a-1", "stdout", "after\n"))
        place.bell.ring({"session": "a", "kind": "text"})
        await until(lambda: cell.output_text().endswith("after\n"))
        assert cell.output_text() == block * 16 + "before\nafter\n" and not has_gaps()
        cell.drop_middle()
        assert has_gaps() and len(cell.output_text()) < 12_000_000
        (place.sessions / "a.1.jsonl").unlink()
        assert not await monitor.whole(cell)


async def test_a_torn_line_is_waited_for_and_a_closed_session_stays(place: Place) -> None:
    place.write("a.1.jsonl", opened("a"), SessionClosed("done"))
    monitor = place.monitor(Node())
    line = encode(Entry(6.0, RunStarted("a-1", "t", "c", "late")))
    async with running(monitor):
        monitor.want("a")
        await until(lambda: [r.state for r in monitor.rows if r.session == "a"] == [SessionState.CLOSED])
        with (place.sessions / "a.1.jsonl").open("ab") as file:
            file.write(line[:20])
            file.flush()
            place.bell.ring({"session": "a"})
            file.write(line[20:])
        place.bell.ring({"session": "a"})
        await until(lambda: monitor.feed.sessions["a"].cells == 1)


async def test_what_somebody_did_in_another_dashboard_is_shown(place: Place) -> None:
    place.write("a.1.jsonl", opened("a"))
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        place.write("other-1.jsonl", HumanActed("interrupt", "a", by="ben@h"), folder="actions")
        await until(
            lambda: any(getattr(c.item, "text", "").startswith("ben@h interrupted") for c in heard.changes)
        )


def test_the_actions_of_a_dashboard_that_has_ended_are_read_once(place: Place) -> None:
    ended, other = f"{socket.gethostname()}-{2**30}.jsonl", "elsewhere-1.jsonl"
    place.write("s1.1.jsonl", opened("s1"))
    for name in (ended, other):
        place.write(name, HumanActed("interrupt", "s1", by=f"ben@{name}", outcome="done"), folder="actions")
    files = _Counting(place.actions)
    assert len(files.news()) == 2
    for _ in range(3):
        assert files.news() == []
    assert sorted(path.name for path in files.read) == [other, ended]
    place.write(other, HumanActed("interrupt", "s1", by="ben@again", outcome="done"), folder="actions")
    place.write("late-1.jsonl", HumanActed("interrupt", "s1", by="ann", outcome="done"), folder="actions")
    assert [getattr(entry.event, "by", "") for entry in files.news()] == ["ben@again", "ann"]
    assert files.asked == 3, "each file was opened once"


class _Counting(ActionsFiles):
    """Counts the reads of each file."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.read: list[Path] = []
        self.asked = 0

    def follow(self, path: Path) -> JournalReader:
        self.asked += 1
        return _CountingReader(path, self.read)


class _CountingReader(JournalReader):
    def __init__(self, path: Path, read: list[Path]) -> None:
        super().__init__(path)
        self._read = read

    def read(self, limit: int = 64 << 20) -> list[Entry]:
        self._read.append(self.path)
        return super().read(limit)


async def test_a_second_without_news_costs_one_look_and_no_list(place: Place) -> None:
    for number in range(20):
        place.write(f"s{number}.1.jsonl", opened(f"s{number}"))
    records = _Watched(place.sessions, place.actions)
    monitor = Monitor(Node(), Node(), records)
    async with running(monitor):
        await until(lambda: len(records.looks) >= 5)
        assert all(looked.open is None and looked.closed is None for looked in records.looks[2:])
        assert not any(looked.grown for looked in records.looks)
        assert records.calls == len(records.looks), "nothing but looks since the start"
        place.write("new.1.jsonl", opened("new"))
        await until(lambda: "new" in monitor.feed.sessions)


class _Watched(DirectoryRecords):
    """Remembers the looks, and counts all calls after the first two."""

    def __init__(self, sessions: Path, actions: Path) -> None:
        super().__init__(sessions, actions)
        self.looks: list[Looked] = []
        self.calls = 0

    def look(self, read: Mapping[Path, int]) -> Looked:
        self.calls += 1
        self.looks.append(super().look(read))
        return self.looks[-1]

    def standing(self, journals: Sequence[Path]) -> list[tuple[float, bool]]:
        self.calls += len(self.looks) > 2
        return super().standing(journals)

    def files(self, session: str) -> list[Path]:
        self.calls += len(self.looks) > 2
        return super().files(session)


async def test_trouble_is_reported_once_and_watching_continues(place: Place) -> None:
    node = Node()
    node.failure = ServerUnreachable("The server does not answer.", "Look at its log.")
    monitor = place.monitor(node)
    async with running(monitor) as heard:
        await until(lambda: len(node.asked) >= 2)
        assert heard.troubles == ["The server does not answer. Look at its log."]
        node.failure = RuntimeError("secret")
        await until(lambda: len(heard.troubles) == 2)
        assert "secret" not in heard.troubles[1]
        assert heard.troubles[1].endswith("failed (RuntimeError). Details: /logs/dashboard.log")
        node.failure, node.samples = None, [Sample(7.0, 1, 1.0, 0.1, 1.0, 2.0)]
        await until(lambda: len(monitor.samples) == 1)


async def test_a_fault_is_logged_once_with_its_traceback_and_again_when_it_comes_back(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node()
    node.failure = RuntimeError("first")
    monitor = place.monitor(node)
    async with running(monitor) as heard:
        await until(lambda: len(node.asked) >= 3)
        assert len(heard.troubles) == 1 and caplog.text.count("RuntimeError: first") == 1
        node.failure, node.samples = None, [Sample(7.0, 1, 1.0, 0.1, 1.0, 2.0)]
        await until(lambda: len(monitor.samples) == 1)
        node.failure = RuntimeError("second")
        await until(lambda: len(heard.troubles) == 2)
        assert "RuntimeError: second" in caplog.text


async def test_journals_that_cannot_be_understood_are_reported_with_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor(
        Node(), Node(), _Surprising(place.sessions, place.actions), details=lambda: "Details: /logs/d.log"
    )
    async with running(monitor) as heard:
        assert heard.troubles == ["Reading the journals failed (KeyError). Details: /logs/d.log"]
        assert "KeyError: 'surprise'" in caplog.text


class _Surprising(DirectoryRecords):
    """A fault of ours at the first look."""

    looked = False

    def look(self, read: Mapping[Path, int]) -> Looked:
        if not self.looked:
            self.looked = True
            raise KeyError("surprise")
        return super().look(read)


async def test_history_is_asked_for_once_and_samples_are_taken_once(place: Place) -> None:
    node = Node()
    gpu = (GpuSample(0, "H200", utilization_percent=0.0),)
    node.samples = [Sample(float(t), 1, 1.0, 0.1, 1.0, 2.0, gpus=gpu) for t in range(1, 5)]
    monitor = place.monitor(node)
    async with running(monitor):
        await until(lambda: len(node.asked) >= 2)
        assert node.asked[0] == 600 and node.asked[1] < 60
        assert [s.at for s in monitor.samples] == [1.0, 2.0, 3.0, 4.0]
        assert monitor.gpu_idle_since(0) == 1.0
        assert [r.name for r in monitor.rows if r.is_foreign] == ["x.ipynb"]


class Log:
    def __init__(self, order: list[str]) -> None:
        self.order = order

    def append(self, entry: Entry) -> None:
        assert isinstance(entry.event, HumanActed)
        self.order.append(f"record {entry.event.action} ({entry.event.reason}): {entry.event.outcome}")

    def flushed(self) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Acts:
    def __init__(self, order: list[str], failure: JlabError | None = None) -> None:
        self.order = order
        self.failure = failure

    async def interrupt(self, target: Target) -> str:
        self.order.append("interrupt")
        if self.failure:
            raise self.failure
        return "It is idle."

    restart = shutdown = interrupt

    async def stop_server(self) -> str:
        return ""

    async def cancel_job(self) -> str:
        return ""

    async def be_owner(self, target: Target) -> None:
        self.order.append(f"own {target.session}")

    async def hand_on(self, target: Target, act: Entry) -> bool:
        self.order.append(f"hand on to {target.kernel_id}")
        if self.failure:
            raise self.failure
        return True


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(None, "It is idle."), (JlabError("No answer.", "Try again."), "failed: No answer.")],
)
async def test_an_action_is_on_record_before_it_is_done_and_so_is_its_outcome(
    failure: JlabError | None, outcome: str
) -> None:
    order: list[str] = []
    actions = RecordedActions(
        Acts(order, failure), Log(order), by="ben@h", dashboard="h-1", clock=lambda: 1.0
    )
    with contextlib.suppress(JlabError):
        await actions.interrupt(Target("s", "k", "n", "r"))
    assert order == ["record interrupt (): ", "interrupt", f"record interrupt (): {outcome}"]
    with contextlib.suppress(JlabError):
        await actions.interrupt(Target("s", "k", "n", "r"), "too slow")
    assert order[3] == "record interrupt (too slow): "


@pytest.mark.parametrize(
    ("failure", "said"),
    [(None, "The agent reads it with its next reply"), (JlabError("No answer.", ""), "It is on record")],
)
async def test_a_comment_is_on_record_before_it_is_handed_on(failure: JlabError | None, said: str) -> None:
    order: list[str] = []
    actions = RecordedActions(
        Acts(order, failure), Log(order), by="ben@h", dashboard="h-1", clock=lambda: 1.0
    )
    assert (await actions.comment(Target("s", "k", "n"), " Lower it.\nPlease. ")).startswith(said)
    assert order == ["record comment (Lower it.\nPlease.): ", "hand on to k"]


@pytest.mark.parametrize(
    ("text", "why"),
    [(" \n", "The comment is empty"), ("x" * (1 << 20), "has 1,048,576 characters; at most 4,000")],
)
async def test_a_comment_that_cannot_be_sent_is_refused_with_a_sentence(text: str, why: str) -> None:
    order: list[str] = []
    actions = RecordedActions(Acts(order), Log(order), by="ben@h", dashboard="h-1", clock=lambda: 1.0)
    with pytest.raises(UsageError, match=why):
        await actions.comment(Target("s", "k", "n"), text)
    with pytest.raises(UsageError, match="No agent uses n"):
        await actions.comment(Target("", "k", "n"), "fine")
    assert order == []


@pytest.mark.parametrize(("failure", "then"), [(None, []), (JlabError("Nobody.", ""), ["own s"])])
async def test_a_users_cell_is_run_by_a_process_of_its_own_where_no_client_is(
    failure: JlabError | None, then: list[str]
) -> None:
    order: list[str] = []
    actions = RecordedActions(
        Acts(order, failure), Log(order), by="ben@h", dashboard="h-1", clock=lambda: 1.0
    )
    await actions.run_own(Target("s", "k", "n"), "x = 1")
    assert order == ["record cell (x = 1): ", "hand on to k", *then]
    for target, code in ((Target("", "k", "n"), "x"), (Target("s", "k", "n"), "x" * 200_001)):
        with pytest.raises(UsageError):
            await actions.run_own(target, code)


async def test_a_hold_ends_with_the_same_key_and_is_kept_alive_until_its_code_is_decided() -> None:
    order: list[str] = []
    actions = RecordedActions(Acts(order), Log(order), by="ben@h", dashboard="h-1", clock=lambda: 1.0)
    target = Target("s", "k", "n", "s-1")
    await actions.hold(target)
    await actions.hold_all([target])
    assert actions.holds_all is True
    actions.stay(600)
    assert [line for line in order if "here" in line] == ["record here (600): "] * 2
    await actions.decide(target, "decline", "no")
    assert order[-2:] == ["record decline (no): ", "hand on to k"]
    (once,) = {hold for session, hold in actions._holds.items() if session}
    actions.was_decided(once)
    await actions.hold_all([target])
    assert "" not in actions._holds and not actions._holds
    await actions.hold(target)
    await actions.hold(target)
    assert order[-2].startswith("record free (h-1:") and not actions._holds
    with pytest.raises(UsageError, match="No agent uses"):
        await actions.hold(Target("", "k", "n"))


async def test_a_client_that_left_and_the_end_of_its_kernel_are_told_once_in_the_feed(place: Place) -> None:
    place.write("a.1.jsonl", opened("a", "k-user"))
    node = Node()
    left_at = time.time() - 60
    node.known = KernelFates(left={"k-user": LeftKernel(left_at, True, None, "busy", 30.0, "")})
    monitor = place.monitor(node, lambda host, pid, started: False)
    place.write("a.2.jsonl", replace(opened("a", "k-user"), client_pid=7, client_host=HOST))

    def told() -> list[str]:
        return [note.text for note in monitor.feed.sessions["a"].items if isinstance(note, Note)]

    async with running(monitor):
        await until(lambda: any("its code runs on" in text for text in told()))
        end = EndedKernel("a", "x.ipynb", "left", "idle", time.time(), left_at, True, 30.0)
        node.user, node.known = (), KernelFates(ended={"k-user": end})
        await until(lambda: any("its idle kernel ended" in text for text in told()))
        (row,) = monitor.rows
        assert row.state is SessionState.ENDED and row.fate.startswith("client left ")
        before = told()
        place.write("a.2.jsonl", SessionClosed(before[-1]))
        await until(lambda: bool(monitor.feed.sessions["a"].closed))
        assert told() == before
