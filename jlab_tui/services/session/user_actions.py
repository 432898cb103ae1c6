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

    def __init__(
        self,
        read: Callable[[], list[Entry]],
        has_ended: Callable[[str], bool | None],
        now: Callable[[], float],
    ) -> None:
        """`read` gives what is new in the files since its last call, and blocks; `has_ended` whether a dashboard has, None if
        that cannot be known here."""
        self._read = read
        self._has_ended = has_ended
        self._now = now
        self._known: list[tuple[HumanActed, float]] = []
        """each with the time when it was heard of"""
        self._is_first = True
        self._sessions: set[Steered] = set()
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def join(self, session: Steered) -> None:
        """Give a session all that concerns it, and from now on what is new."""
        for act, at in self._known:
            session.take(act, at)
        self._sessions.add(session)
        await self._look()
        if self._task is None and self._sessions:
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
            acts = [
                (entry.event, entry.at if self._is_first else self._now())
                for entry in news
                if isinstance(entry.event, HumanActed) and entry.event.id
            ]
            self._is_first = False
            self._known += acts
            for session in self._sessions:
                for act, at in acts:
                    session.take(act, at)
                session.look(self._has_ended)
