"""What dashboards consume: follows the journals by bell and every second, and merges server, kernels and resources.

One `Monitor` a dashboard. It calls its listener in the event loop, in batches, and never more often than it reads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import JlabError
from ..core.events import Entry
from ..core.feed import Feed
from ..core.items import Change
from ..core.models import KernelInfo, ServerRecord, ServerState
from ..core.resources import Sample
from .overview import OwnerAlive, ServerView, SessionRow, session_rows

log = logging.getLogger(__name__)

HISTORY_S = 600.0
SAMPLES_KEPT = 1800
_CHUNK = 1 << 20
"""bytes of a journal that are read at a time"""
_CHUNK_PACKED = 64 << 20
_SLICE_S = 0.008
"""time for which entries are folded before the screen and the keys have their turn"""
_EVERY_S = 1.0
_KERNELS_EVERY = 2
"""rounds between two looks at the kernels"""
_CLOSED_EVERY = 10
"""rounds between two looks at the journals of closed sessions"""
IDLE_GPU_PERCENT = 1.0


class Observer(Protocol):
    async def look(self) -> ServerView:
        """Derive the state anew; called about once a second, cheap."""
        ...


class KernelsAndResources(Protocol):
    async def kernels(self, record: ServerRecord) -> tuple[KernelInfo, ...]: ...

    async def resources(self, record: ServerRecord, history_s: float) -> list[Sample]:
        """Samples of the last `history_s` seconds, oldest first; empty where nothing is measured."""
        ...


class Follower(Protocol):
    """Reads one journal from where it stopped."""

    path: Path

    def read(self, limit: int = ...) -> list[Entry]: ...


class Records(Protocol):
    """The journals and actions files of this project."""

    def journals(self) -> dict[str, list[Path]]:
        """Every session's files in the order of their epochs."""
        ...

    def actions(self) -> list[Path]: ...

    def follow(self, path: Path) -> Follower: ...


