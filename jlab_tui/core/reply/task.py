"""Defines MCP tasks: their ids, which any process can answer for, and their answers as JSON.

Shapes: protocol 2026-07-28 with the extension `io.modelcontextprotocol/tasks`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ..server.resources import GpuSample
from ..slurm.survey import format_span

EXTENSION: Final = "io.modelcontextprotocol/tasks"
POLL_MS: Final = 2000
"""a client's polling interval during the first minute"""
_SLOW_POLL_MS: Final = 5000
_SLOW_AFTER_S: Final = 60.0
_LAST_LINE_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class RunTask:
    """A run that `execute_code` started. Its id is the run's."""

    run_id: str

    def __str__(self) -> str:
        return self.run_id


@dataclass(frozen=True, slots=True)
class WaitTask:
    """One wait for a run. Cancelling it leaves the run alone."""

    run_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.run_id}~w{self.number}"


@dataclass(frozen=True, slots=True)
class RerunTask:
    """A notebook's cells that run again, from the session's run `number` on."""

    session: str
    number: int

    def __str__(self) -> str:
        return f"{self.session}-resume-{self.number}"


@dataclass(frozen=True, slots=True)
class StartTask:
    """One wait for the project's server to start. Cancelling it leaves the start alone."""

    launch: int
    """epoch seconds of the launch; 0 during its preparation"""
    number: int

    def __str__(self) -> str:
        return f"server-{self.launch}~w{self.number}"


Task = RunTask | WaitTask | RerunTask | StartTask


def parse_task(task_id: str) -> Task | None:
    """Parse a task's id; None if it is not ours."""
    if found := re.fullmatch(r"server-([0-9]{1,11})~w([0-9]{1,9})", task_id):
        return StartTask(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"([0-9a-z]{1,32})-resume-([0-9]{1,9})", task_id):
        return RerunTask(found[1], int(found[2]))
    if found := re.fullmatch(r"([0-9a-z]{1,32}-[0-9]{1,9})(?:~w([0-9]{1,9}))?", task_id):
        return RunTask(found[1]) if found[2] is None else WaitTask(found[1], int(found[2]))
    return None


def task_json(
    task: Task,
    created: float,
    now: float,
    *,
    message: str = "",
    result: dict[str, Any] | None = None,
    is_cancelled: bool = False,
) -> dict[str, Any]:
    """Return the answer about a task: working with a `message` for the user, completed with the tool's `result`, or
    cancelled. `created` and `now` are epoch seconds."""
    status = "cancelled" if is_cancelled else "working" if result is None else "completed"
    answer: dict[str, Any] = {
        "taskId": str(task),
        "status": status,
        "createdAt": _iso(created),
        "lastUpdatedAt": _iso(now),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS if now - created < _SLOW_AFTER_S else _SLOW_POLL_MS,
    }
    if message:
        answer["statusMessage"] = message
    if status == "completed":
        answer["result"] = result
    return answer


def status_message(
    last_line: str, seconds: float, gpus: Sequence[GpuSample] = (), walltime_left: float | None = None
) -> str:
    """Describe a run in one line: its last line of output or its duration, the GPUs, the job's time left (seconds)."""
    parts = [last_line[-_LAST_LINE_CHARS:].strip() or f"running for {format_span(seconds)}"]
    used = [gpu.utilization_percent for gpu in gpus if gpu.utilization_percent is not None]
    if used:
        parts.append(f"GPU {sum(used) / len(used):.0f}%")
    if walltime_left is not None:
        parts.append(f"job ends in {format_span(max(0.0, walltime_left))}")
    return " · ".join(parts)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
