"""Works on the cells of a session: append, edit, run, delete, run all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ...core.errors import JlabError, NotebookError
from ...core.journal.acts import OWN_CELL
from ...core.journal.events import RunStatus
from ...core.notebook.notebook import RAISES, Notebook, NotebookCell
from ...core.notebook.text_forms import plain_source
from ...core.reply.compose import cut_to
from ...core.session.call import NO_CALL, Call
from ..journal.writer import SessionJournal
from .edits import NotebookEdits
from .run_handle import RunHandle
from .runner import BATCH_TOOL, Runner

MARK: Final = "jlab-mcp"
"""key of a cell's metadata: who typed it in a dashboard"""
CODE_MAX: Final = 8 << 20


def checked_code(code: str) -> str:
    """Return code as JupyterLab would send it. Raises NotebookError if it is empty or too long."""
    code = plain_source(code)
    if not code.strip():
        raise NotebookError("The code is empty; nothing was run.", "Give the code to run.")
    if len(code) > CODE_MAX:
        raise NotebookError(
            f"The code has {len(code):,} characters; at most {CODE_MAX:,} can be sent.",
            "Write it to a file and run that.",
        )
    return code


class Cells:
    """The cells of one session. Each operation brings the notebook up to date with the file before it addresses a cell."""

    def __init__(self, runner: Runner, edits: NotebookEdits, journal: SessionJournal) -> None:
        self._runner = runner
        self._edits = edits
        self._journal = journal

    async def read(self) -> Notebook:
        """Return the notebook with all outputs so far."""
        return await self._edits.read()

    async def execute(self, code: str, index: int = -1, call: Call = NO_CALL) -> RunHandle:
        """Add a code cell and run it. The cell is in the notebook before it runs."""
        code = checked_code(code)
        await self._runner.make_way()
        cell, _ = await self._edits.insert("code", code, index, call)
        try:
            return await self._runner.start("execute_code", code, cell, call.msg_id)
        except BaseException:
            self._edits.withdraw(cell)
            raise

    async def execute_own(self, code: str, by: str, call: Call) -> RunHandle:
        """The same for a cell of the user's own, which is marked as theirs. It runs between those of a batch, too, and is not
        held."""
        code = checked_code(code)
        self._runner.refuse_if_busy(in_batch=True)
        cell, _ = await self._edits.insert("code", code, -1, call)
        cell.metadata[MARK] = {"by": by}
        try:
            return await self._runner.start(OWN_CELL, code, cell, call.msg_id)
        except BaseException:
            self._edits.withdraw(cell)
            raise

    async def edit(
        self, cell: str | int, source: str, call: Call = NO_CALL, *, run: bool
    ) -> tuple[NotebookCell, RunHandle | None]:
        """Replace a cell's source and, if it is code, run it, which replaces its outputs. Edits nothing that cannot run."""
        source = checked_code(source) if run else plain_source(source)
        found = await self._edits.find(cell)
        _refuse_if_edited(found)
        if found.cell_type == "code":
            self._runner.refuse_if_running(found.id)
            if run:
                await self._runner.make_way()
                return found, await self._runner.start("edit_cell", source, found, call.msg_id)
        await self._edits.replace(found, source)
        return found, None

    async def run(self, cell: str | int, call: Call = NO_CALL) -> RunHandle:
        """Run a cell unchanged."""
        found = await self._edits.find(cell)
        if found.cell_type != "code":
            raise NotebookError(
                f"Cell {found.id} is a {found.cell_type} cell; there is nothing to run.", "Give a code cell."
            )
        checked_code(found.source)
        await self._runner.make_way()
        run = await self._runner.start("run_cell", found.source, found, call.msg_id)
        if found.is_edited:
            found.is_edited = False
            run.notes.append("Somebody else changed the text of this cell; the changed text ran.")
        return run

    async def delete(self, cell: str | int, call: Call = NO_CALL) -> NotebookCell:
        found = await self._edits.find(cell)
        self._runner.refuse_if_running(found.id)
        _refuse_if_edited(found)
        await self._edits.delete(found, call)
        return found

    async def add_markdown(
        self, markdown: str, position: int = -1, call: Call = NO_CALL
    ) -> tuple[NotebookCell, int]:
        """Add a text cell; return it with its index."""
        return await self._edits.add_markdown(plain_source(markdown), position, call)

    async def run_all(
        self,
        call: Call = NO_CALL,
        *,
        stop_on_error: bool,
        on_cell: Callable[[RunHandle], Awaitable[None]],
    ) -> list[RunHandle]:
        """Run every code cell in order, as its tags have it. Calls `on_cell(run)` before the wait for each. A call that is
        sent again goes on after the cells that it has run."""
        await self._edits.refresh()
        todo = [cell.id for cell in self._edits.notebook.to_run()]
        runs: list[RunHandle] = []
        stopped = ""
        self._runner.begin_batch(goes_on=call.is_resent)
        try:
            for cell_id in todo:
                cell = self._edits.notebook.by_id(cell_id)
                if cell is None:
                    continue
                msg_id = call.derived(cell_id)
                await self._runner.own_cell_over()
                begun = self._runner.begun(msg_id) if call.is_resent else None
                run = begun or await self._runner.start(BATCH_TOOL, cell.source, cell, msg_id)
                runs.append(run)
                await on_cell(run)
                await run.done.wait()
                if run.status is RunStatus.ERROR and (not stop_on_error or RAISES in cell.tags):
                    continue
                if run.status is not RunStatus.OK:
                    stopped = f"Running the cells again stopped at cell {cell_id}: {run.cause or run.status}"
                    break
        except JlabError as error:
            stopped = f"Running the cells again stopped before cell {cell_id}: {error.message}"
            self._journal.notice(stopped, "warning")
            raise
        finally:
            self._runner.end_batch(stopped)
        return runs


def _refuse_if_edited(cell: NotebookCell) -> None:
    """Raise NotebookError, once, for a cell whose text somebody else changed: the model does not know what it replaces."""
    if cell.is_edited:
        cell.is_edited = False
        raise NotebookError(
            f"Somebody else changed the text of cell {cell.id} since you saw it.",
            f"Nothing was done. Call again to change it anyway. The text is now:\n{cut_to(cell.source, 4000)}",
        )
