"""Changes a session's notebook: merges others' changes first, then records and saves the change. What was answered is on
record, because the file follows later, and the process may end before.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from ...core.errors import NotebookError
from ...core.journal.events import NotebookEdited
from ...core.notebook.notebook import Notebook, NotebookCell, cell_id
from ...core.notebook.pace import NotebookChange
from ...core.session.call import Call
from ..journal.writer import SessionJournal
from ..notebook.output_sync import OutputSync


class NotebookEdits:
    """Reads and changes the cells of one session; runs nothing. Raises NotebookError for a scratch session."""

    def __init__(
        self, sync: OutputSync, journal: SessionJournal, confirm: Callable[[], Awaitable[None]]
    ) -> None:
        """`confirm` raises SessionOwned if another process has the session."""
        self._sync = sync
        self._journal = journal
        self._confirm = confirm

    @property
    def notebook(self) -> Notebook:
        return self._sync.notebook

    async def read(self) -> Notebook:
        """Return the notebook with all outputs so far; its file has at least all cells then."""
        await self._sync.refresh()
        self._sync.store_running()
        await self._journal.flush()  # some of the outputs may be there only
        await self._sync.catch_up()
        return self.notebook

    async def refresh(self) -> None:
        """Make sure that the session is still ours, and merge what somebody else wrote. Raises SessionOwned."""
        await self._confirm()
        await self._sync.refresh()

    async def find(self, cell: str | int) -> NotebookCell:
        """Return the cell of an id or index in the merged notebook. Raises NotebookError, once, if an index now means
        another cell."""
        await self.refresh()
        found = self.notebook.cells[self.notebook.find(cell)]
        if self.notebook.is_shifted and found.id != str(cell).strip():
            self.notebook.is_shifted = False
            raise NotebookError(
                f"Somebody else added, moved or removed cells: index {cell} is now cell {found.id}, which begins with "
                f"{found.source[:80]!r}.",
                "Nothing was done. Name the cell by its id, or by its index as read_notebook shows it now.",
            )
        return found

    async def insert(
        self, cell_type: str, source: str, position: int, call: Call
    ) -> tuple[NotebookCell, int]:
        """Add a cell, at the end if `position` is -1, unless an earlier attempt of the call did; return it with its index.
        Its run puts it on record."""
        await self._confirm()
        if position != -1 or call.is_resent:
            await self._sync.refresh()
        if call.is_resent and (before := self.notebook.by_id(call.cell_id)) is not None:
            return before, self.notebook.find(before.id)
        cell = NotebookCell(call.cell_id or cell_id(uuid.uuid4().hex), cell_type, source)
        return cell, self.notebook.insert(cell, position)

    async def add_markdown(self, source: str, position: int, call: Call) -> tuple[NotebookCell, int]:
        """Add a text cell; return it with its index."""
        cell, index = await self.insert("markdown", source, position, call)
        self._record("markdown", cell, index)
        await self._journal.flush()
        return cell, index

    def put_back(self, cell: NotebookCell, position: int) -> None:
        """Add a cell that the file lacks; its run puts it on record."""
        cells = len(self.notebook.cells)
        self.notebook.insert(cell, position if 0 <= position < cells else -1)

    def withdraw(self, cell: NotebookCell) -> None:
        """Remove a cell whose code was not sent."""
        if not self._sync.has_run(cell) and self.notebook.by_id(cell.id) is not None:
            self.notebook.remove(cell.id)
            self._sync.changed(NotebookChange.CELL)

    def give_source(self, cell: str, source: str) -> NotebookCell:
        """Set the text of a cell that is about to run; return it as it is in the notebook now."""
        # A merge replaces cell objects.
        found = self.notebook.by_id(cell) or self.notebook.cells[self.notebook.find(cell)]
        if found.source != source:
            found.source = source
            self._record("edit", found, self.notebook.find(found.id))
        return found

    async def replace(self, cell: NotebookCell, source: str) -> None:
        """Set the text of a cell that is not run; its outputs belong to the old text."""
        cell.source = source
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.touch()
        self._record("edit", cell, self.notebook.find(cell.id))
        await self._journal.flush()

    async def delete(self, cell: NotebookCell, call: Call) -> None:
        index = self.notebook.remove(cell.id)
        self._record("delete", cell, index, call.id)
        await self._journal.flush()

    def _record(self, action: str, cell: NotebookCell, index: int, call: str = "") -> None:
        self._journal.record(NotebookEdited(action, cell.id, cell.source, index, cell.cell_type, call))
        self._sync.changed(NotebookChange.CELL)
