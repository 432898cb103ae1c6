"""The sessions that this process holds, by id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from weakref import WeakValueDictionary

from ..session.session import Session


class SessionTable:
    """Opening or taking over a session adds it; closing removes it."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def sessions(self) -> list[Session]:
        return list(self._open.values())

    def lock(self, name: str) -> asyncio.Lock:
        """one lock for each session id or notebook path, so that simultaneous requests open it once"""
        return self._locks.setdefault(name, asyncio.Lock())

    def find(self, session_id: str) -> Session | None:
        """The session of that id, unless another process holds it now."""
        session = self._open.get(session_id)
        return session if session is not None and not session.state.is_taken_over else None

    def add(self, session: Session) -> None:
        self._open[session.identity.id] = session

    async def save_at(self, path: Path) -> None:
        """Bring the file of a notebook up to date, where a session has it: a large one follows later."""
        for session in self.sessions:
            if session.identity.notebook == str(path):
                await session.save()

    async def let_go(self, session: Session, reason: str) -> None:
        """Close a session for good; its kernel is not touched."""
        await session.close(reason)
        self._open.pop(session.identity.id, None)

    async def drop_taken_over(self, session_id: str) -> None:
        """Forget a session that another process holds."""
        session = self._open.get(session_id)
        if session is not None and session.state.is_taken_over:
            del self._open[session_id]
            await session.close()

    def clear(self) -> None:
        self._open.clear()
