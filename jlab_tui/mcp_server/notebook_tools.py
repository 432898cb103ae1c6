"""The tools that read outputs, notebooks and variables, and change cells without running them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from mcp_types import CallToolResult
from pydantic import Field

from ..core.errors import UsageError
from .content import as_content, as_text
from .context_source import AppSource
from .read_replies import read_cells, read_record_text
from .tool_arguments import CellRef, SessionId

if TYPE_CHECKING:
    from ..services.session.session import Session


class NotebookTools:
    """Reading, and cells that are not run."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    async def read_output(
        self,
        run_id: Annotated[str, Field(description="as given by execute_code, e.g. `a1b2c3d4-7`")],
        offset: Annotated[
            int,
            Field(ge=0, description="first line to give, counted from 0; each 2,000 characters count as one"),
        ] = 0,
        limit: Annotated[int, Field(ge=1, le=5000, description="number of lines")] = 200,
        tail: Annotated[int | None, Field(ge=1, le=5000, description="give the last lines instead")] = None,
        grep: Annotated[
            str | None, Field(description="give only lines that match this regular expression")
        ] = None,
        images: Annotated[
            list[int] | None, Field(description="numbers of images to give, counted from 1, at full size")
        ] = None,
    ) -> CallToolResult:
        """Read the full text output of a run, in progress or finished, beyond what a reply could hold: a range of lines,
        the last lines, or the lines that match. With images=[1, 3] gives those images at full size instead of text."""
        app = await self._source.get()
        session, run = await app.sessions.find_run(run_id)
        if session is not None:
            await session.flush()
        parts = await read_record_text(app, run, offset, limit, tail, grep, images)
        app.tidy_up()
        if session is not None:
            parts += [f"Warning: {warning}" for warning in session.warnings()]
        return await as_content(app, parts, max_px=2000 if images else None)

    async def read_notebook(
        self,
        session_id: Annotated[str, Field(description="a session; or give a path instead")] = "",
        path: Annotated[
            str, Field(description="path of an .ipynb file, for a notebook without a session")
        ] = "",
        cells: Annotated[
            list[str | int] | None,
            Field(description="ids or indices of cells to give in full; left out: the map of all cells"),
        ] = None,
    ) -> CallToolResult:
        """Read a notebook: the map of its cells (index, id, type, state, execution count, first line, kinds of output),
        or chosen cells in full with their output. Use it to find a cell to edit or to see what has been done.

        States: ok, error, interrupted and the like (how its last run ended), running, never run, stale (its output is
        of an earlier kernel or of another text; variables that it made may be gone). Give session_id or path."""
        app = await self._source.get()
        session: Session | None = None
        why_none = ""
        if bool(session_id) == bool(path):
            raise UsageError("One notebook is read at a time.", "Give either session_id or path.")
        if session_id:
            session, path, why_none = await app.sessions.for_reading(session_id)
        parts = await read_cells(app, session, path, cells)
        return await as_content(app, [f"({why_none} This is the file.)", *parts] if why_none else parts)

    async def inspect_variables(
        self,
        session_id: SessionId,
        names: Annotated[
            list[str] | None,
            Field(description="names of variables, no expressions; left out: all but modules"),
        ] = None,
    ) -> CallToolResult:
        """List the variables in the kernel with type, shape, dtype, device and size, the largest first. Adds no cell and
        changes nothing. Works while a cell runs, too, on kernels with subshells (ipykernel 7); on others it says so."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        return as_text(await app.inspector.inspect(session, names), session.state.notice)

    async def delete_cell(self, session_id: SessionId, cell: CellRef) -> CallToolResult:
        """Delete a cell from the notebook. Variables that it made stay in the kernel. Refused while the cell runs, and
        once when the user changed its text since you saw it."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        gone = await app.cells.delete(session, cell)
        return as_text(
            f"Cell {gone.id} is deleted; the notebook has {len(session.notebook.cells)} cells.",
            *session.warnings(),
        )

    async def add_markdown(
        self,
        session_id: SessionId,
        markdown: Annotated[str, Field(description="Markdown text")],
        position: Annotated[
            int, Field(description="index that the cell gets, 0 is the top; -1: at the end")
        ] = -1,
    ) -> CallToolResult:
        """Add a text cell to the notebook: a heading, what you are about to try, what came out."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        cell, index = await app.cells.add_markdown(session, markdown, position)
        return as_text(f"Markdown cell {cell.id} added at index {index}.", *session.warnings())
