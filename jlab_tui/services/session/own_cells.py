"""Runs the cells that users type in dashboards, when the session is idle or between its cells, and has the model told."""

from __future__ import annotations

import asyncio

from ...core.errors import JlabError, SessionBusy
from ...core.journal.acts import OWN_CELL
from ...core.notebook.output_items import CellLimits
from ...core.reply.compose import RunFacts
from ...core.reply.own_cell import own_cell_words
from ...core.session.call import Call
from ..journal.writer import SessionJournal
from ..ports import ReadBack
from .cells import Cells
from .driver import Driver
from .run_handle import RunHandle
from .session_steering import SessionSteering


class OwnCells:
    """Users' own cells in one session."""

    def __init__(
        self,
        steering: SessionSteering,
        driver: Driver,
        cells: Cells,
        journal: SessionJournal,
        read_back: ReadBack,
    ) -> None:
        self._steering = steering
        self._driver = driver
        self._intake = driver.intake
        self._cells = cells
        self._journal = journal
        self._read_back = read_back
        self._to_tell: asyncio.Queue[RunHandle] = asyncio.Queue()

    def begin(self) -> None:
        """Take up those of an earlier process, and from now on what is asked for."""
        for run in self._intake.runs.values():
            if run.tool == OWN_CELL and not self._steering.has_said(run.id):
                self._to_tell.put_nowait(run)
        self._driver.background(self._follow())
        self._driver.background(self._tell())

    async def over(self) -> None:
        """Wait until every cell that was asked for has ended, or another process has the session."""
        while not self._intake.state.is_taken_over:
            await self._steering.no_code_waits.wait()
            current = self._intake.current
            if current is None or current.tool != OWN_CELL:
                return
            await current.done.wait()

    async def _follow(self) -> None:
        while True:
            await self._steering.code_waits.wait()
            code = self._steering.next_code
            assert code is not None
            if (current := self._intake.current) is not None:
                await current.done.wait()
                continue
            try:
                run = await self._cells.execute_own(code.text, code.by, Call(code.id))
            except SessionBusy:
                await asyncio.sleep(0)  # somebody was faster, whose run is waited for above
                continue
            except JlabError as error:
                self._journal.notice(f"A cell of the user was not run: {error.message}", "warning")
            else:
                self._to_tell.put_nowait(run)
            self._steering.code_taken(code)

    async def _tell(self) -> None:
        """Have the model told of each in its turn."""
        while True:
            await self._report(await self._to_tell.get())

    async def _report(self, run: RunHandle) -> None:
        await run.done.wait()
        await self._journal.flush()
        outputs = run.outputs
        if outputs is None:
            outputs = (await asyncio.to_thread(self._read_back, [run], CellLimits()))[run.id]
        facts = RunFacts(
            run.id, run.session, run.status, run.seconds, run.execution_count, run.cause, run.cell
        )
        self._steering.say(run.id, own_cell_words(facts, run.source, outputs))
