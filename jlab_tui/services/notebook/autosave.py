"""Keeps a notebook file following its cells: off the critical path, paced by its size, merged with what others wrote."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ...core.errors import NotebookError
from ...core.notebook.merge import merge
from ...core.notebook.notebook import ChangedOnDisk, Notebook, copy_cells
from ..ports import NotebookFile

log = logging.getLogger(__name__)

PAUSE_S: Final = 0.2
"""between two saves of a small notebook"""
_GATHER_S: Final = 0.05
"""a first change waits for more, so that a short cell is saved once and not while it runs"""
RETRY_S: Final = 2.0
"""after a save that failed"""
_HELD_S: Final = 0.5
"""between two looks whether saving may go on"""
_PACE: Final = 4.0
"""a save that took t seconds is followed by a pause of at least 4 t, also in a hurry: a large notebook must not slow
down cells that follow each other fast"""
_PAUSE_MOST_S: Final = 10.0
"""a save may seem long since this process was stopped meanwhile"""


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
    ) -> None:
        """`before_save` brings the notebook up to date. While `may_write` does not know whether this process still holds
        the session, saving waits. `on_moved` gets the new path after somebody renamed the notebook."""
        self._before_save = before_save
        self._may_write = may_write
        self._on_moved = on_moved
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
        self._flushing = asyncio.Event()
        self._dirty = False
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._clean = asyncio.Event()
        self._clean.set()

    def changed(self, *, now: bool = False) -> None:
        """Note a change of the notebook. `now`: do not wait for more."""
        if self._abandoned:
            return
        self._dirty = True
        self._clean.clear()
        self._wake.set()
        if now:
            self._hurry.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"save {self.file.path.name}")

    def abandon(self) -> None:
        """Stop writing, because another process writes this notebook now."""
        self._abandoned = True
        self._dirty = False
        self._clean.set()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def flush(self, timeout: float = 30.0) -> None:
        """Wait until the file holds everything, or saving failed."""
        if self._dirty or not self._clean.is_set():
            self._clean.clear()
            self._wake.set()
            self._hurry.set()
            self._flushing.set()
            try:
                await asyncio.wait_for(self._clean.wait(), timeout)
            except TimeoutError:
                self.failure = f"saving {self.file.path} takes longer than {timeout:g} s."
            finally:
                self._flushing.clear()

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
        while True:
            await self._wake.wait()
            await _pause(_GATHER_S, self._hurry)
            self._wake.clear()
            self._hurry.clear()
            if not self._dirty:  # woken for what the last save has written
                self._clean.set()
                continue
            if not self._may_write() and not self._is_closing:
                self.failure = (
                    "The notebook is saved when the connection to the server is back: until then it is not "
                    "certain that no other process has taken the session over."
                )
                self._wake.set()
                await asyncio.sleep(_HELD_S)
                continue
            self._clean.clear()
            try:
                async with self._one_at_a_time:
                    seconds = await self._save()
            except Exception as error:
                log.exception("saving %s failed", self.file.path)
                self.failure = f"The notebook could not be saved ({type(error).__name__}: {error})."
                seconds = None
            if seconds is None:
                self._dirty = True
                self._wake.set()
            if seconds is None or not self._dirty:
                self._clean.set()
            if seconds is not None:
                await _pause(min(_PACE * seconds, _PAUSE_MOST_S), self._flushing)
            await _pause(PAUSE_S if seconds is not None else RETRY_S, self._hurry)

    async def _save(self) -> float | None:
        """Save once, and merge what others wrote. Returns the seconds that it took, None if it failed."""
        for _attempt in range(3):
            self._dirty = False
            self._before_save()
            removed = set(self.notebook.removed)
            try:
                saved = await asyncio.to_thread(
                    self.file.save, copy_cells(self.notebook), dict(self.notebook.metadata)
                )
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
            for cell in self.notebook.cells:
                if cell.id in saved.fragments and saved.fragments[cell.id][0] == cell.version:
                    cell.fragment = saved.fragments[cell.id][1]
                if cell.id in saved.versions:
                    cell.saved_version, cell.saved_source = saved.versions[cell.id]
            return saved.seconds
        self.failure = f"Somebody else keeps writing {self.file.path}."
        return None

    async def _merge(self) -> None:
        path = self.file.path
        known = {cell.id for cell in self.notebook.cells}
        try:
            if not await asyncio.to_thread(self.file.look_after, known):
                self.merge_notes.append(f"Somebody else removed {path}, so jlab-mcp writes a new one.")
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
        self.notebook.cells, self.notebook.metadata = merged.cells, merged.metadata
        self.notebook.is_shifted = merged.is_shifted
        self.merge_notes += troubles


async def _pause(seconds: float, end: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        # Not `wait_for`, which can swallow a cancellation before Python 3.12: `close` would wait for ever.
        async with asyncio.timeout(seconds):
            await end.wait()
