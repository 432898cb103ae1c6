"""Takes back the sessions that an earlier process of the same conversation left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from ...core.errors import JlabError, SessionOwned
from ...core.journal.summary import Heads
from ...core.server.record import Owner
from ..server.ready import Server
from .factory import SessionFactory
from .table import SessionTable
from .takeover import Takeover

PREDECESSOR_S: Final = 60.0
"""how long to keep trying to take sessions back from an earlier process of the same conversation"""


class Reconnect:
    """Takes back the sessions of an earlier process: once, and again while that process still holds one."""

    def __init__(
        self,
        owner: Owner,
        server: Callable[[], Awaitable[Server]],
        table: SessionTable,
        factory: SessionFactory,
        takeover: Takeover,
        now: Callable[[], float],
    ) -> None:
        self._owner = owner
        self._server = server
        self._table = table
        self._factory = factory
        self._takeover = takeover
        self._now = now
        self._reclaimed = False
        self._task: asyncio.Task[None] | None = None
        self._first_claim = 0.0

    def soon(self) -> None:
        """Like `reclaim`, in the background; for every call, whatever it is about."""
        is_idle = self._task is None or self._task.done()
        if is_idle and not self._reclaimed and self._owner.conversation:
            self._task = asyncio.create_task(self._try_to_reclaim())

    async def _try_to_reclaim(self) -> None:
        with contextlib.suppress(JlabError):  # no server yet: the next call tries again
            await self.reclaim()

    async def reclaim(self, heads: Heads | None = None) -> None:
        """Once: take back the sessions of this client's conversation that an earlier process of it left. `heads`: what is
        known of the sessions, if the caller has looked."""
        owner = self._owner
        if self._reclaimed or not owner.conversation:
            return
        began = self._now()
        server = await self._server()
        heads = heads or await self._factory.heads_on(server)
        mine = [
            h
            for h in heads.known
            if not h.is_closed
            and h.opened.server_started == server.record.started
            and h.opened.conversation == owner.conversation
            and h.opened.client != owner.client
        ]
        open_here = {session.identity.id for session in self._table.sessions}
        is_held = False
        for head in mine:
            if head.session not in open_here:
                try:
                    await self._takeover.get(head.session)
                except SessionOwned:
                    is_held = True
                except JlabError:
                    pass
        # The process before us may still be about to end: later calls try again.
        self._first_claim = self._first_claim or began
        is_over = began - self._first_claim > PREDECESSOR_S
        self._reclaimed = not heads.unread and (not is_held or is_over)
