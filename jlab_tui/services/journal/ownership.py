"""Holds sessions on a stock server, by their journals: see `core.journal.lease`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...core.errors import SessionOwned
from ...core.journal.events import SessionOpened
from ...core.journal.lease import is_held
from ...core.server.record import Owner
from ..ports import Journal, Journals

OwnerAlive = Callable[[str, int, str], bool | None]
"""whether the process of a host, id and start is alive; None for another host"""


class Ownership:
    """The sessions of one process."""

    def __init__(self, owner: Owner, journals: Journals, owner_alive: OwnerAlive) -> None:
        self._owner = owner
        self._journals = journals
        self._owner_alive = owner_alive

    def succeed(self, session: str) -> Journal:
        """The session's next journal, which makes it ours. Raises SessionOwned while its owner lives. Blocks."""
        files = self._journals.files(session)
        opened = self._opened(session)
        if files and self._is_held(opened, self._journals.silence(files[-1])):
            raise SessionOwned.by(session, _label(opened))
        journal = self._journals.successor(session, files)
        if journal is None:
            raise SessionOwned.by(session, "another one was quicker")
        return journal

    def is_held(self, session: str) -> bool:
        """Whether another process has the session. Blocks."""
        files = self._journals.files(session)
        return bool(files) and self._is_held(self._opened(session), self._journals.silence(files[-1]))

    async def beat(self, session: str, journal: Journal) -> str:
        """Say that we are there. Returns who has the session now, nothing while it is ours."""
        if await asyncio.to_thread(journal.beat):
            return ""
        return f"owned by {_label(await asyncio.to_thread(self._opened, session))}"

    def _is_held(self, opened: SessionOpened | None, silent_s: float) -> bool:
        if opened is None:
            return is_held(None, silent_s)
        if opened.client == self._owner.client:
            return False
        alive = self._owner_alive(opened.client_host, opened.client_pid, opened.client_started)
        return is_held(alive, silent_s)

    def _opened(self, session: str) -> SessionOpened | None:
        """The first line of the newest journal, when it is written already."""
        files = self._journals.files(session)
        for _, _, entry in self._journals.read(files[-1:]):
            return entry.event if isinstance(entry.event, SessionOpened) else None
        return None


def _label(opened: SessionOpened | None) -> str:
    return f"{opened.client_host}:{opened.client_pid}" if opened is not None else "another process"
