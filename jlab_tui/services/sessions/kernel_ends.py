"""Says how kernels of a server have ended, as far as the server knows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ...core.errors import ServerError
from ...core.kernel.leaving import EndedKernel, ended_sentence
from ..server.ready import Server
from ..server.walltime_notice import clock_of


class KernelEnds:
    """Asks the server. What it does not know, or not answer, is an empty sentence."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    async def all(self, server: Server) -> dict[str, str]:
        """Return why kernels ended, one sentence each, by kernel id."""
        return {kernel_id: self._sentence(ended) for kernel_id, ended in (await self._ask(server)).items()}

    async def of_notebook(self, server: Server, path: str) -> str:
        """Return by which rule the server ended the last kernel that a notebook had; empty if none. `path`: the server's."""
        ended = [one for one in (await self._ask(server)).values() if one.path == path]
        last = max(ended, key=lambda one: one.at, default=None)
        return self._sentence(last) if last is not None and last.is_by_rule else ""

    def _sentence(self, ended: EndedKernel) -> str:
        return ended_sentence(ended, clock_of(self._now()))

    @staticmethod
    async def _ask(server: Server) -> dict[str, EndedKernel]:
        with contextlib.suppress(ServerError):
            return await server.api.ended_kernels()
        return {}
