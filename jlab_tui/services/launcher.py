"""Starting, watching and stopping the server of a project. The state is derived, never remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from ..core.errors import (
    LaunchFailed,
    NoServer,
    ServerEnded,
    ServerError,
    ServerNotReady,
    ServerUnreachable,
    StatusFileDamaged,
)
from ..core.models import ServerRecord, ServerState
from ..core.settings import Mode
from ..core.slurm import JobPhase
from ..core.slurm_record import RESTARTS
from ..core.startup import Health, Limits, Observation, Situation, step

T = TypeVar("T")

LOOK_EVERY_S: Final = 1.0
HEALTH_S: Final = 3.0
"""how long a server may take to answer"""
SUSPENDED_S: Final = 0.5
"""the same for one that Slurm says is suspended: only to see whether it has been resumed since"""
_QUICK_S: Final = 0.1
_PENDING_S: Final = 0.5
"""between two looks for the connection file of a job that waits; the queue is asked far less often"""
_RETRIES: Final = 5


class Store(Protocol):
    def read(self) -> ServerRecord | None: ...
    def write(self, record: ServerRecord) -> None: ...
    def remove(self) -> None: ...


class IntentLock(Protocol):
    """Lets one process at a time start or stop the server. `take` returns None, or who has it (host:pid)."""

    def take(self, verb: str, now: float) -> str | None: ...
    def release(self) -> None: ...


class Backend(Protocol):
    """Where JupyterLab runs: this machine, or a SLURM cluster."""

    async def launch(self, say: Callable[[str], None]) -> ServerRecord:
        """Start it and return at once. Raises JlabError with what to change."""

    async def observe(self, record: ServerRecord, *, urgent: bool = False) -> Observation:
        """Look at process or job, connection file and log, not at the server itself.

        `urgent`: the server does not answer, so what was found out half a minute ago will not do.
        """

    async def end(self, record: ServerRecord) -> str:
        """End it, verified to be ours; returns what was done. Raises JlabError, then the record is kept."""

    def may_retry(self, record: ServerRecord) -> bool:
        """Whether a failed start may work the next time (its port was taken)."""


class HealthCheck(Protocol):
    """Looks at `GET /api/status` of a server given by URL and token."""

    async def __call__(self, url: str, token: str, patience: float) -> Health:
        """`patience` in seconds, for a server that takes the connection and says nothing."""

    async def warm_up(self) -> None:
        """Load what the first look needs, so that it is not late."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Started:
    situation: Situation
    attached: bool
    """it was there, or somebody else is starting it"""


