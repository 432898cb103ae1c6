"""Works on the cells of a session: append, edit, run, delete, run all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ...core.errors import JlabError, NotebookError, SessionBusy
from ...core.journal.events import RunStatus
from ...core.notebook.notebook import RAISES, NotebookCell
from ...core.reply.compose import cut_to
from ...core.session.protocol import BatchEnded, BatchStarted
from ..ports import Notebooks
from .run_handle import RunHandle
from .session import BATCH_TOOL, Session

CODE_MAX: Final = 8 << 20


class Cells:
    """Operations on cells. Each brings the notebook up to date with the file before it addresses a cell."""

    def __init__(self, notebooks: Notebooks) -> None:
        self._notebooks = notebooks

    @staticmethod
    def check(code: str) -> None:
        """Raise NotebookError for code that is empty or too long to send."""
        if not code.strip():
            raise NotebookError("The code is empty; nothing was run.", "Give the code to run.")
        if len(code) > CODE_MAX:
            raise NotebookError(
                f"The code has {len(code):,} characters; at most {CODE_MAX:,} can be sent.",
                "Write it to a file and run that.",
            )

    async def execute(self, session: Session, code: str, index: int = -1) -> RunHandle:
        """Add a code cell and run it. The cell is in the notebook before it runs."""
        self.check(code)
        await self._make_way(session)
        await session.confirm()
        cell = NotebookCell(self._notebooks.new_cell_id(), "code", code)
        if index != -1:
            await session.refresh()
        session.notebook.insert(cell, index)
        try:
            return await session.start_run("execute_code", cell, code)
        except BaseException:
            session.withdraw(cell)
            raise

    async def edit(
        self, session: Session, cell: str | int, source: str, *, run: bool
    ) -> tuple[NotebookCell, RunHandle | None]:
        """Replace a cell's source and, if it is code, run it, which replaces its outputs. Edits nothing that cannot run."""
        if run:
            self.check(source)
        found = await self._find(session, cell)
        _refuse_if_edited(found)
        if found.cell_type != "code":
            found.source = source
            found.touch()
            session.note_edit("edit", found, session.notebook.find(found.id))
            return found, None
        if session.current is not None and session.current.cell == found.id:
            session.refuse_if_busy()
        if run:
            await self._make_way(session)
            return found, await session.start_run("edit_cell", found, source)
        found.source = source
        found.outputs = []
        found.execution_count = None
        found.touch()
        session.note_edit("edit", found, session.notebook.find(found.id))
        return found, None

    async def run(self, session: Session, cell: str | int, tool: str = "run_cell") -> RunHandle:
        """Run a cell unchanged."""
        found = await self._find(session, cell)
        if found.cell_type != "code":
            raise NotebookError(
                f"Cell {found.id} is a {found.cell_type} cell; there is nothing to run.", "Give a code cell."
            )
        self.check(found.source)
        await self._make_way(session)
        run = await session.start_run(tool, found, found.source)
        if found.is_edited:
            found.is_edited = False
            run.notes.append("Somebody else changed the text of this cell; the changed text ran.")
        return run

    async def delete(self, session: Session, cell: str | int) -> NotebookCell:
        found = await self._find(session, cell)
        if session.current is not None and session.current.cell == found.id:
            session.refuse_if_busy()
        _refuse_if_edited(found)
        index = session.notebook.remove(found.id)
        session.note_edit("delete", found, index)
        return found

    async def add_markdown(
        self, session: Session, markdown: str, position: int = -1
    ) -> tuple[NotebookCell, int]:
        await session.confirm()
        if position != -1:
            await session.refresh()
        cell = NotebookCell(self._notebooks.new_cell_id(), "markdown", markdown)
        index = session.notebook.insert(cell, position)
        session.note_edit("markdown", cell, index)
        return cell, index

    async def run_all(
        self, session: Session, *, stop_on_error: bool, on_cell: Callable[[RunHandle], Awaitable[None]]
    ) -> list[RunHandle]:
        """Run every code cell in order, as its tags have it. Calls `on_cell(run)` before the wait for each."""
        await session.refresh()
        session.refuse_if_busy()
        todo = [cell.id for cell in session.notebook.to_run()]
        runs: list[RunHandle] = []
        session.asked(BatchStarted())
        stopped = ""
        try:
            for cell_id in todo:
                cell = session.notebook.by_id(cell_id)
                if cell is None:
                    continue
                run = await session.start_run(BATCH_TOOL, cell, cell.source)
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
            session.notice(stopped, "warning")
            raise
        finally:
            session.asked(BatchEnded(stopped))
        return runs

    async def _find(self, session: Session, cell: str | int) -> NotebookCell:
        await session.refresh()
        notebook = session.notebook
        found = notebook.cells[notebook.find(cell)]
        if notebook.is_shifted and found.id != str(cell).strip():
            notebook.is_shifted = False
            raise NotebookError(
                f"Somebody else added, moved or removed cells: index {cell} is now cell {found.id}, which begins with "
                f"{found.source[:80]!r}.",
                "Nothing was done. Name the cell by its id, or by its index as read_notebook shows it now.",
            )
        return found

    async def _make_way(self, session: Session) -> None:
        """Interrupt a run left over from a call that the user cancelled; leave any other run alone."""
        run = session.current
        if run is not None and run.cancelled:
            outcome = await session.cancel(run)
            if session.current is not None:
                raise SessionBusy(
                    f"The run that was cancelled before is still running. {outcome}",
                    f"Call wait_for_run('{session.current.id}'), or restart_kernel, which loses the variables.",
                )


