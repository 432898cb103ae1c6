"""Tells a model once, in a reply, that its kernel holds a GPU that does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ...core.errors import JlabError
from ...core.server.gpu_idle import GpuIdleWarnings, idle_sentence
from ...core.server.resources import KernelUse
from .ready import Server

_EVERY_S: Final = 60.0
_WITHOUT_GPU_S: Final = 600.0
"""between two looks at a server that has none"""
_ASK_S: Final = 1.0
_ADVICE: Final = "Use it, or free it: delete the tensors and empty the cache, or restart the kernel."


class GpuIdleNotice:
    """For the replies of one process."""

    def __init__(
        self, server: Callable[[], Awaitable[Server]], warn_min: float, now: Callable[[], float]
    ) -> None:
        """`server` raises a ServerError while none is ready; `warn_min`: minutes, 0 for never; `now` gives epoch seconds."""
        self._server = server
        self._warnings = GpuIdleWarnings(warn_min)
        self._now = now
        self._next_look = 0.0
        self._due: dict[str, KernelUse] = {}
        """kernels whose warning has not been given yet"""

    async def take(self, kernel_id: str) -> str:
        """Return the warning about a kernel if it is due, once a stretch. Asks the server once a minute at most."""
        if self._warnings.warn_min and self._now() >= self._next_look:
            self._next_look = self._now() + _EVERY_S
            try:
                async with asyncio.timeout(_ASK_S):
                    uses = await self._uses()
            except (JlabError, TimeoutError):
                return ""
            new = self._warnings.due(uses)
            still = {k: use for k in self._due if (use := uses.get(k)) is not None and use.gpu_idle_s}
            self._due = still | {k: uses[k] for k in new}
        due = self._due.pop(kernel_id, None)
        return f"{idle_sentence('This kernel', due)} {_ADVICE}" if due is not None else ""

    async def _uses(self) -> Mapping[str, KernelUse]:
        samples = await (await self._server()).api.resources()
        if samples and not samples[-1].gpus:
            self._next_look = self._now() + _WITHOUT_GPU_S
        return (samples[-1].kernels if samples else None) or {}
