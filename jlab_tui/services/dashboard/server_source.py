"""The server as a dashboard sees it. Starts it in the background when there is none, and polls its status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...core.errors import JlabError
from ...core.server.record import ServerRecord, ServerState
from ...core.server.status import ServerStatus
from ...core.settings import Mode

if TYPE_CHECKING:
    from ..server.launcher import Launcher

SAID_SHOWN = 3
"""sentences of the start that are shown, the last ones"""


class ServerSource:
    """Derives the status at each look, and adds the last sentences of the start."""

    def __init__(self, launcher: Callable[[], Launcher], mode: Mode) -> None:
        """`launcher` is asked for at the first look: loading it takes longer than a screen may be empty."""
        self._launcher = launcher
        self._mode = mode
        self._is_starting = True
        self._said: list[str] = []
        self._failure: JlabError | None = None

    async def bring_up(self) -> None:
        """Start the server or attach to it; the next look shows what went wrong."""
        try:
            await self._launcher().start_and_wait(self._mode, self._said.append, lambda status: None, None)
        except JlabError as error:
            self._failure = error
        finally:
            self._is_starting = False

    async def look(self) -> ServerStatus | None:
        status = await self._launcher().look()
        if status is None:
            return self._without_record()
        return replace(status, details=(*status.details, *self._said[-SAID_SHOWN:]))

    def _without_record(self) -> ServerStatus | None:
        if self._failure is not None:
            record = ServerRecord(ServerState.ERROR, self._mode)
            return ServerStatus(record, "failed", self._failure.message, self._failure.hint)
        if self._is_starting:
            return ServerStatus(
                ServerRecord(ServerState.STARTING, self._mode), "starting", "Preparing the start..."
            )
        return None
