"""`startup.step` for a SLURM job: what follows from the queue, the connection file and one look at the server.

Rows of the queue may be half a minute old, and another host may have seen more. So a row alone never takes a job back
to the queue and never declares it forgotten: `scontrol show job`, which is asked at that moment, has to agree.
"""

from __future__ import annotations

from dataclasses import replace

from .models import ServerRecord, ServerState
from .situation import (
    LOG_LINES,
    Health,
    JobGone,
    Limits,
    Observation,
    QueueFacts,
    Situation,
    over,
    telling_line,
    with_extra,
)
from .slurm import JobPhase, JobState
from .slurm_end import explain_end, explain_gone, explain_live
from .slurm_queue import Job, QueueAnswer, QueueRows, QueueUnknown, is_ours
from .slurm_script import submission_comment
from .slurm_show import JobDetails
from .slurm_survey import format_span
from .slurm_text import Advice, explain_pending
from .walltime import walltime_warning

RESTARTS = "RESTARTS"
"""keys of the record's `extra`: how often Slurm has started the job again, ..."""
JOB_START = "JOB_START"
"""... when it was started last (epoch seconds, Slurm's), ..."""
CONNECTED = "CONNECTED"
"""... when its connection file was first seen, ..."""
SUBMISSION = "SUBMISSION"
"""... the random id in its comment, ..."""
SUBMITTED = "SUBMITTED"
"""... and when Slurm says that it was submitted"""

SETTLE_S = 10.0
"""an answer of the queue this soon after the submission may not have the job yet"""
LOST_S = 60.0
"""after that long without a job, a submission whose answer was lost has failed"""


def find_job(record: ServerRecord, queue: QueueAnswer | None) -> Job | None:
    """Row of the record's job; None where it is not there, or where its id now belongs to another job."""
    if not isinstance(queue, QueueRows):
        return None
    comment = submission_comment(record.extra.get(SUBMISSION, ""))
    if not record.job_id:
        return queue.with_comment(comment)
    job = queue.find(record.job_id)
    submitted = float(record.extra.get(SUBMITTED) or 0) or None
    if job is None or not is_ours(job, job.uid if job.uid is not None else -1, submitted, comment):
        return None
    return job


def is_answered_by(record: ServerRecord, queue: QueueAnswer | None) -> bool:
    """Whether the queue was asked late enough to have the job if there is one."""
    return isinstance(queue, QueueRows) and queue.asked > record.started + SETTLE_S


def wants_details(record: ServerRecord, queue: QueueAnswer | None) -> bool:
    """Whether `scontrol show job` is needed: the job has ended, is missing, was started (again) or went back."""
    if not isinstance(queue, QueueRows) or not record.job_id or not record.state.is_live:
        return False
    job = find_job(record, queue)
    if job is None:
        return is_answered_by(record, queue) and queue.find(record.job_id) is None
    if job.phase is JobPhase.RUNNING:
        return _start_of(job) > _known_start(record)
    if job.phase is JobPhase.WAITING:
        return record.state in (ServerState.STARTING, ServerState.READY)
    return job.phase is JobPhase.ENDED


def restarts_of(record: ServerRecord, details: JobDetails | QueueUnknown | JobGone | None) -> int:
    """How often the job was restarted: its connection file is named after that."""
    if isinstance(details, JobDetails):
        return details.restarts
    return int(record.extra.get(RESTARTS) or 0)


def step_slurm(record: ServerRecord, seen: Observation, limits: Limits) -> Situation:
    """The situation of a SLURM record."""
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
        return Situation(record, "stopping", sentence, "Wait a moment.", notices=_notices(record, seen))
    if record.state is ServerState.PENDING:
        return _pending(record, job if waits else None, seen)
    if seen.health is Health.OK and record.url:
        record = record.with_state(ServerState.READY)
    if record.state is ServerState.READY:
        return _ready(record, job, seen)
    return _starting(record, job, seen, limits)


# -- how it ended ----------------------------------------------------------------------------------------------------


def _end(record: ServerRecord, job: Job | None, seen: Observation) -> Situation | None:
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
        advice = Advice("sbatch did not answer, and no job has come of it.", "Start again: jlab-mcp start")
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
    """A job that never got to a server is an error; one that was cancelled by us has ended as asked."""
    came_up = record.state in (ServerState.READY, ServerState.STOPPING)
    return ServerState.ENDED if came_up else ServerState.ERROR


