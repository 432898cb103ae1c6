"""Plays a recorded journal as if it happened now, for demos and bug reports: at any speed, paused, from any time on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from ..core.feed.feed import Feed
from ..core.feed.items import FeedCell
from ..core.feed.lanes import Bar, bars_of
from ..core.feed.playback import Playback
from ..core.feed.session_feed import SessionFeed
from ..core.journal.events import Entry, ExecutionStarted, RunFinished, RunHeld, RunStarted
from ..core.server.record import KernelInfo, Mode, ServerRecord, ServerState
from ..core.server.resources import Sample
from ..core.server.status import ServerStatus
from ..services.dashboard.monitor import SAMPLES_KEPT, Listener, note_idle_gpus
from ..services.dashboard.overview import NO_PAST, SessionRow, session_rows

_AT_ONCE = 500
"""entries that are applied before keys get their turn"""
_DAMAGED_AFTER = 1e11
"""epoch seconds that no clock shows"""


class Recording:
    """Entries of one session (and samples, if any), played at `speed`; 0 shows the end at once."""

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
        self.has_looked = True
        self.is_loaded = False
        self._session = session
        self._entries = sorted(entries, key=lambda entry: entry.at)
        self._played = 0
        """entries on the screen"""
        self._longest_pause_s = longest_pause_s
        self._kernels = kernels
        self._samples = sorted(samples, key=lambda sample: sample.at)
        self._measured: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self._measured_count = 0
        self._idle_since: dict[int, float] = {}
        self._monotonic = monotonic
        times = [entry.at for entry in self._entries if 0 < entry.at < _DAMAGED_AFTER] or [0.0]
        begin = times[0] if speed else times[-1]
        self.playback = Playback(times[0], times[-1], begin, monotonic(), speed or 1.0)
        self.bars: tuple[Bar, ...] = tuple(bars_of(_runs(session, self._entries)))
        """all runs of the record, those that have not been played, too"""
        self._changed = asyncio.Event()

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        sample = self.samples[-1] if self.samples else None
        return session_rows(self.feed, self._kernels, sample, self.server.state if self.server else None)

    @property
    def samples(self) -> deque[Sample]:
        """Those that were measured until now."""
        count = bisect_right(self._samples, self.clock(), key=lambda sample: sample.at)
        if count != self._measured_count:
            self._measured_count, self._idle_since = count, {}
            self._measured = deque(self._samples[:count], maxlen=SAMPLES_KEPT)
            note_idle_gpus(self._idle_since, self._measured)
        return self._measured

    def clock(self) -> float:
        """The time in the recording (epoch seconds)."""
        return self.playback.position(self._monotonic())

    @property
    def is_playing(self) -> bool:
        return not self.playback.is_paused and not self.playback.is_over(self._monotonic())

    def toggle(self) -> None:
        """Pause, or play on; at its end, from the beginning."""
        self._become(self.playback.toggled(self._monotonic()))

    def seek(self, to: float) -> None:
        """Go to a time (epoch seconds); outside the record, to its end there."""
        self._become(self.playback.sought(to, self._monotonic()))

    def change_speed(self, by: int) -> None:
        self._become(self.playback.with_speed(by, self._monotonic()))

    def _become(self, playback: Playback) -> None:
        self.playback = playback
        self._changed.set()

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
        session = self.feed.sessions.get(cell.session)
        return session is not None and session.take_whole(cell, rebuilt)

    async def run(self, listener: Listener) -> None:
        listener.server_changed()
        listener.resources_changed()
        while True:
            self._changed.clear()
            await self._show(listener)
            await self._wait()

    async def _show(self, listener: Listener) -> None:
        """Show the state at the present position, unless that changes meanwhile."""
        until = bisect_right(self._entries, self.clock(), key=lambda entry: entry.at)
        is_rewound = until < self._played
        feed, played = (Feed(), 0) if is_rewound else (self.feed, self._played)
        while played < until:
            part = self._entries[played : min(until, played + _AT_ONCE)]
            changes = [feed.apply(self._session, entry) for entry in part]
            played += len(part)
            if not is_rewound:
                self._played = played
                listener.items_changed(changes)
            await asyncio.sleep(0)
            if self._changed.is_set():
                return
        if is_rewound:
            self.feed, self._played = feed, played
            listener.feed_replaced()
        if not self.is_loaded:
            self.is_loaded = True
            listener.items_changed(())

    async def _wait(self) -> None:
        """Wait for the next entry, at most `longest_pause_s`, or until something else is asked for."""
        pause = None
        due = self._entries[self._played].at if self._played < len(self._entries) else None
        if self.is_playing and due is not None:
            pause = (due - self.clock()) / self.playback.speed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if pause is None else min(pause, self._longest_pause_s)):
                await self._changed.wait()
        if pause is not None and due is not None and self.clock() < due and not self._changed.is_set():
            self.playback = self.playback.sought(due, self._monotonic())  # nothing happens until then


def _runs(session: str, entries: Sequence[Entry]) -> SessionFeed:
    """Fold when runs began and ended, without their output."""
    found = SessionFeed(session)
    for entry in entries:
        if isinstance(entry.event, RunHeld | RunStarted | ExecutionStarted | RunFinished):
            found.apply(entry)
    return found
