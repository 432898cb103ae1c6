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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.slurm import QueueAnswer, QueueUnknown, poll_interval
from .files import Intent, private_dir, write_atomic
from .slurm import Ran, Slurm, queue_answer

_VERSION = 1
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


def cache_path(home: Path, cluster: str = "", host: str = "") -> Path:
    """`<DIR>/squeue-<host>-<cluster>.json`; the host's clock and process ids are its own, so is the file."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", f"{host or socket.gethostname()}-{cluster or 'default'}")
    return home / f"squeue-{safe}.json"


class SharedQueue:
    """squeue through the shared file: at most one call per interval, however many processes look."""

    def __init__(
        self,
        slurm: Slurm,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        wait_s: float = 20.0,
    ) -> None:
        self._slurm = slurm
        self._path = path
        self._clock = clock
        self._wait_s = wait_s
        self._lock = Intent(path.with_suffix(".lock"), socket.gethostname())
        self._alone = asyncio.Lock()

    async def latest(self, max_age: float | Callable[[QueueAnswer], float]) -> QueueAnswer:
        """An answer at most `max_age` seconds old, or the last one while another process asks. `asked` tells its age.

        `max_age` may depend on what the last answer says. Never raises for trouble with Slurm or with the file.
        """
        async with self._alone:
            deadline = self._clock() + self._wait_s
            while True:
                kept = await asyncio.to_thread(self._read)
                max_age_s = 0.0
                if kept:
                    max_age_s = max_age(kept.answer) if callable(max_age) else max_age
                if kept and kept.is_fresh(max_age_s, self._clock()):
                    return kept.answer
                try:
                    holder = await asyncio.to_thread(self._lock.take, "squeue", self._clock())
                except OSError as error:
                    return await self._ask_unshared(error)
                if holder is None:
                    return await self._ask(max_age_s)
                if kept:
                    return kept.answer
                if self._clock() > deadline:
                    return QueueUnknown(
                        "Another process is asking Slurm and has had no answer yet.", "", self._clock()
                    )
                await asyncio.sleep(_STEP_S)

    async def _ask(self, max_age_s: float) -> QueueAnswer:
        try:
            before = await asyncio.to_thread(self._read)
            if before and before.is_fresh(max_age_s, self._clock()):
                return before.answer
            asked = self._clock()
            ran = await self._slurm.ask_queue()
            failures = 0 if ran.is_ok else (before.failures if before else 0) + 1
            kept = Kept(asked, ran.returncode, ran.out, ran.err, failures)
            await asyncio.to_thread(self._write, kept)
            return kept.answer
        finally:
            # Not in a thread: it is one short call, and must also be done when this task is cancelled.
            self._lock.release()

    async def _ask_unshared(self, error: OSError) -> QueueAnswer:
        """A directory that cannot be written must not hide the queue."""
        answer = await self._slurm.queue()
        if isinstance(answer, QueueUnknown):
            return QueueUnknown(answer.reason, f"{answer.said} ({self._path.parent}: {error})", answer.asked)
        return answer

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
