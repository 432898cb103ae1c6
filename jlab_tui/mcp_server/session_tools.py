"""The tools that open, steer and end sessions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp_types import CallToolResult
from pydantic import Field

from ..core.errors import ServerError
from ..core.reply.task import RerunTask
from .cancelling import InterruptOnCancel
from .content import as_json, as_text, beat_of
from .context import App
from .context_source import AppSource
from .shared_answers import kept_sessions, opened_answer, rerun_answer
from .tasks import TaskExtension
from .tool_arguments import Ctx, WaitS, call_of


class SessionTools:
    """Tools that open sessions, interrupt and restart their kernels, and shut them down."""

    def __init__(self, source: AppSource, tasks: TaskExtension) -> None:
        self._source = source
        self._tasks = tasks

    async def start_new_session(
        self,
        experiment_name: Annotated[str, Field(description="names the notebook file")] = "experiment",
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Start a kernel with a new, empty notebook. Returns JSON with the session_id that the other tools need.

        Use one session for one line of work, and a second one to compute in parallel. Nothing existing is changed or
        overwritten."""
        app = await self._source.get()
        session = await app.sessions.open_new(experiment_name, call_of(ctx))
        return as_json(opened_answer(session) | await _kept_kernels(app))

    async def start_session_resume_notebook(
        self,
        notebook_path: str,
        reexecute: Annotated[
            Literal["auto", "always", "never"],
            Field(description="auto: re-run all cells unless a live kernel has the state"),
        ] = "auto",
        on_error: Annotated[
            Literal["stop", "continue"], Field(description="when a cell of a re-run raises")
        ] = "stop",
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Open the notebook at notebook_path and restore its state: on its live kernel if it has one, even one that the user
        started in JupyterLab, else on a fresh kernel that runs all its cells again.

        Returns JSON: session_id, live_kernel and, after a re-run, reexecution (how it ended) and cells (state, short output and
        error of each). A re-run longer than wait_s continues; follow it with read_notebook(session_id)."""
        app = await self._source.get()
        call = call_of(ctx)
        session, live = await app.sessions.open_existing(notebook_path, call)
        answer: dict[str, Any] = {**opened_answer(session), "live_kernel": live}
        is_empty = not session.state.holds_state or app.rerun.has_begun(session, call)
        if reexecute == "always" or (reexecute == "auto" and is_empty):
            patience = app.settings.wait_s if wait_s is None else wait_s
            may_be_task = self._tasks.due(app, ctx, patience)
            rerun = app.rerun.start(session, call, stop_on_error=on_error == "stop")
            async with InterruptOnCancel(app, ctx, session):
                limit = app.settings.task_after_s if may_be_task else patience
                is_over = await app.rerun.wait(rerun, limit, beat_of(ctx))
            if may_be_task and not is_over:
                return await self._tasks.start(RerunTask(session.identity.id, rerun.number))
            answer |= rerun_answer(await app.rerun.about(rerun))
        elif is_empty:
            answer["kernel_state"] = "empty: nothing has run since it started or restarted"
        return as_json(answer)

    async def start_session_continue_notebook(
        self,
        notebook_path: str,
        experiment_name: str = "",
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Copy the notebook at notebook_path to <experiment_name>.ipynb (default: <name>_continued) and open the copy on a fresh
        kernel. The original stays unchanged.

        Runs nothing: variables do not exist until you run the cells (run_cell). Returns JSON like start_new_session."""
        app = await self._source.get()
        session = await app.sessions.fork(notebook_path, experiment_name, call_of(ctx))
        return as_json(opened_answer(session))

    async def interrupt_kernel(self, session_id: str, *, ctx: Ctx) -> CallToolResult:
        """Interrupt the running code, like Ctrl-C, and check that the kernel is idle. Variables stay. If the code cannot be
        interrupted, the reply says what helps."""
        app = await self._source.get()
        return as_text(await app.once.interrupt(session_id, "you (interrupt_kernel)", call_of(ctx)))

    async def restart_kernel(self, session_id: str, *, ctx: Ctx) -> CallToolResult:
        """Restart the session's kernel. Variables, imports and GPU memory are lost; the session and its notebook stay. Use it
        for a kernel that cannot be interrupted, or to free memory."""
        app = await self._source.get()
        return as_text(await app.once.restart(session_id, "you (restart_kernel)", call_of(ctx)))

    async def shutdown_session(self, session_id: str, *, ctx: Ctx) -> CallToolResult:
        """End a session and its kernel; all variables are lost, the notebook stays. Only if the user asks. A kernel that the
        user started in JupyterLab keeps running."""
        app = await self._source.get()
        return as_text(await app.once.shut_down(session_id, call_of(ctx)))


async def _kept_kernels(app: App) -> dict[str, Any]:
    """Name the kernels of clients that have left, which hold memory."""
    try:
        server = await app.server()
        kernels = {kernel.kernel_id for kernel in await server.api.kernels()}
        left = await app.sessions.left(kernels, await app.sessions.heads())
        kept = [one for one in left.adoptable if one.left is not None]
        if not kept:
            return {}
        meaning = "Kernels of clients that have left. To continue one, call a tool with its session_id; ask the user before you end one."
        return {"kept_kernels": {"sessions": await kept_sessions(app, server, kept), "meaning": meaning}}
    except ServerError:
        return {}
