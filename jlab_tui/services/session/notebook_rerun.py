"""Runs a notebook's cells again after it opens on an empty kernel; waits for a while, and reports the progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...core.notebook.notebook import RAISES
from ...core.notebook.outputs import CellOutputs
from ...core.reply.rerun import RanCell, rerun_rows
from ...core.session.call import NO_CALL, Call
from ...core.session.run import Run
from .run_handle import RunHandle
from .runner import BATCH_TOOL
from .session import Session

PROGRESS_S: Final = 2.0
"""seconds between two progress messages"""


@dataclass(frozen=True, slots=True)
class RerunReply:
    """The progress at the end of a wait."""

    state: str
    """done, or why it stopped, or that it continues"""
    total: int
    """cells to run"""
    rows: Sequence[dict[str, Any]]
    """one short row for each cell that ran"""
    left_out: int
    """successful cells without a row, for lack of room"""
    skipped: Sequence[str]
    """cells that did not run because of their tag"""


@dataclass(frozen=True, slots=True)
class Rerun:
    """A re-run that this process started, until the process ends."""

    session: Session
    number: int
    """number of the first run in its session"""
    total: int
    """cells to run"""
    seen: list[RunHandle]
    """runs so far"""
    work: asyncio.Task[list[RunHandle]]

    @property
    def sentence(self) -> str:
        """Say which cell runs, and its last line."""
        outputs = self.seen[-1].outputs if self.seen else None
        last = outputs.last_line[-150:] if outputs is not None else ""
        return f"cell {len(self.seen)} of {self.total}: {last}".rstrip(": ")


class NotebookRerun:
    """For the sessions of one process."""

    def __init__(
        self,
        outputs_of: Callable[[Sequence[Run]], Awaitable[dict[str, CellOutputs]]],
        output_chars: int,
    ) -> None:
        self._outputs_of = outputs_of
        self._output_chars = output_chars
        self._latest: dict[str, Rerun] = {}
        """by session"""

    def start(self, session: Session, call: Call = NO_CALL, *, stop_on_error: bool) -> Rerun:
        """Start to run every code cell in order; that goes on without its caller."""
        seen: list[RunHandle] = []
        total = len(session.notebook.to_run())

        async def on_cell(run: RunHandle) -> None:
            seen.append(run)

        work = asyncio.create_task(session.cells.run_all(call, stop_on_error=stop_on_error, on_cell=on_cell))
        work.add_done_callback(_end_seen)
        number = 1 + max(map(_number, session.runs.values()), default=0)
        rerun = Rerun(session, number, total, seen, work)
        self._latest[session.identity.id] = rerun
        return rerun

    def has_begun(self, session: Session, call: Call) -> bool:
        """Whether an earlier attempt of the call ran some of the cells."""
        wanted = {call.derived(cell.id) for cell in session.notebook.cells} if call.is_resent else set()
        return any(run.msg_id in wanted for run in session.runs.values())

    def find(self, session_id: str, number: int) -> Rerun | None:
        """Return the session's latest re-run, if this process started it."""
        rerun = self._latest.get(session_id)
        return rerun if rerun is not None and rerun.number == number else None

    async def wait(self, rerun: Rerun, wait_s: float, beat: Callable[[float, str], Awaitable[None]]) -> bool:
        """Wait up to `wait_s` seconds for a re-run; return whether it has ended. `beat` gets the seconds so far, and which
        cell runs. Raises SessionBusy, or what kept a cell from running."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while not rerun.work.done() and (left := begin + wait_s - loop.time()) > 0:
            await asyncio.wait([rerun.work], timeout=min(PROGRESS_S, left))
            await beat(loop.time() - begin, rerun.sentence)
        if rerun.work.done():
            rerun.work.result()
        return rerun.work.done()

    async def about(self, rerun: Rerun) -> RerunReply:
        """Report a re-run as it is now."""
        batch = rerun.session.state.batch
        state = "still running; follow it with read_notebook"
        if rerun.work.done():
            state = (batch.stopped if batch is not None else "") or "done"
        await rerun.session.journal.flush()  # all but the latest outputs come from the record
        return await self._reply(rerun.session, state, rerun.total, rerun.seen)

    async def left(self, session: Session, number: int) -> RerunReply | None:
        """Report a re-run that an earlier process left: the cells that it ran. None while the last of them runs."""
        ran = [run for run in session.runs.values() if run.tool == BATCH_TOOL and _number(run) >= number]
        if any(not run.status.is_final for run in ran):
            return None
        state = "stopped: the process that ran the cells ended; run the cells that are left with run_cell"
        return await self._reply(session, state, len(ran), ran)

    async def _reply(self, session: Session, state: str, total: int, runs: Sequence[RunHandle]) -> RerunReply:
        outputs = await self._outputs_of(runs)
        may_raise = {cell.id for cell in session.notebook.cells if RAISES in cell.tags}
        ran = [RanCell(run.cell, run.id, run.status, outputs[run.id], run.cell in may_raise) for run in runs]
        rows, left_out = rerun_rows(ran, self._output_chars)
        skipped = [cell.id for cell in session.notebook.skipped()]
        return RerunReply(state, total, rows, left_out, skipped)


def _number(run: Run) -> int:
    return int(run.id.rpartition("-")[2])


def _end_seen(work: asyncio.Task[list[RunHandle]]) -> None:
    if not work.cancelled():
        work.exception()  # the notebook's map says why it stopped
