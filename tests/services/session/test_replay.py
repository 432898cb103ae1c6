"""A session whose process is killed anywhere and taken over by the next one has the same outputs, journal and notebook.

Real session, journal and notebook files; the kernel is a recorded one, whose stream is read on from any number.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.journal.events import Event, RunFinished, RunStarted, SessionOpened
from jlab_tui.core.kernel.link import LinkChange
from jlab_tui.core.kernel.wire import KernelMessage, Request
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell
from jlab_tui.core.notebook.output_format import to_nbformat
from jlab_tui.core.notebook.output_items import CellLimits
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.server.record import Mode, ServerRecord, ServerState
from jlab_tui.core.session.replay import rebuild_all, replay
from jlab_tui.core.session.run import Run
from jlab_tui.core.session.state import SessionStatus
from jlab_tui.services.ports import Jupyter, SessionPorts, Spool
from jlab_tui.services.session.session import Session
from jlab_tui.services.session.user_actions import UserActions
from tests.jupyters import Diagnosis, EchoServer
from tests.kernels import NAMES, Transcript, transcript

ID = "abcd1234"
SERVER = ServerRecord(ServerState.READY, Mode.LOCAL, started=EchoServer.started)


class RecordedStream:
    """What the Jupyter extension keeps of a kernel: everything that was not acknowledged."""

    resumable = True
    connected = True
    oddities = 0
    silent_for = unsure_for = 0.0

    def __init__(self, messages: Sequence[KernelMessage]) -> None:
        self.messages = messages
        self.seq = 0
        self.acknowledged = 0

    def since(self, seq: int) -> Sequence[KernelMessage]:
        assert seq >= self.acknowledged, "messages that are asked for were forgotten"
        return self.messages[seq:]

    def acknowledge(self, seq: int) -> None:
        self.acknowledged = max(self.acknowledged, seq)

    def open(
        self,
        on_message: Callable[[KernelMessage], None],
        on_change: Callable[[LinkChange], None],
        on_act: Callable[[Event], None] = lambda act: None,
    ) -> None:
        self.on_message, self.on_change = on_message, on_change

    def renew(self) -> None: ...
    async def ready(self, timeout: float) -> None: ...
    async def close(self) -> None: ...

    async def send(self, request: Request) -> bool:
        return True

    async def ask(self, request: Request, timeout: float) -> KernelMessage:
        raise TimeoutError


class Process:
    """The part of an MCP server process that follows one kernel."""

    def __init__(self, folder: Path, recorded: Transcript, stream: RecordedStream) -> None:
        self.recorded, self.stream = recorded, stream
        self.store = JournalStore(folder / "sessions", folder / "actions", lambda: folder / "fifos", "host")
        self.file = NotebookFile(folder / "notebook.ipynb")
        entries = self.store.read_briefly(self.store.files(ID))
        self.record = replay(ID, entries)
        notebook = self.file.load() if self.file.path.exists() else Notebook()
        self.api = SimpleNamespace()

        def read_back(runs: Sequence[Run], limits: CellLimits) -> dict[str, CellOutputs]:
            return rebuild_all(
                runs, self.store.read_runs(runs[0].journal, runs[0].offset, [run.id for run in runs]), limits
            )

        opened = SessionOpened(ID, "name", str(self.file.path), "k", "host", 0.0, epoch=self.record.epoch + 1)
        self.writer = self.store.writer(ID, self.record.epoch + 1)
        ports = SessionPorts(
            api=cast(Jupyter, self.api),
            journal=self.writer,
            file=self.file,
            link=stream,
            spool=cast(Spool, None),
            read_back=read_back,
            now=time.time,
            server=SERVER,
            diagnosis=Diagnosis(EchoServer()),
            actions=UserActions(self.store.new_actions, self.store.has_ended, time.time),
            hold_limit_s=600.0,
        )
        self.session = Session(opened, SessionStatus(ID, "k", is_recorded=True), ports, notebook)
        autosave = self.session._sync.autosave
        assert autosave is not None
        self.saver = autosave

    async def begin(self) -> None:
        """Open the session, or take it over."""
        await self.session.resume(self.record)
        await self.session.connect(30)

    async def take_in(self, messages: Sequence[KernelMessage]) -> None:
        numbers = {msg_id: number for number, msg_id in enumerate(self.recorded.cells, 1)}
        for message in messages:
            number = numbers.get(message.parent_id, 0)
            if number and f"{ID}-{number}" not in self.session.runs:
                self._start(number, message.parent_id)
            self.stream.on_message(message)

    def _start(self, number: int, msg_id: str) -> None:
        cell, name, code = f"cell-{number}", f"{ID}-{number}", self.recorded.cells[msg_id]
        journal = self.session.journal
        run = Run(name, ID, "execute_code", cell, code, msg_id, time.time(), journal.path, 0)
        run.offset = journal.record(RunStarted(name, "execute_code", cell, code, msg_id))
        self.session.notebook.insert(NotebookCell(cell, "code", code))
        self.session._intake.adopt(run)

    async def end(self) -> None:
        await self.session.close()
        # What it still acknowledges is acknowledged when this returns: a dead process does nothing later.
        for thread in threading.enumerate():
            if thread.name == f"journal {self.writer.path.name}":
                await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)

    async def kill(self) -> None:
        """What had not reached the files is gone; the journal's thread ends without being asked to write more."""
        async with (
            self.saver._one_at_a_time
        ):  # a thread that saves dies with its process; here it would go on
            self.saver.abandon()
        self.session.journal.abandon()
        await self.end()


