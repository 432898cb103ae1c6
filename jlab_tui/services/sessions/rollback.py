"""Undoes an incomplete session, so that a cancelled call leaves no kernel without an owner and no empty notebook."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...core.session.call import Call
from ..ports import NotebookFile
from ..progress import Tasks
from ..session.session import Session

T = TypeVar("T")


@dataclass(slots=True)
class Rollback:
    """What exists so far for one session, to undo if nobody wants it any more."""

    call: Call
    """asks for it"""
    file: NotebookFile | None = None
    """a notebook that did not exist before"""
    kernel_id: str = ""
    """of a kernel that was started for it"""
    session: Session | None = None
    session_id: str = field(init=False)
    """of the session"""

    def __post_init__(self) -> None:
        self.session_id = self.call.session_id or uuid.uuid4().hex[:8]


Work = Callable[[Rollback], Coroutine[Any, Any, T]]


class Rollbacks:
    """Those under way in this process."""

    def __init__(self, undo: Callable[[Rollback], Awaitable[None]]) -> None:
        self._undo = undo
        self._tasks = Tasks()

    async def whole(self, call: Call, work: Work[T]) -> T:
        """Finish the work even if the caller is cancelled; undo it then, and if it fails."""
        rollback = Rollback(call)
        task = self._tasks.start(self._or_undone(work, rollback))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._tasks.start(self._unwanted(task, rollback))
            raise

    async def settled(self, timeout: float) -> None:
        """Wait until none is under way."""
        await self._tasks.wait(timeout)

    async def _or_undone(self, work: Work[T], rollback: Rollback) -> T:
        try:
            return await work(rollback)
        except BaseException:
            await self._undo(rollback)
            raise

    async def _unwanted(self, task: asyncio.Task[Any], rollback: Rollback) -> None:
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            await self._undo(rollback)
