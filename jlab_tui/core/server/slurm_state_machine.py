"""Does the work of `state_machine.step` for a Slurm job, from the queue, the connection file and a health check.

Rows of the queue may be half a minute old, and another host may have seen more. So a row alone never takes a job back
to the queue and never declares it forgotten: `scontrol show job`, which is asked at that moment, has to agree.
"""

from __future__ import annotations

from dataclasses import replace

from ..slurm.job_end import explain_end, explain_gone
from ..slurm.messages import Advice
from ..slurm.queue import Job, QueueAnswer, QueueRows, QueueUnknown
from ..slurm.show import JobDetails
from ..slurm.terms import JobPhase, JobState
from .record import ServerRecord, ServerState
from .slurm_job import (
    LOST_S,
    find_job,
    is_answered_by,
    restarts_of,
    start_of,
    with_facts,
    with_job_id,
)
from .slurm_status import pending, ready, starting, warnings
from .status import (
    Health,
    JobGone,
    Limits,
    Observation,
    ServerStatus,
    over,
    own_end,
    telling_line,
    unproved,
    untrusted,
)


def step_slurm(record: ServerRecord, seen: Observation, limits: Limits) -> ServerStatus:
    """Return the status of a Slurm record."""
    if not record.state.is_live:
        return over(record, seen.log_tail)
    job = find_job(record, seen.queue)
    ended = _end(record, job, seen)
    if ended is not None:
        return ended
    record = _with_job(record, job, seen)
    waits = job is not None and job.phase is JobPhase.WAITING and record.state is ServerState.PENDING
    record = _with_connection(record, seen)
    if record.state is ServerState.STOPPING:
        sentence = f"Job {record.job_id} is being cancelled..."
        return ServerStatus(record, "stopping", sentence, "Wait a moment.", notices=warnings(record, seen))
    if record.state is ServerState.PENDING:
        return pending(record, job if waits else None, seen)
    if seen.health is Health.OK and record.is_published:
        record = record.with_state(ServerState.READY)
    if seen.no_route is not None:
        return unproved(record, seen.no_route)
    if seen.health is Health.UNTRUSTED and record.cert:  # another launch's certificate, so another server
        seen = replace(seen, health=Health.FOREIGN)
    if seen.health is Health.UNTRUSTED:
        return untrusted(record, give_up=record.state is ServerState.STARTING)
    if record.state is ServerState.READY:
        return ready(record, job, seen)
    return starting(record, job, seen, limits)


# -- the end ----------------------------------------------------------------------------------------------------------


def _end(record: ServerRecord, job: Job | None, seen: Observation) -> ServerStatus | None:
    details = seen.details if isinstance(seen.details, JobDetails) else None
    if job is not None:
        if job.phase is not JobPhase.ENDED:
            return None
        state, reason = job.state, job.reason
    elif details is not None and details.state.phase is JobPhase.ENDED:
        state, reason = details.state, details.reason
    elif not is_answered_by(record, seen.queue):
        return None
    elif not record.job_id:
        if seen.now - record.started < LOST_S:
            return None
        advice = Advice(
            "sbatch did not answer, and no job appeared in the queue.", "Start again: jlab-mcp start"
        )
        return _over(record, ServerState.ERROR, advice, seen)
    elif isinstance(seen.details, JobGone) or _is_recycled(record, seen.queue):
        return _over(record, _last_state(record), explain_gone(record.job_id), seen)
    else:
        return None
    advice = explain_end(
        state,
        record.job_id,
        reason=details.reason if details else reason,
        exit_code=details.exit_code if details else 0,
        signal=details.signal if details else 0,
        node=(job.host if job else "") or record.hostname,
        by_us=record.state is ServerState.STOPPING,
    )
    return _over(record, _last_state(record), advice, seen, blame_log=state in (JobState.FAILED,))


def _is_recycled(record: ServerRecord, queue: QueueAnswer | None) -> bool:
    return isinstance(queue, QueueRows) and bool(record.job_id) and queue.find(record.job_id) is not None


