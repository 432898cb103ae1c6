"""Jobs as Slurm's commands print them: states, squeue and `scontrol show job`.

Formats are those of Slurm 17 to 24; nothing here needs `--json` (squeue's ignores every filter and answers with
an empty list while the controller is down).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum

JOB_NAME = "jlab-mcp"


class JobPhase(Enum):
    """What a job's state means for somebody who waits for it."""

    WAITING = "waiting"
    """in the queue, or its nodes are being made ready"""
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "ending"
    """its processes are being ended or cleaned up"""
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
    """a word that this version does not know; the job is taken to exist"""

    @property
    def phase(self) -> JobPhase:
        return _PHASES[self]

    @classmethod
    def parse(cls, text: str) -> JobState:
        """State of a word as squeue, scontrol or sacct print it (sacct adds a suffix: `CANCELLED by 1001`)."""
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
    """Seconds of a Slurm duration: `9:17`, `10:00:00`, `1-00:00:00`, `2-12`; `UNLIMITED` is inf, others None.

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
    """Epoch seconds of a time stamp: digits (SLURM_TIME_FORMAT=%s) or ISO without zone, taken as UTC (TZ=UTC)."""
    text = text.strip()
    if re.fullmatch(r"\d{1,12}", text, re.ASCII):
        return float(text) or None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


QUEUE_FORMAT = "%i|%T|%N|%L|%l|%M|%S|%e|%B|%C|%m|%b|%Q|%P|%U|%V|comment=%k|name=%j|reason=%r"
"""`squeue -o`: the last three are free text, so they stand last and are told apart by their names"""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of squeue."""

    job_id: str
    """as printed: `11`, `11_3` (array task), `11+1` (part of a heterogeneous job)"""
    state: JobState
    reason: str
    """why it waits or ended, in Slurm's words; may contain commas and blanks, `None` is Slurm's for none"""
    nodes: str = ""
    batch_host: str = ""
    """node that runs the job script; empty while there is none"""
    time_left: float | None = None
    """seconds; 0 when the limit is passed, inf without a limit, None unknown"""
    time_limit: float | None = None
    run_time: float | None = None
    starts: float | None = None
    """epoch seconds: start, or for a waiting job the estimate; None while Slurm has none"""
    ends: float | None = None
    """epoch seconds: for a running job the walltime's end"""
    submitted: float | None = None
    cpus: int | None = None
    memory: str = ""
    gres: str = ""
    priority: int | None = None
    partition: str = ""
    uid: int | None = None
    comment: str = ""
    name: str = ""

    @property
    def phase(self) -> JobPhase:
        return self.state.phase

    @property
    def host(self) -> str:
        """Node to look for our server on; empty while the job waits."""
        return self.batch_host or self.nodes


@dataclass(frozen=True, slots=True)
class QueueRows:
    """An answer of squeue: all jobs of this user, those ended minutes ago included."""

    jobs: tuple[Job, ...]
    asked: float = 0.0
    """epoch seconds when squeue was started"""

    def find(self, job_id: str) -> Job | None:
        """Row of that job; of a heterogeneous job or an array the first part."""
        parts = [job for job in self.jobs if re.split(r"[_+]", job.job_id)[0] == job_id]
        return next((job for job in parts if job.job_id == job_id), parts[0] if parts else None)

    def with_comment(self, comment: str) -> Job | None:
        """Latest job with that comment: finds a submission whose reply was lost."""
        return next((job for job in reversed(self.jobs) if comment and job.comment == comment), None)


@dataclass(frozen=True, slots=True)
class QueueUnknown:
    """The queue could not be asked. It says nothing about any job."""

    reason: str
    """one sentence for the user"""
    said: str = ""
    """Slurm's own words"""
    asked: float = 0.0


QueueAnswer = QueueRows | QueueUnknown


def parse_squeue(text: str, asked: float = 0.0) -> QueueRows:
    """Rows of `squeue -h -o QUEUE_FORMAT`; lines that are no rows (`CLUSTER: x`, warnings) are skipped."""
    rows = (_job(line) for line in text.split("\n"))
    return QueueRows(tuple(row for row in rows if row), asked)


