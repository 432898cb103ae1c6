"""What users do in the dashboards of a project, for the sessions of one process: a look each second at the dashboards' files.

These are the record. The link hands the same on at once, but not on a stock server, and not while no client lives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ...core.journal.events import Entry, HumanActed
from ..ports import Steered

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0


class UserActions:
    """The actions of all dashboards, for the sessions of this process."""

    def __init__(self, read: Callable[[], list[Entry]]) -> None:
        """`read` gives what is new in the files since its last call; it blocks."""
        self._read = read
        self._known: list[HumanActed] = []
        self._sessions: set[Steered] = set()
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def join(self, session: Steered) -> None:
        """Give a session all that concerns it, and from now on what is new."""
        for act in self._known:
            session.take(act)
        self._sessions.add(session)
        await self._look()
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name="users' actions")

    def leave(self, session: Steered) -> None:
        self._sessions.discard(session)
        if not self._sessions and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        async with self._looking:
            try:
                news = await asyncio.to_thread(self._read)
            except OSError as error:
                log.warning("the dashboards' actions cannot be read: %s", error)
                return
            acts = [entry.event for entry in news if isinstance(entry.event, HumanActed) and entry.event.id]
            self._known += acts
            for session in self._sessions:
                for act in acts:
                    session.take(act)
