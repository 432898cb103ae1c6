"""Parses this user's jobs from squeue, and decides whose a row is and how soon to ask again."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from .terms import JOB_NAME, JobPhase, JobState, integer, known, parse_moment, parse_span

QUEUE_FORMAT = "%i|%T|%N|%L|%l|%M|%S|%e|%B|%C|%m|%b|%Q|%P|%U|%V|comment=%k|name=%j|reason=%r"
"""`squeue -o`: the last three are free text, so they come last, each with its name"""

COUNT_EVERY_S = 60.0
"""least seconds between two requests for everybody's jobs, which cost the controller more than one user's"""
COUNT_AFTER_S = 5.0
"""seconds that a job waits before we count its place in the queue"""


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
    """node that runs the job script; empty if there is none yet"""
    time_limit: float | None = None
    """seconds; inf without a limit, None unknown"""
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
    """epoch seconds of squeue's start"""
    ahead: Mapping[str, int] = field(default_factory=dict)
    """by job id: how many jobs wait before it; only as good as the priorities are public, and minutes old"""

    def find(self, job_id: str) -> Job | None:
        """Find the row of that job; the first part of a heterogeneous job or an array."""
        parts = [job for job in self.jobs if re.split(r"[_+]", job.job_id)[0] == job_id]
        return next((job for job in parts if job.job_id == job_id), parts[0] if parts else None)

    def with_comment(self, comment: str) -> Job | None:
        """Find the latest job with that comment, even if a site added to it; this finds a submission whose reply was lost."""
        return next((job for job in reversed(self.jobs) if _names(job, comment)), None)


@dataclass(frozen=True, slots=True)
class QueueUnknown:
    """The queue did not answer, which says nothing about any job."""

    reason: str
    """one sentence for the user"""
    reply: str = ""
    """Slurm's own words"""
    asked: float = 0.0


QueueAnswer = QueueRows | QueueUnknown


def parse_squeue(text: str, asked: float = 0.0) -> QueueRows:
    """Parse the rows of `squeue -h -o QUEUE_FORMAT`; skip other lines (`CLUSTER: x`, warnings)."""
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
        nodes=known(fields[2]),
        batch_host="" if waits else known(fields[8]),
        time_limit=parse_span(fields[4]),
        run_time=parse_span(fields[5]),
        starts=parse_moment(fields[6]),
        ends=parse_moment(fields[7]),
        submitted=parse_moment(fields[15]),
        cpus=integer(fields[9]),
        memory=known(fields[10]),
        gres=known(fields[11]),
        priority=integer(fields[12]),
        partition=fields[13],
        uid=integer(fields[14]),
        comment=known(comment),
        name=name,
    )


_SUBMISSION = re.compile(rf"\b{JOB_NAME}/[A-Za-z0-9-]")


def _names(job: Job, comment: str) -> bool:
    """Return whether the job's comment contains the random id of `comment` (`jlab-mcp/ID`)."""
    submission = comment.rpartition("/")[2]
    return (
        bool(submission)
        and re.search(rf"(?<![\w-]){re.escape(submission)}(?![\w-])", job.comment) is not None
    )


def is_ours(job: Job, uid: int, submitted: float | None, comment: str = "") -> bool:
    """Return whether a row is the job that we submitted, and not another one with a reused id.

    Our random id in its comment proves it, and a different one of our ids disproves it. Sites and users that rewrite comments
    leave name and submit time to decide: a requeue may move that forward, never back; `submitted` is squeue's own (%V),
    so the clocks agree.
    """
    if job.uid != uid:
        return False
    if _names(job, comment):
        return True
    if job.name != JOB_NAME or (comment and _SUBMISSION.search(job.comment)):
        return False
    return submitted is None or job.submitted is None or job.submitted >= submitted - 1


def split_queue(text: str, uid: int) -> tuple[str, dict[str, int]]:
    """Split everybody's rows into this user's, and count how many jobs wait before each of the user's waiting ones.

    Jobs of a higher priority in one of its partitions count. Sites may hide other users' jobs.
    """
    own: list[str] = []
    mine: list[tuple[str, int, str]] = []
    waiting: defaultdict[str, list[int]] = defaultdict(list)  # by what is printed: `gpu`, `gpu,long`
    for line in text.split("\n"):
        fields = line.partition("|comment=")[0].split("|")
        if len(fields) != 16:
            continue
        is_mine = fields[14] == str(uid)
        if is_mine:
            own.append(line)
        if fields[1] == JobState.PENDING:
            priority = integer(fields[12]) or 0
            waiting[fields[13]].append(priority)
            if is_mine:
                mine.append((fields[0], priority, fields[13]))
    for priorities in waiting.values():
        priorities.sort()
    return "\n".join(own), {
        job_id: sum(
            len(priorities) - bisect_right(priorities, priority)
            for there, priorities in waiting.items()
            if not set(there.split(",")).isdisjoint(partitions.split(","))
        )
        for job_id, priority, partitions in mine
    }


def wants_count(queue: QueueAnswer, counted: float, now: float) -> bool:
    """Return whether the next squeue should ask for everybody's jobs, because one of ours competes with them."""
    if not isinstance(queue, QueueRows) or now - counted < COUNT_EVERY_S:
        return False
    return any(
        job.name == JOB_NAME
        and job.state is JobState.PENDING
        and job.reason in ("Priority", "Resources")
        and now - (job.submitted or now) >= COUNT_AFTER_S
        for job in queue.jobs
    )


def poll_interval(job: Job | None, now: float, failures: int = 0) -> float:
    """Return the seconds between two squeue calls: 2 for jobs that change soon, up to 30 for long waits or runs.

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
