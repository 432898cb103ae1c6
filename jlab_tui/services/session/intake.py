"""Applies a kernel's messages to the session's state, its runs, its journal and its notebook's cells.

It needs no connection, so that a dead session's last messages take the same path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...core.journal.events import (
    DataShown,
    DataUpdated,
    ExecutionStarted,
    RunHeld,
    RunReplied,
    RunStarted,
    RunStatus,
    WidgetsChanged,
)
from ...core.kernel.conversation import (
    Conversation,
    Fact,
    InterruptAnnounced,
    KernelDeath,
    OtherActivity,
    Output,
    Replied,
    RunEnded,
)
from ...core.kernel.link import OutputLost
from ...core.kernel.wire import UNREAD, KernelMessage
from ...core.notebook.notebook import NotebookCell
from ...core.notebook.output_items import DataItem
from ...core.notebook.pace import NotebookChange
from ...core.notebook.stored import RecordedData
from ...core.notebook.widget_state import SessionWidgets
from ...core.session.protocol import (
    Abandon,
    CountLoss,
    Effect,
    EndRun,
    LeaveRun,
    QueueRun,
    RunAsked,
    RunPaused,
    RunSent,
    RunWithdrawn,
    SessionEvent,
    StartRun,
    Write,
)
from ...core.session.run import Run
from ...core.session.state import SessionStatus
from ...core.session.step import adopted, step
from ..journal.writer import SessionJournal
from ..notebook.output_sync import OutputSync
from ..ports import Spool
from .run_handle import RunHandle, ticks


class Intake:
    """The runs of one session, and their states."""

    def __init__(
        self,
        state: SessionStatus,
        journal: SessionJournal,
        sync: OutputSync,
        now: Callable[[], float],
        perform: Callable[[Effect], None] = lambda effect: None,
    ) -> None:
        """`perform` handles the effects that need the link or the server."""
        self.state = state
        self.runs: dict[str, RunHandle] = {}
        self._with_outputs: list[RunHandle] = []
        """the few whose outputs are in memory"""
        self._journal = journal
        self._sync = sync
        self._now = now
        self._perform = perform
        self._renewed = asyncio.Event()
        """set at the next restart of the kernel, and replaced"""
        self._conversation = Conversation(widgets=sync.widgets.models)

    @property
    def current(self) -> RunHandle | None:
        """The run in progress."""
        return self.runs.get(self.state.current)

    @property
    def seq(self) -> int:
        """Number of the last message applied."""
        return self._journal.seq

    def prepare(self, run: RunHandle) -> None:
        """Keep other runs out from now on."""
        self.runs[run.id] = run
        self._with_outputs.append(run)
        self.apply(RunAsked(run.id, run.msg_id))

    def withdraw(self, run: RunHandle) -> None:
        """Take back a run that was not sent after all."""
        del self.runs[run.id]
        self._with_outputs.remove(run)
        self.apply(RunWithdrawn(run.id))

    def hold(self, run: RunHandle, held: RunHeld) -> None:
        """Put on record that a run waits for the user."""
        run.status = RunStatus.HELD
        run.offset = self._journal.record(held)
        self.apply(RunPaused(run.id))

    def begin(self, run: RunHandle, cell: NotebookCell | None, note: str = "") -> None:
        """Put the run on record just before it is sent."""
        for old in self._with_outputs:
            if old is not run and old.status.is_final:
                old.outputs = None
        self._with_outputs = [kept for kept in self._with_outputs if kept.outputs is not None]
        run.status = RunStatus.RUNNING
        run.notes += [note] if note else []
        run.offset = self._journal.record(
            RunStarted(run.id, run.tool, run.cell, run.source, run.msg_id, note)
        )
        if cell is not None:
            self._sync.begin(run, cell)
        self._conversation.asked(run.msg_id, run.id)
        self.apply(RunSent(run.id))

    def continue_widgets(self, widgets: SessionWidgets) -> None:
        """Continue with the widgets that an earlier process knew."""
        self._sync.widgets = widgets
        self._conversation.widgets = widgets.models

    def adopt(self, left: Run) -> RunHandle:
        """Continue a run that an earlier process started; its messages follow from the recorded stream."""
        run = self.runs[left.id] = RunHandle.of(left)
        self._with_outputs.append(run)
        self.state = adopted(self.state, run)
        if run.status is RunStatus.HELD:
            return run
        self._sync.belongs_to(run)
        if run.status.is_final:
            self._conversation.ended(run.msg_id, run.id)
            return run
        error = run.outputs.error if run.outputs is not None else None
        items = run.outputs.items() if run.outputs is not None else ()
        self._conversation.asked(
            run.msg_id,
            run.id,
            has_started=run.has_started,
            error=error.ename if error is not None else "",
            reply=run.reply,
            shown=[item.data for item in items if isinstance(item, DataItem)],
        )
        self._journal.goes_on_with(run.id, run.outputs.total_chars if run.outputs is not None else 0)
        return run

    def feed(self, message: KernelMessage) -> None:
        """Apply one message of the kernel."""
        if message.msg_type == UNREAD:
            self.apply(OutputLost(1, 0, "unread", message.seq))
            return
        facts = self._conversation.feed(message)
        self._record_reply_before(facts)
        for number, fact in enumerate(facts, 1):
            if number == len(facts):
                self._journal.reaching(message.seq)
            self._take(fact)
        self._journal.saw(message.seq)

    def settle(self, run: RunHandle) -> None:
        """End a run that gets no more messages, with what has arrived."""
        if not run.status.is_final:
            for fact in self._conversation.settle(run.id):
                self._take(fact)

    def apply(self, event: SessionEvent) -> None:
        """Apply an event to the session's state."""
        before = self.state.kernel.generation
        self.state, effects = step(self.state, event)
        if self.state.kernel.generation != before:
            self._renewed.set()
            self._renewed = asyncio.Event()
        for effect in effects:
            self._do(effect)
            self._perform(effect)

    async def another_kernel(self, generation: int) -> None:
        """Wait until the kernel is another than the one of `generation`."""
        while self.state.kernel.generation == generation:
            await self._renewed.wait()

    def _record_reply_before(self, facts: list[Fact]) -> None:
        """Record a reply ahead of later output: a process that continues from the next line would miss it."""
        run = self.current
        if run is None or run.reply is None or run.reply_recorded:
            return
        if any(isinstance(fact, Output | WidgetsChanged | ExecutionStarted) for fact in facts):
            run.reply_recorded = True
            self._journal.record(RunReplied(run.id, run.reply))

    def _take(self, fact: Fact) -> None:
        match fact:
            case Replied():
                if run := self.runs.get(fact.run):
                    run.reply = fact.content
            case InterruptAnnounced():
                if self.current is not None:
                    self.current.interrupted_elsewhere = True
            case ExecutionStarted() | RunEnded() | KernelDeath() | OtherActivity():
                self.apply(fact)
            case WidgetsChanged():
                self._change_widgets(fact)
            case _:
                self._output(fact)

    def _change_widgets(self, change: WidgetsChanged) -> None:
        self._journal.record(change)
        for run in self._with_outputs:
            if run.outputs is not None and (run.id == change.run or run.outputs.shows(change.views)):
                run.outputs.feed(change, at=self._now())

    def _output(self, fact: Output) -> None:
        run = self.runs.get(fact.run)
        if run is None:
            return
        if not run.has_started:
            self.apply(fact)
        run.output_since_interrupt = True
        run.heard, run.silence = ticks(), ""
        unrecorded = self._journal.unrecorded(run.id)
        offset = self._journal.record(fact)
        if run.outputs is not None:
            run.outputs.unrecorded += self._journal.unrecorded(run.id) - unrecorded
        if isinstance(fact, DataUpdated):
            self._sync.update_displays(fact, self.runs)
        else:
            self._sync.widgets.feed(fact)
        if run.outputs is None:
            # A thread prints after its cell has ended and another run has started.
            self._sync.came_late(run)
        elif run.outputs.feed(fact, self._recorded(fact, offset), self._now()):
            if run.status.is_final:
                self._sync.store(run)
            self._sync.changed(NotebookChange.OUTPUT)

    def _recorded(self, fact: Output, offset: int) -> RecordedData | None:
        return self._journal.recorded(fact, offset) if isinstance(fact, DataShown | DataUpdated) else None

    def _do(self, effect: Effect) -> None:
        match effect:
            case StartRun():
                self._start(self.runs[effect.run], effect)
            case QueueRun():
                self.runs[effect.run].waits_for_other = effect.waits
            case EndRun():
                self._end(self.runs[effect.end.run], effect)
            case LeaveRun():
                self.runs[effect.run].leave(effect.cause, self._now())
            case Write():
                self._journal.record(effect.event)
            case CountLoss():
                self._count_loss(effect)
            case Abandon():
                self._journal.abandon()
                self._sync.abandon()
            case _:
                pass

    def _start(self, run: RunHandle, start: StartRun) -> None:
        if start.execution_count is not None:
            run.execution_count = start.execution_count
        if start.is_news:
            self._journal.record(ExecutionStarted(run.id, run.execution_count))
        run.has_started, run.waits_for_other = True, False
        run.generation = self.state.kernel.generation
        run.execution.set()

    def _end(self, run: RunHandle, effect: EndRun) -> None:
        if effect.is_forgotten:
            self._conversation.forget(effect.msg_id)
        finished = run.ending(effect.end, self._now())
        self._journal.record(finished)
        run.finish(finished)
        self._sync.store(run)
        self._sync.changed(NotebookChange.CELL)

    def _count_loss(self, loss: CountLoss) -> None:
        self._journal.reaching(loss.last)
        if loss.dropped is not None:
            self.runs[loss.dropped.run].count_loss(loss.dropped)
            self._journal.record(loss.dropped)
        self._journal.saw(loss.last)


async def read_rest(intake: Intake, spool: Spool, seq: int) -> None:
    """Apply what the server recorded of the run in progress since message `seq`."""
    while intake.current is not None:
        messages = await asyncio.to_thread(spool.read, intake.state.kernel_id, seq)
        if not messages:
            return
        for message in messages:
            intake.feed(message)
            seq = message.seq
