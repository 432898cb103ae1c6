"""The tools: arguments in, one use case, text and pictures out. Their docstrings are the model's manual."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import anyio
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from ..core.errors import JlabError, ServerError, StatusFileError, UnknownSession
from ..core.events import ReplyCut, RunStatus
from ..core.reply import Part, RunFacts, compose
from .app import App, AppSource
from .content import as_content, as_json, as_text
from .launch_tools import add_launch_tools
from .reading import read_cells, read_record_text

if TYPE_CHECKING:
    from ..core.situation import Situation
    from ..services.runs import Run
    from ..services.session import Session
    from .server import JlabServer

WAIT_MAX_S: Final = 110.0
PROGRESS_S: Final = 2.0
"""between two progress messages while cells are run again"""
_RENDERED_AT_ONCE: Final = 30_000
"""characters of output; more is rendered in a thread"""
_LOOK_S: Final = 1.0
"""between two looks at the record of a run that another process holds"""
Ctx = Context[Any, Any]
SessionId = Annotated[str, Field(description="8 hex digits, as given by the tools that start a session")]
WaitS = Annotated[
    float | None,
    Field(
        ge=0,
        le=WAIT_MAX_S,
        description="seconds to wait before answering with what there is; the code runs on",
    ),
]
CellRef = Annotated[
    str | int, Field(description="cell id (8 hex digits) or index; negative indices count from the end")
]

READ: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
WRITE: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
LOSES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


def add_tools(server: JlabServer, source: AppSource) -> None:
    """Register every tool, in the order in which a model should read them."""
    tools = Tools(source)
    server.add_tool(tools.ping, title="Is the server there?", annotations=READ, structured_output=False)
    server.add_tool(
        tools.check_resources, title="CPU, memory and GPUs", annotations=READ, structured_output=False
    )
    add_launch_tools(server, source)
    for function, title, marks in (
        (tools.start_new_session, "New notebook with a kernel", WRITE),
        (tools.start_session_resume_notebook, "Open a notebook and restore its state", WRITE),
        (tools.start_session_continue_notebook, "Copy a notebook and go on", WRITE),
        (tools.execute_code, "Run code in a new cell", WRITE),
        (tools.wait_for_run, "Wait for a run", READ),
        (tools.read_output, "Read a run's full output", READ),
        (tools.edit_cell, "Edit a cell and run it", WRITE),
        (tools.run_cell, "Run a cell again", WRITE),
        (tools.delete_cell, "Delete a cell", LOSES),
        (tools.add_markdown, "Add a text cell", WRITE),
        (tools.read_notebook, "Read a notebook", READ),
        (tools.execute_scratch, "Run code in a throwaway kernel", WRITE),
        (tools.inspect_variables, "What is in memory", READ),
        (tools.interrupt_kernel, "Interrupt", ToolAnnotations(read_only_hint=True, destructive_hint=False)),
        (tools.restart_kernel, "Restart the kernel", LOSES),
        (tools.shutdown_session, "Shut a session down", LOSES),
    ):
        server.add_tool(function, title=title, annotations=marks, structured_output=False)


def add_resources(server: JlabServer, source: AppSource) -> None:
    """Register what can be read without a tool call."""
    tools = Tools(source)

    @server.resource(
        "jlab-mcp://server/status",
        title="Server status",
        description="What ping tells, as JSON.",
        mime_type="application/json",
    )
    async def server_status() -> str:
        return _only_text(await tools.ping())

    @server.resource(
        "jlab-mcp://session/{session_id}/notebook",
        title="Notebook of a session",
        description="Map of the notebook's cells.",
        mime_type="text/plain",
    )
    async def session_notebook(session_id: str) -> str:
        return _only_text(await tools.read_notebook(session_id=session_id))


def _only_text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


class Tools:
    """The tools as methods of one object, so that they share the application."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    # -- server --------------------------------------------------------------------------------------------------

    async def ping(self) -> CallToolResult:
        """Tell whether the Jupyter server can be used, and what is on it. Call this first; it needs no kernel.

        Gives JSON: status (ok, or not), url, hostname, mode, job, walltime left, kernels with their state, your
        sessions, and sessions that an earlier process left and that you can go on with by using their session_id.
        When no server is there, call start_server."""
        app = await self._source.get()
        try:
            situation = await app.launcher.look()
        except StatusFileError as error:
            return as_json(
                {"status": "error", "healthy": False, "message": error.message, "hint": error.hint}
            )
        if situation is None:
            missing = app.launcher.no_server()
            return as_json(
                {
                    "status": "no_server",
                    "healthy": False,
                    "root": str(app.settings.root),
                    "message": missing.message,
                    "hint": missing.hint,
                }
            )
        answer = self._server_facts(app, situation)
        if closed := await app.sessions.close_ended():
            answer["ended_runs"] = [
                {"run_id": run.id, "status": str(run.status), "cause": run.cause} for run in closed
            ]
        if answer["healthy"]:
            try:
                await self._add_sessions(app, answer)
            except ServerError as error:  # it was lost meanwhile
                again = await app.launcher.look() or situation
                answer |= self._server_facts(app, again)
                if answer["healthy"]:
                    answer |= {"status": str(again.record.state), "healthy": False}
                    answer |= {"message": error.message, "hint": error.hint}
        return as_json({key: value for key, value in answer.items() if value not in ("", None)})

    def _server_facts(self, app: App, situation: Situation) -> dict[str, Any]:
        record = situation.record
        healthy = situation.reachable is True
        answer: dict[str, Any] = {
            "status": "ok" if healthy else str(record.state),
            "state": situation.phase,
            "healthy": healthy,
            "message": situation.sentence,
            "hint": situation.hint,
            "details": list(situation.details) or None,
            "notices": list(situation.notices) or None,
            "hostname": record.hostname,
            "url": record.url,
            "mode": str(record.mode),
            "root": str(app.settings.root),
            "active_sessions": 0,
        }
        if record.job_id:
            answer["job_id"] = record.job_id
        if record.ends and record.state.is_live:
            answer["walltime_left_s"] = max(0, round(record.ends - app.now()))
        return answer

    async def _add_sessions(self, app: App, answer: dict[str, Any]) -> None:
        server = await app.server()
        await app.sessions.reclaim()
        kernels = await server.api.kernels()
        held = {s.info.kernel_id: s.info.id for s in app.sessions.open_sessions}
        answer["active_sessions"] = len(held)
        answer["kernels"] = [
            {
                "kernel_id": k.kernel_id,
                "state": k.execution_state,
                "session_id": held.get(k.kernel_id, ""),
                "notebook": k.path,
            }
            for k in kernels
        ]
        answer["sessions"] = [
            {
                "session_id": s.info.id,
                "notebook_path": s.info.notebook,
                "running": s.current.id if s.current else "",
                **({"unusable": s.over} if s.over else {}),
            }
            for s in app.sessions.open_sessions
        ]
        alive = {k.kernel_id for k in kernels}
        if adoptable := await app.sessions.adoptable(alive):
            answer["adoptable_sessions"] = [
                {"session_id": a.session, "notebook_path": a.notebook, "running": a.running}
                for a in adoptable
            ]
        features = await server.api.features()
        if not features:
            answer["missing"] = (
                "The node extension is not loaded: after a connection failure or a restart of this process output may be lost."
            )

    async def check_resources(self) -> CallToolResult:
        """Tell how much CPU, memory and GPU is used and free, of the allocation and not of the whole node.

        Gives JSON: cpu (count, percent, load_1m), memory (total_mb, used_mb, available_mb, percent_used), gpu (a list:
        index, name, memory_used_mb, memory_total_mb, utilization_percent, temperature_c; empty without a GPU) and what
        each kernel uses. Takes milliseconds and runs nothing in your kernels."""
        app = await self._source.get()
        server = await app.server()
        return as_json(await app.resources(server.record))

    # -- sessions ------------------------------------------------------------------------------------------------

    async def start_new_session(
        self,
        experiment_name: Annotated[
            str, Field(description="names the notebook file, e.g. `resnet lr sweep`")
        ] = "experiment",
    ) -> CallToolResult:
        """Start a kernel with a new notebook. Other kernels and notebooks are not touched; nothing is overwritten.

        Gives JSON with session_id (needed by the other tools), notebook_path, hostname, kernel_id. Keep one session for
        one line of work; start a second one to compute in parallel."""
        app = await self._source.get()
        session = await app.sessions.open_new(experiment_name)
        return as_json(self._opened(session))

    async def start_session_resume_notebook(
        self,
        notebook_path: Annotated[str, Field(description="path of an .ipynb file")],
        reexecute: Annotated[
            Literal["auto", "always", "never"],
            Field(description="auto: re-run all cells when no live kernel holds the notebook's state"),
        ] = "auto",
        on_error: Annotated[Literal["stop", "continue"], Field(description="at a cell that raises")] = "stop",
        wait_s: WaitS = None,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Open an existing notebook with its state: on its live kernel if there is one, else on a fresh kernel where
        all its cells are run again in order.

        Gives JSON with session_id and, after a re-run, one entry for each cell (ok or error, with the error's text).
        A re-run that takes longer than wait_s goes on; follow it with read_notebook(session_id)."""
        app = await self._source.get()
        session, live = await app.sessions.open_existing(notebook_path)
        answer: dict[str, Any] = {**self._opened(session), "live_kernel": live}
        if reexecute == "always" or (reexecute == "auto" and not live):
            answer |= await self._rerun(app, session, on_error == "stop", wait_s, ctx)
        return as_json(answer)

    async def _rerun(
        self, app: App, session: Session, stop: bool, wait_s: float | None, ctx: Ctx
    ) -> dict[str, Any]:
        seen: list[Run] = []
        total = sum(c.cell_type == "code" and bool(c.source.strip()) for c in session.notebook.cells)

        async def on_cell(run: Run) -> None:
            seen.append(run)

        async def wait() -> None:
            while not work.done():
                await asyncio.wait([work], timeout=PROGRESS_S)
                last = seen[-1].outputs.last_line if seen and seen[-1].outputs else ""
                await ctx.report_progress(
                    len(seen), total, f"cell {len(seen)} of {total}: {last[-150:]}".rstrip(": ")
                )

        work = app.start_background(app.cells.run_all(session, stop_on_error=stop, on_cell=on_cell))
        async with _InterruptOnCancel(app, session, ctx):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wait(), app.settings.wait_s if wait_s is None else wait_s)
        if work.done():
            work.result()
        cells = []
        for run in seen:
            outputs = await app.sessions.outputs(run)
            row: dict[str, Any] = {"cell": run.cell, "run_id": run.id, "state": str(run.status)}
            if outputs.error is not None:
                row["error"] = f"{outputs.error.ename}: {outputs.error.evalue}"[:300]
            cells.append(row)
        state = "done" if work.done() else "still running; follow it with read_notebook"
        return {"reexecution": state, "cells_total": total, "cells": cells}

    async def start_session_continue_notebook(
        self,
        notebook_path: Annotated[str, Field(description="path of an .ipynb file")],
        experiment_name: Annotated[str, Field(description="names the copy; empty: <name>_continued")] = "",
    ) -> CallToolResult:
        """Copy a notebook to `<name>_continued.ipynb` and open the copy with a fresh kernel. Nothing is run: the
        variables of the old notebook do not exist until you run its cells (run_cell). The original stays as it is.

        Gives JSON with session_id, notebook_path, hostname, kernel_id."""
        app = await self._source.get()
        session = await app.sessions.fork(notebook_path, experiment_name)
        return as_json(self._opened(session))

    @staticmethod
    def _opened(session: Session) -> dict[str, Any]:
        info = session.info
        answer: dict[str, Any] = {
            "session_id": info.id,
            "notebook_path": info.notebook,
            "hostname": info.hostname,
            "kernel_id": info.kernel_id,
        }
        if info.python:
            answer["python"] = info.python
        if info.cwd:
            answer["cwd"] = info.cwd
        if info.warnings:
            answer["warnings"] = list(info.warnings)
        return answer

    # -- running -------------------------------------------------------------------------------------------------

    async def execute_code(
        self,
        session_id: SessionId,
        code: Annotated[str, Field(description="Python code; IPython magics and `!command` work")],
        wait_s: WaitS = None,
        cell_index: Annotated[int, Field(description="where the new cell is put; -1: at the end")] = -1,
        *,
        ctx: Ctx,
    ) -> CallToolResult:
        """Run code in the session's kernel as a new notebook cell and give its output, pictures included.

        Answers when the code has ended, or after wait_s seconds with what there is so far and a run_id; the code goes
        on then, and wait_for_run(run_id) gives the rest. An exception in the code is a normal answer with its
        traceback. Refused while another run of this session is in progress; nothing is run then. Output that is too
        long is cut in the middle; read_output has all of it. input() does not work."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        async with _InterruptOnCancel(app, session, ctx) as watch:
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
        a run that has ended, also one of an earlier process. Waiting does not touch the run; call it as often as needed."""
        app = await self._source.get()
        session, run = await app.sessions.find_run(run_id)
        patience = app.settings.wait_s if wait_s is None else wait_s
        while session is None and not run.status.is_final and patience > 0:
            # Another process goes on with it: its record is looked at again, and taken over once that one is gone.
            await asyncio.sleep(min(_LOOK_S, patience))
            patience -= _LOOK_S
            session, run = await app.sessions.find_run(run_id)
        return await self._answer(app, session, run, max(0.0, patience) if session else 0.0, ctx)

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
        adding another one. Answers like execute_code."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        async with _InterruptOnCancel(app, session, ctx) as watch:
            edited, watch.run = await app.cells.edit(session, cell, source, run=run)
            if watch.run is None:
                return as_text(
                    f"Cell {edited.id} ({edited.cell_type}) has its new text.", *session.warnings()
                )
            return await self._answer(app, session, watch.run, wait_s, ctx)

    async def run_cell(
        self, session_id: SessionId, cell: CellRef, wait_s: WaitS = None, *, ctx: Ctx
    ) -> CallToolResult:
        """Run a code cell of the notebook as it stands, in place. Answers like execute_code."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        async with _InterruptOnCancel(app, session, ctx) as watch:
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
        a quick look at versions, files or hardware. Answers like execute_code; the kernel ends with the run."""
        app = await self._source.get()
        session = await app.sessions.open_scratch()
        try:
            run = await session.start_run("execute_scratch", None, code)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await app.sessions.close_scratch(session)
            raise
        app.start_background(app.sessions.end_scratch(session, run))
        async with _InterruptOnCancel(app, session, ctx) as watch:
            watch.run = run
            return await self._answer(app, session, run, wait_s, ctx)

    async def _answer(
        self, app: App, session: Session | None, run: Run, wait_s: float | None, ctx: Ctx
    ) -> CallToolResult:
        async def beat(elapsed: float, last_line: str) -> None:
            await ctx.report_progress(round(elapsed, 1), None, last_line or f"running for {elapsed:.0f} s")

        await app.cells.wait(run, app.settings.wait_s if wait_s is None else wait_s, beat)
        if session is not None:
            await session.recorder.flush()
        result = await as_content(app, await self._parts(app, session, run))
        outputs = run.outputs
        if run.status.is_final and (outputs is None or outputs.is_cut or outputs.pictures.total):
            app.tidy_up()
        return result

    async def _parts(self, app: App, session: Session | None, run: Run) -> list[Part]:
        outputs = await app.sessions.outputs(run)
        notes = [*run.notes]
        if run.status in (RunStatus.INTERRUPTED, RunStatus.DIED) and not run.interrupted_by:
            note = await asyncio.to_thread(app.sessions.human_note, run)
            if note:
                notes.append(note)
        if session is not None:
            if run.status is RunStatus.RUNNING and (silence := await session.explain_silence()):
                notes.append(f"Warning: {silence}")
            if session.stale_kernel_notice and run.status is not RunStatus.DIED:
                notes.append(session.stale_kernel_notice)
                session.stale_kernel_notice = ""
            notes += [f"Warning: {w}" for w in session.warnings()]
        if warning := app.walltime_warning():
            notes.append(f"Warning: {warning}")
        facts = RunFacts(
            run.id, run.session, run.status, run.elapsed(app.now()), run.execution_count, run.cause, run.cell,
            run.begun, run.waits_for_other, session is not None and bool(session.over), notes,
        )  # fmt: skip
        if outputs.kept_chars < _RENDERED_AT_ONCE:
            reply = compose(facts, outputs, app.settings.output_chars)
        else:
            reply = await asyncio.to_thread(compose, facts, outputs.copy(), app.settings.output_chars)
        if session is not None and (reply.cut_chars or reply.hidden_pictures):
            session.recorder.record(ReplyCut(run.id, reply.cut_chars, reply.hidden_pictures))
        return reply.parts

    # -- reading -------------------------------------------------------------------------------------------------

    async def read_output(
        self,
        run_id: Annotated[str, Field(description="as given by execute_code, e.g. `a1b2c3d4-7`")],
        offset: Annotated[int, Field(ge=0, description="first line to give, counted from 0")] = 0,
        limit: Annotated[int, Field(ge=1, le=5000, description="number of lines")] = 200,
        tail: Annotated[int | None, Field(ge=1, le=5000, description="give the last lines instead")] = None,
        grep: Annotated[
            str | None, Field(description="give only lines that match this regular expression")
        ] = None,
        images: Annotated[
            list[int] | None, Field(description="numbers of pictures to give, counted from 1, at full size")
        ] = None,
    ) -> CallToolResult:
        """Read the full text output of a run, in progress or finished, beyond what a reply could hold: a range of lines,
        the last lines, or the lines that match. With images=[1, 3] gives those pictures at full size instead of text."""
        app = await self._source.get()
        session, run = await app.sessions.find_run(run_id)
        if session is not None:
            await session.recorder.flush()
        parts = await read_record_text(app, run, offset, limit, tail, grep, images)
        app.tidy_up()
        return await as_content(app, parts, max_px=2000 if images else None)

    async def read_notebook(
        self,
        session_id: Annotated[str, Field(description="a session, or leave it out and give a path")] = "",
        path: Annotated[
            str, Field(description="path of an .ipynb file, for a notebook without a session")
        ] = "",
        cells: Annotated[
            list[str | int] | None,
            Field(description="ids or indices of cells to give in full; left out: the map of all cells"),
        ] = None,
    ) -> CallToolResult:
        """Read a notebook: the map of its cells (index, id, type, state, execution count, first line, kinds of output),
        or chosen cells in full with their output. Use it to find a cell to edit or to see what has been done."""
        app = await self._source.get()
        session: Session | None = None
        if session_id:
            session, path = await app.sessions.for_reading(session_id)
        elif not path:
            raise UnknownSession("", [s.info.id for s in app.sessions.open_sessions])
        return await as_content(app, await read_cells(app, session, path, cells))

    async def inspect_variables(
        self,
        session_id: SessionId,
        names: Annotated[
            list[str] | None, Field(description="variables to show; left out: all of the user's")
        ] = None,
    ) -> CallToolResult:
        """List the variables in the kernel with type, shape, dtype, device and size. Works while a cell runs. Adds no
        cell and does not change the execution count."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        return as_text(await app.inspector.inspect(session, names))

    # -- notebook ------------------------------------------------------------------------------------------------

    async def delete_cell(self, session_id: SessionId, cell: CellRef) -> CallToolResult:
        """Delete a cell from the notebook. Variables that it made stay in the kernel."""
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
        position: Annotated[int, Field(description="where the cell is put; -1: at the end")] = -1,
    ) -> CallToolResult:
        """Add a text cell to the notebook: a heading, what you are about to try, what came out."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        cell, index = await app.cells.add_markdown(session, markdown, position)
        return as_text(f"Markdown cell {cell.id} added at index {index}.", *session.warnings())

    # -- steering ------------------------------------------------------------------------------------------------

    async def interrupt_kernel(self, session_id: SessionId) -> CallToolResult:
        """Stop what runs in the session's kernel, as Ctrl-C would, and check that it is idle. Variables stay. Says so
        when the code cannot be interrupted and what helps."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        return as_text(await session.interrupt("you (interrupt_kernel)"))

    async def restart_kernel(self, session_id: SessionId) -> CallToolResult:
        """Restart the session's kernel: all variables, imports and GPU memory are lost, what runs is ended. The notebook
        and the session stay. For a kernel that cannot be interrupted, or to free memory."""
        app = await self._source.get()
        session = await app.sessions.get(session_id)
        return as_text(await session.restart("you (restart_kernel)"))

    async def shutdown_session(self, session_id: SessionId) -> CallToolResult:
        """End a session: its kernel and variables are gone, its notebook stays. Only when the user asks for it."""
        app = await self._source.get()
        return as_text(await app.sessions.shut_down(session_id))


class _InterruptOnCancel:
    """Around a call that runs code: when the user cancels it, interrupt that run and check; else leave the run alone."""

    def __init__(self, app: App, session: Session, ctx: Ctx) -> None:
        self.run: Run | None = None
        """the run that the call started, once it is known"""
        self._app, self._session, self._ctx = app, session, ctx
        self._before = session.current

    async def __aenter__(self) -> _InterruptOnCancel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        if not self._app.reasons.by_user(self._ctx.request_id):
            return
        # What runs now and did not before is ours, even when the call was cancelled before it learnt the run's id.
        current = self._session.current
        run = self.run or (current if current is not self._before else None)
        if run is not None:
            # In a task of its own: the handler's scope is cancelled for good.
            self._app.start_background(self._cancel(run))

    async def _cancel(self, run: Run) -> None:
        try:
            outcome = await self._session.stopper.cancel(run)
        except JlabError as error:
            outcome = str(error)
        self._session.notice(f"The user cancelled the call. {outcome}")
