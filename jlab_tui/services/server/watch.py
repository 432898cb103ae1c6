"""Looks at a project's server: derives its state from facts, writes changes down, and explains what prevents its use.

The state is derived, never remembered: every reader finds the same, and the first to see a change persists it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
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
from ...core.server.route import NoRoute
from ...core.server.state_machine import (
    Health,
    Observation,
    ServerStatus,
    UnprovedHealth,
    asks_for_health,
    step,
)
from ...core.slurm.terms import JobPhase
from .launcher_ports import LauncherPorts

LOOK_EVERY_S: Final = 1.0
HEALTH_S: Final = 3.0
"""how long a server may take to answer"""
SUSPENDED_S: Final = 0.5
"""the same for one that Slurm says is suspended: only to see whether it has been resumed since"""
LATELY_S: Final = 1.0
QUICK_S: Final = 0.1
PENDING_S: Final = 0.5
"""between two looks for the connection file of a job that waits; the queue is asked far less often"""


class ServerWatch:
    """Turns facts about the server into its status, in this one place."""

    def __init__(self, ports: LauncherPorts) -> None:
        self.root = ports.root
        self._store = ports.store
        self._backends = ports.backends
        self._check_health = ports.check_health
        self._limits = ports.limits
        self._now = ports.now
        self._elsewhere = ports.elsewhere
        self._recalled: tuple[float, ServerStatus | None] = (-math.inf, None)
        """when, and what"""

    async def close(self) -> None:
        """Close the connection for health checks."""
        await self._check_health.close()

    def no_server(self) -> NoServer:
        """The error for a project without a server; it names projects that have one."""
        return NoServer(self.root, self._elsewhere())

    async def look(self, *, health: bool = True) -> ServerStatus | None:
        """The present status, None without a server. Writes a change of state to the status file."""
        record = self._store.read()
        if record is None:
            return None
        backend = self._backends[record.mode]
        seen = await backend.observe(record)
        status = step(record, seen, self._limits)
        after = status.record
        if health and asks_for_health(after, seen):
            patience = SUSPENDED_S if status.phase == JobPhase.SUSPENDED.value else HEALTH_S
            answer = await self._check_health.ask_health(after, patience)
            if is_unproved := isinstance(answer, UnprovedHealth):
                answer = answer.health
            if answer is not Health.OK and after.state is ServerState.READY:
                seen = await backend.observe(record, urgent=True)
            seen = replace(seen, link=self._check_health.link(after))
            if isinstance(answer, NoRoute):
                seen = replace(seen, no_route=answer)
            else:
                seen = replace(seen, health=answer, is_unproved=is_unproved)
            status = step(record, seen, self._limits)
        try:
            self._persist(record, status.record)
        except (OSError, StatusFileError) as error:
            # The user must see the status anyway; the next look writes it down.
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            notice = f"The status file cannot be written right now ({why})."
            return replace(status, notices=(*status.notices, notice))
        return status

    def recall(self) -> ServerStatus | None:
        """The status from the record alone, without looking at anything else. Raises StatusFileError."""
        now, record = self._now(), self._store.read()
        status = step(record, Observation(now), self._limits) if record is not None else None
        self._recalled = now, status
        return status

    async def recall_lately(self) -> ServerStatus | None:
        """The same as it was at some time in the last second. Raises StatusFileError."""
        if not 0 <= self._now() - self._recalled[0] < LATELY_S:
            await asyncio.to_thread(self.recall)
        return self._recalled[1]

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

    async def follow(self, every: float = LOOK_EVERY_S) -> AsyncIterator[ServerStatus | None]:
        """Yield the present status, then every change, forever. Looks more often during a start."""
        last: ServerStatus | None = None
        first = True
        while True:
            status = await self.look()
            if first or status != last:
                yield status
            first, last = False, status
            await asyncio.sleep(min(every, _pause(status)))

    async def until_ready(
        self,
        on_change: Callable[[ServerStatus], None],
        timeout: float | None = None,
        *,
        queue_timeout: float | None = None,
    ) -> ServerStatus:
        """Follow until the server is ready, has failed, ended, or takes too long to come up (`give_up`).

        Raises NoServer; ServerNotReady after `timeout` seconds, or after `queue_timeout` seconds in the queue;
        ServerUnreachable when it is there and has not answered for as long as a start may take.
        """
        status: ServerStatus | None = None
        loop = asyncio.get_running_loop()
        start = loop.time()
        end = start + timeout if timeout is not None else None
        queue_end = start + queue_timeout if queue_timeout is not None else None
        silent_end: float | None = None
        await self._check_health.warm_up()
        try:
            async with asyncio.timeout_at(end) as limit:
                async for status in self.follow():
                    if status is None:
                        raise self.no_server()
                    on_change(status)
                    if status.is_decided:
                        return status
                    state = status.state
                    if state is not ServerState.READY:
                        silent_end = None
                    elif silent_end is None:
                        silent_end = loop.time() + self._limits.of(status.record.mode)
                    waits = state is ServerState.PENDING
                    ends = [at for at in (end, queue_end if waits else None, silent_end) if at is not None]
                    limit.reschedule(min(ends, default=None))
        except TimeoutError:
            is_silent = silent_end is not None and loop.time() >= silent_end
            raise _not_ready(status, loop.time() - start, is_silent=is_silent) from None
        raise AssertionError("unreachable")

    async def ready_record(self) -> ServerRecord:
        """The record of a usable server. Raises a ServerError that explains the obstacle and the next step."""
        status = await self.look()
        if status is None:
            raise self.no_server()
        record = status.record
        if status.is_usable:
            return record
        kinds: dict[ServerState, type[ServerError]] = {
            ServerState.PENDING: ServerNotReady,
            ServerState.STARTING: ServerNotReady,
            ServerState.READY: ServerUnreachable,
            ServerState.STOPPING: ServerEnded,
            ServerState.ENDED: ServerEnded,
            ServerState.ERROR: LaunchFailed,
        }
        message = " ".join([status.sentence, *status.details, *status.notices])
        hint = status.hint
        if record.state in (ServerState.PENDING, ServerState.STARTING):
            wait = "Call wait_for_server to wait for it (in a terminal: jlab-mcp wait)."
            hint = f"{hint} {wait}".strip()
        raise kinds[record.state](message, hint)

    async def why_over(self, served: ServerRecord | None = None) -> str:
        """A sentence if the server has ended for good, empty while it may come back.

        `served` is the record of the server in question: a new one in its place does not bring it back.
        """
        try:
            return _why_over(await self.look(), served)
        except StatusFileError:
            return ""

    async def why_on_record(self, served: ServerRecord) -> str:
        """The same as far as the status file has it: what another process saw and wrote down, or that it was stopped."""
        try:
            return _why_over(await asyncio.to_thread(self.recall), served)
        except StatusFileError:
            return ""

    async def why_silent(self) -> str:
        """A sentence if the server has not ended but does not answer: suspended, its node down, or restarting."""
        try:
            status = await self.look()
        except StatusFileError:
            return ""
        if status is None or status.is_over or status.reachable is not False:
            return ""
        return " ".join([status.sentence, *status.notices])


def _not_ready(status: ServerStatus | None, waited_s: float, *, is_silent: bool) -> ServerError:
    """Return the error for a server that was not ready in time, of which the caller has shown how far it is."""
    if status is None:
        return ServerNotReady(
            f"The server's state is still unknown after {waited_s:.0f} s.",
            "Try again; `jlab-mcp doctor` shows which step hangs.",
        )
    if is_silent:
        return ServerUnreachable(status.sentence, status.hint)
    if status.state is ServerState.READY:  # but it does not answer
        return ServerNotReady(f"Not ready after {waited_s:.0f} s: {status.sentence}", status.hint)
    hint = "It keeps starting: `jlab-mcp wait` waits for it, `jlab-mcp stop` stops it."
    if status.state is ServerState.PENDING:
        hint = (
            "It stays in the queue: `jlab-mcp start` or `jlab-mcp wait` waits again, "
            "`jlab-mcp stop` cancels it."
        )
    return ServerNotReady(f"Not ready after {waited_s:.0f} s.", hint)


def _pause(status: ServerStatus | None) -> float:
    """Seconds until the next look."""
    if status is None:
        return LOOK_EVERY_S
    match status.state:
        case ServerState.PENDING:
            return PENDING_S
        case ServerState.STARTING:
            return PENDING_S if status.record.is_published else QUICK_S
        case _:
            return LOOK_EVERY_S


def _why_over(status: ServerStatus | None, served: ServerRecord | None) -> str:
    if status is None:
        return "JupyterLab not responding. Restart with: jlab-mcp start (the server was stopped)"
    if status.state in (ServerState.ENDED, ServerState.ERROR, ServerState.STOPPING):
        return f"JupyterLab not responding. Restart with: jlab-mcp start ({status.sentence})"
    if served is not None and status.record.started != served.started:
        requeued = status.record.slurm.restarts and status.record.job_id == served.job_id
        what = f"Job {served.job_id} was requeued" if requeued else "Another server was started meanwhile"
        return f"The server of this session has ended: {what}. {status.sentence}"
    return ""
