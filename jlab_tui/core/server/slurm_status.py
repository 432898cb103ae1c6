"""Describes a live job: waiting in the queue, starting its server, or serving."""

from __future__ import annotations

from ..slurm.job_end import explain_live
from ..slurm.messages import explain_pending
from ..slurm.queue import Job, QueueRows, QueueUnknown
from ..slurm.survey import SOON_S, about, format_span
from ..slurm.terms import JobPhase, JobState
from .record import ServerRecord, ServerState
from .route import UNPROVED
from .slurm_job import ANSWER_S, seen_running
from .status import LOG_LINES, Health, Limits, Observation, QueueFacts, ServerStatus, telling_line
from .walltime import walltime_warning

OLD_S = 120.0
"""age in seconds from which the status mentions an old answer; the queue is queried every half minute"""


def pending(record: ServerRecord, job: Job | None, seen: Observation) -> ServerStatus:
    """Describe a waiting job; `job` is its row in the queue, if there is one."""
    if job is None:
        if record.job_id:
            sentence = f"SLURM job {record.job_id} submitted, waiting in queue..."
        elif seen.now - record.started < ANSWER_S:
            sentence = "SLURM job being submitted..."
        else:
            sentence = "sbatch did not answer in time; looking for the job in the queue..."
        facts = _facts(record, None, seen)
        details = _queue_details(facts, seen.now)
        return ServerStatus(
            record, "pending", sentence, details=details, notices=warnings(record, seen), queue=facts
        )
    why = explain_pending(job.reason)
    is_plain = job.state is JobState.PENDING and not record.slurm.restarts
    if is_plain and job.reason in ("", "None"):
        sentence = f"SLURM job {record.job_id} submitted, waiting in queue..."
    elif is_plain:
        sentence = f"Job {record.job_id} waits in the queue ({job.reason}): {why.advice.message}"
    else:
        live = explain_live(job.state, record.job_id, restarts=record.slurm.restarts)
        sentence = f"{live.message} {why.advice.message if job.state is JobState.PENDING else ''}".strip()
    facts = _facts(record, job, seen, is_stuck=why.is_stuck)
    return ServerStatus(
        record,
        f"pending ({job.reason})" if job.reason not in ("", "None") else "pending",
        sentence,
        why.advice.hint.replace("JOBID", record.job_id),
        details=_queue_details(facts, seen.now),
        queue=facts,
        notices=warnings(record, seen),
    )