def _refuse_if_edited(cell: NotebookCell) -> None:
    """Raise NotebookError, once, for a cell whose text somebody else changed: the model does not know what it replaces."""
    if cell.is_edited:
        cell.is_edited = False
        raise NotebookError(
            f"Somebody else changed the text of cell {cell.id} since you saw it.",
            f"Nothing was done. Call again to change it anyway. The text is now:\n{cut_to(cell.source, 4000)}",
        )


@dataclass(frozen=True, slots=True)
class CellRow:
    """One line of a notebook's map."""

    index: int
    id: str
    cell_type: str
    first_line: str
    lines: int
    execution_count: int | None
    state: str
    """ok, error, never run, running, stale (outputs of an earlier kernel or text), or empty for text"""
    outputs: str
    """kinds of outputs, such as `stream, image/png`"""


def cell_map(
    cells: list[NotebookCell],
    running: str,
    ran: Mapping[str, RunHandle],
    ran_elsewhere: Callable[[str], bool],
) -> list[CellRow]:
    """Make the rows of a notebook. `running` is the id of the cell in progress; `ran` our last run of each cell in this
    kernel; `ran_elsewhere` tells of other text whether its outputs may be of this kernel."""
    rows = []
    for index, cell in enumerate(cells):
        lines = cell.source.splitlines() or [""]
        first = next((line for line in lines if line.strip()), "")
        rows.append(
            CellRow(
                index,
                cell.id,
                cell.cell_type,
                first[:100],
                len(lines),
                cell.execution_count,
                "running" if cell.id == running else _state(cell, ran.get(cell.id), ran_elsewhere),
                ", ".join(dict.fromkeys(_kinds(cell))),
            )
        )
    return rows


def _state(cell: NotebookCell, run: RunHandle | None, ran_elsewhere: Callable[[str], bool]) -> str:
    if cell.cell_type != "code":
        return ""
    if run is not None and run.source == cell.source:
        return str(run.status)
    if cell.execution_count is None and not cell.outputs:
        return "never run"
    if not ran_elsewhere(cell.source):
        return "stale"
    return "error" if any(o.get("output_type") == "error" for o in cell.outputs) else "ok"


def _kinds(cell: NotebookCell) -> list[str]:
    kinds = []
    for output in cell.outputs:
        kind = str(output.get("output_type", ""))
        if kind in ("display_data", "execute_result"):
            data = output.get("data") or {}
            kind = next((m for m in data if m.startswith("image/")), next(iter(data), kind))
        kinds.append(str(output.get("name", kind)) if kind == "stream" else kind)
    return kinds
