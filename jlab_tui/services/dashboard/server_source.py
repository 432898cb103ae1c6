"""The server as a dashboard watches it: started once when there is none, then only looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.errors import JlabError
from ...core.server.record import ServerState
from ...core.settings import Mode
from .overview import ServerView

if TYPE_CHECKING:
    from ...core.server.state_machine import Situation
    from ..server.launcher import Launcher


class ServerSource:
    """Derives the view anew at each look; the first look starts the server or attaches to it."""

    def __init__(self, launcher: Callable[[], Launcher], mode: Mode) -> None:
        """`launcher` is asked for at the first look: loading it takes longer than a screen may be empty."""
        self._launcher = launcher
        self._mode = mode
        self._start: asyncio.Task[None] | None = None
        self._said: list[str] = []
        self._failure: JlabError | None = None

    async def look(self) -> ServerView:
        if self._start is None:
            self._start = asyncio.create_task(self._bring_up())
        situation = await self._launcher().look()
        if situation is None:
            return self._view_without_record()
        return view_of(situation, tuple(self._said[-3:]))

    async def close(self) -> None:
        if self._start is not None:
            self._start.cancel()
            await asyncio.gather(self._start, return_exceptions=True)

    def _view_without_record(self) -> ServerView:
        if self._failure is not None:
            return ServerView(
                ServerState.ERROR, phase="failed", details=(self._failure.message,), hint=self._failure.hint
            )
        if self._start is not None and not self._start.done():
            return ServerView(ServerState.STARTING, phase="starting", details=("Preparing the start...",))
        return ServerView(None)

    async def _bring_up(self) -> None:
        try:
            await self._launcher().start_and_wait(self._mode, self._said.append, lambda situation: None, None)
        except JlabError as error:
            self._failure = error


def view_of(situation: Situation, said: tuple[str, ...] = ()) -> ServerView:
    """A situation in the words of the dashboard."""
    record = situation.record
    return ServerView(
        state=record.state,
        record=record,
        phase=situation.phase,
        details=(situation.sentence, *situation.details, *said),
        hint=situation.hint,
        queue=situation.queue,
        log_tail=situation.log_tail,
        reachable=situation.reachable,
        notices=situation.notices,
    )
