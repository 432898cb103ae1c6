"""Runs a notebook's cells again after it opens on an empty kernel; waits for a while, and reports the progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...core.notebook.outputs import CellOutputs
from ...core.reply.rerun import RanCell, rerun_rows
from ...core.session.run import Run
from .cells import Cells
from .run_handle import RunHandle
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


class NotebookRerun:
    """For the sessions of one process."""

    def __init__(
        self,
        cells: Cells,
        outputs_of: Callable[[Sequence[Run]], Awaitable[dict[str, CellOutputs]]],
        output_chars: int,
    ) -> None:
        self._cells = cells
        self._outputs_of = outputs_of
        self._output_chars = output_chars
        self._going: set[asyncio.Task[list[RunHandle]]] = set()

    async def run(
        self,
        session: Session,
        *,
        stop_on_error: bool,
        wait_s: float,
        beat: Callable[[float, str], Awaitable[None]],
    ) -> RerunReply:
        """Run every code cell in order; after `wait_s` seconds it goes on without its caller. `beat` is told the seconds
        so far, and which cell runs. Raises SessionBusy, or what kept a cell from running."""
        seen: list[RunHandle] = []
        total = sum(c.cell_type == "code" and bool(c.source.strip()) for c in session.notebook.cells)

        async def on_cell(run: RunHandle) -> None:
            seen.append(run)

        work = asyncio.create_task(self._cells.run_all(session, stop_on_error=stop_on_error, on_cell=on_cell))
        self._going.add(work)
        work.add_done_callback(self._ended)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while not work.done() and (left := begin + wait_s - loop.time()) > 0:
            await asyncio.wait([work], timeout=min(PROGRESS_S, left))
            last = seen[-1].outputs.last_line if seen and seen[-1].outputs else ""
            sentence = f"cell {len(seen)} of {total}: {last[-150:]}".rstrip(": ")
            await beat(loop.time() - begin, sentence)
        if work.done():
            work.result()
        batch = session.state.batch
        state = "still running; follow it with read_notebook"
        if work.done():
            state = (batch.stopped if batch is not None else "") or "done"
        await session.flush()  # all but the latest outputs come from the record
        outputs = await self._outputs_of(seen)
        ran = [RanCell(run.cell, run.id, run.status, outputs[run.id]) for run in seen]
        rows, left_out = rerun_rows(ran, self._output_chars)
        return RerunReply(state, total, rows, left_out)

    def _ended(self, work: asyncio.Task[list[RunHandle]]) -> None:
        self._going.discard(work)
        if not work.cancelled():
            work.exception()  # the notebook's map says why it stopped
