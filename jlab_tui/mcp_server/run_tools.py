"""The tools that run code and answer with what it has put out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from mcp_types import CallToolResult
from pydantic import Field

from .cancelling import InterruptOnCancel
from .content import as_content, as_text
from .context import App
from .context_source import AppSource
from .tool_arguments import CellRef, Ctx, SessionId, WaitS

if TYPE_CHECKING:
    from ..services.session.replies import Beat, RunReply
    from ..services.session.run_handle import RunHandle
    from ..services.session.session import Session


class RunTools:
    """All of them answer alike: at the end, or at the deadline with what there is."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    async def execute_code(
        self,
        session_id: SessionId,
        code: Annotated[str, Field(description="Python code; IPython magics and `!command` work")],
        wait_s: WaitS = None,
        cell_index: Annotated[
            int, Field(description="index that the new cell gets, 0 is the top; -1: at the end")
        ] = -1,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Run code in the session's kernel as a new notebook cell and give its output, images included.

        Answers when the code has ended, or after wait_s seconds with what there is so far and a run_id; the code goes
        on then, and wait_for_run(run_id) gives the rest. An exception in the code is a normal answer with its
        traceback. Refused while another run of this session is in progress; nothing is run then. Output that is too
        long is cut in the middle; read_output has all of it. input() does not work."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        async with InterruptOnCancel(app, ctx, session) as watch:
            watch.run = await app.cells.execute(session, code, cell_index)
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def wait_for_run(
        self,
        run_id: Annotated[str, Field(description="as given by execute_code, e.g. `a1b2c3d4-7`")],
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Wait for a run that is in progress and give its output, the same answer as execute_code. Returns at once for
        a run that has ended, also one of an earlier process. Waiting does not touch the run; call it as often as needed.
        Only when the user cancels this call is the run interrupted, as with execute_code."""
        app = await self._source.get()
        async with InterruptOnCancel(app, ctx, run_id=run_id):
            return await self._content(
                app, await app.replies.wait(run_id, _patience(app, wait_s), _beat(ctx))
            )

    async def edit_cell(
        self,
        session_id: SessionId,
        cell: CellRef,
        source: Annotated[str, Field(description="the whole new text of the cell")],
        run: Annotated[bool, Field(description="run it, when it is code")] = True,
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Replace the text of a cell, code or markdown, and run it when it is code. Use it to correct a cell instead of
        adding another one. Answers like execute_code.

        Refused once, with nothing done, when the user changed that text since you saw it (the answer shows it), or when
        an index means another cell than before because the user moved cells: then use the id."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        async with InterruptOnCancel(app, ctx, session) as watch:
            edited, watch.run = await app.cells.edit(session, cell, source, run=run)
            if watch.run is None:
                return as_text(
                    f"Cell {edited.id} ({edited.cell_type}) has its new text.", *session.warnings()
                )
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def run_cell(
        self, session_id: SessionId, cell: CellRef, wait_s: WaitS = None, *, ctx: Ctx
    ) -> CallToolResult:
        """Run a code cell of the notebook as it stands, in place: its old output goes. Answers like execute_code."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        async with InterruptOnCancel(app, ctx, session) as watch:
            watch.run = await app.cells.run(session, cell)
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def execute_scratch(
        self,
        code: Annotated[str, Field(description="Python code")],
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Run code in a fresh throwaway kernel: no session's variables are visible, nothing is saved in a notebook. For
        a quick look at versions, files or hardware. Answers like execute_code; the kernel ends with the run. Its output
        can be read later with wait_for_run and read_output."""
        app = await self._source.get()
        app.cells.check(code)
        session, run = await app.sessions.run_scratch(code)
        async with InterruptOnCancel(app, ctx, session) as watch:
            watch.run = run
            return await self._answer(app, session, run, wait_s, ctx)

    async def _answer(
        self, app: App, session: Session, run: RunHandle, wait_s: float | None, ctx: Ctx
    ) -> CallToolResult:
        return await self._content(
            app, await app.replies.reply(session, run, _patience(app, wait_s), _beat(ctx))
        )

    @staticmethod
    async def _content(app: App, reply: RunReply) -> CallToolResult:
        result = await as_content(app, reply.parts)
        run, outputs = reply.run, reply.run.outputs
        if run.status.is_final and (outputs is None or outputs.is_cut or outputs.images.total):
            app.tidy_up()
        return result


def _patience(app: App, wait_s: float | None) -> float:
    return app.settings.wait_s if wait_s is None else wait_s


def _beat(ctx: Ctx) -> Beat:
    async def beat(elapsed: float, last_line: str) -> None:
        await ctx.report_progress(round(elapsed, 1), None, last_line or f"running for {elapsed:.0f} s")

    return beat
