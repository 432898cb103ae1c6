"""What dashboards consume: the journals as a feed, merged with server, kernels and resources.

One `Monitor` a dashboard. It calls its listener in the event loop, in batches, and never more often than it reads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol

from ...core.errors import JlabError
from ...core.feed.feed import Feed
from ...core.feed.items import FeedCell
from ...core.kernel.leaving import KernelFates, ended_sentence, left_sentence
from ...core.server.record import KernelInfo, ServerRecord, ServerState
from ...core.server.resources import Measured, Sample
from ...core.server.status import ServerStatus
from ..server.walltime_notice import clock_of
from .journal_tail import JournalTail
from .overview import OwnerAlive, PastSessions, SessionRow, SessionState, session_rows
from .records import FeedListener, MakeBell, Records

log = logging.getLogger(__name__)

HISTORY_S = 600.0
SAMPLES_KEPT = 1800
_EVERY_S = 1.0
_KERNELS_EVERY = 3
"""rounds between two looks at the kernels"""
_CALM_EVERY = 5
"""rounds between two looks at a server that answers the other requests"""
IDLE_GPU_PERCENT = 1.0


class Observer(Protocol):
    async def look(self) -> ServerStatus | None:
        """Derive the status, None where nothing was started. Called about once a second, so it must be cheap."""
        ...


class Node(Protocol):
    async def measured(self, record: ServerRecord, history_s: float, *, kernels: bool) -> Measured:
        """Samples of the last `history_s` seconds, and the kernels if they are asked for."""
        ...

    async def fates(self, record: ServerRecord) -> KernelFates: ...


class Listener(FeedListener, Protocol):
    """The dashboard; every method returns at once."""

    def server_changed(self) -> None: ...

    def resources_changed(self) -> None: ...

    def feed_replaced(self) -> None:
        """The source has another feed: a recording was sought."""
        ...

    def trouble(self, sentence: str) -> None: ...


class Source(Protocol):
    """What a dashboard shows: a `Monitor`, or a recording."""

    server: ServerStatus | None
    """None: nothing has been started, or `has_looked` is False"""
    has_looked: bool
    """whether the server was looked for"""

    @property
    def samples(self) -> deque[Sample]: ...

    @property
    def feed(self) -> Feed: ...

    @property
    def is_loaded(self) -> bool:
        """the end of every open session's record was read"""
        ...

    @property
    def rows(self) -> tuple[SessionRow, ...]: ...

    @property
    def past(self) -> PastSessions: ...

    @property
    def unopened_since(self) -> float:
        """The latest change (epoch seconds) of a closed session that is not in the feed, while all are shown together; 0 if there
        is none."""
        ...

    def gpu_idle_since(self, index: int) -> float | None: ...

    def want(self, session: str) -> None:
        """Read the end of this session's record before it is shown; of all sessions by time when `session` is empty."""
        ...

    def older(self, session: str) -> None:
        """Read what stands before the part of a record that is known; of all sessions when `session` is empty."""
        ...

    def toggle_history(self) -> None:
        """Show the closed sessions among the rows, or fold them again."""
        ...

    def more_history(self) -> None:
        """Show more of them."""
        ...

    async def whole(self, cell: FeedCell) -> bool:
        """Read all output of a cell. Returns False when the record does not have it."""
        ...

    async def run(self, listener: Listener) -> None: ...


