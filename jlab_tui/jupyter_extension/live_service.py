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

from .live_cells import LiveFeed
from .live_fragments import Patch, feed_html, patches_since
from .live_journal import LiveJournal, line_at
from .live_outputs import Place, content_of
from .live_overview import LiveOverview
from .live_surroundings import job_html, meters_html, sessions_html
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

    def __init__(self, directory: str, session: str) -> None:
        self.session = session
        self.bells: Set[asyncio.Event] = set()
        """of its pages"""
        self.has_failed = False
        self.feed = LiveFeed()
        self._journal = LiveJournal(directory, session)
        self._moves_at = 0.0
        self._is_read = False

    def patches(self, since: Place) -> Optional[Tuple[List[Patch], Place]]:
        """Return what has changed since a place, and up to where; None if that is further back than what is kept."""
        self._read()
        if since < self.feed.since:
            return None
        return patches_since(self.feed, self.session, since), self.feed.place

    def look(self) -> bool:
        """Read on. Returns whether there was anything new."""
        if not self._is_read:
            self._read()
            return True
        if self._journal.appended(self.feed):
            return True
        if time.monotonic() < self._moves_at:
            return False
        self._moves_at = time.monotonic() + MOVES_S
        return self._journal.moved_on(self.feed)

    def _read(self) -> None:
        if not self._is_read:
            self.feed = self._journal.last_cells(FIRST_CELLS)
            self._is_read = True


class LiveService:
    """One per server."""

    def __init__(self, directory: str, around: Callable[[], Mapping[str, Any]]) -> None:
        """`directory`: of the journals. `around`: the job's facts, samples of ten minutes, kernels by session."""
        self.directory = directory
        self.pages = 0
        self._around = around
        self._overview = LiveOverview(directory)
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
            follower = self._followers[session] = Follower(self.directory, session)
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
        """Return the last cells of a session."""
        return LiveJournal(self.directory, session).last_cells(FIRST_CELLS)

    def earlier(self, session: str, before: Place) -> str:
        """Return the cells before a place; empty at the beginning of the record."""
        return feed_html(LiveJournal(self.directory, session).last_cells(EARLIER_CELLS, before), session)

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
            use = uses.get(around["kernels"].get(line.session), {})
            memory, gpu_memory = use.get("rss_mb"), use.get("gpu_memory_mb")
            lines.append(replace(line, memory_mb=memory, gpu_memory_mb=gpu_memory))
        return [
            Patch("sessions", sessions_html(lines, chosen), "aside"),
            Patch("job", job_html(around["job"]), "top"),
            Patch("meters", meters_html(samples), "main"),
        ]


def around_of(service: Any) -> Callable[[], Dict[str, Any]]:
    """Return what is around the feed, from the extension's state: read in another thread, changed in none of its parts."""
    env = os.environ
    end = env.get("SLURM_JOB_END_TIME", "")
    job = {
        "host": env.get("SLURMD_NODENAME") or service.hostname,
        "job": env.get("SLURM_JOB_ID", ""),
        "partition": env.get("SLURM_JOB_PARTITION", ""),
        "end": int(end) if end.isdecimal() else 0,
    }

    def around() -> Dict[str, Any]:
        kernels = {service.claims.owner_of(kernel)[3]: kernel for kernel in list(service.recorders)}
        return {"job": job, "samples": service.sampler.read(HISTORY_S)[1], "kernels": kernels}

    return around
