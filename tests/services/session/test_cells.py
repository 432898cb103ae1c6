"""Running and editing cells: what is refused has changed nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from jlab_tui.adapters.notebook import NotebookDirectory
from jlab_tui.core.errors import NotebookError, ServerUnreachable, SessionBusy
from jlab_tui.core.journal.events import RunStatus
from jlab_tui.core.kernel.wire import KernelMessage, Request
from jlab_tui.core.notebook.notebook import NotebookCell
from jlab_tui.core.notebook.pace import NotebookChange
from jlab_tui.core.session.protocol import RunClosed
from jlab_tui.services.ports import Journals
from jlab_tui.services.session.cells import checked_code
from jlab_tui.services.session.reader import Reader
from tests.kernels import Transcript
from tests.services.session.test_replay import Process, RecordedStream

OUTPUT = {"output_type": "stream", "name": "stdout", "text": "old output\n"}


class Stream(RecordedStream):
    """A link that can be down, or takes its time to send."""

    def __init__(self) -> None:
        super().__init__(())
        self.is_down = False
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.sending = asyncio.Event()
        self.on_ready: Callable[[], object] = lambda: None

    async def ready(self, timeout: float) -> None:
        await asyncio.sleep(0)
        self.on_ready()
        if self.is_down:
            raise TimeoutError

    async def send(self, request: Request) -> bool:
        self.sending.set()
        await self.may_send.wait()
        return True


class Room:
    """A session with one cell that has run, and what works on it."""

    def __init__(self, folder: Path) -> None:
        self.stream = Stream()
        self.process = Process(folder, Transcript({}, ()), self.stream)
        self.session = self.process.session
        self.old = NotebookCell("old", "code", "old source", [dict(OUTPUT)])
        self.session.notebook.insert(self.old)

    @property
    def sources(self) -> list[str]:
        return [cell.source for cell in self.session.notebook.cells]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    await made.process.begin()
    yield made
    await made.process.end()


async def test_an_edit_that_is_refused_because_a_run_is_in_progress_leaves_the_cell_alone(room: Room) -> None:
    await room.session.cells.execute("run")
    with pytest.raises(SessionBusy):
        await room.session.cells.edit("old", "new source", run=True)
    assert room.sources == ["old source", "run"]
    assert room.old.outputs == [OUTPUT]


async def test_an_edit_that_cannot_be_sent_leaves_the_cell_alone(room: Room) -> None:
    room.stream.is_down = True
    with pytest.raises(ServerUnreachable):
        await room.session.cells.edit("old", "new source", run=True)
    assert room.sources == ["old source"]
    assert room.old.outputs == [OUTPUT]


async def test_an_edit_that_is_run_is_recorded_with_its_new_source(room: Room) -> None:
    _, run = await room.session.cells.edit("old", "new source", run=True)
    assert run is not None and run.source == "new source"
    assert room.sources == ["new source"] and room.old.outputs == []


async def test_code_that_cannot_be_sent_leaves_no_cell_and_takes_none_away(room: Room) -> None:
    room.stream.is_down = True
    work = asyncio.create_task(room.session.cells.execute("unsent"))
    while len(room.session.notebook.cells) == 1:
        await asyncio.sleep(0)
    room.session.notebook.insert(NotebookCell("other", "markdown", "added meanwhile"), 0)
    with pytest.raises(ServerUnreachable):
        await work
    assert room.sources == ["added meanwhile", "old source"]


async def test_a_cell_whose_call_is_cancelled_while_its_code_is_sent_stays(room: Room) -> None:
    room.stream.may_send.clear()
    work = asyncio.create_task(room.session.cells.execute("sent"))
    await room.stream.sending.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    room.stream.may_send.set()
    assert room.sources == ["old source", "sent"]
    assert room.session.current is not None and room.session.current.source == "sent"


async def test_an_interrupt_leaves_the_users_own_code_alone_and_takes_ours_when_it_begins(room: Room) -> None:
    interrupted = asyncio.Event()

    async def interrupt(kernel_id: str) -> None:
        interrupted.set()

    session = room.session
    vars(room.process.api).update(interrupt=interrupt)
    room.stream.on_message(KernelMessage("iopub", "execute_input", "m1", "the user's", {}, 1))
    run = await session.cells.execute("queued")
    assert "keeps running" in await session.interrupt("you (interrupt_kernel)")
    assert not interrupted.is_set()
    idle = {"execution_state": "idle"}
    room.stream.on_message(KernelMessage("iopub", "status", "m2", "the user's", idle, 2))
    room.stream.on_message(
        KernelMessage("iopub", "execute_input", "m3", run.msg_id, {"execution_count": 1}, 3)
    )
    await asyncio.wait_for(interrupted.wait(), 30)
    assert run.interrupted_by == "you (interrupt_kernel)"


async def saved(room: Room) -> None:
    room.session._sync.changed(NotebookChange.CELL)
    await room.process.saver.flush()


async def theirs(room: Room, *cells: tuple[str, str]) -> None:
    """Somebody else writes the file."""
    await saved(room)
    raw: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": name,
            "source": text,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for name, text in cells
    ]
    path = room.process.file.path
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8"
    )


async def test_a_text_that_the_user_changed_is_shown_before_it_can_be_replaced(room: Room) -> None:
    await theirs(room, ("old", "the user's"))
    for work in (
        lambda: room.session.cells.edit("old", "new", run=False),
        lambda: room.session.cells.delete("old"),
    ):
        room.session.notebook.cells[0].is_edited = True
        with pytest.raises(
            NotebookError, match=r"Call again to change it anyway\. The text is now:\nthe user's"
        ):
            await work()
    assert room.sources == ["the user's"]
    await room.session.cells.edit("old", "new", run=False)
    assert room.sources == ["new"]


async def test_a_text_that_the_user_changed_is_run_and_the_reply_says_so(room: Room) -> None:
    await theirs(room, ("old", "the user's"))
    run = await room.session.cells.run("old")
    assert run.source == "the user's" and "the changed text ran" in run.notes[0]


async def test_an_index_that_means_another_cell_than_before_is_refused_once(room: Room) -> None:
    await theirs(room, ("their", "inserted"), ("old", "old source"))
    for work in (
        lambda: room.session.cells.edit(0, "new", run=False),
        lambda: room.session.cells.run(0),
        lambda: room.session.cells.delete("0"),
    ):
        room.session.notebook.is_shifted = True
        with pytest.raises(NotebookError, match="index 0 is now cell their, which begins with 'inserted'"):
            await work()
    assert room.sources == ["inserted", "old source"]
    room.session.notebook.is_shifted = True
    await room.session.cells.edit("old", "by its id", run=False)
    room.session.notebook.is_shifted = False
    await room.session.cells.edit(0, "by its index", run=False)
    assert room.sources == ["by its index", "by its id"]


async def test_a_cell_is_run_that_a_merge_has_made_anew_meanwhile(room: Room) -> None:
    await saved(room)
    room.stream.on_ready = lambda: setattr(
        room.session.notebook, "cells", [NotebookCell("old", "code", "old source")]
    )
    await room.session.cells.edit("old", "new source", run=True)
    assert room.sources == ["new source"]


async def test_an_empty_cell_is_not_run(room: Room) -> None:
    room.old.source = " \n"
    with pytest.raises(NotebookError, match="empty"):
        await room.session.cells.run("old")


async def test_the_map_tells_outputs_of_this_text_and_kernel_from_others(room: Room) -> None:
    session = room.session

    def states() -> list[str]:
        return [row.state for row in Reader.rows(session, session.notebook.cells)]

    session.notebook.insert(NotebookCell("user", "code", "the user's", [dict(OUTPUT)], 7))
    assert states() == ["stale", "stale"]
    room.stream.on_message(KernelMessage("iopub", "execute_input", "m1", "u", {"code": "the user's"}, 1))
    room.stream.on_message(KernelMessage("iopub", "status", "m2", "u", {"execution_state": "idle"}, 2))
    run = await session.cells.run("old")
    assert states() == ["running", "ok"]
    session._intake.apply(RunClosed(run.id, RunStatus.OK, ""))
    assert states() == ["ok", "ok"]
    await session.cells.edit("old", "not run", run=False)
    assert states() == ["never run", "ok"]
    session.notebook.cells[session.notebook.find("old")].outputs = [dict(OUTPUT)]
    assert states() == ["stale", "ok"], "outputs of another text"


async def test_a_scratch_session_says_that_it_has_no_notebook(room: Room, tmp_path: Path) -> None:
    room.session._sync.autosave, autosave = None, room.session._sync.autosave
    notebooks = NotebookDirectory(tmp_path, tmp_path, tmp_path, tmp_path)
    for work in (
        Reader(cast(Journals, None), notebooks).notebook(room.session, ""),
        room.session.cells.execute("1"),
        room.session.cells.edit(0, "1", run=True),
    ):
        with pytest.raises(NotebookError, match="scratch session has no notebook"):
            await work
    room.session._sync.autosave = autosave


def test_empty_code_is_refused_before_a_kernel_is_started_for_it() -> None:
    with pytest.raises(NotebookError, match="empty"):
        checked_code(" \n")
