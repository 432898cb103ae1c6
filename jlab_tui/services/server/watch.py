"""Looking at the server of a project: its state derived from facts, changes of it written down, and what stands in the way.

The state is derived, never remembered: whoever looks finds the same, and whoever sees a change persists it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ...core.errors import (
    LaunchFailed,
    NoServer,
    ServerEnded,
    ServerError,
    ServerNotReady,
    ServerUnreachable,
    StatusFileError,
)
from ...core.server.record import ServerRecord, ServerState
from ...core.server.state_machine import Health, Limits, Observation, Situation, asks_for_health, step
from ...core.settings import Mode
from ...core.slurm.terms import JobPhase
from .launcher_ports import Backend, HealthCheck, Store

LOOK_EVERY_S: Final = 1.0
HEALTH_S: Final = 3.0
"""how long a server may take to answer"""
SUSPENDED_S: Final = 0.5
"""the same for one that Slurm says is suspended: only to see whether it has been resumed since"""
QUICK_S: Final = 0.1
PENDING_S: Final = 0.5
"""between two looks for the connection file of a job that waits; the queue is asked far less often"""


class ServerWatch:
    """The one place that turns facts about the server into its state."""

    def __init__(
        self,
        root: str,
        store: Store,
        backends: Mapping[Mode, Backend],
        check_health: HealthCheck,
        limits: Limits,
        now: Callable[[], float],
        elsewhere: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`now` gives epoch seconds, `elsewhere` the roots of other projects that have a server."""
        self.root = root
        self._store = store
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
        if health and asks_for_health(after, seen):
            patience = SUSPENDED_S if situation.phase == JobPhase.SUSPENDED.value else HEALTH_S
            answer = await self._check_health(after.url, after.token, patience)
            if answer is not Health.OK and after.state is ServerState.READY:
                seen = await backend.observe(record, urgent=True)
            situation = step(record, replace(seen, health=answer), self._limits)
        try:
            self._persist(record, situation.record)
        except (OSError, StatusFileError) as error:
            # What is the case must be told all the same; the next look writes it down.
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            notice = f"The status file cannot be written now ({why})."
            return replace(situation, notices=(*situation.notices, notice))
        return situation

    def recall(self) -> Situation | None:
        """What is on record, without a look at anything else. Raises StatusFileError."""
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

    async def until_ready(
        self,
        on_change: Callable[[Situation], None],
        timeout: float | None = None,
        *,
        queue_timeout: float | None = None,
    ) -> Situation:
        """Follow until the server is ready, has failed, ended, or takes too long to come up (`give_up`).

        Raises NoServer; ServerNotReady after `timeout` seconds, or after `queue_timeout` seconds in the queue;
        ServerUnreachable when it is there and has not answered for as long as a start may take.
        """
        situation: Situation | None = None
        loop = asyncio.get_running_loop()
        begun = loop.time()
        end = begun + timeout if timeout is not None else None
        queue_end = begun + queue_timeout if queue_timeout is not None else None
        silent_end: float | None = None
        await self._check_health.warm_up()
        try:
            async with asyncio.timeout_at(end) as limit:
                async for situation in self.follow():
                    if situation is None:
                        raise self.no_server()
                    on_change(situation)
                    if is_decided(situation):
                        return situation
                    state = situation.record.state
                    if state is not ServerState.READY:
                        silent_end = None
                    elif silent_end is None:
                        silent_end = loop.time() + self._limits.of(situation.record.mode)
                    waits = state is ServerState.PENDING
                    ends = [at for at in (end, queue_end if waits else None, silent_end) if at is not None]
                    limit.reschedule(min(ends, default=None))
        except TimeoutError:
            waited = loop.time() - begun
            if situation is None:
                raise ServerNotReady(
                    f"The server's state could not be found out within {waited:.0f} s.",
                    "Try again; `jlab-mcp doctor` says which step hangs.",
                ) from None
            if silent_end is not None and loop.time() >= silent_end:
                raise ServerUnreachable(situation.sentence, situation.hint) from None
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
        if is_usable(situation):
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
        except StatusFileError:
            return ""
        if situation is None:
            return "JupyterLab not responding. Restart with: jlab-mcp start (the server was stopped)"
        if situation.record.state in (ServerState.ENDED, ServerState.ERROR, ServerState.STOPPING):
            return f"JupyterLab not responding. Restart with: jlab-mcp start ({situation.sentence})"
        if served is not None and situation.record.started != served.started:
            requeued = situation.record.slurm.restarts and situation.record.job_id == served.job_id
            what = f"Job {served.job_id} was requeued" if requeued else "Another server was started meanwhile"
            return f"The server of this session has ended: {what}. {situation.sentence}"
        return ""

    async def why_silent(self) -> str:
        """A sentence when the server has not ended and does not answer: suspended, its node lost, coming up again."""
        try:
            situation = await self.look()
        except StatusFileError:
            return ""
        if situation is None or situation.is_over or situation.reachable is not False:
            return ""
        return " ".join([situation.sentence, *situation.notices])


def is_decided(situation: Situation) -> bool:
    """Whether whoever waits for a usable server need not wait on: it is one, or it will not be one."""
    return is_usable(situation) or situation.is_over or situation.give_up or situation.is_elsewhere


def is_usable(situation: Situation) -> bool:
    return situation.record.state is ServerState.READY and situation.reachable is not False


def _pause(situation: Situation | None) -> float:
    """Seconds until the next look."""
    if situation is None:
        return LOOK_EVERY_S
    match situation.record.state:
        case ServerState.PENDING:
            return PENDING_S
        case ServerState.STARTING:
            return PENDING_S if situation.record.url else QUICK_S
        case _:
            return LOOK_EVERY_S