def folded(folder: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """How the runs ended, their outputs by the journals, and the cells of the notebook file."""
    store = JournalStore(folder / "sessions", folder / "actions", lambda: folder / "fifos", "host")
    record = replay(ID, store.read(store.files(ID)))
    assert not record.unfinished
    statuses = [(r.id, r.status, r.execution_count) for r in record.runs.values()]
    ends = [e.event for _, _, e in store.read(store.files(ID)) if isinstance(e.event, RunFinished)]
    assert len(ends) == len(record.runs), "every run ends once"
    outputs = [
        to_nbformat(rebuild_all([run], store.read_runs(run.journal, run.offset, [run.id]))[run.id], "record")
        for run in record.runs.values()
    ]
    cells = [
        (c.id, c.execution_count, c.outputs) for c in NotebookFile(folder / "notebook.ipynb").load().cells
    ]
    return statuses, outputs, cells


def played(name: str, cuts: Sequence[tuple[int, int, bool]]) -> tuple[list[Any], list[Any], list[Any]]:
    """Play a transcript; at each cut (message, bytes of the journal that never reached the disk, notebook saved) the
    process is killed."""
    folder = Path(tempfile.mkdtemp(prefix="replay-"))
    try:
        asyncio.run(_play(folder, transcript(name), cuts))
        return folded(folder)
    finally:
        shutil.rmtree(folder)


async def _play(folder: Path, recorded: Transcript, cuts: Sequence[tuple[int, int, bool]]) -> None:
    stream = RecordedStream(recorded.messages)
    for at, unwritten, is_saved in sorted(cuts):
        process = Process(folder, recorded, stream)
        await process.begin()
        await process.take_in(stream.since(process.record.seq)[: max(0, at - process.record.seq)])
        if is_saved:
            async with process.saver._one_at_a_time:
                process.session._sync.store_running()
                process.file.save(process.session.notebook.pages(), {})
        await process.kill()
        _tear(process, unwritten, stream.acknowledged)
    process = Process(folder, recorded, stream)
    await process.begin()
    await process.take_in(stream.since(process.record.seq))
    await process.end()


def _tear(process: Process, count: int, acknowledged: int) -> None:
    """Cut the end off the newest journal, but nothing that was acknowledged or says that code was sent."""
    path = process.session.journal.path
    data = path.read_bytes()
    keep = 0
    for line in data.splitlines(keepends=True):
        known = json.loads(line)
        if known["k"] in ("run", "opened") or known.get("seq", acknowledged + 1) <= acknowledged:
            keep = data.index(line) + len(line)
    path.write_bytes(data[: max(keep, len(data) - count)])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_session_cut_anywhere_has_the_same_outputs_journal_and_notebook(
    name: str, data: st.DataObject
) -> None:
    total = len(transcript(name).messages)
    cut = st.tuples(st.integers(0, total), st.integers(0, 400), st.booleans())
    cuts = data.draw(st.lists(cut, min_size=1, max_size=3), label="cuts")
    assert played(name, cuts) == whole(name)


_whole: dict[str, Any] = {}


def whole(name: str) -> Any:
    if name not in _whole:
        _whole[name] = played(name, [])
    return _whole[name]
