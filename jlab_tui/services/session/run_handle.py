"""A run that this process follows: what is known of it, and what one can wait for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, fields

from ...core.journal.events import RunFinished, RunStatus
from ...core.session.run import Run


@dataclass(slots=True)
class RunHandle(Run):
    """A run of a session that this process holds."""

    cancelled: bool = False
    """it is to be interrupted as soon as the kernel starts with it: the user cancelled the call"""
    stopping: asyncio.Task[str] | None = None
    """the last attempt to stop it; its result says what came of it"""
    output_since_interrupt: bool = False
    execution: asyncio.Event = field(default_factory=asyncio.Event)
    """set when the kernel has started with it"""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, run: Run) -> RunHandle:
        """Go on with a run that an earlier process left."""
        handle = cls(**{known.name: getattr(run, known.name) for known in fields(Run)})
        if run.status.is_final:
            handle.done.set()
        if run.has_started:
            handle.execution.set()
        return handle

    def leave(self, cause: str, now: float) -> None:
        """Another process goes on with it."""
        self.seconds = self.elapsed(now)
        self.status, self.cause = RunStatus.LOST, cause
        self.done.set()

    def finish(self, end: RunFinished) -> None:
        super(RunHandle, self).finish(end)
        self.done.set()
