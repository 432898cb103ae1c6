"""One session: a kernel, its notebook and its journal. Owns the order of things; one run at a time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from ...core.errors import SessionBusy
from ...core.journal.events import (
    DataUpdated,
    ExecutionStarted,
    NotebookEdited,
    Notice,
    RunFinished,
    RunReplied,
    RunStarted,
    RunStatus,
)
from ...core.kernel.conversation import (
    NO_REPLY,
    Conversation,
    Fact,
    KernelDeath,
    OtherActivity,
    Output,
    Replied,
    RunEnded,
    ends_request,
)
from ...core.kernel.wire import KernelMessage, Request
from ...core.notebook.notebook import Notebook, NotebookCell
from ...core.notebook.outputs import DataItem
from ...core.session.run import Run
from ..journal.writer import SessionJournal
from ..kernel.subshell import Subshell
from ..notebook.autosave import Autosave
from ..notebook.output_sync import OutputSync, ReadBack
from ..ports import Jupyter, Link, Spool
from .completion import Completion
from .interrupt import Interrupter
from .kernel_lifecycle import KernelLifecycle
from .link_monitor import LinkMonitor
from .run_handle import RunHandle

KERNEL_READY_S: Final = 60.0
"""how long a kernel that was started, or is idle, may take to answer"""
BATCH_TOOL: Final = "resume"
"""name of the tool in runs that belong to a batch"""


@dataclass(slots=True)
class SessionInfo:
    """What identifies a session to the model and the dashboard."""

    id: str
    name: str
    notebook: str
    """absolute path; empty for a scratch session"""
    kernel_id: str
    hostname: str
    python: str = ""
    cwd: str = ""
    users_kernel: bool = False
    """the user had started the kernel; it is never shut down from here"""
    warnings: list[str] = field(default_factory=list)
    """said once, with the reply that opens the session"""


class Session:
    """Runs code in one kernel. Made by `services.sessions.registry`, which also opens and closes it."""

    def __init__(
        self,
        info: SessionInfo,
        api: Jupyter,
        recorder: SessionJournal,
        saver: Autosave | None,
        now: Callable[[], float],
        diagnose: Callable[[], Awaitable[str]],
        spool: Spool,
        read_back: ReadBack,
        first_run: int = 1,
    ) -> None:
        """`diagnose` tells in a sentence that the server has ended, or nothing while it may come back."""
        self.info = info
        self.api = api
        self.recorder = recorder
        self.keeper = OutputSync(saver, read_back, recorder.flush)
        self.link: Link
        """set by the opener before anything else is called"""
        self.current: RunHandle | None = None
        self.batch = ""
        """what runs cell after cell, such as `its cells are being run again`; empty when nothing does"""
        self.batch_end = ""
        """why the last batch stopped before its last cell, one sentence"""
        self.runs: dict[str, RunHandle] = {}
        self.over = ""
        """why the session cannot be used any more; empty while it can"""
        self.taken_over = False
        """another process holds it now, and writes its record and its notebook"""
        self.stale_kernel_notice = ""
        """said once in the next reply: the kernel was restarted, variables are gone"""
        self.generation = 1
        """counts the kernel's restarts; what ran before is stale"""
        self.was_unused = False
        """the user's kernel had run nothing when this session began"""
        self._used = 0
        """generation in which code has run last, ours or another client's"""
        self._elsewhere: set[tuple[int, int]] = set()
        """what other clients ran: generation, hash of the code"""
        self.now = now
        self._next_run = first_run
        self.subshell = Subshell()
        self.connection = LinkMonitor(self, diagnose, spool)
        self.kernel_lifecycle = KernelLifecycle(self)
        self.interrupter = Interrupter(self)
        self.completion = Completion(self)
        self._conversation = Conversation()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- runs ----------------------------------------------------------------------------------------------------

    @property
    def notebook(self) -> Notebook:
        return self.keeper.notebook

    @property
    def saver(self) -> Autosave | None:
        return self.keeper.saver

    @property
    def holds_state(self) -> bool:
        """Whether there may be variables: not in a kernel that was restarted, or begun for us, and has run nothing since."""
        return self._is_as_found or self.current is not None or self._used == self.generation

    def ran_elsewhere(self, source: str) -> bool:
        """Whether another client's run of this code may be the last one of it, in the kernel as it is."""
        return self._is_as_found or (self.generation, hash(source)) in self._elsewhere

    @property
    def _is_as_found(self) -> bool:
        """Whether it is the user's kernel with what the user has run in it."""
        return self.info.users_kernel and self.generation == 1 and not self.was_unused

    @property
    def is_kernel_busy(self) -> bool:
        """Whether a run of ours or another client's code is known to be on the kernel."""
        return self.current is not None or self._conversation.others_busy

    def refuse_if_busy(self, *, in_batch: bool = False) -> None:
        """Raise SessionBusy while a run is in progress, naming it."""
        run = self.current
        if run is None and self.batch and not in_batch:
            raise SessionBusy(
                f"Session {self.info.id} is busy: {self.batch}.",
                f'Nothing was done. Follow it with read_notebook(session_id="{self.info.id}").',
            )
        if run is None:
            return
        last = run.outputs.last_line if run.outputs else ""
        shown = f" Its last line: {last[-200:]!r}." if last else ""
        raise SessionBusy(
            f"Session {self.info.id} is busy: run {run.id} has been going for {run.elapsed(self.now()):.0f} s.{shown}",
            f'Nothing was done. Call wait_for_run(run_id="{run.id}"), or interrupt_kernel(session_id="{self.info.id}").',
        )

    async def start_run(self, tool: str, cell: NotebookCell | None, source: str) -> RunHandle:
        """Send code to the kernel, once; the cell gets it as its source. Raises SessionBusy, or what keeps the kernel out
        of reach; then nothing has changed."""
        self.connection.refuse_if_over()
        self.refuse_if_busy(in_batch=tool == BATCH_TOOL)
        run = self._new_run(tool, cell, source)
        self.current = run
        try:
            await self.connection.ready()
            if cell is not None:  # a merge makes cells anew
                cell = self.notebook.cells[self.notebook.find(cell.id)]
            if cell is not None and cell.source != source:
                cell.source = source
                self.note_edit("edit", cell, self.notebook.find(cell.id))
        except BaseException:
            self.current = None
            raise
        self._release_outputs(keep=run)
        self.runs[run.id] = run
        run.offset = self.recorder.record(RunStarted(run.id, tool, run.cell, source, run.msg_id))
        if cell is not None:
            self.keeper.begin(run, cell)
        self._conversation.asked(run.msg_id, run.id)
        run.waits_for_other = self._conversation.others_busy
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        # A cancelled call must not leave it open whether the code was sent.
        await asyncio.shield(self.spawn(self._send(run, content)))
        return run

    async def _send(self, run: RunHandle, content: dict[str, Any]) -> None:
        if not await self.link.send(Request("shell", "execute_request", run.msg_id, content)):
            self.spawn(self.connection.watch_unseen(run))

    def has_run(self, cell: NotebookCell) -> bool:
        """Whether code of this cell was sent."""
        return any(run.cell == cell.id for run in self.runs.values())

    def adopt_run(self, left: Run) -> None:
        """Go on with a run that an earlier process started; its messages follow from the recorded stream."""
        run = self.runs[left.id] = RunHandle.of(left)
        if run.has_started or run.status in (RunStatus.OK, RunStatus.ERROR, RunStatus.INTERRUPTED):
            self._used = max(self._used, run.generation)
        self.keeper.belongs_to(run)
        if run.status.is_final:
            self._conversation.ended(run.msg_id, run.id)
        else:
            error = run.outputs.error if run.outputs is not None else None
            self._conversation.asked(
                run.msg_id,
                run.id,
                has_started=run.has_started,
                error=error.ename if error is not None else "",
                reply=run.reply,
                shown=[item.data for item in run.outputs.items() if isinstance(item, DataItem)]
                if run.outputs is not None
                else (),
            )
            self.recorder.goes_on_with(run.id, run.outputs.total_chars if run.outputs is not None else 0)
            self.current = run
            if run.reply is not None:
                self.spawn(self.completion.settle(run))

    def _new_run(self, tool: str, cell: NotebookCell | None, source: str) -> RunHandle:
        number = self._next_run
        self._next_run += 1
        return RunHandle(
            id=f"{self.info.id}-{number}",
            session=self.info.id,
            tool=tool,
            cell=cell.id if cell is not None else "",
            source=source,
            msg_id=uuid.uuid4().hex,
            asked_at=self.now(),
            generation=self.generation,
            journal=self.recorder.journal_path,
            offset=0,
        )

    def close_run(self, run: RunHandle, status: RunStatus, cause: str) -> None:
        """End a run for another reason than a message of the kernel."""
        if not run.status.is_final:
            self._conversation.forget(run.msg_id)
            self.ended(RunEnded(run.id, status, run.execution_count, cause))

    def _release_outputs(self, keep: RunHandle | None = None) -> None:
        for run in self.runs.values():
            if run is not keep and run.status.is_final:
                run.outputs = None

    # -- messages ------------------------------------------------------------------------------------------------

    def on_message(self, message: KernelMessage) -> None:
        """One message of the kernel; called by the link in the event loop."""
        if self.taken_over:
            return
        facts = self._conversation.feed(message)
        self._record_reply_before(facts)
        for number, fact in enumerate(facts, 1):
            if number == len(facts):
                self.recorder.reaching(message.seq)
            self._take(fact)
        self.recorder.saw(message.seq)
        run = self.current
        if run is not None and message.parent_id == run.msg_id and ends_request(message):
            self.spawn(self.completion.settle(run))
        self.completion.on_message(message)

    def _record_reply_before(self, facts: list[Fact]) -> None:
        """Whoever goes on from the line that these facts make will not see the reply that came before it."""
        run = self.current
        if run is None or run.reply is None or run.reply_recorded:
            return
        if any(isinstance(fact, Output | ExecutionStarted) for fact in facts):
            run.reply_recorded = True
            self.recorder.record(RunReplied(run.id, run.reply))

    def settle(self, run: RunHandle) -> None:
        """Nothing of this run will follow: end it with what has come."""
        if not run.status.is_final:
            for fact in self._conversation.settle(run.id):
                self._take(fact)

    def _take(self, fact: Fact) -> None:
        match fact:
            case ExecutionStarted():
                if run := self.runs.get(fact.run):
                    run.execution_count = fact.execution_count
                    self._begun(run)
            case RunEnded():
                if fact.status is RunStatus.DIED and self.kernel_lifecycle.may_be_the_servers_end(fact.cause):
                    self.spawn(self.kernel_lifecycle.ended_unless_the_server_ends(fact))
                else:
                    self.ended(fact)
            case KernelDeath():
                self.kernel_lifecycle.died(fact)
            case Replied():
                if run := self.runs.get(fact.run):
                    run.reply = fact.content
            case OtherActivity():
                self._used = self.generation
                self._elsewhere.add((self.generation, hash(fact.code)))
                if self.current is not None and not self.current.has_started:
                    self.current.waits_for_other = fact.busy
            case _:
                self._output(fact)

    def _begun(self, run: RunHandle) -> None:
        if not run.has_started:
            self.recorder.record(ExecutionStarted(run.id, run.execution_count))
        run.has_started, run.waits_for_other = True, False
        self._used = self.generation
        run.execution.set()
        if run.cancelled and run is self.current:
            self.spawn(self.interrupter.begun(run))

    def _output(self, fact: Output) -> None:
        run = self.runs.get(fact.run)
        if run is None:
            return
        if not run.has_started:
            self._begun(run)
        run.output_since_interrupt = True
        unrecorded = self.recorder.unrecorded(run.id)
        self.recorder.record(fact)
        if run.outputs is not None:
            run.outputs.unrecorded += self.recorder.unrecorded(run.id) - unrecorded
        if isinstance(fact, DataUpdated):
            self.keeper.update_displays(fact, self.runs)
        if run.outputs is None:
            # A thread prints after its cell has ended and another run has begun.
            self.keeper.came_late(run)
        elif run.outputs.feed(fact):
            if run.status.is_final:
                self.keeper.store(run)
            self.keeper.save()

    def ended(self, fact: RunEnded) -> None:
        run = self.runs.get(fact.run)
        if run is None or run.status.is_final:
            return
        run.seconds = max(0.0, self.now() - run.asked_at)
        run.execution_count = (
            fact.execution_count if fact.execution_count is not None else run.execution_count
        )
        restarted_by = self.kernel_lifecycle.restarted_by if fact.status is RunStatus.DIED else ""
        run.cause = f"The kernel was restarted by {restarted_by}." if restarted_by else fact.cause
        run.status = fact.status
        run.reply = None
        if fact.cause == NO_REPLY and run.interrupted_by:
            run.status, run.cause = RunStatus.INTERRUPTED, ""
            run.notes.append("The interrupt came before the first line of the code or after its last one.")
        self.recorder.record(
            RunFinished(run.id, run.status, round(run.seconds, 3), run.execution_count, run.cause)
        )
        if self.current is run:
            self.current = None
        self.keeper.store(run)
        self.keeper.save(now=True)
        run.done.set()

    # -- notebook ------------------------------------------------------------------------------------------------

    def sync_cells(self) -> None:
        """Put the outputs of the run in progress into its cell (called before each save)."""
        if self.current is not None:
            self.keeper.store(self.current)

    def note_edit(self, action: str, cell: NotebookCell, index: int) -> None:
        """A cell was added, edited or deleted without running."""
        self.recorder.record(NotebookEdited(action, cell.id, cell.source, index, cell.cell_type))
        self.keeper.save(now=True)

    # -- steering ------------------------------------------------------------------------------------------------

    async def interrupt(self, by: str) -> str:
        """Interrupt what runs and check that the kernel is idle. Returns what came of it."""
        self.connection.refuse_if_over()
        await self.connection.confirm()
        run = self.current
        if run is None:
            if await self.connection.kernel_state() == "busy":
                await self.api.interrupt(self.info.kernel_id)
                return (
                    "No run of yours is in progress; what another client runs on this kernel was interrupted."
                )
            return "Nothing is running; the kernel is idle."
        return await self.interrupter.interrupt(run, by)

    def notice(self, text: str, level: str = "info") -> None:
        self.recorder.record(Notice(text, level))

    async def close(self) -> None:
        """Write what is left and let go. The kernel is not touched."""
        for task in self._tasks:
            task.cancel()
        if not self.taken_over:
            self.sync_cells()
            await self.keeper.close()
        await asyncio.gather(
            self.link.close(),
            self.recorder.close(),
            *([self.saver.close()] if self.saver is not None else []),
            return_exceptions=True,
        )

    def warnings(self) -> list[str]:
        """What went wrong with records, to be said next to the outputs."""
        found = []
        if self.saver is not None:
            for trouble in filter(None, (self.saver.conflict, self.saver.failure)):
                found.append(f"{trouble} The outputs are in the run's record.")
            found += self.saver.merge_notes
            self.saver.merge_notes = []
        if self.recorder.failure:
            found.append(
                f"The run's record cannot be written now: {self.recorder.failure}. It is tried again."
            )
        return found

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
