"""Keeps the cells of a session's notebook in sync with the outputs of its runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...core.errors import NotebookError
from ...core.journal.events import DataUpdated, RunStatus
from ...core.notebook.file_text import outputs_of
from ...core.notebook.notebook import Notebook, NotebookCell
from ...core.notebook.output_format import to_nbformat
from ...core.notebook.outputs import CellOutputs
from ...core.notebook.pace import NotebookChange
from ...core.notebook.widget_state import SessionWidgets
from ...core.session.replay import ReplayedSession
from ...core.session.run import Run
from ..ports import NotebookFile, ReadBack
from .autosave import Autosave
from .displays import Displays

_LOST_ENDS: Final = {
    RunStatus.DIED: "KernelDied",
    RunStatus.JOB_ENDED: "JobEnded",
    RunStatus.LOST: "ConnectionLost",
    RunStatus.ABORTED: "Aborted",
}
"""the notebook's text for a run that neither finished nor raised"""
_LATE_S: Final = 0.3
"""seconds to gather late output of ended runs before their cells change"""
_PACE: Final = 4.0
_UNSAVED_S: Final = 5.0
"""how far, in seconds, a notebook may lag behind the journal that says nothing of it, when its process is killed"""
_CLOCK_S: Final = 0.001  # to which the times of a journal are rounded


