"""Shares the last answer of squeue among all processes of this user on this host, so that one of them asks for all.

It is a file beside the projects' directories. It keeps failures too, so that many waiting processes do not query a
controller in trouble more often.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ...core.slurm.queue import QueueAnswer, QueueRows, poll_interval, split_queue, wants_count
from ...core.slurm.survey import Partition, parse_sinfo
from ..files import Intent, private_dir, write_atomic
from ..programs import Ran
from .commands import QUERY_TIMEOUT_S, Slurm, queue_answer

_VERSION = 2
SURVEY_EVERY_S = 60.0
LOCK_S = 2 * QUERY_TIMEOUT_S
"""no query takes longer: a process that still holds the lock is suspended, and another one takes over"""
_STEP_S = 0.05
"""between two looks at the file while another process asks"""


@dataclass(frozen=True, slots=True)
class Kept:
    """The file's content: squeue's raw output, so that there is one parser."""

    asked: float
    """epoch seconds when squeue started"""
    returncode: int | None
    out: str
    err: str
    failures: int
    """consecutive failures so far"""
    counted: float = 0.0
    """epoch seconds of the last query for everybody's jobs, which counts those ahead of ours"""
    ahead: dict[str, int] = field(default_factory=dict)
    """number of jobs ahead, by our job's id"""

    @property
    def answer(self) -> QueueAnswer:
        answer = queue_answer(Ran(self.returncode, self.out, self.err), self.asked)
        return replace(answer, ahead=self.ahead) if isinstance(answer, QueueRows) else answer

    def is_fresh(self, max_age_s: float, now: float) -> bool:
        """Whether squeue need not run again; after failures it runs less and less often."""
        age = now - self.asked
        wanted = max(max_age_s, poll_interval(None, now, self.failures)) if self.failures else max_age_s
        return 0 <= age < wanted


def cache_path(home: Path, cluster: str = "", host: str = "", what: str = "squeue") -> Path:
    """`<DIR>/squeue-<host>-<cluster>.json`; one file per host, because clocks and process ids differ."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", f"{host or socket.gethostname()}-{cluster or 'default'}")
    return home / f"{what}-{safe}.json"


class SharedCall:
    """Shares one command's answer through a file: at most one call per interval for any number of processes."""

    def __init__(
        self,
        ask: Callable[[Kept | None], Awaitable[Kept]],
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        wait_s: float = 20.0,
    ) -> None:
        """`ask` runs the command; it gets the file's previous content."""
        self._ask_now = ask
        self._path = path
        self._clock = clock
        self._wait_s = wait_s
        self._lock = Intent(path.with_suffix(".lock"), socket.gethostname(), limit_s=LOCK_S)
        self._alone = asyncio.Lock()

    async def latest(self, max_age: Callable[[Kept], float]) -> Kept:
        """Return an answer at most `max_age` seconds old, or the last one while another process asks; see its `asked`.

        Never raises for trouble with Slurm or the file.
        """
        async with self._alone:
            deadline = self._clock() + self._wait_s
            while True:
                kept = await asyncio.to_thread(self._read)
                if kept and kept.is_fresh(max_age(kept), self._clock()):
                    return kept
                try:
                    holder = await asyncio.to_thread(self._lock.take, "squeue", self._clock())
                except OSError as error:
                    return await self._ask_unshared(error)
                if holder is None:
                    return await self._ask(max_age)
                if kept:
                    return kept
                if self._clock() > deadline:
                    why = "Another process is asking Slurm and has had no answer yet."
                    return Kept(self._clock(), None, "", why, 0)
                await asyncio.sleep(_STEP_S)

    async def _ask(self, max_age: Callable[[Kept], float]) -> Kept:
        try:
            before = await asyncio.to_thread(self._read)
            if before and before.is_fresh(max_age(before), self._clock()):
                return before
            kept = await self._ask_now(before)
            await asyncio.to_thread(self._write, kept)
            return kept
        finally:
            # Not in a thread: it is short, and must happen even if this task is cancelled.
            self._lock.release()

    async def _ask_unshared(self, error: OSError) -> Kept:
        """Ask without the file: a read-only directory must not hide the answer."""
        kept = await self._ask_now(None)
        errors = f"{kept.err} ({self._path.parent}: {error})" if kept.failures else kept.err
        return replace(kept, err=errors, failures=0)

    def _read(self) -> Kept | None:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
            if raw.pop("version") != _VERSION:
                return None
            return Kept(**raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self, kept: Kept) -> None:
        try:
            private_dir(self._path.parent)
            there = self._read()
            if there is not None and kept.asked < there.asked <= self._clock():
                return  # we were suspended, and another process asked meanwhile
            write_atomic(self._path, json.dumps({"version": _VERSION, **asdict(kept)}))
        except OSError:
            return  # disk full: the next process asks itself


class SharedQueue:
    """This user's jobs through the shared file, and now and then the number of jobs ahead of them."""

    def __init__(
        self, slurm: Slurm, path: Path, *, clock: Callable[[], float] = time.time, wait_s: float = 20.0
    ) -> None:
        self._slurm = slurm
        self._clock = clock
        self._call = SharedCall(self._ask, path, clock=clock, wait_s=wait_s)

    async def latest(self, max_age: float | Callable[[QueueAnswer], float]) -> QueueAnswer:
        """Return an answer at most `max_age` seconds old; `max_age` may depend on the last answer."""
        kept = await self._call.latest(lambda known: max_age(known.answer) if callable(max_age) else max_age)
        return kept.answer

    async def _ask(self, before: Kept | None) -> Kept:
        """Run squeue once; when it also counts the jobs ahead, for everybody's jobs."""
        asked = self._clock()
        counted = before.counted if before else 0.0
        counts = before is not None and wants_count(before.answer, counted, asked)
        ran = await self._slurm.ask_queue(everybody=counts)
        kept = _kept(asked, ran, before)
        if not counts:
            return replace(kept, counted=counted, ahead=before.ahead if before else {})
        own, ahead = await asyncio.to_thread(split_queue, ran.out, self._slurm.uid)
        return replace(kept, out=own, counted=asked, ahead=ahead)


class SharedSurvey:
    """The cluster's partitions, queried about once a minute while somebody waits."""

    def __init__(self, slurm: Slurm, home: Path, cluster: str = "") -> None:
        self._slurm = slurm
        self._sinfo = SharedCall(self._ask, cache_path(home, cluster, what="sinfo"))

    async def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions; empty if sinfo does not answer."""
        kept = await self._sinfo.latest(lambda _: SURVEY_EVERY_S)
        return parse_sinfo(kept.out) if kept.returncode == 0 else ()

    async def _ask(self, before: Kept | None) -> Kept:
        asked = time.time()
        return _kept(asked, await self._slurm.ask_survey(), before)


def _kept(asked: float, ran: Ran, before: Kept | None) -> Kept:
    failures = 0 if ran.is_ok else (before.failures if before else 0) + 1
    return Kept(asked, ran.returncode, ran.out, ran.err, failures)
