"""Performs a call once, even if it is sent again because the process that served it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from ...core.errors import KernelGone, ServerError, UnknownSession
from ...core.journal.events import Event, KernelChanged, NotebookEdited, SessionClosed
from ...core.session.call import Call
from ..ports import Journals
from ..session.session import Session
from .registry import Sessions

_RESTART_S: Final = 30.0
"""how long to wait for the end of a restart that is under way"""


class Once:
    """Calls that remove something: a kernel's state, a run, a session, a cell."""

    def __init__(self, sessions: Sessions, journals: Journals) -> None:
        self._sessions = sessions
        self._journals = journals

    async def restart(self, session_id: str, by: str, call: Call) -> str:
        """Restart a session's kernel. Returns the outcome."""
        session = await self._sessions.get(session_id)
        is_done = f"The kernel of session {session_id} was restarted. All variables and imports are lost."
        if any(isinstance(event, KernelChanged) for event in await self._since(session_id, call)):
            return is_done
        generation = session.state.kernel.generation
        try:
            return await session.restart(by)
        except ServerError:
            # Jupyter answers so while the restart is under way that an earlier attempt asked for.
            if call.is_resent and await _restarts(session, generation):
                return is_done
            raise

    async def interrupt(self, session_id: str, by: str, call: Call) -> str:
        """Interrupt the run that was in progress when the call was made. Returns the outcome."""
        session = await self._sessions.get(session_id)
        run = session.current
        if call.is_resent and (run is None or run.asked_at > call.first_sent):
            return "The run that the interrupt was meant for has ended."
        return await session.interrupt(by)

    async def shut_down(self, session_id: str, call: Call) -> str:
        """End a session and its kernel. Returns the outcome."""
        try:
            return await self._sessions.shut_down(session_id)
        except (KernelGone, UnknownSession):
            if any(isinstance(event, SessionClosed) for event in await self._since(session_id, call)):
                return f"Session {session_id} is shut down; its kernel and variables are gone."
            raise

    async def delete_cell(self, session_id: str, cell: str | int, call: Call) -> tuple[str, int]:
        """Delete a cell. Returns its id, and how many cells are left."""
        session = await self._sessions.get(session_id)
        for event in await self._since(session_id, call):
            if isinstance(event, NotebookEdited) and event.call == call.id:
                return event.cell, len(session.notebook.cells)
        gone = await session.cells.delete(cell, call)
        return gone.id, len(session.notebook.cells)

    async def _since(self, session_id: str, call: Call) -> list[Event]:
        """What is on record of a session since an earlier attempt of the call; nothing for a first one."""
        if not call.is_resent:
            return []
        return await asyncio.to_thread(lambda: list(self._events(session_id, call.first_sent)))

    def _events(self, session_id: str, since: float) -> Iterator[Event]:
        for _, _, entry in self._journals.read_briefly(self._journals.files(session_id)):
            if entry.at >= since:
                yield entry.event


async def _restarts(session: Session, generation: int) -> bool:
    """Wait until the session's kernel is another than the one of `generation`. Returns False if that takes too long."""
    try:
        async with asyncio.timeout(_RESTART_S):
            await session.another_kernel(generation)
    except TimeoutError:
        return False
    return True
