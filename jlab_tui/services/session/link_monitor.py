"""Finds out from the connection and the server whether code reaches a kernel."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from ...core.errors import ServerUnreachable
from ...core.kernel.link import LEASE_S
from ..ports import SessionPorts
from .run_handle import RunHandle

UNSEEN_S: Final = 10.0
"""how long after a cut it may stay unknown on a stock server whether our request arrived"""
LINK_PATIENCE_S: Final = 20.0
SILENT_S: Final = 4.0
"""seconds of silence, pings included, after which we check the server"""
CONFIRM_S: Final = 3.0
TERM_SETTLES_S: Final = 2.5
"""how long a server may stay connected after the SIGTERM that its kernel got, too"""
JOB_ENDS_S: Final = 60.0
"""how long Slurm may take to say how a job ended"""
LINK_LOST: Final = "JupyterLab answers, but the connection to the kernel is broken. jlab-mcp reconnects; what runs there keeps running."


class LinkMonitor:
    """Asks about one kernel; decides nothing."""

    def __init__(self, ports: SessionPorts, kernel_id: str) -> None:
        self._link = ports.link
        self._api = ports.api
        self._server = ports.server
        self._diagnosis = ports.diagnosis
        self._kernel_id = kernel_id

    @property
    def is_surely_ours(self) -> bool:
        """Whether the server confirmed recently that no other process holds the session."""
        return self._link.unsure_for < LEASE_S

    async def kernel_state(self) -> str:
        """Return the state that the server reports: idle, busy, ...; gone or unreachable."""
        try:
            return await self._api.kernel_state(self._kernel_id) or "gone"
        except ServerUnreachable:
            return "unreachable"

    async def why_ended(self) -> str:
        """Return why the server has ended, one sentence; empty while it answers or may come back."""
        why = await self._diagnosis.why_over(self._server)
        return why if not self._link.connected else ""

    async def why_ended_on_record(self) -> str:
        """Return the same by the status file, even if something answers."""
        return await self._diagnosis.why_on_record(self._server)

    async def why_unanswered(self) -> str:
        """Return why the server does not answer, one sentence; empty if it does."""
        return await self._diagnosis.why_silent()

    async def confirm(self) -> None:
        """Give the server a moment to confirm that the session is ours."""
        if not self.is_surely_ours:
            with contextlib.suppress(TimeoutError):
                await self._link.ready(CONFIRM_S)

    async def explain_silence(self) -> str:
        """Return why the kernel is silent, one sentence; empty if it is not."""
        if self._link.connected and self._link.silent_for < SILENT_S:
            return ""
        return await self._diagnosis.why_silent() or LINK_LOST

    async def unreachable(self) -> ServerUnreachable:
        """Return the error for a kernel that did not become ready in time."""
        reason = await self._diagnosis.why_over(self._server) or await self.explain_silence()
        return ServerUnreachable(
            reason or f"No answer from the kernel within {LINK_PATIENCE_S:.0f} s.",
            "Nothing was run. Call ping to see what is wrong.",
        )

    async def loses(self, run: RunHandle) -> bool:
        """On a stock server, after a cut: wait until the run ends, or nothing shows that its code arrived or still runs.
        Returns whether that is so."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + UNSEEN_S
        while not run.status.is_final:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.done.wait(), 1.0)
            if loop.time() < deadline or not self._link.connected or not self.is_surely_ours:
                continue
            if await self.kernel_state() != "busy":
                break
            deadline = loop.time() + UNSEEN_S
        return not run.status.is_final

    async def outlives(self, run: RunHandle) -> bool:
        """After a kernel died as it does when its server or its job ends: wait until the run is closed for that reason, or
        the server shows that it stays. Returns whether it stays."""
        loop = asyncio.get_running_loop()
        died_at = loop.time()
        while not run.status.is_final:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.done.wait(), 0.1)
            if loop.time() - died_at > (TERM_SETTLES_S if self._link.connected else JOB_ENDS_S):
                break
        return not run.status.is_final
