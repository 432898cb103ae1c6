"""Serves the page's readers: one follower for each session that a page shows, shared by its pages, and what stands around the feed.

Files are read, and HTML is made, in one thread of its own, so that a slow file system holds up nothing but the page, and nothing here needs a
lock. No page has a queue: each asks for what changed since the place that it was sent last, when it has taken that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple, TypeVar

from .ended_kernels import describe
from .live_acts import LiveActs
from .live_cells import LiveFeed
from .live_files import text_of
from .live_fragments import Patch, feed_html, patches_since
from .live_job import job_here, job_html, with_record
from .live_journal import LiveJournal, line_at, time_at
from .live_outputs import Place, content_of
from .live_overview import LiveOverview
from .live_surroundings import KernelNow, as_it_is, meters_html, sessions_html
from .sampler_thread import HISTORY_S

LOOK_S = 0.06
"""between two looks at a journal that a page shows"""
MOVES_S = 1.0
"""between two looks for a later file of it, and at everything around the feed"""
PAGES_MAX = 64
FIRST_CELLS = 100
EARLIER_CELLS = 100

log = logging.getLogger("jlab_mcp_extension")
T = TypeVar("T")


class Follower:
    """The record of one session while pages show it."""

    def __init__(self, directory: str, session: str, acts: LiveActs) -> None:
        self.session = session
        self.bells: Set[asyncio.Event] = set()
        """of its pages"""
        self.has_failed = False
        self.feed = LiveFeed()
        self._journal = LiveJournal(directory, session)
        self._acts = acts
        self._moves_at = 0.0
        self._is_read = False

    def patches(self, since: Place, acts: int) -> Optional[Tuple[List[Patch], Place, int]]:
        """Return what has changed since a place and so many acts, and up to where; None if that is further back than what is kept."""
        self._read()
        if since < self.feed.since:
            return None
        return patches_since(self.feed, self.session, since, acts), self.feed.place, self.feed.acts

    def look(self) -> bool:
        """Read on. Returns whether there was anything new."""
        if not self._is_read:
            self._read()
            return True
        has_grown = self._journal.appended(self.feed)
        if time.monotonic() < self._moves_at:
            return has_grown
        self._moves_at = time.monotonic() + MOVES_S
        self._acts.look()
        has_acted = self.feed.take_acts(*self._acts.since(self.session, self.feed.acts))
        return has_grown or self._journal.moved_on(self.feed) or has_acted

    def _read(self) -> None:
        if not self._is_read:
            self.feed = first_feed(self._journal, self._acts)
            self._is_read = True


def first_feed(journal: LiveJournal, acts: LiveActs) -> LiveFeed:
    """Return the last cells of a session, and what users did since the first of them."""
    feed = journal.last_cells(FIRST_CELLS)
    acts.look()
    has_more = feed.since[1] > 0
    feed.take_acts(*acts.since(journal.session, 0), since=feed.items[0].at if has_more and feed.items else 0.0)
    return feed


class LiveService:
    """One per server."""

    def __init__(self, directory: str, around: Callable[[], Mapping[str, Any]]) -> None:
        """`directory`: of the journals. `around`: the job's facts, samples of ten minutes, kernels by session."""
        self.directory = directory
        self.pages = 0
        self._around = around
        self._overview = LiveOverview(directory)
        self._acts = LiveActs(os.path.join(os.path.dirname(directory), "actions") if directory else "")
        self._followers: Dict[str, Follower] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="jlab-mcp-live")
        self._tasks: Set[asyncio.Future[Any]] = set()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run in the page's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    @contextlib.contextmanager
    def following(self, session: str, bell: asyncio.Event) -> Iterator[Follower]:
        """A page that shows a session: its bell rings when there may be something new."""
        follower = self._followers.get(session)
        if follower is None:
            follower = self._followers[session] = Follower(self.directory, session, self._acts)
            task = asyncio.ensure_future(self._follow(follower))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        follower.bells.add(bell)
        self.pages += 1
        try:
            yield follower
        finally:
            self.pages -= 1
            follower.bells.discard(bell)

    async def _follow(self, follower: Follower) -> None:
        try:
            while follower.bells:
                if await self.run(follower.look):
                    for bell in follower.bells:
                        bell.set()
                await asyncio.sleep(LOOK_S)
        except Exception:
            log.exception("jlab-mcp: the live page cannot follow session %s", follower.session)
            follower.has_failed = True
            for bell in follower.bells:
                bell.set()
        finally:
            self._followers.pop(follower.session, None)

    # In the thread.

    def chosen(self, session: str) -> str:
        """Return the session that a page shows: the one asked for, else the one that changed last; empty without any."""
        lines = self._overview.look(session)
        return (
            session
            if any(line.session == session for line in lines)
            else ""
            if session
            else self._overview.newest()
        )

    def first(self, session: str) -> LiveFeed:
        """Return the last cells of a session, and what users did."""
        return first_feed(LiveJournal(self.directory, session), self._acts)

    def earlier(self, session: str, before: Place) -> str:
        """Return the cells before a place; empty at the beginning of the record."""
        feed = LiveJournal(self.directory, session).last_cells(EARLIER_CELLS, before)
        if feed.items:
            since = feed.items[0].at if feed.since[1] else 0.0
            until = time_at(self.directory, session, before)
            feed.take_acts(*self._acts.since(session, 0), since=since, until=until)
        return feed_html(feed, session)

    def content(self, session: str, place: Place, mime: str) -> Optional[str]:
        line = line_at(self.directory, session, place)
        return None if line is None else content_of(line, mime)

    def surroundings(self, chosen: str) -> List[Patch]:
        """Return what stands around the feed, as it is now."""
        around = self._around()
        samples: List[Dict[str, Any]] = around["samples"]
        uses = samples[-1]["kernels"] if samples else {}
        lines = []
        for line in self._overview.look(chosen):
            kernel: Optional[KernelNow] = around["kernels"].get(line.session)
            use = uses.get(kernel.kernel, {}) if kernel is not None else {}
            now = as_it_is(line, kernel, time.time())
            lines.append(replace(now, memory_mb=use.get("rss_mb"), gpu_memory_mb=use.get("gpu_memory_mb")))
        job = with_record(around["job"], text_of(os.path.join(os.path.dirname(self.directory), "server-status")))
        return [
            Patch("sessions", sessions_html(lines, chosen), "aside"),
            Patch("job", job_html(job), "top"),
            Patch("meters", meters_html(samples), "main"),
        ]


def around_of(service: Any) -> Callable[[], Dict[str, Any]]:
    """Return what is around the feed, from the extension's state: read in another thread, changed in none of its parts."""
    job = job_here(os.environ, service.hostname)

    def around() -> Dict[str, Any]:
        return {"job": job, "samples": service.sampler.read(HISTORY_S)[1], "kernels": kernels_of(service)}

    return around


def kernels_of(service: Any) -> Dict[str, KernelNow]:
    """Return the kernel of each session of this server, also one that has ended."""
    found = {
        str(ended["session"]): KernelNow(kernel, end=ended["obituary"] or {})
        for kernel, ended in service.ended.all().items()
    }
    alive: Dict[str, KernelNow] = {}
    for kernel, recorder in list(service.recorders.items()):
        session = str(service.claims.owner_of(kernel)[3])
        if recorder.gone_at is None:
            left = describe(service.left(kernel), time.time())
            alive[session] = KernelNow(kernel, recorder.kernel_state.occupied, left)
        else:
            found[session] = KernelNow(kernel, end=recorder.exit_cause or {})
    return {**found, **alive}
