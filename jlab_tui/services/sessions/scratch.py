"""Throwaway kernels: each ends with its run."""

from __future__ import annotations

import asyncio
import contextlib

from ...core.errors import JlabError
from ..session.session import Session
from .table import SessionTable


class ScratchSessions:
    """Sessions without a notebook, for one run each."""

    def __init__(self, table: SessionTable) -> None:
        self._table = table
        self._ending: set[asyncio.Task[None]] = set()

    def end_with_run(self, session: Session) -> None:
        """Let a scratch session's kernel end with its run."""
        task = asyncio.create_task(self._end_with_run(session))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self, session: Session) -> None:
        with contextlib.suppress(JlabError):
            await session.api.delete_kernel(session.identity.kernel_id)
        await self._table.let_go(session, "scratch")

    async def _end_with_run(self, session: Session) -> None:
        while session.current is not None:
            await session.current.done.wait()
        await self.close(session)