def _facts(record: ServerRecord, job: Job | None, seen: Observation, *, is_stuck: bool = False) -> QueueFacts:
    expected = record.slurm.estimate
    if job is not None:
        expected = job.starts or (0.0 if is_stuck else expected)
    starts = expected if expected > seen.now + SOON_S else None
    if job is None:
        return QueueFacts(estimated_start=starts, load=seen.load)
    return QueueFacts(
        reason=job.reason if job.reason != "None" else "",
        position=seen.queue.ahead.get(job.job_id) if isinstance(seen.queue, QueueRows) else None,
        estimated_start=starts,
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
    if facts.estimated_start is not None:
        lines.append(f"Slurm's estimate: it starts in about {about(facts.estimated_start - now)}.")
    return tuple(lines)


def starting(record: ServerRecord, job: Job | None, seen: Observation, limits: Limits) -> ServerStatus:
    """Describe a job that has its node while the server does not answer yet."""
    where = record.hostname or "its node"
    if job is not None and job.phase in (JobPhase.SUSPENDED, JobPhase.ENDING):
        live = explain_live(job.state, record.job_id, node=record.hostname)
        return ServerStatus(record, job.phase.value, live.message, live.hint, reachable=False)
    is_known = not isinstance(seen.queue, QueueUnknown)
    if is_known and (unreached := _unreached(record, seen, limits)):
        return _not_reached(record, unreached, seen)
    late = _late(record, seen, limits) if is_known else ""
    if late:
        tail = tuple(seen.log_tail.splitlines()[-LOG_LINES:])
        last_line = telling_line(seen.log_tail)
        return ServerStatus(
            record,
            "not starting",
            f"{late} Its log ends with: {last_line}" if last_line else late,
            "`jlab-mcp logs` shows more, `jlab-mcp stop` cancels the job; JLAB_MCP_READY_TIMEOUT sets the limit.",
            reachable=False,
            give_up=True,
            log_tail=tail,
            notices=warnings(record, seen),
        )
    sentence = f"Job running on {where}, JupyterLab starting..."
    return ServerStatus(record, "starting", sentence, reachable=False, notices=warnings(record, seen))


def _not_reached(record: ServerRecord, sentence: str, seen: Observation) -> ServerStatus:
    """Describe a server that serves, though not this host: that says nothing about the job."""
    unproved = ""
    if record.url and not record.cert:  # of an earlier version: its port answers, but does not prove itself
        unproved = f" {UNPROVED}=1 uses its port without proof; anyone who listens there can then act as you."
    return ServerStatus(
        record,
        "not reached",
        sentence,
        f"The job keeps running. `jlab-mcp doctor` shows how far a connection gets. Try another login node, or work inside "
        f"the job: srun --overlap --jobid {record.job_id} --pty bash. `jlab-mcp stop` cancels it.{unproved}",
        reachable=False,
        is_elsewhere=True,
        is_unreached=True,
        notices=warnings(record, seen),
    )


def _late(record: ServerRecord, seen: Observation, limits: Limits) -> str:
    """Return a sentence that names what is overdue; empty while there is time."""
    limit, started = limits.ready_s, seen_running(record)
    if record.is_published or not started or seen.now - started <= limit:
        return ""
    return f"Job {record.job_id} runs on {record.hostname}, but JupyterLab did not start there within {limit:.0f} s."


def _unreached(record: ServerRecord, seen: Observation, limits: Limits) -> str:
    """Return a sentence about a server that came up and does not answer here; empty while there is time. Others may reach
    it, and it may have waited in the queue for hours."""
    if (
        not record.is_published
        or seen.health in (None, Health.OK)
        or seen.now - record.slurm.connected <= limits.ready_s
    ):
        return ""
    how = "another server answers" if seen.health is Health.FOREIGN else "this machine could not reach it"
    where = f" at {record.url}" if record.url else ""
    why = f": {seen.link.why}" if seen.link is not None and seen.link.why else ""
    came_up = f"JupyterLab came up in job {record.job_id} on {record.hostname}"
    return f"{came_up}, but {how}{where} for {limits.ready_s:.0f} s{why}."


def ready(record: ServerRecord, job: Job | None, seen: Observation) -> ServerStatus:
    """Describe a server that has answered before and may be silent now."""
    notices = warnings(record, seen)
    details = (f"Walltime left: {format_span(max(0.0, record.ends - seen.now))}",) if record.ends else ()
    if seen.health is Health.OK or (seen.health is None and (job is None or job.phase is JobPhase.RUNNING)):
        reachable = True if seen.health is Health.OK else None
        sentence = f"JupyterLab ready {record.place}"
        if not record.url:
            sentence += " (no open port; jlab-mcp url gives the browser's way)"
        return ServerStatus(
            record, "running", sentence, reachable=reachable, details=details, notices=notices
        )
    if job is not None and job.phase in (JobPhase.SUSPENDED, JobPhase.ENDING):
        live = explain_live(job.state, record.job_id, node=record.hostname)
        return ServerStatus(
            record, job.phase.value, live.message, live.hint, reachable=False, notices=notices
        )
    if seen.link is not None and seen.link.way == "none" and seen.link.why:
        sentence = (
            f"JupyterLab serves on {record.hostname}, but no way leads there from this host: {seen.link.why}."
        )
        return _not_reached(record, sentence, seen)
    sentence = f"JupyterLab {record.place} is not answering."
    if job is not None:
        sentence += f" Slurm says that job {record.job_id} runs on {record.hostname}."
    return ServerStatus(
        record,
        "not answering",
        sentence,
        "The node may be busy, or down: Slurm notices that within minutes. Call again, or look at `jlab-mcp logs`.",
        reachable=False,
        details=details,
        notices=notices,
    )


def warnings(record: ServerRecord, seen: Observation) -> tuple[str, ...]:
    """Return notices that leave the state unchanged: Slurm does not answer, the walltime ends soon."""
    found = []
    if isinstance(seen.queue, QueueUnknown):
        found.append(f"{seen.queue.reason} jlab-mcp assumes that the job keeps running.")
    elif seen.queue is not None and seen.queue.asked and seen.now - seen.queue.asked > OLD_S:
        ago = about(seen.now - seen.queue.asked)
        found.append(f"Slurm's last answer is {ago} old; jlab-mcp assumes that nothing has changed since.")
    if record.state is ServerState.READY and (warning := walltime_warning(record.ends, seen.now)):
        found.append(warning)
    return tuple(found)
