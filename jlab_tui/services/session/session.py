"""One session: a kernel, its notebook and its journal. Owns the order of things; one run at a time.

One file, although it is long: its parts are private, and callers use only the session.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from ...core.errors import ServerError, ServerUnreachable
from ...core.journal.events import Event, NotebookEdited, Notice, RunStatus, SessionClosed, SessionOpened
from ...core.kernel.conversation import ends_request
from ...core.kernel.link import LinkChange
from ...core.kernel.wire import KernelMessage, execution
from ...core.notebook.notebook import Notebook, NotebookCell
from ...core.session.identity import SessionIdentity
from ...core.session.protocol import (
    Asked,
    CloseLink,
    Effect,
    NoticeTaken,
    RenewLink,
    RestartAsked,
    RestartDone,
    RestartFailed,
    RunClosed,
    ServerGone,
    StartRun,
)
from ...core.session.refusals import busy, refusal
from ...core.session.replay import ReplayedSession
from ...core.session.state import SessionStatus, Usable
from ..journal.writer import SessionJournal
from ..kernel.ending import how_cut
from ..kernel.subshell import Subshell, evaluation
from ..notebook.output_sync import OutputSync
from ..ports import SessionPorts
from ..progress import all_of, cancelled
from .intake import Intake
from .interrupt import Interrupter
from .link_monitor import LINK_PATIENCE_S, LinkMonitor
from .outages import Outages
from .run_completion import Completion
from .run_handle import RunHandle, ticks

T = TypeVar("T")
KERNEL_READY_S: Final = 60.0
"""how long a new or idle kernel may take to answer"""
BATCH_TOOL: Final = "resume"
"""the tool's name in runs of a batch"""


