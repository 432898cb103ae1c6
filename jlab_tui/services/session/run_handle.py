"""A run that this process follows: its facts, and the events to wait for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, fields

from ...core.journal.events import RunFinished, RunStatus
from ...core.session.run import Run


def ticks() -> float:
    """Seconds of a clock that nobody sets; it goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class RunHandle(Run):
    """A run of a session that this process holds."""

    began: float | None = None
    """`ticks()` when this process asked for it; None for a run that an earlier process asked for"""
    cancelled: bool = False
    """interrupt it as soon as the kernel starts it, because the user cancelled the call"""
    stopping: asyncio.Task[str] | None = None
    """the last attempt to stop it; its result is the outcome"""
    output_since_interrupt: bool = False
    heard: float = 0.0
    """`ticks()` when it printed last"""
    explaining: asyncio.Task[None] | None = None
    """finds out more about its end, for its notes"""
    silence: str = ""
    """what it does, after it has printed nothing for long; empty once it prints again"""
    cleans_up: bool = False
    """the last interrupt found its own clean-up at work; the next one breaks that off"""
    execution: asyncio.Event = field(default_factory=asyncio.Event)
    """set once the kernel has started it"""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, run: Run) -> RunHandle:
        """Continue a run that an earlier process left."""
        handle = cls(**{known.name: getattr(run, known.name) for known in fields(Run)})
        if run.status.is_final:
            handle.done.set()
        if run.has_started:
            handle.execution.set()
        return handle

    def elapsed(self, now: float) -> float:
        """Seconds since it was asked for: no clock that is set meanwhile changes them, where this process asked."""
        if self.began is None or self.status.is_final:
            return super(RunHandle, self).elapsed(now)
        return ticks() - self.began

    def leave(self, cause: str, now: float) -> None:
        """Let another process continue it."""
        self.seconds = self.elapsed(now)
        self.status, self.cause = RunStatus.LOST, cause
        self.done.set()

    def finish(self, end: RunFinished) -> None:
        super(RunHandle, self).finish(end)
        self.done.set()
