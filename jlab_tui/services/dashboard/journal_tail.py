"""Follows the journals by bell and every second, and folds them into the feed.

Of each session that is not closed the end of the record is read; what stands before it, and closed sessions, only when the
user wants to see them. A second without news costs one call of a thread, however many sessions there are.

One file, because what is read, asked for and let go of are the same sessions, in one order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from ...core.errors import JlabError
from ...core.feed.feed import Feed
from ...core.feed.items import Change, FeedCell
from ...core.feed.timeline import known_since
from ...core.journal.events import Entry, HumanActed
from ...core.journal.window import ClosedSession, Looked
from .followed import Followed
from .history import History
from .overview import CLOSED_SHOWN
from .records import FeedListener, MakeBell, NewsBell, Records, Tell

_CHUNK = 1 << 20
"""bytes of a journal that are read at a time"""
_SLICE_S = 0.008
"""seconds for which entries are folded before the screen and the keys take their turn"""
_EVERY_S = 1.0
_CLOSED_EVERY = 10
"""looks between two at the journals of closed sessions that were opened"""
FIRST_BYTES, LATER_BYTES = 1 << 20, 1 << 16
"""of a record that are read at once: of the newest sessions, and of the others"""
NEWEST = 4
OPENED_MOST = 200
"""sessions without a close that are opened at the start; older ones are in the history"""
ALL_ITEMS = 60
"""cells and notes by which the view of all sessions grows at a time"""

Request = Callable[[FeedListener], Awaitable[None]]


class JournalTail:
    """All journals of a project, until cancelled."""

    def __init__(self, records: Records, make_bell: MakeBell | None, tell: Tell) -> None:
        self.feed = Feed()
        self.history = History(records)
        self.is_loaded = False
        """the end of every open session's record was read"""
        self._were_open: set[str] = set()
        """sessions that were open since this dashboard began"""
        self._wanted: str | None = None
        """what is on the screen; None before anything is"""
        self.unopened_since = 0.0
        """the latest change of a session that is not in the feed, while all are shown together"""
        self._records = records
        self._make_bell = make_bell
        self._tell = tell
        self._followed: dict[str, Followed] = {}
        self._requests: list[Request] = []
        self._asked: set[str] = set()
        """sessions of which an older part is being read"""
        self._acts: dict[str, list[Entry]] = {}
        """what users did, by session, until its record is there"""
        self._rung: dict[str, set[str]] = {}
        """names of journals with news, by session"""
        self._wake = asyncio.Event()
        self._all_wanted = 0
        self._looks = 0
        self._look_due = 0.0

    @property
    def listed(self) -> set[str]:
        """Sessions that stand in the list although they are closed: those that closed meanwhile, and the one that is shown."""
        return self._were_open | ({self._wanted} if self._wanted else set())

    # -- what the dashboard asks for

    def want(self, session: str) -> None:
        """Read the end of a closed session's record; of all sessions, by time, when `session` is empty."""
        self._wanted = session
        if not session:
            self.older("")
            return
        self._all_wanted = 0
        if session not in self._followed:
            self._ask(lambda listener: self._show(session, listener))

    def older(self, session: str) -> None:
        """Read what stands before the part that is known; of all sessions together when `session` is empty."""
        if session not in self._asked:
            self._asked.add(session)
            self._ask(lambda listener: self._read_older(session, listener))

    def toggle_history(self) -> None:
        self.history.toggle()
        self._wake.set()

    def more_history(self) -> None:
        self.history.want_more()
        self._wake.set()

    async def whole(self, cell: FeedCell) -> bool:
        """Read all output of a cell from its record. Returns False when the record does not have it."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ask(lambda listener: self._read_whole(cell, done, listener))
        return await done

    def _ask(self, request: Request) -> None:
        self._requests.append(request)
        self._wake.set()

    async def run(self, listener: FeedListener) -> None:
        bell = self._open_bell()
        try:
            while True:
                try:
                    await self._read(listener, bell)
                    self._tell("journals", "")
                except JlabError as error:
                    self._tell("journals", str(error))
                except OSError as error:
                    self._tell("journals", f"The journals cannot be read: {error}")
                except Exception as error:  # noqa: BLE001 - logged with its traceback, once
                    self._tell("journals", f"Reading the journals failed ({type(error).__name__}).", error)
                await self._woken()
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
        for item in news:
            self._rung.setdefault(str(item.get("session", "")), set()).add(str(item.get("journal", "")))
        self._wake.set()

    async def _woken(self) -> None:
        """Wait for a bell or a request, or until the next look is due."""
        try:
            async with asyncio.timeout(max(0.0, self._look_due - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass

    # -- one round

    async def _read(self, listener: FeedListener, bell: NewsBell | None) -> None:
        rung, self._rung = self._rung, {}
        self._wake.clear()
        due = {session for session in rung if session in self._followed}
        is_unknown = any(not self._knows(session, names) for session, names in rung.items())
        if is_unknown or time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + _EVERY_S
            if bell is not None:
                bell.check()
            due |= await self._look(set(rung), listener)
        for session in due:
            await self._drain(session, listener)
        while self._requests:
            await self._requests.pop(0)(listener)
        if await self.history.read() or not self.is_loaded:
            self.is_loaded = True
            listener.items_changed(())
        self._let_go()

    def _let_go(self) -> None:
        """Hold no closed sessions but the last ones, and what is on the screen: the history has the others."""
        if self._wanted == "":
            return  # all are shown together, as far back as the user went
        for view in self.feed.forget_closed(CLOSED_SHOWN, self._wanted):
            self.unopened_since = max(self.unopened_since, view.changed_at)
            self._followed.pop(view.session, None)
            self._were_open.discard(view.session)

    def _knows(self, session: str, names: set[str]) -> bool:
        followed = self._followed.get(session)
        return followed is not None and names <= followed.names | {""}

    async def _look(self, rung: set[str], listener: FeedListener) -> set[str]:
        """Find new sessions, journals and actions. Returns the sessions with news."""
        self._looks += 1
        polled = {
            reader.path: reader.offset
            for session, followed in self._followed.items()
            if not (self._is_closed(session) and self._looks % _CLOSED_EVERY)
            for reader in followed.readers
        }
        looked = await asyncio.to_thread(self._records.look, polled)
        await self._discover(looked, rung, listener)
        for entry in looked.acts:
            if not isinstance(entry.event, HumanActed):
                continue
            self._acts.setdefault(entry.event.session, []).append(entry)
            if entry.event.session in self.feed.sessions and (
                changes := self._fold_acts(entry.event.session)
            ):
                listener.items_changed(changes)
        return {
            session
            for session, followed in self._followed.items()
            if any(reader.path in looked.grown for reader in followed.readers)
        }

    def _is_closed(self, session: str) -> bool:
        view = self.feed.sessions.get(session)
        return view is not None and bool(view.closed)

    async def _discover(self, looked: Looked, rung: set[str], listener: FeedListener) -> None:
        """Take in which sessions there are, and open those that are new and not closed."""
        if looked.closed is not None:
            self.history.counted(looked.closed)
        found = looked.open
        if found is None:
            unknown = [session for session in rung if session and session not in self._followed]
            found = {s: await asyncio.to_thread(self._records.files, s) for s in unknown}
        else:
            for session in [session for session in self.history.over if session not in found]:
                del self.history.over[session]
        fresh: dict[str, Path] = {}
        for session, files in found.items():
            if session in self._followed:
                self._followed[session].grow(files, self._records)
            elif files and (session in rung or self._is_new(session, files[-1])):
                fresh[session] = files[-1]
        standing = await asyncio.to_thread(self._records.standing, list(fresh.values())) if fresh else []
        by_age = sorted(zip(fresh.items(), standing, strict=True), key=lambda pair: -pair[1][0])
        for number, ((session, journal), (changed_at, is_closed)) in enumerate(by_age):
            if session not in rung and (is_closed or number >= OPENED_MOST):
                self.history.over[session] = ClosedSession(session, journal, changed_at)
            else:
                self.history.over.pop(session, None)
                self._were_open.add(session)
                await self._open(session, FIRST_BYTES if number < NEWEST else LATER_BYTES)
                listener.record_read(session)

    def _is_new(self, session: str, last: Path) -> bool:
        known = self.history.over.get(session)
        return known is None or known.journal.name != last.name

    # -- parts of a record

    async def _open(self, session: str, least: int) -> None:
        """Read the end of a session's record and follow it from there."""
        files = await asyncio.to_thread(self._records.files, session)
        if not files:
            return
        part, followed = await asyncio.to_thread(Followed.begin, session, files, least, self._records)
        self._followed[session] = followed
        self.feed.take(part)
        self._fold_acts(session)

    async def _show(self, session: str, listener: FeedListener) -> None:
        if session not in self._followed:
            await self._open(session, FIRST_BYTES)
        listener.record_read(session)

    async def _read_older(self, session: str, listener: FeedListener) -> None:
        try:
            if session:
                await self._extend(session)
            else:
                await self._extend_all()
        finally:
            self._asked.discard(session)
        listener.record_read(session)

    async def _extend(self, session: str) -> None:
        followed = self._followed.get(session)
        if followed is not None and followed.start is not None:
            part = await asyncio.to_thread(followed.part_before, self._records)
            self.feed.take(part)
            self._fold_acts(session)

    async def _extend_all(self) -> None:
        """Go back in time over all sessions, until some more of their cells are known."""
        closed = [one for one in await self.history.everything() if one.session not in self._followed]
        self._all_wanted += ALL_ITEMS
        while True:
            while closed and closed[0].session in self._followed:
                closed.pop(0)
            self.unopened_since = closed[0].changed_at if closed else 0.0
            views = self.feed.sessions.values()
            since = known_since(views, self.unopened_since)
            if not since or sum(i.at >= since for view in views for i in view.items) >= self._all_wanted:
                return
            if closed and self.unopened_since >= since:
                await self._open(closed.pop(0).session, LATER_BYTES)
            else:
                view = max((view for view in views if view.unread), key=lambda view: view.since)
                await self._extend(view.session)

    # -- news of a session

    async def _drain(self, session: str, listener: FeedListener) -> None:
        for follower in list(self._followed[session].readers):
            while entries := await asyncio.to_thread(follower.read, _CHUNK):
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

    def _fold_acts(self, session: str) -> list[Change]:
        """Show what users did since the part that was read begins; the rest waits for the parts before."""
        view = self.feed.sessions[session]
        waiting = sorted(self._acts.pop(session, ()), key=lambda entry: entry.at)
        if later := [entry for entry in waiting if view.unread and entry.at < view.since]:
            self._acts[session] = later
        found = [self.feed.apply_action(entry) for entry in waiting[len(later) :]]
        return [change for change in found if change is not None]

    # -- all output of a cell

    async def _read_whole(self, cell: FeedCell, done: asyncio.Future[bool], listener: FeedListener) -> None:
        """Between two rounds nothing is folded, so this reads up to where the feed is."""
        is_there = False
        try:
            followed = self._followed.get(cell.session)
            if followed is not None:
                rebuilt = await asyncio.to_thread(followed.whole, cell.run, self._records)
                is_there = self.feed.take_whole(cell, rebuilt)
        finally:
            if not done.done():
                done.set_result(is_there)
        if is_there:
            listener.items_changed([Change(cell.session, cell, False)])
