"""Watches a project for news that no reply tells: journals by their bell and by looking, the server by its record and its queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final, Protocol

from ..core.errors import JlabError
from ..core.journal.events import Entry
from ..core.news_desk import News, NewsDesk
from ..core.server.record import ServerRecord, ServerState
from ..core.server.resources import Sample
from ..core.server.status import ServerStatus
from .server.walltime_notice import clock_of

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_SERVER_EVERY: Final = 5
"""rounds between two looks at the server"""
_GPU_EVERY: Final = 60
"""rounds between two looks at the GPUs"""
_ALL_EVERY: Final = 10
"""rounds between two looks at all journals: those of other hosts ring no bell here"""


class Additions(Protocol):
    """The new lines of journals. Its methods block."""

    def begin(self) -> None: ...

    def acts(self) -> Iterable[tuple[str, Entry]]: ...

    def read(self, names: Iterable[str] | None = None) -> Iterable[tuple[str, Entry]]: ...


class Bell(Protocol):
    def open(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


class ServerLook(Protocol):
    async def look(self, *, health: bool = True) -> ServerStatus | None: ...


class MeasuredApi(Protocol):
    async def resources(self, history_s: float = 0) -> list[Sample]: ...


class NewsAccess(Protocol):
    """The route to a server."""

    def api(self, record: ServerRecord) -> MeasuredApi: ...

    async def close(self) -> None: ...


class NewsWatch:
    """Follows one project."""

    def __init__(
        self,
        desk: NewsDesk,
        observer: ServerLook,
        access: NewsAccess,
        additions: Additions,
        make_bell: Callable[[Callable[[list[dict[str, Any]]], None]], Bell | None],
        now: Callable[[], float],
    ) -> None:
        """`make_bell` gets what takes the lines of the bell, and gives None while nothing could ring; `Bell.open` may raise
        OSError. `now`: epoch seconds."""
        self._desk = desk
        self._observer = observer
        self._access = access
        self._served: ServerRecord | None = None
        """the ready server"""
        self._additions = additions
        self._make_bell = make_bell
        self._now = now
        self._rung: set[str] = set()
        self._bell: Bell | None = None

    async def follow(self) -> AsyncIterator[News | None]:
        """Yield news as it comes, forever; None after each round."""
        try:
            await asyncio.to_thread(self._additions.begin)
            rounds = 0
            while True:
                self._keep_bell()
                await self._look(rounds)
                for news in self._desk.due(self._now()):
                    yield news
                yield None
                rounds += 1
                await asyncio.sleep(_EVERY_S)
        finally:
            if self._bell is not None:
                self._bell.close()
            await self._access.close()

    async def _look(self, rounds: int) -> None:
        if rounds % _SERVER_EVERY == 0:
            try:
                status = await self._observer.look(health=False)
                is_ready = status is not None and status.state is ServerState.READY
                self._served = status.record if status is not None and is_ready else None
                self._desk.look(status, self._now())
            except JlabError as error:
                log.warning("the server's state is unknown: %s", error)
        if rounds % _GPU_EVERY == 0:
            await self._measure()
        for session, entry in await asyncio.to_thread(lambda: list(self._additions.acts())):
            self._desk.feed(session, entry, self._now())
        rung, self._rung = self._rung, set()
        names = None if self._bell is None or rounds % _ALL_EVERY == 0 else rung
        if names is None or names:
            for session, entry in await asyncio.to_thread(lambda: list(self._additions.read(names))):
                self._desk.feed(session, entry, self._now())

    async def _measure(self) -> None:
        """Look at what the kernels use. A server that does not answer says nothing."""
        if self._served is None:
            return
        try:
            samples = await self._access.api(self._served).resources()
        except JlabError as error:
            log.info("the use of the node is unknown: %s", error)
            return
        if samples:
            self._desk.measured(samples[-1].kernels or {})
            now = self._now()
            self._desk.idle_end(samples[-1].idle_end, now, clock_of(now))

    def _keep_bell(self) -> None:
        """Without one, all journals are looked at in each round."""
        try:
            if self._bell is None:
                if bell := self._make_bell(self._on_ring):
                    bell.open()
                    self._bell = bell
            else:
                self._bell.check()
        except OSError:
            self._bell = None

    def _on_ring(self, news: list[dict[str, Any]]) -> None:
        self._rung.update(str(item.get("journal", "")) for item in news)