class OutputSync:
    """Writes outputs into cells. Without a notebook (a scratch session) it does nothing."""

    def __init__(
        self,
        file: NotebookFile | None,
        notebook: Notebook | None,
        read_back: ReadBack,
        flush: Callable[[], Awaitable[None]],
        *,
        may_write: Callable[[], bool] = lambda: True,
        on_moved: Callable[[Path], None] = lambda path: None,
        on_held: Callable[[float], None] = lambda until: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`flush` returns when everything recorded so far can be read back; for the others see `Autosave`."""
        self.widgets = SessionWidgets()
        self._stored_widgets: tuple[int, dict[str, Any] | None] = 0, None
        """their version in the notebook, and what it got; a merge brings another process's"""
        self.autosave: Autosave | None = None
        """None if there is no notebook"""
        if file is not None and notebook is not None:
            self.autosave = Autosave(
                file,
                notebook,
                before_save=self.store_running,
                may_write=may_write,
                on_moved=on_moved,
                is_running=lambda: self._running is not None and not self._running.status.is_final,
                on_held=on_held,
                flush_record=flush,
                now=now,
            )
        self._read_back = read_back
        self._flush = flush
        self._displays = Displays()
        self._cut: set[str] = set()
        """runs that an earlier process began, of whose outputs memory has a part; the record has them all"""
        self._late: dict[str, Run] = {}
        self._latest: dict[str, str] = {}
        """the last run of each cell; only that one may write into it"""
        self._running: Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._abandoned = False

    @property
    def notebook(self) -> Notebook:
        return self._autosave.notebook

    @property
    def _autosave(self) -> Autosave:
        if self.autosave is None:
            raise NotebookError(
                "A scratch session has no notebook.",
                "Start a session with start_new_session, or read the output of scratch code with read_output.",
            )
        return self.autosave

    async def refresh(self) -> bool:
        """Merge what somebody else wrote to the file. Returns whether they did."""
        return await self._autosave.refresh()

    def changed(self, change: NotebookChange) -> None:
        """Have the file follow a change."""
        if self.autosave is not None:
            self.autosave.changed(change)

    async def catch_up(self) -> None:
        """Bring a large file, which follows later, up to date for a reader."""
        if self.autosave is not None and self.autosave.is_behind:
            await self.flush()

    def take_note(self) -> str:
        """Return, once, that the file follows later, if it does; one sentence."""
        return self.autosave.take_note() if self.autosave is not None else ""

    @property
    def path(self) -> str:
        """Where the notebook is now; empty if there is none."""
        return str(self.autosave.file.path) if self.autosave is not None else ""

    def has_run(self, cell: NotebookCell) -> bool:
        """Whether a run of ours began in a cell."""
        return cell.id in self._latest

    def belongs_to(self, run: Run) -> None:
        """Make the run the last one of its cell."""
        if run.cell:
            self._latest[run.cell] = run.id
        if not run.status.is_final:
            self._running = run
        if run.outputs is not None and self.autosave is not None:
            if run.outputs.is_cut:
                self._cut.add(run.id)
            run.outputs.limits = self.autosave.file.limits

    def begin(self, run: Run, cell: NotebookCell) -> None:
        """Clear the outputs of a cell whose run starts."""
        self.belongs_to(run)
        cell.outputs = []
        cell.execution_count = None
        cell.touch()
        self.changed(NotebookChange.BEGIN)

    def store(self, run: Run) -> None:
        """Put the outputs of a run so far into its cell."""
        if run.outputs is not None and (cell := self._cell_of(run)) is not None:
            self._put(run, run.outputs, cell)
            if run.status.is_final:
                self._displays.remember(run, run.outputs, cell)
        if run.id in self._cut and run.status.is_final:
            self._cut.remove(run.id)
            run.outputs = None
            self.came_late(run)

    def store_running(self) -> None:
        if self._running is not None and self._running.status.is_final:
            self._running = None
        if self._running is not None:
            self.store(self._running)
        self._store_widgets()

    def _store_widgets(self) -> None:
        version = self.widgets.models.version
        if self.autosave is None or not version:
            return
        metadata = self.notebook.metadata
        known, before = self._stored_widgets
        if version == known and metadata.get("widgets") is before:
            return
        stored = self.widgets.metadata(self.notebook.cells, metadata)
        self._stored_widgets = version, stored
        if stored is not None:
            metadata["widgets"] = stored
        elif before is not None:
            metadata.pop("widgets", None)

    def came_late(self, run: Run) -> None:
        """Rebuild the cell of a run from the record, after late output of a run whose outputs are not in memory."""
        if self.autosave is None or self._abandoned:
            return
        self._late[run.id] = run
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._make_anew())

    def update_displays(self, update: DataUpdated, runs: Mapping[str, Run]) -> None:
        """Show new data wherever ended runs used this display id."""
        for run, output in self._displays.of(update.display_id):
            cell = self._cell_of(run)
            if cell is None:
                continue
            known = cell.outputs if isinstance(cell.outputs, list) else []
            if output is not None and any(one is output for one in known):
                output["data"], output["metadata"] = dict(update.data), dict(update.metadata)
                cell.touch()
                self.changed(NotebookChange.OUTPUT)
            else:
                self.came_late(run)  # the cell comes from the file again
        for run_id in self._displays.earlier.get(update.display_id, ()):
            if (old := runs.get(run_id)) is not None and old.outputs is None:
                self.came_late(old)

    async def restore(self, record: ReplayedSession) -> None:
        """After a takeover: what the process before had recorded and not saved. What somebody changed in the file later
        than that save stays."""
        if self.autosave is None:
            return
        self._displays.earlier = record.displays
        saved_at = self.autosave.file.saved_at
        since = record.held_until - _CLOCK_S if record.held_until else saved_at - _UNSAVED_S
        self.autosave.held_until = since
        self._apply_edits(record, since)
        self._note_edits(record)
        runs = [run for run in record.runs.values() if run.cell and record.changed_since(run, since)]
        self._insert_missing(record, runs, since)
        last = {run.cell: run for run in runs}
        over = [run for run in last.values() if run.status.is_final and self._cell_of(run) is not None]
        over = [run for run in over if self.notebook.cells[self.notebook.find(run.cell)].source == run.source]
        await self._rebuild(over, NotebookChange.CELL)

    async def flush(self) -> None:
        """Wait until the file holds everything, or saving failed."""
        if self.autosave is not None:
            self.store_running()
            await self.autosave.flush()

    async def close(self) -> None:
        """Bring the cells of late output up to date, and save once more."""
        if self.autosave is None:
            return
        if self._abandoned:
            await self.autosave.close()
            return
        self.store_running()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        late, self._late = list(self._late.values()), {}
        await self._rebuild(late, NotebookChange.CELL)
        await self.autosave.close()

    def abandon(self) -> None:
        """Stop, because another process keeps the notebook now."""
        self._late.clear()
        if self._task is not None:
            self._task.cancel()
        self._abandoned = True
        if self.autosave is not None:
            self.autosave.abandon()

    def note(self, sentences: Sequence[str]) -> None:
        """Add a sentence to the next warnings."""
        if self.autosave is not None:
            self.autosave.merge_notes += sentences

    def warnings(self) -> list[str]:
        """Return the problems with the notebook, and once the conflicts of a merge."""
        if self.autosave is None:
            return []
        troubles = filter(None, (self.autosave.conflict, self.autosave.failure))
        notes, self.autosave.merge_notes = self.autosave.merge_notes, []
        return [*(f"{trouble} The outputs are in the run's record." for trouble in troubles), *notes]

    def _apply_edits(self, record: ReplayedSession, since: float) -> None:
        """Delete and change cells as the record says, where the file has the text before that."""
        for cell in list(self.notebook.cells):
            deleted_at, text = record.deleted.get(cell.id, (0.0, ""))
            if deleted_at > since and cell.source == text:
                self.notebook.remove(cell.id)
                self.changed(NotebookChange.CELL)
                continue
            before, now = record.sources.get(cell.id, ("", ""))
            if now and cell.source == before:
                cell.source = now
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = [], None
                cell.touch()
                self.changed(NotebookChange.CELL)

    def _note_edits(self, record: ReplayedSession) -> None:
        """Note that the model knows cells as it last wrote or ran them."""
        sources = [(run.asked_at, run.cell, run.source) for run in record.runs.values()]
        sources += [(at, cell_id, edit.source) for cell_id, (at, edit) in record.texts.items()]
        known = {cell_id: source for _, cell_id, source in sorted(sources)}
        for cell in self.notebook.cells:
            cell.is_edited = known.get(cell.id, cell.source) != cell.source

    def _insert_missing(self, record: ReplayedSession, runs: list[Run], since: float) -> None:
        known = {cell.id for cell in self.notebook.cells} | record.deleted.keys()
        missing: dict[str, tuple[float, int, NotebookCell]] = {}
        for run in runs:
            if run.cell not in known and run.asked_at > since:
                missing[run.cell] = (run.asked_at, -1, NotebookCell(run.cell, "code", run.source))
        for cell_id, (at, edit) in record.texts.items():
            if cell_id not in known and at > since:
                missing[cell_id] = (at, edit.index, NotebookCell(cell_id, edit.cell_type, edit.source))
        for _, index, cell in sorted(missing.values(), key=lambda found: found[0]):
            self.notebook.insert(cell, min(index, len(self.notebook.cells)))
            self.changed(NotebookChange.CELL)

    async def _make_anew(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _LATE_S
        while self._late:
            await asyncio.sleep(pause)
            runs, self._late = list(self._late.values()), {}
            start = loop.time()
            try:
                await self._rebuild(runs, NotebookChange.OUTPUT)
            except BaseException:
                self._late = {run.id: run for run in runs} | self._late  # for `close`, which cancels this
                raise
            pause = max(_LATE_S, _PACE * (loop.time() - start))

    async def _rebuild(self, runs: list[Run], change: NotebookChange) -> None:
        if not runs:
            return
        await self._flush()
        runs = sorted(runs, key=lambda run: run.asked_at)
        rebuilt = await asyncio.to_thread(self._read_back, runs, self._autosave.file.limits)
        for run in runs:
            if run.outputs is None and (cell := self._cell_of(run)) is not None:
                before = await asyncio.to_thread(_outputs_in_file, cell), cell.execution_count
                self._put(run, rebuilt[run.id], cell)
                if before != (cell.outputs, cell.execution_count):
                    self.changed(change)

    def _cell_of(self, run: Run) -> NotebookCell | None:
        if self.autosave is None or self._abandoned or self._latest.get(run.cell) != run.id:
            return None
        cell = self.notebook.by_id(run.cell)
        return cell if cell is not None and cell.cell_type == "code" else None

    def _put(self, run: Run, outputs: CellOutputs, cell: NotebookCell) -> None:
        record = f'read_output(run_id="{run.id}"), recorded in {run.journal}'
        stored = to_nbformat(outputs, record)
        if run.status in _LOST_ENDS:
            name, value = _LOST_ENDS[run.status], run.cause
            lines = [f"{name}: {value}"]
            stored.append({"output_type": "error", "ename": name, "evalue": value, "traceback": lines})
        cell.outputs = stored
        cell.execution_count = run.execution_count
        cell.touch()


def _outputs_in_file(cell: NotebookCell) -> list[dict[str, Any]] | None:
    """A cell's outputs so far; None if somebody has changed the file meanwhile."""
    with contextlib.suppress(NotebookError):
        return outputs_of(cell)
    return None