class Session:
    """Runs code in one kernel. Made by `services.sessions.factory`."""

    def __init__(
        self,
        opened: SessionOpened,
        state: SessionStatus,
        ports: SessionPorts,
        notebook: Notebook | None,
        first_run: int = 1,
        warnings: Sequence[str] = (),
    ) -> None:
        """Make a session whose journal begins with `opened`. It sends and receives nothing before `connect`."""
        self.api = ports.api
        self.opening_warnings = list(warnings)
        """notes for the reply that opens the session"""
        self._opened = opened
        self._now = ports.now
        self._why_on_record = ports.why_on_record
        self._next_run = first_run
        self._tasks: set[asyncio.Task[Any]] = set()
        self._restarting = asyncio.Lock()
        self._link = ports.link
        self._monitor = LinkMonitor(self._link, ports.api, opened.kernel_id, ports.diagnose, ports.why_silent)
        self._journal = SessionJournal(
            ports.journal, ports.now, acknowledge=self._link.acknowledge, may_write=self._may_write
        )
        self._sync = OutputSync(
            ports.file,
            notebook,
            ports.read_back,
            self._journal.flush,
            may_write=self._may_write,
            on_moved=self._moved,
        )
        self._intake = Intake(state, self._journal, self._sync, ports.now, self._perform)
        self._subshell = Subshell(self._link, lambda: self.state.kernel.generation)
        self._interrupter = Interrupter(
            ports.api, opened.session, opened.kernel_id, self._link, self._subshell
        )
        self._completion = Completion(self._link.send, self._intake.settle)
        self._outages = Outages(self._intake, self._link, self._monitor, ports.spool)
        self._journal.record(opened)

    @property
    def identity(self) -> SessionIdentity:
        return SessionIdentity.of(self._opened)

    @property
    def state(self) -> SessionStatus:
        return self._intake.state

    @property
    def oddities(self) -> int:
        """So many messages of the kernel were not understood."""
        return self._link.oddities

    @property
    def runs(self) -> Mapping[str, RunHandle]:
        """The runs by id, in the order of the requests."""
        return self._intake.runs

    @property
    def current(self) -> RunHandle | None:
        """The run in progress."""
        return self._intake.current

    @property
    def notebook(self) -> Notebook:
        """Raises NotebookError for a scratch session."""
        return self._sync.notebook

    # -- running code --------------------------------------------------------------------------------------------

    async def start_run(self, tool: str, cell: NotebookCell | None, source: str) -> RunHandle:
        """Send code to the kernel, once; the cell gets it as its source. Raises SessionBusy, or what keeps the kernel out
        of reach; then nothing has changed."""
        self.refuse_if_over()
        self.refuse_if_busy(in_batch=tool == BATCH_TOOL)
        run = self._new_run(tool, cell, source)
        self._intake.prepare(run)
        try:
            await self._ready()
            if cell is not None:  # a merge replaces cell objects
                cell = self.notebook.cells[self.notebook.find(cell.id)]
            if cell is not None and cell.source != source:
                cell.source = source
                self.note_edit("edit", cell, self.notebook.find(cell.id))
        except BaseException:
            self._intake.withdraw(run)
            raise
        self._intake.begin(run, cell)
        # Even a cancelled call must know whether the code was sent.
        await asyncio.shield(self._spawn(self._send(run)))
        return run

    def refuse_if_busy(self, *, in_batch: bool = False) -> None:
        """Raise SessionBusy while a run is in progress, naming it."""
        if error := busy(self.state, self.current, self._now(), in_batch=in_batch):
            raise error

    async def evaluate(self, expression: str, timeout: float) -> Mapping[str, Any] | None:
        """See `Subshell.evaluate`. Raises what keeps the kernel out of reach."""
        self.refuse_if_over()
        await self._ready()
        return await self._subshell.evaluate(expression, timeout, is_busy=self.state.is_kernel_busy)

    def _new_run(self, tool: str, cell: NotebookCell | None, source: str) -> RunHandle:
        number = self._next_run
        self._next_run += 1
        return RunHandle(
            id=f"{self._opened.session}-{number}",
            session=self._opened.session,
            tool=tool,
            cell=cell.id if cell is not None else "",
            source=source,
            msg_id=uuid.uuid4().hex,
            asked_at=self._now(),
            began=ticks(),
            generation=self.state.kernel.generation,
            journal=self._journal.path,
            offset=0,
        )

    async def _send(self, run: RunHandle) -> None:
        if not await self._link.send(execution(run.source, run.msg_id)):
            self._spawn(self._outages.watch_unseen(run))

    async def _ready(self) -> None:
        """Wait until code reaches the kernel. The status file decides whether the server has ended, even if something answers."""
        if why := await self._why_on_record():
            self._intake.apply(ServerGone(why))
            self.refuse_if_over()
        try:
            await self._link.ready(LINK_PATIENCE_S)
        except TimeoutError:
            self.refuse_if_over()
            raise await self._monitor.unreachable() from None

    # -- steering ------------------------------------------------------------------------------------------------

    async def interrupt(self, by: str) -> str:
        """Interrupt the running code and check that the kernel is idle. Returns the outcome."""
        self.refuse_if_over()
        await self.confirm()
        run = self.current
        if run is not None:
            return await self._interrupter.interrupt(run, by)
        if await self._monitor.kernel_state() != "busy":
            return "Nothing is running; the kernel is idle."
        await self.api.interrupt(self._opened.kernel_id)
        return "No run of yours is in progress; another client's code on this kernel was interrupted."

    async def cancel(self, run: RunHandle) -> str:
        """Try once to interrupt a run whose call the user cancelled. Returns the outcome."""
        return await self._interrupter.cancel(run)

    async def restart(self, by: str) -> str:
        """Restart the kernel. Everything in memory is lost; notebook and session stay."""
        # Even a cancelled call must record who asked for the restart.
        return await asyncio.shield(self._spawn(self._restart(by)))

    async def _restart(self, by: str) -> str:
        async with self._restarting:
            await self.confirm()
            if self.state.kernel.is_shut_down:
                self.refuse_if_over()
            run = self.current
            self.asked(RestartAsked(by))
            try:
                await self.api.restart(self._opened.kernel_id)
            except BaseException:
                self.asked(RestartFailed(by))
                raise
            self.asked(RestartDone(by))
        stopped = f" Run {run.id} was ended." if run is not None else ""
        text = f"The kernel of session {self._opened.session} was restarted.{stopped} All variables and imports are lost."
        return f"{text} {await how_cut(self.api, self._opened.kernel_id)}".rstrip()

    async def shut_down(self) -> str:
        """Shut the kernel down, unless it is the user's own. Raises ServerUnreachable if it may still run."""
        await self.confirm()
        name = self._opened.session
        if self._opened.users_kernel:
            self._close_current(RunStatus.LOST, "The session was shut down; the kernel keeps running.")
            return f"Session {name} is closed. Its kernel is the user's own, so it keeps running and keeps its variables."
        try:
            await self.api.delete_kernel(self._opened.kernel_id)
        except ServerError as error:
            if isinstance(self.state.availability, Usable):
                raise ServerUnreachable(
                    f"Session {name} was not shut down: {error.message}",
                    "Its kernel may still run. Call ping, and try again when the server answers.",
                ) from None
        self._close_current(RunStatus.DIED, "The session was shut down.")
        text = f"Session {name} is shut down; its kernel and variables are gone."
        return f"{text} {await how_cut(self.api, self._opened.kernel_id)}".rstrip()

    def _close_current(self, status: RunStatus, cause: str) -> None:
        if run := self.state.current:
            self.asked(RunClosed(run, status, cause))

    # -- the notebook --------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Make sure that the session is still ours, and merge what somebody else wrote to the notebook. Raises
        SessionOwned, NotebookError."""
        await self.confirm()
        await self._sync.refresh()

    async def read_notebook(self) -> Notebook:
        """Return the notebook with all outputs so far."""
        await self._sync.refresh()
        self._sync.store_running()
        return self.notebook

    def note_edit(self, action: str, cell: NotebookCell, index: int) -> None:
        """Record that a cell was added, edited or deleted without running."""
        self._journal.record(NotebookEdited(action, cell.id, cell.source, index, cell.cell_type))
        self._sync.save(now=True)

    def withdraw(self, cell: NotebookCell) -> None:
        """Remove a cell whose code was not sent."""
        is_sent = any(run.cell == cell.id for run in self.runs.values())
        if not is_sent and self.notebook.by_id(cell.id) is not None:
            self.notebook.remove(cell.id)
            self._sync.save(now=True)

    def _moved(self, path: Path) -> None:
        self._opened = replace(self._opened, notebook=str(path))
        self._journal.record(self._opened)
        self._spawn(self._rename(path.name))

    async def _rename(self, name: str) -> None:
        try:
            await self.api.rename_session(self._opened.kernel_id, name)
        except ServerError:
            pass  # only JupyterLab's list of sessions shows the old name

    # -- what it says --------------------------------------------------------------------------------------------

    def refuse_if_over(self) -> None:
        """Raise KernelGone or SessionOwned if the session is no longer usable."""
        if error := refusal(self.state, self._opened.notebook):
            raise error

    async def confirm(self) -> None:
        """Make sure that the session is still ours, before any change to notebook or kernel. Raises SessionOwned."""
        if isinstance(self.state.availability, Usable):
            await self._monitor.confirm()
        if self.state.is_taken_over:
            self.refuse_if_over()

    async def explain_silence(self) -> str:
        """Return why the kernel is silent, one sentence; empty if it is not."""
        return await self._monitor.explain_silence()

    async def look(self) -> None:
        """Notice when the kernel is gone."""
        await self._outages.look_at_kernel()

    def take_notice(self) -> str:
        """Return the pending notice about the kernel once; empty if there is none."""
        notice = self.state.notice
        if notice:
            self.asked(NoticeTaken())
        return notice

    def warnings(self) -> list[str]:
        """Return the problems with journal and notebook, to show next to the outputs."""
        found = self._sync.warnings()
        if self._journal.failure:
            found.append(
                f"The run's record cannot be written now: {self._journal.failure}. jlab-mcp keeps trying."
            )
        return found

    # -- its life ------------------------------------------------------------------------------------------------

    async def resume(self, replayed: ReplayedSession, running: str = "", notes: Sequence[str] = ()) -> None:
        """Continue where an earlier process left the session. `running` is the msg_id that the kernel executes, if known;
        `notes` join the warnings about the notebook."""
        self._sync.note(notes)
        for left in replayed.runs.values():
            left.has_started = left.has_started or (bool(running) and left.msg_id == running)
            run = self._intake.adopt(left)
            if not run.status.is_final and run.reply is not None:
                self._spawn(self._completion.settle(run))
        await self._sync.restore(replayed)

    def connect(self) -> None:
        """Open the link and keep it open until `close`."""
        self._link.open(self.on_message, self.on_change)

    async def answers(self, timeout: float) -> bool:
        """Wait until the kernel answers."""
        try:
            await self._link.ready(timeout)
        except TimeoutError:
            return False
        return True

    async def counts_no_cell(self, timeout: float) -> bool:
        """Return whether the kernel has run nothing; a busy one has run something."""
        try:
            reply = await self._link.ask(evaluation("0"), timeout)
        except TimeoutError:
            return False
        return reply.content.get("execution_count") == 0

    def asked(self, what: Asked) -> None:
        """Note that a client used the session."""
        self._intake.apply(what)

    def record(self, event: Event) -> None:
        """Write an event to the journal that is not the kernel's."""
        self._journal.record(event)

    def notice(self, text: str, level: str = "info") -> None:
        """Write a note to the journal."""
        self._journal.record(Notice(text, level))

    async def flush(self) -> None:
        """Wait until everything recorded so far is in the journal's file."""
        await self._journal.flush()

    async def save(self) -> None:
        """Wait until journal and notebook file hold everything, or saving failed."""
        await all_of(f"saving session {self._opened.session}", self._journal.flush(), self._sync.flush())

    async def close(self, reason: str = "") -> None:
        """Write what is left and release the session without touching the kernel. `reason` closes the session for good."""
        what = f"closing session {self._opened.session}"
        await cancelled(what, self._tasks)
        if reason and not self.state.is_taken_over:
            self._journal.record(SessionClosed(reason))
        await all_of(what, self._link.close(), self._sync.close())
        await all_of(what, self._journal.close())

    # -- what happens to it --------------------------------------------------------------------------------------

    def on_message(self, message: KernelMessage) -> None:
        """Handle one message of the kernel; the link calls this in the event loop."""
        if self.state.is_taken_over:
            return
        self._intake.feed(message)
        if ends_request(message):
            run = self.current
            if run is not None and message.parent_id == run.msg_id:
                self._spawn(self._completion.settle(run))
        self._completion.on_message(message)

    def on_change(self, change: LinkChange) -> None:
        """Handle a link that opened, broke or ended; the link calls this in the event loop."""
        self._intake.apply(change)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case StartRun() if self.runs[effect.run].cancelled:
                self._spawn(self._interrupter.started(self.runs[effect.run]))
            case RenewLink():
                self._link.renew()
            case CloseLink():
                self._spawn(self._link.close())
            case _:
                if work := self._outages.after(effect):
                    self._spawn(work)

    def _may_write(self) -> bool:
        """Whether the session is certainly ours: confirmed recently, or the server is gone for good."""
        if isinstance(self.state.availability, Usable):
            return self._monitor.is_surely_ours
        return not self.state.is_taken_over

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