class Monitor:
    """Follows this project's server and sessions until cancelled."""

    def __init__(
        self,
        observer: Observer,
        node: Node,
        records: Records,
        make_bell: MakeBell | None = None,
        owner_alive: OwnerAlive | None = None,
        clock: Callable[[], float] = time.time,
        details: Callable[[], str] = lambda: "",
        bring_up: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """`clock` gives epoch seconds, as the journals have them; `details` names the log after a fault; `bring_up`
        starts the server."""
        self.server: ServerStatus | None = None
        self.has_looked = False
        self.kernels: tuple[KernelInfo, ...] | None = None
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self._observer = observer
        self._node = node
        self._tail = JournalTail(records, make_bell, self._tell)
        self._owner_alive = owner_alive
        self._clock = clock
        self._details = details
        self._bring_up = bring_up
        self._kernels_at = 0.0
        self._fates = KernelFates()
        self._idle_since: dict[int, float] = {}
        self._listener: Listener | None = None
        self._trouble: dict[str, str] = {}

    @property
    def feed(self) -> Feed:
        return self._tail.feed

    @property
    def is_loaded(self) -> bool:
        return self._tail.is_loaded

    def want(self, session: str) -> None:
        self._tail.want(session)

    def older(self, session: str) -> None:
        self._tail.older(session)

    def toggle_history(self) -> None:
        self._tail.toggle_history()

    def more_history(self) -> None:
        self._tail.more_history()

    @property
    def past(self) -> PastSessions:
        history = self._tail.history
        return PastSessions(history.count, history.left, history.is_open)

    @property
    def unopened_since(self) -> float:
        return self._tail.unopened_since

    async def whole(self, cell: FeedCell) -> bool:
        return await self._tail.whole(cell)

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        sample = self.samples[-1] if self.samples else None
        state, started = (self.server.state, self.server.record.started) if self.server else (None, 0.0)
        history = self._tail.history
        return session_rows(
            self.feed,
            self.kernels,
            sample,
            state,
            self._owner_alive,
            self._kernels_at,
            started,
            self._tail.listed,
            history.shown if history.is_open else (),
            self._fates,
            clock_of(self._clock()),
        )

    def gpu_idle_since(self, index: int) -> float | None:
        """When GPU `index` became idle (epoch seconds); None while it works or where that is not known."""
        return self._idle_since.get(index)

    async def run(self, listener: Listener) -> None:
        self._listener = listener
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail.run(listener))
            if self._bring_up is not None:
                group.create_task(self._start(self._bring_up()))
            group.create_task(self._every_second("server", listener, self._look))
            group.create_task(self._every_second("resources", listener, self._measure))

    # -- server, kernels, resources

    async def _every_second(
        self, name: str, listener: Listener, step: Callable[[Listener, int], Awaitable[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        rounds = 0
        while True:
            due = loop.time() + _EVERY_S
            try:
                await step(listener, rounds)
                self._tell(name, "")
            except JlabError as error:
                self._tell(name, str(error))
            except Exception as error:  # noqa: BLE001 - logged with its traceback, once
                self._tell(name, f"Watching the {name} failed ({type(error).__name__}).", error)
            rounds += 1
            await asyncio.sleep(max(0.05, due - loop.time()))

    async def _start(self, bring_up: Coroutine[Any, Any, None]) -> None:
        try:
            await bring_up
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            self._tell("start", f"Starting the server failed ({type(error).__name__}).", error)

    async def _look(self, listener: Listener, rounds: int) -> None:
        before = self.server
        is_calm = (
            before is not None and before.state is ServerState.READY and before.reachable and self.samples
        )
        if is_calm and "resources" not in self._trouble and rounds % _CALM_EVERY:
            return
        status = await self._observer.look()
        if status is None or status.state is not ServerState.READY:
            self.kernels = None
        if status != before or not self.has_looked:
            self.server, self.has_looked = status, True
            listener.server_changed()

    async def _measure(self, listener: Listener, rounds: int) -> None:
        if self.server is None or not self.server.is_usable:
            return
        record = self.server.record
        wants_kernels = rounds % _KERNELS_EVERY == 0 or self.kernels is None
        newest = self.samples[-1].at if self.samples else 0.0
        asked_at = self._clock()
        seen = await self._node.measured(record, 10.0 if newest else HISTORY_S, kernels=wants_kernels)
        if seen.kernels is not None:
            self.kernels, self._kernels_at = seen.kernels, asked_at
            if any(_needs_fate(row) for row in self.rows):
                self._fates = await self._node.fates(record)
                self._tell_fates(listener)
        fresh = [sample for sample in seen.samples if sample.at > newest]
        self.samples.extend(fresh)
        note_idle_gpus(self._idle_since, fresh)
        listener.resources_changed()

    def _tell_fates(self, listener: Listener) -> None:
        """Note in the feed which clients have left, and why kernels ended."""
        clock, changes = clock_of(self._clock()), []
        for view in self.feed.sessions.values():
            left, ended = self._fates.left.get(view.kernel_id), self._fates.ended.get(view.kernel_id)
            if view.closed or (ended is not None and not ended.is_calm):
                continue
            if ended is not None:
                changes.append(view.tell("client", ended.left_at or ended.at, ended_sentence(ended, clock)))
            elif left is not None:
                changes.append(view.tell("client", left.at, left_sentence(left, clock)))
        if told := [change for change in changes if change is not None]:
            listener.items_changed(told)

    def _tell(self, about: str, sentence: str, fault: Exception | None = None) -> None:
        """Show trouble once, not every second. The traceback of `fault` goes to the log, which the sentence names."""
        if not sentence:
            self._trouble.pop(about, None)
        elif self._trouble.get(about) != sentence and self._listener is not None:
            self._trouble[about] = sentence
            if fault is not None:
                log.error("%s", sentence, exc_info=fault)
                sentence = f"{sentence} {self._details()}".rstrip()
            self._listener.trouble(sentence)


def _needs_fate(row: SessionRow) -> bool:
    """Whether the server is to be asked what becomes of a session's kernel."""
    if row.is_foreign or row.is_past:
        return False
    is_gone = row.state is SessionState.DEAD or (row.state is SessionState.ENDED and not row.fate)
    return is_gone or row.is_orphan or row.is_elsewhere


def note_idle_gpus(idle_since: dict[int, float], samples: Iterable[Sample]) -> None:
    """Keep in `idle_since` when each GPU's utilisation last fell to nothing."""
    for sample in samples:
        for gpu in sample.gpus:
            if gpu.utilization_percent is None or gpu.utilization_percent >= IDLE_GPU_PERCENT:
                idle_since.pop(gpu.index, None)
            else:
                idle_since.setdefault(gpu.index, sample.at)