class Launcher:
    """The one place that turns facts about the server into its state and writes changes down."""

    def __init__(
        self,
        root: str,
        store: Store,
        intent: IntentLock,
        backends: Mapping[Mode, Backend],
        check_health: HealthCheck,
        limits: Limits,
        now: Callable[[], float],
        elsewhere: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`now` gives epoch seconds, `elsewhere` the roots of other projects that have a server."""
        self.root = root
        self._store = store
        self._intent = intent
        self._backends = backends
        self._check_health = check_health
        self._limits = limits
        self._now = now
        self._elsewhere = elsewhere

    async def close(self) -> None:
        """Give the connection for health checks back."""
        await self._check_health.close()

    def no_server(self) -> NoServer:
        """The error that there is no server here, with the places where there is one."""
        return NoServer(self.root, self._elsewhere())

    async def look(self, *, health: bool = True) -> Situation | None:
        """The situation now, None when there is no server. A change of state is written to the status file."""
        record = self._store.read()
        if record is None:
            return None
        backend = self._backends[record.mode]
        seen = await backend.observe(record)
        situation = step(record, seen, self._limits)
        after = situation.record
        if health and after.state in (ServerState.STARTING, ServerState.READY) and after.url:
            patience = SUSPENDED_S if situation.phase == JobPhase.SUSPENDED.value else HEALTH_S
            answer = await self._check_health(after.url, after.token, patience)
            if answer is not Health.OK and after.state is ServerState.READY:
                seen = await backend.observe(record, urgent=True)
            situation = step(record, replace(seen, health=answer), self._limits)
        self._persist(record, situation.record)
        return situation

    def recall(self) -> Situation | None:
        """What is on record, without a look at anything else. Raises StatusFileDamaged."""
        record = self._store.read()
        return step(record, Observation(self._now()), self._limits) if record is not None else None

    def _persist(self, before: ServerRecord, after: ServerRecord) -> None:
        if after == before:
            return
        current = self._store.read()
        same = current is not None and (current.started, current.pid, current.job_id) == (
            before.started, before.pid, before.job_id,
        )  # fmt: skip
        if (
            same
            and current is not None
            and (current.state is before.state or current.state is not ServerState.STOPPING)
        ):
            self._store.write(after)

    async def start(self, mode: Mode, say: Callable[[str], None]) -> Started:
        """Start the server, or attach to the one that is there or on its way. Raises JlabError."""
        if (there := await self._live()) is not None:
            return Started(there, True)
        waited = 0.0
        while (holder := self._intent.take("start", self._now())) is not None:
            if (there := await self._live()) is not None:
                return Started(there, True)
            if waited > self._limits.local_start_s:
                raise LaunchFailed(
                    f"Another process ({holder}) is starting the server and does not finish.", "Try again."
                )
            await asyncio.sleep(_QUICK_S)
            waited += _QUICK_S
        try:
            if (there := await self._live()) is not None:
                return Started(there, True)
            record = await _to_its_end(self._launch(mode, say))
        finally:
            self._intent.release()
        return Started(step(record, Observation(self._now()), self._limits), False)

    async def _launch(self, mode: Mode, say: Callable[[str], None]) -> ServerRecord:
        record = await self._backends[mode].launch(say)
        self._store.write(record)
        return record

    async def _live(self) -> Situation | None:
        try:
            situation = await self.look()
        except StatusFileDamaged:
            self._store.remove()
            return None
        if (
            situation is not None
            and situation.record.state.is_live
            and situation.record.state is not ServerState.STOPPING
        ):
            return situation
        return None

    async def follow(self, every: float = LOOK_EVERY_S) -> AsyncIterator[Situation | None]:
        """The situation whenever it changes, the present one first. Ends never; quick while something starts."""
        last: Situation | None = None
        first = True
        while True:
            situation = await self.look()
            if first or situation != last:
                yield situation
            first, last = False, situation
            await asyncio.sleep(min(every, _pause(situation)))

    async def start_and_wait(
        self,
        mode: Mode,
        say: Callable[[str], None],
        on_change: Callable[[Situation], None],
        queue_timeout: float | None,
    ) -> Started:
        """Start and follow until ready. A start of ours that fails because its port was taken is tried again.

        Raises ServerNotReady when a job is still queued after `queue_timeout` seconds; it stays in the queue.
        """
        for attempt in range(_RETRIES):
            started = await self.start(mode, say)
            if not started.attached:
                on_change(started.situation)
            situation = await self.until_ready(on_change, queue_timeout=queue_timeout)
            record = situation.record
            if record.state is ServerState.READY:
                return Started(situation, started.attached)
            if situation.give_up and (record.mode is Mode.SLURM or not started.attached):
                say(await self.give_up(situation))
            if (
                started.attached
                or attempt + 1 == _RETRIES
                or not self._backends[record.mode].may_retry(record)
            ):
                raise LaunchFailed(situation.sentence, situation.hint)
        raise AssertionError("unreachable")

    async def give_up(self, situation: Situation) -> str:
        """End a start that took too long, and keep why on record. Returns what was done."""
        record = situation.record
        done = await self._backends[record.mode].end(record)
        if record.state.is_live:
            ended = record.with_state(ServerState.ERROR, situation.sentence)
            hint = "`jlab-mcp logs` shows why; then start again with: jlab-mcp start"
            self._store.write(replace(ended, extra={**ended.extra, "HINT": hint}))
        return done

    async def until_ready(
        self,
        on_change: Callable[[Situation], None],
        timeout: float | None = None,
        *,
        queue_timeout: float | None = None,
    ) -> Situation:
        """Follow until the server is ready, has failed, ended, or takes too long to come up (`give_up`).

        Raises NoServer; ServerNotReady after `timeout` seconds, or after `queue_timeout` seconds in the queue.
        """
        situation: Situation | None = None
        loop = asyncio.get_running_loop()
        begun = loop.time()
        end = begun + timeout if timeout is not None else None
        queue_end = begun + queue_timeout if queue_timeout is not None else None
        await self._check_health.warm_up()
        try:
            async with asyncio.timeout_at(end) as limit:
                async for situation in self.follow():
                    if situation is None:
                        raise self.no_server()
                    on_change(situation)
                    if situation.record.state is ServerState.READY or situation.is_over or situation.give_up:
                        return situation
                    waits = situation.record.state is ServerState.PENDING
                    ends = [at for at in (end, queue_end if waits else None) if at is not None]
                    limit.reschedule(min(ends, default=None))
        except TimeoutError:
            waited = loop.time() - begun
            if situation is None:
                raise ServerNotReady(
                    f"The server's state could not be found out within {waited:.0f} s.",
                    "Try again; `jlab-mcp doctor` says which step hangs.",
                ) from None
            hint = "It goes on; wait for it with `jlab-mcp wait`, end it with `jlab-mcp stop`."
            if situation.record.state is ServerState.PENDING:
                hint = (
                    "It stays in the queue: `jlab-mcp start` or `jlab-mcp wait` waits again, "
                    "`jlab-mcp stop` cancels it."
                )
            told = " ".join([situation.sentence, *situation.details])
            raise ServerNotReady(f"Not ready after {waited:.0f} s: {told}", hint) from None
        raise AssertionError("unreachable")

    async def ready_record(self) -> ServerRecord:
        """Record of a server that can be used. Raises what stands in the way, with the next step."""
        situation = await self.look()
        if situation is None:
            raise self.no_server()
        record = situation.record
        if record.state is ServerState.READY and situation.reachable is not False:
            return record
        kinds: dict[ServerState, type[ServerError]] = {
            ServerState.PENDING: ServerNotReady,
            ServerState.STARTING: ServerNotReady,
            ServerState.READY: ServerUnreachable,
            ServerState.STOPPING: ServerEnded,
            ServerState.ENDED: ServerEnded,
            ServerState.ERROR: LaunchFailed,
        }
        message = " ".join([situation.sentence, *situation.details, *situation.notices])
        hint = situation.hint
        if record.state in (ServerState.PENDING, ServerState.STARTING):
            wait = "Call wait_for_server to wait for it (in a terminal: jlab-mcp wait)."
            hint = f"{hint} {wait}".strip()
        raise kinds[record.state](message, hint)

    async def why_over(self, served: ServerRecord | None = None) -> str:
        """A sentence when the server has ended for good, nothing while it may come back.

        `served` is the record of the server that is asked about: another one in its place does not bring it back.
        """
        try:
            situation = await self.look()
        except StatusFileDamaged:
            return ""
        if situation is None:
            return "JupyterLab not responding. Restart with: jlab-mcp start (the server was stopped)"
        if situation.record.state in (ServerState.ENDED, ServerState.ERROR, ServerState.STOPPING):
            return f"JupyterLab not responding. Restart with: jlab-mcp start ({situation.sentence})"
        if served is not None and situation.record.started != served.started:
            requeued = situation.record.extra.get(RESTARTS) and situation.record.job_id == served.job_id
            what = f"Job {served.job_id} was requeued" if requeued else "Another server was started meanwhile"
            return f"The server of this session has ended: {what}. {situation.sentence}"
        return ""

    async def why_silent(self) -> str:
        """A sentence when the server has not ended and does not answer: suspended, its node lost, coming up again."""
        try:
            situation = await self.look()
        except StatusFileDamaged:
            return ""
        if situation is None or situation.is_over or situation.reachable is not False:
            return ""
        return " ".join([situation.sentence, *situation.notices])

    async def stop(self) -> str:
        """End what the status file names and remove the file. Raises JlabError when it could not be ended."""
        if (holder := self._intent.take("stop", self._now())) is not None:
            raise ServerNotReady(
                f"Another process ({holder}) is starting or stopping the server.", "Try again in a moment."
            )
        try:
            try:
                record = self._store.read()
            except StatusFileDamaged:
                self._store.remove()
                return "The status file was damaged and is removed; a process that it named may still run."
            if record is None:
                return f"Nothing is running for {self.root}."
            if not record.state.is_live:
                self._store.remove()
                return f"Nothing was running any more. {record.message}".strip()
            self._store.write(record.with_state(ServerState.STOPPING))
            try:
                done = await self._backends[record.mode].end(record)
            except BaseException:
                self._store.write(record)
                raise
            self._store.remove()
            return done
        finally:
            self._intent.release()


def _pause(situation: Situation | None) -> float:
    """Seconds until the next look."""
    if situation is None:
        return LOOK_EVERY_S
    match situation.record.state:
        case ServerState.PENDING:
            return _PENDING_S
        case ServerState.STARTING:
            return _PENDING_S if situation.record.url else _QUICK_S
        case _:
            return LOOK_EVERY_S


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end also when this task is cancelled meanwhile: what was submitted must get on record."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
