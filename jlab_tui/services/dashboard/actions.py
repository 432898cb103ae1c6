"""The user's actions on sessions and the server: each is written to the dashboard's actions file, then done.

The record comes first, so that the model's reply can say that the user did it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from ...core.errors import JlabError, UsageError
from ...core.journal.events import Entry, HumanActed

FLUSH_S = 2.0
"""longest wait for the record to reach the file"""


@dataclass(frozen=True, slots=True)
class Target:
    """The kernel that an action is about."""

    session: str
    """empty for a kernel that the user opened in JupyterLab"""
    kernel_id: str
    name: str
    run: str = ""
    """run in progress, if any"""


class PlainActions(Protocol):
    """Acts, and returns the outcome as a sentence. Every method raises JlabError when it failed."""

    async def interrupt(self, target: Target) -> str: ...

    async def restart(self, target: Target) -> str: ...

    async def shutdown(self, target: Target) -> str: ...

    async def stop_server(self) -> str: ...

    async def cancel_job(self) -> str: ...


class Actions(Protocol):
    """What a dashboard can do: the same, with an optional reason."""

    async def interrupt(self, target: Target, reason: str = "") -> str:
        """The model's reply includes `reason`."""
        ...

    async def restart(self, target: Target) -> str: ...

    async def shutdown(self, target: Target) -> str: ...

    async def stop_server(self) -> str: ...

    async def cancel_job(self) -> str: ...


class ActionLog(Protocol):
    """The dashboard's own actions file."""

    def append(self, entry: Entry) -> object: ...

    def flushed(self) -> Future[None]: ...


class RecordedActions:
    """Records each action before it happens, and again with its outcome."""

    def __init__(
        self,
        actions: PlainActions,
        log: ActionLog,
        *,
        by: str,
        clock: Callable[[], float],
    ) -> None:
        """`by` is user@host."""
        self._actions = actions
        self._log = log
        self._by = by
        self._clock = clock

    async def interrupt(self, target: Target, reason: str = "") -> str:
        return await self._do("interrupt", target, lambda: self._actions.interrupt(target), reason)

    async def restart(self, target: Target) -> str:
        return await self._do("restart", target, lambda: self._actions.restart(target))

    async def shutdown(self, target: Target) -> str:
        return await self._do("kill", target, lambda: self._actions.shutdown(target))

    async def stop_server(self) -> str:
        return await self._do("stop", None, self._actions.stop_server)

    async def cancel_job(self) -> str:
        return await self._do("cancel", None, self._actions.cancel_job)

    async def _do(
        self, action: str, target: Target | None, act: Callable[[], Awaitable[str]], reason: str = ""
    ) -> str:
        self._write(action, target, "", reason)
        await _in_file(self._log.flushed())
        try:
            outcome = await act()
        except JlabError as error:
            self._write(action, target, f"failed: {error.message}", reason)
            raise
        self._write(action, target, outcome or "done", reason)
        return outcome

    def _write(self, action: str, target: Target | None, outcome: str, reason: str = "") -> None:
        event = HumanActed(
            action,
            session=target.session if target else "",
            run=target.run if target else "",
            reason=reason,
            by=self._by,
            outcome=outcome,
        )
        self._log.append(Entry(self._clock(), event))


async def _in_file(done: Future[None]) -> None:
    """Wait for the record, unless the disk hangs: then the user's action comes first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_S):
            await asyncio.wrap_future(done)


class NoActions:
    """Read-only and replay: refuses every action with a sentence."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def interrupt(self, target: Target, reason: str = "") -> str:
        return await self._refuse()

    async def restart(self, target: Target) -> str:
        return await self._refuse()

    async def shutdown(self, target: Target) -> str:
        return await self._refuse()

    async def stop_server(self) -> str:
        return await self._refuse()

    async def cancel_job(self) -> str:
        return await self._refuse()

    async def _refuse(self) -> str:
        raise UsageError(self._why, "Open a dashboard that can: jlab-mcp start")
