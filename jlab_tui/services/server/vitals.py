"""Describes a run in one line: its last line of output, the GPUs, the job's time left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ...core.errors import JlabError
from ...core.reply.task import status_message
from ...core.server.resources import GpuSample
from .ready import Server

_KEPT_S: Final = 5.0
"""how long one reading of the GPUs serves all tasks"""
_ASK_S: Final = 1.0


class Vitals:
    """The line for all tasks of one process."""

    def __init__(
        self,
        server: Callable[[], Awaitable[Server]],
        now: Callable[[], float],
    ) -> None:
        """`server` raises a ServerError while none is ready; `now` gives epoch seconds."""
        self._server = server
        self._now = now
        self._read_at = 0.0
        self._gpus: tuple[GpuSample, ...] = ()
        self._ends = 0.0

    async def message(self, last_line: str, seconds: float) -> str:
        """Return the line for a run that has lasted `seconds`."""
        now = self._now()
        if not 0.0 <= now - self._read_at < _KEPT_S:
            self._read_at = now
            try:
                async with asyncio.timeout(_ASK_S):
                    await self._read()
            except (JlabError, TimeoutError):
                self._gpus, self._ends = (), 0.0
        return status_message(last_line, seconds, self._gpus, self._ends - now if self._ends else None)

    async def _read(self) -> None:
        server = await self._server()
        self._ends = server.record.ends
        samples = await server.api.resources()
        self._gpus = samples[-1].gpus if samples else ()
