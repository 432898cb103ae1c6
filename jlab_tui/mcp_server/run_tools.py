"""The tools that run code and return its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from mcp_types import CallToolResult
from pydantic import Field

from ..core.reply.task import RunTask, Task, WaitTask
from ..core.session.call import Call
from .cancelling import InterruptOnCancel
from .content import as_content, as_text, beat_of
from .context import App
from .context_source import AppSource
from .tasks import TaskExtension
from .tool_arguments import CellRef, Ctx, WaitS, call_of

if TYPE_CHECKING:
    from ..services.session.replies import RunReply
    from ..services.session.run_handle import RunHandle
    from ..services.session.session import Session


class RunTools:
    """Registers the tools that run code; each returns at the end of the run, or at the deadline with the output so far."""

    def __init__(self, source: AppSource, tasks: TaskExtension) -> None:
        self._source = source
        self._tasks = tasks

    async def execute_code(
        self,
        session_id: str,
        code: Annotated[str, Field(description="IPython magics and !command work")],
        wait_s: WaitS = None,
        cell_index: Annotated[int, Field(description="where the new cell goes; -1: at the end")] = -1,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Run code in the session's kernel as a new notebook cell. Returns its output and images.

        Returns when the code ends, or after wait_s (default 90) with the output so far and a run_id: the code keeps running,
        and wait_for_run(run_id) returns the rest. An exception is a normal result with its traceback. Refused while the session
        runs something else. Long output is cut in the middle; read_output has all of it. input() does not work."""
        app, call = await self._source.get(), call_of(ctx)
        if (earlier := await self._earlier(app, session_id, call, wait_s, ctx)) is not None:
            return earlier
        session = await app.sessions.get(session_id)
        async with InterruptOnCancel(app, ctx, session) as watch:
            watch.run = await session.cells.execute(code, cell_index, call)
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def wait_for_run(
        self,
        run_id: str,
        wait_s: WaitS = None,
        stacks: bool = False,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Wait for a run and return its output, like execute_code. Call again as often as needed.

        Returns at once if the run has ended, also for runs of an earlier process. For long work use wait_s=86400 as the last
        call of your turn: the result arrives when the run ends. Waiting does not affect the run; it is interrupted only if
        the user cancels this call. Does it hang? stacks=true returns at once what its threads and child processes wait for."""
        app = await self._source.get()
        if stacks:
            return await self._content(app, await app.replies.inspected(run_id))
        call = call_of(ctx).id
        return await self._follow(
            app, run_id, wait_s, ctx, lambda: WaitTask(run_id, self._tasks.next_wait()), call
        )

    async def edit_cell(
        self,
        session_id: str,
        cell: CellRef,
        source: str,
        run: bool = True,
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Replace a cell's whole text (cell: id or index from read_notebook, -1 for the last) and, if it is code, run it. Use
        this to fix a cell instead of adding another one. Returns output like execute_code.

        Refused once, changing nothing, if the user edited that text since you saw it (the reply shows it) or moved cells so
        that the index means another cell (use the id)."""
        app, call = await self._source.get(), call_of(ctx)
        if (earlier := await self._earlier(app, session_id, call, wait_s, ctx)) is not None:
            return earlier
        session = await app.sessions.get(session_id)
        async with InterruptOnCancel(app, ctx, session) as watch:
            edited, watch.run = await session.cells.edit(cell, source, call, run=run)
            if watch.run is None:
                return as_text(
                    f"Cell {edited.id} ({edited.cell_type}) has its new text.", *session.warnings()
                )
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def run_cell(
        self, session_id: str, cell: CellRef, wait_s: WaitS = None, *, ctx: Ctx
    ) -> CallToolResult:
        """Run a code cell in place; new output replaces the old. Returns output like execute_code."""
        app, call = await self._source.get(), call_of(ctx)
        if (earlier := await self._earlier(app, session_id, call, wait_s, ctx)) is not None:
            return earlier
        session = await app.sessions.get(session_id)
        async with InterruptOnCancel(app, ctx, session) as watch:
            watch.run = await session.cells.run(cell, call)
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def execute_scratch(
        self,
        code: str,
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Run code in a throwaway kernel: it sees no session's variables, and no notebook is changed. For a quick look at
        versions, files or hardware. Returns output like execute_code; read_output and wait_for_run work afterwards."""
        app, call = await self._source.get(), call_of(ctx)
        if (earlier := await self._earlier(app, call.session_id, call, wait_s, ctx)) is not None:
            return earlier
        session, run = await app.sessions.run_scratch(code, call)
        async with InterruptOnCancel(app, ctx, session) as watch:
            watch.run = run
            return await self._answer(app, session, run, wait_s, ctx)

    async def _earlier(
        self, app: App, session_id: str, call: Call, wait_s: float | None, ctx: Ctx
    ) -> CallToolResult | None:
        """Answer a call that is sent again, because the process that served it ended, with the run that it began."""
        run_id = await app.replies.earlier(session_id, call.msg_id) if call.is_resent else ""
        return await self._follow(app, run_id, wait_s, ctx, lambda: RunTask(run_id)) if run_id else None

    async def _follow(
        self,
        app: App,
        run_id: str,
        wait_s: float | None,
        ctx: Ctx,
        task: Callable[[], Task],
        call: str = "",
    ) -> CallToolResult:
        """`call`: of one that only waits, which a comment of the user ends."""
        patience = _patience(app, wait_s)
        may_be_task = self._tasks.due(app, ctx, patience)
        limit = app.settings.task_after_s if may_be_task else patience
        async with InterruptOnCancel(app, ctx, run_id=run_id):
            session, run = await app.replies.follow(run_id, limit, beat_of(ctx), call)
            is_called = call and session is not None and session.steering.has_words_for(call)
            if may_be_task and not run.status.is_final and not is_called:
                return await self._tasks.start(task())
            return await self._content(app, await app.replies.about(session, run))

    async def _answer(
        self, app: App, session: Session, run: RunHandle, wait_s: float | None, ctx: Ctx
    ) -> CallToolResult:
        patience = _patience(app, wait_s)
        may_be_task = self._tasks.due(app, ctx, patience)
        await app.replies.until_done(
            run, app.settings.task_after_s if may_be_task else patience, beat_of(ctx)
        )
        if may_be_task and not run.status.is_final:
            return await self._tasks.start(RunTask(run.id))
        return await self._content(app, await app.replies.about(session, run))

    @staticmethod
    async def _content(app: App, reply: RunReply) -> CallToolResult:
        result = await as_content(app, reply.parts)
        run, outputs = reply.run, reply.run.outputs
        if run.status.is_final and (outputs is None or outputs.is_cut or outputs.images.total):
            app.tidy_up()
        return result


def _patience(app: App, wait_s: float | None) -> float:
    return app.settings.wait_s if wait_s is None else wait_s
