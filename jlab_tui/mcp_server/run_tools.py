"""The tools that run code and answer with what it has put out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import anyio
from mcp_types import CallToolResult
from pydantic import Field

from ..core.journal.events import ReplyCut, RunStatus
from ..core.reply.compose import Part, RunFacts, compose
from ..services.session.run_handle import RunHandle
from .cancelling import InterruptOnCancel
from .content import as_content, as_text
from .context import App
from .context_source import AppSource
from .tool_arguments import CellRef, Ctx, SessionId, WaitS

if TYPE_CHECKING:
    from ..core.session.run import Run
    from ..services.session.session import Session

_RENDERED_AT_ONCE: Final = 30_000
"""characters of output; more is rendered in a thread"""
_LOOK_S: Final = 1.0
"""between two looks at the record of a run that another process holds"""
_LOOKS_A_BEAT: Final = 10


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
        async with InterruptOnCancel(app, session, ctx) as watch:
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
        session, run = await app.sessions.find_run(run_id)
        patience = app.settings.wait_s if wait_s is None else wait_s
        looks = 0
        while session is None and not run.status.is_final and patience > 0:
            # Another process goes on with it: its record is looked at again, and taken over once that one is gone.
            await asyncio.sleep(min(_LOOK_S, patience))
            patience -= _LOOK_S
            looks += 1
            if looks % _LOOKS_A_BEAT == 0:
                await ctx.report_progress(
                    round(run.elapsed(app.now()), 1), None, "another process holds this run"
                )
            session, run = await app.sessions.find_run(run_id)
        if session is None or not isinstance(run, RunHandle):
            return await self._answer(app, None, run, 0.0, ctx)
        async with InterruptOnCancel(app, session, ctx) as watch:
            watch.run = run
            return await self._answer(app, session, run, max(0.0, patience), ctx)

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
        async with InterruptOnCancel(app, session, ctx) as watch:
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
        async with InterruptOnCancel(app, session, ctx) as watch:
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
        session = await app.sessions.open_scratch()
        try:
            run = await session.start_run("execute_scratch", None, code)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await app.sessions.close_scratch(session)
            raise
        app.sessions.end_with_run(session)
        async with InterruptOnCancel(app, session, ctx) as watch:
            watch.run = run
            return await self._answer(app, session, run, wait_s, ctx)

    async def _answer(
        self, app: App, session: Session | None, run: Run, wait_s: float | None, ctx: Ctx
    ) -> CallToolResult:
        async def beat(elapsed: float, last_line: str) -> None:
            await ctx.report_progress(round(elapsed, 1), None, last_line or f"running for {elapsed:.0f} s")

        if isinstance(run, RunHandle):
            await app.cells.wait(run, app.settings.wait_s if wait_s is None else wait_s, beat)
        if session is not None:
            await session.recorder.flush()
        result = await as_content(app, await self._parts(app, session, run))
        outputs = run.outputs
        if run.status.is_final and (outputs is None or outputs.is_cut or outputs.images.total):
            app.tidy_up()
        return result

    async def _parts(self, app: App, session: Session | None, run: Run) -> list[Part]:
        outputs = await app.sessions.outputs(run)
        notes = [*run.notes, *run.losses()]
        if run.status in (RunStatus.INTERRUPTED, RunStatus.DIED) and not run.interrupted_by:
            note = await asyncio.to_thread(app.sessions.human_note, run)
            if note:
                notes.append(note)
        if session is not None:
            if run.status is RunStatus.RUNNING and (silence := await session.connection.explain_silence()):
                notes.append(f"Warning: {silence}")
            if session.stale_kernel_notice and run.status is not RunStatus.DIED:
                notes.append(session.stale_kernel_notice)
                session.stale_kernel_notice = ""
            notes += [f"Warning: {w}" for w in session.warnings()]
        if warning := await app.walltime_warning():
            notes.append(f"Warning: {warning}")
        facts = RunFacts(
            run.id, run.session, run.status, run.elapsed(app.now()), run.execution_count, run.cause, run.cell,
            run.has_started, run.waits_for_other, session is None or bool(session.over), notes,
        )  # fmt: skip
        if outputs.size < _RENDERED_AT_ONCE:
            reply = compose(facts, outputs, app.settings.output_chars)
        else:
            reply = await asyncio.to_thread(compose, facts, outputs.copy(), app.settings.output_chars)
        if session is not None and (reply.cut_chars or reply.hidden_images):
            session.recorder.record(ReplyCut(run.id, reply.cut_chars, reply.hidden_images))
        return reply.parts
