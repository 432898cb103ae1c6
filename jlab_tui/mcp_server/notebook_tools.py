"""The tools that read outputs, notebooks and variables, and change cells without running them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from mcp_types import CallToolResult
from pydantic import Field

from ..core.errors import UsageError
from ..core.reply.pages import Selection
from .content import as_content, as_text
from .context_source import AppSource
from .read_replies import read_cells, read_record_text
from .tool_arguments import CellRef, Ctx, call_of

if TYPE_CHECKING:
    from ..services.session.session import Session


class NotebookTools:
    """Tools that read, or change cells without running them."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    async def read_output(
        self,
        run_id: str,
        offset: Annotated[
            int, Field(ge=0, description="first line; 2,000 characters of a long line count as one")
        ] = 0,
        limit: Annotated[int, Field(ge=1, le=5000, description="lines, up to 5000")] = 200,
        tail: Annotated[int | None, Field(ge=1, le=5000)] = None,
        grep: str | None = None,
        images: list[int] | None = None,
        series: list[str] | None = None,
    ) -> CallToolResult:
        """Read all text output of a run, finished or not: a range of lines, the last lines (tail), or lines that match a regular
        expression (grep). With images=[1, 3], returns those images at full size instead; with series=["loss"], a short table of
        the numbers printed as loss=0.3 or loss: 0.3."""
        app = await self._source.get()
        session, run = await app.sessions.find_run(run_id)
        if session is not None:
            await session.journal.flush()
        parts = await read_record_text(app, run, Selection(offset, limit, tail, grep), images, series)
        app.tidy_up()
        if session is not None:
            parts += [f"Warning: {warning}" for warning in session.warnings()]
        return await as_content(app, parts, max_px=2000 if images else None)

    async def read_notebook(
        self,
        session_id: str = "",
        path: str = "",
        cells: Annotated[list[str | int] | None, Field(description="ids or indices")] = None,
    ) -> CallToolResult:
        """Read a session's notebook, or the .ipynb file at path: a map of its cells (index, id, type, state, first line, kinds
        of output), or the cells you name in full, with output. Use it to find a cell to edit or to see what was done.

        States: how the last run ended (ok, error, interrupted, ...), running, never run, or stale: the output is from an earlier
        kernel or other text, and its variables may be gone."""
        app = await self._source.get()
        session: Session | None = None
        why_none = ""
        if bool(session_id) == bool(path):
            raise UsageError("A notebook is named by session_id or by path.", "Give exactly one of them.")
        if session_id:
            session, path, why_none = await app.sessions.for_reading(session_id)
        else:
            await app.sessions.save_at(path)
        parts = await read_cells(app, session, path, cells)
        return await as_content(app, [f"({why_none} This is the file.)", *parts] if why_none else parts)

    async def inspect_variables(
        self,
        session_id: str,
        names: Annotated[
            list[str] | None, Field(description="no expressions; default: all but modules")
        ] = None,
    ) -> CallToolResult:
        """List the kernel's variables with type, shape, dtype, device and size, largest first. Changes nothing and adds no cell.
        Works while a cell runs if the kernel has subshells (ipykernel 7)."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        return as_text(await session.variables(names), session.state.notice)

    async def delete_cell(self, session_id: str, cell: CellRef, *, ctx: Ctx) -> CallToolResult:
        """Delete a cell from the notebook. Its variables stay in the kernel. Refused while the cell runs, and once if the user
        edited its text since you saw it."""
        app = await self._source.get()
        gone, left = await app.once.delete_cell(session_id, cell, call_of(ctx))
        warnings = (await app.sessions.get(session_id)).warnings()
        return as_text(f"Cell {gone} is deleted; the notebook has {left} cells.", *warnings)

    async def add_markdown(
        self,
        session_id: str,
        markdown: str,
        position: Annotated[int, Field(description="index; -1: at the end")] = -1,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Add a text cell: a heading, what you are about to try, what you found."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        cell, index = await session.cells.add_markdown(markdown, position, call_of(ctx))
        return as_text(f"Markdown cell {cell.id} added at index {index}.", *session.warnings())
