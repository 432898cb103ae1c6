"""The monitor brings every line of every journal once, survives what fails around it, and says so once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jlab_tui.adapters.journal.bell import Bell, BellReader
from jlab_tui.adapters.journal.directory import DirectoryRecords
from jlab_tui.adapters.journal.journal_reader import JournalReader
from jlab_tui.adapters.journal.places import all_journals, move_closed
from jlab_tui.core.errors import JlabError, ServerUnreachable
from jlab_tui.core.feed.items import Change, FeedCell, Note
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    HumanActed,
    RunStarted,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.server.record import KernelInfo, Mode, ServerRecord, ServerState
from jlab_tui.core.server.resources import GpuSample, Sample
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.services.dashboard.actions import RecordedActions, Target
from jlab_tui.services.dashboard.monitor import Monitor
from jlab_tui.services.dashboard.overview import SessionState

HOST = "here"
READY = ServerStatus(ServerRecord(ServerState.READY, Mode.LOCAL), "", "", reachable=True)


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.troubles: list[str] = []
        self.read: list[str] = []

    def items_changed(self, changes: Sequence[Change]) -> None:
        self.changes += changes

    def record_read(self, session: str) -> None:
        self.read.append(session)

    def server_changed(self) -> None:
        pass

    def resources_changed(self) -> None:
        pass

    def trouble(self, sentence: str) -> None:
        self.troubles.append(sentence)


class Node:
    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.samples: list[Sample] = []
        self.asked: list[float] = []

    async def look(self) -> ServerStatus:
        return READY

    async def kernels(self, record: ServerRecord) -> tuple[KernelInfo, ...]:
        return (KernelInfo("k-user", "python3", "busy", 1, "x.ipynb"),)

    async def resources(self, record: ServerRecord, history_s: float) -> list[Sample]:
        self.asked.append(history_s)
        if self.failure is not None:
            raise self.failure
        return self.samples


class Place:
    """Journals on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sessions, self.actions = directory / "sessions", directory / "actions"
        self.sessions.mkdir()
        self.actions.mkdir()
        self.bell = Bell(directory / "fifos", HOST)

    def write(self, name: str, *events: Event, folder: str = "sessions") -> None:
        with (self.directory / folder / name).open("ab") as file:
            for event in events:
                file.write(encode(Entry(5.0, event)))

    def monitor(self, node: Node) -> Monitor:
        return Monitor(
            node,
            node,
            DirectoryRecords(self.sessions, self.actions),
            lambda on_news: BellReader(self.directory / "fifos", HOST, on_news),
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


async def test_of_closed_sessions_only_the_ends_are_read_until_they_are_wanted(place: Place) -> None:
    text = [TextPrinted("old-1", "stdout", "x" * 200_000 + "\n") for _ in range(20)]
    run = RunStarted("old-1", "t", "c", "long()")
    place.write("old.1.jsonl", opened("old"), run, *text, SessionClosed("done"))
    place.write("new.1.jsonl", opened("new"), RunStarted("new-1", "t", "c", "now()"))
    place.write("me.jsonl", HumanActed("interrupt", "old", "old-1", by="ben"), folder="actions")
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        rows = {row.session: row for row in monitor.rows}
        assert (
            rows["old"].is_partial and rows["old"].state is SessionState.CLOSED and rows["old"].name == "old"
        )
        assert not rows["new"].is_partial and rows["new"].cells == 1
        assert monitor.feed.sessions["old"].items == []
        monitor.want("old")
        await until(lambda: heard.read == ["old"])
        view = monitor.feed.sessions["old"]
        assert view.cells == 1 and not view.is_partial
        texts = [item.text for item in view.items if isinstance(item, Note)]
        assert any("ben interrupted" in text for text in texts)


async def test_a_closed_session_that_continues_is_read_as_a_whole(place: Place) -> None:
    place.write("old.1.jsonl", opened("old"), RunStarted("old-1", "t", "c", "a()"), SessionClosed("done"))
    monitor = place.monitor(Node())
    async with running(monitor) as heard:
        assert monitor.feed.sessions["old"].is_partial
        place.write("old.2.jsonl", opened("old"), RunStarted("old-2", "t", "c", "b()"))
        place.bell.ring({"session": "old", "kind": "run"})
        await until(lambda: heard.read == ["old"])
        assert monitor.feed.sessions["old"].cells == 2


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
        assert monitor.feed.sessions["old"].is_partial and heard.read == []


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
        assert [r.state for r in monitor.rows if r.session == "a"] == [SessionState.CLOSED]
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


async def test_the_actions_of_a_dashboard_that_has_ended_are_read_once(place: Place) -> None:
    ended, other = f"{socket.gethostname()}-{2**30}.jsonl", "elsewhere-1.jsonl"
    place.write("s1.1.jsonl", opened("s1"))
    for name in (ended, other):
        place.write(name, HumanActed("interrupt", "s1", by=f"ben@{name}", outcome="done"), folder="actions")
    records = _Counting(place.sessions, place.actions)
    async with running(Monitor(Node(), Node(), records)) as heard:
        await until(lambda: sum(path.name == other for path in records.read) >= 3)
        notes = {getattr(change.item, "text", "") for change in heard.changes}
        assert any(ended in note for note in notes) and any(other in note for note in notes)
        assert sum(path.name == ended for path in records.read) == 1


class _Counting(DirectoryRecords):
    def __init__(self, sessions: Path, actions: Path) -> None:
        super().__init__(sessions, actions)
        self.read: list[Path] = []

    def follow(self, path: Path) -> JournalReader:
        return _CountingReader(path, self.read)


class _CountingReader(JournalReader):
    def __init__(self, path: Path, read: list[Path]) -> None:
        super().__init__(path)
        self._read = read

    def read(self, limit: int = 64 << 20) -> list[Entry]:
        self._read.append(self.path)
        return super().read(limit)


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

    def journals(self) -> dict[str, list[Path]]:
        if not self.looked:
            self.looked = True
            raise KeyError("surprise")
        return super().journals()


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


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(None, "It is idle."), (JlabError("No answer.", "Try again."), "failed: No answer.")],
)
async def test_an_action_is_on_record_before_it_is_done_and_so_is_its_outcome(
    failure: JlabError | None, outcome: str
) -> None:
    order: list[str] = []
    actions = RecordedActions(Acts(order, failure), Log(order), by="ben@h", clock=lambda: 1.0)
    with contextlib.suppress(JlabError):
        await actions.interrupt(Target("s", "k", "n", "r"))
    assert order == ["record interrupt (): ", "interrupt", f"record interrupt (): {outcome}"]
    with contextlib.suppress(JlabError):
        await actions.interrupt(Target("s", "k", "n", "r"), "too slow")
    assert order[3] == "record interrupt (too slow): "
