"""Interrupts, restarts and shuts down kernels, and stops the server, for the user of a dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...core.errors import KernelGone
from ...core.server.record import ServerRecord
from ..kernel.ending import how_cut
from .actions import Target

if TYPE_CHECKING:
    from ..ports import Jupyter
    from ..server.launcher import Launcher

_WAIT_S: Final = 3.0


class KernelActions:
    """Acts on kernels by id. Each method returns the outcome as a sentence, or raises JlabError."""

    def __init__(self, launcher: Callable[[], Launcher], api: Callable[[ServerRecord], Jupyter]) -> None:
        """`launcher` is asked for at the first action."""
        self._launcher = launcher
        self._api = api

    async def interrupt(self, target: Target) -> str:
        api = await self._jupyter()
        await api.interrupt(target.kernel_id)
        if await self._idle(api, target, _WAIT_S):
            return f"{target.name} is idle."
        return (
            f"{target.name} was interrupted but still runs: it is cleaning up, or ignores interrupts. Interrupt it again to "
            "abort its clean-up. If that does not help, restart its kernel, which loses its variables."
        )

    async def restart(self, target: Target) -> str:
        api = await self._jupyter()
        await api.restart(target.kernel_id)
        text = f"The kernel of {target.name} restarted; its variables are gone."
        return f"{text} {await how_cut(api, target.kernel_id)}".rstrip()

    async def shutdown(self, target: Target) -> str:
        api = await self._jupyter()
        if not await api.delete_kernel(target.kernel_id):
            raise KernelGone(
                f"The kernel of {target.name} has already ended.", "There is nothing left to do."
            )
        return f"The kernel of {target.name} is shut down. {await how_cut(api, target.kernel_id)}".rstrip()

    async def stop_server(self) -> str:
        return await self._launcher().stop()

    async def cancel_job(self) -> str:
        return await self._launcher().stop()

    async def _jupyter(self) -> Jupyter:
        status = await self._launcher().look(health=False)
        if status is None or not status.record.url:
            raise self._launcher().no_server()
        return self._api(status.record)

    @staticmethod
    async def _idle(api: Jupyter, target: Target, patience: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while loop.time() < deadline:
            state = await api.kernel_state(target.kernel_id)
            if state is None:
                raise KernelGone(
                    f"The kernel of {target.name} is gone.", "Open its notebook again to continue."
                )
            if state == "idle":
                return True
            await asyncio.sleep(0.1)
        return False
