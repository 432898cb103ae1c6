"""Keeps a notebook file following its cells: off the critical path, paced by its size, merged with what others wrote."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from ...core.errors import NotebookError
from ...core.notebook.file_text import overwritten
from ...core.notebook.merge import merge
from ...core.notebook.notebook import ChangedOnDisk, Notebook, NotebookCell, to_encode
from ...core.notebook.pace import LARGE, QUIET_S, NotebookChange, SavePace
from ...core.notebook.stored import StoredOutputs, has_recorded
from ..ports import NotebookFile

log = logging.getLogger(__name__)

_HELD_S: Final = 0.5
"""between two looks whether saving may go on"""
_FOLLOWS: Final = (
    f"The notebook is larger than {LARGE // 1_000_000} MB, so its file follows when no cell has run for {QUIET_S:g} s; "
    "the run's record has every output at once."
)
_OVERWRITTEN: Final = "It was overwritten before, so the outputs of these cells are gone: {cells}. Those of runs are on record: read_output."


async def _nothing() -> None: ...


class Autosave:
    """Saves the notebook after changes. A failure becomes a warning, never a lost output."""

    def __init__(
        self,
        file: NotebookFile,
        notebook: Notebook,
        *,
        before_save: Callable[[], None] = lambda: None,
        may_write: Callable[[], bool] = lambda: True,
        on_moved: Callable[[Path], None] = lambda path: None,
        is_running: Callable[[], bool] = lambda: False,
        on_held: Callable[[float], None] = lambda until: None,
        flush_record: Callable[[], Awaitable[None]] = _nothing,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`before_save` brings the notebook up to date. While `may_write` does not know whether this process still holds
        the session, saving waits. `on_moved` gets the new path after somebody renamed the notebook. `is_running` tells
        whether a cell runs. `on_held` gets the time (of `now`, epoch seconds) up to which a file that may fall behind holds
        every change. `flush_record` returns when everything recorded so far can be read back."""
        self._before_save = before_save
        self._flush_record = flush_record
        self._may_write = may_write
        self._on_moved = on_moved
        self._is_running = is_running
        self._on_held = on_held
        self._now = now
        self._pace = SavePace()
        self.held_until = now()
        """epoch seconds up to which the file holds every change"""
        self._told_until: float | None = None
        self._told_reader = False
        self.file = file
        self.notebook = notebook
        self.failure = ""
        """why the last save failed, one sentence"""
        self.conflict = ""
        """why somebody else's version of the file cannot be merged; the file stays unchanged meanwhile"""
        self.merge_notes = [file.note] if file.note else []
        """conflicts of a merge, until a reply shows them"""
        self._one_at_a_time = asyncio.Lock()
        """for saving and merging: the cells that are saved are those of the file that was read last"""
        self._refreshing: asyncio.Task[bool] | None = None
        self._abandoned = False
        self._is_closing = False
        self._waiting: list[asyncio.Future[None]] = []
        """of those who wait for a save of what has changed by now"""
        self._served: list[asyncio.Future[None]] = []
        """of those who wait for the save in progress"""
        self._is_saving = False
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether the file is so large that it follows later, and lacks more than output."""
        return self.file.size > LARGE and self._pace.cells_since is not None

    def changed(self, change: NotebookChange = NotebookChange.CELL) -> None:
        """Note a change of the notebook."""
        if self._abandoned:
            return
        if self._pace.changed(asyncio.get_running_loop().time(), change):
            self._wake.set()
        if self.file.size > LARGE and self._told_until is None:
            self._tell_held()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"save {self.file.path.name}")

    def take_note(self) -> str:
        """Return, once, that the file follows later, if it does; one sentence."""
        if self._told_reader or not self.is_behind:
            return ""
        self._told_reader = True
        return _FOLLOWS

    def abandon(self) -> None:
        """Stop writing, because another process writes this notebook now."""
        self._abandoned = True
        self._pace.begins()
        self._served, self._waiting = self._served + self._waiting, []
        self._serve()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def flush(self, timeout: float = 30.0) -> None:
        """Wait until the file holds everything, or saving failed."""
        if not self._pace.has_changes and not self._is_saving:
            return
        done = asyncio.get_running_loop().create_future()
        (self._waiting if self._pace.has_changes else self._served).append(done)
        self._wake.set()
        try:
            await asyncio.wait_for(done, timeout)
        except TimeoutError:
            self.failure = f"saving {self.file.path} takes longer than {timeout:g} s."

    async def close(self) -> None:
        self._is_closing = True
        await self.flush()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def refresh(self) -> bool:
        """Merge what somebody else wrote to the file. Returns whether they did."""
        # Cancelling must not leave a file that was read but not merged: the next save would overwrite it.
        self._refreshing = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._refreshing)

    async def _refresh(self) -> bool:
        if self._abandoned or not await asyncio.to_thread(self.file.changed):
            return False
        async with self._one_at_a_time:
            await self._merge()
        return True

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until_due()
            if not self._may_write() and not self._is_closing:
                self.failure = (
                    "The notebook is saved when the connection to the server is back: until then it is not "
                    "certain that no other process has taken the session over."
                )
                await asyncio.sleep(_HELD_S)
                continue
            self._served, self._waiting, self._is_saving = self._waiting, [], True
            try:
                async with self._one_at_a_time:
                    seconds = await self._save()
            except Exception as error:
                log.exception("saving %s failed", self.file.path)
                self.failure = f"The notebook could not be saved ({type(error).__name__}: {error})."
                seconds = None
            if seconds is None:
                self._pace.failed(loop.time())
            else:
                self._pace.saved(loop.time(), seconds)
            self._is_saving = False
            self._serve()

    def _serve(self) -> None:
        """Tell those who wait that the save is over."""
        for done in self._served:
            if not done.done():
                done.set_result(None)
        self._served = []

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._waiting:
            self._wake.clear()
            left = self._pace.due(self.file.size, is_running=self._is_running()) - loop.time()
            if left <= 0:
                return
            await _pause(left, self._wake)

    async def _save(self) -> float | None:
        """Save once, and merge what others wrote. Returns the seconds that it took, None if it failed."""
        for _attempt in range(3):
            self._pace.begins()
            held_until = self._now()
            self._before_save()
            removed = set(self.notebook.removed)
            pages = self.notebook.pages()
            if any(has_recorded(cell.outputs) for cell in to_encode(pages)):
                await self._flush_record()
            try:
                saved = await asyncio.to_thread(self.file.save, pages, dict(self.notebook.metadata))
            except ChangedOnDisk:
                if not self._may_write():
                    self.failure = f"Somebody else wrote {self.file.path}; the last changes are only in the run's record."
                    return None
                await self._merge()
                if self.conflict:
                    return None
                continue
            except OSError as error:
                self.failure = (
                    f"The notebook could not be saved: {error.strerror or error} ({self.file.path})."
                )
                return None
            self.failure = ""
            for cell_id in removed:
                self.notebook.removed.pop(cell_id, None)
            self.notebook.saved(saved)
            # The file before leaves the disk with the last that could be read there, and a large one takes a while to.
            await asyncio.to_thread(_let_go, pages, saved.pages)
            self.held_until = held_until
            if self.file.size > LARGE or self._told_until is not None:
                self._tell_held()
            return saved.seconds
        self.failure = f"Somebody else keeps writing {self.file.path}."
        return None

    async def _merge(self) -> None:
        path = self.file.path
        known = {cell.id for cell in self.notebook.cells}
        try:
            if not await asyncio.to_thread(self.file.look_after, known):
                self.merge_notes.append(f"Somebody else removed {path}, so jlab-mcp writes a new one.")
                self._give_up(await asyncio.to_thread(overwritten, list(self.notebook.cells)))
                return
            theirs = await asyncio.to_thread(self.file.load)
        except NotebookError as error:
            self.conflict = f"Somebody else wrote the notebook and it cannot be merged: {error.message}"
            return
        self.conflict = ""
        if self.file.path != path:
            self.merge_notes.append(
                f"The notebook was renamed to {self.file.path}; the session continues with it."
            )
            self._on_moved(self.file.path)
        self._before_save()
        merged, troubles = merge(self.notebook, theirs)
        self.notebook.become(merged)
        self.merge_notes += troubles

    def _give_up(self, lost: list[NotebookCell]) -> None:
        """Do without the texts of cells that a file had, and without the outputs that only it had."""
        gone = [cell.id for cell in lost if isinstance(cell.outputs, StoredOutputs)]
        for cell in lost:
            cell.outputs = [] if isinstance(cell.outputs, StoredOutputs) else cell.outputs
            cell.touch()
        if gone:
            self.merge_notes.append(_OVERWRITTEN.format(cells=", ".join(gone[:10])))

    def _tell_held(self) -> None:
        if self._told_until != self.held_until:
            self._told_until = self.held_until
            self._on_held(self.held_until)


def _let_go(*copies: list[Any]) -> None:
    for each in copies:
        each.clear()


async def _pause(seconds: float, end: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        # Not `wait_for`, which can swallow a cancellation before Python 3.12: `close` would wait for ever.
        async with asyncio.timeout(seconds if math.isfinite(seconds) else None):
            await end.wait()
