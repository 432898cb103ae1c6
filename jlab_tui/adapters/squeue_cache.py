"""The last answer of squeue, shared by all processes of this user on this host, so that one of them asks for all.

A file beside the projects' directories; failures are kept in it like answers, so that a controller in trouble is
not asked more often because many processes wait for it.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from ..core.slurm_queue import Job, QueueAnswer, poll_interval, queue_position
from ..core.slurm_survey import Partition, parse_sinfo
from .files import Intent, private_dir, write_atomic
from .slurm import Ran, Slurm, queue_answer

_VERSION = 1
SURVEY_EVERY_S = 60.0
_STEP_S = 0.05
"""between two looks at the file of a process that asks for us"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file holds: squeue's own words, so that there is one parser."""

    asked: float
    """epoch seconds when squeue was started"""
    returncode: int | None
    out: str
    err: str
    failures: int
    """failures in a row up to here"""

    @property
    def answer(self) -> QueueAnswer:
        return queue_answer(Ran(self.returncode, self.out, self.err), self.asked)

    def is_fresh(self, max_age_s: float, now: float) -> bool:
        """Whether squeue need not be asked again; after failures it is asked less and less often."""
        age = now - self.asked
        wanted = max(max_age_s, poll_interval(None, now, self.failures)) if self.failures else max_age_s
        return 0 <= age < wanted


def cache_path(home: Path, cluster: str = "", host: str = "", what: str = "squeue") -> Path:
    """`<DIR>/squeue-<host>-<cluster>.json`; the host's clock and process ids are its own, so is the file."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", f"{host or socket.gethostname()}-{cluster or 'default'}")
    return home / f"{what}-{safe}.json"


class SharedCall:
    """One command's answer through a shared file: at most one call per interval, however many processes look."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Ran]],
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        wait_s: float = 20.0,
    ) -> None:
        self._ask_now = ask
        self._path = path
        self._clock = clock
        self._wait_s = wait_s
        self._lock = Intent(path.with_suffix(".lock"), socket.gethostname())
        self._alone = asyncio.Lock()

    async def latest(self, max_age: Callable[[Kept], float]) -> Kept:
        """An answer at most `max_age` seconds old, or the last one while another process asks. `asked` tells its age.

        Never raises for trouble with Slurm or with the file.
        """
        async with self._alone:
            deadline = self._clock() + self._wait_s
            while True:
                kept = await asyncio.to_thread(self._read)
                max_age_s = max_age(kept) if kept else 0.0
                if kept and kept.is_fresh(max_age_s, self._clock()):
                    return kept
                try:
                    holder = await asyncio.to_thread(self._lock.take, "squeue", self._clock())
                except OSError as error:
                    return await self._ask_unshared(error)
                if holder is None:
                    return await self._ask(max_age_s)
                if kept:
                    return kept
                if self._clock() > deadline:
                    why = "Another process is asking Slurm and has had no answer yet."
                    return Kept(self._clock(), None, "", why, 0)
                await asyncio.sleep(_STEP_S)

    async def _ask(self, max_age_s: float) -> Kept:
        try:
            before = await asyncio.to_thread(self._read)
            if before and before.is_fresh(max_age_s, self._clock()):
                return before
            asked = self._clock()
            ran = await self._ask_now()
            failures = 0 if ran.is_ok else (before.failures if before else 0) + 1
            kept = Kept(asked, ran.returncode, ran.out, ran.err, failures)
            await asyncio.to_thread(self._write, kept)
            return kept
        finally:
            # Not in a thread: it is one short call, and must also be done when this task is cancelled.
            self._lock.release()

    async def _ask_unshared(self, error: OSError) -> Kept:
        """A directory that cannot be written must not hide the answer."""
        asked = self._clock()
        ran = await self._ask_now()
        said = ran.err if ran.is_ok else f"{ran.err} ({self._path.parent}: {error})"
        return Kept(asked, ran.returncode, ran.out, said, 0)

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
            write_atomic(self._path, json.dumps({"version": _VERSION, **asdict(kept)}))
        except OSError:
            return  # a full disk: the next process asks for itself


class SharedQueue:
    """This user's jobs, through the shared file."""

    def __init__(
        self, slurm: Slurm, path: Path, *, clock: Callable[[], float] = time.time, wait_s: float = 20.0
    ) -> None:
        self._call = SharedCall(slurm.ask_queue, path, clock=clock, wait_s=wait_s)

    async def latest(self, max_age: float | Callable[[QueueAnswer], float]) -> QueueAnswer:
        """An answer at most `max_age` seconds old, which may depend on what the last answer says."""
        kept = await self._call.latest(lambda known: max_age(known.answer) if callable(max_age) else max_age)
        return kept.answer


class SharedSurvey:
    """What the cluster offers and how long a partition's queue is, asked about once a minute while somebody waits."""

    def __init__(self, slurm: Slurm, home: Path, cluster: str = "") -> None:
        self._slurm = slurm
        self._home = home
        self._cluster = cluster
        self._sinfo = SharedCall(slurm.ask_survey, cache_path(home, cluster, what="sinfo"))
        self._queues: dict[str, SharedCall] = {}

    async def partitions(self) -> tuple[Partition, ...]:
        """Empty where sinfo gives no answer."""
        kept = await self._sinfo.latest(lambda _: SURVEY_EVERY_S)
        return parse_sinfo(kept.out) if kept.returncode == 0 else ()

    async def position(self, job: Job) -> int | None:
        """Jobs of higher priority that wait in the same partition; None where it cannot be known."""
        if not job.partition:
            return None
        if (call := self._queues.get(job.partition)) is None:
            path = cache_path(self._home, f"{self._cluster}-{job.partition}", what="waiting")
            call = SharedCall(partial(self._slurm.ask_waiting, job.partition), path)
            self._queues[job.partition] = call
        kept = await call.latest(lambda _: SURVEY_EVERY_S)
        return queue_position(kept.out, job) if kept.returncode == 0 else None
