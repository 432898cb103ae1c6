"""Follows the journals by bell and every second, and folds them into the feed.

Not everything is read at once: of sessions that are closed, or older than what fits into a budget, only the ends of the
record are read until the user opens them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import JlabError
from ...core.feed.feed import Feed
from ...core.feed.items import Change, FeedCell
from ...core.feed.session_feed import SessionFeed
from ...core.journal.events import Entry, HumanActed, RecordEnds

_CHUNK = 1 << 20
"""bytes of a journal that are read at a time"""
_CHUNK_PACKED = 64 << 20
_SLICE_S = 0.008
"""seconds for which entries are folded before the screen and the keys take their turn"""
_EVERY_S = 1.0
_CLOSED_EVERY = 10
"""rounds between two looks at the journals of closed sessions"""
READ_AT_ONCE = 32 << 20
"""bytes of open sessions' records that are read at the start; the newest is always read"""


class Follower(Protocol):
    """Reads one journal from where it stopped."""

    path: Path
    offset: int

    def read(self, limit: int = ...) -> list[Entry]: ...


class Records(Protocol):
    """The journals and actions files of this project."""

    def journals(self) -> dict[str, list[Path]]:
        """Every session's files in the order of their epochs."""
        ...

    def actions(self) -> list[Path]: ...

    def is_finished(self, actions: Path) -> bool:
        """Whether the dashboard that wrote this actions file has ended."""
        ...

    def follow(self, path: Path) -> Follower: ...

    def ends(self, paths: Sequence[Path]) -> RecordEnds: ...

    def size(self, path: Path) -> int: ...


