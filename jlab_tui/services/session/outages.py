"""Finds out what happened to a run when its kernel, its connection or its server fails."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ...core.journal.events import RunStatus
from ...core.kernel.conversation import RunEnded
from ...core.session.protocol import (
    AwaitServerEnd,
    DiagnoseServer,
    Effect,
    KernelMissing,
    LookAtKernel,
    ReadRest,
    RunClosed,
    ServerGone,
    ServerStays,
    WatchUnseen,
)
from ...core.session.state import Usable
from ..ports import Link, Spool
from .intake import Intake, read_rest
from .link_monitor import LinkMonitor
from .run_handle import RunHandle


class Outages:
    """Asks the server, and reports the findings to the session's state."""

    def __init__(self, intake: Intake, link: Link, monitor: LinkMonitor, spool: Spool) -> None:
        self._intake = intake
        self._link = link
        self._monitor = monitor
        self._spool = spool

    def after(self, effect: Effect) -> Coroutine[Any, Any, None] | None:
        """Start the check that an effect asks for, if any."""
        match effect:
            case WatchUnseen():
                return self.watch_unseen(self._intake.runs[effect.run])
            case LookAtKernel():
                return self.look_at_kernel()
            case DiagnoseServer():
                return self._diagnose()
            case AwaitServerEnd():
                return self._await_server_end(effect.end)
            case ReadRest():
                return self._read_rest(effect.why)
            case _:
                return None

    async def look_at_kernel(self) -> None:
        """Notice when the kernel is gone."""
        is_usable = isinstance(self._intake.state.availability, Usable)
        if is_usable and await self._monitor.kernel_state() in ("gone", "dead"):
            self._intake.apply(KernelMissing())

    async def watch_unseen(self, run: RunHandle) -> None:
        """On a stock server, after a cut: end the run when nothing shows that its code arrived or still runs."""
        if await self._monitor.loses(run):
            self._intake.settle(run)
            what = "its end is unknown" if run.has_started else "it is not known whether it ran"
            cause = f"The connection broke and {what}; outputs may be missing."
            self._intake.apply(RunClosed(run.id, RunStatus.LOST, cause))

    async def _diagnose(self) -> None:
        if why := await self._monitor.why_ended():
            self._intake.apply(ServerGone(why))

    async def _await_server_end(self, end: RunEnded) -> None:
        if await self._monitor.outlives(self._intake.runs[end.run]):
            self._intake.apply(ServerStays(end))

    async def _read_rest(self, why: str) -> None:
        if self._intake.state.is_recorded:
            await read_rest(self._intake, self._spool, max(self._link.seq, self._intake.seq))
        if run := self._intake.state.current:
            self._intake.apply(RunClosed(run, RunStatus.JOB_ENDED, why))
