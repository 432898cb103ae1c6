"""Finds the sessions that earlier processes left: those that can be taken over, and those whose kernel is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...core.journal.summary import Heads, SessionHead
from ...core.kernel.leaving import LeftKernel
from ...core.kernel.link import RecordedKernel
from ...core.server.record import Owner
from ..journal.ownership import Ownership
from ..server.ready import Server
from .finalize import Finalizer
from .kernel_ends import KernelEnds
from .table import SessionTable

LISTED: Final = 20
"""sessions that a list names; it counts the others"""
LOOK_AGAIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Adoptable:
    """A session that none of our living processes holds."""

    session: str
    notebook: str
    running: str
    """id of a run in progress, empty when there is none"""
    kernel_id: str
    left: LeftKernel | None = None
    """since when it has had no client, where the server tells"""


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session whose kernel is gone."""

    session: str
    notebook: str
    why: str


@dataclass(frozen=True, slots=True)
class Left:
    """The sessions of earlier processes."""

    adoptable: tuple[Adoptable, ...] = ()
    """the newest first"""
    more: int = 0
    """that can be taken over"""
    unread: int = 0
    """of which it is not known yet whether they can"""
    ended: tuple[EndedSession, ...] = ()
    """whose kernels the server has ended meanwhile"""


class LeftSessions:
    """Looks for them, and closes those that nobody can continue."""

    def __init__(
        self,
        owner: Owner,
        server: Callable[[], Awaitable[Server]],
        table: SessionTable,
        ownership: Ownership,
        finalizer: Finalizer,
        ends: KernelEnds,
    ) -> None:
        """`server` raises a ServerError while none is ready."""
        self._owner = owner
        self._server = server
        self._table = table
        self._ownership = ownership
        self._finalizer = finalizer
        self._ends = ends
        self.tidying: asyncio.Task[None] | None = None
        self._looked_at: set[str] = set()
        """sessions without a kernel, when what is left behind was closed the last time"""
        self._look_again = 0.0
        """when they are looked at again, by the loop's clock"""

    async def look(self, kernels: Collection[str], heads: Heads) -> Left:
        """Sessions of this server that we do not hold and that can be taken over. `kernels`: those that it has now."""
        server = await self._server()
        left = [h for h in heads.known if not h.is_closed and self._table.find(h.session) is None]
        left = [h for h in left if h.opened.client != self._owner.client]
        found = [
            h
            for h in left
            if h.opened.server_started == server.record.started and h.opened.kernel_id in kernels
        ]
        gone = [h for h in left if h not in found]
        ended: dict[str, str] = {}
        if any(h.opened.server_started == server.record.started for h in gone):
            ended = await self._ends.all(server)
        if heads.unread or gone:
            self._tidy(server.record.started, kernels, ended, {h.session for h in gone})
        free: list[SessionHead] = []
        recorded = await server.api.recorded_kernels() if found else {}
        looked = 0
        while len(free) < LISTED and looked < len(found):
            some = found[looked : looked + LISTED]
            held = await self._held(server, some, recorded)
            free += [h for h in some if h.session not in held]
            looked += len(some)
        listed = tuple(self._adoptable(h, recorded) for h in free[:LISTED])
        told = [
            EndedSession(h.session, h.opened.notebook, why)
            for h in gone
            if (why := ended.get(h.opened.kernel_id, ""))
        ]
        return Left(listed, len(free) - len(listed) + len(found) - looked, heads.unread, tuple(told[:LISTED]))

    @staticmethod
    def _adoptable(head: SessionHead, recorded: Mapping[str, RecordedKernel]) -> Adoptable:
        kernel_id = head.opened.kernel_id
        is_told = kernel_id in recorded and not head.opened.users_kernel
        left = recorded[kernel_id].left if is_told else None
        return Adoptable(head.session, head.opened.notebook, head.running, kernel_id, left)

    def _tidy(
        self, server_started: float, kernels: Collection[str], ended: Mapping[str, str], doomed: set[str]
    ) -> None:
        """Close what is left behind, while calls go on. Sessions that some process had the last time wait for a minute."""
        now = asyncio.get_running_loop().time()
        is_idle = self.tidying is None or self.tidying.done()
        if is_idle and (now >= self._look_again or not doomed <= self._looked_at):
            self._looked_at, self._look_again = doomed, now + LOOK_AGAIN_S
            self.tidying = asyncio.create_task(self._finalizer.finalize_left(server_started, kernels, ended))

    async def _held(
        self, server: Server, heads: Sequence[SessionHead], recorded: Mapping[str, RecordedKernel]
    ) -> set[str]:
        """Those that a living process has."""
        if not heads:
            return set()
        if await server.api.features():
            owned = {kernel_id for kernel_id, kernel in recorded.items() if kernel.owner_connected}
            return {h.session for h in heads if h.opened.kernel_id in owned}
        held = await asyncio.gather(*(asyncio.to_thread(self._ownership.is_held, h.session) for h in heads))
        return {h.session for h, is_held in zip(heads, held, strict=True) if is_held}