def _over(
    record: ServerRecord, state: ServerState, advice: Advice, seen: Observation, *, blame_log: bool = False
) -> Situation:
    said = telling_line(seen.log_tail).removeprefix("jlab-mcp: error: ") if blame_log else ""
    message = f"{advice.message} Its log says: {said}" if said else advice.message
    return over(with_extra(record.with_state(state, message), HINT=advice.hint), seen.log_tail)


# -- what it is now --------------------------------------------------------------------------------------------------


def _with_job(record: ServerRecord, job: Job | None, seen: Observation) -> ServerRecord:
    """The record after what Slurm says of a job that exists."""
    if job is None:
        return record
    if not record.job_id:
        record = replace(record, job_id=job.job_id, log=record.log.replace("%j", job.job_id))
    if job.submitted and not record.extra.get(SUBMITTED):
        record = with_extra(record, **{SUBMITTED: f"{job.submitted:.0f}"})
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
    """Back in the queue: where it ran is forgotten, so that its old connection file is never read again."""
    return with_extra(_forget_server(record, now), **{RESTARTS: str(restarts)})


def _forget_server(record: ServerRecord, now: float) -> ServerRecord:
    """The job's next run is another server: sessions of the one before have ended with it."""
    record = record.with_state(ServerState.PENDING)
    record = replace(record, hostname="", port=0, url="", ends=0.0, started=round(now, 3))
    return with_extra(record, **{CONNECTED: ""})


def _running(record: ServerRecord, job: Job, seen: Observation) -> ServerRecord:
    start, known = _start_of(job), _known_start(record)
    if start < known or (start == known and record.state is ServerState.PENDING):
        return record  # an old row, of the run before this one
    if start > known:
        if isinstance(seen.details, QueueUnknown):
            return record  # which connection file counts is not known yet
        if known and record.state is not ServerState.STOPPING:
            record = _forget_server(record, seen.now)
        restarts = restarts_of(record, seen.details)
        record = with_extra(record, **{JOB_START: f"{start:.0f}", RESTARTS: str(restarts or "")})
    if record.state is ServerState.PENDING:
        record = record.with_state(ServerState.STARTING)
    return replace(record, hostname=job.host or record.hostname, ends=job.ends or record.ends)


def _start_of(job: Job) -> float:
    return job.starts or 0.0


def _known_start(record: ServerRecord) -> float:
    return float(record.extra.get(JOB_START) or 0)


def _with_connection(record: ServerRecord, seen: Observation) -> ServerRecord:
    connection = seen.connection
    if connection is None or record.state is ServerState.STOPPING:
        return record
    if record.state is ServerState.PENDING:
        record = record.with_state(ServerState.STARTING)
    if not record.extra.get(CONNECTED):
        record = with_extra(record, **{CONNECTED: f"{seen.now:.3f}"})
    hostname = record.hostname or connection.hostname
    return replace(record, port=connection.port, url=connection.url, hostname=hostname)


def _pending(record: ServerRecord, job: Job | None, seen: Observation) -> Situation:
    name = f"Job {record.job_id}" if record.job_id else "The job"
    if job is None:
        sentence = (
            f"SLURM job {record.job_id} submitted, waiting in queue..."
            if record.job_id
            else "sbatch did not answer in time; looking for the job in the queue..."
        )
        return Situation(
            record, "pending", sentence, notices=_notices(record, seen), queue=_facts(None, seen)
        )
    why = explain_pending(job.reason)
    is_plain = job.state is JobState.PENDING and not record.extra.get(RESTARTS)
    if is_plain and job.reason in ("", "None"):
        sentence = f"SLURM job {record.job_id} submitted, waiting in queue..."
    elif is_plain:
        sentence = f"{name} waits in the queue ({job.reason}): {why.advice.message}"
    else:
        live = explain_live(job.state, record.job_id, restarts=int(record.extra.get(RESTARTS) or 0))
        sentence = f"{live.message} {why.advice.message if job.state is JobState.PENDING else ''}".strip()
    facts = _facts(job, seen, is_stuck=why.is_stuck)
    return Situation(
        record,
        f"pending ({job.reason})" if job.reason not in ("", "None") else "pending",
        sentence,
        why.advice.hint.replace("JOBID", record.job_id),
        details=_queue_details(facts, seen.now),
        queue=facts,
        notices=_notices(record, seen),
    )


