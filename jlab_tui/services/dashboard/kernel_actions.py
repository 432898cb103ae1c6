"""Interrupts, restarts and shuts down kernels, and stops the server, for the user of a dashboard."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...core.errors import KernelGone, LaunchFailed
from ...core.journal.events import Entry
from ...core.kernel.interrupt_ladder import ANNOUNCEMENT, Effect, Step, how_stopped, why_not_stopped
from ...core.kernel.wire import KernelMessage, Request
from ...core.server.record import ServerRecord
from ..kernel.ending import how_cut
from ..kernel.ladder import KernelCode, Ladder
from ..kernel.side_link import side_link
from ..kernel.subshell import Subshell
from ..server.gpu_hours import gpu_hours
from .actions import Target

if TYPE_CHECKING:
    from ..ports import Jupyter, Link
    from ..server.launcher import Launcher

_CONNECT_S: Final = 3.0
_ANNOUNCE_S: Final = 1.0
_HEAR_S: Final = 1.0


class KernelActions:
    """Acts on kernels by id. Each method returns the outcome as a sentence, or raises JlabError."""

    def __init__(
        self,
        launcher: Callable[[], Launcher],
        api: Callable[[ServerRecord], Jupyter],
        start_owner: Callable[[str], object] = lambda session: None,
    ) -> None:
        """`launcher` is asked for at the first action. `start_owner` starts a process that runs the cells that a user has asked
        for in a session, if no client has that; it blocks, and may raise OSError."""
        self._start_owner = start_owner
        self._launcher = launcher
        self._api = api
        self._cleaning: set[Target] = set()
        """kernels whose code, once interrupted, runs its own clean-up"""

    async def interrupt(self, target: Target) -> str:
        api = await self._jupyter()
        link = await side_link(api, target.kernel_id)
        code = _Code(api, target, link)
        subshell = Subshell(link, lambda: 1)
        try:
            if link.resumable:
                code.listen()
                await _announce(link)
            insists = target in self._cleaning
            climbed = await Ladder(api, target.kernel_id, link, subshell).climb(code, ends_clean_up=insists)
            await subshell.close()
            exception = await code.ended_with() if climbed.step is Step.WAKE else ""
        finally:
            await link.close()
        self._cleaning.discard(target)
        if climbed.has_ended:
            how = how_stopped(climbed.step, exception)
            return f"{target.name} is idle{f'; its code stopped{how}' if how else ''}."
        if climbed.effect is Effect.CLEANING_UP and climbed.step is Step.WAKE:
            self._cleaning.add(target)
            return (
                f"{target.name} was interrupted but still runs: its own clean-up (a finally, except or with block) is not "
                "over. Interrupt it again to abort that."
            )
        return (
            f"{target.name} does not stop. {why_not_stopped(climbed.effect)} It may stop by itself later; otherwise "
            "restart its kernel, which loses its variables."
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
        launcher = self._launcher()
        used = await gpu_hours(launcher, self._api)
        return f"{await launcher.stop()} {used}".rstrip()

    async def cancel_job(self) -> str:
        return await self._launcher().stop()

    async def hand_on(self, target: Target, act: Entry) -> bool:
        return await (await self._jupyter()).hand_on(target.kernel_id, act)

    async def be_owner(self, target: Target) -> None:
        try:
            await asyncio.to_thread(self._start_owner, target.session)
        except OSError as error:
            raise LaunchFailed(
                f"The cell was not run: {error.strerror or error}.",
                "It is on record: the next client runs it.",
            ) from None

    async def _jupyter(self) -> Jupyter:
        status = await self._launcher().look(health=False)
        if status is None or not status.record.is_published:
            raise self._launcher().no_server()
        return self._api(status.record)


async def _announce(link: Link) -> None:
    """Tell the owner of the kernel's session, who reads along, that what ends now was interrupted."""
    with contextlib.suppress(TimeoutError):
        await link.ready(_CONNECT_S)
        request = Request("control", "kernel_info_request", f"{ANNOUNCEMENT}{uuid.uuid4().hex}", {})
        await link.ask(request, _ANNOUNCE_S)


class _Code(KernelCode):
    """What a kernel runs, with what is heard of it."""

    def __init__(self, api: Jupyter, target: Target, link: Link) -> None:
        super().__init__(api, target.kernel_id, target.name)
        self._link = link
        self._listens = False
        self._has_printed = False
        self._exception = ""
        self._raised = asyncio.Event()

    def listen(self) -> None:
        """Open the connection. To a kernel that is not recorded, Jupyter opens it once the kernel is idle; its attempt asks the
        kernel for its info, which wakes the kernel, too. So that is done after the signal."""
        if not self._listens:
            self._listens = True
            self._link.open(self.heard, lambda change: None)

    def heard(self, message: KernelMessage) -> None:
        self._has_printed |= message.msg_type in ("stream", "display_data")
        if message.msg_type == "error":
            self._exception = str(message.content.get("ename") or "")
            self._raised.set()

    async def ended_with(self) -> str:
        """Name of the exception; empty if none is heard of. The server may know of the end earlier."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._raised.wait(), _HEAR_S)
        return self._exception

    async def has_ended(self, within_s: float) -> bool:
        self.listen()
        return await super().has_ended(within_s)

    def has_printed(self) -> bool:
        return self._has_printed
