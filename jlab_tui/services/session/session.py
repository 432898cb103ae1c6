"""One session: a kernel, its notebook and its journal, as the tools use them.

One file, because it is the one face of all that a session does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ...core.errors import JlabError, ServerError, ServerUnreachable
from ...core.journal.events import NotebookSaved, RunStatus, RunTold, SessionClosed, SessionOpened
from ...core.kernel.link import RecordedKernel
from ...core.news_desk import is_worth_telling
from ...core.notebook.notebook import Notebook
from ...core.session.call import NO_CALL, Call
from ...core.session.identity import SessionIdentity
from ...core.session.protocol import (
    KernelUnused,
    NoticeTaken,
    RestartAsked,
    RestartDone,
    RestartFailed,
    RunClosed,
)
from ...core.session.replay import ReplayedSession
from ...core.session.run import Run
from ...core.session.state import SessionStatus, Usable
from ..journal.writer import SessionJournal
from ..kernel.ending import how_cut
from ..kernel.inspection import Inspection, inspect
from ..kernel.subshell import Subshell, evaluation
from ..notebook.output_sync import OutputSync
from ..ports import SessionPorts
from ..progress import all_of
from .cells import Cells
from .driver import Driver
from .edits import NotebookEdits
from .holding import Holding
from .interrupt import Interrupter
from .link_monitor import LinkMonitor
from .out_of_memory import GpuMemoryLook
from .own_cells import OwnCells
from .run_handle import RunHandle
from .runner import Runner
from .session_steering import SessionSteering
from .silence import SilenceWatch
from .variables import list_variables

KERNEL_READY_S: Final = 60.0
"""how long a new or idle kernel may take to answer"""


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
        self.journal = SessionJournal(
            ports.journal, ports.now, acknowledge=ports.link.acknowledge, may_write=self._may_write
        )
        self._opened = opened
        self._link = ports.link
        self._monitor = LinkMonitor(ports, opened.kernel_id)
        self._sync = OutputSync(
            ports.file,
            notebook,
            ports.read_back,
            self.journal.flush,
            may_write=self._may_write,
            on_moved=self._moved,
            on_held=self._held,
            now=ports.now,
        )
        self._subshell = Subshell(ports.link, lambda: self.state.kernel.generation)
        self._interrupter = Interrupter(
            ports.api, opened.session, opened.kernel_id, ports.link, self._subshell
        )
        self.steering = SessionSteering(opened.session, self.journal, ports.actions, ports.now)
        self._driver = Driver(
            state,
            ports,
            self.journal,
            self._sync,
            self._monitor,
            self._interrupter,
            self.steering.on_act,
            SilenceWatch(self.journal, partial(self.inspect, may_signal=False)),
            GpuMemoryLook(self.journal, ports.api, opened.kernel_id, self._subshell),
        )
        self._intake = self._driver.intake
        edits = NotebookEdits(self._sync, self.journal, self._driver.confirm)
        self._holding = Holding(self.steering, self._driver, edits, ports.hold_limit_s, ports.now)
        self._runner = Runner(
            self._driver,
            edits,
            self.journal,
            self._interrupter,
            self._subshell,
            self._holding,
            ports.now,
            first_run,
        )
        self.cells = Cells(self._runner, edits, self.journal)
        self.own_cells = OwnCells(self.steering, self._driver, self.cells, self.journal, ports.read_back)
        self._restarting = asyncio.Lock()
        self.journal.record(opened)

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

    # -- what its tools do ---------------------------------------------------------------------------------------

    async def run(self, code: str, call: Call = NO_CALL) -> RunHandle:
        """Run code that no cell has."""
        return await self._runner.start("execute_scratch", code, msg_id=call.msg_id)

    async def variables(self, names: list[str] | None) -> str:
        """Return a table of the kernel's variables. Raises SessionBusy, or what keeps the kernel out of reach."""
        return await list_variables(self._runner, names)

    async def inspect(self, *, may_signal: bool = True) -> Inspection:
        """Look at what the kernel's code is doing, without touching it (see `inspection.inspect`)."""
        return await inspect(self.api, self._opened.kernel_id, self._subshell.ask, may_signal=may_signal)

    async def interrupt(self, by: str) -> str:
        """Interrupt the running code and check that the kernel is idle. Returns the outcome."""
        self._driver.refuse_if_over()
        await self._driver.confirm()
        if (run := self.current) is not None and run.status is RunStatus.HELD:
            return self._holding.give_up(run, f"it was interrupted by {by}")
        if run is not None:
            outcome = await self._interrupter.interrupt(run, by)
            self.told(run)
            return outcome
        if await self._monitor.kernel_state() != "busy":
            return "Nothing is running; the kernel is idle."
        return await self._interrupter.interrupt_others()

    async def cancel(self, run: RunHandle) -> None:
        """Try once to interrupt a run whose call the user cancelled, and record the outcome."""
        try:
            if run.status is RunStatus.HELD:
                outcome = self._holding.give_up(run, "the call was cancelled in the client")
            else:
                outcome = await self._interrupter.cancel(run)
        except JlabError as error:
            outcome = str(error)
        self.told(run)
        self.journal.notice(f"The user cancelled the call. {outcome}")

    async def restart(self, by: str) -> str:
        """Restart the kernel. Everything in memory is lost; notebook and session stay."""
        # Even a cancelled call must record who asked for the restart.
        return await asyncio.shield(self._driver.background(self._restart(by)))

    async def _restart(self, by: str) -> str:
        async with self._restarting:
            await self._driver.confirm()
            if self.state.kernel.is_shut_down:
                self._driver.refuse_if_over()
            run = self.current
            self._intake.apply(RestartAsked(by))
            try:
                await self.api.restart(self._opened.kernel_id)
            except BaseException:
                self._intake.apply(RestartFailed(by))
                raise
            self._intake.apply(RestartDone(by))
        if run is not None:
            self.told(run)
        stopped = f" Run {run.id} was ended." if run is not None else ""
        text = f"The kernel of session {self._opened.session} was restarted.{stopped} All variables and imports are lost."
        return f"{text} {await how_cut(self.api, self._opened.kernel_id)}".rstrip()

    async def another_kernel(self, generation: int) -> None:
        """Wait until a restart, whoever asked for it, has made another kernel of the one of `generation`."""
        await self._intake.another_kernel(generation)

    async def shut_down(self) -> str:
        """Shut the kernel down, unless it is the user's own. Raises ServerUnreachable if it may still run."""
        await self._driver.confirm()
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
            self._intake.apply(RunClosed(run, status, cause))

    def told(self, run: RunHandle) -> None:
        """Record that the client knows of a run's end."""
        if is_worth_telling(run.status, run.seconds):
            self.journal.record(RunTold(run.id))

    async def record_reply(self, run: Run) -> None:
        """Return when nothing that a reply about a run tells can be lost, and all of its output can be read.

        What the kernel said of a run that came to its end, the Jupyter extension keeps until the journal has it on disk:
        a process that takes over reads it there."""
        if isinstance(run, RunHandle):
            self.told(run)
        is_kept = self.state.is_recorded and run.status in (RunStatus.OK, RunStatus.ERROR)
        if is_kept and run.outputs is not None and not run.outputs.is_cut:
            self.journal.push()
        else:
            await self.journal.flush()

    # -- what it says --------------------------------------------------------------------------------------------

    async def explain_silence(self) -> str:
        """Return why the kernel is silent, one sentence; empty if it is not."""
        return await self._monitor.explain_silence()

    def take_notice(self) -> str:
        """Return the pending notice about the kernel once; empty if there is none."""
        notice = self.state.notice
        if notice:
            self._intake.apply(NoticeTaken())
        return notice

    def take_file_note(self) -> str:
        """Return, once, that the notebook's file follows later, if it does; one sentence."""
        return self._sync.take_note()

    def warnings(self) -> list[str]:
        """Return the problems with journal and notebook, to show next to the outputs."""
        found = self._sync.warnings()
        if self.journal.failure:
            found.append(
                f"The run's record cannot be written now: {self.journal.failure}. jlab-mcp keeps trying."
            )
        return found

    # -- its life ------------------------------------------------------------------------------------------------

    async def resume(
        self, left: ReplayedSession, recorded: RecordedKernel | None = None, notes: Sequence[str] = ()
    ) -> None:
        """Continue where an earlier process left the session, and end the runs that cannot continue. `recorded` is what
        the server knows of the kernel; `notes` join the warnings about the notebook."""
        self._sync.note(notes)
        self.steering.continue_from(left)
        self._intake.continue_widgets(left.widgets)
        running = recorded.running if recorded is not None else ""
        for run in left.runs.values():
            run.has_started = run.has_started or run.msg_id == running != ""
            self._driver.adopt(run)
        await self._sync.restore(left)
        unfinished = left.unfinished
        for run in unfinished:
            if run.status is RunStatus.HELD:
                self._holding.adopt(self.runs[run.id], left.held[run.id])
            elif recorded is not None and run.msg_id not in recorded.requests and not run.has_started:
                cause = "It never reached the kernel: the process that asked for it ended first."
                self._intake.apply(RunClosed(run.id, RunStatus.ABORTED, cause))
            elif run is not unfinished[-1]:
                self._intake.apply(RunClosed(run.id, RunStatus.LOST, "Its end was not recorded."))

    async def connect(self, timeout: float) -> bool:
        """Open the link, and keep it open until `close`. Returns once the session is on record, and whether its kernel
        answers within `timeout` seconds."""
        self._driver.open_link()
        await self.steering.begin()
        self._holding.begin()
        self.own_cells.begin()
        await self.journal.flush()
        try:
            await self._link.ready(timeout)
        except TimeoutError:
            return False
        return True

    async def has_run_nothing(self, timeout: float) -> bool:
        """Ask whether the kernel has counted no cell, and keep that in mind; a busy one has run something."""
        try:
            reply = await self._link.ask(evaluation("0"), timeout)
        except TimeoutError:
            return False
        if is_unused := reply.content.get("execution_count") == 0:
            self._intake.apply(KernelUnused())
        return is_unused

    async def is_usable(self) -> bool:
        """Ask the server whether the kernel is still there."""
        await self._driver.look_at_kernel()
        return isinstance(self.state.availability, Usable)

    async def save(self) -> None:
        """Wait until journal and notebook file hold everything, or saving failed."""
        await all_of(f"saving session {self._opened.session}", self.journal.flush(), self._sync.flush())

    def give_up_held(self) -> None:
        """Decline what is held: nobody will ask for it again."""
        if (run := self.current) is not None and run.status is RunStatus.HELD:
            self._holding.give_up(run, "the client ended")

    async def close(self, reason: str = "") -> None:
        """Write what is left and release the session without touching the kernel. `reason` closes the session for good."""
        what = f"closing session {self._opened.session}"
        self.steering.end()
        await self._driver.end_tasks(what)
        if reason and not self.state.is_taken_over:
            self.journal.record(SessionClosed(reason))
        await all_of(what, self._link.close(), self._sync.close())
        await all_of(what, self.journal.close())

    def _may_write(self) -> bool:
        """Whether the session is certainly ours: confirmed recently, or the server is gone for good."""
        if isinstance(self.state.availability, Usable):
            return self._monitor.is_surely_ours
        return not self.state.is_taken_over

    def _held(self, until: float) -> None:
        self.journal.record(NotebookSaved(until))

    def _moved(self, path: Path) -> None:
        self._opened = replace(self._opened, notebook=str(path))
        self.journal.record(self._opened)
        self._driver.background(self._rename(path.name))

    async def _rename(self, name: str) -> None:
        try:
            await self.api.rename_session(self._opened.kernel_id, name)
        except ServerError:
            pass  # only JupyterLab's list of sessions shows the old name
