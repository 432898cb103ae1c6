"""After a run that used up a GPU's memory: says at once, beside its traceback, who holds that memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...core.errors import JlabError
from ...core.journal.events import RunStatus
from ...core.kernel.gpu_memory import GpuHolders, is_out_of_gpu_memory, memory_note, parse_holders
from ...core.server.resources import Sample
from ..journal.writer import SessionJournal
from ..kernel.gpu_probe import ASK_S, probe
from ..kernel.subshell import Subshell
from ..ports import Jupyter
from .run_handle import RunHandle

WAIT_S: Final = 8.0
"""how long a reply waits for it"""


class GpuMemoryLook:
    """For the runs of one session."""

    def __init__(self, journal: SessionJournal, api: Jupyter, kernel_id: str, subshell: Subshell) -> None:
        self._journal = journal
        self._api = api
        self._kernel_id = kernel_id
        self._subshell = subshell

    def after(self, run: RunHandle, start: Callable[[Any], asyncio.Task[None]]) -> None:
        """Look after a run that has just ended, if it ended for this reason. `start` makes a task that ends with the session."""
        error = run.outputs.error if run.outputs is not None else None
        if run.status is RunStatus.ERROR and error and is_out_of_gpu_memory(error.ename, error.evalue):
            run.explaining = start(self._explain(run))

    async def _explain(self, run: RunHandle) -> None:
        holders, sample = await asyncio.gather(self._holders(), self._sample())
        if note := memory_note(holders, sample, self._kernel_id):
            run.notes.append(note)
            self._journal.notice(note, "warning")

    async def _holders(self) -> GpuHolders | None:
        try:
            content: Mapping[str, Any] | None = await self._subshell.ask(probe(), ASK_S)
            if content is None:  # its code has ended, so its main shell may be asked
                content = await self._subshell.evaluate(probe(), ASK_S, is_busy=False)
        except (TimeoutError, JlabError):
            return None
        return parse_holders(content) if content is not None else None

    async def _sample(self) -> Sample | None:
        try:
            samples = await self._api.resources()
        except JlabError:
            return None
        return samples[-1] if samples else None


async def explained(run: RunHandle) -> None:
    """Wait a moment for what is being found out about a run that has ended."""
    if run.explaining is not None:
        await asyncio.wait([run.explaining], timeout=WAIT_S)
