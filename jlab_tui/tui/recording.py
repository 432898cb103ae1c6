"""Plays a recorded journal as if it happened now, for demos and bug reports."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby

from ..core.feed.feed import Feed
from ..core.feed.items import FeedCell
from ..core.feed.session_feed import SessionFeed
from ..core.journal.events import Entry
from ..core.server.record import KernelInfo, Mode, ServerRecord, ServerState
from ..core.server.resources import Sample
from ..core.server.status import ServerStatus
from ..services.dashboard.monitor import Listener, note_idle_gpus
from ..services.dashboard.overview import NO_PAST, SessionRow, session_rows


class Recording:
    """Entries of one session (and samples, if any), played at `speed`; 0 plays all at once."""

    def __init__(
        self,
        session: str,
        entries: Sequence[Entry],
        *,
        speed: float = 1.0,
        longest_pause_s: float = 2.0,
        server: ServerStatus | None = None,
        samples: Sequence[Sample] = (),
        kernels: Sequence[KernelInfo] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.feed = Feed()
        ready = ServerRecord(ServerState.READY, Mode.LOCAL)
        self.server: ServerStatus | None = server or ServerStatus(ready, "replay", "")
        self.samples: deque[Sample] = deque(samples)
        self.is_loaded = False
        self._session = session
        self._entries = sorted(entries, key=lambda entry: entry.at)
        self._played = 0
        """entries on the screen"""
        self._speed = speed
        self._longest_pause_s = longest_pause_s
        self._kernels = kernels
        self._at = self._entries[0].at if self._entries else 0.0
        self._at_since = monotonic()
        self._monotonic = monotonic
        self._idle_since: dict[int, float] = {}
        note_idle_gpus(self._idle_since, samples)

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        sample = self.samples[-1] if self.samples else None
        return session_rows(self.feed, self._kernels, sample, self.server.state if self.server else None)

    def clock(self) -> float:
        """The time in the recording (epoch seconds): the last event's plus the time since then."""
        last = self._entries[-1].at if self._entries else 0.0
        return min(last, self._at + (self._monotonic() - self._at_since) * self._speed)

    def gpu_idle_since(self, index: int) -> float | None:
        return self._idle_since.get(index)

    past = NO_PAST
    unopened_since = 0.0

    def want(self, session: str) -> None:
        """Do nothing: everything is loaded from the start."""

    older = want

    def toggle_history(self) -> None:
        """Do nothing: there is one session."""

    more_history = toggle_history

    async def whole(self, cell: FeedCell) -> bool:
        rebuilt = SessionFeed.keeping_all(cell.session)
        for entry in self._entries[: self._played]:
            if getattr(entry.event, "run", "") == cell.run:
                rebuilt.apply(entry)
        return self.feed.sessions[cell.session].take_whole(cell, rebuilt)

    async def run(self, listener: Listener) -> None:
        listener.server_changed()
        listener.resources_changed()
        before = 0.0
        for at, together in groupby(self._entries, key=lambda entry: entry.at):
            if self._speed and before:
                await asyncio.sleep(min(self._longest_pause_s, (at - before) / self._speed))
            before = at or before
            self._at, self._at_since = before, self._monotonic()
            changes = [self.feed.apply(self._session, entry) for entry in together]
            self._played += len(changes)
            listener.items_changed(changes)
            self.is_loaded = True
        self.is_loaded = True
        listener.items_changed(())