def _job(line: str) -> Job | None:
    head, _, free = line.partition("|comment=")
    fields = head.split("|")
    if len(fields) != 16 or not re.match(r"\d+", fields[0], re.ASCII):
        return None
    comment, _, rest = free.partition("|name=")
    name, _, reason = rest.partition("|reason=")
    state = JobState.parse(fields[1])
    waits = state.phase is JobPhase.WAITING
    return Job(
        job_id=fields[0],
        state=state,
        reason=reason,
        nodes=_known(fields[2]),
        batch_host="" if waits else _known(fields[8]),
        time_left=0.0 if fields[3] == "INVALID" else parse_span(fields[3]),
        time_limit=parse_span(fields[4]),
        run_time=parse_span(fields[5]),
        starts=parse_moment(fields[6]),
        ends=parse_moment(fields[7]),
        submitted=parse_moment(fields[15]),
        cpus=integer(fields[9]),
        memory=_known(fields[10]),
        gres=_known(fields[11]),
        priority=integer(fields[12]),
        partition=fields[13],
        uid=integer(fields[14]),
        comment=_known(comment),
        name=name,
    )


def _known(text: str) -> str:
    return "" if text.strip() in ("n/a", "N/A", "(null)", "None") else text


def integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def is_ours(job: Job, uid: int, submitted: float | None, comment: str = "") -> bool:
    """Whether a row is the job that we submitted, and not another one under a recycled id.

    A requeue keeps id, name and comment and may move the submit time forward, never back. Sites that rewrite
    comments leave the submit time to decide; `submitted` is squeue's own (%V), so the clocks agree.
    """
    if job.uid != uid or job.name != JOB_NAME:
        return False
    if comment and job.comment:
        return job.comment == comment
    return submitted is None or job.submitted is None or job.submitted >= submitted - 1


def queue_position(text: str, job: Job) -> int | None:
    """How many jobs wait before this one, from `squeue -h -t PD -p PARTITION -o '%i|%Q'`; None if it is not there.

    Only as good as the priorities are public: sites may hide other users' jobs.
    """
    priorities = dict(line.split("|", 1) for line in text.splitlines() if line.count("|") == 1)
    mine = integer(priorities.get(job.job_id, ""))
    if mine is None:
        return None
    return sum(1 for other in priorities.values() if (integer(other) or 0) > mine)


def poll_interval(job: Job | None, now: float, failures: int = 0) -> float:
    """Seconds between two squeue calls: 2 for what changes soon, up to 30 for what waits or runs long.

    A function of the job's own times, so that all processes that follow it agree without talking.
    """
    if failures:
        return min(30.0, 2.0 * 2.0 ** min(failures - 1, 4))
    if job is None or job.phase is JobPhase.ENDING:
        return 2.0
    if job.phase is JobPhase.WAITING:
        waited = now - job.submitted if job.submitted is not None else 0.0
        return min(30.0, max(2.0, waited / 10))
    if job.phase is JobPhase.RUNNING and (job.run_time or 0.0) < 60:
        return 2.0
    return 30.0


@dataclass(frozen=True, slots=True)
class JobDetails:
    """What only `scontrol -o show job` tells."""

    job_id: str
    state: JobState
    reason: str
    exit_code: int
    signal: int
    restarts: int
    log: str
    """path of its output, placeholders filled in"""
    node: str


def parse_show_job(text: str) -> JobDetails | None:
    """First job of `scontrol -o show job ID`: `Key=Value` pairs on one line, values may contain blanks."""
    line = next((line for line in text.splitlines() if line.startswith("JobId=")), None)
    if line is None:
        return None
    marks = list(re.finditer(r"(?:^| )([A-Za-z][\w/:]*)=", line))
    values: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        values.setdefault(mark[1], line[mark.end() : following.start() if following else None].strip())
    exit_code, _, signal = values.get("ExitCode", "0:0").partition(":")
    return JobDetails(
        job_id=values["JobId"],
        state=JobState.parse(values.get("JobState", "")),
        reason=values.get("Reason", ""),
        exit_code=integer(exit_code) or 0,
        signal=integer(signal) or 0,
        restarts=integer(values.get("Restarts", "")) or 0,
        log=_known(values.get("StdOut", "")),
        node=_known(values.get("BatchHost", "")),
    )


def parse_node_address(text: str) -> str:
    """`NodeAddr` of `scontrol -o show node`; empty where it is only the node's name again."""
    address = re.search(r"(?:^| )NodeAddr=(\S+)", text)
    name = re.search(r"(?:^| )NodeName=(\S+)", text)
    return address[1] if address and not (name and address[1] == name[1]) else ""
