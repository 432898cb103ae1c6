"""Sends code to a session's kernel, one run at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...core.errors import SessionBusy
from ...core.journal.acts import OWN_CELL
from ...core.journal.events import RunStatus
from ...core.notebook.notebook import NotebookCell
from ...core.session.protocol import BatchEnded, BatchStarted
from ...core.session.refusals import busy
from ..journal.writer import SessionJournal
from ..kernel.subshell import Subshell
from .driver import Driver
from .edits import NotebookEdits
from .holding import Holding
from .interrupt import Interrupter
from .run_handle import RunHandle, ticks

BATCH_TOOL: Final = "resume"
"""the tool's name in runs of a batch"""


class Runner:
    """Runs the code of one session."""

    def __init__(
        self,
        driver: Driver,
        edits: NotebookEdits,
        journal: SessionJournal,
        interrupter: Interrupter,
        subshell: Subshell,
        holding: Holding,
        now: Callable[[], float],
        first_run: int,
    ) -> None:
        """`now` gives epoch seconds; `first_run` is the number of the next run."""
        self._driver = driver
        self._intake = driver.intake
        self._edits = edits
        self._journal = journal
        self._interrupter = interrupter
        self._subshell = subshell
        self._holding = holding
        self._now = now
        self._next_run = first_run

    @property
    def current(self) -> RunHandle | None:
        """The run in progress."""
        return self._intake.current

    async def start(
        self, tool: str, source: str, cell: NotebookCell | None = None, msg_id: str = ""
    ) -> RunHandle:
        """Send code to the kernel, once, unless a user holds it; the cell gets it as its source. A server that knows `msg_id` does not execute it
        again. Raises SessionBusy, or what keeps the kernel out of reach; then nothing has changed."""
        await self._driver.refuse_if_unusable()
        self.refuse_if_busy(in_batch=tool in (BATCH_TOOL, OWN_CELL))
        run = self._new_run(tool, source, cell.id if cell is not None else "", msg_id)
        self._intake.prepare(run)
        try:
            await self._driver.ready()
            if tool != OWN_CELL and self._holding.takes(run, cell):
                return run
            if cell is not None:
                cell = self._edits.give_source(cell.id, source)
        except BaseException:
            self._intake.withdraw(run)
            raise
        self._intake.begin(run, cell)
        await self._driver.send(run)
        return run

    def refuse_if_busy(self, *, in_batch: bool = False) -> None:
        """Raise SessionBusy while a run is in progress, naming it."""
        if error := busy(self._intake.state, self.current, self._now(), in_batch=in_batch):
            raise error

    def refuse_if_running(self, cell_id: str) -> None:
        """Raise SessionBusy while that cell runs."""
        if self.current is not None and self.current.cell == cell_id:
            self.refuse_if_busy()

    async def make_way(self) -> None:
        """Interrupt a run left over from a call that the user cancelled; leave any other run alone. Raises SessionBusy if
        it does not stop."""
        run = self.current
        if run is not None and run.cancelled:
            outcome = await self._interrupter.cancel(run)
            if self.current is not None:
                raise SessionBusy(
                    f"The run that was cancelled before is still running. {outcome}",
                    f"Call wait_for_run('{self.current.id}'), or restart_kernel, which loses the variables.",
                )

    async def own_cell_over(self) -> None:
        """Wait while the user runs a cell of their own."""
        while (run := self.current) is not None and run.tool == OWN_CELL:
            await run.done.wait()

    def begin_batch(self, *, goes_on: bool = False) -> None:
        """Until the batch ends, only its own runs start. Raises SessionBusy, unless it continues a batch (`goes_on`)."""
        if not goes_on:
            self.refuse_if_busy()
        self._intake.apply(BatchStarted())

    def end_batch(self, stopped: str) -> None:
        """`stopped` says why it ends before its last cell."""
        self._intake.apply(BatchEnded(stopped))

    async def evaluate(self, expression: str, timeout: float) -> Mapping[str, Any] | None:
        """See `Subshell.evaluate`. Raises what keeps the kernel out of reach."""
        self._driver.refuse_if_over()
        await self._driver.ready()
        return await self._subshell.evaluate(expression, timeout, is_busy=self._intake.state.is_kernel_busy)

    def begun(self, msg_id: str) -> RunHandle | None:
        """Return the run of a request that was made before, unless it never reached the kernel."""
        runs = [run for run in self._intake.runs.values() if run.msg_id == msg_id]
        return runs[-1] if runs and runs[-1].status is not RunStatus.ABORTED else None

    def _new_run(self, tool: str, source: str, cell_id: str, msg_id: str) -> RunHandle:
        state = self._intake.state
        number = self._next_run
        self._next_run += 1
        return RunHandle(
            id=f"{state.session}-{number}",
            session=state.session,
            tool=tool,
            cell=cell_id,
            source=source,
            msg_id=msg_id or uuid.uuid4().hex,
            asked_at=self._now(),
            began=ticks(),
            generation=state.kernel.generation,
            journal=self._journal.path,
            offset=0,
        )