def _last_state(record: ServerRecord) -> ServerState:
    """Return the status of an ended job: an error if it never served, an end as requested if we cancelled it."""
    came_up = record.state in (ServerState.READY, ServerState.STOPPING)
    return ServerState.ENDED if came_up else ServerState.ERROR


def _over(
    record: ServerRecord, state: ServerState, advice: Advice, seen: Observation, *, blame_log: bool = False
) -> ServerStatus:
    last_line = telling_line(seen.log_tail).removeprefix("jlab-mcp: error: ") if blame_log else ""
    message = f"{advice.message} Its log says: {last_line}" if last_line else advice.message
    message += own_end(seen.log_tail)
    return over(record.with_state(state, message, advice.hint), seen.log_tail)


# -- what it is now --------------------------------------------------------------------------------------------------


def _with_job(record: ServerRecord, job: Job | None, seen: Observation) -> ServerRecord:
    """Update the record from Slurm's answer about an existing job."""
    if job is None:
        return record
    if not record.job_id:
        record = with_job_id(record, job.job_id)
    if job.submitted and not record.slurm.submitted:
        record = with_facts(record, submitted=job.submitted)
    match job.phase:
        case JobPhase.WAITING if record.state in (ServerState.STARTING, ServerState.READY):
            details = seen.details
            if isinstance(details, JobDetails) and details.state.phase is JobPhase.WAITING:
                return _requeued(record, details.restarts, seen.now)
        case JobPhase.RUNNING:
            return _running(record, job, seen)
        case JobPhase.SUSPENDED if record.state is ServerState.PENDING and job.host:
            return replace(record.with_state(ServerState.STARTING), hostname=job.host)
        case _:
            pass
    return record


def _requeued(record: ServerRecord, restarts: int, now: float) -> ServerRecord:
    """Put the job back in the queue. The record forgets where it ran, so that nobody reads its old connection file again."""
    return with_facts(_forget_server(record, now), restarts=restarts)


def _forget_server(record: ServerRecord, started: float) -> ServerRecord:
    """Start the record of the job's next run, a new server; the sessions of the previous run ended with that run."""
    record = record.with_state(ServerState.PENDING)
    record = replace(
        record,
        hostname="",
        port=0,
        url="",
        socket="",
        cert="",
        link=None,
        ends=0.0,
        started=round(started, 3),
    )
    return with_facts(record, connected=0.0, estimate=0.0, addresses="")


def _running(record: ServerRecord, job: Job, seen: Observation) -> ServerRecord:
    start, known = start_of(job), record.slurm.job_start
    if start < known or (start == known and record.state is ServerState.PENDING):
        return record  # an old row, of the previous run
    if start > known:
        if isinstance(seen.details, QueueUnknown):
            return record  # the name of the connection file is not known yet
        restarts = restarts_of(record, seen.details)
        # Its connection file may have told of this run before the queue did: then it is the run that is served.
        if known and restarts != record.slurm.restarts and record.state is not ServerState.STOPPING:
            record = _forget_server(record, start)  # the same for everybody who looks
        record = with_facts(record, job_start=start, restarts=restarts, run_seen=round(seen.now, 3))
    if record.state is ServerState.PENDING:
        record = record.with_state(ServerState.STARTING)
    return replace(record, hostname=job.host or record.hostname, ends=job.ends or record.ends)


def _with_connection(record: ServerRecord, seen: Observation) -> ServerRecord:
    connection = seen.connection
    if connection is None or record.state is ServerState.STOPPING:
        return record
    if record.state is ServerState.PENDING:
        record = record.with_state(ServerState.STARTING)
    if connection.addresses:
        record = with_facts(record, addresses=" ".join(connection.addresses))
    if not record.slurm.connected:
        record = with_facts(record, connected=round(seen.now, 3))
    hostname = record.hostname or connection.hostname
    return replace(
        record,
        port=connection.port,
        url=connection.url,
        socket=connection.socket,
        cert=connection.cert,
        link=connection.link,
        token=connection.token or record.token,
        hostname=hostname,
        environment=connection.environment,
    )
