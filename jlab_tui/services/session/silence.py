"""Looks once at a run that has printed nothing for long, by itself, and says on record what it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from ...core.kernel.stuck import QUIET_S, silence, stuck_on
from ..journal.writer import SessionJournal
from ..kernel.inspection import Inspection
from .run_handle import RunHandle, ticks


class SilenceWatch:
    """For the runs of one session."""

    def __init__(
        self, journal: SessionJournal, look: Callable[[], Awaitable[Inspection]], quiet_s: float = QUIET_S
    ) -> None:
        self._journal = journal
        self._look = look
        self._quiet_s = quiet_s

    async def watch(self, run: RunHandle) -> None:
        """Wait until a run is over, or silent for so long; then look, once."""
        run.heard = ticks()
        while not run.status.is_final and (left := run.heard + self._quiet_s - ticks()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.done.wait(), left)
        if run.status.is_final:
            return
        heard, inspection = run.heard, await self._look()
        is_known = inspection.look.threads is not None or inspection.look.process is not None
        if is_known and not run.status.is_final and run.heard == heard:
            run.silence, note = silence(run.id, ticks() - heard, inspection.look)
            self._journal.notice(note, "warning", stuck_on(inspection.look))