class NewsBell(Protocol):
    """This dashboard's FIFO."""

    def open(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


OnNews = Callable[[list[dict[str, Any]]], None]
MakeBell = Callable[[OnNews], NewsBell]


class FeedListener(Protocol):
    """Gets the news of all journals."""

    def items_changed(self, changes: Sequence[Change]) -> None: ...

    def record_read(self, session: str) -> None:
        """The whole record of a session was read, of which only the ends were known."""
        ...


class Tell(Protocol):
    """Reports trouble about one thing; an empty sentence ends it. `fault` is an unexpected error."""

    def __call__(self, about: str, sentence: str, fault: Exception | None = None) -> None: ...


class JournalTail:
    """All journals of a project, until cancelled."""

    def __init__(self, records: Records, make_bell: MakeBell | None, tell: Tell) -> None:
        self.feed = Feed()
        self.is_loaded = False
        """every session was read once, at least its ends"""
        self._records = records
        self._make_bell = make_bell
        self._tell = tell
        self._followers: dict[str, tuple[str, Follower]] = {}
        """by the name of their journal, which keeps it when it moves"""
        self._partly_read: dict[str, tuple[tuple[Path, ...], RecordEnds]] = {}
        """sessions of which only the ends have been read"""
        self._wanted: set[str] = set()
        self._whole: list[tuple[FeedCell, asyncio.Future[bool]]] = []
        self._actions: dict[Path, Follower] = {}
        self._finished: set[Path] = set()
        """actions files that were read after their dashboard had ended"""
        self._acts: dict[str, list[Entry]] = {}
        """what users did, by session, until its record is there"""
        self._rung: set[str] = set()
        self._wake = asyncio.Event()

    def want(self, session: str) -> None:
        """Read the whole record of a session before it is shown; of all sessions when `session` is empty."""
        self._wanted |= {session} if session else set(self._partly_read)
        self._wake.set()

    async def whole(self, cell: FeedCell) -> bool:
        """Read all output of a cell from its record. Returns False when the record does not have it."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._whole.append((cell, done))
        self._wake.set()
        return await done

    async def run(self, listener: FeedListener) -> None:
        bell = self._open_bell()
        rounds = 0
        try:
            while True:
                try:
                    if bell is not None:
                        bell.check()
                    await self._read(listener, rounds)
                    self._tell("journals", "")
                except JlabError as error:
                    self._tell("journals", str(error))
                except OSError as error:
                    self._tell("journals", f"The journals cannot be read: {error}")
                except Exception as error:  # noqa: BLE001 - logged with its traceback, once
                    self._tell("journals", f"Reading the journals failed ({type(error).__name__}).", error)
                rounds += 1
                await self._rung_within(_EVERY_S)
        finally:
            if bell is not None:
                bell.close()

    # -- the bell

    def _open_bell(self) -> NewsBell | None:
        """The FIFO comes before the first read, so that nothing falls between them."""
        if self._make_bell is None:
            return None
        try:
            bell = self._make_bell(self._on_news)
            bell.open()
        except OSError as error:
            reason = error.strerror or str(error)
            self._tell("bell", f"No live bell here ({reason}); looking once a second instead.")
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

    # -- one round

    async def _read(self, listener: FeedListener, rounds: int) -> None:
        rung, self._rung = self._rung, set()
        was_rung = self._wake.is_set() and bool(rung)
        self._wake.clear()
        if not was_rung or any(not self._follows(session) for session in rung):
            await self._discover(rung, check_all=rounds % _CLOSED_EVERY == 0)
        await self._open_wanted(listener)
        for session, follower in list(self._followers.values()):
            if was_rung and session not in rung:
                continue
            view = self.feed.sessions.get(session)
            if view is not None and view.closed and not was_rung and rounds % _CLOSED_EVERY:
                continue
            await self._drain(session, follower, listener)
        await self._read_whole(listener)
        await self._read_actions(listener)
        if not self.is_loaded:
            self.is_loaded = True
            listener.items_changed(())

    def _follows(self, session: str) -> bool:
        return any(known == session for known, _ in self._followers.values())

    async def _discover(self, rung: set[str], *, check_all: bool) -> None:
        """Find new sessions and files; decide which of them are read at once."""
        found = await asyncio.to_thread(self._records.journals)
        fresh: dict[str, RecordEnds] = {}
        for session, paths in found.items():
            if self._follows(session):
                self._follow(session, paths)
            elif session in self._partly_read:
                known, ends = self._partly_read[session]
                is_longer = [*map(_name, paths)] != [*map(_name, known)] or (
                    check_all and await self._has_grown(paths, ends)
                )
                if is_longer or session in rung:
                    self._partly_read[session] = (tuple(paths), ends)
                    self._wanted.add(session)
            else:
                fresh[session] = await asyncio.to_thread(self._records.ends, paths)
        left = READ_AT_ONCE
        for session, ends in sorted(fresh.items(), key=lambda pair: -pair[1].changed_at):
            view = SessionFeed.of_ends(session, ends.head, ends.tail)
            if session in rung or (
                not (ends.is_packed or view.closed) and (left > 0 or left == READ_AT_ONCE)
            ):
                left -= ends.size
                self._follow(session, found[session])
            else:
                self._partly_read[session] = (tuple(found[session]), ends)
                self.feed.sessions[session] = view
        for path in await asyncio.to_thread(self._records.actions):
            if path not in self._actions:
                self._actions[path] = self._records.follow(path)

    async def _has_grown(self, paths: Sequence[Path], ends: RecordEnds) -> bool:
        return await asyncio.to_thread(self._records.size, paths[-1]) != ends.size

    def _follow(self, session: str, paths: Iterable[Path]) -> None:
        for path in paths:
            if _name(path) not in self._followers:
                self._followers[_name(path)] = (session, self._records.follow(path))

    async def _open_wanted(self, listener: FeedListener) -> None:
        wanted, self._wanted = self._wanted & set(self._partly_read), set()
        for session in sorted(wanted):
            paths, _ = self._partly_read.pop(session)
            self.feed.sessions[session] = SessionFeed(session)
            self._follow(session, paths)
            for path in paths:
                await self._drain(session, self._followers[_name(path)][1], listener)
            self._fold_acts(session)
            listener.record_read(session)

    async def _drain(self, session: str, follower: Follower, listener: FeedListener) -> None:
        limit = _CHUNK_PACKED if follower.path.suffix == ".gz" else _CHUNK
        while entries := await asyncio.to_thread(follower.read, limit):
            rest = iter(entries)
            while changes := self._fold(session, rest):
                listener.items_changed(changes)
                # Let the screen and the keys take their turn.
                await asyncio.sleep(0)

    def _fold(self, session: str, entries: Iterator[Entry]) -> list[Change]:
        """Fold in entries for a moment. Returns no change when none is left."""
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

    # -- all output of a cell

    async def _read_whole(self, listener: FeedListener) -> None:
        """Between two rounds nothing is folded, so this reads up to where the feed is."""
        while self._whole:
            cell, done = self._whole.pop(0)
            files = [(f.path, f.offset) for session, f in self._followers.values() if session == cell.session]
            is_there = False
            try:
                rebuilt = await asyncio.to_thread(self._rebuild, cell, files)
                view = self.feed.sessions.get(cell.session)
                is_there = view is not None and view.take_whole(cell, rebuilt)
            finally:
                if not done.done():
                    done.set_result(is_there)
            if is_there:
                listener.items_changed([Change(cell.session, cell, False)])

    def _rebuild(self, cell: FeedCell, files: Sequence[tuple[Path, int]]) -> SessionFeed:
        rebuilt = SessionFeed.keeping_all(cell.session)
        for path, end in files:
            reader = self._records.follow(path)
            while reader.offset < end:
                entries = reader.read(min(_CHUNK, end - reader.offset))
                if not entries:
                    break
                for entry in entries:
                    if getattr(entry.event, "run", "") == cell.run:
                        rebuilt.apply(entry)
        return rebuilt

    # -- what users did in dashboards

    async def _read_actions(self, listener: FeedListener) -> None:
        for entry in await asyncio.to_thread(self._new_actions):
            if isinstance(entry.event, HumanActed):
                self._acts.setdefault(entry.event.session, []).append(entry)
        for session in [s for s in self._acts if s not in self._partly_read]:
            if changes := self._fold_acts(session):
                listener.items_changed(changes)

    def _new_actions(self) -> list[Entry]:
        found: list[Entry] = []
        for path, follower in self._actions.items():
            is_finished = self._records.is_finished(path)
            if is_finished and path in self._finished:
                continue
            found += follower.read()
            (self._finished.add if is_finished else self._finished.discard)(path)
        return found

    def _fold_acts(self, session: str) -> list[Change]:
        entries = sorted(self._acts.pop(session, ()), key=lambda entry: entry.at)
        found = [self.feed.apply_action(entry) for entry in entries]
        return [change for change in found if change is not None]


def _name(journal: Path) -> str:
    """Return what a journal is called all its life."""
    return journal.name.removesuffix(".gz")
