"""Decides when a job that nobody uses ends itself. Pure: the clock is a parameter.

Whatever is not known counts as use: a job ends only when everything says that nothing runs in it.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .gpu_use import BUSY_PERCENT

WARN_S = 600.0
STEPS_EVERY_S = 120.0
FRESH_S = 15.0
"""The steps of the job were looked at so lately when it ends."""
KERNEL_CPU_PERCENT = 5.0
"""A kernel whose processes use less of one core computes nothing."""
OURS = ("batch", "extern", "interactive", "jlab-mcp")
"""Names of steps that run in every job, or that jlab-mcp starts."""


class Seen(NamedTuple):
    """What goes on in the job at one moment."""

    busy_kernels: int
    used_kernels: int
    """Kernels that somebody is connected to, such as JupyterLab."""
    terminals: int
    kernel_cpu: Sequence[Optional[float]]
    """Percent of one core, with the processes that kernels started; None where it is not known."""
    gpus: Sequence[Optional[float]]
    """Percent of each GPU; None where it is not known."""
    has_gpus: bool
    """Slurm gave the job GPUs."""


def use_of(seen: Seen) -> str:
    """Return what uses the job, or why that cannot be seen; empty if nothing does, as far as this process sees."""
    if seen.busy_kernels:
        return "a kernel runs code"
    if seen.used_kernels:
        return "a kernel is open in JupyterLab"
    if seen.terminals:
        return "a terminal is open in JupyterLab"
    if any(percent is not None and percent >= KERNEL_CPU_PERCENT for percent in seen.kernel_cpu):
        return "a process of a kernel computes"
    if any(percent is not None and percent >= BUSY_PERCENT for percent in seen.gpus):
        return "a GPU computes"
    if None in seen.gpus or (seen.has_gpus and not seen.gpus):
        return "the use of a GPU is not known"
    if None in seen.kernel_cpu:
        return "what a kernel's processes use is not known"
    return ""


def other_steps(lines: Sequence[str]) -> List[str]:
    """Return the steps of a job that others started, from `squeue --steps --format="%i|%j"`."""
    found = []
    for line in lines:
        step, _, name = line.strip().partition("|")
        if step and name not in OURS and step.rpartition(".")[2] not in OURS:
            found.append("%s (%s)" % (step, name))
    return found


class IdleEnd:
    """The time since the job was used."""

    def __init__(self, hours: float, now: float) -> None:
        self.hours = hours
        self.use = "it has just started"
        """What used it last, or keeps it."""
        self._used_at = now
        self._steps: Optional[List[str]] = None
        """None while Slurm does not say."""
        self._asked_at: Optional[float] = None

    def look(self, use: str, now: float) -> None:
        """Take in what uses the job now; empty if nothing does."""
        if use:
            self._used_at, self.use = now, use

    def told_steps(self, steps: Optional[List[str]], now: float) -> None:
        """Take in which steps others run in the job; None if that cannot be said."""
        self._steps, self._asked_at = steps, now
        if steps is None:
            self.look("the steps of the job are not known", now)
        elif steps:
            self.look("step %s runs" % steps[0], now)

    def left_s(self, now: float) -> float:
        return self._used_at + 3600 * self.hours - now

    def asks_for_steps(self, now: float) -> bool:
        """Whether it is time to ask Slurm: now and then while nothing is seen here, and right before the end."""
        if self._asked_at is None:
            return True
        if self._steps is None:
            every = STEPS_EVERY_S / 4
        else:
            every = FRESH_S if self.left_s(now) <= 0 else min(STEPS_EVERY_S, 900 * self.hours)
        return now - self._asked_at >= every

    def is_due(self, now: float) -> bool:
        """Whether the job ends now."""
        is_fresh = self._asked_at is not None and now - self._asked_at < FRESH_S
        return self.left_s(now) <= 0 and is_fresh and self._steps == []

    def report(self, now: float, clock: float) -> Dict[str, Any]:
        """Return {hours, ends_at, kept_by}. `ends_at` is None until the end is near; `clock` and it: Unix time."""
        left = self.left_s(now)
        is_near = left <= min(WARN_S, 1800 * self.hours)
        return {"hours": self.hours, "ends_at": clock + max(0.0, left) if is_near else None, "kept_by": self.use}


def farewell(hours: float) -> str:
    """Return the line of the log that tells why the job ended (core/server/status.py reads it)."""
    return "jlab-mcp: ended after %g idle hours (JLAB_MCP_IDLE_END_H=%g)" % (hours, hours)
