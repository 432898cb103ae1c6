"""Starts and stops a project's server: one process at a time; a server that already runs is attached to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ...core.errors import (
    JlabError,
    LaunchFailed,
    ServerError,
    ServerNotReady,
    StatusFileDamaged,
)
from ...core.server.record import ServerRecord, ServerState
from ...core.server.slurm_job import LOST_S, is_announced
from ...core.server.state_machine import Observation, ServerStatus, step
from ...core.settings import Mode
from .launcher_ports import LauncherPorts
from .watch import QUICK_S, ServerWatch

T = TypeVar("T")

_RETRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Started:
    status: ServerStatus
    attached: bool
    """it already ran, or another process is starting it"""


class Launcher(ServerWatch):
    """Starts and stops the server that it watches."""

    def __init__(self, ports: LauncherPorts) -> None:
        super().__init__(ports)
        self._intent = ports.intent
        self._launched: list[tuple[float, int, str]] = []

    async def start(self, mode: Mode, say: Callable[[str], None]) -> Started:
        """Start the server, or attach to the one that is there or on its way. Raises JlabError."""
        if (there := await self._live()) is not None:
            return Started(there, True)
        waited, patience = 0.0, max(self._limits.local_start_s, LOST_S)
        while (holder := self._intent.take("start", self._now())) is not None:
            if (there := await self._live()) is not None:
                return Started(there, True)
            if waited > patience:
                raise LaunchFailed(
                    f"Another process ({holder}) has been starting the server for too long.", "Try again."
                )
            await asyncio.sleep(QUICK_S)
            waited += QUICK_S
        try:
            if (there := await self._live(announced=True)) is not None:
                return Started(there, True)
            await self._end_what_is_left()
            record = await _to_its_end(self._launch(mode, say))
        finally:
            self._intent.release()
        return Started(step(record, Observation(self._now()), self._limits), False)

    async def _launch(self, mode: Mode, say: Callable[[str], None]) -> ServerRecord:
        """Put a new server on record, even when the start is cancelled meanwhile, or stop it."""
        before = self._store.read()
        try:
            record = await self._backends[mode].launch(say, self._store.write)
        except JlabError:
            self._write_back(before)
            raise
        self._launched.append(_identity(record))
        try:
            self._store.write(record)
        except OSError as error:
            why = f"The status file could not be written ({error.strerror or error})"
            try:
                done = await self._backends[mode].end(record)
            except JlabError as failure:
                raise LaunchFailed(
                    f"{why}, and the new server keeps running: {failure.message}", failure.hint
                ) from None
            self._write_back(before)
            raise LaunchFailed(
                f"{why}. {done}", "Free some space, or set JLAB_MCP_DIR to another directory."
            ) from None
        return record

    def _write_back(self, before: ServerRecord | None) -> None:
        """Remove an announced job that was never submitted from the record."""
        with contextlib.suppress(OSError):
            if before is None:
                self._store.remove()
            elif self._store.read() != before:
                self._store.write(before)

    def has_launched(self, record: ServerRecord) -> bool:
        """Whether this process started it, rather than attached to it."""
        return _identity(record) in self._launched

    async def _end_what_is_left(self) -> None:
        """Stop what an interrupted `stop` has left, and a process that outlived its record: once the record is replaced,
        nobody would find them again."""
        record = self._store.read()
        if record is None:
            return
        backend = self._backends[record.mode]
        is_left_over = not record.state.is_live and (await backend.observe(record, urgent=True)).process_alive
        if record.state is ServerState.STOPPING or is_left_over:
            await backend.end(record)
            self._store.remove()

    async def _live(self, *, announced: bool = False) -> ServerStatus | None:
        """A server to attach to; `announced`: including a job whose submitter is gone."""
        status = await self.look()
        if status is not None and is_announced(status.record) and self._intent.is_taken() and not announced:
            return None  # sbatch may refuse it yet
        if status is not None and status.state.is_live and status.state is not ServerState.STOPPING:
            return status
        return None

    async def start_and_wait(
        self,
        mode: Mode,
        say: Callable[[str], None],
        on_change: Callable[[ServerStatus], None],
        queue_timeout: float | None,
    ) -> Started:
        """Start and follow until ready, or until it serves and this host does not reach it. Retries a start of this process that fails because its port was taken.

        Raises ServerNotReady when a job is still queued after `queue_timeout` seconds; it stays in the queue.
        """
        for attempt in range(_RETRIES):
            started = await self.start(mode, say)
            if not started.attached:
                on_change(started.status)
            status = await self.until_ready(on_change, queue_timeout=queue_timeout)
            record = status.record
            if status.is_usable or status.is_unreached:
                return Started(status, started.attached)
            if status.give_up and (record.mode is Mode.SLURM or not started.attached):
                say(await self.give_up(status))
            if (
                started.attached
                or attempt + 1 == _RETRIES
                or not self._backends[record.mode].may_retry(record)
            ):
                raise LaunchFailed(status.sentence, status.hint)
        raise AssertionError("unreachable")

    async def give_up(self, status: ServerStatus) -> str:
        """Stop a start that took too long, and record the reason. Returns what it did."""
        record = status.record
        done = await self._backends[record.mode].end(record)
        if record.state.is_live:
            hint = "`jlab-mcp logs` shows why; then start again with: jlab-mcp start"
            self._store.write(record.with_state(ServerState.ERROR, status.sentence, hint))
        return done

    async def stop(self) -> str:
        """Stop the server on record and remove the status file. Raises JlabError when the server does not stop."""
        if self._has_nothing():
            return self._nothing()
        with self._alone():
            try:
                record = self._store.read()
            except StatusFileDamaged as damaged:
                if damaged.named:
                    raise
                self._store.remove()
                return "The status file was damaged, so it was removed; it named no running server."
            if record is None:
                return self._nothing()
            backend = self._backends[record.mode]
            if not record.state.is_live and not (await backend.observe(record, urgent=True)).process_alive:
                backend.clear_up(record)
                self._store.remove()
                return f"Nothing was running anymore. {record.message}".strip()
            with contextlib.suppress(OSError):
                self._store.write(record.with_state(ServerState.STOPPING))
            try:
                done = await backend.end(record)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._store.write(record)
                raise
            self._store.remove()
            return done

    def forget(self) -> str:
        """Remove the record of a server that `stop` cannot reach. Raises ServerError if it can."""
        if self._has_nothing():
            return self._nothing()
        with self._alone():
            try:
                record = self._store.read()
            except StatusFileDamaged as damaged:
                self._store.remove()
                return (
                    f"The damaged status file was removed. It named {damaged.named or 'nothing that runs'}."
                )
            if record is None:
                return self._nothing()
            backend = self._backends[record.mode]
            if not backend.is_elsewhere(record):
                raise ServerError(
                    "This machine can stop the server on record, so its record stays.",
                    "Stop it with: jlab-mcp stop",
                )
            backend.clear_up(record)
            self._store.remove()
            return (
                f"The record of JupyterLab (PID {record.pid}) on {record.launcher} was removed. "
                f"If it still runs there, stop it with: kill {record.pid}"
            )

    def _nothing(self) -> str:
        return f"Nothing is running for {self.root}."

    def _has_nothing(self) -> bool:
        """Whether there is neither a record nor a start in progress. Creates no directory to find out."""
        try:
            return not self._intent.is_taken() and self._store.read() is None
        except StatusFileDamaged:
            return False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the intent to stop. Raises ServerNotReady while another process starts or stops."""
        holder = None
        with contextlib.suppress(OSError):  # stopping works on a full disk, too
            holder = self._intent.take("stop", self._now())
        if holder is not None:
            raise ServerNotReady(
                f"Another process ({holder}) is starting or stopping the server.", "Try again in a moment."
            )
        try:
            yield
        finally:
            self._intent.release()


def _identity(record: ServerRecord) -> tuple[float, int, str]:
    return round(record.started, 3), record.pid, record.slurm.submission


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end even if this task is cancelled meanwhile: a submitted job must get on record."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
