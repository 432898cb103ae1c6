"""Throwaway kernels: each ends with its run."""

from __future__ import annotations

import asyncio
import contextlib

from ...core.errors import JlabError
from ...core.session.call import Call
from ..progress import Tasks
from ..session.run_handle import RunHandle
from ..session.session import Session
from .table import SessionTable


class ScratchSessions:
    """Sessions without a notebook, for one run each."""

    def __init__(self, table: SessionTable) -> None:
        self._table = table
        self._ending = Tasks()

    async def run(self, session: Session, code: str, call: Call) -> RunHandle:
        """Send the one run of a scratch session. When that fails, the kernel ends at once."""
        try:
            run = await session.run(code, call)
        except BaseException:
            # In a task of its own: the caller may be cancelled for good.
            await asyncio.shield(self._ending.start(self.close(session)))
            raise
        self.end_with_run(session)
        return run

    def end_with_run(self, session: Session) -> None:
        """Let a scratch session's kernel end with its run."""
        self._ending.start(self._end_with_run(session))

    async def close(self, session: Session) -> None:
        with contextlib.suppress(JlabError):
            await session.shut_down()
        await self._table.let_go(session, "scratch")

    async def _end_with_run(self, session: Session) -> None:
        while session.current is not None:
            await session.current.done.wait()
        await self.close(session)
