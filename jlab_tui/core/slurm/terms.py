"""Parses the formats that all of Slurm's commands share: job states, durations and times.

Formats are those of Slurm 17 to 24; nothing here needs `--json` (squeue's ignores every filter and answers with
an empty list while the controller is down).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum

JOB_NAME = "jlab-mcp"


class JobPhase(Enum):
    """The meaning of a job's state for somebody who waits for the job."""

    WAITING = "waiting"
    """in the queue, or its nodes are getting ready"""
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "ending"
    """its processes are ending or in clean-up"""
    ENDED = "ended"
    UNKNOWN = "unknown"


class JobState(StrEnum):
    """Every state that squeue's %T can print (squeue(1), "JOB STATE CODES")."""

    BOOT_FAIL = "BOOT_FAIL"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    COMPLETING = "COMPLETING"
    CONFIGURING = "CONFIGURING"
    DEADLINE = "DEADLINE"
    FAILED = "FAILED"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    NODE_FAIL = "NODE_FAIL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    PENDING = "PENDING"
    POWER_UP_NODE = "POWER_UP_NODE"
    PREEMPTED = "PREEMPTED"
    RECONFIG_FAIL = "RECONFIG_FAIL"
    REQUEUED = "REQUEUED"
    REQUEUE_FED = "REQUEUE_FED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    RESIZING = "RESIZING"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    REVOKED = "REVOKED"
    RUNNING = "RUNNING"
    SIGNALING = "SIGNALING"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    STAGE_OUT = "STAGE_OUT"
    STOPPED = "STOPPED"
    SUSPENDED = "SUSPENDED"
    TIMEOUT = "TIMEOUT"
    UPDATE_DB = "UPDATE_DB"
    UNKNOWN = "UNKNOWN"
    """a word that this version does not know; we assume that the job exists"""

    @property
    def phase(self) -> JobPhase:
        return _PHASES[self]

    @classmethod
    def parse(cls, text: str) -> JobState:
        """Parse a state as squeue, scontrol or sacct print it (sacct adds a suffix: `CANCELLED by 1001`)."""
        word = re.match(r"[A-Z_]*", text.strip().upper())
        return cls.__members__.get(word.group() if word else "", cls.UNKNOWN)


_PHASES: Mapping[JobState, JobPhase] = {
    **dict.fromkeys(JobState, JobPhase.ENDED),
    JobState.PENDING: JobPhase.WAITING,
    JobState.CONFIGURING: JobPhase.WAITING,
    JobState.POWER_UP_NODE: JobPhase.WAITING,
    JobState.REQUEUED: JobPhase.WAITING,
    JobState.REQUEUE_FED: JobPhase.WAITING,
    JobState.REQUEUE_HOLD: JobPhase.WAITING,
    JobState.RESV_DEL_HOLD: JobPhase.WAITING,
    JobState.SPECIAL_EXIT: JobPhase.WAITING,
    JobState.RUNNING: JobPhase.RUNNING,
    JobState.RESIZING: JobPhase.RUNNING,
    JobState.SIGNALING: JobPhase.RUNNING,
    JobState.UPDATE_DB: JobPhase.RUNNING,
    JobState.STOPPED: JobPhase.SUSPENDED,
    JobState.SUSPENDED: JobPhase.SUSPENDED,
    JobState.COMPLETING: JobPhase.ENDING,
    JobState.STAGE_OUT: JobPhase.ENDING,
    JobState.UNKNOWN: JobPhase.UNKNOWN,
}


def parse_span(text: str) -> float | None:
    """Return the seconds of a Slurm duration: `9:17`, `10:00:00`, `1-00:00:00`, `2-12`; `UNLIMITED` is inf, others None.

    A bare number is minutes, as in `sbatch --time`.
    """
    text = text.strip()
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return math.inf
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text, re.ASCII)
    if not match:
        return None
    days, first, second, third = (int(part) if part else 0 for part in match.groups())
    if match[1] is not None:
        return float(days * 86400 + first * 3600 + second * 60 + third)
    if match[4] is not None:
        return float(first * 3600 + second * 60 + third)
    return float(first * 60 + second)


def parse_moment(text: str) -> float | None:
    """Return the epoch seconds of a time stamp: digits (SLURM_TIME_FORMAT=%s) or ISO without zone, taken as UTC (TZ=UTC)."""
    text = text.strip()
    if re.fullmatch(r"\d{1,12}", text, re.ASCII):
        return float(text) or None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def known(text: str) -> str:
    """Return the text, or an empty text for Slurm's words for nothing."""
    return "" if text.strip() in ("n/a", "N/A", "(null)", "None") else text