def _facts(job: Job | None, seen: Observation, *, is_stuck: bool = False) -> QueueFacts:
    if job is None:
        return QueueFacts(load=seen.load)
    return QueueFacts(
        reason=job.reason if job.reason != "None" else "",
        position=seen.position,
        estimated_start=job.starts,
        queued_since=job.submitted,
        partition=job.partition,
        load=seen.load,
        is_stuck=is_stuck,
    )


def _queue_details(facts: QueueFacts, now: float) -> tuple[str, ...]:
    lines = []
    if facts.position is not None:
        ahead = (
            "job with a higher priority waits" if facts.position == 1 else "jobs with a higher priority wait"
        )
        lines.append(f"{facts.position or 'No'} {ahead} in partition {facts.partition}.")
    if facts.estimated_start is not None and facts.estimated_start > now:
        minutes = (facts.estimated_start - now) / 60
        shown = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
        lines.append(f"Slurm's estimate: it starts in about {shown if minutes >= 1 else '1 min'}.")
    return tuple(lines)


def _starting(record: ServerRecord, job: Job | None, seen: Observation, limits: Limits) -> Situation:
    where = record.hostname or "its node"
    if job is not None and job.phase in (JobPhase.SUSPENDED, JobPhase.ENDING):
        live = explain_live(job.state, record.job_id, node=record.hostname)
        return Situation(record, job.phase.value, live.message, live.hint, reachable=False)
    late = "" if isinstance(seen.queue, QueueUnknown) else _late(record, seen, limits)
    if late:
        tail = tuple(seen.log_tail.splitlines()[-LOG_LINES:])
        said = telling_line(seen.log_tail)
        return Situation(
            record,
            "not starting",
            f"{late} Its log ends with: {said}" if said else late,
            "`jlab-mcp logs` shows more, `jlab-mcp stop` cancels the job; JLAB_MCP_READY_TIMEOUT is the limit.",
            reachable=False,
            give_up=True,
            log_tail=tail,
            notices=_notices(record, seen),
        )
    sentence = f"Job running on {where}, JupyterLab starting..."
    return Situation(record, "starting", sentence, reachable=False, notices=_notices(record, seen))


def _late(record: ServerRecord, seen: Observation, limits: Limits) -> str:
    """What has not come in time, as a sentence; nothing while there is time."""
    job, limit = f"Job {record.job_id} runs on {record.hostname}", limits.ready_s
    connected, started = float(record.extra.get(CONNECTED) or 0), _known_start(record)
    if not record.url and started and seen.now - started > limit:
        return f"{job}, but JupyterLab has not come up there within {limit:.0f} s."
    if record.url and seen.health not in (None, Health.OK) and seen.now - connected > limit:
        how = (
            "another server answers" if seen.health is Health.FOREIGN else "it could not be reached from here"
        )
        return f"{job}, but {how} at {record.url} for {limit:.0f} s."
    return ""


def _ready(record: ServerRecord, job: Job | None, seen: Observation) -> Situation:
    notices = _notices(record, seen)
    details = (f"Walltime left: {format_span(max(0.0, record.ends - seen.now))}",) if record.ends else ()
    if seen.health is Health.OK or (seen.health is None and (job is None or job.phase is JobPhase.RUNNING)):
        reachable = True if seen.health is Health.OK else None
        sentence = f"JupyterLab ready at {record.url}"
        return Situation(record, "running", sentence, reachable=reachable, details=details, notices=notices)
    if job is not None and job.phase in (JobPhase.SUSPENDED, JobPhase.ENDING):
        live = explain_live(job.state, record.job_id, node=record.hostname)
        return Situation(record, job.phase.value, live.message, live.hint, reachable=False, notices=notices)
    sentence = f"JupyterLab at {record.url} is not answering."
    if job is not None:
        sentence += f" Slurm says that job {record.job_id} runs on {record.hostname}."
    return Situation(
        record,
        "not answering",
        sentence,
        "The node may be busy or lost, which Slurm finds out in some minutes; call again, or look at `jlab-mcp logs`.",
        reachable=False,
        details=details,
        notices=notices,
    )


def _notices(record: ServerRecord, seen: Observation) -> tuple[str, ...]:
    found = []
    if isinstance(seen.queue, QueueUnknown):
        found.append(f"{seen.queue.reason} The job is taken to go on as before.")
    if record.state is ServerState.READY and (warning := walltime_warning(record.ends, seen.now)):
        found.append(warning)
    return tuple(found)