class BellRope(Protocol):
    """This dashboard's FIFO."""

    def open(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


OnNews = Callable[[list[dict[str, Any]]], None]
MakeBell = Callable[[OnNews], BellRope]


class Listener(Protocol):
    """The dashboard's side; every method returns at once."""

    def items_changed(self, changes: Sequence[Change]) -> None: ...

    def server_changed(self) -> None: ...

    def resources_changed(self) -> None: ...

    def trouble(self, sentence: str) -> None: ...


class Source(Protocol):
    """What a dashboard shows: a `Monitor`, or a recording."""

    feed: Feed
    server: ServerView
    samples: deque[Sample]
    is_loaded: bool

    @property
    def rows(self) -> tuple[SessionRow, ...]: ...

    def gpu_idle_since(self, index: int) -> float | None: ...

    async def run(self, listener: Listener) -> None: ...


class Monitor:
    """Follows everything about this project's server until cancelled."""

    def __init__(
        self,
        observer: Observer,
        node: KernelsAndResources,
        records: Records,
        make_bell: MakeBell | None = None,
        owner_alive: OwnerAlive | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives epoch seconds, as the journals have them."""
        self.feed = Feed()
        self.server = ServerView()
        self.kernels: tuple[KernelInfo, ...] | None = None
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self.is_loaded = False
        """all journals have been read once"""
        self._observer = observer
        self._node = node
        self._records = records
        self._make_bell = make_bell
        self._owner_alive = owner_alive
        self._clock = clock
        self._kernels_at = 0.0
        self._followers: dict[Path, tuple[str, Follower]] = {}
        self._actions: dict[Path, Follower] = {}
        self._held_actions: list[Entry] = []
        self._idle_since: dict[int, float] = {}
        self._rung: set[str] = set()
        self._wake = asyncio.Event()
        self._trouble: dict[str, str] = {}

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        sample = self.samples[-1] if self.samples else None
        started = self.server.record.started if self.server.record else 0.0
        return session_rows(
            self.feed, self.kernels, sample, self.server.state, self._owner_alive, self._kernels_at, started
        )

    def gpu_idle_since(self, index: int) -> float | None:
        """When GPU `index` became idle (epoch seconds); None while it works or where that is not known."""
        return self._idle_since.get(index)

    async def run(self, listener: Listener) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_journals(listener))
            group.create_task(self._every_second("server", listener, self._look))
            group.create_task(self._every_second("resources", listener, self._measure))

    # -- journals

    async def _watch_journals(self, listener: Listener) -> None:
        bell = self._open_bell(listener)
        rounds = 0
        try:
            while True:
                try:
                    if bell is not None:
                        bell.check()
                    await self._read_journals(listener, rounds)
                except JlabError as error:
                    self._tell(listener, "journals", str(error))
                except OSError as error:
                    self._tell(listener, "journals", f"The journals cannot be read: {error}")
                except Exception:
                    log.exception("reading the journals failed")
                    self._tell(listener, "journals", "Reading the journals failed; the log has the details.")
                rounds += 1
                await self._rung_within(_EVERY_S)
        finally:
            if bell is not None:
                bell.close()

    def _open_bell(self, listener: Listener) -> BellRope | None:
        """The FIFO comes before the first read, so that nothing falls between them."""
        if self._make_bell is None:
            return None
        try:
            bell = self._make_bell(self._on_news)
            bell.open()
        except OSError as error:
            reason = error.strerror or str(error)
            self._tell(listener, "bell", f"No live bell here ({reason}); looking once a second instead.")
            return None
        return bell

    def _on_news(self, news: list[dict[str, Any]]) -> None:
        self._rung.update(str(item.get("session", "")) for item in news)
        self._wake.set()

    async def _rung_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _read_journals(self, listener: Listener, rounds: int) -> None:
        rung, self._rung = self._rung, set()
        was_rung = self._wake.is_set() and bool(rung)
        self._wake.clear()
        if not was_rung or any(not self._knows(session) for session in rung):
            await self._discover()
        for session, follower in list(self._followers.values()):
            if was_rung and session not in rung:
                continue
            view = self.feed.sessions.get(session)
            if view is not None and view.closed and not was_rung and rounds % _CLOSED_EVERY:
                continue
            await self._drain(session, follower, listener)
        for actions in list(self._actions.values()):
            self._held_actions += await asyncio.to_thread(actions.read)
        self._fold_actions(listener)
        if not self.is_loaded:
            self.is_loaded = True
            listener.items_changed(())

    def _knows(self, session: str) -> bool:
        return any(known == session for known, _ in self._followers.values())

    async def _discover(self) -> None:
        for session, paths in (await asyncio.to_thread(self._records.journals)).items():
            for path in paths:
                if path not in self._followers and not self._is_packed_twin(path):
                    self._followers[path] = (session, self._records.follow(path))
        for path in await asyncio.to_thread(self._records.actions):
            if path not in self._actions:
                self._actions[path] = self._records.follow(path)

    def _is_packed_twin(self, path: Path) -> bool:
        """A journal that was compressed after it had been read is not read again."""
        return path.suffix == ".gz" and path.with_suffix("") in self._followers

    async def _drain(self, session: str, follower: Follower, listener: Listener) -> None:
        limit = _CHUNK_PACKED if follower.path.suffix == ".gz" else _CHUNK
        while entries := await asyncio.to_thread(follower.read, limit):
            rest = iter(entries)
            while changes := self._fold(session, rest):
                listener.items_changed(changes)
                # Between two slices the screen and the keys have their turn.
                await asyncio.sleep(0)

    def _fold(self, session: str, entries: Iterator[Entry]) -> list[Change]:
        """Fold in entries for a moment; nothing is left of them when nothing has changed."""
        changes: dict[int, Change] = {}
        end = time.perf_counter() + _SLICE_S
        for entry in entries:
            change = self.feed.apply(session, entry)
            key = id(change.item)
            if key not in changes or change.is_new:
                changes[key] = change
            if time.perf_counter() > end:
                break
        return list(changes.values())

    def _fold_actions(self, listener: Listener) -> None:
        if not self._held_actions:
            return
        changes = []
        for entry in sorted(self._held_actions, key=lambda e: e.at):
            change = self.feed.apply_action(entry)
            if change is not None:
                changes.append(change)
        self._held_actions = []
        listener.items_changed(changes)

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
                self._trouble.pop(name, None)
            except JlabError as error:
                self._tell(listener, name, str(error))
            except Exception:
                log.exception("watching the %s failed", name)
                self._tell(listener, name, f"Watching the {name} failed; the log has the details.")
            rounds += 1
            await asyncio.sleep(max(0.05, due - loop.time()))

    async def _look(self, listener: Listener, rounds: int) -> None:
        view = await self._observer.look()
        if view.state is not ServerState.READY:
            self.kernels = None
        if view != self.server:
            self.server = view
            listener.server_changed()

    async def _measure(self, listener: Listener, rounds: int) -> None:
        record = self.server.record
        if record is None or self.server.state is not ServerState.READY:
            return
        if rounds % _KERNELS_EVERY == 0 or self.kernels is None:
            asked_at = self._clock()
            self.kernels = await self._node.kernels(record)
            self._kernels_at = asked_at
        newest = self.samples[-1].at if self.samples else 0.0
        wanted = 10.0 if newest else HISTORY_S
        fresh = [s for s in await self._node.resources(record, wanted) if s.at > newest]
        self.samples.extend(fresh)
        note_idle_gpus(self._idle_since, fresh)
        listener.resources_changed()

    def _tell(self, listener: Listener, about: str, sentence: str) -> None:
        """Say it once, not every second."""
        if self._trouble.get(about) != sentence:
            self._trouble[about] = sentence
            listener.trouble(sentence)


def note_idle_gpus(idle_since: dict[int, float], samples: Iterable[Sample]) -> None:
    """Keep in `idle_since` when each GPU's utilisation last fell to nothing."""
    for sample in samples:
        for gpu in sample.gpus:
            if gpu.utilization_percent is None or gpu.utilization_percent >= IDLE_GPU_PERCENT:
                idle_since.pop(gpu.index, None)
            else:
                idle_since.setdefault(gpu.index, sample.at)
