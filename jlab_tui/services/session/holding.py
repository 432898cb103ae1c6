"""Holds a session's code before it is sent, until the user has decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import JlabError
from ...core.journal.events import RunHeld, RunStatus
from ...core.notebook.notebook import NotebookCell
from ...core.session.protocol import RunClosed
from ...core.session.steering import Declined
from .driver import Driver
from .edits import NotebookEdits
from .run_handle import RunHandle, ticks
from .session_steering import SessionSteering

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDS_ITS_CELL = "execute_code"


class Holding:
    """The held run of one session."""

    def __init__(
        self,
        steering: SessionSteering,
        driver: Driver,
        edits: NotebookEdits,
        limit_s: float,
        now: Callable[[], float],
    ) -> None:
        """`limit_s`: after so many seconds a held run is declined."""
        self._steering = steering
        self._driver = driver
        self._intake = driver.intake
        self._edits = edits
        self._limit_s = limit_s
        self._left: list[tuple[RunHandle, RunHeld]] = []
        self._now = now

    def takes(self, run: RunHandle, cell: NotebookCell | None) -> bool:
        """Hold a run, if a user has asked for that."""
        if (hold := self._steering.hold) is None:
            return False
        index = -1
        before = ""
        if cell is not None:
            index = self._edits.notebook.find(cell.id)
            before = cell.source if cell.source != run.source else ""
        held = RunHeld(run.id, run.tool, run.cell, run.source, run.msg_id, index, before, hold.id)
        self._intake.hold(run, held)
        self._driver.background(self._wait(run, held))
        return True

    def adopt(self, run: RunHandle, held: RunHeld) -> None:
        """Hold on to a run that an earlier process held, once `begin` is called."""
        self._left.append((run, held))

    def begin(self) -> None:
        """Wait for the user again, now that it is known what they have asked for."""
        while self._left:
            self._driver.background(self._wait(*self._left.pop()))

    def give_up(self, run: RunHandle, why: str) -> str:
        """Decline a held run for another reason than a user's decision in a dashboard. Returns the outcome."""
        self._intake.apply(
            RunClosed(run.id, RunStatus.DECLINED, f"The user held it, and {why} before it ran.")
        )
        return f"Run {run.id} was held by the user and had not run; it is given up."

    async def _wait(self, run: RunHandle, held: RunHeld) -> None:
        decided = await self._steering.verdict(run, held.hold, self._limit_s)
        if decided is None or isinstance(decided, Declined):
            if run.tool == _ADDS_ITS_CELL and not self._intake.state.is_taken_over:
                self._withdraw(run.cell)
            if decided is not None:
                self._intake.apply(RunClosed(run.id, RunStatus.DECLINED, decided.cause))
            return
        try:
            self._driver.refuse_if_over()
            await self._driver.ready()
            cell = self._cell(run, held, decided.source)
        except JlabError as error:
            self._intake.apply(RunClosed(run.id, RunStatus.ABORTED, f"It was not sent: {error.message}"))
            return
        run.source, run.began, run.asked_at = decided.source, ticks(), self._now()
        self._intake.begin(run, cell, decided.note)
        await self._driver.send(run)

    def _cell(self, run: RunHandle, held: RunHeld, source: str) -> NotebookCell | None:
        """The run's cell with the code that runs. A process that was killed meanwhile may not have written it to the file."""
        if not run.cell:
            return None
        if run.tool == _ADDS_ITS_CELL and self._edits.notebook.by_id(run.cell) is None:
            self._edits.put_back(NotebookCell(run.cell, "code", source), held.index)
        return self._edits.give_source(run.cell, source)

    def _withdraw(self, cell_id: str) -> None:
        if (cell := self._edits.notebook.by_id(cell_id)) is not None:
            self._edits.withdraw(cell)
