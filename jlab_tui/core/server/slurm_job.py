"""Finds the record's job in the queue, and decides which questions to ask Slurm about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..slurm.queue import Job, QueueAnswer, QueueRows, QueueUnknown, is_ours
from ..slurm.script import submission_comment
from ..slurm.show import JobDetails
from ..slurm.terms import JobPhase
from .record import ServerRecord, ServerState
from .status import JobGone

SETTLE_S = 10.0
"""seconds after the submission during which the queue may not list the job yet"""
LOST_S = 90.0
"""seconds without a job after which a submission with a lost answer has failed; sbatch itself may take a minute"""
ANSWER_S = 60.0
"""seconds to wait for sbatch"""


def find_job(record: ServerRecord, queue: QueueAnswer | None) -> Job | None:
    """Find the record's job in the queue; None if it is missing or its id now belongs to another job."""
    if not isinstance(queue, QueueRows):
        return None
    comment = submission_comment(record.slurm.submission)
    if not record.job_id:
        return queue.with_comment(comment)
    job = queue.find(record.job_id)
    submitted = record.slurm.submitted or None
    if job is None or job.uid is None or not is_ours(job, job.uid, submitted, comment):
        return None
    return job


def with_job_id(record: ServerRecord, job_id: str) -> ServerRecord:
    """Add the job's id to the record and to the log's name."""
    return replace(record, job_id=job_id, log=record.log.replace("%j", job_id))


def with_facts(record: ServerRecord, **changes: Any) -> ServerRecord:
    """Change `SlurmFacts` of the record."""
    return replace(record, slurm=replace(record.slurm, **changes))


def is_announced(record: ServerRecord) -> bool:
    """Return whether the record precedes sbatch's answer: the job exists, is about to, or will be refused."""
    return record.state is ServerState.PENDING and bool(record.slurm.submission) and not record.job_id


def is_answered_by(record: ServerRecord, queue: QueueAnswer | None) -> bool:
    """Return whether this answer of the queue is recent enough to list the job if it exists."""
    return isinstance(queue, QueueRows) and queue.asked > record.started + SETTLE_S


def wants_details(record: ServerRecord, queue: QueueAnswer | None) -> bool:
    """Return whether `scontrol show job` is needed: the job ended, vanished, (re)started or was requeued."""
    if not isinstance(queue, QueueRows) or not record.job_id or not record.state.is_live:
        return False
    job = find_job(record, queue)
    if job is None:
        return is_answered_by(record, queue) and queue.find(record.job_id) is None
    if job.phase is JobPhase.RUNNING:
        return start_of(job) > record.slurm.job_start
    if job.phase is JobPhase.WAITING:
        return record.state in (ServerState.STARTING, ServerState.READY)
    return job.phase is JobPhase.ENDED


def restarts_of(record: ServerRecord, details: JobDetails | QueueUnknown | JobGone | None) -> int:
    """Return how often the job was restarted, which is part of its connection file's name."""
    if isinstance(details, JobDetails):
        return details.restarts
    return record.slurm.restarts


def start_of(job: Job) -> float:
    """Return the job's latest start by Slurm, epoch seconds; 0 if there is none."""
    return job.starts or 0.0


def seen_running(record: ServerRecord) -> float:
    """Return when the wait for its server begins. Slurm may start the job hours before anybody looks."""
    return max(record.slurm.job_start, record.slurm.run_seen)
